//! The ways in which a plan can be simpler, beside having fewer faults.
//!
//! Each step gives candidates that are strictly simpler than the plan, so that taking them ends.

use crate::plan::{Fate, Fault, Moment, Plan, Quality, Question, Seat, Senders, Strike, Ways, Who};
use crate::span::Span;

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
const SHORT: Span = Span::from_ms(4);
/// An opening runs so long after its last fault.
const OPENING: Span = Span::from_ms(3_000);

/// One, two or three neighbouring faults alone, during the first election or soon after it.
pub(super) fn openings(plan: &Plan) -> Vec<Plan> {
    let mut candidates: Vec<Plan> = Vec::new();
    for len in 1..=3.min(plan.faults.len().saturating_sub(1)) {
        for window in plan.faults.windows(len) {
            for start in [Span::from_ms(10), Span::from_ms(2_500)] {
                let mut plan = plan.clone();
                plan.faults = window.to_vec();
                let first = window[0].at;
                for strike in &mut plan.faults {
                    strike.at = strike.at.minus(first).plus(start);
                }
                let last = plan.faults.last().map_or(start, |strike| strike.at);
                plan.end_at_the_latest(last.plus(OPENING));
                let latest = plan.heal.unwrap_or(plan.end);
                if last <= latest && !candidates.contains(&plan) {
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
    let mut plan = plan.clone();
    plan.faults
        .retain_mut(|strike| keeps(&mut strike.fault, gone));
    plan.terrain.retain_mut(|(ways, _)| keep_ways(ways, gone));
    plan.settings.retain(|setting| setting.node != Some(gone));
    for node in plan
        .settings
        .iter_mut()
        .filter_map(|setting| setting.node.as_mut())
    {
        *node -= u64::from(*node > gone);
    }
    let place = usize::try_from(gone).unwrap_or(0).wrapping_sub(1);
    if place < plan.zones.len() {
        plan.zones.remove(place);
    }
    plan.nodes -= 1;
    plan.voters = (plan.voters - u64::from(gone <= plan.voters)).max(1);
    plan
}

/// Whether anything is left of a fault without the node.
fn keeps(fault: &mut Fault, gone: u64) -> bool {
    match fault {
        Fault::Cut(ways)
        | Fault::Heal(ways)
        | Fault::Network(ways, _)
        | Fault::HalfOpen(ways)
        | Fault::Reset(ways)
        | Fault::Stall(ways)
        | Fault::Calm(ways) => keep_ways(ways, gone),
        Fault::Ask(
            who,
            Question::Transfer(Some(of))
            | Question::AddVoter(of)
            | Question::RemoveVoter(of)
            | Question::Grant(_, of, _),
        ) => {
            let stays = *of != gone;
            *of -= u64::from(*of > gone);
            stays && keep_who(who, gone)
        }
        Fault::Crash { who, .. }
        | Fault::Restart(Some(who), _)
        | Fault::SlowCpu(who, _)
        | Fault::Drift(who, _)
        | Fault::Jump(who, _)
        | Fault::StallDisk(who)
        | Fault::FailDisk(who)
        | Fault::FlipBit(who)
        | Fault::Join(who)
        | Fault::Ask(who, _)
        | Fault::Pause(who)
        | Fault::Resume(who)
        | Fault::SlowDisk(who, _) => keep_who(who, gone),
        Fault::Partition(groups) => {
            for group in groups {
                group.retain_mut(|seat| match seat {
                    Seat::One(who) => keep_who(who, gone),
                    Seat::Others(_) | Seat::Rest => true,
                });
            }
            true
        }
        Fault::Restart(None, _) => true,
        Fault::Mend(core) => {
            core.retain_mut(|who| keep_who(who, gone));
            !core.is_empty()
        }
    }
}

fn keep_who(who: &mut Who, gone: u64) -> bool {
    match who {
        Who::Node(node) if *node == gone => false,
        Who::Node(node) => {
            *node -= u64::from(*node > gone);
            true
        }
        Who::Part(_) => true,
    }
}

/// A side that becomes empty would stand for all nodes.
fn keep_ways(ways: &mut Ways, gone: u64) -> bool {
    let side = |side: &mut Vec<Who>| {
        let named = !side.is_empty();
        side.retain_mut(|who| keep_who(who, gone));
        !named || !side.is_empty()
    };
    let (from, to) = (side(&mut ways.from), side(&mut ways.to));
    from && to
}

/// The same faults, sooner: all of them, or those behind one of them.
fn earlier(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    for from in 0..plan.faults.len() {
        let before = from
            .checked_sub(1)
            .map_or(Span::ZERO, |index| plan.faults[index].at);
        let gap = plan.faults[from].at.minus(before);
        for less in [gap, gap.half()] {
            if less < SHORT {
                continue;
            }
            let mut plan = plan.clone();
            for strike in &mut plan.faults[from..] {
                strike.at = strike.at.minus(less);
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
    for readers in 0..plan.readers.readers.min(2) {
        let mut simpler = plan.clone();
        simpler.readers.readers = readers;
        candidates.push(simpler);
    }
    let Some(senders) = plan.workload.senders else {
        return candidates;
    };
    let plainer = Senders {
        large_permille: 0,
        slow_permille: 0,
        cancelled_permille: 0,
        ..senders
    };
    let fewer = Senders {
        per_node: 1,
        ..senders
    };
    for senders in [None, Some(plainer), Some(fewer)] {
        let mut simpler = plan.clone();
        simpler.workload.senders = senders;
        if simpler.workload != plan.workload {
            candidates.push(simpler);
        }
    }
    candidates
}

fn quiet_network(plan: &Plan) -> Vec<Plan> {
    let quiet = Plan::quiet("", 0, 1).network;
    let mut candidates = Vec::new();
    let mut offer = |network: Quality| {
        let mut simpler = plan.clone();
        (simpler.network, simpler.terrain) = (network, Vec::new());
        if (simpler.network, &simpler.terrain) != (plan.network, &plan.terrain) {
            candidates.push(simpler);
        }
    };
    offer(quiet);
    // Nothing but its latencies, or everything but them.
    let (latency_min, latency_max) = (plan.network.latency_min, plan.network.latency_max);
    offer(Quality {
        latency_min,
        latency_max,
        ..quiet
    });
    let (latency_min, latency_max) = (quiet.latency_min, quiet.latency_max);
    offer(Quality {
        latency_min,
        latency_max,
        ..plan.network
    });
    offer(plan.network);
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
    each_fault(plan, |strike| {
        let Fault::Crash { moment, fate, .. } = &mut strike.fault else {
            return false;
        };
        let nth = match moment {
            Moment::Persist(nth) | Moment::Synced(nth) => Some(nth),
            Moment::Vote(nth) | Moment::VoteSent(nth) => Some(nth),
            Moment::Now => None,
        };
        let counts_more = nth.is_some_and(|nth| std::mem::replace(nth, 1) > 1);
        std::mem::replace(fate, Fate::Lost) != Fate::Lost || counts_more
    })
}

/// One fault half as long.
fn shorter_faults(plan: &Plan) -> Vec<Plan> {
    each_fault(plan, |strike| {
        let restart = match &mut strike.fault {
            Fault::Crash { restart, .. } => restart.as_mut(),
            Fault::Cut(_)
            | Fault::Heal(_)
            | Fault::Partition(_)
            | Fault::Network(..)
            | Fault::Calm(_)
            | Fault::Restart(..)
            | Fault::HalfOpen(_)
            | Fault::Reset(_)
            | Fault::Stall(_)
            | Fault::SlowCpu(..)
            | Fault::Drift(..)
            | Fault::Jump(..)
            | Fault::StallDisk(_)
            | Fault::FailDisk(_)
            | Fault::FlipBit(_)
            | Fault::Join(_)
            | Fault::Ask(..)
            | Fault::Pause(_)
            | Fault::Resume(_)
            | Fault::SlowDisk(..)
            | Fault::Mend(_) => None,
        };
        let Some(span) = restart.or(strike.lasts.as_mut()) else {
            return false;
        };
        let is_long = *span > SHORT;
        if is_long {
            *span = Span::from_ms(span.half().ms());
        }
        is_long
    })
}

fn each_fault(plan: &Plan, change: impl Fn(&mut Strike) -> bool) -> Vec<Plan> {
    let changed = |index: usize| {
        let mut plan = plan.clone();
        change(&mut plan.faults[index]).then_some(plan)
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
                    assert_eq!(Plan::from_text("x", &next.to_text()).as_ref(), Ok(&next));
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
            plan.strike(1_000, Fault::Pause(Who::Node(node)));
        }
        let seats = |nodes: &[u64]| nodes.iter().map(|n| Seat::One(Who::Node(*n))).collect();
        let groups = vec![seats(&[1, 2]), seats(&[3, 4, 5])];
        plan.strike(2_000, Fault::Partition(groups));
        let small = without_node(&plan, 2);
        assert_eq!((small.nodes, small.voters), (4, 4));
        let groups = vec![seats(&[1]), seats(&[2, 3, 4])];
        let faults: Vec<Fault> = small
            .faults
            .into_iter()
            .map(|strike| strike.fault)
            .collect();
        assert_eq!(
            faults,
            [Fault::Pause(Who::Node(3)), Fault::Partition(groups)]
        );
    }
}
