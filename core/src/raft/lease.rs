//! Reads without a round trip (Raft thesis §6.4.1), for those who trust their clocks.
//!
//! A voter that hears a leader does not help to elect another one for `election_timeout_min`. So a
//! leader whose heartbeat a majority has answered knows that nobody else leads until so long after
//! it was *sent*, and answers reads from what is committed. `lease_drift_ppm` is how much any
//! clock may run fast or slow; the lease is shorter by as much: two clocks that drift apart by
//! twice the bound measure the same time.
//!
//! With leases on a voter keeps its promise whatever happens:
//!
//! * I1. No vote, not even for itself, so long after it heard any leader, also if a higher term or
//!   the failure detector made it forget whom; and so long after it started, since it may have
//!   heard one before.
//! * I2. Only a leader may release its voters, by calling an heir. From then on it has no lease,
//!   since the call may arrive at any time.
//! * I3. The lease of a leader begins with what was sent before its voters were asked, by the
//!   voters in force, so both sets of a joint state.
//!
//! What breaks it: a clock beyond the bound, a clock that jumps, a voter that has leases off.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::progress::Progress;
use super::{Config, Part, Raft};
use crate::mutant::Mutant;
use crate::time::Time;

/// Heartbeats a leader remembers; an older answer extends nothing.
const BEATS_MAX: usize = 32;
const MILLION: u64 = 1_000_000;

/// What a leader knows of its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lease {
    /// The last message before a heartbeat, and when the heartbeat went out.
    beats: VecDeque<(u64, Time)>,
    is_over: bool,
}

impl Lease {
    /// A heartbeat goes out behind the message `round`.
    pub(super) fn on_beat(&mut self, round: u64, now: Time) {
        if self.beats.len() >= BEATS_MAX {
            self.beats.pop_front();
        }
        self.beats.push_back((round, now));
    }

    /// An heir is called: this leadership has no lease any more (I2).
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// A moment before everything was sent that a majority has answered, if it answered `round`.
    fn begun(&self, round: u64) -> Option<Time> {
        let mut beats = self.beats.iter().rev().filter(|_| !self.is_over);
        beats.find(|(last, _)| *last < round).map(|(_, at)| *at)
    }
}

/// How long a lease lasts on the leader's clock; none without leases.
fn span(config: &Config) -> Option<Duration> {
    let drift = u64::from(config.lease_drift_ppm);
    if drift == 0 {
        return None;
    }
    let promised = config.election_timeout_min.as_nanos();
    let (slow, fast) = (MILLION.saturating_sub(drift), MILLION.saturating_add(drift));
    let nanos = promised * u128::from(slow) / u128::from(fast);
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

impl Raft {
    /// Whether this leader knows, without asking, that nobody else leads.
    pub(super) fn has_lease(&self, now: Time) -> bool {
        let (Part::Leader(leadership), Some(span)) = (&self.part, span(&self.config)) else {
            return false;
        };
        let span = match self.planted.is(Mutant::LeaseOutlivesPromise) {
            true => span * 4,
            false => span,
        };
        let answered = self.voters.reached(|voter| match voter == self.me {
            true => u64::MAX,
            false => {
                let follower = leadership.followers.get(&voter);
                follower.map_or(0, Progress::answered)
            }
        });
        let begun = leadership.lease.begun(answered);
        begun.is_some_and(|begun| now < begun + span)
    }

    /// A leader was heard, or may have been before this process started (I1).
    pub(super) fn promise(&mut self, now: Time) {
        if self.config.lease_drift_ppm > 0 {
            self.promised = Some(now + self.config.election_timeout_min);
        }
    }

    /// Whether a leader may count on this node to elect nobody.
    pub(super) fn is_bound(&self, now: Time) -> bool {
        self.promised.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_the_last_heartbeat_that_was_surely_answered() {
        let mut lease = Lease::default();
        let at = Time::from_millis;
        assert_eq!(lease.begun(9), None);
        lease.on_beat(0, at(10));
        lease.on_beat(4, at(60));
        assert_eq!(lease.begun(0), None, "nothing was answered");
        assert_eq!(lease.begun(4), Some(at(10)), "sent before the second one");
        assert_eq!(lease.begun(5), Some(at(60)));
        for beat in 0..100 {
            lease.on_beat(10 + beat, at(100));
        }
        assert_eq!(lease.beats.len(), BEATS_MAX);
        lease.end();
        assert_eq!(lease.begun(u64::MAX), None);
    }
}
