//! What arrives: each frame once, in the order of its class.

use super::super::assembly::{Whole, assemble};
use super::super::frame::{Frame, HEADER_LEN, Header, Kind};
use super::super::stream::{ABORT, CLOSED, END, OPEN};
use super::super::{LinkFault, Output, Priority};
use super::sending::WITH_DEADLINE;
use super::{Arrival, Mutant, Session, Theirs, Time};

impl Session {
    /// A numbered frame of the other end.
    pub(in super::super) fn on_numbered(
        &mut self,
        now: Time,
        frame: &Frame<'_>,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let header = &frame.header;
        let arrival = &mut self.arrivals[header.class.index()];
        arrival.is_ack_due = true;
        if header.number <= arrival.received {
            self.counters().duplicates += 1;
            return Ok(());
        }
        if arrival.received.checked_add(1) != Some(header.number) {
            return Err(LinkFault::BrokenSequence);
        }
        arrival.received = header.number;
        self.counters().frames_received += 1;
        match header.kind {
            Kind::Data => self.on_data(now, frame, sink),
            Kind::Credit => self.on_credit(frame, sink),
            Kind::Message | Kind::Request | Kind::Reply => self.on_message(frame, sink),
            Kind::Hello
            | Kind::Node
            | Kind::Ack
            | Kind::Keepalive
            | Kind::Goodbye
            | Kind::Resume
            | Kind::Probe
            | Kind::Datagram => Err(LinkFault::UnknownFrame),
        }
    }

    fn on_message(
        &mut self,
        frame: &Frame<'_>,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let &Frame { ref header, body } = frame;
        let theirs = &self.theirs;
        let arrival = &mut self.arrivals[header.class.index()];
        if header.kind != Kind::Reply {
            arrival.allowance.on_arrived(HEADER_LEN + body.len())?;
        }
        let max = self.config.message_bytes_max.saturating_add(16);
        let twice = self.planted.is(Mutant::DeliversTwice) && header.kind == Kind::Message;
        assemble(&mut arrival.partial, header, body, max, |whole| {
            if twice {
                sink(understand(theirs, header, whole)?);
            }
            sink(understand(theirs, header, whole)?);
            Ok(())
        })
    }

    fn on_data(
        &mut self,
        now: Time,
        frame: &Frame<'_>,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let &Frame { ref header, body } = frame;
        let (id, priority, flags) = (header.stream, header.class, header.code);
        self.check_no_partial(priority)?;
        if flags & !(OPEN | END | ABORT) != 0 || flags.count_ones() > 1 {
            return Err(LinkFault::UnknownFrame);
        }
        let is_opening = flags == OPEN;
        if is_opening {
            let total = u64::from_le_bytes(body.try_into().map_err(|_| LinkFault::Malformed)?);
            if total > self.config.message_bytes_max as u64 {
                return Err(LinkFault::Oversized);
            }
            let (streams_max, window) = (self.config.streams_max, self.config.credit_bytes);
            self.streams.on_open(id, priority, streams_max, window)?;
            sink(Output::StreamOpened {
                stream: id,
                priority,
                total,
            });
        }
        let stream = self.streams.inbound.get_mut(&id);
        let stream = stream
            .filter(|stream| !stream.is_ended && stream.class == priority)
            .ok_or(LinkFault::UnknownStream)?;
        let cost = HEADER_LEN + body.len();
        stream.allowance.on_arrived(cost)?;
        stream.is_ended = flags & (END | ABORT) != 0;
        let (is_ended, is_refused) = (stream.is_ended, stream.is_refused);
        let is_kept = !is_opening && !is_ended && !is_refused;
        if is_kept {
            if self.planted.is(Mutant::DeliversBytesTwice) {
                let (stream, cost) = (id, 0);
                sink(Output::StreamData { stream, body, cost });
            }
            sink(Output::StreamData {
                stream: id,
                body,
                cost,
            });
        } else {
            self.consume_stream(now, id, cost);
        }
        if is_ended {
            let is_complete = flags == END;
            sink(Output::StreamEnded {
                stream: id,
                is_complete,
            });
        }
        Ok(())
    }

    fn on_credit(
        &mut self,
        frame: &Frame<'_>,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let &Frame { ref header, body } = frame;
        self.check_no_partial(header.class)?;
        let limit = u64::from_le_bytes(body.try_into().map_err(|_| LinkFault::Malformed)?);
        if header.stream == 0 {
            let budget = self.budgets.get_mut(usize::from(header.code));
            budget.ok_or(LinkFault::ImpossibleCredit)?.raise(limit)?;
        } else {
            let (stream, flags) = (header.stream, header.code);
            if self.streams.on_credit(stream, flags, limit)? {
                sink(Output::StreamRefused { stream });
            }
            if flags == CLOSED && !self.planted.is(Mutant::ClosesSilently) {
                sink(Output::StreamClosed { stream });
            }
        }
        sink(Output::Room);
        Ok(())
    }

    /// The frames of one message are not interrupted by others of its class.
    fn check_no_partial(&self, class: Priority) -> Result<(), LinkFault> {
        let is_interrupted = self.arrivals[class.index()].partial.is_some();
        if is_interrupted {
            return Err(LinkFault::BrokenSequence);
        }
        Ok(())
    }

    /// The number to acknowledge, if that is due.
    pub(in super::super) fn take_ack(&mut self, class: Priority) -> Option<u64> {
        let early = u64::from(self.planted.is(Mutant::AcksBeforeDelivery));
        let arrival = &mut self.arrivals[class.index()];
        core::mem::take(&mut arrival.is_ack_due).then(|| arrival.received + early)
    }

    /// The other end asks what has arrived.
    pub(in super::super) fn on_probe(&mut self) {
        let had_any = |arrival: &&mut Arrival| arrival.received > 0;
        for arrival in self.arrivals.iter_mut().filter(had_any) {
            arrival.is_ack_due = true;
        }
    }
}

/// Takes our own words off the beginning of a message.
#[inline]
fn understand<'a>(
    theirs: &Theirs,
    header: &Header,
    whole: Whole<'a>,
) -> Result<Output<'a>, LinkFault> {
    let Whole { code, bytes, cost } = whole;
    let has_deadline = code & WITH_DEADLINE != 0;
    if code & !WITH_DEADLINE != 0 {
        return Err(LinkFault::UnknownFrame);
    }
    let mut body = bytes;
    let mut word = || -> Result<u64, LinkFault> {
        let (word, rest) = body.split_first_chunk().ok_or(LinkFault::Malformed)?;
        body = rest;
        Ok(u64::from_le_bytes(*word))
    };
    let id = if header.kind == Kind::Message {
        0
    } else {
        word()?
    };
    let deadline = if has_deadline {
        let (their_clock, our_clock) = theirs.clocks;
        let left = Time(word()?).since(their_clock);
        Some(our_clock + left)
    } else {
        None
    };
    let (priority, number) = (header.class, header.number);
    if header.kind == Kind::Request {
        return Ok(Output::Request {
            priority,
            id,
            deadline,
            body,
            cost,
        });
    }
    if header.kind == Kind::Reply {
        return Ok(Output::Reply { id, body });
    }
    Ok(Output::Message {
        priority,
        number,
        deadline,
        body,
        cost,
    })
}
