//! What must hold in every state (Raft thesis Fig. 3.2), and what must happen in some, lest the
//! rest holds of nothing.

use std::collections::BTreeMap;

use quorate_core::id::{LogIndex, NodeId, Term};
use quorate_core::quorum::majority;
use quorate_core::raft::{Entry, Role};
use stateright::Property;

use crate::bounds::Bounds;
use crate::cluster::{Chosen, Cluster, Explorer, leader_in, vote_in};
use crate::machine::Machine;

pub(crate) fn of(bounds: &Bounds) -> Vec<Property<Explorer>> {
    let mut all = Vec::from([
        Property::always("one leader per term", one_leader_per_term),
        Property::always("one vote per term", one_vote_per_term),
        Property::always("a leader's own vote is durable", own_vote_is_durable),
        Property::always("logs match", logs_match),
        Property::always("committed entries agree", |_, c: &Cluster| !c.disagreed),
        Property::always(
            "committed entries are durable on a majority",
            committed_is_durable,
        ),
        Property::always("a leader holds what was committed", leaders_are_complete),
        Property::sometimes("a leader is elected in the last term", leads_in_last_term),
        Property::sometimes("everyone knows what was committed", everyone_knows),
    ]);
    if bounds.crashes > 0 {
        let name = "a crash comes between a vote's write and its durability";
        all.push(Property::sometimes(name, |_, c: &Cluster| c.lost_a_vote));
    }
    if bounds.changes > 0 {
        all.push(Property::sometimes(
            "a change of the voters is over",
            |_, c: &Cluster| c.ledger.iter().any(ends_a_change),
        ));
    }
    if bounds.proposals > 0 {
        all.push(Property::sometimes(
            "a command is committed",
            |_, c: &Cluster| c.ledger.iter().any(|chosen| !chosen.entry.data.is_empty()),
        ));
    }
    all
}

/// Election safety, over all terms that ever were.
fn one_leader_per_term(_: &Explorer, cluster: &Cluster) -> bool {
    let leads = |node: &Machine| node.role() == Role::Leader;
    let leading = cluster
        .nodes
        .iter()
        .zip(1..)
        .filter(|(node, _)| leads(node));
    let leading = leading.map(|(node, number)| (node.term(), NodeId(number)));
    let mut leaders = BTreeMap::new();
    let mut proofs = cluster.letters().filter_map(leader_in).chain(leading);
    proofs.all(|(term, leader)| *leaders.entry(term).or_insert(leader) == leader)
}

/// Over all lives of a node: what it told others, and they cannot forget.
fn one_vote_per_term(_: &Explorer, cluster: &Cluster) -> bool {
    let mut votes = BTreeMap::new();
    let mut proofs = cluster.letters().filter_map(vote_in);
    proofs.all(|(voter, term, whom)| *votes.entry((voter, term)).or_insert(whom) == whom)
}

fn own_vote_is_durable(_: &Explorer, cluster: &Cluster) -> bool {
    let is_durable = |node: &Machine| {
        let held = (node.durable.raft.term, node.durable.raft.vote);
        node.role() != Role::Leader || held == (node.term(), node.raft.standing().leader)
    };
    cluster.nodes.iter().all(|node| is_durable(node))
}

/// Two logs with the same term at an index are the same up to it: below the last such index they
/// do not differ.
fn logs_match(_: &Explorer, cluster: &Cluster) -> bool {
    let matches = |a: &Machine, b: &Machine| {
        let both = a.log().zip(b.log());
        let is_same = |(x, y): &(&Entry, &Entry)| x == y;
        both.skip_while(is_same).all(|(x, y)| x.term != y.term)
    };
    let nodes = &cluster.nodes;
    (0..nodes.len()).all(|i| (0..i).all(|j| matches(&nodes[i], &nodes[j])))
}

fn committed_is_durable(_: &Explorer, cluster: &Cluster) -> bool {
    let needed = majority(cluster.nodes.len());
    cluster
        .ledger
        .iter()
        .enumerate()
        .all(|(at, Chosen { entry, .. })| {
            let has = |node: &Machine| node.durable.raft.log.get(at) == Some(entry);
            cluster.nodes.iter().filter(|node| has(node)).count() >= needed
        })
}

/// Leader completeness: from the term of the commitment on.
fn leaders_are_complete(_: &Explorer, cluster: &Cluster) -> bool {
    let has = |node: &Machine, chosen: &Chosen| {
        node.term() < chosen.by || node.raft.entry(chosen.entry.index) == Some(&chosen.entry)
    };
    let mut leaders = cluster
        .nodes
        .iter()
        .filter(|node| node.role() == Role::Leader);
    leaders.all(|node| cluster.ledger.iter().all(|chosen| has(node, chosen)))
}

fn ends_a_change(chosen: &Chosen) -> bool {
    let voters = chosen.entry.voters.as_ref();
    voters.is_some_and(|voters| !voters.is_joint())
}

fn leads_in_last_term(explorer: &Explorer, cluster: &Cluster) -> bool {
    let last = Term(explorer.bounds.term_max);
    let leads = |node: &Machine| node.role() == Role::Leader && node.term() == last;
    cluster.nodes.iter().any(|node| leads(node))
}

fn everyone_knows(_: &Explorer, cluster: &Cluster) -> bool {
    let all = LogIndex(cluster.ledger.len() as u64);
    all > LogIndex(0) && cluster.nodes.iter().all(|node| node.raft.commit() == all)
}
