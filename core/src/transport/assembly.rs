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
#[inline]
pub(super) fn assemble(
    partial: &mut Option<Box<Assembly>>,
    header: &Header,
    body: &[u8],
    bytes_max: usize,
    deliver: impl FnOnce(Whole<'_>) -> Result<(), LinkFault>,
) -> Result<(), LinkFault> {
    if partial.is_none() && !header.more {
        return deliver(Whole {
            code: header.code,
            bytes: body,
            cost: HEADER_LEN + body.len(),
        });
    }
    match extend(partial, header, body, bytes_max)? {
        Some(assembly) => deliver(Whole {
            code: assembly.code,
            bytes: &assembly.bytes,
            cost: assembly.cost,
        }),
        None => Ok(()),
    }
}

/// Puts a frame behind what has arrived of its message; the whole if it is the last one.
fn extend(
    partial: &mut Option<Box<Assembly>>,
    header: &Header,
    body: &[u8],
    bytes_max: usize,
) -> Result<Option<Box<Assembly>>, LinkFault> {
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
    assembly.cost += HEADER_LEN + body.len();
    Ok(if header.more { None } else { partial.take() })
}
