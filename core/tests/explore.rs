//! Exhaustive exploration of small clusters over the shipping consensus machine, its gate and its
//! recovery: every order of timeouts, arrivals, losses, repetitions, disk writes and crashes within
//! the bounds, not a sample of them.
//!
//! * `machine`: one node, composed as `node/cascade.rs` composes it. Time is abstract: a timeout
//!   may come at any moment, so the bounds hold for every configuration of timeouts.
//! * `network`: whatever was sent may arrive at any time, any number of times, or never.
//! * `cluster`: the states and the steps. `properties`: what holds in all of them.
//!
//! What is explored completely, and the number of states (with optimisation, more):
//!
//! | test | nodes | terms | timeouts | crashes | else | states |
//! |---|---|---|---|---|---|---|
//! | `one_term_with_a_crash` | 3 | 1 | any | 1 | | 90 950 |
//! | the same, optimised | 3 | 1 | any | 1 | a proposal | 2 622 962 |
//! | `two_terms` | 3 | 2 | 2 | 0 | doubts | 43 015 |
//! | the same, optimised | 3 | 2 | 3 | 0 | | 741 244 |
//! | `two_terms_with_a_crash` | 3 | 2 | 2 | 1 | | 426 195 |
//! | `two_nodes_in_two_terms_with_a_crash` | 2 | 2 | any | 1 | doubts | 116 641 |
//! | `a_change_of_the_voters` | 3 | 1 | 1 | 0 | a voter is replaced | 3 655 |
//! | the same, optimised | 3 | 1 | 1 | 1 | a voter is replaced | 898 495 |
//! | `an_entry_of_an_old_term`, optimised only | 3 | 5, from 3 | 2 | 0 | doubts | 608 802 |
//!
//! A crash loses what is not durable; the process starts again at once, since a node that is slow
//! to start is one to which nothing happens. With the feature `mutants` the explorer must find
//! planted bugs, and prints how.
//!
//! Deliberately absent: liveness (no property says that something happens on every path), learners,
//! and the other subsystems of a node, which the simulator covers.

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
use stateright::{Checker, HasDiscoveries, Model};

/// Larger bounds where the code is optimised: that is the nightly run.
const IS_OPTIMISED: bool = !cfg!(debug_assertions);

/// Explores everything; the number of states keeps a bound from becoming small unnoticed.
fn explore(bounds: Bounds, states_min: usize) {
    let checker = Explorer::new(bounds).checker().threads(2);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{states} states, the farthest {depth} steps away");
    checker.assert_properties();
    assert!(states >= states_min, "only {states} states were found");
}

#[test]
fn one_term_with_a_crash() {
    let mut bounds = Bounds::terms(3, 1);
    bounds.crashes = 1;
    bounds.proposals = u8::from(IS_OPTIMISED);
    explore(bounds, 40_000);
}

#[test]
fn two_terms() {
    let mut bounds = Bounds::terms(3, 2);
    bounds.timeouts = Some(if IS_OPTIMISED { 3 } else { 2 });
    bounds.doubts = !IS_OPTIMISED;
    explore(bounds, 25_000);
}

#[test]
fn two_terms_with_a_crash() {
    let mut bounds = Bounds::terms(3, 2);
    bounds.timeouts = Some(2);
    bounds.crashes = 1;
    explore(bounds, 250_000);
}

#[test]
fn two_nodes_in_two_terms_with_a_crash() {
    let mut bounds = Bounds::terms(2, 2);
    bounds.doubts = true;
    bounds.crashes = 1;
    explore(bounds, 50_000);
}

/// One voter in the place of another: nodes 1 and 2 vote, then 2 and 3. Optimised, anyone crashes.
#[test]
fn a_change_of_the_voters() {
    let mut bounds = Bounds::terms(3, 1);
    bounds.voters = 2;
    bounds.changes = 1;
    bounds.crashes = u8::from(IS_OPTIMISED);
    bounds.timeouts = Some(1);
    bounds.relinks = 1;
    explore(bounds, if IS_OPTIMISED { 500_000 } else { 3_000 });
}

/// What is explored only where the code is optimised.
#[cfg(not(debug_assertions))]
mod optimised {
    use quorate_core::id::{LogIndex, NodeId, Term};
    use quorate_core::raft::{Entry, Record, Recovered};

    use super::*;

    /// Raft thesis Fig. 3.7 with three nodes, before its step (c): node 1 led term 1, node 3 led
    /// term 2, each with an entry that reached nobody else; node 1 led term 3, brought its old
    /// entry to node 2 and lost the new one, unsynced, in a crash.
    pub(crate) fn figure_3_7() -> Bounds {
        let past = |vote: Option<u64>, term: u64| {
            let entry = Entry {
                term: Term(term),
                index: LogIndex(1),
                data: vec![7].into(),
                voters: None,
            };
            let (term, vote) = (Term(3), vote.map(NodeId));
            let entries = vec![entry];
            let mut past = Recovered::default();
            past.apply(Record::HardState { term, vote });
            past.apply(Record::Append { entries });
            past
        };
        let mut bounds = Bounds::terms(3, 5);
        bounds.pasts = vec![past(Some(1), 1), past(Some(1), 1), past(None, 2)];
        bounds.timeouts = Some(2);
        bounds.doubts = true;
        bounds
    }

    #[test]
    fn an_entry_of_an_old_term() {
        explore(figure_3_7(), 400_000);
    }
}

/// An explorer that finds nothing proves nothing.
#[cfg(feature = "mutants")]
mod mutants {
    use quorate_core::mutant::Mutant;

    use super::*;

    /// The shortest way to break a property: one thread goes in order of distance.
    fn finds(mut bounds: Bounds, mutant: Mutant, property: &'static str) {
        bounds.mutant = Some(mutant);
        let checker = Explorer::new(bounds).checker();
        let checker = checker.finish_when(HasDiscoveries::AnyFailures);
        let checker = checker.spawn_bfs().join();
        let path = checker.discovery(property);
        let path = path.unwrap_or_else(|| panic!("{mutant:?} survives {property:?}"));
        println!("{mutant:?} breaks {property:?}: {path}");
    }

    fn one_term_with_a_crash() -> Bounds {
        let mut bounds = Bounds::terms(3, 1);
        bounds.crashes = 1;
        bounds
    }

    #[test]
    fn a_vote_that_leaves_before_it_is_durable() {
        let bounds = one_term_with_a_crash();
        finds(bounds, Mutant::VoteBeforeDurable, "one vote per term");
    }

    #[test]
    fn a_vote_that_is_never_durable() {
        let bounds = one_term_with_a_crash();
        finds(bounds, Mutant::VoteNotPersisted, "one vote per term");
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn an_entry_of_an_old_term_committed_by_counting() {
        let mut bounds = optimised::figure_3_7();
        bounds.heartbeats = 1;
        finds(
            bounds,
            Mutant::CommitOldTerm,
            "a leader holds what was committed",
        );
    }
}
