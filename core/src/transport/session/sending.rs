//! What the host hands over, and how it leaves.

use super::super::frame::{BODY_BYTES_MAX, HEADER_LEN, Header, Kind};
use super::super::stream::{ABORT, CLOSED, END, OPEN, Outbound, REFUSED};
use super::super::window::Flight;
use super::super::{LinkFault, Outgoing, Priority, SubmitError};
use super::{Mutant, Session, Time};

/// In the code of a message or request: its body begins with a deadline.
pub(super) const WITH_DEADLINE: u8 = 1;

impl Session {
    /// The longest message or request that is sent in one piece; longer ones go over a stream.
    #[must_use]
    pub fn plain_bytes_max(&self) -> usize {
        (self.config.credit_bytes / 4).min(self.config.message_bytes_max)
    }

    /// Queues a frame. The number is the one that a later [`Output::Acked`](super::super::Output)
    /// covers.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was queued.
    pub fn submit(
        &mut self,
        now: Time,
        priority: Priority,
        outgoing: Outgoing<'_>,
    ) -> Result<u64, SubmitError> {
        let (kind, id, deadline, body) = match outgoing {
            Outgoing::Message { body, deadline } => (Kind::Message, None, deadline, body),
            Outgoing::Request { id, body, deadline } => (Kind::Request, Some(id), deadline, body),
            Outgoing::Reply { id, body } => (Kind::Reply, Some(id), None, body),
        };
        let is_reply = kind == Kind::Reply;
        let max = if is_reply {
            self.config.message_bytes_max
        } else {
            self.plain_bytes_max()
        };
        if body.len() > max {
            let len = body.len();
            return Err(SubmitError::TooLarge { len, max });
        }
        let code = if deadline.is_some() { WITH_DEADLINE } else { 0 };
        let header = Header {
            class: priority,
            code,
            ..Header::bare(self.version, kind)
        };
        let (head, head_len) = prefix(id, deadline);
        let head = &head[..head_len];
        let frames = (head.len() + body.len()).div_ceil(BODY_BYTES_MAX).max(1);
        let cost = head.len() + body.len() + frames * HEADER_LEN;
        let class = priority.index();
        let has_room = self.lanes[class].has_room(cost, self.config.queue_bytes_max)
            || self.planted.is(Mutant::QueueUnbounded);
        if !has_room || !(is_reply || self.budgets[class].allows(cost)) {
            return Err(SubmitError::Full);
        }
        if !is_reply {
            self.budgets[class].spend(cost);
        }
        let number = self.push_in_frames(now, header, head, body);
        self.await_progress(now);
        Ok(number)
    }

    fn push_in_frames(&mut self, now: Time, header: Header, head: &[u8], body: &[u8]) -> u64 {
        let lane = &mut self.lanes[header.class.index()];
        let (mut part, mut rest) = body.split_at(body.len().min(BODY_BYTES_MAX - head.len()));
        let mut head = head;
        loop {
            let more = !rest.is_empty();
            let number = lane.push(now, Header { more, ..header }, &[head, part]);
            if !more {
                return number;
            }
            head = &[];
            (part, rest) = rest.split_at(rest.len().min(BODY_BYTES_MAX));
        }
    }

    /// Opens a stream. `total` announces its length, 0 if that is not known; the other end may
    /// refuse it for that.
    ///
    /// # Errors
    /// [`SubmitError::TooManyStreams`], [`SubmitError::TooLarge`] or [`SubmitError::Full`].
    pub fn open_stream(
        &mut self,
        now: Time,
        priority: Priority,
        total: u64,
    ) -> Result<u16, SubmitError> {
        let max = self.config.message_bytes_max;
        if total > max as u64 {
            let len = usize::try_from(total).unwrap_or(usize::MAX);
            return Err(SubmitError::TooLarge { len, max });
        }
        if !self.lanes[priority.index()].has_room(HEADER_LEN + 8, self.config.queue_bytes_max) {
            return Err(SubmitError::Full);
        }
        let (streams_max, window) = (self.config.streams_max, self.config.credit_bytes);
        let id = self.streams.open(priority, streams_max, window)?;
        self.push_data(now, (id, priority), OPEN, &[&total.to_le_bytes()]);
        Ok(id)
    }

    /// Queues the beginning of `bytes` on a stream, as much as there is room and credit for, and
    /// says how much that was.
    ///
    /// # Errors
    /// [`SubmitError::NoStream`] when the stream is over, [`SubmitError::Full`] when there is no
    /// room for anything.
    pub fn write_stream(&mut self, now: Time, id: u16, bytes: &[u8]) -> Result<usize, SubmitError> {
        let stream = self.streams.writable(id)?;
        let class = stream.class;
        // The end of the stream costs a header, too.
        let credit = stream.budget.left().saturating_sub(HEADER_LEN);
        let room = self.lanes[class.index()].room(self.config.queue_bytes_max);
        let (mut left, mut taken) = (credit.min(room), 0);
        while taken < bytes.len() && left > HEADER_LEN {
            let len = (bytes.len() - taken)
                .min(BODY_BYTES_MAX)
                .min(left - HEADER_LEN);
            self.push_data(now, (id, class), 0, &[&bytes[taken..taken + len]]);
            left -= HEADER_LEN + len;
            taken += len;
        }
        if taken == 0 && !bytes.is_empty() {
            return Err(SubmitError::Full);
        }
        Ok(taken)
    }

    /// Ends a stream; a finished one with everything that was written, an aborted one is thrown
    /// away at the other end. The number is acknowledged when all of it has arrived; whether it is
    /// wanted there is told later, by
    /// [`Output::StreamClosed`](super::super::Output::StreamClosed) or, before that,
    /// [`Output::StreamRefused`](super::super::Output::StreamRefused).
    ///
    /// # Errors
    /// [`SubmitError::NoStream`] when it is over already, or is to be finished and was refused: it
    /// can only be aborted then.
    pub fn end_stream(
        &mut self,
        now: Time,
        id: u16,
        is_complete: bool,
    ) -> Result<(Priority, u64), SubmitError> {
        let stream = self.streams.outbound.get_mut(&id);
        let is_over = |stream: &Outbound| stream.is_ended || (is_complete && stream.is_refused);
        let stream = stream
            .filter(|stream| !is_over(stream))
            .ok_or(SubmitError::NoStream)?;
        stream.is_ended = true;
        let class = stream.class;
        let flags = if is_complete { END } else { ABORT };
        let number = self.push_data(now, (id, class), flags, &[]);
        Ok((class, number))
    }

    fn push_data(
        &mut self,
        now: Time,
        (id, class): (u16, Priority),
        flags: u8,
        parts: &[&[u8]],
    ) -> u64 {
        let header = Header {
            class,
            code: flags,
            stream: id,
            ..Header::bare(self.version, Kind::Data)
        };
        let cost = HEADER_LEN + parts.iter().map(|part| part.len()).sum::<usize>();
        if let Some(stream) = self.streams.outbound.get_mut(&id) {
            stream.budget.spend(cost);
            if self.planted.is(Mutant::StreamsShareCredit) {
                self.budgets[class.index()].spend(cost);
            }
        }
        let number = self.lanes[class.index()].push(now, header, parts);
        self.await_progress(now);
        number
    }

    /// The host has taken `cost` bytes of a class: the other end may send as many more.
    pub fn consume(&mut self, now: Time, priority: Priority, cost: usize) {
        let arrival = &mut self.arrivals[priority.index()];
        if let Some(limit) = arrival.allowance.on_consumed(cost) {
            self.push_credit(now, 0, priority as u8, limit);
        }
    }

    /// The host has taken `cost` bytes of a stream.
    pub fn consume_stream(&mut self, now: Time, id: u16, cost: usize) {
        let Some(stream) = self.streams.inbound.get_mut(&id) else {
            return;
        };
        let grant = stream.allowance.on_consumed(cost);
        if stream.is_ended && stream.allowance.is_settled() {
            self.streams.inbound.remove(&id);
            self.push_credit(now, id, CLOSED, 0);
        } else if let Some(limit) = grant.filter(|_| !stream.is_refused && !stream.is_ended) {
            self.push_credit(now, id, 0, limit);
        }
    }

    /// The host wants no more of a stream, whether or not its end has arrived. Nothing happens when
    /// all of it was taken.
    pub fn refuse_stream(&mut self, now: Time, id: u16) {
        let Some(stream) = self.streams.inbound.get_mut(&id) else {
            return;
        };
        if !stream.is_refused {
            stream.is_refused = true;
            if !self.planted.is(Mutant::RefusesSilently) {
                self.push_credit(now, id, REFUSED, 0);
            }
        }
    }

    pub(super) fn push_credit(&mut self, now: Time, stream: u16, code: u8, limit: u64) {
        let header = Header {
            code,
            stream,
            ..Header::bare(self.version, Kind::Credit)
        };
        self.lanes[0].push(now, header, &[&limit.to_le_bytes()]);
        self.await_progress(now);
    }

    /// The size of the segment of a class that leaves next.
    pub(in super::super) fn next_len(&self, class: usize) -> Option<usize> {
        self.lanes[class].next_len()
    }

    /// Sends the next segment of a class.
    pub(in super::super) fn depart(
        &mut self,
        now: Time,
        class: usize,
        flight: Flight,
    ) -> Option<&[u8]> {
        let (bytes, departure) = self.lanes[class].depart(now, flight)?;
        let stats = self.stats.get_or_insert_default();
        stats.frames_sent += departure.frames - departure.repeats;
        stats.retries += departure.repeats;
        stats.queue_delay[class].add(departure.waited, departure.frames);
        Some(bytes)
    }

    /// True once: the other end should acknowledge again.
    pub(in super::super) fn take_probe(&mut self) -> bool {
        core::mem::take(&mut self.is_probe_due)
    }

    /// The other end has everything of a class up to `number`. True if that is news.
    pub(in super::super) fn on_ack(
        &mut self,
        now: Time,
        class: Priority,
        number: u64,
        landed: impl FnMut(Flight, usize),
    ) -> Result<bool, LinkFault> {
        let is_news = self.lanes[class.index()].on_ack(number, landed)?;
        if is_news {
            self.watch_progress(now, true);
        }
        Ok(is_news)
    }
}

/// Bytes at the beginning of a message's body that are ours, not the host's, and how many.
fn prefix(id: Option<u64>, deadline: Option<Time>) -> ([u8; 16], usize) {
    let (mut bytes, mut len) = ([0; 16], 0);
    let words = [id, deadline.map(Time::as_nanos)];
    for word in words.into_iter().flatten() {
        bytes[len..len + 8].copy_from_slice(&word.to_le_bytes());
        len += 8;
    }
    (bytes, len)
}
