//! Stories of a voter that holds no data: it leads only where nobody else can, and not for long.

use super::super::witness::LAST_RESORT;
use super::super::*;
use super::stories::{has_cause, others};
use super::words::{MS, config, n};
use super::world::World;

/// Three voters, of which the third is a witness, as everyone knows.
fn with_witness(seed: u64) -> World {
    let mut world = World::new(3, 0, seed);
    tell_all(&mut world);
    world
}

fn tell_all(world: &mut World) {
    for node in world.names() {
        if world.is_up(node) {
            let (of, is_witness) = (n(3), true);
            let input = Input::Witness {
                node: of,
                is_witness,
            };
            world.step(node, input);
        }
    }
}

#[test]
fn a_witness_is_not_elected_while_another_can_be() {
    for seed in 0..20 {
        let mut world = with_witness(seed);
        let leader = world.elect();
        assert_ne!(leader, n(3), "seed {seed}");
        world.crash(leader, 0);
        let heir = others(&world, leader)[0];
        world.run_until(1_200 * MS, |w| w.leader() == Some(heir));
    }
}

/// The leader commits an entry with the witness alone and dies; the other voter, which lacks it.
fn only_the_witness_is_left_with_an_entry(world: &mut World) -> NodeId {
    let leader = world.elect();
    let other = others(world, leader)[0];
    world.cuts.insert((leader, other));
    world.propose(leader, 7);
    world.run_until(20 * MS, |w| w.has_committed(leader, 7));
    assert!(!world.has_committed(other, 7));
    world.crash(leader, 0);
    world.cuts.clear();
    other
}

#[test]
fn what_only_a_witness_holds_beside_the_dead_survives_by_its_election_and_hand_over() {
    let mut world = with_witness(51);
    let other = only_the_witness_is_left_with_an_entry(&mut world);
    let waits = config().election_timeout_max * (LAST_RESORT + 2);
    let took = world.run_until(waits, |w| w.leader() == Some(n(3)));
    assert!(took >= config().election_timeout_max * LAST_RESORT);
    world.run_until(200 * MS, |w| w.leader() == Some(other));
    let why = TransferCause::Witness;
    let begun = |notice: &Notice| *notice == Notice::TransferBegun { to: other, why };
    assert!(world.nodes[&n(3)].notices.iter().any(begun));
    let is_called = |notice: &Notice| has_cause(notice, Cause::HandedOver);
    assert!(world.nodes[&other].notices.iter().any(is_called));
    world.run(100 * MS);
    assert!(world.has_committed(other, 7), "nothing was lost");
    world.expect_commit(8, 200 * MS);
}

#[test]
fn a_witness_that_leads_waits_for_an_heir_whose_disk_holds_what_is_committed() {
    let mut world = with_witness(52);
    let other = only_the_witness_is_left_with_an_entry(&mut world);
    world.run_until(2_000 * MS, |w| w.leader() == Some(n(3)));
    let transfers = |w: &World| {
        let notices = &w.nodes[&n(3)].notices;
        let begun = |notice: &&Notice| matches!(notice, Notice::TransferBegun { .. });
        notices.iter().filter(begun).count()
    };
    world.nodes.get_mut(&other).unwrap().disk = super::world::Disk::Hung;
    world.run(400 * MS);
    assert!(
        transfers(&world) <= 1,
        "it holds too little to be called again"
    );
    world.nodes.get_mut(&other).unwrap().disk = super::world::Disk::Within(MS);
    world.sync(other);
    world.run_until(3_000 * MS, |w| w.leader() == Some(other));
}

#[test]
fn a_witness_is_handed_the_office_by_nobody() {
    let mut world = with_witness(53);
    let leader = world.elect();
    world.step(leader, Input::Transfer { to: Some(n(3)) });
    let refused = Err(TransferRefused::Witness);
    assert_eq!(world.nodes[&leader].transfers, [refused]);
    let other = others(&world, leader)[0];
    world.crash(other, 0);
    world.run(400 * MS);
    world.step(leader, Input::Transfer { to: None });
    let nobody = Err(TransferRefused::NobodyHeard);
    assert_eq!(world.nodes[&leader].transfers, [refused, nobody]);
}

#[test]
fn a_witness_does_not_heed_a_call_of_a_leader_that_does_not_know_what_it_is() {
    let mut world = World::new(3, 0, 54);
    let (node, is_witness) = (n(3), true);
    world.step(n(3), Input::Witness { node, is_witness });
    let leader = world.elect();
    assert_ne!(leader, n(3));
    world.step(leader, Input::Transfer { to: Some(n(3)) });
    world.run(310 * MS);
    let outcome = [Err(TransferRefused::TimedOut)];
    assert_eq!(world.nodes[&leader].transfers, outcome);
    assert_eq!(world.leader(), Some(leader));
}
