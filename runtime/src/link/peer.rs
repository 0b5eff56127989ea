//! Another node, across all connections to it: the session, who waits for what, and the connections
//! there are.

mod links;
pub(crate) mod streams;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::{Event, EventListener};
use futures_channel::oneshot::Receiver;
use quorate_core::id::NodeId;
use quorate_core::time::Time;
use quorate_core::transport::{
    Config, Outgoing, Priority, Session, SessionStats, Stall, SubmitError,
};

use self::links::Links;
use super::arriving::Desk;
use super::pending::{Era, Pending};
use super::{Clock, News, Taken};
use crate::inbox::Inbox;
use crate::message::{Answered, Incoming};

/// Another node.
pub(crate) struct Peer {
    node: NodeId,
    clock: Clock,
    inbox: Inbox,
    state: Mutex<PeerState>,
    links: Mutex<Links>,
    /// Something is to be transmitted.
    writable: Event,
    /// What was refused as full may be tried again.
    room: Event,
    /// The session's timer runs again.
    watched: Event,
    taken: [Taken; Priority::ALL.len()],
    taken_step: usize,
    /// Who waits for room.
    waiting: AtomicUsize,
}

/// Counts one who waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    fn count(waiting: &AtomicUsize) -> Waiting<'_> {
        waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is under the peer's lock.
pub(crate) struct PeerState {
    pub(super) session: Session,
    pending: Pending,
    /// What the connection just brought for the inbox; empty between calls.
    delivered: Vec<Incoming>,
    /// When the keeper looks next.
    watched: Option<Time>,
    has_room: bool,
    /// The node is over: nothing is taken any more.
    is_over: bool,
}

/// Whom to wake once the lock is released.
pub(super) struct Woken<'a> {
    peer: &'a Peer,
    room: bool,
    watched: bool,
}

impl Woken<'_> {
    pub(super) fn wake(self) {
        if self.room {
            self.peer.make_room();
        }
        if self.watched {
            self.peer.watched.notify(usize::MAX);
        }
    }
}

impl Peer {
    pub(crate) fn new(node: NodeId, config: &Config, clock: Clock, inbox: Inbox) -> Arc<Peer> {
        let state = PeerState {
            session: Session::new(config.clone()),
            pending: Pending::default(),
            delivered: Vec::new(),
            watched: None,
            has_room: false,
            is_over: false,
        };
        Arc::new(Peer {
            node,
            clock,
            inbox,
            state: Mutex::new(state),
            links: Mutex::default(),
            writable: Event::new(),
            room: Event::new(),
            watched: Event::new(),
            taken: Default::default(),
            taken_step: config.credit_bytes / 8,
            waiting: AtomicUsize::new(0),
        })
    }

    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn now(&self) -> Time {
        (self.clock)()
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Queues messages of the host, as many as there is room for; how many that were, and what
    /// tells when the last of them is in the other host's inbox. An error there means that it is
    /// unknown whether they arrived.
    pub(crate) fn send_messages(
        &self,
        priority: Priority,
        deadline: Option<Time>,
        bodies: &[impl AsRef<[u8]>],
    ) -> Result<(usize, Receiver<()>), SubmitError> {
        let now = self.now();
        let mut state = self.lock_open()?;
        let (mut count, mut last) = (0, 0);
        for body in bodies {
            let body = body.as_ref();
            let message = Outgoing::Message { body, deadline };
            match state.session.submit(now, priority, message) {
                Ok(number) => last = number,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
            count += 1;
        }
        let confirmed = state.pending.await_ack(priority, last);
        self.submitted(state);
        Ok((count, confirmed))
    }

    /// Queues a request of the host; after `deadline` nobody waits for the reply.
    pub(crate) fn send_request(
        self: &Arc<Self>,
        priority: Priority,
        deadline: Time,
        body: &[u8],
    ) -> Result<Call, SubmitError> {
        let now = self.now();
        let mut state = self.lock_open()?;
        let id = state.pending.requests.next_id();
        let request = Outgoing::Request {
            id,
            body,
            deadline: Some(deadline),
        };
        state.session.submit(now, priority, request)?;
        let receiver = state.pending.requests.add(deadline);
        self.submitted(state);
        let peer = self.clone();
        Ok(Call { peer, id, receiver })
    }

    /// Queues the answer to a request of the other host, made in the session of that era.
    pub(crate) fn send_reply(
        &self,
        era: Era,
        priority: Priority,
        id: u64,
        body: &[u8],
    ) -> Result<(), SubmitError> {
        let mut state = self.lock_of(era)?;
        let reply = Outgoing::Reply { id, body };
        state.session.submit(self.now(), priority, reply)?;
        self.submitted(state);
        Ok(())
    }

    /// The longest message or request in one piece.
    pub(crate) fn plain_bytes_max(&self) -> usize {
        self.lock().session.plain_bytes_max()
    }

    /// The host has taken a message or a request.
    pub(crate) fn took(&self, priority: Priority, cost: usize) {
        if let Some(all) = self.taken[priority.index()].add(cost, self.taken_step) {
            let mut state = self.lock();
            state.session.consume(self.now(), priority, all);
            self.submitted(state);
        }
    }

    /// Something was given to the session: it may have something to send, and a timer.
    fn submitted(&self, mut state: MutexGuard<'_, PeerState>) {
        let watched = state.watch();
        drop(state);
        self.flush();
        if watched {
            self.watched.notify(usize::MAX);
        }
    }

    /// Wakes the writers.
    pub(crate) fn flush(&self) {
        self.writable.notify(usize::MAX);
    }

    /// Lets those try again who were refused.
    pub(super) fn make_room(&self) {
        self.room.notify(usize::MAX);
    }

    pub(super) fn on_writable(&self) -> EventListener {
        self.writable.listen()
    }

    pub(super) fn on_watched(&self) -> EventListener {
        self.watched.listen()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PeerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, unless the node is over.
    fn lock_open(&self) -> Result<MutexGuard<'_, PeerState>, SubmitError> {
        let state = self.lock();
        if state.is_over {
            return Err(SubmitError::Closed);
        }
        Ok(state)
    }

    /// The same, unless the session of that era is over.
    fn lock_of(&self, era: Era) -> Result<MutexGuard<'_, PeerState>, SubmitError> {
        let state = self.lock();
        if state.pending.era != era {
            return Err(SubmitError::Closed);
        }
        Ok(state)
    }

    /// When the session or a request wants to be looked at.
    pub(super) fn deadline(&self) -> Option<Time> {
        let mut state = self.lock();
        state.watched = state.deadline();
        state.watched
    }

    /// Lets the time of the session and of requests pass.
    pub(super) fn tick(&self) -> Option<Stall> {
        let mut state = self.lock();
        let now = self.now();
        state.pending.requests.expire(now);
        let stall = state.session.tick(now);
        if matches!(stall, Some(Stall::Failed { .. })) {
            state.pending.lose();
            drop(state);
            self.make_room();
            self.flush();
        }
        stall
    }

    /// Whether something was sent that is not acknowledged, or somebody waits for room or a reader.
    pub(super) fn is_awaited(&self) -> bool {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return true;
        }
        let state = self.lock();
        state.session.owed() > 0 || state.pending.awaits_reader()
    }

    /// Nobody reaches it any more.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        state.session.give_up();
        state.pending.lose();
        drop(state);
        self.make_room();
    }

    /// Hands something over, as soon as there is room for it.
    pub(crate) async fn when_room<T>(
        &self,
        mut submit: impl FnMut() -> Result<T, SubmitError>,
    ) -> Result<T, SubmitError> {
        let mut room = None;
        loop {
            match submit() {
                Err(SubmitError::Full) => {}
                done => return done,
            }
            // It is tried once more while it is listened: room may have been made in between.
            let Some(listening) = room.take() else {
                room = Some(self.room.listen());
                continue;
            };
            let _counted = Waiting::count(&self.waiting);
            let () = listening.await;
        }
    }

    /// The node is over: everyone who waits learns that nothing will come.
    pub(crate) fn fail(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.pending.lose();
        drop(state);
        self.make_room();
    }

    pub(crate) fn session_stats(&self) -> (SessionStats, usize) {
        let state = self.lock();
        (state.session.stats(), state.session.active_streams())
    }
}

impl PeerState {
    /// The session, and whoever takes what it brings.
    pub(super) fn split<'a>(
        &'a mut self,
        peer: &'a Arc<Peer>,
        news: &'a mut Vec<News>,
    ) -> (&'a mut Session, Desk<'a>) {
        let desk = Desk {
            peer,
            news,
            pending: &mut self.pending,
            delivered: &mut self.delivered,
            has_room: &mut self.has_room,
        };
        (&mut self.session, desk)
    }

    /// What is left to do behind the lock after receiving.
    pub(super) fn after_receiving<'a>(
        &mut self,
        now: Time,
        peer: &'a Arc<Peer>,
        news: &mut Vec<News>,
    ) -> Woken<'a> {
        peer.inbox.put(Some(peer), &mut self.delivered);
        news.extend(self.delivered.drain(..).map(News::Untaken));
        for (stream, cost) in self.pending.arrivals.take_consumed() {
            self.session.consume_stream(now, stream, cost);
        }
        for stream in self.pending.arrivals.take_refused() {
            self.session.refuse_stream(now, stream);
        }
        Woken {
            peer,
            room: std::mem::take(&mut self.has_room),
            watched: self.watch(),
        }
    }

    fn deadline(&self) -> Option<Time> {
        let session = self.session.deadline().map(|deadline| deadline.at);
        let requests = self.pending.requests.deadline();
        session.into_iter().chain(requests).min()
    }

    /// True if there is something to look at before the keeper would.
    fn watch(&mut self) -> bool {
        let Some(next) = self.deadline() else {
            return false;
        };
        let is_sooner = self.watched.is_none_or(|watched| next < watched);
        if is_sooner {
            self.watched = Some(next);
        }
        is_sooner
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("node", &self.node).finish()
    }
}

/// A request that waits for its reply. Dropping it forgets the request; a late reply is then
/// ignored.
pub(crate) struct Call {
    peer: Arc<Peer>,
    id: u64,
    receiver: Receiver<Answered>,
}

impl Call {
    /// The answer; `None` when the session was lost before it came.
    pub(crate) async fn answer(&mut self) -> Option<Answered> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.peer.lock().pending.requests.forget(self.id);
    }
}
