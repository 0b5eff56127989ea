//! The streams to and from a peer. Of a session that is over none is touched any more.

use std::fmt;

use async_channel::Receiver;
use futures_channel::oneshot;
use quorate_core::transport::{Priority, SubmitError};

use super::super::pending::Era;
use super::Peer;
use crate::stream::Piece;

/// Names a stream, among those that were opened in its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId {
    /// The session it belongs to: in another one its number is another stream's.
    pub(in super::super) era: Era,
    pub(in super::super) number: u16,
}

impl Peer {
    /// Opens a stream.
    pub(crate) fn open_stream(
        &self,
        priority: Priority,
        total: u64,
    ) -> Result<StreamId, SubmitError> {
        let mut state = self.lock_open()?;
        let number = state.session.open_stream(self.now(), priority, total)?;
        let era = state.pending.era;
        self.submitted(state);
        Ok(StreamId { era, number })
    }

    /// Queues the beginning of `bytes`.
    pub(crate) fn write_stream(
        &self,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<usize, SubmitError> {
        let mut state = self.lock_of(stream.era)?;
        let now = self.now();
        let taken = state.session.write_stream(now, stream.number, bytes)?;
        self.submitted(state);
        Ok(taken)
    }

    /// Ends a stream; tells when the other host has read all of it, or that it did not want to.
    pub(crate) fn finish_stream(
        &self,
        stream: StreamId,
    ) -> Result<oneshot::Receiver<Result<(), SubmitError>>, SubmitError> {
        let mut state = self.lock_of(stream.era)?;
        let now = self.now();
        state.session.end_stream(now, stream.number, true)?;
        let settled = state.pending.await_reader(stream.number);
        self.submitted(state);
        Ok(settled)
    }

    /// Gives a stream up.
    pub(crate) fn abort_stream(&self, stream: StreamId) -> Result<(), SubmitError> {
        let mut state = self.lock_of(stream.era)?;
        let now = self.now();
        state.session.end_stream(now, stream.number, false)?;
        self.submitted(state);
        Ok(())
    }

    /// The host has taken bytes of a stream.
    pub(crate) fn took_of_stream(&self, stream: StreamId, cost: usize) {
        if let Ok(mut state) = self.lock_of(stream.era) {
            state
                .session
                .consume_stream(self.now(), stream.number, cost);
            self.submitted(state);
        }
    }

    /// The host wants no more of a stream, nor `unread`. One that was read to its end is none any
    /// more: its number may be another's.
    pub(crate) fn refuse_stream(&self, stream: StreamId, unread: &Receiver<Piece>) {
        let Ok(mut state) = self.lock_of(stream.era) else {
            return;
        };
        // Nothing arrives under the lock.
        let (mut cost_unread, mut is_over) = (0, false);
        while let Ok(piece) = unread.try_recv() {
            match piece {
                Piece::Bytes { cost, .. } => cost_unread += cost,
                Piece::End { .. } => is_over = true,
            }
        }
        if is_over && cost_unread == 0 {
            return;
        }
        let (now, number) = (self.now(), stream.number);
        state.pending.arrivals.forget(number);
        state.session.refuse_stream(now, number);
        state.session.consume_stream(now, number, cost_unread);
        self.submitted(state);
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}
