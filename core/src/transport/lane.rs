//! One class of a session, outgoing: segments of whole frames that wait, and those that were sent
//! and are not acknowledged yet.
//!
//! A frame's bytes are written once, into a segment; the same segment is sealed when it leaves,
//! kept until it is acknowledged, and sent again over the next connection if it is not. Numbers
//! count the frames of a class from 1, without gaps, so that one number acknowledges all before it.
//!
//! * I1: `acked <= sent <= submitted`.
//! * I2: segments leave in the order of their numbers; after [`Lane::rewind`] they begin again
//!   behind the last acknowledged one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::LinkFault;
use super::frame::{BODY_BYTES_MAX, HEADER_LEN, Header, SEGMENT_BYTES};
use super::window::Flight;
use crate::time::Time;

/// Whole frames of one class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Segment {
    pub(super) bytes: Vec<u8>,
    /// Frames in it.
    frames: u64,
    /// The number of the last of them.
    last: u64,
    /// When the first of them was submitted.
    since: Time,
    /// How it left, if it is under way.
    flight: Option<Flight>,
}

/// One class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    waiting: VecDeque<Segment>,
    waiting_bytes: usize,
    flying: VecDeque<Segment>,
    flying_bytes: usize,
    /// The last number given.
    submitted: u64,
    /// The last one that left.
    sent: u64,
    /// The last one the other end has.
    acked: u64,
    /// The last one that ever left: behind it, what leaves has left before.
    sent_ever: u64,
}

impl Lane {
    /// Whether `bytes` more may wait; an empty class takes anything.
    pub(super) fn has_room(&self, bytes: usize, bytes_max: usize) -> bool {
        self.waiting.is_empty() || self.waiting_bytes.saturating_add(bytes) <= bytes_max
    }

    /// Room up to `bytes_max`.
    pub(super) fn room(&self, bytes_max: usize) -> usize {
        bytes_max.saturating_sub(self.waiting_bytes)
    }

    /// Writes a frame behind what waits, and says its number. The body is given in parts, which
    /// together fit into a frame.
    pub(super) fn push(&mut self, now: Time, header: Header, parts: &[&[u8]]) -> u64 {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        debug_assert!(len <= BODY_BYTES_MAX, "longer bodies are cut before");
        self.submitted += 1;
        let number = self.submitted;
        let header = Header {
            len: u16::try_from(len).unwrap_or(u16::MAX),
            number,
            ..header
        };
        let size = HEADER_LEN + len;
        self.waiting_bytes += size;
        let segment = match self.waiting.back_mut() {
            // What was sent before stays as it was.
            Some(last)
                if last.bytes.len() + size <= SEGMENT_BYTES && last.last > self.sent_ever =>
            {
                last
            }
            behind => {
                // Where something waits already, more will come.
                let capacity = if behind.is_some() {
                    SEGMENT_BYTES
                } else {
                    size
                };
                self.waiting.push_back(Segment {
                    bytes: Vec::with_capacity(capacity),
                    frames: 0,
                    last: 0,
                    since: now,
                    flight: None,
                });
                let Some(fresh) = self.waiting.back_mut() else {
                    return number;
                };
                fresh
            }
        };
        segment.bytes.extend_from_slice(&header.encode());
        for part in parts.iter().filter(|part| !part.is_empty()) {
            segment.bytes.extend_from_slice(part);
        }
        segment.frames += 1;
        segment.last = number;
        number
    }

    /// The size of the segment that leaves next.
    pub(super) fn next_len(&self) -> Option<usize> {
        self.waiting.front().map(|segment| segment.bytes.len())
    }

    /// Sends the next segment: it is kept until it is acknowledged. Returns it, how long its first
    /// frame waited, and how many of its frames leave again.
    pub(super) fn depart(&mut self, now: Time, flight: Flight) -> Option<(&[u8], Departure)> {
        let mut segment = self.waiting.pop_front()?;
        let len = segment.bytes.len();
        self.waiting_bytes -= len;
        self.flying_bytes += len;
        self.sent = segment.last;
        let repeats = (self.sent_ever + segment.frames)
            .saturating_sub(segment.last)
            .min(segment.frames);
        self.sent_ever = self.sent_ever.max(self.sent);
        segment.flight = Some(flight);
        let departure = Departure {
            frames: segment.frames,
            repeats,
            waited: now.since(segment.since),
        };
        self.flying.push_back(segment);
        let sent = self.flying.back()?;
        Some((&sent.bytes, departure))
    }

    /// The other end has everything up to `number`. True if that is news; whole segments that
    /// arrived are handed to `landed`.
    pub(super) fn on_ack(
        &mut self,
        number: u64,
        mut landed: impl FnMut(Flight, usize),
    ) -> Result<bool, LinkFault> {
        if number > self.sent_ever {
            return Err(LinkFault::ImpossibleAck);
        }
        if number <= self.acked {
            return Ok(false);
        }
        self.acked = number;
        while let Some(segment) = self.flying.front()
            && segment.last <= number
        {
            let len = segment.bytes.len();
            if let Some(flight) = segment.flight {
                landed(flight, len);
            }
            self.flying_bytes -= len;
            self.flying.pop_front();
        }
        // After a rewind, an acknowledgement of the old connection may cover what waits again.
        while let Some(segment) = self.waiting.front()
            && segment.last <= number
        {
            self.waiting_bytes -= segment.bytes.len();
            self.waiting.pop_front();
        }
        self.sent = self.sent.max(number);
        Ok(true)
    }

    /// Another connection carries on: what is not acknowledged waits again.
    pub(super) fn rewind(&mut self) {
        while let Some(mut segment) = self.flying.pop_back() {
            segment.flight = None;
            self.waiting_bytes += segment.bytes.len();
            self.waiting.push_front(segment);
        }
        self.flying_bytes = 0;
        self.sent = self.acked;
    }

    /// What a planted bug does instead of [`Lane::rewind`].
    pub(super) fn forget_flying(&mut self) {
        self.flying.clear();
        self.flying_bytes = 0;
    }

    /// Rewrites the version of all frames that wait.
    pub(super) fn set_version(&mut self, version: u8) {
        for segment in &mut self.waiting {
            let mut rest = segment.bytes.as_mut_slice();
            while let Some((header, behind)) = rest.split_at_mut_checked(HEADER_LEN) {
                header[0] = version;
                let len = usize::from(u16::from_le_bytes([header[4], header[5]]));
                rest = behind
                    .split_at_mut_checked(len)
                    .map_or(&mut [], |parts| parts.1);
            }
        }
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Memory of all segments.
    pub(super) fn held_bytes(&self) -> usize {
        let all = self.waiting.iter().chain(&self.flying);
        all.map(|segment| segment.bytes.capacity()).sum()
    }

    pub(super) fn flying_bytes(&self) -> usize {
        self.flying_bytes
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn segments_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether something is not acknowledged.
    pub(super) fn is_owed(&self) -> bool {
        !self.waiting.is_empty() || !self.flying.is_empty()
    }

    /// Frames that the other end is not known to have.
    pub(super) fn owed(&self) -> u64 {
        self.submitted - self.acked
    }
}

/// What a departing segment tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub(super) frames: u64,
    /// Of these, sent before.
    pub(super) repeats: u64,
    pub(super) waited: core::time::Duration,
}

#[cfg(test)]
mod tests {
    use super::super::frame::Kind;
    use super::super::window::Window;
    use super::*;

    const NOW: Time = Time::from_millis(5);

    fn lane(bodies: &[usize]) -> Lane {
        let mut lane = Lane::default();
        for len in bodies {
            let body = alloc::vec![7; *len];
            lane.push(NOW, Header::bare(1, Kind::Message), &[&body]);
        }
        lane
    }

    fn depart(lane: &mut Lane) -> Option<(usize, Departure)> {
        let flight = Window::default().on_sent(NOW, false);
        let (bytes, departure) = lane.depart(NOW, flight)?;
        Some((bytes.len(), departure))
    }

    #[test]
    fn segments_hold_whole_frames_and_fit_a_record() {
        let mut lane = lane(&[1000; 40]);
        let mut frames = 0;
        while let Some((len, departure)) = depart(&mut lane) {
            assert!(len <= SEGMENT_BYTES && len % (HEADER_LEN + 1000) == 0);
            assert_eq!(departure.repeats, 0);
            frames += departure.frames;
        }
        assert_eq!((frames, lane.flying_bytes()), (40, 40 * 1016));
        assert_eq!(lane.on_ack(41, |_, _| {}), Err(LinkFault::ImpossibleAck));
        let mut landed = 0;
        assert_eq!(lane.on_ack(17, |_, len| landed += len), Ok(true));
        assert_eq!(landed, 16 * 1016, "whole segments only");
        assert_eq!(lane.on_ack(17, |_, _| {}), Ok(false));
        lane.rewind();
        let (len, departure) = depart(&mut lane).unwrap();
        assert_eq!((len, departure.repeats), (16 * 1016, 16));
    }

    #[test]
    fn what_was_sent_is_sent_again_unchanged() {
        let mut lane = lane(&[10]);
        let first = depart(&mut lane).unwrap();
        lane.rewind();
        lane.push(NOW, Header::bare(1, Kind::Message), &[b"more"]);
        assert_eq!(depart(&mut lane).unwrap().0, first.0);
        assert_eq!(depart(&mut lane).unwrap().1.repeats, 0);
        assert_eq!(lane.on_ack(2, |_, _| {}), Ok(true));
        assert!(!lane.is_owed());
    }

    #[test]
    fn an_acknowledgement_may_come_late() {
        let mut lane = lane(&[10]);
        depart(&mut lane).unwrap();
        lane.rewind();
        assert_eq!(lane.on_ack(1, |_, _| panic!("it waits again")), Ok(true));
        assert!(!lane.is_owed() && !lane.has_waiting() && lane.owed() == 0);
    }
}
