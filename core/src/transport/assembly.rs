//! A message that is longer than a frame, while its frames arrive.
//!
//! Nothing is reserved for what a frame claims will come: the bytes grow as they arrive, and stop
//! at the longest message allowed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::LinkFault;
use super::frame::{HEADER_LEN, Header, Kind};

/// The beginning of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Assembly {
    kind: Kind,
    code: u8,
    bytes: Vec<u8>,
    /// Bytes it took on the wire.
    cost: usize,
}

impl Assembly {
    /// Memory of what has arrived.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// A whole message, wherever its bytes lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'a> {
    pub(super) code: u8,
    pub(super) bytes: &'a [u8],
    pub(super) cost: usize,
}

/// Takes the next frame of a class. The message that it ends is handed to `deliver`.
pub(super) fn assemble<R>(
    partial: &mut Option<Box<Assembly>>,
    header: &Header,
    body: &[u8],
    bytes_max: usize,
    deliver: impl FnOnce(Whole<'_>) -> Result<R, LinkFault>,
) -> Result<Option<R>, LinkFault> {
    let cost = HEADER_LEN + body.len();
    if partial.is_none() && !header.more {
        let (code, bytes) = (header.code, body);
        return deliver(Whole { code, bytes, cost }).map(Some);
    }
    let assembly = partial.get_or_insert_with(|| {
        Box::new(Assembly {
            kind: header.kind,
            code: header.code,
            bytes: Vec::new(),
            cost: 0,
        })
    });
    if (assembly.kind, assembly.code) != (header.kind, header.code) {
        return Err(LinkFault::BrokenSequence);
    }
    if assembly.bytes.len() + body.len() > bytes_max {
        return Err(LinkFault::Oversized);
    }
    assembly.bytes.extend_from_slice(body);
    assembly.cost += cost;
    if header.more {
        return Ok(None);
    }
    let Some(whole) = partial.take() else {
        return Ok(None);
    };
    let Assembly {
        code, bytes, cost, ..
    } = *whole;
    let bytes = &bytes;
    deliver(Whole { code, bytes, cost }).map(Some)
}
