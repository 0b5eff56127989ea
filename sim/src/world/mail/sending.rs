//! The sender's side of a desk.

use std::mem;

use quorate_core::transport::{Outgoing as Frame, Priority, SubmitError};

use super::desk::{Awaiting, Outgoing, Parcel};
use super::{Post, class_of};
use crate::checkers::arrives_once::Written;
use crate::checkers::link_memory_bounded;
use crate::checkers::sends_end::Outcome;
use crate::sends::{self, Kind};
use std::time::Duration;

/// A host waits so long for room.
const ROOM_NS: u64 = 10_000_000_000;
/// The deadlines of requests.
const DEADLINE_NS: std::ops::RangeInclusive<u64> = 300_000_000..=6_000_000_000;
/// So much of a stream is handed over at once.
const PIECE_BYTES: usize = 16 * 1024;

impl Post<'_> {
    /// Hands over what waits, as far as there is room.
    pub(super) fn work(&mut self) {
        self.desk.is_work_due = false;
        self.send_waiting();
        self.send_replies();
        self.write_streams();
    }

    /// Each class in its order, and streams in theirs.
    fn send_waiting(&mut self) {
        let mut is_full = [false; Priority::ALL.len() + 1];
        for parcel in mem::take(&mut self.desk.waiting) {
            let is_stream = matches!(parcel.choice.kind, Kind::Stream | Kind::Long);
            let queue = match is_stream {
                true => Priority::ALL.len(),
                false => parcel.choice.class.index(),
            };
            let submitted = match is_full[queue] {
                true => Err(SubmitError::Full),
                false => self.submit(&parcel),
            };
            let has_time = self.now < parcel.since + ROOM_NS;
            if submitted == Err(SubmitError::Full) && has_time {
                is_full[queue] = true;
                self.desk.waiting.push_back(parcel);
                continue;
            }
            self.senders[parcel.sender].waiting -= 1;
            if let Err(error) = submitted {
                self.end(parcel.id, outcome(error));
            }
        }
    }

    fn submit(&mut self, parcel: &Parcel) -> Result<(), SubmitError> {
        let Parcel { id, choice, .. } = *parcel;
        match choice.kind {
            Kind::Message | Kind::Broadcast => {
                let len = choice.len.min(self.session.plain_bytes_max());
                let body = &sends::body(id, len);
                let deadline = None;
                let number = self.hand_over(choice.class, Frame::Message { body, deadline })?;
                let direction = self.direction();
                let checkers = &mut self.checkers.link_delivers;
                let checker = checkers.entry(direction).or_default();
                checker.submitted(None, choice.class, number);
                self.await_ack(number, id, true);
            }
            Kind::Request => {
                let len = choice.len.min(self.session.plain_bytes_max());
                let body = &sends::body(id, len);
                let left = self.random.within(DEADLINE_NS);
                let deadline = Some(self.local + Duration::from_nanos(left));
                let request = Frame::Request { id, body, deadline };
                let number = self.hand_over(choice.class, request)?;
                self.await_ack(number, id, false);
                self.desk.requests.insert(id, self.now + left);
                if choice.is_cancelled {
                    self.desk.requests.remove(&id);
                    self.end(id, Outcome::Cancelled);
                }
            }
            Kind::Stream | Kind::Long => self.open(id, parcel)?,
        }
        Ok(())
    }

    fn open(&mut self, id: u64, parcel: &Parcel) -> Result<(), SubmitError> {
        let choice = parcel.choice;
        let len = choice.len;
        let total = if choice.kind == Kind::Long {
            len as u64
        } else {
            0
        };
        let stream = self.session.open_stream(self.local, choice.class, total)?;
        let written = Written { id, len };
        let direction = self.direction();
        let checker = &mut self.checkers.arrives_once;
        checker.opened(direction, stream, written);
        let gives_up_at = choice.is_cancelled.then(|| self.random.index(len));
        let outgoing = Outgoing {
            id,
            len,
            written: 0,
            gives_up_at,
        };
        self.desk.outgoing.insert(stream, outgoing);
        Ok(())
    }

    fn direction(&self) -> crate::world::Direction {
        let (from, boot, to) = self.way;
        (from, boot, to, self.session.id())
    }

    fn hand_over(&mut self, class: Priority, frame: Frame<'_>) -> Result<u64, SubmitError> {
        let before = self.session.waiting_bytes(class);
        let number = self.session.submit(self.local, class, frame)?;
        self.check_room(class, before);
        if class == Priority::Critical {
            let (from, _, to) = self.way;
            let checker = self.checkers.critical_first.entry((from, to)).or_default();
            checker.submitted(number);
        }
        Ok(number)
    }

    fn check_room(&mut self, class: Priority, before: usize) {
        let after = self.session.waiting_bytes(class);
        let verdict = link_memory_bounded::accepted(before, after, self.config);
        self.demand("link_memory_bounded", verdict);
    }

    fn await_ack(&mut self, number: u64, id: u64, ends: bool) {
        let awaiting = &mut self.desk.awaiting[class_of(id).index()];
        awaiting.push_back(Awaiting { number, id, ends });
    }

    fn send_replies(&mut self) {
        while let Some((reply, id, len)) = self.desk.replies.front().copied() {
            let body = &sends::body(reply, len.min(self.session.plain_bytes_max()));
            let class = class_of(reply);
            match self.hand_over(class, Frame::Reply { id, body }) {
                Ok(number) => self.await_ack(number, reply, true),
                Err(SubmitError::Full) => return,
                Err(error) => self.end(reply, outcome(error)),
            }
            self.desk.replies.pop_front();
        }
    }

    fn write_streams(&mut self) {
        for (stream, mut outgoing) in mem::take(&mut self.desk.outgoing) {
            if self.write(stream, &mut outgoing) {
                self.desk.outgoing.insert(stream, outgoing);
            }
        }
    }

    /// Writes what there is room for; whether more is to be written.
    fn write(&mut self, stream: u16, outgoing: &mut Outgoing) -> bool {
        let (id, class) = (outgoing.id, class_of(outgoing.id));
        let last = outgoing.gives_up_at.unwrap_or(outgoing.len);
        while outgoing.written < last {
            let len = (last - outgoing.written).min(PIECE_BYTES);
            let piece = sends::piece(id, outgoing.written, len);
            let before = self.session.waiting_bytes(class);
            match self.session.write_stream(self.local, stream, piece) {
                Ok(taken) => outgoing.written += taken,
                Err(SubmitError::Full) => return true,
                Err(error) => {
                    self.end(id, outcome(error));
                    return false;
                }
            }
            self.check_room(class, before);
        }
        let is_complete = outgoing.gives_up_at.is_none();
        match self.session.end_stream(self.local, stream, is_complete) {
            // Only what was taken as a whole has arrived.
            Ok(_) if is_complete => drop(self.desk.closing.insert(stream, id)),
            Ok(_) => self.end(id, Outcome::Cancelled),
            Err(error) => self.end(id, outcome(error)),
        }
        false
    }

    /// Requests that nobody waits for any more.
    pub(super) fn expire(&mut self) {
        let now = self.now;
        let late = self.desk.requests.iter().filter(|(_, at)| **at <= now);
        let late: Vec<u64> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.desk.requests.remove(&id);
            self.end(id, Outcome::Late);
        }
    }

    /// All up to a number have arrived.
    pub(super) fn acknowledge(&mut self, class: Priority, number: u64) {
        while let Some(first) = self.desk.awaiting[class.index()].front().copied()
            && first.number <= number
        {
            self.desk.awaiting[class.index()].pop_front();
            let verdict = self.checkers.arrives_once.acknowledged(first.id);
            self.demand("arrives_once", verdict);
            if first.ends {
                self.end(first.id, Outcome::Delivered);
            }
        }
    }

    /// The other end wants no more of a stream.
    pub(super) fn on_refused(&mut self, stream: u16) {
        if let Some(outgoing) = self.desk.outgoing.remove(&stream) {
            let _over_already = self.session.end_stream(self.local, stream, false);
            self.end(outgoing.id, Outcome::Refused);
        }
        if let Some(id) = self.desk.closing.remove(&stream) {
            self.end(id, Outcome::Refused);
        }
    }

    /// The other end has taken all of a stream.
    pub(super) fn on_all_taken(&mut self, stream: u16) {
        if let Some(id) = self.desk.closing.remove(&stream) {
            let verdict = self.checkers.arrives_once.acknowledged(id);
            self.demand("arrives_once", verdict);
            self.end(id, Outcome::Delivered);
        }
    }

    /// The session is lost: of what was under way nobody knows whether it has arrived.
    pub(super) fn lose(&mut self) {
        let desk = &mut *self.desk;
        let acks = desk.awaiting.iter_mut().flat_map(mem::take);
        let acks = acks.filter(|awaiting| awaiting.ends).map(|it| it.id);
        let mut lost: Vec<u64> = acks.collect();
        lost.extend(mem::take(&mut desk.requests).into_keys());
        lost.extend(mem::take(&mut desk.closing).into_values());
        lost.extend(mem::take(&mut desk.outgoing).into_values().map(|it| it.id));
        desk.incoming.clear();
        for id in lost {
            self.end(id, Outcome::Unknown);
        }
        self.checkers.arrives_once.lost(self.way);
        let (from, _, to) = self.way;
        self.checkers.critical_first.remove(&(from, to));
    }
}

/// How a send ends that was refused.
fn outcome(error: SubmitError) -> Outcome {
    match error {
        SubmitError::Full | SubmitError::TooLarge { .. } => Outcome::Full,
        SubmitError::TooManyStreams { .. } => Outcome::TooManyStreams,
        SubmitError::NoStream => Outcome::Refused,
        SubmitError::Closed => Outcome::Unreachable,
    }
}
