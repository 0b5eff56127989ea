//! Stories of changing voters (Raft thesis §4).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::*;
use super::stories::{has_cause, others};
use super::words::{MS, data, n};
use super::world::{Disk, World};
use crate::voters::{ChangeRefused, VoterChange, Voters};

fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
    nodes.iter().copied().map(n).collect()
}

fn swap(remove: &[u64], add: &[u64]) -> VoterChange {
    let (add, remove) = (set(add), set(remove));
    VoterChange { add, remove }
}

fn change(world: &mut World, node: NodeId, change: VoterChange, number: u64) {
    let data = data(number);
    world.step(node, Input::Change { change, data });
}

/// A cluster with learners that have caught up, and its leader.
fn cluster(voters: u64, learners: u64, seed: u64) -> (World, NodeId) {
    let mut world = World::new(voters, learners, seed);
    world.connect_all();
    let leader = world.elect();
    world.propose(leader, 1);
    world.run(100 * MS);
    (world, leader)
}

fn votes_in(world: &World, node: NodeId) -> Voters {
    world.raft(node).voters().clone()
}

#[test]
fn a_learner_becomes_a_voter_and_the_joint_state_ends_by_itself() {
    let (mut world, leader) = cluster(3, 1, 50);
    change(&mut world, leader, VoterChange::add(n(4)), 7);
    assert!(
        votes_in(&world, leader).is_joint(),
        "in force when appended"
    );
    world.run(100 * MS);
    for node in world.names() {
        assert_eq!(
            votes_in(&world, node),
            Voters::of(set(&[1, 2, 3, 4])),
            "{node}"
        );
        assert_eq!(
            world.raft(node).standing().role == Role::Leader,
            node == leader
        );
    }
    let is_added = |notice: &Notice| has_cause(notice, Cause::VoterAdded);
    assert!(world.nodes[&n(4)].notices.iter().any(is_added));
    // Four voters: two of them decide nothing.
    let [first, second, _] = others(&world, leader)[..] else {
        unreachable!()
    };
    world.crash(first, 0);
    world.expect_commit(8, 500 * MS);
    world.crash(second, 0);
    world.run(1000 * MS);
    assert_eq!(world.leader(), None);
}

#[test]
fn one_change_at_a_time_and_a_repetition_is_not_another_one() {
    let (mut world, leader) = cluster(3, 2, 51);
    change(&mut world, leader, VoterChange::add(n(4)), 7);
    change(&mut world, leader, VoterChange::add(n(4)), 7);
    assert_eq!(world.nodes[&leader].changes_refused, []);
    change(&mut world, leader, VoterChange::add(n(5)), 8);
    assert_eq!(
        world.nodes[&leader].changes_refused,
        [ChangeRefused::Pending]
    );
    world.run(100 * MS);
    assert_eq!(world.changes(), 1);
    change(&mut world, leader, VoterChange::add(n(5)), 9);
    world.run(100 * MS);
    assert_eq!(votes_in(&world, n(5)), Voters::of(set(&[1, 2, 3, 4, 5])));
}

#[test]
fn a_change_is_refused_with_its_reason() {
    let (mut world, leader) = cluster(3, 2, 52);
    let away = n(5);
    world.isolate(away);
    world.run(400 * MS);
    let late = n(4);
    world.cuts.insert((leader, late));
    for number in 0..300 {
        world.propose(leader, number);
        world.run(5 * MS);
    }
    let asked = [
        VoterChange::add(n(5)),
        VoterChange::add(n(9)),
        VoterChange::add(n(4)),
        VoterChange::add(n(2)),
        swap(&[1, 2, 3], &[]),
    ];
    for (node, number) in [(late, 898), (away, 899)] {
        change(&mut world, leader, VoterChange::add(node), number);
    }
    assert_eq!(world.nodes[&leader].rejected, 2, "they may just be idle");
    for (number, change_) in (900..).zip(asked) {
        // It was heard just now.
        world.step(late, Input::PeerUp { node: leader });
        change(&mut world, leader, change_, number);
    }
    let refused = &world.nodes[&leader].changes_refused;
    assert_eq!(refused[0], ChangeRefused::Unreached(n(5)));
    assert_eq!(refused[1], ChangeRefused::Unreached(n(9)));
    let lags = [ChangeRefused::Behind(n(4)), ChangeRefused::Unreached(n(4))];
    assert!(lags.contains(&refused[2]), "{refused:?}");
    assert_eq!(
        refused[3..],
        [ChangeRefused::AlreadySo, ChangeRefused::NobodyLeft]
    );
    let follower = others(&world, leader)[0];
    change(&mut world, follower, VoterChange::remove(n(3)), 99);
    assert_eq!(world.nodes[&follower].rejected, 1);
}

#[test]
fn voters_without_a_majority_that_is_heard_are_refused_unless_forced() {
    let (mut world, leader) = cluster(3, 0, 56);
    let [away, near] = others(&world, leader)[..] else {
        panic!("three voters")
    };
    world.isolate(away);
    world.run(400 * MS);
    let without = VoterChange::remove(near);
    change(&mut world, leader, without.clone(), 7);
    let refused = &world.nodes[&leader].changes_refused;
    assert_eq!(refused[..], [ChangeRefused::NoMajority]);
    assert!(!votes_in(&world, leader).is_joint());
    change(&mut world, leader, VoterChange::remove(away), 8);
    world.run(100 * MS);
    let both = BTreeSet::from([leader, near]);
    assert_eq!(votes_in(&world, leader), Voters::of(both), "it helps");

    let (mut world, leader) = cluster(3, 0, 56);
    world.isolate(away);
    world.run(400 * MS);
    let (change, data) = (without, super::words::data(9));
    world.step(leader, Input::ForceChange { change, data });
    assert!(votes_in(&world, leader).is_joint());
    assert_eq!(world.nodes[&leader].changes_refused, []);
}

/// It leads the change of its own removal, does not count itself, and calls a successor.
#[test]
fn a_leader_that_is_removed_leads_until_that_is_committed() {
    let (mut world, leader) = cluster(3, 0, 53);
    let rest = others(&world, leader);
    change(&mut world, leader, VoterChange::remove(leader), 7);
    let took = world.run_until(50 * MS, |w| w.leader().is_some_and(|it| it != leader));
    assert!(took <= 15 * MS, "{took:?}");
    assert_eq!(world.raft(leader).standing().role, Role::Learner);
    world.run(100 * MS);
    let left: BTreeSet<NodeId> = rest.iter().copied().collect();
    for node in rest {
        assert_eq!(votes_in(&world, node), Voters::of(left.clone()));
    }
    let told = &world.nodes[&leader].notices;
    assert!(told.iter().any(|it| matches!(it, Notice::Removed { .. })));
    let term = world.term();
    world.run(Duration::from_secs(10));
    assert_eq!(world.term(), term, "the removed one does not disturb");
    world.expect_commit(8, 100 * MS);
}

#[test]
fn a_removed_leader_does_not_count_itself() {
    let (mut world, leader) = cluster(3, 0, 54);
    let rest = others(&world, leader);
    for node in &rest {
        world.nodes.get_mut(node).unwrap().disk = Disk::Hung;
    }
    change(&mut world, leader, VoterChange::remove(leader), 7);
    world.run(20 * MS);
    world.sync(rest[0]);
    world.run(20 * MS);
    // The joint state is committed by {leader, one} of the old and needs both of the new.
    assert_eq!(world.changes(), 0);
    assert!(votes_in(&world, leader).is_joint());
}

/// Every voter is replaced at once, while the leader dies at each step of it.
#[test]
fn a_leader_may_die_anywhere_in_a_change() {
    for steps in 0..40 {
        let (mut world, leader) = cluster(3, 3, 300 + steps);
        change(&mut world, leader, swap(&[1, 2, 3], &[4, 5, 6]), 7);
        world.run(Duration::from_micros(250) * u32::try_from(steps).unwrap());
        world.crash(leader, 0);
        world.run(1500 * MS);
        world.restart(leader);
        world.run(1500 * MS);
        let settled = votes_in(&world, world.leader().unwrap());
        assert!(!settled.is_joint(), "after {steps} quarters: {settled}");
        let whole = [set(&[1, 2, 3]), set(&[4, 5, 6])];
        assert!(whole.contains(settled.now()), "{settled}");
        world.expect_commit(8, 1000 * MS);
        world.check_log_matching();
    }
}

/// During a change both sides must agree: with the old ones away nothing is decided.
#[test]
fn half_of_a_joint_state_decides_nothing() {
    let (mut world, leader) = cluster(3, 3, 55);
    let old: Vec<NodeId> = (1..=3).map(n).filter(|node| *node != leader).collect();
    old.iter().for_each(|node| world.isolate(*node));
    change(&mut world, leader, swap(&[1, 2, 3], &[4, 5, 6]), 7);
    world.run(3000 * MS);
    assert_eq!((world.changes(), world.leader()), (0, None));
    world.cuts.clear();
    world.run(3000 * MS);
    assert!(world.leader().is_some());
}

/// A node that does not know yet that it votes must vote all the same (thesis §4.2.2).
#[test]
fn a_promoted_node_votes_before_it_knows_that_it_may() {
    let (mut world, leader) = cluster(2, 1, 56);
    let other = others(&world, leader)[0];
    world.cuts.insert((leader, n(3)));
    // It was matched just now; of the change itself it hears nothing.
    change(&mut world, leader, VoterChange::add(n(3)), 7);
    world.run(20 * MS);
    assert!(votes_in(&world, other).contains(n(3)) && !votes_in(&world, n(3)).contains(n(3)));
    world.crash(leader, 0);
    world.run_until(2000 * MS, |w| w.leader() == Some(other));
    world.run(200 * MS);
    assert_eq!(world.raft(n(3)).standing().role, Role::Follower);
}

#[test]
fn an_uncommitted_change_goes_with_the_entry_that_made_it() {
    let (mut world, leader) = cluster(3, 1, 57);
    world.isolate(leader);
    change(&mut world, leader, VoterChange::add(n(4)), 7);
    assert!(votes_in(&world, leader).is_joint());
    world.run(1500 * MS);
    world.expect_commit(8, 1000 * MS);
    world.cuts.clear();
    world.run(1000 * MS);
    let before = Voters::of(set(&[1, 2, 3]));
    assert!(
        world
            .names()
            .into_iter()
            .all(|node| votes_in(&world, node) == before)
    );
}

#[test]
fn the_voters_survive_a_restart() {
    let (mut world, leader) = cluster(3, 1, 58);
    change(&mut world, leader, VoterChange::replace(n(3), n(4)), 7);
    world.run(100 * MS);
    for node in world.names() {
        world.crash(node, 0);
        world.restart(node);
        assert_eq!(votes_in(&world, node), Voters::of(set(&[1, 2, 4])));
    }
    world.run(1000 * MS);
    assert!(world.leader().is_some_and(|it| it != n(3)));
    assert_eq!(world.raft(n(3)).standing().role, Role::Learner);
}

#[test]
fn a_removed_node_that_does_not_know_it_neither_disturbs_nor_wins() {
    let (mut world, leader) = cluster(4, 0, 58);
    let gone = others(&world, leader)[0];
    world.isolate(gone);
    change(&mut world, leader, VoterChange::remove(gone), 7);
    world.run(400 * MS);
    assert!(!votes_in(&world, leader).contains(gone));
    // It reaches everyone but the leader, who would tell it.
    world.cuts.clear();
    world.cuts.extend([(leader, gone), (gone, leader)]);
    let term = world.term();
    world.run(5_000 * MS);
    assert!(votes_in(&world, gone).contains(gone), "it does not know");
    assert_eq!((world.leader(), world.term()), (Some(leader), term));
    world.cuts.clear();
    world.run(1_000 * MS);
    assert_eq!(world.raft(gone).standing().role, Role::Learner);
    assert_eq!((world.leader(), world.term()), (Some(leader), term));
}
