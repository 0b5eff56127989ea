//! What a seed stands for: one pure function from a seed to a plan.
//!
//! Swarm testing (Groce et al. 2012): each seed leaves some kinds of faults out, because a run in
//! which everything happens hides what only a few faults together can show. Half of the seeds draw
//! such a swarm with crashes at the worst moments, three tenths a fixed mix or a storm of
//! elections, the rest scripted scenarios with random timing.

mod area;
mod chaos;
mod kind;
mod senders;

use quorate_core::seed::{Random, Seed, Stream};

pub use self::area::Area;
use self::chaos::{Chaos, DRIFT_PPM_MAX};
use self::kind::Kind;
use crate::plan::{Fate, Fault, Moment, Part, Plan, Question, Return, Setting, Strike, Ways, Who};
use crate::scenarios;
use crate::span::Span;

/// So many of a thousand swarms have 50 to 100 nodes.
const CROWDS_PERMILLE: u16 = 15;
/// So many of the others have senders.
const SENDERS_PERMILLE: u16 = 200;
/// A mended core is left alone with the faults of the others for so long.
const CORE_MS: u64 = 16_000;

/// The plan of a seed.
#[must_use]
pub fn expand(seed: u64) -> Plan {
    let mut random = Seed::from_number(seed).stream(Stream::Plan);
    match random.below(20) {
        0..=9 => swarm(seed, &mut random),
        10..=12 => fixed_mix(seed, &mut random),
        13..=15 => storm(seed, &mut random),
        _ => {
            let all = scenarios::ALL;
            let mut plan = all[random.index(all.len())].plan(seed);
            // A search proves the properties; whether the story went as told is for `run`.
            plan.expect = Vec::new();
            plan
        }
    }
}

/// The plan of a seed in a search for one area, if there is one.
#[must_use]
pub fn expand_for(seed: u64, focus: Option<Area>) -> Plan {
    let Some(area) = focus else {
        return expand(seed);
    };
    let mut random = Seed::from_number(seed).stream(Stream::Plan);
    let nodes = area.nodes(&mut random);
    let mut plan = Plan::quiet(&format!("{}-{seed}", area.name()), seed, nodes);
    area.bend(&mut plan, &mut random);
    let kinds = subset(area.kinds(), 700, &mut random);
    trust_clocks(&mut plan, &kinds, &mut random);
    let gap = random.within(100..=1_500);
    if area.has_senders() {
        senders::add(&mut plan, &mut random);
    }
    add_faults(&mut plan, &kinds, gap, &mut random);
    if area.shortens_logs() {
        shorten_logs(&mut plan, &mut random);
    }
    if area.has_witnesses() {
        make_witness(&mut plan, 300, &mut random);
        mix_builds(&mut plan, 250, &mut random);
    }
    plan
}

/// Some nodes read by leases, where no clock goes beyond what they are told of it.
fn trust_clocks(plan: &mut Plan, kinds: &[Kind], random: &mut Random) {
    let bound = match kinds.contains(&Kind::Drift) {
        true => DRIFT_PPM_MAX,
        false => random.within(1..=DRIFT_PPM_MAX),
    };
    if random.chance(500) && !kinds.contains(&Kind::Jump) {
        plan.settings.push(Setting {
            key: "raft.lease_drift_ppm".to_string(),
            value: bound.to_string(),
            node: None,
        });
        plan.readers.readers = 4;
        plan.readers.interval = ms(random.within(5..=50));
    }
}

/// Most of the time the nodes write their state down after a few entries, so that whoever was away
/// for a moment needs it.
fn shorten_logs(plan: &mut Plan, random: &mut Random) {
    if random.chance(700) {
        plan.settings.push(Setting {
            key: "raft.snapshot_bytes".to_string(),
            value: random.within(1_000..=6_000).to_string(),
            node: None,
        });
    }
}

fn swarm(seed: u64, random: &mut Random) -> Plan {
    let nodes = match random.chance(CROWDS_PERMILLE) {
        true => random.within(50..=100),
        false => [1, 2, 3, 3, 4, 5, 5, 5, 6, 7][random.index(10)],
    };
    let mut plan = Plan::quiet(&format!("swarm-{seed}"), seed, nodes);
    plan.voters = match random.below(4) {
        0 => random.within(1..=nodes.min(7)),
        _ => nodes.min(5),
    };
    if random.chance(300) {
        plan.network.latency_max = us(random.within(1_000..=30_000));
    }
    if random.chance(200) {
        plan.network.loss_permille = u16::try_from(random.within(1..=20)).unwrap_or(1);
    }
    if random.chance(500) {
        plan.disk.sync_max = us(random.within(2_000..=40_000));
    }
    if random.chance(150) {
        plan.settings.push(Setting {
            key: "electorate.target".to_string(),
            value: "0".to_string(),
            node: None,
        });
    }
    plan.workload.interval = ms(random.within(50..=500));
    plan.readers.readers = u32::try_from(random.below(4)).unwrap_or(0);
    plan.readers.interval = ms(random.within(10..=300));
    if random.chance(150) {
        plan.workload.clients = [4, 6, 8, 10][random.index(4)];
        plan.settings.push(Setting {
            key: "raft.uncommitted_bytes_max".to_string(),
            value: random.within(256..=1_000).to_string(),
            node: None,
        });
    }
    let share = [150, 300, 450][random.index(3)];
    let kinds = subset(Kind::ALL, share, random);
    trust_clocks(&mut plan, &kinds, random);
    let gap = random.within(100..=2_500);
    add_faults(&mut plan, &kinds, gap, random);
    shorten_logs(&mut plan, random);
    if nodes <= 7 && random.chance(SENDERS_PERMILLE) {
        Area::Transport.bend(&mut plan, random);
        senders::add(&mut plan, random);
    }
    make_witness(&mut plan, 150, random);
    mix_builds(&mut plan, 250, random);
    plan
}

/// Sometimes one of at least three voters is a witness. Of three it may come to hold what only the
/// leader held beside it, and the leader falls: then nobody else can be elected.
fn make_witness(plan: &mut Plan, permille: u16, random: &mut Random) {
    let voters = plan.voters.min(plan.nodes);
    if voters < 3 || !random.chance(permille) {
        return;
    }
    let witness = random.within(1..=voters);
    plan.settings.push(Setting {
        key: "witness".to_string(),
        value: "true".to_string(),
        node: Some(witness),
    });
    if voters > 3 || random.chance(300) {
        return;
    }
    let others = (1..=voters).filter(|node| *node != witness);
    let others: Vec<Who> = others.map(Who::Node).collect();
    let ways = Ways {
        from: others[..1].to_vec(),
        to: others[1..].to_vec(),
        both: true,
    };
    let at = random.within(1_500..=6_000);
    plan.strike_for(at, Fault::Cut(ways), random.within(1_000..=2_500));
    let falls = Fault::Crash {
        who: Who::Part(Part::Leader),
        moment: Moment::Now,
        fate: Fate::Lost,
        silent: random.chance(300),
        restart: Some(ms(random.within(2_000..=6_000))),
    };
    plan.strike(at + random.within(400..=900), falls);
    plan.faults.sort_by_key(|strike| strike.at);
}

/// Sometimes builds of two versions meet. The cluster is founded by the older one, upgraded node by
/// node, and somebody tries to raise the level before, in between and after. Or one node is left
/// behind, and finds the others at a level that it does not know; or everyone goes back.
fn mix_builds(plan: &mut Plan, permille: u16, random: &mut Random) {
    if plan.nodes > 7 || !random.chance(permille) {
        return;
    }
    let (at, variant) = (random.within(1_500..=2_500), random.below(6));
    if variant == 0 {
        return downgrade(plan, at, random);
    }
    plan.settings.push(Setting {
        key: "levels.max".to_string(),
        value: "1".to_string(),
        node: (variant == 1).then(|| random.within(1..=plan.nodes)),
    });
    if variant > 1 {
        upgrade(plan, at, random);
    }
    plan.faults.sort_by_key(|strike| strike.at);
}

fn upgrade(plan: &mut Plan, mut at: u64, random: &mut Random) {
    let mut nodes = residents(plan);
    random.shuffle(&mut nodes);
    for node in nodes {
        at += random.within(200..=800);
        if random.chance(900) {
            plan.strike(at, killed(node, Some(ms(random.within(100..=600)))));
        }
        if random.chance(500) {
            raise_level(plan, at + random.within(1..=400), random);
        }
    }
    raise_level(plan, at + random.within(100..=1_500), random);
}

/// All nodes end, and start again from the oldest build.
fn downgrade(plan: &mut Plan, at: u64, random: &mut Random) {
    for node in residents(plan) {
        plan.strike(at, killed(node, None));
        let back = Return {
            older: true,
            ..Return::default()
        };
        let again = Fault::Restart(Some(Who::Node(node)), back);
        plan.strike(at + random.within(100..=1_000), again);
    }
    plan.faults.sort_by_key(|strike| strike.at);
}

/// The nodes that are there from the start, and do not come and go.
fn residents(plan: &Plan) -> Vec<u64> {
    let joins = |node| move |it: &Strike| it.fault == Fault::Join(Who::Node(node));
    let all = 1..=plan.nodes;
    all.filter(|node| !plan.faults.iter().any(joins(*node)))
        .collect()
}

/// A process ends, and its disk keeps what it was given.
fn killed(node: u64, restart: Option<Span>) -> Fault {
    Fault::Crash {
        who: Who::Node(node),
        moment: Moment::Now,
        fate: Fate::Kept,
        silent: false,
        restart,
    }
}

fn raise_level(plan: &mut Plan, at: u64, random: &mut Random) {
    let who = match random.chance(700) {
        true => Who::Part(Part::Leader),
        false => Who::Node(random.within(1..=plan.nodes)),
    };
    let level = [2, 2, 2, 2, 1, 3][random.index(6)];
    plan.strike(at, Fault::Ask(who, Question::RaiseLevel(level)));
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
    plan.network.latency_min = us(random.within(200..=10_000));
    plan.network.latency_max = us(random.within(20_000..=60_000));
    plan.disk.sync_max = us(random.within(2_000..=60_000));
    let mut at = 3_000;
    let heal = 18_000;
    (plan.heal, plan.end) = (Some(ms(heal)), ms(45_000));
    while at < heal {
        for node in 1..=nodes {
            let moment = match random.below(3) {
                0 => continue,
                1 => [Moment::Vote(1), Moment::VoteSent(1)][random.index(2)],
                _ => Moment::Synced(small(random)),
            };
            let (who, restart) = (Who::Node(node), Some(ms(random.within(1..=60))));
            plan.strike(
                at,
                Fault::Crash {
                    who,
                    moment,
                    fate: Fate::Lost,
                    silent: false,
                    restart,
                },
            );
        }
        let pause = Fault::Pause(Who::Part(Part::Leader));
        plan.strike_for(at, pause, random.within(300..=1_200));
        at += random.within(800..=2_500);
    }
    make_witness(&mut plan, 300, random);
    plan
}

/// Some of these kinds.
fn subset(kinds: &[Kind], permille: u16, random: &mut Random) -> Vec<Kind> {
    let all = kinds.iter().copied();
    all.filter(|_| random.chance(permille)).collect()
}

/// Three phases: faults; then, in half of the plans, the faults that are there stay and a core of
/// the nodes is mended, which must go on by itself; then everything heals.
fn add_faults(plan: &mut Plan, kinds: &[Kind], gap_ms: u64, random: &mut Random) {
    let mut at = random.within(1_000..=4_000);
    let calm = random.within(8_000..=25_000);
    let has_core = random.chance(500);
    let heal = if has_core { calm + CORE_MS } else { calm };
    (plan.heal, plan.end) = (Some(ms(heal)), ms(heal + 30_000));
    let mut chaos = Chaos::new(plan, random, kinds, calm);
    while at < calm && !kinds.is_empty() {
        let kind = kinds[chaos.random.index(kinds.len())];
        chaos.strike(kind, at);
        at += chaos.random.within(1..=gap_ms * 2);
    }
    let lost = chaos.lost().to_vec();
    if has_core {
        let core = core_of(plan, &lost, random);
        plan.strike(calm, Fault::Mend(core));
    }
    plan.faults.sort_by_key(|strike| strike.at);
}

/// A majority of the voters, of those that are left, and some of the others.
fn core_of(plan: &Plan, lost: &[u64], random: &mut Random) -> Vec<Who> {
    let mut voters: Vec<u64> = (1..=plan.voters).collect();
    let majority = voters.len() / 2 + 1;
    random.shuffle(&mut voters);
    voters.sort_by_key(|voter| lost.contains(voter));
    voters.truncate(majority);
    let others = (1..=plan.nodes).filter(|node| !voters.contains(node));
    let mut core: Vec<u64> = others.filter(|_| random.chance(300)).collect();
    core.append(&mut voters);
    core.sort_unstable();
    core.into_iter().map(Who::Node).collect()
}

const fn ms(ms: u64) -> Span {
    Span::from_ms(ms)
}

const fn us(us: u64) -> Span {
    Span::from_us(us)
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
        for words in [
            " cut n",
            " cut all -> ",
            " -> all\n",
            " partition n",
            " partition leader + ",
            " heal\n",
            " crash leader",
            " crash n1, restart after",
            " torn, restart",
            " at persist ",
            " at vote ",
            " after vote ",
            " at sync ",
            " pause n2 for ",
            " network all delay ",
            " disk n3 slow ",
            " mend n",
            " loss ",
            " bandwidth ",
            " half-open ",
            " reset ",
            " stall ",
            " silently",
            " keeping disk",
            " at new address",
            "config electorate.target 0",
            "config raft.uncommitted_bytes_max ",
            "config raft.lease_drift_ppm ",
            "config witness true on n",
            "config levels.max 1\n",
            "config levels.max 1 on n",
            " ask leader raise-level 2",
            " restart n1 older",
            " cpu n",
            " drift -",
            " jump ",
            " disk n2 stall for ",
            " disk n1 error",
            " bit flip",
            " rebuilt",
            " join n",
            " leave n",
            " ask leader transfer to n",
            " add-voter n",
            " remove-voter n",
            " set-state ",
            " grant \"archive\" to n",
            " release \"primary\" under e",
            "\nsenders 1 every ",
        ] {
            assert!(texts.contains(words), "{words}");
        }
    }
}
