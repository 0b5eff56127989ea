//! Exploration.
#[path = "explore/bounds.rs"]
mod bounds;
#[path = "explore/cluster.rs"]
mod cluster;
#[path = "explore/machine.rs"]
mod machine;
#[path = "explore/memo.rs"]
mod memo;
#[path = "explore/network.rs"]
mod network;
#[path = "explore/properties.rs"]
mod properties;
#[path = "explore/shared.rs"]
mod shared;

use bounds::Bounds;
use cluster::Explorer;
use quorate_core::id::{LogIndex, NodeId, Term};
use quorate_core::raft::{Entry, Recovered};
use stateright::{Checker, HasDiscoveries, Model};

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Raft thesis Fig. 3.7, with three nodes: node 1 led term 1 and node 3 term 2, each with an entry
/// that reached nobody else.
fn figure_3_7() -> Bounds {
    let mut bounds = Bounds::terms(3, 4);
    let past = |vote: Option<u64>, log: &[u64]| Recovered {
        term: Term(2),
        vote: vote.map(NodeId),
        log: (1..).zip(log).map(|(index, term)| Entry {
            term: Term(*term),
            index: LogIndex(index),
            data: vec![*term as u8].into(),
        }).collect(),
    };
    bounds.pasts = vec![past(None, &[1]), past(Some(3), &[]), past(Some(3), &[2])];
    bounds.entries_per_append_max = 1;
    bounds
}

#[test]
fn probe() {
    let mut bounds = match env("FIG", 0) { 1 => figure_3_7(), _ => Bounds::terms(env("NODES", 3) as usize, env("TERMS", 1))};
    bounds.crashes = env("CRASHES", 0) as u8;
    bounds.proposals = env("PROPOSALS", 0) as u8;
    bounds.heartbeats = env("HEARTBEATS", 0) as u8;
    bounds.relinks = env("RELINKS", 0) as u8;
    bounds.doubts = env("DOUBTS", 0) == 1;
    bounds.timeouts = Some(env("TIMEOUTS", 255) as u8).filter(|t| *t < 255);
    #[cfg(feature = "mutants")]
    {
    use quorate_core::raft::Mutant;
    bounds.mutant = match env("MUT", 0) { 1 => Some(Mutant::VoteBeforeDurable), 2 => Some(Mutant::VoteNotPersisted), 3 => Some(Mutant::CommitOldTerm), 4=> Some(Mutant::NoQuorumCheck), _ => None};
    }
    let checker = Explorer::new(bounds).checker().threads(2)
        .timeout(std::time::Duration::from_secs(env("SECS", 60)))
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs().join();
    println!("unique {} total {} depth {} done {}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), checker.is_done());
    for (name, path) in checker.discoveries() {
        println!("{name}: {} steps", path.into_actions().len());
    }
    checker.assert_properties();
}
