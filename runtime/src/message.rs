//! The host's own traffic: messages and requests that arrive here. They go from connection to host
//! and never through the state machine.

use std::fmt;
use std::sync::Arc;

use async_channel::Sender;
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::Priority;

use crate::error::Error;
use crate::link::peer::Peer;
use crate::link::pending::Era;

/// A message or request of another node's host.
#[derive(Debug)]
pub struct Incoming {
    /// Who sent it.
    pub from: NodeId,
    /// Its class.
    pub priority: Priority,
    /// Its bytes.
    pub payload: Payload,
    /// After this it is of no use to the sender, on this node's clock.
    pub deadline: Option<Time>,
    /// For a request: where the reply goes.
    pub reply: Option<Reply>,
    /// What it takes of its sender's credit until the host has taken it.
    pub(crate) cost: usize,
}

/// Answers one request. Dropping it tells the requester that there will be no answer.
pub struct Reply {
    route: Option<Route>,
}

enum Route {
    Peer {
        peer: Arc<Peer>,
        era: Era,
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
    /// No answer came in time.
    Late,
}

impl Reply {
    pub(crate) fn to_peer(peer: Arc<Peer>, era: Era, priority: Priority, id: u64) -> Reply {
        Reply {
            route: Some(Route::Peer {
                peer,
                era,
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
    /// none. [`Error::Disconnected`] when the session in which it asked is over: it knows.
    pub fn send(mut self, payload: &[u8]) -> Result<(), Error> {
        match self.route.take() {
            Some(route) => route.finish(&Answered::Reply(Payload::copy_from(payload))),
            None => Ok(()),
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
                peer,
                era,
                priority,
                id,
            } => {
                let sent = peer.send_reply(era, priority, id, &answered.to_body());
                sent.map_err(|error| Error::of_submit(error, peer.node()))
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
    fn to_body(&self) -> Vec<u8> {
        match self {
            Answered::Reply(payload) => {
                let mut body = Vec::with_capacity(payload.len() + 1);
                body.push(REPLY);
                body.extend_from_slice(payload);
                body
            }
            Answered::Busy => vec![BUSY],
            // Who asks knows by itself that it is late.
            Answered::Unanswered | Answered::Late => vec![UNANSWERED],
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

    #[test]
    fn bodies_of_replies_round_trip() {
        let reply = Answered::Reply(Payload::copy_from(b"yes"));
        for answered in [reply, Answered::Busy, Answered::Unanswered] {
            assert_eq!(Answered::from_body(&answered.to_body()), answered);
        }
        assert_eq!(Answered::from_body(&[]), Answered::Unanswered);
        assert_eq!(Answered::from_body(&[200, 1]), Answered::Unanswered);
    }
}
