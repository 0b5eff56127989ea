//! What a seed stands for: one pure function from a seed to a plan.
//!
//! Swarm testing (Groce et al. 2012): each seed leaves some kinds of faults out, because a run in
//! which everything happens hides what only a few faults together can show. Half of the seeds draw
//! such a swarm with crashes at the worst moments, a third a fixed mix or a storm of elections, the
//! rest scripted scenarios with random timing.

use quorate_core::seed::{Random, Seed, Stream};

use crate::plan::{Fault, Moment, Part, Plan, Who};
use crate::scenarios;

/// The kinds of faults a swarm is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cut,
    CutAll,
    Partition,
    PartitionLeader,
    HealAll,
    Crash,
    CrashAtPersist,
    CrashAtVote,
    CrashAtSync,
    Pause,
    LatencySpike,
    SlowDisk,
}

const KINDS: [Kind; 12] = [
    Kind::Cut,
    Kind::CutAll,
    Kind::Partition,
    Kind::PartitionLeader,
    Kind::HealAll,
    Kind::Crash,
    Kind::CrashAtPersist,
    Kind::CrashAtVote,
    Kind::CrashAtSync,
    Kind::Pause,
    Kind::LatencySpike,
    Kind::SlowDisk,
];

/// The plan of a seed.
#[must_use]
pub fn expand(seed: u64) -> Plan {
    let mut random = Seed::from_number(seed).stream(Stream::Plan);
    match random.below(12) {
        0..=5 => swarm(seed, &mut random),
        6 | 7 => fixed_mix(seed, &mut random),
        8 | 9 => storm(seed, &mut random),
        _ => {
            let all = scenarios::ALL;
            let mut plan = (all[random.index(all.len())].build)(seed);
            // A search proves the properties; whether the story went as told is for `run`.
            plan.expect = crate::plan::Expect::default();
            plan
        }
    }
}

fn swarm(seed: u64, random: &mut Random) -> Plan {
    let nodes = [1, 2, 3, 3, 4, 5, 5, 5, 6, 7][random.index(10)];
    let mut plan = Plan::quiet(&format!("swarm-{seed}"), seed, nodes);
    plan.voters = match random.below(4) {
        0 => random.within(1..=nodes),
        _ => nodes.min(5),
    };
    if random.chance(300) {
        plan.network.latency_us_max = random.within(1_000..=30_000);
    }
    if random.chance(200) {
        plan.network.loss_permille = u16::try_from(random.within(1..=20)).unwrap_or(1);
    }
    if random.chance(500) {
        plan.disk.sync_us_max = random.within(2_000..=40_000);
    }
    plan.workload.interval_ms = random.within(50..=500);
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|_| random.chance(450)).collect();
    let gap = random.within(100..=2_500);
    add_faults(&mut plan, &kinds, gap, random);
    plan
}

fn fixed_mix(seed: u64, random: &mut Random) -> Plan {
    let mut plan = Plan::quiet(&format!("mix-{seed}"), seed, [3, 5][random.index(2)]);
    let kinds = [
        Kind::Partition,
        Kind::HealAll,
        Kind::Crash,
        Kind::Pause,
        Kind::CutAll,
    ];
    add_faults(&mut plan, &kinds, 1_500, random);
    plan
}

/// Elections that meet: leaders fall one after the other over a slow network, and voters fall in
/// the middle of their vote and are back before the election is decided.
fn storm(seed: u64, random: &mut Random) -> Plan {
    let nodes = [3, 5, 5][random.index(3)];
    let mut plan = Plan::quiet(&format!("storm-{seed}"), seed, nodes);
    plan.network.latency_us_min = random.within(200..=10_000);
    plan.network.latency_us_max = random.within(20_000..=60_000);
    plan.disk.sync_us_max = random.within(2_000..=60_000);
    let mut at = 3_000;
    plan.heal_ms = 18_000;
    plan.end_ms = 45_000;
    while at < plan.heal_ms {
        for node in 1..=nodes {
            let moment = match random.below(3) {
                0 => continue,
                1 => [Moment::Vote(1), Moment::VoteSent(1)][random.index(2)],
                _ => Moment::Synced(small(random)),
            };
            let (who, restart_after_ms) = (Who::Node(node), Some(random.within(1..=60)));
            plan.strike(
                at,
                Fault::Crash {
                    who,
                    moment,
                    torn: false,
                    restart_after_ms,
                },
            );
        }
        let who = Who::Part(Part::Leader);
        plan.strike(
            at,
            Fault::Pause {
                who,
                for_ms: random.within(300..=1_200),
            },
        );
        at += random.within(800..=2_500);
    }
    plan
}

fn add_faults(plan: &mut Plan, kinds: &[Kind], gap_ms: u64, random: &mut Random) {
    let mut at = random.within(1_000..=4_000);
    plan.heal_ms = random.within(8_000..=25_000);
    plan.end_ms = plan.heal_ms + 30_000;
    while at < plan.heal_ms && !kinds.is_empty() {
        let kind = kinds[random.index(kinds.len())];
        let fault = draw(kind, plan.nodes, random);
        plan.strike(at, fault);
        at += random.within(1..=gap_ms * 2);
    }
}

fn draw(kind: Kind, nodes: u64, random: &mut Random) -> Fault {
    match kind {
        Kind::Cut => Fault::Cut {
            from: who(nodes, random),
            to: who(nodes, random),
        },
        Kind::CutAll => Fault::CutAll {
            who: who(nodes, random),
            inbound: random.chance(500),
        },
        Kind::Partition => {
            let mut all: Vec<u64> = (1..=nodes).collect();
            random.shuffle(&mut all);
            let right = all.split_off(random.index(all.len() + 1));
            Fault::Partition {
                groups: vec![all, right],
            }
        }
        Kind::PartitionLeader => {
            let with = random.index(usize::try_from(nodes).unwrap_or(1));
            Fault::PartitionLeader { with }
        }
        Kind::HealAll => Fault::HealAll,
        Kind::Crash => crash(Moment::Now, nodes, random),
        Kind::CrashAtPersist => crash(Moment::Persist(small(random)), nodes, random),
        Kind::CrashAtVote => {
            let moment = [Moment::Vote(1), Moment::VoteSent(1)][random.index(2)];
            crash(moment, nodes, random)
        }
        Kind::CrashAtSync => crash(Moment::Synced(small(random)), nodes, random),
        Kind::Pause => Fault::Pause {
            who: who(nodes, random),
            for_ms: random.within(20..=4_000),
        },
        Kind::LatencySpike => {
            let extra_ms = random.within(5..=200);
            Fault::LatencySpike {
                extra_ms,
                for_ms: random.within(100..=3_000),
            }
        }
        Kind::SlowDisk => {
            let (sync_ms, for_ms) = (random.within(5..=900), random.within(500..=4_000));
            Fault::SlowDisk {
                who: who(nodes, random),
                sync_ms,
                for_ms,
            }
        }
    }
}

fn crash(moment: Moment, nodes: u64, random: &mut Random) -> Fault {
    // A process that comes back at once still meets the election it was part of.
    let restart = match random.below(3) {
        0 => random.within(1..=100),
        1 => random.within(100..=1_500),
        _ => random.within(1_500..=8_000),
    };
    Fault::Crash {
        who: who(nodes, random),
        moment,
        torn: random.chance(300),
        restart_after_ms: Some(restart),
    }
}

fn who(nodes: u64, random: &mut Random) -> Who {
    match random.below(4) {
        0 => Who::Part(Part::Leader),
        _ => Who::Node(random.within(1..=nodes)),
    }
}

fn small(random: &mut Random) -> u32 {
    u32::try_from(random.within(1..=6)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_stands_for_the_same_plan_and_seeds_differ() {
        assert_eq!(expand(7), expand(7));
        let names: std::collections::BTreeSet<String> = (0..100).map(|s| expand(s).name).collect();
        assert!(names.len() > 50, "{}", names.len());
    }

    #[test]
    fn every_kind_of_fault_and_every_size_of_cluster_is_drawn() {
        let plans: Vec<Plan> = (0..300).map(expand).collect();
        for nodes in 1..=7 {
            assert!(
                plans.iter().any(|plan| plan.nodes == nodes),
                "{nodes} nodes"
            );
        }
        let texts: String = plans.iter().map(Plan::to_text).collect();
        for fault in [
            "cut",
            "cut-all",
            "partition",
            "partition-leader",
            "heal-all",
            "crash",
        ] {
            assert!(texts.contains(&format!("fault = \"{fault}\"")), "{fault}");
        }
        for moment in [
            "\"now\"",
            "persist = ",
            "vote = ",
            "vote-sent = ",
            "synced = ",
        ] {
            assert!(texts.contains(moment), "{moment}");
        }
    }
}
