//! The steps of one frame of a recording, read one after the other.

use super::event;
use super::recording::{STEP_HEAD, STEPS, STEPS_HEAD, UNANSWERED};
use crate::node::Event;
use crate::time::Time;

/// What is left of a frame of steps.
#[derive(Clone, Debug)]
pub(super) struct Steps<'a> {
    /// Of all actions up to the last answered step of the frame.
    pub(super) fingerprint: u64,
    /// The node did not return from the last step.
    is_unanswered: bool,
    rest: &'a [u8],
}

/// A step as it was written down.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) now: Time,
    pub(super) event: Event,
    /// The lowest bits of the fingerprint after it; none for a step not returned from.
    pub(super) check: Option<u16>,
}

impl<'a> Steps<'a> {
    /// The steps of a frame's body, if it holds any.
    pub(super) fn open(body: &'a [u8]) -> Option<Steps<'a>> {
        let (head, rest) = body.split_first_chunk::<STEPS_HEAD>()?;
        let (kind, fingerprint) = head.split_first()?;
        let is_unanswered = match *kind {
            STEPS => false,
            UNANSWERED => true,
            _ => return None,
        };
        (!rest.is_empty()).then_some(Steps {
            fingerprint: u64::from_le_bytes(fingerprint.try_into().ok()?),
            is_unanswered,
            rest,
        })
    }

    /// The next step; none if its bytes are not one.
    pub(super) fn next(&mut self) -> Option<Written> {
        let (head, rest) = self.rest.split_first_chunk::<STEP_HEAD>()?;
        let (now, head) = head.split_first_chunk::<8>()?;
        let (check, len) = head.split_first_chunk::<2>()?;
        let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
        let (event, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        let is_answered = !(self.is_unanswered && rest.is_empty());
        Some(Written {
            now: Time(u64::from_le_bytes(*now)),
            event: event::decode(event).ok()?,
            check: is_answered.then_some(u16::from_le_bytes(*check)),
        })
    }

    /// Bytes left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether the last answered step was taken.
    pub(super) fn is_answered(&self) -> bool {
        self.rest.is_empty() && !self.is_unanswered
    }
}
