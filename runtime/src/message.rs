//! The host's own traffic: messages and requests that arrive here.
//!
//! They go from connection to host and never through the state machine. The inbox is bounded: when
//! the host does not keep up, a request is answered "busy" at once, and a message ends its
//! connection before it is acknowledged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_channel::{Receiver, Sender};
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::transport::{Outgoing, Priority};

use crate::error::Error;
use crate::link::Connection;

/// Messages the inbox holds at most.
const INBOX_MESSAGES_MAX: usize = 16 * 1024;
/// Bytes the inbox holds at most.
const INBOX_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A message or request of another node's host.
#[derive(Debug)]
pub struct Incoming {
    /// Who sent it.
    pub from: NodeId,
    /// Its class.
    pub priority: Priority,
    /// Its bytes.
    pub payload: Payload,
    /// For a request: where the reply goes.
    pub reply: Option<Reply>,
}

/// Answers one request. Dropping it tells the requester that there will be no answer.
pub struct Reply {
    route: Option<Route>,
}

enum Route {
    Peer {
        connection: Arc<Connection>,
        priority: Priority,
        id: u64,
    },
    Own {
        answer: Sender<Answered>,
    },
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Reply(Payload),
    Busy,
    Unanswered,
}

/// What arrives at this node's host. Clones share one queue: each message goes to one of them.
#[derive(Clone, Debug)]
pub struct Messages {
    receiver: Receiver<Incoming>,
    bytes: Arc<AtomicUsize>,
}

/// The sending end of [`Messages`].
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    sender: Sender<Incoming>,
    bytes: Arc<AtomicUsize>,
}

impl Messages {
    /// The next message, `None` once the node is stopped and all are taken.
    pub async fn next(&self) -> Option<Incoming> {
        let incoming = self.receiver.recv().await.ok()?;
        self.bytes
            .fetch_sub(incoming.payload.len(), Ordering::Relaxed);
        Some(incoming)
    }
}

pub(crate) fn inbox() -> (Inbox, Messages) {
    let (sender, receiver) = async_channel::bounded(INBOX_MESSAGES_MAX);
    let bytes = Arc::new(AtomicUsize::new(0));
    (
        Inbox {
            sender,
            bytes: bytes.clone(),
        },
        Messages { receiver, bytes },
    )
}

impl Inbox {
    /// Puts a message into the inbox without waiting; gives it back when it is full or closed.
    pub(crate) fn offer(&self, incoming: Incoming) -> Result<(), Incoming> {
        let len = incoming.payload.len();
        if self
            .bytes
            .fetch_add(len, Ordering::Relaxed)
            .saturating_add(len)
            > INBOX_BYTES_MAX
        {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(incoming);
        }
        self.sender.try_send(incoming).map_err(|refused| {
            self.bytes.fetch_sub(len, Ordering::Relaxed);
            refused.into_inner()
        })
    }

    pub(crate) fn close(&self) {
        self.sender.close();
    }
}

impl Reply {
    pub(crate) fn to_peer(connection: Arc<Connection>, priority: Priority, id: u64) -> Reply {
        Reply {
            route: Some(Route::Peer {
                connection,
                priority,
                id,
            }),
        }
    }

    pub(crate) fn to_self(answer: Sender<Answered>) -> Reply {
        Reply {
            route: Some(Route::Own { answer }),
        }
    }

    /// Sends the reply.
    ///
    /// # Errors
    /// [`Error`] when it cannot be queued; the requester then gets no answer, or that there is
    /// none.
    pub fn send(mut self, payload: &[u8]) -> Result<(), Error> {
        match self.route.take() {
            Some(route) => route.finish(&Answered::Reply(Payload::copy_from(payload))),
            None => Ok(()),
        }
    }

    /// Refuses the request because the host has too much to do.
    pub(crate) fn refuse_busy(mut self) {
        if let Some(route) = self.route.take() {
            let _connection_gone = route.finish(&Answered::Busy);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(route) = self.route.take() {
            let _connection_gone = route.finish(&Answered::Unanswered);
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

impl Route {
    fn finish(self, answered: &Answered) -> Result<(), Error> {
        match self {
            Route::Peer {
                connection,
                priority,
                id,
            } => {
                let outgoing = Outgoing::Reply {
                    id,
                    body: answered.to_body(),
                };
                let sent = connection.submit(priority, outgoing);
                sent.map(drop)
                    .map_err(|error| Error::of_submit(error, connection.node()))
            }
            Route::Own { answer } => {
                let _requester_gone = answer.try_send(answered.clone());
                Ok(())
            }
        }
    }
}

/// The first byte of a reply's body.
const REPLY: u8 = 0;
const BUSY: u8 = 1;
const UNANSWERED: u8 = 2;

impl Answered {
    fn to_body(&self) -> Payload {
        match self {
            Answered::Reply(payload) => {
                let mut body = Vec::with_capacity(payload.len() + 1);
                body.push(REPLY);
                body.extend_from_slice(payload);
                Payload::from(body)
            }
            Answered::Busy => Payload::copy_from(&[BUSY]),
            Answered::Unanswered => Payload::copy_from(&[UNANSWERED]),
        }
    }

    /// Total: what another version may mean by an unknown first byte is no answer to us.
    pub(crate) fn from_body(body: &[u8]) -> Answered {
        match body.split_first() {
            Some((&REPLY, payload)) => Answered::Reply(Payload::copy_from(payload)),
            Some((&BUSY, _)) => Answered::Busy,
            Some((_, _)) | None => Answered::Unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize) -> Incoming {
        Incoming {
            from: NodeId(1),
            priority: Priority::Normal,
            payload: Payload::from(vec![0; len]),
            reply: None,
        }
    }

    #[test]
    fn bodies_of_replies_round_trip() {
        let reply = Answered::Reply(Payload::copy_from(b"yes"));
        for answered in [reply, Answered::Busy, Answered::Unanswered] {
            assert_eq!(Answered::from_body(&answered.to_body()), answered);
        }
        assert_eq!(Answered::from_body(&[]), Answered::Unanswered);
        assert_eq!(Answered::from_body(&[200, 1]), Answered::Unanswered);
    }

    #[test]
    fn the_inbox_is_bounded_in_bytes_and_frees_them() {
        let (inbox, messages) = inbox();
        let half = INBOX_BYTES_MAX / 2;
        assert!(inbox.offer(message(half)).is_ok());
        assert!(inbox.offer(message(half)).is_ok());
        assert!(inbox.offer(message(1)).is_err());
        let taken = futures_lite::future::block_on(messages.next()).expect("there are two");
        assert_eq!(taken.payload.len(), half);
        assert!(inbox.offer(message(1)).is_ok());
    }
}
