//! A random world: everything that may go wrong does, the world's checks hold, and after healing
//! all agree.

use core::time::Duration;

use super::super::*;
use super::words::{MS, data, propose};
use super::world::{Disk, World};
use crate::seed::{Random, Seed, Stream};
use crate::voters::VoterChange;

const SEEDS: u64 = 200;

/// What a seed draws beside its plan: how bad the network and the disks are, and how often nodes
/// crash.
fn swarm(world: &mut World, plan: &mut Random) -> u64 {
    let pick = |plan: &mut Random, choices: &[u16]| choices[plan.index(choices.len())];
    world.loss = pick(plan, &[0, 0, 20, 100, 300]);
    world.duplication = pick(plan, &[0, 50, 300]);
    let high = [1, 5, 30, 200][plan.index(4)];
    world.latency = (Duration::from_micros(100), high * MS);
    for node in world.names() {
        let span = [0, 2, 20, 150][plan.index(4)] * MS;
        world.nodes.get_mut(&node).unwrap().disk = Disk::Within(span);
    }
    [0, 1, 4, 8][plan.index(4)]
}

fn bounce(world: &mut World, node: NodeId, plan: &mut Random) {
    if world.is_up(node) {
        let kept = plan.index(3);
        world.crash(node, kept);
    }
    world.restart(node);
}

fn disturb(world: &mut World, plan: &mut Random, crashes: u64, number: u64) {
    let names = world.names();
    let node = names[plan.index(names.len())];
    let other = names[plan.index(names.len())];
    match plan.below(18 + 2 * crashes) {
        0 if world.is_up(node) => {
            let kept = plan.index(4);
            world.crash(node, kept);
        }
        1 | 2 if !world.is_up(node) => world.restart(node),
        3 => drop(world.cuts.insert((node, other))),
        4 => world.isolate(node),
        5 | 6 => world.cuts.clear(),
        7 if node != other => world.step(node, Input::PeerUp { node: other }),
        8 if node != other => {
            let dead = plan.chance(300);
            world.step(node, Input::PeerDown { node: other, dead });
        }
        9 if crashes > 0 => names.iter().for_each(|node| bounce(world, *node, plan)),
        10 => {
            let to = world.leader().unwrap_or(node);
            let heir = plan.chance(500).then_some(other);
            world.step(to, Input::Transfer { to: heir });
        }
        11 | 12 => {
            let to = world.leader().unwrap_or(node);
            let (mut change, data) = (VoterChange::default(), data(10_000 + number));
            for node in names {
                match plan.below(4) {
                    0 => drop(change.remove.insert(node)),
                    1 | 2 => drop(change.add.insert(node)),
                    _ => {}
                }
            }
            world.step(to, Input::Change { change, data });
        }
        13 => world.step(node, Input::DiskStalled),
        18.. => {
            // A crash tells most where something is not durable yet.
            let is_unsynced = |node: &NodeId| {
                let slot = &world.nodes[node];
                slot.durable < slot.records.len()
            };
            let unsynced = names.iter().copied().find(is_unsynced);
            bounce(world, unsynced.unwrap_or(node), plan);
        }
        _ => {
            let to = world.leader().filter(|_| plan.chance(900)).unwrap_or(node);
            let many = plan.below(4) + 1;
            let commands = (0..many).map(|nth| data(number << 20 | nth));
            world.step(to, propose(commands.collect::<Vec<_>>()));
        }
    }
}

fn heal(world: &mut World) {
    world.cuts.clear();
    (world.loss, world.duplication, world.latency) = (0, 0, (MS, MS));
    for node in world.names() {
        world.nodes.get_mut(&node).unwrap().disk = Disk::Within(Duration::ZERO);
        if !world.is_up(node) {
            world.restart(node);
        }
    }
    world.run(500 * MS);
    world.connect_all();
}

#[test]
fn random_faults_break_no_promise_and_healing_restores_service() {
    let (mut elections, mut entries, mut changes) = (0, 0, 0);
    let (mut taken, mut installed) = (0, 0);
    for seed in 0..SEEDS {
        let mut plan = Seed::from_number(seed).stream(Stream::Workload);
        let voters = [1, 2, 3, 3, 4, 5, 5][plan.index(7)];
        let learners = plan.below(3);
        let batch = [1, 2, 8][plan.index(3)];
        let mut world = match plan.below(3) {
            0 => World::with_batches(voters, learners, seed, batch),
            _ => World::with_snapshots(voters, learners, seed, [64, 300, 1000][plan.index(3)]),
        };
        world.connect_all();
        let crashes = swarm(&mut world, &mut plan);
        for number in 0..250 {
            let longest = [2, 10, 60, 150][plan.index(4)];
            let span = plan.span(Duration::ZERO, longest * MS);
            world.run(span);
            disturb(&mut world, &mut plan, crashes, number);
            if number % 50 == 0 {
                world.check_log_matching();
            }
        }
        heal(&mut world);
        world.expect_commit(9999, 3000 * MS);
        // A learner that missed the end of a write hears of it with its next heartbeat.
        world.run(300 * MS);
        world.check_log_matching();
        for node in world.names() {
            assert!(world.has_committed(node, 9999), "seed {seed}: {node}");
            taken += world.raft(node).stats().snapshots_taken;
            installed += world.raft(node).stats().snapshots_installed;
        }
        elections += world.term().0;
        entries += world.ledger_len();
        changes += world.changes();
    }
    assert!(elections > SEEDS * 2, "{elections} terms: too calm");
    assert!(
        taken > SEEDS && installed > 20,
        "{taken} snapshots taken, {installed} installed"
    );
    assert!(changes > SEEDS, "{changes} changes of the voters: too few");
    assert!(entries > 2000, "{entries} entries: too disturbed");
}
