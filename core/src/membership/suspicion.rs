//! Suspicion before death (SWIM §4.2), whose time shrinks with independent witnesses (Lifeguard
//! §IV-B, "dogpile").
//!
//! Whoever learns of a suspicion, by its own probe or by gossip, times it; so a death is declared
//! even when the accuser dies as well. One member's word gets the longest time, because that member
//! may be the sick one; each further witness shortens it. Relays that heard nothing from the
//! suspect are witnesses from the start, so a real crash has four of them after one failed probe.
//! Who is a witness itself asks the suspect again and again until the time is over: an answer
//! refutes.
//!
//! Invariants: I1 a member is suspect in the table exactly when a suspicion is held here. I2 a
//! witness counts once. I3 the time only shrinks, except that a node which falls ill meanwhile
//! takes what it needs, and one which finds itself late by a whole probe period gives every suspect
//! its full time again, once, because the missing answers may lie in its own inbox.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::message::{Evidence, State, Update, WITNESSES_MAX};
use super::{Membership, Output};
use crate::fixed::log10_permille;
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timers, Wake};

/// What is left of the time between the longest and the shortest, in thousandths, by the witnesses
/// beside the accuser that could be had (rows) and that there are (columns): `1 - log(c + 1) /
/// log(k + 1)`.
const LEFT_PERMILLE: [[u32; WITNESSES_MAX + 1]; WITNESSES_MAX + 1] = [
    [0, 0, 0, 0],
    [1000, 0, 0, 0],
    [1000, 369, 0, 0],
    [1000, 500, 208, 0],
];

/// How many times as long as a witness a member waits that only heard of a suspicion.
const BYSTANDERS_WAIT: u32 = 3;

/// How long a suspicion may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Patience {
    /// With all the witnesses that can be had.
    pub(super) least: Duration,
    /// On one word.
    pub(super) most: Duration,
    /// Witnesses beside the accuser that can be had.
    pub(super) witnesses_max: usize,
}

impl Patience {
    /// Of a member that heard of a suspicion and is no witness.
    fn of_bystander(self) -> Patience {
        let least = self.least.saturating_mul(BYSTANDERS_WAIT);
        Patience {
            least,
            most: self.most.max(least),
            ..self
        }
    }

    fn with(self, witnesses: usize) -> Duration {
        let row = LEFT_PERMILLE
            .get(self.witnesses_max)
            .unwrap_or(&LEFT_PERMILLE[WITNESSES_MAX]);
        let left = row.get(witnesses).copied().unwrap_or(0);
        self.least + self.most.saturating_sub(self.least) * left / 1000
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Suspicion {
    since: Time,
    patience: Patience,
    evidence: Evidence,
    /// This node is a witness: when it asks the suspect again.
    appeal_at: Option<Time>,
    postponed: bool,
}

impl Suspicion {
    fn ends_at(&self) -> Time {
        self.since + self.patience.with(self.evidence.witnesses.len())
    }

    fn next_at(&self) -> Time {
        let end = self.ends_at();
        self.appeal_at.map_or(end, |appeal| appeal.min(end))
    }
}

/// What a suspicion's timer brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask once more.
    Appeal(NodeId),
    /// Nothing yet: this node has fallen ill meanwhile.
    Postponed,
    /// Its time is over.
    Over(NodeId, Evidence),
}

/// The running suspicions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Suspicions {
    held: BTreeMap<NodeId, Suspicion>,
    timers: Timers<NodeId>,
}

impl Suspicions {
    /// True when nobody is suspected.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Begins a suspicion, replacing an older one; `appeal_at` when this node is a witness.
    pub(super) fn start(
        &mut self,
        now: Time,
        node: NodeId,
        patience: Patience,
        evidence: Evidence,
        appeal_at: Option<Time>,
    ) {
        let suspicion = Suspicion {
            since: now,
            patience,
            evidence,
            appeal_at,
            postponed: false,
        };
        self.timers.set(node, suspicion.next_at());
        self.held.insert(node, suspicion);
    }

    /// True when `witness` is a new one and its word still counts; the time is shortened then.
    pub(super) fn confirm(&mut self, node: NodeId, witness: NodeId) -> bool {
        let Some(suspicion) = self.held.get_mut(&node) else {
            return false;
        };
        let evidence = &mut suspicion.evidence;
        let known = evidence.names().any(|name| name == witness);
        if known || witness == node || evidence.witnesses.len() >= WITNESSES_MAX {
            return false;
        }
        evidence.witnesses.push(witness);
        self.timers.set(node, suspicion.next_at());
        true
    }

    /// What is held against a suspect.
    pub(super) fn evidence(&self, node: NodeId) -> Option<Evidence> {
        self.held
            .get(&node)
            .map(|suspicion| suspicion.evidence.clone())
    }

    /// Whether a node is suspect.
    pub(super) fn is_held(&self, node: NodeId) -> bool {
        self.held.contains_key(&node)
    }

    /// Whether `name` stands against a suspect.
    pub(super) fn is_witness(&self, node: NodeId, name: NodeId) -> bool {
        let held = self.held.get(&node);
        held.is_some_and(|suspicion| suspicion.evidence.names().any(|it| it == name))
    }

    /// How many witnesses are known here whom `told` does not name.
    pub(super) fn witnesses_beside(&self, node: NodeId, told: Option<&Evidence>) -> usize {
        let Some(suspicion) = self.held.get(&node) else {
            return 0;
        };
        let is_told = |name: &NodeId| told.is_some_and(|told| told.names().any(|it| it == *name));
        suspicion
            .evidence
            .names()
            .filter(|name| !is_told(name))
            .count()
    }

    /// Ends a suspicion.
    pub(super) fn stop(&mut self, node: NodeId) {
        if self.held.remove(&node).is_some() {
            self.timers.stop(&node);
        }
    }

    /// The first that is due, if any; `patience` as it is by now, `pause` until the next appeal.
    pub(super) fn fire(&mut self, now: Time, patience: Patience, pause: Duration) -> Option<Due> {
        let node = self.timers.fire(now)?;
        let suspicion = self.held.get_mut(&node)?;
        // Whoever has fallen ill meanwhile needs more time than it took then.
        suspicion.patience.least = suspicion.patience.least.max(patience.least);
        suspicion.patience.most = suspicion.patience.most.max(patience.most);
        if suspicion.ends_at() > now {
            let asks = suspicion.appeal_at.is_some();
            suspicion.appeal_at = asks.then(|| now + pause);
            self.timers.set(node, suspicion.next_at());
            return Some(if asks {
                Due::Appeal(node)
            } else {
                Due::Postponed
            });
        }
        let suspicion = self.held.remove(&node)?;
        Some(Due::Over(node, suspicion.evidence))
    }

    /// Gives every suspect its full time again; only once each unless `always`, so that a driver
    /// that is late on every tick still comes to a verdict.
    pub(super) fn postpone(&mut self, now: Time, always: bool) {
        for (node, suspicion) in &mut self.held {
            if !suspicion.postponed || always {
                suspicion.postponed = true;
                suspicion.since = now;
                self.timers.set(*node, suspicion.next_at());
            }
        }
    }

    /// When the first suspicion needs something.
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
        evidence: Evidence,
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
            evidence: Some(evidence),
            ..believed
        };
        self.learn(now, self.me.node, update, out);
    }

    /// Begins the time in which a suspect may refute.
    pub(super) fn suspect(
        &mut self,
        now: Time,
        node: NodeId,
        evidence: &Evidence,
        out: &mut Vec<Output>,
    ) {
        self.stats.suspicions += 1;
        let is_witness = evidence.names().any(|name| name == self.me.node);
        let asks = is_witness && self.config.lifeguard.buddy;
        if asks {
            self.send_appeal(node, out);
        }
        let appeal_at = asks.then(|| now + self.config.probe_timeout);
        let mut patience = self.patience(u32::from(evidence.health));
        if !is_witness && self.config.lifeguard.dogpile {
            // Whoever can ask judges first, and tells. The time of the others is for the case that
            // all who can are gone, and a refutation may take as long as an accusation.
            patience = patience.of_bystander();
        }
        self.suspicions
            .start(now, node, patience, evidence.clone(), appeal_at);
    }

    /// Suspects are asked once more, or are dead when they did not refute in time.
    pub(super) fn on_suspicion_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if self
            .suspicions
            .deadline()
            .is_none_or(|first| first.at > now)
        {
            return;
        }
        let (patience, pause) = (self.patience(0), self.config.probe_timeout);
        while let Some(due) = self.suspicions.fire(now, patience, pause) {
            match due {
                Due::Postponed => {}
                Due::Appeal(node) => self.send_appeal(node, out),
                Due::Over(node, evidence) => self.declare_dead(now, node, evidence, out),
            }
        }
    }

    fn declare_dead(&mut self, now: Time, node: NodeId, evidence: Evidence, out: &mut Vec<Output>) {
        let expired = self.table.update(node);
        let is_patient = self.planted.is(Mutant::SuspicionNeverExpires);
        let Some(believed) = expired.filter(|_| !is_patient) else {
            return;
        };
        let update = Update {
            state: State::Dead,
            evidence: Some(evidence),
            ..believed
        };
        self.learn(now, self.me.node, update, out);
    }

    /// How long a suspicion lasts in a cluster of the present size, in the present health, on the
    /// word of an accuser in its own: where one is unwell, accusations are cheap and refutations
    /// slow (Lifeguard knows the judge's health only).
    fn patience(&self, accusers_health: u32) -> Patience {
        let size = self.table.size();
        let (config, interval) = (&self.config, self.config.probe_interval);
        if self.planted.is(Mutant::SuspicionWithoutTime) {
            let (least, most) = (Duration::ZERO, Duration::ZERO);
            return Patience {
                least,
                most,
                witnesses_max: 0,
            };
        }
        let permille = config
            .suspicion_permille
            .saturating_mul(log10_permille(size))
            / 1000;
        let by_size = interval.saturating_mul(permille) / 1000;
        let base = by_size.max(interval);
        let least = self.health.or_worse(accusers_health).stretch(base);
        // Neither the suspect nor the accuser is a witness.
        let others = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_sub(2);
        let witnesses_max = match config.lifeguard.dogpile {
            true => others.min(WITNESSES_MAX).min(config.indirect_relays),
            false => 0,
        };
        Patience {
            least,
            most: ((base + least) / 2)
                .saturating_mul(config.suspicion_stretch)
                .max(least),
            witnesses_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        least: Duration::from_nanos(1000),
        most: Duration::from_nanos(6000),
        witnesses_max: 3,
    };

    fn due(suspicions: &Suspicions) -> Option<u64> {
        suspicions.deadline().map(|deadline| deadline.at.0)
    }

    fn over(suspicions: &mut Suspicions, now: u64) -> Option<Due> {
        suspicions.fire(Time(now), PATIENCE, Duration::from_nanos(100))
    }

    #[test]
    fn independent_witnesses_shorten_a_suspicion_and_count_once() {
        let mut suspicions = Suspicions::default();
        let (suspect, first) = (NodeId(9), Evidence::of(NodeId(1)));
        suspicions.start(Time(0), suspect, PATIENCE, first, None);
        assert_eq!(due(&suspicions), Some(6000));
        assert!(
            !suspicions.confirm(suspect, NodeId(1)),
            "the accuser is no witness beside itself"
        );
        assert!(
            !suspicions.confirm(suspect, suspect),
            "nobody accuses itself"
        );
        for (witness, at) in [(2, 3500), (3, 2040), (4, 1000)] {
            assert!(suspicions.confirm(suspect, NodeId(witness)));
            assert!(!suspicions.confirm(suspect, NodeId(witness)));
            assert_eq!(due(&suspicions), Some(at));
        }
        assert!(!suspicions.confirm(suspect, NodeId(5)), "bounded");
        assert_eq!(over(&mut suspicions, 999), None);
        let mut evidence = Evidence::of(NodeId(1));
        evidence.witnesses = [2, 3, 4].map(NodeId).to_vec();
        assert_eq!(
            over(&mut suspicions, 9999),
            Some(Due::Over(suspect, evidence))
        );
        assert_eq!(over(&mut suspicions, 9999), None);
        assert!(!suspicions.confirm(suspect, NodeId(6)));
    }

    /// The rows of Lifeguard's formula, for clusters that have fewer witnesses to offer.
    #[test]
    fn small_clusters_need_fewer_witnesses() {
        let with = |witnesses_max, witnesses| {
            let patience = Patience {
                witnesses_max,
                ..PATIENCE
            };
            patience.with(witnesses).as_nanos()
        };
        assert_eq!([0, 1].map(|c| with(0, c)), [1000, 1000]);
        assert_eq!([0, 1, 2].map(|c| with(1, c)), [6000, 1000, 1000]);
        assert_eq!([0, 1, 2].map(|c| with(2, c)), [6000, 2845, 1000]);
        assert_eq!([0, 3, 4].map(|c| with(9, c)), [6000, 1000, 1000]);
    }

    #[test]
    fn a_witness_asks_the_suspect_until_its_time_is_over() {
        let mut suspicions = Suspicions::default();
        let (suspect, first) = (NodeId(9), Evidence::of(NodeId(1)));
        suspicions.start(Time(0), suspect, PATIENCE, first, Some(Time(2500)));
        assert_eq!(over(&mut suspicions, 2500), Some(Due::Appeal(suspect)));
        assert_eq!(due(&suspicions), Some(2600));
        (2..=4).for_each(|witness| assert!(suspicions.confirm(suspect, NodeId(witness))));
        assert_eq!(
            due(&suspicions),
            Some(1000),
            "a time that is over already fires at once"
        );
        assert!(matches!(over(&mut suspicions, 2500), Some(Due::Over(..))));
        assert_eq!(due(&suspicions), None);
    }

    #[test]
    fn whoever_falls_ill_meanwhile_takes_more_time() {
        let mut suspicions = Suspicions::default();
        let suspect = NodeId(9);
        suspicions.start(Time(0), suspect, PATIENCE, Evidence::of(NodeId(1)), None);
        let ill = Patience {
            most: PATIENCE.most * 2,
            ..PATIENCE
        };
        let pause = Duration::from_nanos(100);
        assert_eq!(
            suspicions.fire(Time(6000), ill, pause),
            Some(Due::Postponed)
        );
        assert_eq!(due(&suspicions), Some(12_000));
        assert!(
            matches!(over(&mut suspicions, 12_000), Some(Due::Over(..))),
            "well again"
        );
    }

    #[test]
    fn a_late_node_postpones_each_verdict_once() {
        let mut suspicions = Suspicions::default();
        suspicions.start(Time(0), NodeId(9), PATIENCE, Evidence::of(NodeId(1)), None);
        suspicions.postpone(Time(7000), false);
        assert_eq!(over(&mut suspicions, 12_999), None);
        suspicions.postpone(Time(13_000), false);
        assert!(matches!(over(&mut suspicions, 13_000), Some(Due::Over(..))));
    }
}
