//! What leaves, and in which order: one record at a time.

use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::super::frame::{HEADER_LEN, HELLO_VERSION, Header, Kind, SEGMENT_BYTES};
use super::super::priority::PerClass;
use super::super::{Priority, Session};
use super::{Link, Parting, Phase, STARVED_BYTES, Time};
use crate::mutant::Mutant;

/// Low's place among the classes.
const LOW: usize = Priority::Low as usize;
/// How far a class may fill the window, in halves of it; Critical does not ask.
const WINDOW_HALVES: PerClass<Option<u64>> = [None, Some(4), Some(3), Some(2)];

impl Link {
    /// Hands out the next record's worth of whole frames, at most [`SEGMENT_BYTES`], most urgent
    /// first. Returns how many bytes that were; 0 when there is nothing that may leave. `record` is
    /// memory to write in, lent so that idle connections keep none; what it held is cleared.
    pub fn transmit(
        &mut self,
        now: Time,
        session: &mut Session,
        record: &mut Vec<u8>,
        sink: impl FnOnce(&[u8]),
    ) -> usize {
        record.clear();
        let sent = match self.phase {
            Phase::Closed => 0,
            Phase::Greeting => {
                self.write_hello(record);
                hand_out(record, sink)
            }
            Phase::Established { version } => {
                self.write_hello(record);
                if self.parting != Parting::Said {
                    self.write_signs(now, version, session, record);
                }
                self.send_classes(now, version, session, record, sink)
            }
        };
        if sent > 0 {
            self.stats.bytes_sent += sent as u64;
            self.is_keepalive_due = false;
            let usual = self.config.keepalive_interval;
            self.pause = self.announced_pause.take().unwrap_or(usual);
            self.arm_keepalive(now);
        }
        sent
    }

    /// How many bytes to hand to the socket at once: large writes are cheaper, and delay nobody
    /// where the path is fast.
    #[must_use]
    pub fn write_bytes(&self) -> usize {
        if self.window.is_fast() {
            4 * SEGMENT_BYTES
        } else {
            SEGMENT_BYTES
        }
    }

    /// True when [`Link::transmit`] would hand out something.
    #[must_use]
    pub fn wants_transmit(&self, session: &Session) -> bool {
        match self.phase {
            Phase::Greeting => return self.is_hello_due,
            Phase::Established { .. } if self.parting == Parting::Said => return self.is_hello_due,
            Phase::Established { .. } => {}
            Phase::Closed => return false,
        }
        self.may_acknowledge(session) || self.wants_more_than_acknowledge(session)
    }

    /// True when [`Link::transmit`] would hand out acknowledgements and nothing else: whoever can
    /// wait a moment may save a record.
    #[must_use]
    pub fn wants_only_to_acknowledge(&self, session: &Session) -> bool {
        let is_talking =
            matches!(self.phase, Phase::Established { .. }) && self.parting == Parting::Staying;
        is_talking && self.may_acknowledge(session) && !self.wants_more_than_acknowledge(session)
    }

    fn wants_more_than_acknowledge(&self, session: &Session) -> bool {
        self.is_hello_due
            || self.is_keepalive_due
            || self.is_resume_due(session)
            || self.loose.iter().any(|loose| !loose.is_empty())
            || (self.carries(session) && session.is_probe_due())
            || self.next_numbered(session).is_some()
            || (self.parting == Parting::Wanted && !self.is_drain_awaited(session))
    }

    /// A session that this connection still has to deliver holds the goodbye back.
    fn is_drain_awaited(&self, session: &Session) -> bool {
        self.carries(session) && session.has_waiting()
    }

    fn is_resume_due(&self, session: &Session) -> bool {
        self.is_with(session) && self.announced != Some(session.pair())
    }

    fn may_acknowledge(&self, session: &Session) -> bool {
        session.is_ack_due() && self.joined.is_some_and(|joined| session.is_joined(joined))
    }

    fn write_hello(&mut self, record: &mut Vec<u8>) {
        if mem::take(&mut self.is_hello_due) {
            let header = Header::bare(HELLO_VERSION, Kind::Hello);
            write_frame(header, record, |body| self.ours.encode(body));
        }
    }

    /// The resumption and the acknowledgements: small, and needed by everything else.
    fn write_signs(&mut self, now: Time, version: u8, session: &mut Session, record: &mut Vec<u8>) {
        if self.is_resume_due(session) {
            self.announced = Some(session.pair());
            let resume = session.resume(now);
            let header = Header::bare(version, Kind::Resume);
            write_frame(header, record, |body| resume.encode(body));
        }
        if self.may_acknowledge(session) {
            for class in Priority::ALL {
                let Some(number) = session.take_ack(class) else {
                    continue;
                };
                let header = Header {
                    class,
                    number,
                    ..Header::bare(version, Kind::Ack)
                };
                record.extend_from_slice(&header.encode());
            }
        }
        if self.carries(session) && session.take_probe() {
            record.extend_from_slice(&Header::bare(version, Kind::Probe).encode());
        }
        let is_quiet = self.pause > self.config.keepalive_interval && !self.is_keepalive_due;
        if is_quiet && (!record.is_empty() || self.wants_transmit(session)) {
            // A word now and then does not undo the quiet, and a conversation soon does.
            self.write_keepalive(version, self.pause / 2, record);
        }
    }

    /// A frame that tells how long we may be silent from now on.
    fn write_keepalive(&mut self, version: u8, pause: Duration, record: &mut Vec<u8>) {
        let usual = self.config.keepalive_interval;
        let pause = pause.min(self.config.keepalive_interval_max).max(usual);
        self.announced_pause = Some(pause);
        let longer = pause.saturating_sub(usual).as_millis();
        let header = Header {
            number: u64::try_from(longer).unwrap_or(u64::MAX),
            ..Header::bare(version, Kind::Keepalive)
        };
        record.extend_from_slice(&header.encode());
    }

    fn send_classes(
        &mut self,
        now: Time,
        version: u8,
        session: &mut Session,
        record: &mut Vec<u8>,
        sink: impl FnOnce(&[u8]),
    ) -> usize {
        while self.parting != Parting::Said {
            let numbered = self.next_numbered(session);
            let loose = self.loose.iter().position(|loose| !loose.is_empty());
            // At the same urgency, what nobody will repeat goes first.
            let loose = loose.filter(|class| numbered.is_none_or(|other| *class <= other));
            if let Some(class) = loose {
                let before = record.len();
                let room = SEGMENT_BYTES.saturating_sub(before);
                self.loose[class].write(version, room, record);
                if record.len() == before {
                    return hand_out(record, sink);
                }
                self.note_starved(session, class, record.len() - before);
                continue;
            }
            let Some((class, len)) =
                numbered.and_then(|class| Some((class, session.next_len(class)?)))
            else {
                self.write_last(version, session, record);
                break;
            };
            if record.len() + len > SEGMENT_BYTES {
                return hand_out(record, sink);
            }
            self.note_starved(session, class, len);
            let flight = self.window.on_sent(now, session.is_last_waiting());
            let Some(segment) = session.depart(now, class, flight) else {
                break;
            };
            if record.is_empty() && len > SEGMENT_BYTES / 2 {
                // The common case of bulk: sealed from where it lies.
                return hand_out(segment, sink);
            }
            record.extend_from_slice(segment);
        }
        hand_out(record, sink)
    }

    /// A goodbye, or a keep-alive if nothing else shows that we live; both only behind everything
    /// else.
    fn write_last(&mut self, version: u8, session: &Session, record: &mut Vec<u8>) {
        let is_last = self.parting == Parting::Wanted && !self.is_drain_awaited(session);
        if is_last && record.len() + HEADER_LEN <= SEGMENT_BYTES {
            self.parting = Parting::Said;
            record.extend_from_slice(&Header::bare(version, Kind::Goodbye).encode());
        } else if self.is_keepalive_due && record.is_empty() {
            self.write_keepalive(version, self.pause.saturating_mul(2), record);
        }
    }

    /// The class whose numbered segment leaves next, if any may.
    fn next_numbered(&self, session: &Session) -> Option<usize> {
        if !self.carries(session) {
            return None;
        }
        let (flying, window) = (session.flying_bytes(), self.window.bytes());
        let may_leave = |class: usize, halves: Option<u64>| {
            let Some(len) = session.next_len(class) else {
                return false;
            };
            let fits = |halves| flying + len as u64 <= window * halves / 2;
            flying == 0 || halves.is_none_or(fits)
        };
        if self.starved_bytes >= STARVED_BYTES && may_leave(LOW, WINDOW_HALVES[1]) {
            return Some(LOW);
        }
        let is_inverted = self.planted.is(Mutant::PriorityInverted);
        let classes = [0, 1, 2, 3].map(|class| if is_inverted { 3 - class } else { class });
        classes
            .into_iter()
            .find(|class| may_leave(*class, WINDOW_HALVES[*class]))
    }

    fn note_starved(&mut self, session: &Session, class: usize, len: usize) {
        if class == LOW && self.planted.is(Mutant::BulkKeepsItsTurn) {
            return;
        }
        if class == LOW || session.next_len(LOW).is_none() {
            self.starved_bytes = 0;
        } else {
            self.starved_bytes = self.starved_bytes.saturating_add(len);
        }
    }
}

fn write_frame(header: Header, record: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = record.len();
    record.extend_from_slice(&[0; HEADER_LEN]);
    encode(record);
    let len = record.len() - start - HEADER_LEN;
    let header = Header {
        len: u16::try_from(len).unwrap_or(u16::MAX),
        ..header
    };
    record[start..start + HEADER_LEN].copy_from_slice(&header.encode());
}

fn hand_out(bytes: &[u8], sink: impl FnOnce(&[u8])) -> usize {
    if !bytes.is_empty() {
        sink(bytes);
    }
    bytes.len()
}
