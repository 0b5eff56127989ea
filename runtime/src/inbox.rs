//! The inbox: what arrives here for the host, in its order.
//!
//! What other nodes send is bounded by the credit they have, which grows as the host takes messages
//! out; what this node sends to itself, long messages and datagrams are bounded here. What one read
//! of a socket brings is put in at once, and credit is given back once for all that is taken at
//! once: neither costs anything per message.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use event_listener::Event;
use quorate_core::transport::Priority;

use crate::link::peer::Peer;
use crate::message::Incoming;
use crate::stream::IncomingStream;

/// Bytes the inbox holds at most of what no credit bounds: long messages, datagrams, and what a
/// node sends to itself.
const INBOX_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Streams that may wait for the host.
const STREAMS_MAX: usize = 1024;

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

/// Messages that wait for the host.
#[derive(Debug, Default)]
struct Queue {
    held: Mutex<Held>,
    arrived: Event,
}

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Incoming>,
    /// Whose credit they take; together they say so of each message.
    runs: VecDeque<Run>,
    /// Of their payloads, and set aside.
    bytes: usize,
    is_closed: bool,
}

/// So many messages in a row.
#[derive(Debug)]
struct Run {
    from: Option<Arc<Peer>>,
    messages: usize,
}

impl Run {
    fn is_of(&self, peer: Option<&Arc<Peer>>) -> bool {
        self.from.as_ref().map(Arc::as_ptr) == peer.map(Arc::as_ptr)
    }
}

/// Credit to be given back.
struct Due {
    to: Arc<Peer>,
    costs: [usize; Priority::ALL.len()],
}

impl Due {
    /// Takes the peer's lock, so the queue's must be free.
    fn give(self) {
        for (priority, cost) in Priority::ALL.into_iter().zip(self.costs) {
            if cost > 0 {
                self.to.took(priority, cost);
            }
        }
    }
}

impl Held {
    /// Hands out the first messages, at most `limit` and of one run.
    fn take(&mut self, limit: usize, mut each: impl FnMut(Incoming)) -> Option<Due> {
        let run = self.runs.front_mut()?;
        let count = run.messages.min(limit);
        let mut costs = [0; Priority::ALL.len()];
        for incoming in self.messages.drain(..count) {
            self.bytes -= incoming.payload.len();
            costs[incoming.priority.index()] += incoming.cost;
            each(incoming);
        }
        run.messages -= count;
        let from = if run.messages == 0 {
            self.runs.pop_front()?.from
        } else {
            run.from.clone()
        };
        from.map(|to| Due { to, costs })
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first; an error says that none will come.
    fn pop(&self) -> Result<Option<Incoming>, ()> {
        let (mut popped, mut held) = (None, self.lock());
        let due = held.take(1, |incoming| popped = Some(incoming));
        let is_over = held.is_closed && popped.is_none();
        drop(held);
        if let Some(due) = due {
            due.give();
        }
        if is_over { Err(()) } else { Ok(popped) }
    }

    /// The first ones, appended to `buffer`.
    fn pop_many(&self, buffer: &mut Vec<Incoming>, limit: usize) -> Result<Option<usize>, ()> {
        let mut held = self.lock();
        let count = held.messages.len().min(limit);
        if count == 0 {
            return if held.is_closed { Err(()) } else { Ok(None) };
        }
        let all = buffer.len() + count;
        let mut dues = Vec::new();
        buffer.reserve(count);
        while buffer.len() < all {
            let left = all - buffer.len();
            dues.extend(held.take(left, |incoming| buffer.push(incoming)));
        }
        drop(held);
        dues.into_iter().for_each(Due::give);
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
        self.queue.wait(Queue::pop).await
    }

    /// Waits for messages and appends those that are here to `buffer`, at most `limit`. The answer
    /// is how many: 0 once the node is stopped and all are taken, or if `limit` is 0. Where many
    /// arrive, this costs less than taking them one by one.
    pub async fn next_many(&self, buffer: &mut Vec<Incoming>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let look = |queue: &Queue| queue.pop_many(buffer, limit);
        self.queue.wait(look).await.unwrap_or(0)
    }

    /// The next message, if one is here.
    #[must_use]
    pub fn try_next(&self) -> Option<Incoming> {
        self.queue.pop().ok().flatten()
    }

    /// The next stream that another host opens, `None` once the node is stopped.
    pub async fn next_stream(&self) -> Option<IncomingStream> {
        self.streams.recv().await.ok()
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
        self.put(None, &mut one);
        one.pop().map_or(Ok(()), Err)
    }

    /// Puts in what a sender had credit for; leaves it when the inbox is closed.
    pub(crate) fn put(&self, from: Option<&Arc<Peer>>, incoming: &mut Vec<Incoming>) {
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
        match held.runs.back_mut() {
            Some(run) if run.is_of(from) => run.messages += count,
            Some(_) | None => held.runs.push_back(Run {
                from: from.cloned(),
                messages: count,
            }),
        }
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

#[cfg(test)]
mod tests {
    use quorate_core::id::{ClusterId, NodeId};
    use quorate_core::node::Config;
    use quorate_core::payload::Payload;
    use quorate_core::time::Time;

    use super::*;

    fn message(len: usize) -> Incoming {
        Incoming {
            from: NodeId(1),
            priority: Priority::Normal,
            payload: Payload::from(vec![0; len]),
            deadline: None,
            reply: None,
            cost: 0,
        }
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
        inbox.put(None, &mut two);
        assert!(two.is_empty());
        inbox.close();
        assert!(inbox.offer(message(3)).is_err());
        let mut late = vec![message(4)];
        inbox.put(None, &mut late);
        assert_eq!(late.len(), 1, "it is given back");
        let next = || futures_lite::future::block_on(messages.next());
        let len = || next().map(|incoming| incoming.payload.len());
        assert_eq!([len(), len(), len()], [Some(1), Some(2), None]);
    }

    #[test]
    fn credit_is_given_back_at_once_for_messages_in_a_row() {
        let (inbox, _messages) = inbox();
        let cluster = ClusterId::new("test").expect("a name");
        let config = Config::lan(cluster, NodeId(1), ([127, 0, 0, 1], 1).into()).transport;
        let peer = |node| {
            let clock = Arc::new(|| Time::ZERO);
            Peer::new(NodeId(node), &config, clock, inbox.clone())
        };
        let (a, b) = (peer(2), peer(3));
        let costing = |costs: &[usize]| {
            let message = |cost: &usize| Incoming {
                cost: *cost,
                ..message(1)
            };
            costs.iter().map(message).collect::<Vec<_>>()
        };
        inbox.put(Some(&a), &mut costing(&[1, 2]));
        inbox.put(Some(&a), &mut costing(&[4, 8]));
        inbox.put(None, &mut costing(&[0]));
        inbox.put(Some(&b), &mut costing(&[16]));
        let take = |limit| {
            let mut taken = 0;
            let due = inbox.queue.lock().take(limit, |_| taken += 1);
            (
                taken,
                due.map(|due| (due.to.node().0, due.costs[Priority::Normal.index()])),
            )
        };
        assert_eq!(take(3), (3, Some((2, 7))));
        assert_eq!(take(3), (1, Some((2, 8))));
        assert_eq!(take(3), (1, None));
        assert_eq!(take(3), (1, Some((3, 16))));
        assert_eq!(take(3), (0, None));
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
        inbox.put(None, &mut three);
        assert_eq!([take(0), take(2), take(2)], [0, 2, 1]);
        inbox.put(None, &mut vec![message(4)]);
        inbox.close();
        assert_eq!([take(9), take(9)], [1, 0]);
        let lens = taken.iter().map(|it| it.payload.len());
        assert_eq!(lens.collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(inbox.queue.lock().bytes, 0);
    }
}
