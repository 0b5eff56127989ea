//! The streams of a session: in each direction up to `streams_max`, each with credit of its own.
//!
//! Whoever opens a stream sends over it; ids are chosen by the opener and may be used again once
//! the other end has taken everything and said so.
//!
//! * I1: the opener counts a stream as open at least as long as the other end does.
//! * I2: bytes of a stream that nobody has taken are bounded by its credit.

use alloc::collections::BTreeMap;

use super::credit::{Allowance, Budget};
use super::{LinkFault, Priority, SubmitError};

/// The first frame of a stream; its body begins with the total length, 0 if that is not known.
pub(super) const OPEN: u8 = 1;
/// The last frame of a stream.
pub(super) const END: u8 = 2;
/// The last frame of a stream that was given up.
pub(super) const ABORT: u8 = 4;

/// In a credit: everything of the stream was taken, its id is free.
pub(super) const CLOSED: u8 = 0x80;
/// In a credit: no more of the stream is wanted.
pub(super) const REFUSED: u8 = 0x40;

/// A stream that we opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outbound {
    pub(super) class: Priority,
    pub(super) budget: Budget,
    pub(super) is_ended: bool,
    pub(super) is_refused: bool,
}

/// A stream that the other end opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inbound {
    pub(super) class: Priority,
    pub(super) allowance: Allowance,
    pub(super) is_ended: bool,
    pub(super) is_refused: bool,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Streams {
    pub(super) outbound: BTreeMap<u16, Outbound>,
    pub(super) inbound: BTreeMap<u16, Inbound>,
}

impl Streams {
    /// Streams in both directions.
    pub(super) fn len(&self) -> usize {
        self.outbound.len() + self.inbound.len()
    }

    /// A free id.
    pub(super) fn open(
        &mut self,
        class: Priority,
        streams_max: u16,
        window: usize,
    ) -> Result<u16, SubmitError> {
        let free = (1..=streams_max).find(|id| !self.outbound.contains_key(id));
        let Some(id) = free else {
            let max = usize::from(streams_max);
            return Err(SubmitError::TooManyStreams { max });
        };
        self.outbound.insert(
            id,
            Outbound {
                class,
                budget: Budget::new(window),
                is_ended: false,
                is_refused: false,
            },
        );
        Ok(id)
    }

    /// A stream of ours that may still be written to.
    pub(super) fn writable(&mut self, id: u16) -> Result<&mut Outbound, SubmitError> {
        let stream = self.outbound.get_mut(&id);
        let stream = stream.filter(|stream| !stream.is_ended && !stream.is_refused);
        stream.ok_or(SubmitError::NoStream)
    }

    /// The other end opens a stream.
    pub(super) fn on_open(
        &mut self,
        id: u16,
        class: Priority,
        streams_max: u16,
        window: usize,
    ) -> Result<(), LinkFault> {
        if id == 0 || self.inbound.contains_key(&id) {
            return Err(LinkFault::UnknownStream);
        }
        if self.inbound.len() >= usize::from(streams_max) {
            return Err(LinkFault::TooManyStreams);
        }
        self.inbound.insert(
            id,
            Inbound {
                class,
                allowance: Allowance::new(window),
                is_ended: false,
                is_refused: false,
            },
        );
        Ok(())
    }

    /// Credit for a stream of ours. True if the other end refuses it.
    pub(super) fn on_credit(&mut self, id: u16, flags: u8, limit: u64) -> Result<bool, LinkFault> {
        let stream = self.outbound.get_mut(&id);
        let stream = stream.ok_or(LinkFault::ImpossibleCredit)?;
        match flags {
            0 => stream.budget.raise(limit)?,
            CLOSED if stream.is_ended => drop(self.outbound.remove(&id)),
            REFUSED if !stream.is_refused => {
                stream.is_refused = true;
                return Ok(true);
            }
            _ => return Err(LinkFault::ImpossibleCredit),
        }
        Ok(false)
    }
}
