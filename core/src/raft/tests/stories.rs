//! Stories of a whole cluster.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::*;
use super::words::{MS, data, n};
use super::world::{Disk, World};
use crate::time::Time;

fn conflicts(world: &World, node: NodeId) -> u64 {
    world.raft(node).stats().conflicts
}

pub(super) fn others(world: &World, node: NodeId) -> Vec<NodeId> {
    world.names().into_iter().filter(|x| *x != node).collect()
}

fn log_of(terms: &[u64]) -> Recovered {
    let entry = |(at, term): (usize, &u64)| Entry {
        term: Term(*term),
        index: LogIndex(at as u64 + 1),
        data: data(*term * 100 + at as u64),
        voters: None,
    };
    Recovered {
        term: Term(7),
        vote: None,
        log: terms.iter().enumerate().map(entry).collect(),
        ..Recovered::default()
    }
}

#[test]
fn three_and_five_elect_one_leader_and_commit() {
    for (voters, seed) in [(2, 1), (3, 2), (4, 3), (5, 4), (7, 5)] {
        let mut world = World::new(voters, 0, seed);
        let leader = world.elect();
        world.propose(leader, 7);
        world.run(60 * MS);
        for node in world.names() {
            assert!(world.has_committed(node, 7), "{node} of {voters}");
            assert_eq!(world.raft(node).standing().leader, Some(leader));
            assert!(world.raft(node).has_quorum(world.now));
        }
    }
}

#[test]
fn a_single_voter_leads_at_once_but_not_before_its_vote_is_durable() {
    let mut world = World::new(1, 0, 1);
    world.nodes.get_mut(&n(1)).unwrap().disk = Disk::Hung;
    world.run(10 * MS);
    assert_eq!(world.raft(n(1)).standing().role, Role::Candidate);
    world.sync(n(1));
    world.run(Duration::ZERO);
    assert_eq!(world.leader(), Some(n(1)));
    world.propose(n(1), 5);
    assert!(!world.has_committed(n(1), 5));
    world.sync(n(1));
    world.run(Duration::ZERO);
    assert!(world.has_committed(n(1), 5));
    world.run(10_000 * MS);
    assert_eq!((world.leader(), world.sent), (Some(n(1)), 0));
}

#[test]
fn an_isolated_leader_steps_down_in_time_and_keeps_its_term() {
    let mut world = World::new(3, 0, 11);
    let leader = world.elect();
    let term = world.raft(leader).standing().term;
    world.isolate(leader);
    let took = world.run_until(310 * MS, |w| {
        w.raft(leader).standing().role == Role::Follower
    });
    assert!(took <= 302 * MS, "{took:?}");
    assert!(!world.raft(leader).has_quorum(world.now));
    assert_eq!(world.raft(leader).standing().term, term);
    let is_quorum_lost = |notice: &Notice| has_cause(notice, Cause::QuorumLost);
    assert!(world.nodes[&leader].notices.iter().any(is_quorum_lost));
    world.expect_commit(1, 600 * MS);
}

#[test]
fn a_node_isolated_for_an_hour_does_not_disturb() {
    let mut world = World::new(3, 0, 12);
    let leader = world.elect();
    let term = world.term();
    let lonely = others(&world, leader)[0];
    world.isolate(lonely);
    world.run(Duration::from_secs(3600));
    assert_eq!(world.raft(lonely).standing().role, Role::PreCandidate);
    world.cuts.clear();
    world.run(1000 * MS);
    assert_eq!((world.leader(), world.term()), (Some(leader), term));
    assert_eq!(world.raft(lonely).standing().leader, Some(leader));
}

#[test]
fn a_node_with_a_higher_term_costs_one_election_and_joins() {
    let blank = Recovered::default();
    let ahead = Recovered {
        term: Term(40),
        ..Recovered::default()
    };
    let late = Time::from_millis(2000);
    let pasts = [
        (blank.clone(), Time::ZERO),
        (blank, Time::ZERO),
        (ahead, late),
    ];
    let mut world = World::recovered(3, pasts.into(), 13);
    world.isolate(n(3));
    world.elect();
    world.cuts.clear();
    world.run(1500 * MS);
    assert!(world.leader().is_some() && world.term() >= Term(41));
    assert!(world.term() <= Term(43), "{}", world.term());
    world.expect_commit(1, 500 * MS);
}

/// Thesis Fig. 3.6: six followers, each with a different kind of divergence.
#[test]
fn the_logs_of_figure_7_converge_with_one_step_back_each() {
    let logs: [&[u64]; 7] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    let at = |nth| Time::from_millis(if nth == 0 { 0 } else { 5000 });
    let pasts = logs
        .iter()
        .enumerate()
        .map(|(nth, log)| (log_of(log), at(nth)));
    let mut world = World::recovered(7, pasts.collect(), 14);
    assert_eq!(world.elect(), n(1));
    assert_eq!(world.term(), Term(8));
    for node in world.names() {
        assert_eq!(world.raft(node).last_index(), LogIndex(11));
        assert_eq!(world.raft(node).commit(), LogIndex(11));
    }
    world.check_log_matching();
    assert_eq!(conflicts(&world, n(1)), 4);
}

#[test]
fn a_lost_append_is_noticed_by_the_next_heartbeat() {
    let mut world = World::new(3, 0, 16);
    let leader = world.elect();
    let follower = others(&world, leader)[0];
    world.cuts.insert((leader, follower));
    world.propose(leader, 1);
    world.cuts.clear();
    let before = world.entries_sent;
    let took = world.run_until(60 * MS, |w| w.raft(follower).last_index() == LogIndex(2));
    assert!(took <= 54 * MS, "{took:?}");
    assert_eq!(world.entries_sent - before, 1);
    // A gap is noticed at once when something follows it.
    world.cuts.insert((leader, follower));
    world.propose(leader, 2);
    world.cuts.clear();
    for number in 3..=5 {
        world.propose(leader, number);
    }
    let before = world.entries_sent;
    world.run_until(4 * MS, |w| w.raft(follower).last_index() == LogIndex(6));
    assert_eq!(
        world.entries_sent - before,
        4,
        "one burst of conflicts, one answer"
    );
}

#[test]
fn lost_acknowledgements_fill_the_window_and_a_heartbeat_empties_it() {
    let mut world = World::new(3, 0, 17);
    let leader = world.elect();
    let slow = others(&world, leader)[0];
    world.cuts.insert((slow, leader));
    for number in 0..20 {
        world.propose(leader, number);
        world.run(MS);
    }
    assert_eq!(world.raft(slow).last_index(), LogIndex(5), "a window of 4");
    assert!(
        world.has_committed(leader, 18),
        "the slow one blocks nobody"
    );
    world.cuts.clear();
    world.run_until(60 * MS, |w| w.raft(slow).last_index() == LogIndex(21));
}

#[test]
fn one_proposal_costs_six_messages() {
    let mut world = World::new(3, 0, 18);
    let leader = world.elect();
    world.latency = (Duration::from_micros(50), Duration::from_micros(100));
    let heartbeat = world.raft(leader).deadline().unwrap().at;
    world.run(heartbeat.since(world.now) + MS);
    let before = world.sent;
    world.propose(leader, 1);
    world.run(10 * MS);
    assert!(world.has_committed(leader, 1));
    assert_eq!(world.sent - before, 6);
}

#[test]
fn a_learner_replicates_without_a_vote() {
    let mut world = World::new(3, 1, 19);
    let leader = world.elect();
    let learner = n(4);
    world.propose(leader, 1);
    world.run(60 * MS);
    assert_eq!(world.raft(learner).last_index(), LogIndex(0));
    world.connect_all();
    world.run(60 * MS);
    assert!(world.has_committed(learner, 1));
    assert!(world.raft(learner).has_quorum(world.now));
    // It counts for nothing: with one voter left the leader resigns, and the learner never
    // campaigns.
    for voter in others(&world, leader).into_iter().filter(|x| *x != learner) {
        world.crash(voter, 0);
    }
    world.propose(leader, 2);
    world.run(2000 * MS);
    assert!(!world.has_committed(leader, 2) && world.leader().is_none());
    assert_eq!(world.raft(learner).standing().role, Role::Learner);
    assert_eq!(world.raft(learner).deadline(), None);
}

#[test]
fn a_dead_learner_is_forgotten_and_a_broken_connection_is_not_enough() {
    let mut world = World::new(1, 1, 20);
    world.connect_all();
    world.run(100 * MS);
    let (leader, learner) = (n(1), n(2));
    let down = |dead| Input::PeerDown {
        node: learner,
        dead,
    };
    world.step(leader, down(false));
    world.propose(leader, 1);
    world.run(60 * MS);
    assert!(world.has_committed(learner, 1), "a heartbeat still tries");
    world.step(leader, down(true));
    let sent = world.sent;
    world.propose(leader, 2);
    world.run(500 * MS);
    assert_eq!(world.sent, sent);
    world.step(leader, Input::PeerUp { node: learner });
    world.run(60 * MS);
    assert!(world.has_committed(learner, 2));
}

#[test]
fn a_leader_reported_down_is_replaced_sooner() {
    let mut soon = 0;
    for seed in 0..30 {
        let mut world = World::new(3, 0, 100 + seed);
        let leader = world.elect();
        world.crash(leader, 0);
        // What it sent before its death would speak for its life.
        world.run(2 * MS);
        for node in others(&world, leader) {
            let input = Input::PeerDown {
                node: leader,
                dead: true,
            };
            world.step(node, input);
        }
        let took = world.run_until(1000 * MS, |w| w.leader().is_some());
        soon += u32::from(took <= 56 * MS);
        let is_hinted = |notice: &Notice| has_cause(notice, Cause::LeaderDown);
        let has_hint = |node: &NodeId| world.nodes[node].notices.iter().any(is_hinted);
        assert!(others(&world, leader).iter().any(has_hint), "seed {seed}");
    }
    // The others are split votes: both survivors ask within one network delay.
    assert!(soon >= 26, "{soon} of 30");
}

/// A false report about a leader that is well heard by the others changes nothing.
#[test]
fn a_false_report_does_not_depose_a_leader() {
    let mut world = World::new(3, 0, 21);
    let (leader, term) = (world.elect(), world.term());
    let node = others(&world, leader)[0];
    for _ in 0..50 {
        world.step(
            node,
            Input::PeerDown {
                node: leader,
                dead: false,
            },
        );
        world.run(40 * MS);
    }
    assert_eq!((world.leader(), world.term()), (Some(leader), term));
}

#[test]
fn a_leader_commits_through_others_while_its_own_disk_hangs() {
    let mut world = World::new(3, 0, 22);
    let leader = world.elect();
    world.nodes.get_mut(&leader).unwrap().disk = Disk::Hung;
    world.propose(leader, 1);
    world.run(20 * MS);
    assert!(world.has_committed(leader, 1));
    world.crash(leader, 0);
    world.run_until(1000 * MS, |w| w.leader().is_some());
    world.nodes.get_mut(&leader).unwrap().disk = Disk::Within(MS);
    world.restart(leader);
    assert_eq!(world.raft(leader).last_index(), LogIndex(1));
    world.run(100 * MS);
    assert!(world.has_committed(leader, 1));
}

/// A candidate that loses its unsynced vote must not have asked anyone (I2).
#[test]
fn nobody_is_asked_before_the_own_vote_is_durable() {
    let mut world = World::new(3, 0, 23);
    let leader = world.elect();
    world.propose(leader, 1);
    world.run(60 * MS);
    let [first, second] = others(&world, leader)[..] else {
        unreachable!()
    };
    world.crash(leader, 0);
    world.nodes.get_mut(&first).unwrap().disk = Disk::Hung;
    world.nodes.get_mut(&second).unwrap().disk = Disk::Hung;
    world.run_until(1000 * MS, |w| {
        [first, second]
            .iter()
            .any(|x| w.raft(*x).standing().role == Role::Candidate)
    });
    let is_candidate = world.raft(first).standing().role == Role::Candidate;
    let (candidate, voter) = if is_candidate {
        (first, second)
    } else {
        (second, first)
    };
    world.run(10 * MS);
    assert_eq!(
        world.raft(voter).standing().term,
        Term(1),
        "no request left"
    );
    world.sync(candidate);
    world.run(5 * MS);
    assert_eq!(world.raft(voter).standing().term, Term(2));
    assert_eq!(world.raft(candidate).standing().role, Role::Candidate);
    world.sync(voter);
    world.run(5 * MS);
    assert_eq!(world.leader(), Some(candidate));
}

#[test]
fn a_vote_that_was_never_durable_was_never_given() {
    let mut world = World::new(3, 0, 24);
    let ask = |term| Input::Received {
        from: n(1),
        message: Message::Vote(Vote {
            term: Term(term),
            last_index: LogIndex(0),
            last_term: Term(0),
            called: false,
        }),
    };
    world.nodes.get_mut(&n(2)).unwrap().disk = Disk::Hung;
    world.step(n(2), ask(5));
    assert_eq!(world.raft(n(2)).standing().term, Term(5));
    assert_eq!(world.sent, 0);
    world.crash(n(2), 1);
    world.restart(n(2));
    assert_eq!(
        world.raft(n(2)).standing().term,
        Term(5),
        "the term survived"
    );
    world.nodes.get_mut(&n(2)).unwrap().disk = Disk::Within(Duration::ZERO);
    world.step(
        n(2),
        Input::Received {
            from: n(3),
            message: Message::Vote(Vote {
                term: Term(5),
                last_index: LogIndex(0),
                last_term: Term(0),
                called: false,
            }),
        },
    );
    assert_eq!(world.sent, 1, "another candidate may have it");
}

#[test]
fn a_follower_with_a_new_disk_is_brought_up_again() {
    let mut world = World::new(3, 0, 25);
    let leader = world.elect();
    for number in 0..30 {
        world.propose(leader, number);
        world.run(5 * MS);
    }
    let wiped = others(&world, leader)[0];
    world.crash(wiped, 0);
    let slot = world.nodes.get_mut(&wiped).unwrap();
    slot.records.clear();
    slot.durable = 0;
    world.restart(wiped);
    world.run(200 * MS);
    assert_eq!(world.raft(wiped).last_index(), LogIndex(31));
    assert!(world.has_committed(wiped, 29));
    assert_eq!(world.leader(), Some(leader));
}

#[test]
fn proposals_beyond_the_bound_are_refused() {
    let mut world = World::new(3, 0, 26);
    let leader = world.elect();
    let follower = others(&world, leader)[0];
    world.propose(follower, 1);
    assert_eq!(world.nodes[&follower].rejected, 1);
    world.isolate(leader);
    for number in 0..70 {
        world.propose(leader, number);
    }
    assert_eq!(world.nodes[&leader].rejected, 6);
}

pub(super) fn has_cause(notice: &Notice, expected: Cause) -> bool {
    match notice {
        Notice::RoleChanged { cause, .. } => *cause == expected,
        Notice::ElectionRepeated { .. }
        | Notice::TransferBegun { .. }
        | Notice::TransferEnded { .. }
        | Notice::Removed { .. }
        | Notice::SnapshotTaken { .. }
        | Notice::SnapshotInstalled { .. }
        | Notice::Rebuilding { .. }
        | Notice::Rebuilt { .. }
        | Notice::PeerFault { .. } => false,
    }
}
