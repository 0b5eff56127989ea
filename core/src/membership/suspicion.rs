//! Suspicion before death (SWIM §4.2), shortened when members accuse independently (Lifeguard
//! §IV-B, "dogpile").
//!
//! Whoever learns of a suspicion, by its own probe or by gossip, times it; so a death is declared
//! even when the accuser dies as well. Confirmations cut the time in steps down to a half: with
//! more witnesses it is less likely that the accuser is the sick one.
//!
//! Invariants: I1 a member is suspect in the table exactly when a suspicion is held here. I2 an
//! accuser counts once.
//!
//! Deliberately absent: Lifeguard's local health multiplier. Instead a node that finds itself late
//! by a whole probe period gives every suspect its full time again, once, because the missing
//! answers may lie in its own inbox.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::message::{State, Update};
use super::{Membership, Output};
use crate::fixed::digits;
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timers, Wake};

/// How much of a suspicion's time is left to it, in eighths, by the number of confirmations.
const EIGHTHS_BY_CONFIRMATIONS: [u32; 4] = [8, 6, 5, 4];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Suspicion {
    since: Time,
    length: Duration,
    /// The first, then those who confirmed it.
    accusers: Vec<NodeId>,
    postponed: bool,
}

/// The running suspicions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Suspicions {
    held: BTreeMap<NodeId, Suspicion>,
    timers: Timers<NodeId>,
}

impl Suspicions {
    /// Begins a suspicion, replacing an older one.
    pub(super) fn start(&mut self, now: Time, node: NodeId, length: Duration, accuser: NodeId) {
        let suspicion = Suspicion {
            since: now,
            length,
            accusers: vec![accuser],
            postponed: false,
        };
        self.held.insert(node, suspicion);
        self.timers.set(node, now + length);
    }

    /// True when `accuser` is a new witness and its word still counts; the time is shortened then.
    pub(super) fn confirm(&mut self, node: NodeId, accuser: NodeId) -> bool {
        let Some(suspicion) = self.held.get_mut(&node) else {
            return false;
        };
        let confirmations = suspicion.accusers.len();
        let Some(eighths) = EIGHTHS_BY_CONFIRMATIONS.get(confirmations) else {
            return false;
        };
        if accuser == node || suspicion.accusers.contains(&accuser) {
            return false;
        }
        suspicion.accusers.push(accuser);
        self.timers
            .set(node, suspicion.since + suspicion.length * *eighths / 8);
        true
    }

    /// Ends a suspicion.
    pub(super) fn stop(&mut self, node: NodeId) {
        self.held.remove(&node);
        self.timers.stop(&node);
    }

    /// A suspect whose time is over, and its first accuser.
    pub(super) fn fire(&mut self, now: Time) -> Option<(NodeId, Option<NodeId>)> {
        let node = self.timers.fire(now)?;
        let suspicion = self.held.remove(&node);
        Some((node, suspicion.and_then(|it| it.accusers.first().copied())))
    }

    /// Gives every suspect its full time again; only once each unless `always`, so that a driver
    /// that is late on every tick still comes to a verdict.
    pub(super) fn postpone(&mut self, now: Time, always: bool) {
        for (node, suspicion) in &mut self.held {
            if !suspicion.postponed || always {
                suspicion.postponed = true;
                suspicion.since = now;
                self.timers.set(*node, now + suspicion.length);
            }
        }
    }

    /// When the first suspicion ends.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.timers.deadline(Wake::Suspicion)
    }
}

impl Membership {
    /// A probe of `node` failed: accuse the incarnation that was probed, or confirm what others
    /// found.
    pub(super) fn accuse(
        &mut self,
        now: Time,
        node: NodeId,
        incarnation: Incarnation,
        out: &mut Vec<Output>,
    ) {
        let Some(believed) = self.table.update(node) else {
            return;
        };
        let incarnation = match self.planted.is(Mutant::RaisesAnothersIncarnation) {
            true => incarnation.above(incarnation),
            false => incarnation,
        };
        let update = Update {
            incarnation,
            state: State::Suspect,
            accuser: Some(self.me.node),
            ..believed
        };
        self.learn(now, self.me.node, update, out);
    }

    /// Suspects who did not refute in time are dead.
    pub(super) fn on_suspicion_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some((node, accuser)) = self.suspicions.fire(now) {
            let expired = self.table.update(node);
            let is_patient = self.planted.is(Mutant::SuspicionNeverExpires);
            let Some(believed) = expired.filter(|_| !is_patient) else {
                continue;
            };
            let update = Update {
                state: State::Dead,
                accuser: accuser.or(Some(self.me.node)),
                ..believed
            };
            self.learn(now, self.me.node, update, out);
        }
    }

    /// How long a suspicion lasts in a cluster of the present size.
    pub(super) fn suspicion_length(&self) -> Duration {
        let periods = self
            .config
            .suspicion_factor
            .saturating_mul(digits(self.table.size()));
        if self.planted.is(Mutant::SuspicionWithoutTime) {
            return Duration::ZERO;
        }
        self.config.probe_interval.saturating_mul(periods)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_accusers_shorten_a_suspicion_to_a_half_and_count_once() {
        let mut suspicions = Suspicions::default();
        suspicions.start(Time(0), NodeId(9), Duration::from_nanos(80), NodeId(1));
        let due = |s: &Suspicions| s.deadline().map(|d| d.at.0);
        assert_eq!(due(&suspicions), Some(80));
        assert!(
            !suspicions.confirm(NodeId(9), NodeId(1)),
            "the first is no confirmation"
        );
        assert!(
            !suspicions.confirm(NodeId(9), NodeId(9)),
            "nobody accuses itself"
        );
        for (accuser, at) in [(2, 60), (3, 50), (4, 40)] {
            assert!(suspicions.confirm(NodeId(9), NodeId(accuser)));
            assert_eq!(due(&suspicions), Some(at));
        }
        assert!(!suspicions.confirm(NodeId(9), NodeId(5)), "bounded");
        assert_eq!(suspicions.fire(Time(39)), None);
        assert_eq!(
            suspicions.fire(Time(99)),
            Some((NodeId(9), Some(NodeId(1))))
        );
        assert_eq!(suspicions.fire(Time(99)), None);
        assert!(!suspicions.confirm(NodeId(9), NodeId(6)));
    }

    #[test]
    fn a_late_node_postpones_each_verdict_once() {
        let mut suspicions = Suspicions::default();
        suspicions.start(Time(0), NodeId(9), Duration::from_nanos(80), NodeId(1));
        suspicions.postpone(Time(100), false);
        assert_eq!(suspicions.fire(Time(179)), None);
        suspicions.postpone(Time(500), false);
        assert_eq!(
            suspicions.fire(Time(500)),
            Some((NodeId(9), Some(NodeId(1))))
        );
    }
}
