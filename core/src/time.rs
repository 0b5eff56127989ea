//! Time as a number, and timers as state.
//!
//! The core reads no clock: every call receives `now`. A timer is a value inside the machine that
//! owns it; all timers of a machine fold into one [`Deadline`], so there is no set-timer action and
//! a late or spurious tick is harmless.
//!
//! Deliberately absent: wall-clock time. Leases and timeouts use this monotonic time alone.

use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use core::fmt;
use core::ops::Add;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Monotonic nanoseconds since this node's process started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// The start of the process.
    pub const ZERO: Time = Time(0);

    /// `millis` milliseconds after the start; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The span from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at the end of time (584 years).
    fn add(self, span: Duration) -> Time {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        write!(f, "{}.{:06}s", micros / 1_000_000, micros % 1_000_000)
    }
}

/// When a machine wants to be stepped next, and why: the answer to "who keeps waking us".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    /// The moment; may lie in the past, then the machine is due now.
    pub at: Time,
    /// The purpose of the wake-up.
    pub why: Wake,
}

impl Deadline {
    /// The earlier of two optional deadlines.
    #[must_use]
    pub fn earliest(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (only, None) | (None, only) => only,
        }
    }
}

/// The purpose of a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wake {
    /// The node has not made its start durable yet.
    Start,
    /// The next SWIM probe is due.
    Probe,
    /// The direct or the indirect phase of a probe ends.
    ProbeTimeout,
    /// A suspicion becomes a death.
    Suspicion,
    /// Queued membership updates are due to be spread.
    Gossip,
    /// A seed or a dead member is due to be dialled again.
    Rejoin,
    /// A pending join, leave or addition must be answered.
    Membership,
    /// Changes of the member list are due to be told as one.
    View,
    /// Nobody has contested a newcomer's claim to an id.
    Claim,
    /// A follower has not heard a leader for its election timeout.
    Election,
    /// The leader's next heartbeat.
    Heartbeat,
    /// The leader checks that a quorum still answers.
    QuorumCheck,
    /// A transfer of leadership has taken too long.
    Transfer,
    /// A read that the leader was asked about must be given up.
    Read,
    /// Proposals of this moment are to be appended together.
    Append,
    /// A pending proposal must be resent or given up.
    Proposal,
    /// The leader reviews where roles should live.
    Placement,
    /// The leader reviews who should vote.
    Electorate,
    /// A failed dial may be repeated, or an outbox has waited too long.
    Redial,
    /// The next exchange of digests is due.
    Digest,
    /// Fresh writes are due to be told.
    News,
    /// Someone may be out of reach, or a partition status may have settled.
    Reachability,
    /// What a departed node wrote is due to be dropped.
    Forget,
    /// A connection's handshake, keep-alive or acknowledgement is due.
    Link,
}

/// One timer, owned by the machine that fires it. Not `Copy`, so that it cannot be armed in two
/// places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timer {
    at: Option<Time>,
}

impl Timer {
    /// A timer that is not armed.
    #[must_use]
    pub const fn stopped() -> Timer {
        Timer { at: None }
    }

    /// Arms the timer, replacing any earlier moment.
    pub fn set(&mut self, at: Time) {
        self.at = Some(at);
    }

    /// Disarms the timer.
    pub fn stop(&mut self) {
        self.at = None;
    }

    /// True exactly once per arming, when its moment has come; disarms.
    pub fn fire(&mut self, now: Time) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
        }
        due
    }

    /// True while armed.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// This timer as a deadline with its purpose.
    #[must_use]
    pub fn deadline(&self, why: Wake) -> Option<Deadline> {
        self.at.map(|at| Deadline { at, why })
    }
}

/// One timer per key, ordered by moment, then key. Setting a key again replaces its moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timers<K: Ord> {
    queue: BTreeSet<(Time, K)>,
    moments: BTreeMap<K, Time>,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Timers {
            queue: BTreeSet::new(),
            moments: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Arms or re-arms `key`.
    pub fn set(&mut self, key: K, at: Time) {
        self.stop(&key);
        self.moments.insert(key.clone(), at);
        self.queue.insert((at, key));
    }

    /// Disarms `key`; true if it was armed.
    pub fn stop(&mut self, key: &K) -> bool {
        let Some((key, at)) = self.moments.remove_entry(key) else {
            return false;
        };
        self.queue.remove(&(at, key))
    }

    /// The earliest due key, disarmed; call until `None`.
    pub fn fire(&mut self, now: Time) -> Option<K> {
        let due = self.queue.first().is_some_and(|(at, _)| *at <= now);
        if !due {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        self.moments.remove(&key);
        Some(key)
    }

    /// The moment `key` is armed for.
    #[must_use]
    pub fn moment(&self, key: &K) -> Option<Time> {
        self.moments.get(key).copied()
    }

    /// The armed keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.moments.keys()
    }

    /// How many keys are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// True when nothing is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// The earliest armed moment as a deadline with its purpose.
    #[must_use]
    pub fn deadline(&self, why: Wake) -> Option<Deadline> {
        self.queue.first().map(|(at, _)| Deadline { at: *at, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_fires_once_per_arming() {
        let mut timer = Timer::stopped();
        assert!(!timer.fire(Time(9)));
        timer.set(Time(5));
        assert!(!timer.fire(Time(4)));
        assert_eq!(
            timer.deadline(Wake::Probe),
            Some(Deadline {
                at: Time(5),
                why: Wake::Probe
            })
        );
        assert!(timer.fire(Time(7)), "late is as good as on time");
        assert!(!timer.fire(Time(8)));
    }

    #[test]
    fn timers_fire_in_order_and_resetting_replaces() {
        let mut timers = Timers::default();
        timers.set('b', Time(5));
        timers.set('a', Time(5));
        timers.set('c', Time(1));
        timers.set('c', Time(9));
        assert_eq!(
            timers.deadline(Wake::Suspicion).map(|d| d.at),
            Some(Time(5))
        );
        assert_eq!(timers.fire(Time(5)), Some('a'));
        assert_eq!(timers.fire(Time(5)), Some('b'));
        assert_eq!(timers.fire(Time(5)), None);
        assert!(timers.stop(&'c') && !timers.stop(&'c') && timers.is_empty());
    }

    #[test]
    fn time_saturates_instead_of_wrapping() {
        assert_eq!(Time(u64::MAX) + Duration::from_secs(1), Time(u64::MAX));
        assert_eq!(Time(3).since(Time(9)), Duration::ZERO);
        assert_eq!(
            alloc::format!("{}", Time::from_millis(12_431)),
            "12.431000s"
        );
    }
}
