//! What this engine cannot do, and why.
//!
//! Its network knows no quality per link, its crash no moment between two writes, its disk is ours
//! and keeps what was synced, no more and no less; from outside one sees events, not beliefs.

use quorate_sim::expect::{Claim, Count, Expectation, When};
use quorate_sim::plan::{Fate, Fault, Moment, Plan, Preset, Quality};
use quorate_sim::scenario::Limits;

/// The limits, by name.
pub const LIMITS: Limits = Limits {
    engine: "madsim",
    fault,
    claim,
    head,
};

fn fault(fault: &Fault) -> Option<&'static str> {
    match fault {
        Fault::Crash { silent: true, .. } => Some("its network tells the others"),
        Fault::Crash { moment, fate, .. } => match (moment, fate) {
            (Moment::Now, Fate::Lost) => None,
            (Moment::Now, Fate::Torn) => Some("its disk never tears a record"),
            (Moment::Now, Fate::Kept) => Some("its disk keeps only what was synced"),
            (Moment::Now, Fate::Wiped | Fate::Rebuilt) => Some("its disk cannot be lost"),
            (Moment::Persist(_) | Moment::Vote(_) | Moment::VoteSent(_) | Moment::Synced(_), _) => {
                Some("it crashes a node at a time, not at a moment of its work")
            }
        },
        Fault::Network(..) | Fault::Calm(_) => Some("its ways are all alike and never change"),
        Fault::SlowDisk(..) | Fault::StallDisk(_) => Some("its disk has one speed"),
        Fault::FailDisk(_) | Fault::FlipBit(_) => Some("its disk never fails"),
        Fault::HalfOpen(_) => Some("its connections are whole or closed"),
        Fault::Reset(_) => Some("it cannot break a connection alone"),
        Fault::Stall(_) => Some("its network delivers what it holds in steps"),
        Fault::SlowCpu(..) => Some("its processors are all alike"),
        Fault::Drift(..) | Fault::Jump(..) => Some("its nodes have one clock"),
        Fault::Restart(_, back) if back.moved => Some("its nodes keep their addresses"),
        Fault::Restart(_, back) if back.fate.is_some() => {
            Some("a disk's fate is that of the crash")
        }
        Fault::Mend(_) => Some("it heals all nodes or none"),
        Fault::Join(_) | Fault::Ask(..) => Some("its nodes all join and are asked nothing"),
        Fault::Cut(_)
        | Fault::Heal(_)
        | Fault::Partition(_)
        | Fault::Restart(..)
        | Fault::Pause(_)
        | Fault::Resume(_) => None,
    }
}

fn claim(expectation: &Expectation) -> Option<&'static str> {
    const AT_THE_END: &str = "it looks at such numbers only at the end";
    match (&expectation.claim, expectation.when) {
        (Claim::Count(Count::Leaders | Count::Acknowledged | Count::Stale, ..), When::By(_)) => {
            None
        }
        (Claim::Count(Count::Leaders | Count::Acknowledged | Count::Stale, ..), _) => {
            Some(AT_THE_END)
        }
        (Claim::Count(..) | Claim::Gap(..), _) => Some("it does not count that"),
        (
            Claim::Leader(_)
            | Claim::NoLeader
            | Claim::SameLeader
            | Claim::NewLeader
            | Claim::Belief(..)
            | Claim::Never(..)
            | Claim::Converged
            | Claim::Answered
            | Claim::Refused(_)
            | Claim::Process(..),
            _,
        ) => Some("it does not watch that"),
    }
}

fn head(plan: &Plan) -> Vec<(&'static str, &'static str)> {
    let quiet = Plan::quiet("", 0, 1);
    let mut found = Vec::new();
    let plain = Quality {
        latency_min: plan.network.latency_min,
        latency_max: plan.network.latency_max,
        ..quiet.network
    };
    if plan.network != plain || !plan.terrain.is_empty() {
        found.push(("network", "its ways are all alike and know only a latency"));
    }
    if plan.heal.is_none() {
        found.push((
            "heal",
            "its checks need one, to know when all must be well again",
        ));
    }
    if plan.disk != quiet.disk {
        found.push(("disk", "its disk has one speed"));
    }
    if plan.preset != Preset::Lan {
        found.push(("preset", "its nodes have the preset `lan`"));
    }
    if !plan.settings.is_empty() {
        found.push(("config", "its nodes have the preset `lan`"));
    }
    if !plan.zones.is_empty() {
        found.push(("zones", "its nodes have no zones"));
    }
    if plan.workload.requests > 0 {
        found.push(("clients", "its clients write until the end"));
    }
    if plan.readers != quiet.readers {
        found.push(("readers", "it has none"));
    }
    if plan.workload.messages != quiet.workload.messages {
        found.push(("messages", "its hosts send none"));
    }
    if plan.mutant.is_some() {
        found.push(("mutant", "its nodes have no bugs to plant"));
    }
    found
}
