//! What two lives of two nodes know of their traffic, whatever happens to the connections between
//! them: what waits, what is not acknowledged, what has arrived, which streams are open.
//!
//! A session belongs to whoever owns the peer. A [`Link`](super::Link) is handed it with every
//! call; of several links to one peer at most one carries it outward, and each may bring frames in.
//!
//! * I1: nothing that was acknowledged is lost, nothing is delivered twice, and each class is
//!   delivered in order, over any number of connections: numbers decide, not connections.
//! * I2: a session ends as a whole and at both ends. What was not acknowledged then is reported as
//!   lost: it may have arrived.
//! * I3: memory is bounded: `queue_bytes_max` waiting per class, the window under way, and
//!   `credit_bytes` per class and per stream here and not taken.
//! * I4: a session that makes no progress for `retry_interval` asks for an acknowledgement, then
//!   for another connection, and after `attempts` intervals gives up.
//!
//! Deliberately absent: sending again over a connection that makes progress. TCP does that.

mod joining;
mod receiving;
mod sending;

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::assembly::Assembly;
use super::credit::{Allowance, Budget};
use super::lane::Lane;
use super::priority::PerClass;
use super::stats::SessionStats;
use super::stream::Streams;
use super::{Config, Priority, VersionRange};
use crate::mutant::{Mutant, Planted};
use crate::time::{Deadline, Time, Timer, Wake};

pub(super) use self::joining::Joined;

/// The traffic of one pair of lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    config: Arc<Config>,
    /// Which session of this life with that peer; grows when one is given up.
    id: u64,
    theirs: Theirs,
    /// Which link carries it; grows when another takes over.
    ticket: u64,
    version: u8,
    lanes: PerClass<Lane>,
    arrivals: PerClass<Arrival>,
    budgets: PerClass<Budget>,
    streams: Streams,
    /// Runs while something is not acknowledged.
    stall: Timer,
    attempts: u32,
    is_probe_due: bool,
    /// None before anything is counted: most sessions of a large cluster carry nothing.
    stats: Option<Box<SessionStats>>,
    planted: Planted,
}

/// What is known of the other end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Theirs {
    /// Its life.
    boot: Option<u64>,
    /// Its session, 0 if it has not told.
    session: u64,
    /// Its clock and ours at one moment.
    clocks: (Time, Time),
}

/// What of one class has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Arrival {
    /// The last number.
    received: u64,
    is_ack_due: bool,
    partial: Option<Box<Assembly>>,
    allowance: Allowance,
}

/// What a session wants after a time without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stall {
    /// The link that carries it should transmit: it asks for an acknowledgement. Without a link,
    /// one is wanted.
    Probe,
    /// Another link is wanted; the one that carries it is no good.
    Reconnect,
    /// So many frames are given up: they may have arrived.
    Failed {
        /// Frames without an acknowledgement.
        frames: u64,
    },
}

impl Session {
    /// Nothing sent, nothing received.
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>) -> Session {
        let config = config.into();
        let window = config.credit_bytes;
        let arrival = || Arrival {
            received: 0,
            is_ack_due: false,
            partial: None,
            allowance: Allowance::new(window),
        };
        Session {
            config,
            id: 1,
            theirs: Theirs::default(),
            ticket: 0,
            version: VersionRange::OURS.min,
            lanes: PerClass::default(),
            arrivals: [arrival(), arrival(), arrival(), arrival()],
            budgets: [Budget::new(window); 4],
            streams: Streams::default(),
            stall: Timer::stopped(),
            attempts: 0,
            is_probe_due: false,
            stats: None,
            planted: Planted::default(),
        }
    }

    /// Plants a bug that the simulator must find.
    #[cfg(feature = "mutants")]
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = mutant.into();
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Time) -> Option<Stall> {
        if !self.stall.fire(now) {
            return None;
        }
        self.attempts += 1;
        if self.attempts >= self.config.attempts {
            let frames = self.give_up();
            return Some(Stall::Failed { frames });
        }
        self.stall.set(now + self.config.retry_interval);
        if self.attempts == 1 {
            self.is_probe_due = true;
            return Some(Stall::Probe);
        }
        Some(Stall::Reconnect)
    }

    /// When to call [`Session::tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.stall.deadline(Wake::Link)
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.stats.as_deref().copied().unwrap_or_default()
    }

    fn counters(&mut self) -> &mut SessionStats {
        self.stats.get_or_insert_default()
    }

    /// Streams open in both directions.
    #[must_use]
    pub fn active_streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes of a class that have not left, headers included.
    #[must_use]
    pub fn waiting_bytes(&self, priority: Priority) -> usize {
        self.lanes[priority.index()].waiting_bytes()
    }

    /// Memory of everything it keeps, in bytes: what waits, what is under way, and messages of
    /// which a part has arrived.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let lanes = self.lanes.iter().map(Lane::held_bytes);
        let partial = |it: &Arrival| it.partial.as_ref().map_or(0, |it| it.held_bytes());
        lanes.chain(self.arrivals.iter().map(partial)).sum()
    }

    /// Frames that the other end is not known to have.
    #[must_use]
    pub fn owed(&self) -> u64 {
        self.lanes.iter().map(Lane::owed).sum()
    }

    /// Which session of this life with the peer it is.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The life of the peer and its session, once they are known.
    #[must_use]
    pub fn peer(&self) -> Option<(u64, u64)> {
        let session = self.theirs.session;
        self.theirs
            .boot
            .filter(|_| session > 0)
            .map(|boot| (boot, session))
    }

    /// Gives up everything that is under way, as after the last attempt. Returns how many frames
    /// the other end is not known to have.
    pub fn give_up(&mut self) -> u64 {
        let frames = self.owed();
        self.renew();
        frames
    }

    /// Begins anew: everything that was under way is lost, in both directions.
    fn renew(&mut self) {
        let owed = self.owed();
        self.counters().dropped += owed;
        let fresh = Session::new(Arc::clone(&self.config));
        *self = Session {
            id: self.id + 1,
            theirs: Theirs {
                boot: self.theirs.boot,
                ..Theirs::default()
            },
            ticket: self.ticket + 1,
            version: self.version,
            stats: self.stats.take(),
            planted: self.planted,
            ..fresh
        };
    }

    /// The clock for progress runs while something is owed.
    fn watch_progress(&mut self, now: Time, has_progressed: bool) {
        if has_progressed {
            self.attempts = 0;
            self.is_probe_due = false;
        }
        if !self.lanes.iter().any(Lane::is_owed) {
            self.stall.stop();
        } else if has_progressed {
            self.stall.set(now + self.config.retry_interval);
        } else {
            self.await_progress(now);
        }
    }

    /// Something is owed.
    fn await_progress(&mut self, now: Time) {
        if !self.stall.is_set() {
            self.stall.set(now + self.config.retry_interval);
        }
    }

    /// Whether a link that carries it has frames to send.
    pub(super) fn has_waiting(&self) -> bool {
        self.lanes.iter().any(Lane::has_waiting)
    }

    /// Whether the other end is to be asked for an acknowledgement.
    pub(super) fn is_probe_due(&self) -> bool {
        self.is_probe_due
    }

    /// Whether what leaves next is all that waits.
    pub(super) fn is_last_waiting(&self) -> bool {
        self.lanes.iter().map(Lane::segments_waiting).sum::<usize>() <= 1
    }

    /// Whether acknowledgements should go out.
    pub(super) fn is_ack_due(&self) -> bool {
        self.arrivals.iter().any(|arrival| arrival.is_ack_due)
    }
}
