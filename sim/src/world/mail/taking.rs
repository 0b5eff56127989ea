//! The reader's side of a desk.

use quorate_core::transport::Priority;

use super::desk::{Incoming, Pace};
use super::{Post, class_of};
use crate::checkers::arrives_once::{Flow, Way};
use crate::checkers::sends_end::Outcome;
use crate::marks::Mark;
use crate::sends;
use crate::world::Direction;
use crate::world::sessions::Letter;

/// A reader that stops reading messages reads again after so long.
const STOPS_NS: std::ops::RangeInclusive<u64> = 100_000_000..=3_000_000_000;
/// ... or a stream.
const LATE_NS: std::ops::RangeInclusive<u64> = 200_000_000..=8_000_000_000;
/// A slow reader takes so many pieces of a stream in a turn.
const SLOW_PIECES: usize = 4;
/// So much is read at most of a stream that is refused then.
const REFUSED_BYTES: u64 = 200_000;
/// The longest reply.
const REPLY_BYTES: u64 = 3_000;

impl Post<'_> {
    /// Takes what the session brings.
    pub(super) fn take(&mut self, inward: Direction, letter: Letter) {
        let (from, boot, to, _) = inward;
        let way = (from, boot, to);
        match letter {
            Letter::Message {
                priority,
                request,
                send,
                cost,
                ..
            } => {
                self.note_arrival(send, way, Flow::Plain);
                match send {
                    Some(_) => self.receive(way, priority, cost, request),
                    None => self.session.consume(self.local, priority, cost),
                }
            }
            Letter::Reply { request, send } => {
                self.note_arrival(send, way, Flow::Replies);
                if self.desk.requests.remove(&request).is_some() {
                    self.end(request, Outcome::Answered);
                }
            }
            Letter::Acked { priority, number } => self.acknowledge(priority, number),
            Letter::Opened { stream, is_long } => self.on_opened(inward, stream, is_long),
            Letter::Data {
                stream,
                bytes,
                cost,
            } => self.on_data(way, stream, &bytes, cost),
            Letter::Ended {
                stream,
                is_complete,
            } => self.on_ended(way, stream, is_complete),
            Letter::Refused { stream } => self.on_refused(stream),
            Letter::Closed { stream } => {
                self.on_all_taken(stream);
                self.desk.is_work_due = true;
            }
            Letter::Room => self.desk.is_work_due = true,
        }
    }

    fn note_arrival(
        &mut self,
        send: Option<(u64, bool)>,
        way: Way,
        flow: impl Fn(Priority) -> Flow,
    ) {
        let Some((id, is_whole)) = send else {
            return;
        };
        let flow = flow(class_of(id));
        let verdict = self.checkers.arrives_once.arrived(id, way, flow, is_whole);
        self.demand("arrives_once", verdict);
    }

    /// A message or request: taken at once, unless the reader of its class is slow.
    fn receive(&mut self, way: Way, class: Priority, cost: usize, request: Option<u64>) {
        let inbox = &mut self.desk.inboxes[class.index()];
        if !inbox.is_slow(self.now) && self.random.chance(self.spec.slow_permille) {
            inbox.closed_until = self.now + self.random.within(STOPS_NS);
            self.marks.hit(Mark::ReaderStopped);
            let flow = Flow::Plain(class);
            self.checkers.slow_reader_alone.slowed(way, flow);
        }
        let inbox = &mut self.desk.inboxes[class.index()];
        if inbox.is_slow(self.now) {
            inbox.items.push_back((cost, request));
        } else {
            self.take_one(class, cost, request);
        }
    }

    fn take_one(&mut self, class: Priority, cost: usize, request: Option<u64>) {
        self.session.consume(self.local, class, cost);
        let Some(request) = request else {
            return;
        };
        let len = self.random.within(sends::ID_BYTES as u64..=REPLY_BYTES);
        let (reply, len) = (self.number(class), usize::try_from(len).unwrap_or(0));
        self.checkers.sends_end.begun(reply, self.me, self.now, 0);
        self.checkers.arrives_once.sent(reply);
        self.desk.replies.push_back((reply, request, len));
        self.desk.is_work_due = true;
    }

    /// The turn of the readers.
    pub(super) fn read(&mut self) {
        for class in Priority::ALL {
            let inbox = &mut self.desk.inboxes[class.index()];
            if self.now < inbox.closed_until {
                continue;
            }
            for (cost, request) in std::mem::take(&mut inbox.items) {
                self.take_one(class, cost, request);
            }
        }
        let streams: Vec<u16> = self.desk.incoming.keys().copied().collect();
        for stream in streams {
            self.read_stream(stream);
        }
    }

    fn read_stream(&mut self, stream: u16) {
        let Some(incoming) = self.desk.incoming.get_mut(&stream) else {
            return;
        };
        let pieces = match incoming.pace {
            Pace::Slow => SLOW_PIECES,
            Pace::Late(until) if self.now < until => 0,
            Pace::Prompt | Pace::Late(_) | Pace::Refuses(_) => usize::MAX,
        };
        let count = pieces.min(incoming.unread.len());
        for cost in incoming.unread.drain(..count) {
            self.session.consume_stream(self.local, stream, cost);
        }
        if incoming.is_ended && incoming.unread.is_empty() {
            self.desk.incoming.remove(&stream);
        }
    }

    fn on_opened(&mut self, inward: Direction, stream: u16, is_long: bool) {
        let written = self.checkers.arrives_once.met(inward, stream);
        let written = written.map(|written| (written.id, written.len));
        let pace = match self.random.chance(self.spec.slow_permille) {
            false => Pace::Prompt,
            // A long message is wanted as a whole or not at all.
            true if is_long => Pace::Refuses(0),
            true => match self.random.below(3) {
                0 => Pace::Slow,
                1 => Pace::Late(self.now + self.random.within(LATE_NS)),
                _ => Pace::Refuses(usize::try_from(self.random.below(REFUSED_BYTES)).unwrap_or(0)),
            },
        };
        if let (Some((id, _)), true) = (written, pace != Pace::Prompt) {
            self.checkers.slow_reader_alone.excused(id);
        }
        let incoming = Incoming {
            written,
            arrived: 0,
            pace,
            unread: std::collections::VecDeque::new(),
            is_ended: false,
        };
        if let Some(replaced) = self.desk.incoming.insert(stream, incoming)
            && !(replaced.is_ended && replaced.unread.is_empty())
        {
            let what = format!("stream {stream} is opened while the reader still has it");
            self.demand("arrives_once", Err(what));
        }
        if is_long && pace == Pace::Refuses(0) {
            self.refuse(stream);
        }
    }

    fn on_data(&mut self, way: Way, stream: u16, bytes: &[u8], cost: usize) {
        let Some(incoming) = self.desk.incoming.get_mut(&stream) else {
            return self.session.consume_stream(self.local, stream, cost);
        };
        let at = incoming.arrived;
        incoming.arrived += bytes.len();
        incoming.unread.push_back(cost);
        let (pace, arrived, written) = (incoming.pace, incoming.arrived, incoming.written);
        if let Some((id, len)) = written
            && (arrived > len || !sends::are_bytes(id, at, bytes))
        {
            let flow = Flow::Stream(stream);
            let verdict = self.checkers.arrives_once.arrived(id, way, flow, false);
            self.demand("arrives_once", verdict);
        }
        match pace {
            Pace::Slow | Pace::Late(_) => {}
            Pace::Refuses(most) if arrived > most => self.refuse(stream),
            Pace::Prompt | Pace::Refuses(_) => self.read_stream(stream),
        }
    }

    /// What was not read is thrown away; its writer is told before that all is taken.
    fn refuse(&mut self, stream: u16) {
        self.marks.hit(Mark::StreamRefused);
        self.session.refuse_stream(self.local, stream);
        let incoming = self.desk.incoming.remove(&stream);
        for cost in incoming.into_iter().flat_map(|incoming| incoming.unread) {
            self.session.consume_stream(self.local, stream, cost);
        }
    }

    fn on_ended(&mut self, way: Way, stream: u16, is_complete: bool) {
        let Some(incoming) = self.desk.incoming.get_mut(&stream) else {
            return;
        };
        incoming.is_ended = true;
        let (arrived, written) = (incoming.arrived, incoming.written);
        let is_read = incoming.unread.is_empty();
        if let Some((id, len)) = written.filter(|_| is_complete) {
            let (flow, is_whole) = (Flow::Stream(stream), arrived == len);
            let verdict = self.checkers.arrives_once.arrived(id, way, flow, is_whole);
            self.demand("arrives_once", verdict);
        }
        if is_read {
            self.desk.incoming.remove(&stream);
        }
    }
}
