//! One connection: TLS and the core's link machine behind one short lock, and the tasks that move
//! its bytes.
//!
//! Whoever wants to send locks, submits and leaves; the writer seals what the link transmits. The
//! reader opens what arrives and takes the link's outputs. I1: the lock is never held across an
//! await, and no user code runs under it. I2: bytes leave in the order in which TLS made them,
//! because they are made under the lock. I3: a message of a peer's host is in the inbox before its
//! acknowledgement can be transmitted; if the inbox is full, nothing more is transmitted.

pub(crate) mod directory;
pub(crate) mod pump;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};
use event_listener::{Event, EventListener};
use quorate_core::id::{LinkId, NodeId};
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::{CloseReason, Hello, Link, Outgoing, Output, Priority, SubmitError};

use crate::error::PeerRefusal;
use crate::message::{Answered, Inbox, Incoming, Reply};
use crate::tls::{Phase, Session};

/// Whole frames sealed at once: one full TLS record.
const SEGMENT_BYTES: usize = 16 * 1024;
/// Segments per write to the socket: enough to amortise the system call, little enough for urgent
/// frames to pass.
const SEGMENTS_PER_WRITE: usize = 4;

/// The clock, for whoever submits from outside the tasks.
pub(crate) type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// A connection that is authenticated.
pub(crate) struct Connection {
    id: LinkId,
    node: NodeId,
    clock: Clock,
    inbox: Inbox,
    state: Mutex<State>,
    /// Something is to be transmitted.
    writable: Event,
    /// The connection shall end.
    ending: Event,
}

struct State {
    tls: Session,
    link: Link,
    /// Sealed bytes that TLS made by itself (alerts, key updates).
    wire: Vec<u8>,
    plain: Vec<u8>,
    outputs: Vec<Output>,
    stage: Stage,
    /// Per class: who waits for the acknowledgement of which number.
    unacknowledged: [BTreeMap<u64, Sender<()>>; Priority::ALL.len()],
    requests: BTreeMap<u64, Sender<Answered>>,
    next_request: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// What is queued and a goodbye still go out.
    Closing,
    /// Nothing goes out any more.
    Cut,
}

/// What the reader has to pass on, outside the lock.
pub(crate) enum News {
    Established(Hello),
    Node {
        code: u8,
        body: Payload,
    },
    /// A request that the inbox had no room for.
    Busy(Reply),
    Over(Over),
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Over {
    /// This side closed it.
    Local,
    /// The peer said goodbye, or closed the socket.
    Peer,
    /// The socket failed.
    Socket(io::Error),
    /// The peer did something it must not, or was not let in.
    Refused(PeerRefusal),
}

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write, then ask again.
    Write,
    /// Wait until there is something.
    Wait,
    /// Write, then end.
    Finish,
}

impl Connection {
    pub(crate) fn new(
        id: LinkId,
        node: NodeId,
        tls: Session,
        link: Link,
        clock: Clock,
        inbox: Inbox,
    ) -> Arc<Connection> {
        let state = State {
            tls,
            link,
            wire: Vec::new(),
            plain: Vec::new(),
            outputs: Vec::new(),
            stage: Stage::Open,
            unacknowledged: Default::default(),
            requests: BTreeMap::new(),
            next_request: 0,
        };
        Arc::new(Connection {
            id,
            node,
            clock,
            inbox,
            state: Mutex::new(state),
            writable: Event::new(),
            ending: Event::new(),
        })
    }

    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Queues a frame and wakes the writer.
    pub(crate) fn submit(&self, priority: Priority, frame: Outgoing) -> Result<u64, SubmitError> {
        let number = self.submit_quietly(priority, frame)?;
        self.flush();
        Ok(number)
    }

    /// Queues a frame; the writer is woken by `flush`, once for many.
    pub(crate) fn submit_quietly(
        &self,
        priority: Priority,
        frame: Outgoing,
    ) -> Result<u64, SubmitError> {
        self.lock().submit((self.clock)(), priority, frame)
    }

    /// Wakes the writer.
    pub(crate) fn flush(&self) {
        self.writable.notify(1);
    }

    /// Queues a message of the host; the answer comes when the other host has it, an error when the
    /// connection ends.
    pub(crate) fn send_message(
        &self,
        priority: Priority,
        body: Payload,
    ) -> Result<Receiver<()>, SubmitError> {
        let (sender, receiver) = async_channel::bounded(1);
        let mut state = self.lock();
        let number = state.submit((self.clock)(), priority, Outgoing::Message { body })?;
        state.unacknowledged[priority as usize].insert(number, sender);
        drop(state);
        self.flush();
        Ok(receiver)
    }

    /// Queues a request of the host.
    pub(crate) fn send_request(
        self: &Arc<Self>,
        priority: Priority,
        body: Payload,
    ) -> Result<Call, SubmitError> {
        let (sender, receiver) = async_channel::bounded(1);
        let mut state = self.lock();
        let id = state.next_request;
        state.submit((self.clock)(), priority, Outgoing::Request { id, body })?;
        state.next_request += 1;
        state.requests.insert(id, sender);
        drop(state);
        self.flush();
        Ok(Call {
            connection: self.clone(),
            id,
            receiver,
        })
    }

    /// Says goodbye and ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Open {
            state.stage = Stage::Closing;
            state.link.close();
        }
        drop(state);
        self.writable.notify(1);
        self.ending.notify(usize::MAX);
    }

    /// Ends at once; nothing that is queued goes out.
    pub(crate) fn cut(&self) {
        let mut state = self.lock();
        state.stage = Stage::Cut;
        // Their senders gone, all who wait learn that the connection broke.
        state.unacknowledged = Default::default();
        state.requests.clear();
        drop(state);
        self.writable.notify(1);
        self.ending.notify(usize::MAX);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().stage == Stage::Open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self) -> Option<Time> {
        self.lock().link.deadline().map(|deadline| deadline.at)
    }

    fn on_writable(&self) -> EventListener {
        self.writable.listen()
    }

    fn on_ending(&self) -> EventListener {
        self.ending.listen()
    }

    /// Takes bytes from the socket.
    fn receive(self: &Arc<Self>, bytes: &[u8], news: &mut Vec<News>) {
        let now = (self.clock)();
        let mut state = self.lock();
        if state.stage == Stage::Cut {
            return news.push(News::Over(Over::Local));
        }
        let State {
            tls,
            link,
            wire,
            outputs,
            ..
        } = &mut *state;
        let opened = tls.open(bytes, wire, |plain| link.receive(now, plain, outputs));
        self.digest(&mut state, news);
        match opened {
            Ok(Phase::Open | Phase::Handshaking) => {}
            Ok(Phase::PeerClosed) => news.push(News::Over(Over::Peer)),
            Err(error) => news.push(News::Over(Over::Refused(PeerRefusal::of_tls(&error)))),
        }
        let is_wanted = state.link.wants_transmit() || !state.wire.is_empty();
        drop(state);
        if is_wanted {
            self.flush();
        }
    }

    /// Lets the link's timers run.
    fn tick(self: &Arc<Self>, news: &mut Vec<News>) {
        let now = (self.clock)();
        let mut state = self.lock();
        let State { link, outputs, .. } = &mut *state;
        link.tick(now, outputs);
        self.digest(&mut state, news);
        drop(state);
        self.flush();
    }

    /// Appends what the socket shall send.
    fn transmit(&self, out: &mut Vec<u8>) -> Next {
        let now = (self.clock)();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.stage == Stage::Cut {
            return Next::Finish;
        }
        out.append(&mut state.wire);
        for _ in 0..SEGMENTS_PER_WRITE {
            state.plain.clear();
            let is_more = state.link.transmit(now, SEGMENT_BYTES, &mut state.plain);
            if !state.plain.is_empty() && state.tls.seal(&state.plain, out).is_err() {
                // The session cannot encrypt any more; the reader learns why.
                state.stage = Stage::Cut;
                return Next::Finish;
            }
            if !is_more {
                break;
            }
        }
        if state.stage == Stage::Closing && !state.link.wants_transmit() {
            state.stage = Stage::Cut;
            let _alert_is_a_courtesy = state.tls.close(out);
            return Next::Finish;
        }
        if out.is_empty() {
            Next::Wait
        } else {
            Next::Write
        }
    }

    fn digest(self: &Arc<Self>, state: &mut State, news: &mut Vec<News>) {
        for output in std::mem::take(&mut state.outputs) {
            match output {
                Output::Established(hello) => news.push(News::Established(hello)),
                Output::Node { code, body } => news.push(News::Node { code, body }),
                Output::Message {
                    priority,
                    number: _,
                    body,
                } => {
                    let message = Incoming {
                        from: self.node,
                        priority,
                        payload: body,
                        reply: None,
                    };
                    if self.inbox.offer(message).is_err() {
                        // I3: not acknowledged, because nothing is transmitted from here on.
                        state.stage = Stage::Cut;
                        news.push(News::Over(Over::Refused(PeerRefusal::InboxFull)));
                    }
                }
                Output::Request { priority, id, body } => {
                    let reply = Some(Reply::to_peer(self.clone(), priority, id));
                    let request = Incoming {
                        from: self.node,
                        priority,
                        payload: body,
                        reply,
                    };
                    // A reply locks, and dropping one replies: it leaves this lock alive.
                    if let Err(Incoming {
                        reply: Some(reply), ..
                    }) = self.inbox.offer(request)
                    {
                        news.push(News::Busy(reply));
                    }
                }
                Output::Reply { id, body } => {
                    if let Some(waiting) = state.requests.remove(&id) {
                        let _caller_gone = waiting.try_send(Answered::from_body(&body));
                    }
                }
                Output::Acked { priority, number } => state.acknowledge(priority, number),
                Output::Closed(reason) => news.push(News::Over(over(reason))),
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("node", &self.node)
            .finish()
    }
}

impl State {
    fn submit(
        &mut self,
        now: Time,
        priority: Priority,
        frame: Outgoing,
    ) -> Result<u64, SubmitError> {
        if self.stage != Stage::Open {
            return Err(SubmitError::Closed);
        }
        self.link.submit(now, priority, frame)
    }

    fn acknowledge(&mut self, priority: Priority, number: u64) {
        let class = &mut self.unacknowledged[priority as usize];
        let later = match number.checked_add(1) {
            Some(next) => class.split_off(&next),
            None => BTreeMap::new(),
        };
        for waiting in std::mem::replace(class, later).into_values() {
            let _caller_gone = waiting.try_send(());
        }
    }
}

fn over(reason: CloseReason) -> Over {
    match reason {
        CloseReason::Goodbye => Over::Peer,
        CloseReason::Idle => Over::Socket(io::ErrorKind::TimedOut.into()),
        reason @ (CloseReason::HelloTimeout
        | CloseReason::WrongCluster { .. }
        | CloseReason::WrongNode { .. }
        | CloseReason::WrongVersion { .. }
        | CloseReason::Fault(_)) => Over::Refused(PeerRefusal::of_close(reason)),
    }
}

/// A request that waits for its reply. Dropping it forgets the request; a late reply is then
/// ignored.
pub(crate) struct Call {
    connection: Arc<Connection>,
    id: u64,
    receiver: Receiver<Answered>,
}

impl Call {
    /// The answer; `None` when the connection ended before it came.
    pub(crate) async fn answer(&self) -> Option<Answered> {
        self.receiver.recv().await.ok()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.connection.lock().requests.remove(&self.id);
    }
}
