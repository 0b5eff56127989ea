//! The ways in which a plan can be simpler, beside having fewer faults.
//!
//! Each step gives candidates that are strictly simpler than the plan, so that taking them ends.

use crate::plan::{Fault, Moment, Plan, Strike, Who};

/// Candidates for a plan, the boldest first.
pub(super) type Step = fn(&Plan) -> Vec<Plan>;

/// All steps, in the order in which they pay: fewer nodes and shorter runs make the rest cheap.
pub(super) const STEPS: [Step; 8] = [
    fewer_nodes,
    earlier,
    fewer_clients,
    quiet_network,
    quiet_disk,
    plainer_faults,
    shorter_faults,
    fewer_nodes,
];

/// Spans below this are not shortened any more.
const SPAN_MS_MIN: u64 = 4;
/// An opening runs so long after its last fault.
const OPENING_MS: u64 = 3_000;

/// One, two or three neighbouring faults alone, during the first election or soon after it.
pub(super) fn openings(plan: &Plan) -> Vec<Plan> {
    let mut candidates: Vec<Plan> = Vec::new();
    for len in 1..=3.min(plan.faults.len().saturating_sub(1)) {
        for window in plan.faults.windows(len) {
            for start_ms in [10, 2_500] {
                let mut plan = plan.clone();
                plan.faults = window.to_vec();
                let first_ms = window[0].at_ms;
                for strike in &mut plan.faults {
                    strike.at_ms = strike.at_ms.saturating_sub(first_ms) + start_ms;
                }
                let last_ms = plan.faults.last().map_or(start_ms, |strike| strike.at_ms);
                plan.end_ms = plan.end_ms.min(last_ms + OPENING_MS);
                plan.heal_ms = plan.heal_ms.min(plan.end_ms);
                if last_ms <= plan.end_ms && !candidates.contains(&plan) {
                    candidates.push(plan);
                }
            }
        }
    }
    candidates
}

fn fewer_nodes(plan: &Plan) -> Vec<Plan> {
    if plan.nodes < 2 {
        return Vec::new();
    }
    (1..=plan.nodes)
        .rev()
        .map(|node| without_node(plan, node))
        .collect()
}

/// The plan without a node; the nodes behind it move up.
fn without_node(plan: &Plan, gone: u64) -> Plan {
    let moved = |node: u64| node - u64::from(node > gone);
    let who = |who: &mut Who| match who {
        Who::Node(node) if *node == gone => false,
        Who::Node(node) => {
            *node = moved(*node);
            true
        }
        Who::Part(_) => true,
    };
    let keeps = |strike: &mut Strike| match &mut strike.fault {
        Fault::Cut { from, to } | Fault::Heal { from, to } => who(from) && who(to),
        Fault::CutAll { who: one, .. }
        | Fault::Crash { who: one, .. }
        | Fault::Pause { who: one, .. }
        | Fault::SlowDisk { who: one, .. } => who(one),
        Fault::Restart { node } => {
            let stays = *node != gone;
            *node = moved(*node);
            stays
        }
        Fault::Partition { groups } => {
            for group in groups {
                group.retain(|node| *node != gone);
                group.iter_mut().for_each(|node| *node = moved(*node));
            }
            true
        }
        Fault::PartitionLeader { .. }
        | Fault::HealAll
        | Fault::RestartAll
        | Fault::LatencySpike { .. } => true,
    };
    let mut plan = plan.clone();
    plan.faults.retain_mut(keeps);
    plan.nodes -= 1;
    plan.voters = (plan.voters - u64::from(gone <= plan.voters)).max(1);
    plan
}

/// The same faults, sooner: all of them, or those behind one of them.
fn earlier(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    for from in 0..plan.faults.len() {
        let before = from
            .checked_sub(1)
            .map_or(0, |index| plan.faults[index].at_ms);
        let gap = plan.faults[from].at_ms.saturating_sub(before);
        for less in [gap, gap / 2] {
            if less < SPAN_MS_MIN {
                continue;
            }
            let mut plan = plan.clone();
            for strike in &mut plan.faults[from..] {
                strike.at_ms = strike.at_ms.saturating_sub(less);
            }
            candidates.push(plan);
        }
    }
    candidates
}

fn fewer_clients(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    let mut offer = |clients: u32, zombies: u32| {
        let mut plan = plan.clone();
        let before = plan.workload;
        plan.workload.clients = clients.min(before.clients);
        plan.workload.zombies = zombies.min(before.zombies);
        if plan.workload != before {
            candidates.push(plan);
        }
    };
    offer(0, 0);
    offer(1, 0);
    offer(1, 1);
    offer(u32::MAX, 0);
    candidates
}

fn quiet_network(plan: &Plan) -> Vec<Plan> {
    let quiet = Plan::quiet("", 0, 1).network;
    let mut candidates = Vec::new();
    let mut offer = |change: fn(&mut Plan, crate::plan::Network)| {
        let mut simpler = plan.clone();
        change(&mut simpler, quiet);
        if simpler.network != plan.network {
            candidates.push(simpler);
        }
    };
    offer(|plan, quiet| plan.network = quiet);
    offer(|plan, quiet| plan.network.loss_permille = quiet.loss_permille);
    offer(|plan, quiet| {
        plan.network.latency_us_min = quiet.latency_us_min;
        plan.network.latency_us_max = quiet.latency_us_max;
    });
    candidates
}

fn quiet_disk(plan: &Plan) -> Vec<Plan> {
    let mut simpler = plan.clone();
    simpler.disk = Plan::quiet("", 0, 1).disk;
    if simpler.disk == plan.disk {
        Vec::new()
    } else {
        vec![simpler]
    }
}

/// One fault a little plainer: an untorn crash, a crash at the first such moment.
fn plainer_faults(plan: &Plan) -> Vec<Plan> {
    each_fault(plan, |fault| {
        let Fault::Crash { moment, torn, .. } = fault else {
            return false;
        };
        let nth = match moment {
            Moment::Persist(nth) | Moment::Synced(nth) => Some(nth),
            Moment::Vote(nth) | Moment::VoteSent(nth) => Some(nth),
            Moment::Now => None,
        };
        let counts_more = nth.is_some_and(|nth| std::mem::replace(nth, 1) > 1);
        std::mem::replace(torn, false) || counts_more
    })
}

/// One fault half as long.
fn shorter_faults(plan: &Plan) -> Vec<Plan> {
    each_fault(plan, |fault| {
        let span = match fault {
            Fault::Pause { for_ms, .. }
            | Fault::LatencySpike { for_ms, .. }
            | Fault::SlowDisk { for_ms, .. } => for_ms,
            Fault::Crash {
                restart_after_ms: Some(after_ms),
                ..
            } => after_ms,
            Fault::Crash {
                restart_after_ms: None,
                ..
            }
            | Fault::Cut { .. }
            | Fault::CutAll { .. }
            | Fault::Heal { .. }
            | Fault::Partition { .. }
            | Fault::PartitionLeader { .. }
            | Fault::HealAll
            | Fault::Restart { .. }
            | Fault::RestartAll => return false,
        };
        let is_long = *span > SPAN_MS_MIN;
        *span /= if is_long { 2 } else { 1 };
        is_long
    })
}

fn each_fault(plan: &Plan, change: impl Fn(&mut Fault) -> bool) -> Vec<Plan> {
    let changed = |index: usize| {
        let mut plan = plan.clone();
        change(&mut plan.faults[index].fault).then_some(plan)
    };
    (0..plan.faults.len()).filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_plans_and_taking_them_ends() {
        for seed in 0..60 {
            let first = crate::swarm::expand(seed);
            for step in STEPS {
                let (mut plan, mut taken) = (first.clone(), 0);
                while let Some(next) = step(&plan).into_iter().next() {
                    assert_ne!(next, plan);
                    assert!(Plan::from_text("x", &next.to_text()).is_ok());
                    (plan, taken) = (next, taken + 1);
                    assert!(taken < 2_000, "seed {seed}: no end");
                }
            }
        }
    }

    #[test]
    fn a_removed_node_takes_its_faults_along_and_the_others_keep_theirs() {
        let mut plan = Plan::quiet("q", 1, 5);
        for node in [2, 4] {
            plan.strike(1_000, Fault::Restart { node });
        }
        let groups = vec![vec![1, 2], vec![3, 4, 5]];
        plan.strike(2_000, Fault::Partition { groups });
        let small = without_node(&plan, 2);
        assert_eq!((small.nodes, small.voters), (4, 4));
        let groups = vec![vec![1], vec![2, 3, 4]];
        let faults: Vec<Fault> = small
            .faults
            .into_iter()
            .map(|strike| strike.fault)
            .collect();
        assert_eq!(
            faults,
            [Fault::Restart { node: 3 }, Fault::Partition { groups }]
        );
    }
}
