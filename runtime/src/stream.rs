//! Streams: bytes in order from one host to another, however many, each at its reader's pace.

use std::fmt;
use std::sync::Arc;

use async_channel::Receiver;
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::transport::Priority;

use crate::error::Error;
use crate::link::peer::Peer;
use crate::link::peer::streams::StreamId;

/// A stream that this host writes. Dropped before it is finished, it is given up. It ends with the
/// session in which it was opened.
pub struct OutgoingStream {
    peer: Arc<Peer>,
    id: StreamId,
    is_ended: bool,
}

/// A stream that another host writes. Dropped before all of it was read, it is refused.
pub struct IncomingStream {
    /// Who writes it.
    pub from: NodeId,
    /// The class of all its bytes.
    pub priority: Priority,
    peer: Arc<Peer>,
    id: StreamId,
    pieces: Receiver<Piece>,
    is_ended: bool,
}

/// What arrives of a stream.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes { bytes: Payload, cost: usize },
    End { is_complete: bool },
}

/// A stream ended before it was complete: its writer gave up, or the session with its node was
/// lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream from {from} was given up before its end")]
pub struct StreamAborted {
    /// Who wrote it.
    pub from: NodeId,
}

impl OutgoingStream {
    /// Opens a stream of `total` bytes, 0 if that is not known.
    pub(crate) async fn open(
        peer: Arc<Peer>,
        priority: Priority,
        total: u64,
    ) -> Result<OutgoingStream, Error> {
        let opened = peer.when_room(|| peer.open_stream(priority, total)).await;
        let id = opened.map_err(|error| Error::of_submit(error, peer.node()))?;
        Ok(OutgoingStream {
            peer,
            id,
            is_ended: false,
        })
    }

    /// Writes all of `bytes`; waits while the reader is behind.
    ///
    /// # Errors
    /// [`Error::StreamRefused`] when the reader wants no more, [`Error::Disconnected`] when the
    /// session is over.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let write = || self.peer.write_stream(self.id, rest);
            let written = self.peer.when_room(write).await;
            let taken = written.map_err(|error| Error::of_submit(error, self.peer.node()))?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// Ends the stream; resolves when the other host has read all of it.
    ///
    /// # Errors
    /// As [`write`](Self::write): the reader may have read some of it, after
    /// [`Error::Disconnected`] even all.
    pub async fn finish(mut self) -> Result<(), Error> {
        let target = self.peer.node();
        let ended = self.peer.finish_stream(self.id);
        let settled = ended.map_err(|error| Error::of_submit(error, target))?;
        self.is_ended = true;
        let outcome = settled.await.map_err(|_| Error::Disconnected { target })?;
        outcome.map_err(|error| Error::of_submit(error, target))
    }
}

impl Drop for OutgoingStream {
    fn drop(&mut self) {
        if !self.is_ended {
            let _over_already = self.peer.abort_stream(self.id);
        }
    }
}

impl IncomingStream {
    pub(crate) fn new(
        peer: Arc<Peer>,
        id: StreamId,
        priority: Priority,
        pieces: Receiver<Piece>,
    ) -> IncomingStream {
        IncomingStream {
            from: peer.node(),
            priority,
            peer,
            id,
            pieces,
            is_ended: false,
        }
    }

    /// The next bytes; `None` when the stream is complete.
    ///
    /// # Errors
    /// [`StreamAborted`].
    pub async fn next(&mut self) -> Option<Result<Payload, StreamAborted>> {
        if self.is_ended {
            return None;
        }
        let aborted = StreamAborted { from: self.from };
        match self.pieces.recv().await {
            Ok(Piece::Bytes { bytes, cost }) => {
                self.peer.took_of_stream(self.id, cost);
                Some(Ok(bytes))
            }
            Ok(Piece::End { is_complete }) => {
                self.is_ended = true;
                (!is_complete).then_some(Err(aborted))
            }
            Err(_) => {
                self.is_ended = true;
                Some(Err(aborted))
            }
        }
    }

    /// Drops it without a word to its writer.
    pub(crate) fn forget(mut self) {
        self.is_ended = true;
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        if !self.is_ended {
            self.peer.refuse_stream(self.id, &self.pieces);
        }
    }
}

impl fmt::Debug for OutgoingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutgoingStream({} to {})", self.id, self.peer.node())
    }
}

impl fmt::Debug for IncomingStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IncomingStream({} from {})", self.id, self.from)
    }
}
