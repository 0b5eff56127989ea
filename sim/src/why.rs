//! Why a node was held dead, was suspected, or leads: the recorded events that led to it.
//!
//! The answer is walked back from the fact: to whoever told it, to the suspicion, to the probe that
//! failed, to its relays, connections and the faults of the plan that were in force. Every piece of
//! evidence is a happening of the record; nothing is inferred beyond its place in that order.

mod reign;
mod signs;

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer, Term};
use quorate_core::membership::{self, Fact as MemberFact};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role};
use quorate_core::wire::Message;
use serde::Serialize;

use self::reign::reigns;
use self::signs::{
    address_of, ask_of, changes, is_ack_of, is_append, is_suspicion, ping_of, received,
};
use crate::record::{Happening, Record, What};
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

fn told(record: &Record, number: usize, part: &'static str, node: NodeId, fact: Fact) -> Evidence {
    let this = &record.all[number];
    let mut words = wording::happening(this);
    let from = matches!(this.event(), Some(Event::Received { .. })).then_some(this.peer);
    let concerns = |notice: &&Notice| concerns(notice, node) || fact == Fact::Leader;
    for notice in this.notices().filter(concerns) {
        let change = wording::notice(notice, from.flatten());
        words = match change.why.as_str() {
            "" => format!("{words}; {}", change.what),
            why => format!("{words}; {} ({why})", change.what),
        };
    }
    let sent = this
        .actions()
        .iter()
        .filter(|action| is_about(action, node, part));
    for action in sent.filter_map(wording::action) {
        words = format!("{words}; {action}");
    }
    Evidence {
        number,
        at_ns: this.at_ns,
        node: this.node.map_or(0, |node| node.0),
        part,
        words,
    }
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

fn concerns(notice: &Notice, node: NodeId) -> bool {
    match notice {
        Notice::Member(fact) => match fact {
            MemberFact::Joined(member) => member.node == node,
            MemberFact::Suspected { peer, .. }
            | MemberFact::Refuted { peer }
            | MemberFact::Died { peer, .. }
            | MemberFact::Left { peer }
            | MemberFact::Moved { peer, .. } => peer.node == node,
        },
        Notice::LinkUp { .. } | Notice::LinkDown { .. } => true,
        Notice::Started { .. }
        | Notice::Membership(_)
        | Notice::Leadership(_)
        | Notice::Raft(_)
        | Notice::RoleChanged { .. }
        | Notice::UnknownEntry { .. }
        | Notice::DiskStalled
        | Notice::OutboxDropped { .. } => false,
    }
}

/// Whether an action is what makes a happening evidence of this part.
fn is_about(action: &Action, node: NodeId, part: &str) -> bool {
    let Action::Send { to, message, .. } = action else {
        return false;
    };
    match message {
        Message::Membership(membership::Message::Ping(_)) => {
            *to == node && ["probe", "relay's probe"].contains(&part)
        }
        Message::Membership(membership::Message::PingReq(ask)) => {
            ask.target == node && part == "relay asked"
        }
        Message::Raft(raft::Message::VoteReply(_)) => *to == node && part == "vote given",
        Message::Membership(_) | Message::Raft(_) | Message::Control(_) => false,
    }
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

    /// From a fact that was heard back to the node that found it out.
    fn origin(
        &mut self,
        mut number: usize,
        part: &'static str,
        is: impl Fn(&Happening) -> bool,
    ) -> usize {
        loop {
            let this = &self.record.all[number];
            let heard = matches!(this.event(), Some(Event::Received { .. }));
            let teller = this.cause.filter(|_| heard);
            let Some(teller) = teller.map(|cause| (cause, self.record.all[cause].node)) else {
                return number;
            };
            let (sent, node) = teller;
            let Some(earlier) = self.last(sent + 1, |h| h.node == node && is(h)) else {
                return number;
            };
            self.add(sent, "told by");
            self.add(earlier, part);
            number = earlier;
        }
    }

    fn of_death(&mut self, number: usize, peer: Peer) {
        let died = |h: &Happening| {
            h.notices().any(|notice| {
                matches!(notice, Notice::Member(MemberFact::Died { peer: p, .. }) if *p == peer)
            })
        };
        let origin = self.origin(number, "declared dead", died);
        let node = self.record.all[origin].node;
        let is = |h: &Happening| h.node == node && is_suspicion(h, peer);
        if let Some(suspected) = self.last(origin + 1, is) {
            self.add(suspected, "suspicion");
            self.of_suspicion(suspected, peer, origin);
        }
    }

    /// A suspicion, heard or found out; others of it may follow until `until`.
    fn of_suspicion(&mut self, number: usize, peer: Peer, until: usize) {
        let origin = self.origin(number, "suspicion", |h| is_suspicion(h, peer));
        let others = self
            .between(origin, until + 1)
            .filter(|(_, h)| is_suspicion(h, peer));
        let others: Vec<usize> = others.map(|(number, _)| number).collect();
        others
            .into_iter()
            .for_each(|number| self.add(number, "also suspected"));
        self.add(origin, "suspicion");
        let Some(accuser) = self.record.all[origin].node else {
            return;
        };
        let answered = self.last(origin, |h| {
            h.node == Some(accuser) && is_ack_of(h, peer.node)
        });
        if let Some(answered) = answered {
            self.add(answered, "last answer");
        }
        let by = |h: &Happening| h.node == Some(accuser);
        let pinged = self.last(origin + 1, |h| by(h) && ping_of(h, peer.node).is_some());
        let asked = self.last(origin + 1, |h| by(h) && ask_of(h, peer.node).is_some());
        // The later of the two belongs to the probe that failed; without a connection there may
        // have been no ping at all.
        let probe = pinged.max(asked);
        if let Some(number) = probe.and_then(|probe| self.probe_of(probe, peer.node)) {
            if let Some(pinged) = pinged.filter(|p| self.probe_of(*p, peer.node) == Some(number)) {
                self.add(pinged, "probe");
            }
            let begun = answered.unwrap_or(0);
            self.of_relays((begun, origin), number, accuser, peer.node);
        }
        let since = answered.or(probe).unwrap_or(0);
        self.circumstances(since, until, [accuser, peer.node]);
    }

    fn probe_of(&self, number: usize, target: NodeId) -> Option<u64> {
        let this = &self.record.all[number];
        ping_of(this, target).or_else(|| ask_of(this, target))
    }

    /// Who was asked to probe as well, and what they said.
    fn of_relays(
        &mut self,
        (from, until): (usize, usize),
        ping: u64,
        accuser: NodeId,
        target: NodeId,
    ) {
        let mut found = Vec::new();
        for (number, this) in self.between(from, until + 1) {
            let is_accuser = this.node == Some(accuser);
            let asks = ask_of(this, target) == Some(ping);
            if is_accuser && asks {
                found.push((number, "relay asked"));
            }
            if let (true, Some(membership::Message::Nack(nack))) = (is_accuser, received(this))
                && nack.probe == ping
            {
                found.push((number, "nack"));
            }
            if let Some(membership::Message::PingReq(ask)) = received(this)
                && (this.peer, ask.probe, ask.target) == (Some(accuser), ping, target)
            {
                found.push((number, "relay's probe"));
            }
        }
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
    }

    fn of_leader(&mut self, number: usize, node: NodeId, term: Term) {
        let rises =
            |h: &Happening| h.node == Some(node) && changes(h, |_, to| to == Role::PreCandidate);
        let begun = self.last(number, rises).unwrap_or(0);
        let mut found = Vec::new();
        for (number, this) in self
            .between(begun, number)
            .filter(|(_, h)| h.node == Some(node))
        {
            if changes(this, |_, _| true) {
                found.push((number, "role"));
            }
            let Some(Event::Received { message, .. }) = this.event() else {
                continue;
            };
            match message {
                Message::Raft(raft::Message::PreVoteReply(r)) if r.granted && r.term == term => {
                    found.push((number, "pre-vote"));
                }
                Message::Raft(raft::Message::VoteReply(r)) if r.granted && r.term == term => {
                    found.push((number, "vote"));
                    found.extend(this.cause.map(|cause| (cause, "vote given")));
                }
                Message::Membership(_) | Message::Raft(_) | Message::Control(_) => {}
            }
        }
        // The reply that decided it is the fact's own event; what made the voter give it counts.
        found.extend(
            self.record.all[number]
                .cause
                .map(|cause| (cause, "vote given")),
        );
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
        let heard = self.last(begun + 1, |h| h.node == Some(node) && is_append(h));
        if let Some(heard) = heard {
            self.add(heard, "last heartbeat");
            let former = self.record.all[heard].peer.unwrap_or(node);
            let falls = |h: &Happening| changes(h, |from, _| from == Role::Leader);
            let steps = self.between(heard, number);
            let fell = steps
                .filter(|(_, h)| h.node == Some(former) && falls(h))
                .map(|(n, _)| n);
            let fell: Vec<usize> = fell.collect();
            fell.into_iter()
                .for_each(|number| self.add(number, "former leader"));
            self.circumstances(heard, number, [node, former]);
        }
    }

    /// What happened around two nodes: their connection, the life of their processes, and the
    /// faults of the plan in force.
    fn circumstances(&mut self, since: usize, until: usize, nodes: [NodeId; 2]) {
        let mut found = Vec::new();
        let addresses = nodes.map(|node| address_of(&self.record.all, node));
        for (number, this) in self.between(since, until + 1) {
            let Some(node) = this.node.filter(|node| nodes.contains(node)) else {
                continue;
            };
            let links = |notice: &Notice| match notice {
                Notice::LinkUp { peer, .. } | Notice::LinkDown { peer } => {
                    peer.node != node && nodes.contains(&peer.node)
                }
                Notice::Started { .. }
                | Notice::Member(_)
                | Notice::Membership(_)
                | Notice::Leadership(_)
                | Notice::Raft(_)
                | Notice::RoleChanged { .. }
                | Notice::UnknownEntry { .. }
                | Notice::DiskStalled
                | Notice::OutboxDropped { .. } => false,
            };
            match &this.what {
                What::Step { .. } if this.notices().any(links) => {
                    found.push((number, "connection"));
                }
                What::Step {
                    event: Event::DialFailed { address },
                    ..
                } if addresses.contains(&Some(*address)) => found.push((number, "dial failed")),
                What::Started { .. } | What::Crashed { .. } | What::WentOn => {
                    found.push((number, "process"));
                    found.extend(this.cause.map(|cause| (cause, "fault")));
                }
                What::Step { .. } | What::Struck { .. } | What::Healed | What::Violated(_) => {}
            }
        }
        let (from_ns, until_ns) = (self.record.all[since].at_ns, self.record.all[until].at_ns);
        for reign in reigns(&self.record.all[..=until]) {
            let concerns = reign.hits.is_empty() || reign.hits.iter().any(|n| nodes.contains(n));
            if concerns && reign.from_ns <= until_ns && reign.until_ns >= from_ns {
                found.push((reign.number, "fault"));
            }
        }
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
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
