//! One connection's introduction, framing, priorities, window and keep-alive, as a pure machine.
//!
//! * I1: our hello is the first frame out; nothing else leaves before the peer's hello is received
//!   and checked. So a frame to a stranger is never sent, and every later frame carries a version
//!   both ends speak. Numbered frames wait for the peer's resumption too.
//! * I2: a frame of a class leaves only when no higher class has one, except that a segment of
//!   `Low` that waits leaves after [`STARVED_BYTES`] of others.
//! * I3: frames below `Critical` leave only within the window; `High` and `Normal` may overdraw it,
//!   so that they do not wait for `Low`'s acknowledgements.
//! * I4: memory is bounded: one incoming frame, one message per class that arrives in frames,
//!   `queue_bytes_max` per class outgoing, and what the session bounds.
//! * I5: whatever the peer sends, the answer is outputs and at most one [`Output::Closed`], the
//!   last. After it the machine is inert.
//! * I6: a goodbye follows everything that was accepted before [`Link::close`], if this connection
//!   carries the session.
//!
//! Deliberately absent: encryption. The owner seals each transmission as one record.

mod receiving;
mod sending;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::assembly::Assembly;
use super::frame::{BODY_BYTES_MAX, Cutter, Rules};
use super::loose::{Loose, header};
use super::priority::PerClass;
use super::session::Joined;
use super::window::Window;
use super::{
    CloseReason, Config, Hello, Output, Priority, Session, Stats, SubmitError, Unacknowledged,
};
use crate::id::NodeId;
#[cfg(feature = "mutants")]
use crate::mutant::Mutant;
use crate::mutant::Planted;
use crate::time::{Deadline, Time, Timer, Wake};

/// So many bytes of higher classes may leave while `Low` waits; then one segment of `Low` does: it
/// gets at least a sixteenth.
const STARVED_BYTES: usize = 15 * super::SEGMENT_BYTES;

/// The machine of one connection. The side that owns it moves its bytes: what [`Link::transmit`]
/// hands out goes to the socket, what the socket yields goes to [`Link::receive`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    config: Arc<Config>,
    ours: Hello,
    theirs: Option<Hello>,
    expected: Option<NodeId>,
    phase: Phase,
    parting: Parting,
    loose: PerClass<Loose>,
    partials: PerClass<Option<Box<Assembly>>>,
    cutter: Cutter,
    window: Window,
    /// Which session of ours the other end was told of, and which of its own we knew then.
    announced: Option<(u64, u64)>,
    /// The other end's resumption has come. If it did not agree with ours, what follows belongs to
    /// a session that is over.
    is_resumed: bool,
    /// Since the other end's resumption agreed with ours.
    joined: Option<Joined>,
    is_hello_due: bool,
    is_keepalive_due: bool,
    /// How long we may stay silent from the last frame on.
    pause: Duration,
    /// How long after the keep-alive that is just being written.
    announced_pause: Option<Duration>,
    /// Bytes of others that left while `Low` waited.
    starved_bytes: usize,
    hello_timer: Timer,
    keepalive_timer: Timer,
    idle_timer: Timer,
    stats: Stats,
    planted: Planted,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The peer's hello is awaited.
    Greeting,
    /// Frames flow, of this version.
    Established { version: u8 },
    /// It is over.
    Closed,
}

/// How far our own goodbye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Parting {
    /// Not intended.
    Staying,
    /// To be sent after everything that waits.
    Wanted,
    /// Sent: nothing may follow.
    Said,
}

impl Link {
    /// A fresh connection; its hello is the first thing to transmit. `expected` is the node a
    /// certificate or a dial says the other end is.
    #[must_use]
    pub fn new(
        config: impl Into<Arc<Config>>,
        ours: Hello,
        expected: Option<NodeId>,
        now: Time,
    ) -> Link {
        let config = config.into();
        let mut hello_timer = Timer::stopped();
        hello_timer.set(now + config.hello_timeout);
        Link {
            ours,
            theirs: None,
            expected,
            phase: Phase::Greeting,
            parting: Parting::Staying,
            loose: PerClass::default(),
            partials: PerClass::default(),
            cutter: Cutter::default(),
            window: Window::default(),
            announced: None,
            is_resumed: false,
            joined: None,
            is_hello_due: true,
            is_keepalive_due: false,
            pause: config.keepalive_interval,
            announced_pause: None,
            starved_bytes: 0,
            hello_timer,
            keepalive_timer: Timer::stopped(),
            idle_timer: Timer::stopped(),
            stats: Stats::default(),
            planted: Planted::default(),
            config,
        }
    }

    /// Plants a bug that the simulator must find.
    #[cfg(feature = "mutants")]
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = mutant.into();
    }

    /// Queues a frame that is not acknowledged.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was queued.
    pub fn submit(&mut self, priority: Priority, frame: Unacknowledged) -> Result<(), SubmitError> {
        if self.phase == Phase::Closed || self.parting != Parting::Staying {
            return Err(SubmitError::Closed);
        }
        let (code, body, max) = match frame {
            Unacknowledged::Node { code, body } => {
                (Some(code), body, self.config.message_bytes_max)
            }
            Unacknowledged::Datagram { body } => (None, body, BODY_BYTES_MAX),
        };
        if body.len() > max {
            let len = body.len();
            return Err(SubmitError::TooLarge { len, max });
        }
        let queue_bytes_max = self.config.queue_bytes_max;
        self.loose[priority.index()].push(header(code, priority), body, queue_bytes_max)
    }

    /// Makes this connection the one that carries the session; the latest that was resumed does so
    /// by itself. False if the two ends have not agreed on the session over it.
    pub fn carry(&mut self, session: &mut Session) -> bool {
        let is_open = self.phase != Phase::Closed;
        let agrees = self.joined.is_some_and(|joined| session.is_joined(joined)) && is_open;
        if agrees && self.parting == Parting::Staying {
            self.joined = Some(session.attach());
        }
        agrees
    }

    /// Lets time pass: keep-alive, hello timeout, half-open detection.
    pub fn tick(&mut self, now: Time, sink: &mut impl FnMut(Output<'_>)) {
        if self.hello_timer.fire(now) {
            self.become_closed(CloseReason::HelloTimeout, sink);
        }
        if self.idle_timer.fire(now) {
            self.become_closed(CloseReason::Idle, sink);
        }
        // Armed again by the transmission that it asks for.
        if self.keepalive_timer.fire(now) {
            self.is_keepalive_due = true;
        }
    }

    /// Queues a goodbye behind everything that was accepted; once it is transmitted the socket may
    /// be closed. Before the connection is established there is nobody to say goodbye to: what was
    /// queued waits for the peer's hello.
    pub fn close(&mut self) {
        if self.parting == Parting::Staying {
            self.parting = Parting::Wanted;
        }
    }

    /// When to call [`Link::tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let timers = [&self.hello_timer, &self.keepalive_timer, &self.idle_timer];
        let deadlines = timers.into_iter().map(|timer| timer.deadline(Wake::Link));
        deadlines.fold(None, Deadline::earliest)
    }

    /// The other end's hello, once established.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        self.theirs.as_ref()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether everything was said: nothing leaves any more.
    #[must_use]
    pub fn has_parted(&self) -> bool {
        self.parting == Parting::Said || self.phase == Phase::Closed
    }

    /// Whether this connection carries the session, or did so last although it is closed: then it
    /// is another one's turn.
    #[must_use]
    pub fn carries(&self, session: &Session) -> bool {
        self.joined
            .is_some_and(|joined| session.is_carried_by(joined))
    }

    /// Memory of everything it keeps, in bytes: an incomplete frame, machines' messages that wait,
    /// and those of which a part has arrived.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let loose = self.loose.iter().map(Loose::bytes);
        let partials = self.partials.iter().flatten().map(|it| it.held_bytes());
        self.cutter.buffered() + loose.chain(partials).sum::<usize>()
    }

    fn become_closed(&mut self, reason: CloseReason, sink: &mut impl FnMut(Output<'_>)) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.cutter = Cutter::default();
        self.partials = PerClass::default();
        self.loose.iter_mut().for_each(Loose::clear);
        self.hello_timer.stop();
        self.keepalive_timer.stop();
        self.idle_timer.stop();
        sink(Output::Closed(reason));
    }

    fn arm_keepalive(&mut self, now: Time) {
        let is_talking =
            matches!(self.phase, Phase::Established { .. }) && self.parting != Parting::Said;
        if is_talking {
            self.keepalive_timer.set(now + self.pause);
        } else {
            self.keepalive_timer.stop();
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            version: match self.phase {
                Phase::Established { version } => Some(version),
                Phase::Greeting | Phase::Closed => None,
            },
        }
    }

    /// Bytes kept of an incomplete frame.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.cutter.buffered()
    }

    /// Whether the session is with the life at the other end.
    fn is_with(&self, session: &Session) -> bool {
        let theirs = self.theirs.as_ref();
        theirs.is_some_and(|theirs| session.is_with(theirs.peer.boot))
    }
}
