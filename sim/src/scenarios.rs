//! Stories with a name: the order of events is told, their timing is drawn from the seed.

use quorate_core::seed::{Random, Seed, Stream};

use crate::plan::{Expect, Fault, Moment, Part, Plan, Who};

/// A story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// Its plan under a seed.
    pub build: fn(u64) -> Plan,
}

/// All stories.
pub const ALL: [Scenario; 6] = [
    Scenario {
        name: "split-brain",
        about: "5 nodes part into 2 and 3, the leader among the two: it must write nothing more",
        build: split_brain,
    },
    Scenario {
        name: "leader-crash",
        about: "the leader dies, another takes over, the old one comes back as a new life",
        build: leader_crash,
    },
    Scenario {
        name: "one-way-cut",
        about: "the leader is heard but hears nobody, then a leader hears but is not heard",
        build: one_way_cut,
    },
    Scenario {
        name: "rolling-crashes",
        about: "one node after the other crashes, some in the middle of a vote, and comes back",
        build: rolling_crashes,
    },
    Scenario {
        name: "quiet",
        about: "nothing goes wrong, and nobody is suspected",
        build: quiet,
    },
    Scenario {
        name: "long-absence",
        about: "one node crashes, then the leader, and both stay away for long",
        build: long_absence,
    },
];

/// The story of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

const LEADER: Who = Who::Part(Part::Leader);

fn timing(seed: u64) -> Random {
    Seed::from_number(seed).part(1).stream(Stream::Plan)
}

fn split_brain(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("split-brain", seed, 5);
    let parted = random.within(4_000..=7_000);
    plan.strike(parted, Fault::PartitionLeader { with: 1 });
    plan.strike(parted + random.within(4_000..=12_000), Fault::HealAll);
    plan.expect = Expect {
        leaders_min: 2,
        acknowledged_min: 20,
        stale_refused_min: 1,
    };
    plan
}

fn leader_crash(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("leader-crash", seed, 5);
    let crashed = random.within(4_000..=7_000);
    let restart_after_ms = Some(random.within(2_000..=9_000));
    let torn = random.chance(500);
    let moment = Moment::Now;
    plan.strike(
        crashed,
        Fault::Crash {
            who: LEADER,
            moment,
            torn,
            restart_after_ms,
        },
    );
    plan.expect = Expect {
        leaders_min: 2,
        acknowledged_min: 20,
        stale_refused_min: 0,
    };
    plan
}

fn one_way_cut(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("one-way-cut", seed, 5);
    let first = random.within(4_000..=6_000);
    plan.strike(
        first,
        Fault::CutAll {
            who: LEADER,
            inbound: true,
        },
    );
    let healed = first + random.within(3_000..=5_000);
    plan.strike(healed, Fault::HealAll);
    let second = healed + random.within(1_000..=2_000);
    plan.strike(
        second,
        Fault::CutAll {
            who: LEADER,
            inbound: false,
        },
    );
    plan.expect = Expect {
        leaders_min: 3,
        acknowledged_min: 20,
        stale_refused_min: 0,
    };
    plan
}

fn rolling_crashes(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("rolling-crashes", seed, 5);
    let mut at = random.within(3_000..=5_000);
    for node in 1..=5 {
        let moment = [Moment::Now, Moment::Vote(1), Moment::Persist(2)][random.index(3)];
        let restart_after_ms = Some(random.within(5..=1_500));
        let who = Who::Node(node);
        plan.strike(
            at,
            Fault::Crash {
                who,
                moment,
                torn: random.chance(500),
                restart_after_ms,
            },
        );
        let who = LEADER;
        plan.strike(
            at + 50,
            Fault::Pause {
                who,
                for_ms: random.within(100..=700),
            },
        );
        at += random.within(2_000..=3_000);
    }
    plan.expect = Expect {
        leaders_min: 1,
        acknowledged_min: 20,
        stale_refused_min: 0,
    };
    plan
}

fn quiet(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("quiet", seed, 5);
    plan.network.latency_us_max = random.within(1_000..=20_000);
    plan.heal_ms = 15_000;
    plan.end_ms = 30_000;
    plan.expect = Expect {
        leaders_min: 1,
        acknowledged_min: 20,
        stale_refused_min: 0,
    };
    plan
}

fn long_absence(seed: u64) -> Plan {
    let mut random = timing(seed);
    let mut plan = Plan::quiet("long-absence", seed, 5);
    let first = random.within(3_000..=6_000);
    for (at, who) in [
        (first, Who::Node(random.within(1..=5))),
        (first + random.within(1_000..=4_000), LEADER),
    ] {
        let (moment, torn, restart_after_ms) = (Moment::Now, random.chance(500), None);
        plan.strike(
            at,
            Fault::Crash {
                who,
                moment,
                torn,
                restart_after_ms,
            },
        );
    }
    plan.heal_ms = 35_000;
    plan.end_ms = 65_000;
    plan.expect = Expect {
        leaders_min: 2,
        acknowledged_min: 20,
        stale_refused_min: 0,
    };
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_seeds_move_only_the_timing() {
        for scenario in ALL {
            assert_eq!(find(scenario.name).map(|s| s.about), Some(scenario.about));
            let (one, two) = ((scenario.build)(1), (scenario.build)(2));
            assert_eq!((one.name.as_str(), one.nodes), (scenario.name, two.nodes));
            assert_eq!(one.faults.len(), two.faults.len());
            assert!(one.faults.is_empty() || one.faults != two.faults);
            assert!(one.faults.iter().all(|strike| strike.at_ms < one.heal_ms));
        }
    }
}
