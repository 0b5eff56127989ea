//! The host's own traffic: messages and requests that arrive here.
//!
//! They go from connection to host and never through the state machine. What other nodes send is
//! bounded by the credit they have, which grows as the host takes messages out of the inbox; what
//! this node sends to itself is bounded here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use event_listener::Event;
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::Priority;

use crate::error::Error;
use crate::link::peer::Peer;
use crate::link::pending::Era;
use crate::stream::IncomingStream;

/// Bytes the inbox holds at most of what no credit bounds: long messages, datagrams, and what a
/// node sends to itself.
const INBOX_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Streams that may wait for the host.
const STREAMS_MAX: usize = 1024;

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
    /// What to tell the sender's node when the host has taken it.
    pub(crate) receipt: Option<Receipt>,
}

/// Tells a peer's session that the host has taken something, so that more may come.
#[derive(Debug)]
pub(crate) struct Receipt {
    peer: Arc<Peer>,
    priority: Priority,
    cost: usize,
}

impl Receipt {
    pub(crate) fn new(peer: Arc<Peer>, priority: Priority, cost: usize) -> Receipt {
        Receipt {
            peer,
            priority,
            cost,
        }
    }

    fn give(self) {
        self.peer.took(self.priority, self.cost);
    }

    /// Whether both go to the same place, so that one does for both.
    fn is_with(&self, other: &Receipt) -> bool {
        self.priority == other.priority && Arc::ptr_eq(&self.peer, &other.peer)
    }
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

/// What arrives at this node's host. Clones share one queue: each message goes to one of them.
#[derive(Clone, Debug)]
pub struct Messages {
    queue: Arc<Queue>,
    streams: Receiver<IncomingStream>,
}

/// The sending end of [`Messages`].
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    queue: Arc<Queue>,
    opened: Sender<IncomingStream>,
}

/// Room in the inbox for a message that is on its way, given back when dropped.
pub(crate) struct Reserved {
    queue: Arc<Queue>,
    len: usize,
}

impl Reserved {
    /// In bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.queue.lock().bytes -= self.len;
    }
}

/// Messages that wait for the host. What one read of a socket brings is put in at once.
#[derive(Debug, Default)]
struct Queue {
    held: Mutex<Held>,
    arrived: Event,
}

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Incoming>,
    /// Of their payloads, and set aside.
    bytes: usize,
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first; an error says that none will come.
    fn pop(&self) -> Result<Option<Incoming>, ()> {
        let mut held = self.lock();
        let Some(incoming) = held.messages.pop_front() else {
            return if held.is_closed { Err(()) } else { Ok(None) };
        };
        held.bytes -= incoming.payload.len();
        Ok(Some(incoming))
    }

    /// The first ones, appended to `buffer`.
    fn pop_many(&self, buffer: &mut Vec<Incoming>, limit: usize) -> Result<Option<usize>, ()> {
        let mut held = self.lock();
        let count = held.messages.len().min(limit);
        if count == 0 {
            return if held.is_closed { Err(()) } else { Ok(None) };
        }
        let before = buffer.len();
        buffer.extend(held.messages.drain(..count));
        let lens = buffer[before..].iter().map(|it| it.payload.len());
        held.bytes -= lens.sum::<usize>();
        Ok(Some(count))
    }

    /// What a look finds, as soon as it finds something; none when nothing will come.
    async fn wait<T>(&self, mut look: impl FnMut(&Queue) -> Result<Option<T>, ()>) -> Option<T> {
        loop {
            if let Some(found) = look(self).ok()? {
                return Some(found);
            }
            let arrived = self.arrived.listen();
            if let Some(found) = look(self).ok()? {
                return Some(found);
            }
            arrived.await;
        }
    }
}

impl Messages {
    /// The next message, `None` once the node is stopped and all are taken.
    pub async fn next(&self) -> Option<Incoming> {
        self.queue.wait(Queue::pop).await.map(taken)
    }

    /// Waits for messages and appends those that are here to `buffer`, at most `limit`. The answer
    /// is how many: 0 once the node is stopped and all are taken, or if `limit` is 0. Where many
    /// arrive, this costs less than taking them one by one.
    pub async fn next_many(&self, buffer: &mut Vec<Incoming>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let before = buffer.len();
        let look = |queue: &Queue| queue.pop_many(buffer, limit);
        let count = self.queue.wait(look).await.unwrap_or(0);
        all_taken(&mut buffer[before..]);
        count
    }

    /// The next message, if one is here.
    #[must_use]
    pub fn try_next(&self) -> Option<Incoming> {
        self.queue.pop().ok().flatten().map(taken)
    }

    /// The next stream that another host opens, `None` once the node is stopped.
    pub async fn next_stream(&self) -> Option<IncomingStream> {
        self.streams.recv().await.ok()
    }
}

/// The host takes it: its sender may send more.
fn taken(mut incoming: Incoming) -> Incoming {
    if let Some(receipt) = incoming.receipt.take() {
        receipt.give();
    }
    incoming
}

/// The host takes all of these: those of one sender in a row are told of together.
fn all_taken(incoming: &mut [Incoming]) {
    let mut last: Option<Receipt> = None;
    for receipt in incoming.iter_mut().filter_map(|it| it.receipt.take()) {
        match &mut last {
            Some(last) if last.is_with(&receipt) => last.cost += receipt.cost,
            Some(_) | None => {
                if let Some(last) = last.replace(receipt) {
                    last.give();
                }
            }
        }
    }
    if let Some(last) = last {
        last.give();
    }
}

pub(crate) fn inbox() -> (Inbox, Messages) {
    let (opened, streams) = async_channel::bounded(STREAMS_MAX);
    let queue = Arc::new(Queue::default());
    let inbox = Inbox {
        queue: queue.clone(),
        opened,
    };
    (inbox, Messages { queue, streams })
}

impl Inbox {
    /// Puts in what no credit bounds; gives it back when the inbox is full or closed.
    pub(crate) fn offer(&self, incoming: Incoming) -> Result<(), Incoming> {
        if !self.has_room(incoming.payload.len()) {
            return Err(incoming);
        }
        let mut one = vec![incoming];
        self.put(&mut one);
        one.pop().map_or(Ok(()), Err)
    }

    /// Puts in what the senders had credit for; leaves it when the inbox is closed.
    pub(crate) fn put(&self, incoming: &mut Vec<Incoming>) {
        let count = incoming.len();
        let mut held = self.queue.lock();
        if held.is_closed || count == 0 {
            return;
        }
        held.bytes += incoming
            .iter()
            .map(|incoming| incoming.payload.len())
            .sum::<usize>();
        held.messages.extend(incoming.drain(..));
        drop(held);
        self.queue.arrived.notify_additional(count);
    }

    /// Hands a stream to the host; false when too many wait.
    pub(crate) fn put_stream(&self, stream: IncomingStream) -> bool {
        match self.opened.try_send(stream) {
            Ok(()) => true,
            Err(refused) => {
                // It is refused by the caller, who holds the peer's lock.
                refused.into_inner().forget();
                false
            }
        }
    }

    /// Whether so many bytes fit in that no credit bounds.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.queue.lock().bytes.saturating_add(len) <= INBOX_BYTES_MAX
    }

    /// Sets room aside for a long message.
    pub(crate) fn reserve(&self, len: usize) -> Option<Reserved> {
        let mut held = self.queue.lock();
        let all = held.bytes.checked_add(len);
        held.bytes = all.filter(|all| *all <= INBOX_BYTES_MAX)?;
        let queue = self.queue.clone();
        Some(Reserved { queue, len })
    }

    pub(crate) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.queue.arrived.notify(usize::MAX);
        self.opened.close();
    }
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

    fn message(len: usize) -> Incoming {
        Incoming {
            from: NodeId(1),
            priority: Priority::Normal,
            payload: Payload::from(vec![0; len]),
            deadline: None,
            reply: None,
            receipt: None,
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

    #[test]
    fn a_closed_inbox_gives_what_it_has_and_takes_no_more() {
        let (inbox, messages) = inbox();
        let mut two = vec![message(1), message(2)];
        inbox.put(&mut two);
        assert!(two.is_empty());
        inbox.close();
        assert!(inbox.offer(message(3)).is_err());
        let mut late = vec![message(4)];
        inbox.put(&mut late);
        assert_eq!(late.len(), 1, "it is given back");
        let next = || futures_lite::future::block_on(messages.next());
        let len = || next().map(|incoming| incoming.payload.len());
        assert_eq!([len(), len(), len()], [Some(1), Some(2), None]);
    }

    #[test]
    fn many_are_taken_in_their_order_and_no_more_than_asked_for() {
        let (inbox, messages) = inbox();
        let mut taken = Vec::new();
        let mut take = |limit| {
            let many = messages.next_many(&mut taken, limit);
            futures_lite::future::block_on(many)
        };
        let mut three = vec![message(1), message(2), message(3)];
        inbox.put(&mut three);
        assert_eq!([take(0), take(2), take(2)], [0, 2, 1]);
        inbox.put(&mut vec![message(4)]);
        inbox.close();
        assert_eq!([take(9), take(9)], [1, 0]);
        let lens = taken.iter().map(|it| it.payload.len());
        assert_eq!(lens.collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(inbox.queue.lock().bytes, 0);
    }
}
