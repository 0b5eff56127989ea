//! One class of a connection: what waits to be sent, and the numbers of its messages in both
//! directions.
//!
//! A message's number counts from 1 in its class, without gaps, so that one number acknowledges all
//! before it and duplicates need no set of ids. Deliberately absent: keeping sent messages for a
//! resend. A connection is reliable while it lives; what is unacknowledged when it dies is the
//! owner's to repeat.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::frame::{HEADER_LEN, Header, Kind};
use super::{LinkFault, Priority, SubmitError};
use crate::mutant::{Mutant, Planted};
use crate::payload::Payload;

/// Messages of one class that may wait for their acknowledgement.
pub(super) const UNACKNOWLEDGED_MAX: u64 = 65_536;

/// A frame that waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    kind: Kind,
    code: u8,
    number: u64,
    len: u32,
    body: Payload,
}

/// One class. Invariant: `acked <= sent <= submitted`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
    /// Bytes of `waiting`, headers included.
    waiting_bytes: usize,
    /// The last number given to a message of ours.
    submitted: u64,
    /// The last one handed to the socket.
    sent: u64,
    /// The last one the peer acknowledged.
    acked: u64,
    /// The last number received.
    received: u64,
    /// `received` has not been acknowledged yet.
    is_ack_due: bool,
    pub(super) planted: Planted,
}

impl Lane {
    /// Queues a frame; numbers it if it is a message. `number` is the id of a request or reply.
    pub(super) fn push(
        &mut self,
        (kind, code, number): (Kind, u8, u64),
        body: Payload,
        bytes_max: usize,
    ) -> Result<u64, SubmitError> {
        let size = HEADER_LEN + body.len();
        let is_message = kind == Kind::Message;
        let has_room =
            self.waiting.is_empty() || self.waiting_bytes.saturating_add(size) <= bytes_max;
        if !has_room || (is_message && self.submitted - self.acked >= UNACKNOWLEDGED_MAX) {
            return Err(SubmitError::Full);
        }
        let Ok(len) = u32::try_from(body.len()) else {
            return Err(SubmitError::TooLarge {
                len: body.len(),
                max: u32::MAX as usize,
            });
        };
        let mut given = 0;
        if is_message {
            self.submitted += 1;
            given = self.submitted;
        }
        self.waiting_bytes += size;
        self.waiting.push_back(Waiting {
            kind,
            code,
            number: if is_message { given } else { number },
            len,
            body,
        });
        Ok(given)
    }

    /// The size of what [`Lane::write_next`] would write; `None` when there is nothing.
    pub(super) fn next_len(&self) -> Option<usize> {
        if self.is_ack_due {
            return Some(HEADER_LEN);
        }
        let next = self.waiting.front()?;
        Some(HEADER_LEN + next.body.len())
    }

    /// Appends the next frame: an acknowledgement that is due goes first.
    pub(super) fn write_next(&mut self, version: u8, class: Priority, wire: &mut Vec<u8>) {
        let bare = Header::bare(version, Kind::Ack);
        if self.is_ack_due {
            self.is_ack_due = false;
            let number = self.received + u64::from(self.planted.is(Mutant::AcksBeforeDelivery));
            wire.extend_from_slice(
                &Header {
                    class,
                    number,
                    ..bare
                }
                .encode(),
            );
            return;
        }
        let Some(next) = self.waiting.pop_front() else {
            return;
        };
        self.waiting_bytes -= HEADER_LEN + next.body.len();
        if next.kind == Kind::Message {
            self.sent = next.number;
        }
        let header = Header {
            version,
            kind: next.kind,
            class,
            code: next.code,
            len: next.len,
            number: next.number,
        };
        wire.extend_from_slice(&header.encode());
        wire.extend_from_slice(&next.body);
    }

    /// A message of the peer: it must be the next one.
    pub(super) fn on_message(&mut self, number: u64) -> Result<(), LinkFault> {
        if self.received.checked_add(1) != Some(number) {
            return Err(LinkFault::BrokenSequence);
        }
        self.received = number;
        self.is_ack_due = true;
        Ok(())
    }

    /// The peer acknowledges our messages up to `number`: each acknowledgement says something new.
    pub(super) fn on_ack(&mut self, number: u64) -> Result<(), LinkFault> {
        if number > self.sent {
            return Err(LinkFault::ImpossibleAck);
        }
        if number <= self.acked {
            return Err(LinkFault::BrokenSequence);
        }
        self.acked = number;
        Ok(())
    }

    /// Forgets what waits; the numbers stay.
    pub(super) fn clear(&mut self) {
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.is_ack_due = false;
    }
}
