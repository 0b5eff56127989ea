//! Why a node was held dead, was suspected, or leads: the recorded events that led to it.
//!
//! The answer is walked back from the fact: to whoever told it, to the suspicion, to the probe that
//! failed, to its relays, connections and the faults of the plan that were in force. Every piece of
//! evidence is a happening of the record; nothing is inferred beyond its place in that order.
//!
//! `death` and `lead` walk back from their facts, `circumstances` looks around two nodes, `telling`
//! puts a piece of evidence into words.

mod circumstances;
mod death;
mod lead;
mod reign;
mod signs;
mod telling;

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer, Term};
use quorate_core::membership::Fact as MemberFact;
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role};
use serde::Serialize;

use self::telling::told;
use crate::record::{Happening, Record};
use crate::wording;

/// What is asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Somebody holds it dead.
    Dead,
    /// Somebody suspects it.
    Suspect,
    /// It leads.
    Leader,
}

/// One recorded event that speaks for a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its number in the record.
    pub number: usize,
    /// When.
    pub at_ns: u64,
    /// To which node it happened, 0 for the world.
    pub node: u64,
    /// What it is evidence of.
    pub part: &'static str,
    /// What happened.
    pub words: String,
}

/// The evidence for the last such fact, or for the first one at or after a moment: the fact first,
/// then what led to it, nearest first. Nothing if there is no such fact.
#[must_use]
pub fn why(record: &Record, node: NodeId, fact: Fact, after: Option<u64>) -> Vec<Evidence> {
    let mut facts = record
        .all
        .iter()
        .enumerate()
        .filter(|(_, h)| says(h, node, fact).is_some());
    let found = match after {
        Some(after) => facts.find(|(_, this)| this.at_ns >= after),
        None => facts.next_back(),
    };
    let Some((number, this)) = found else {
        return Vec::new();
    };
    let mut case = Case {
        record,
        found: BTreeMap::new(),
    };
    match says(this, node, fact) {
        Some(Said::Died(peer)) => case.of_death(number, peer),
        Some(Said::Suspected(peer)) => case.of_suspicion(number, peer, number),
        Some(Said::Leads(term)) => case.of_leader(number, node, term),
        None => {}
    }
    case.found.insert(number, "the fact");
    let evidence = case.found.into_iter().rev();
    evidence
        .map(|(number, part)| told(record, number, part, node, fact))
        .collect()
}

/// Evidence as a line.
#[must_use]
pub fn line(evidence: &Evidence) -> String {
    let node = match evidence.node {
        0 => "--".to_string(),
        node => format!("n{node}"),
    };
    let (moment, part) = (wording::moment(evidence.at_ns), evidence.part);
    format!(
        "{moment} {node:<3} {part:<14} {} (#{})",
        evidence.words, evidence.number
    )
}

enum Said {
    Died(Peer),
    Suspected(Peer),
    Leads(Term),
}

fn says(this: &Happening, node: NodeId, fact: Fact) -> Option<Said> {
    this.notices().find_map(|notice| match (fact, notice) {
        (Fact::Dead, Notice::Member(MemberFact::Died { peer, .. })) => {
            (peer.node == node).then_some(Said::Died(*peer))
        }
        (Fact::Suspect, Notice::Member(MemberFact::Suspected { peer, .. })) => {
            (peer.node == node).then_some(Said::Suspected(*peer))
        }
        (
            Fact::Leader,
            Notice::Raft(raft::Notice::RoleChanged {
                to: Role::Leader,
                term,
                ..
            }),
        ) => (this.node == Some(node)).then_some(Said::Leads(*term)),
        (Fact::Dead | Fact::Suspect | Fact::Leader, _) => None,
    })
}

/// The evidence gathered so far.
struct Case<'a> {
    record: &'a Record,
    found: BTreeMap<usize, &'static str>,
}

impl Case<'_> {
    fn add(&mut self, number: usize, part: &'static str) {
        self.found.entry(number).or_insert(part);
    }

    /// The last happening before `until` that is so.
    fn last(&self, until: usize, is: impl Fn(&Happening) -> bool) -> Option<usize> {
        self.record.all[..until].iter().rposition(is)
    }

    fn between(&self, from: usize, until: usize) -> impl Iterator<Item = (usize, &Happening)> {
        let until = until.min(self.record.all.len());
        (from..until).map(|number| (number, &self.record.all[number]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::des;
    use crate::plan::{Fate, Fault, Moment, Plan, Who};

    fn crashed() -> Record {
        let mut plan = Plan::quiet("q", 3, 5);
        let (who, moment) = (Who::Node(4), Moment::Now);
        plan.strike(
            5_000,
            Fault::Crash {
                who,
                moment,
                fate: Fate::Lost,
                silent: false,
                restart: None,
            },
        );
        des::record(&plan).1
    }

    fn parts(evidence: &[Evidence]) -> Vec<&'static str> {
        evidence.iter().map(|piece| piece.part).collect()
    }

    #[test]
    fn a_death_leads_back_to_suspicion_probe_crash_and_fault() {
        let record = crashed();
        let evidence = why(&record, NodeId(4), Fact::Dead, None);
        let parts = parts(&evidence);
        assert_eq!(parts[0], "the fact", "{evidence:?}");
        for part in [
            "suspicion",
            "relay asked",
            "process",
            "fault",
            "connection",
            "last answer",
            "nack",
        ] {
            assert!(parts.contains(&part), "{part}: {evidence:#?}");
        }
        assert!(
            evidence.iter().is_sorted_by(|a, b| a.number > b.number),
            "nearest first"
        );
        assert!(
            evidence
                .iter()
                .any(|piece| piece.words.contains("crash n4"))
        );
    }

    #[test]
    fn what_never_happened_has_no_evidence() {
        let record = crashed();
        assert_eq!(why(&record, NodeId(2), Fact::Dead, None), []);
        assert_eq!(why(&record, NodeId(4), Fact::Dead, Some(u64::MAX)), []);
    }

    #[test]
    fn a_leader_leads_back_to_its_votes_and_its_predecessor_s_end() {
        let plan = crate::scenarios::find("leader-crash").unwrap().plan(3);
        let (_, record) = des::record(&plan);
        let leads = |h: &Happening| {
            let node = h.node.filter(|node| says(h, *node, Fact::Leader).is_some());
            node.map(|node| (h.at_ns, node))
        };
        let (at, node) = record.all.iter().filter_map(leads).next_back().unwrap();
        let evidence = why(&record, node, Fact::Leader, Some(at));
        let parts = parts(&evidence);
        for part in [
            "vote",
            "vote given",
            "role",
            "last heartbeat",
            "process",
            "fault",
        ] {
            assert!(parts.contains(&part), "{part}: {evidence:#?}");
        }
    }
}
