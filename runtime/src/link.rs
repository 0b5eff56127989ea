//! One connection: TLS and the core's link machine behind one short lock, and the tasks that move
//! its bytes.
//!
//! Whoever wants to send hands it to the [`Peer`], whose session outlives connections, and leaves;
//! the writer seals what the link transmits. The reader opens what arrives where it lies and passes
//! on what the link tells. I1: no lock is held across an await, no user code runs under one, and a
//! connection's lock is taken before its peer's. I2: bytes leave in the order in which TLS made
//! them, because they are made under the lock. I3: a message of a peer's host is in the inbox
//! before its acknowledgement can be transmitted.

pub(crate) mod alarm;
mod arriving;
pub(crate) mod directory;
pub(crate) mod door;
mod intake;
pub(crate) mod keeper;
pub(crate) mod peer;
pub(crate) mod pending;
pub(crate) mod pump;
mod requests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::{Event, EventListener};
use quorate_core::id::{LinkId, NodeId};
use quorate_core::time::Time;
use quorate_core::transport::{
    CloseReason, Hello, Link, Output, Priority, Stats, SubmitError, Unacknowledged,
};
use quorate_core::wire::{DecodeError, Message};
use rustls_pki_types::CertificateDer;

use self::peer::Peer;
use crate::error::PeerRefusal;
use crate::message::Incoming;
use crate::tls::{Phase, Sealed, Session};

/// The clock, for whoever submits from outside the tasks.
pub(crate) type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// A connection that is authenticated.
pub(crate) struct Connection {
    id: LinkId,
    peer: Arc<Peer>,
    address: SocketAddr,
    certificates: Vec<CertificateDer<'static>>,
    state: Mutex<State>,
    /// The stage is `Open`, for those who do not want to wait for the lock.
    is_open: AtomicBool,
    /// The connection shall end.
    ending: Event,
}

struct State {
    tls: Session,
    link: Link,
    /// Sealed bytes that TLS made by itself (alerts, key updates).
    wire: Sealed,
    /// Memory for the record that leaves next.
    record: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// What is queued and a goodbye still go out.
    Closing,
    /// Nothing goes out any more.
    Cut,
}

/// What the reader has to pass on, outside the locks.
pub(crate) enum News {
    Established(Hello),
    Node(Result<Message, DecodeError>),
    /// What the inbox, being closed, did not take: it is dropped outside the locks.
    Untaken(Incoming),
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
    /// Only acknowledgements are to be sent: let others run first, so that what the host answers
    /// can leave together with them.
    Linger,
    /// Wait until there is something.
    Wait,
    /// Write, then end.
    Finish,
}

impl Connection {
    pub(crate) fn new(
        id: LinkId,
        peer: Arc<Peer>,
        address: SocketAddr,
        tls: Session,
        link: Link,
    ) -> Arc<Connection> {
        let certificates = tls.peer_certificates().to_vec();
        let state = State {
            tls,
            link,
            wire: Sealed::default(),
            record: Vec::new(),
            stage: Stage::Open,
        };
        Arc::new(Connection {
            id,
            peer,
            address,
            certificates,
            state: Mutex::new(state),
            is_open: AtomicBool::new(true),
            ending: Event::new(),
        })
    }

    pub(crate) fn id(&self) -> LinkId {
        self.id
    }

    pub(crate) fn node(&self) -> NodeId {
        self.peer.node()
    }

    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The other end of the socket.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the other end showed in the handshake.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Queues a frame that is not acknowledged; the writer is woken by [`Peer::flush`], once for
    /// many.
    pub(crate) fn submit_quietly(
        &self,
        priority: Priority,
        frame: Unacknowledged,
    ) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.stage != Stage::Open {
            return Err(SubmitError::Closed);
        }
        state.link.submit(priority, frame)
    }

    /// Says goodbye and ends, after what was accepted has arrived; unless another connection to the
    /// peer delivers that.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Open {
            self.leave(&mut state.stage, Stage::Closing);
            state.link.close();
        }
        drop(state);
        self.peer.carry_over(self);
        self.ending.notify(usize::MAX);
        self.peer.flush();
    }

    /// Ends at once; nothing that is queued goes out over this connection.
    pub(crate) fn cut(&self) {
        self.leave(&mut self.lock().stage, Stage::Cut);
        self.peer.carry_over(self);
        self.ending.notify(usize::MAX);
        self.peer.flush();
    }

    /// The node is over, and everything with it.
    pub(crate) fn cut_with_peer(&self) {
        self.cut();
        self.peer.fail();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    fn leave(&self, stage: &mut Stage, to: Stage) {
        *stage = to;
        self.is_open.store(false, Ordering::Release);
    }

    /// Whether it carries the session with its peer.
    fn carries(&self) -> bool {
        let state = self.lock();
        state.link.carries(&self.peer.lock().session)
    }

    /// Takes the session over, if both ends have agreed on it here.
    fn carry(&self) -> bool {
        let mut state = self.lock();
        state.stage == Stage::Open && state.link.carry(&mut self.peer.lock().session)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().link.stats()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stage(&self) -> Stage {
        self.lock().stage
    }

    fn deadline(&self) -> Option<Time> {
        self.lock().link.deadline().map(|deadline| deadline.at)
    }

    fn on_ending(&self) -> EventListener {
        self.ending.listen()
    }

    /// Completes when nothing goes out any more.
    async fn on_cut(&self) {
        loop {
            let ending = self.on_ending();
            if self.stage() == Stage::Cut {
                return;
            }
            ending.await;
        }
    }

    /// Opens bytes of the socket where they lie, and says how many it took.
    fn receive(&self, bytes: &mut [u8], news: &mut Vec<News>) -> usize {
        let now = self.peer.now();
        let mut guard = self.lock();
        let State {
            tls,
            link,
            wire,
            stage,
            ..
        } = &mut *guard;
        if *stage == Stage::Cut {
            news.push(News::Over(Over::Local));
            return bytes.len();
        }
        let mut peer = self.peer.lock();
        let opened = tls.open(bytes, wire, |plain| {
            let (session, mut desk) = peer.split(&self.peer, news);
            link.receive(now, plain, session, &mut |output| desk.take(output));
        });
        let is_wanted = link.wants_transmit(&peer.session) || !wire.is_empty();
        let woken = peer.after_receiving(now, &self.peer, news);
        drop(peer);
        drop(guard);
        woken.wake();
        let taken = match opened {
            Ok((taken, Phase::Open | Phase::Handshaking)) => taken,
            Ok((taken, Phase::PeerClosed)) => {
                news.push(News::Over(Over::Peer));
                taken
            }
            Err(error) => {
                news.push(News::Over(Over::Refused(PeerRefusal::of_tls(&error))));
                bytes.len()
            }
        };
        if is_wanted {
            self.peer.flush();
        }
        taken
    }

    /// Lets the link's timers run.
    fn tick(&self, news: &mut Vec<News>) {
        let now = self.peer.now();
        self.lock().link.tick(now, &mut |output| {
            if let Output::Closed(reason) = output {
                news.push(News::Over(over(reason)));
            }
        });
        self.peer.flush();
    }

    /// Appends what the socket shall send. Whoever has lingered gets acknowledgements alone, too.
    fn transmit(&self, out: &mut Sealed, has_lingered: bool) -> Next {
        let now = self.peer.now();
        let mut guard = self.lock();
        let State {
            tls,
            link,
            wire,
            record,
            stage,
        } = &mut *guard;
        if *stage == Stage::Cut {
            return Next::Finish;
        }
        wire.append_to(out);
        let mut peer = self.peer.lock();
        if !has_lingered && out.is_empty() && link.wants_only_to_acknowledge(&peer.session) {
            return Next::Linger;
        }
        let budget = link.write_bytes();
        while out.len() < budget {
            let mut sealed = Ok(());
            let sent = link.transmit(now, &mut peer.session, record, |plain| {
                sealed = tls.seal(plain, out);
            });
            if sealed.is_err() {
                // The session cannot encrypt any more; the reader learns why.
                self.leave(stage, Stage::Cut);
                return Next::Finish;
            }
            if sent == 0 {
                break;
            }
        }
        let is_unheard = link.peer().is_none() && !link.wants_transmit(&peer.session);
        drop(peer);
        if *stage == Stage::Closing && (link.has_parted() || is_unheard) {
            self.leave(stage, Stage::Cut);
            let _alert_is_a_courtesy = tls.close(out);
            return Next::Finish;
        }
        drop(guard);
        if out.is_empty() {
            Next::Wait
        } else {
            self.peer.make_room();
            Next::Write
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("node", &self.node())
            .finish()
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

/// Bytes that the host has taken and the session does not know of yet.
#[derive(Debug, Default)]
struct Taken(AtomicUsize);

impl Taken {
    /// Adds some; all of them, once that is worth telling.
    fn add(&self, cost: usize, step: usize) -> Option<usize> {
        let before = self.0.fetch_add(cost, Ordering::Relaxed);
        (before + cost >= step).then(|| self.0.swap(0, Ordering::Relaxed))
    }
}
