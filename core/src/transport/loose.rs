//! The frames of one class that no session keeps: the machines' messages and the host's datagrams.
//! They are not acknowledged, and gone with their connection.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::SubmitError;
use super::frame::{BODY_BYTES_MAX, HEADER_LEN, Header, Kind};
use crate::payload::Payload;

/// A message that waits, and how much of it has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    header: Header,
    body: Payload,
    sent: usize,
}

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Loose {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

impl Loose {
    pub(super) fn push(
        &mut self,
        header: Header,
        body: Payload,
        bytes_max: usize,
    ) -> Result<(), SubmitError> {
        let size = HEADER_LEN + body.len();
        if !self.waiting.is_empty() && self.bytes.saturating_add(size) > bytes_max {
            return Err(SubmitError::Full);
        }
        self.bytes += size;
        let sent = 0;
        self.waiting.push_back(Waiting { header, body, sent });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends whole frames as long as `room` bytes hold them; longer messages are cut.
    pub(super) fn write(&mut self, version: u8, room: usize, wire: &mut Vec<u8>) {
        let start = wire.len();
        while let Some(next) = self.waiting.front_mut() {
            let left = next.body.len() - next.sent;
            let len = left.min(BODY_BYTES_MAX);
            if wire.len() - start + HEADER_LEN + len > room {
                return;
            }
            let header = Header {
                version,
                more: left > len,
                len: u16::try_from(len).unwrap_or(u16::MAX),
                ..next.header
            };
            wire.extend_from_slice(&header.encode());
            wire.extend_from_slice(&next.body[next.sent..next.sent + len]);
            next.sent += len;
            if left == len {
                self.bytes -= HEADER_LEN + next.body.len();
                self.waiting.pop_front();
            }
        }
    }

    /// Bytes that wait, headers included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Loose::default();
    }
}

/// A header for a message of the machine, or for a datagram without a type.
pub(super) fn header(code: Option<u8>, class: super::Priority) -> Header {
    let kind = if code.is_some() {
        Kind::Node
    } else {
        Kind::Datagram
    };
    Header {
        class,
        code: code.unwrap_or(0),
        ..Header::bare(0, kind)
    }
}
