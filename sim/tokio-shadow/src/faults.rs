//! Faults of a plan on madsim's switches.
//!
//! Its network knows no latency per link, its crash no moment between two writes, its disk is ours
//! and never tears. What needs those is refused before the run: `cargo sim run` can do it.

use quorate_sim::plan::{Fault, Moment, Part, Plan, Who};

use crate::cluster::Cluster;

/// Refuses what this engine cannot do, all at once.
///
/// # Errors
/// Names every fault that cannot be carried out.
pub fn check(plan: &Plan) -> Result<(), String> {
    let refused: Vec<String> = plan
        .faults
        .iter()
        .filter_map(|strike| beyond(&strike.fault))
        .collect();
    let mutant = plan
        .mutant
        .as_ref()
        .map(|name| format!("the planted bug {name}"));
    let refused: Vec<String> = refused.into_iter().chain(mutant).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(format!(
        "this engine cannot do: {}. The engine des can",
        refused.join(", ")
    ))
}

fn beyond(fault: &Fault) -> Option<String> {
    match fault {
        Fault::Crash {
            moment: Moment::Now,
            torn: _,
            ..
        } => None,
        Fault::Crash { moment, .. } => Some(format!("a crash at {moment:?}")),
        Fault::LatencySpike { .. } => Some("a spike of latency".into()),
        Fault::SlowDisk { .. } => Some("a slow disk".into()),
        Fault::Cut { .. }
        | Fault::CutAll { .. }
        | Fault::Heal { .. }
        | Fault::Partition { .. }
        | Fault::PartitionLeader { .. }
        | Fault::HealAll
        | Fault::Restart { .. }
        | Fault::RestartAll
        | Fault::Pause { .. } => None,
    }
}

/// What is to be done at some moment.
#[derive(Clone, Debug)]
pub enum Step {
    /// A fault of the plan.
    Strike(Fault),
    /// The return of a crashed node.
    Restart(u64),
    /// The end of a pause.
    Resume(u64),
}

/// Takes one step; what must follow it, and so many milliseconds later.
pub fn take(cluster: &mut Cluster, step: &Step) -> Option<(u64, Step)> {
    match step {
        Step::Strike(fault) => strike(cluster, fault),
        Step::Restart(node) => {
            cluster.restart(*node);
            None
        }
        Step::Resume(node) => {
            cluster.pause(*node, false);
            None
        }
    }
}

fn strike(cluster: &mut Cluster, fault: &Fault) -> Option<(u64, Step)> {
    match fault {
        Fault::Cut { from, to } => switch(cluster, *from, *to, true),
        Fault::Heal { from, to } => switch(cluster, *from, *to, false),
        Fault::CutAll { who, inbound } => {
            let node = cluster.resolve(*who)?;
            for other in cluster.nodes().into_iter().filter(|other| *other != node) {
                let (from, to) = if *inbound {
                    (other, node)
                } else {
                    (node, other)
                };
                cluster.cut(from, to, true);
            }
        }
        Fault::Partition { groups } => part(cluster, groups),
        Fault::PartitionLeader { with } => {
            let leader = cluster.resolve(Who::Part(Part::Leader))?;
            let others = cluster.nodes().into_iter().filter(|other| *other != leader);
            let nodes: Vec<u64> = std::iter::once(leader).chain(others).collect();
            let (side, rest) = nodes.split_at((with + 1).min(nodes.len()));
            part(cluster, &[side.to_vec(), rest.to_vec()]);
        }
        Fault::HealAll => cluster.heal_all(),
        Fault::Crash {
            who,
            moment: _,
            torn: _,
            restart_after_ms,
        } => {
            let node = cluster.resolve(*who)?;
            cluster.crash(node);
            return restart_after_ms.map(|after| (after, Step::Restart(node)));
        }
        Fault::Restart { node } => cluster.restart(*node),
        Fault::RestartAll => {
            for node in cluster.nodes() {
                cluster.restart(node);
            }
        }
        Fault::Pause { who, for_ms } => {
            let node = cluster.resolve(*who)?;
            cluster.pause(node, true);
            return Some((*for_ms, Step::Resume(node)));
        }
        Fault::LatencySpike { .. } | Fault::SlowDisk { .. } => {
            unreachable!("refused before the run")
        }
    }
    None
}

fn switch(cluster: &mut Cluster, from: Who, to: Who, closed: bool) {
    if let (Some(from), Some(to)) = (cluster.resolve(from), cluster.resolve(to)) {
        cluster.cut(from, to, closed);
    }
}

/// Cuts both ways between nodes that share no group.
fn part(cluster: &mut Cluster, groups: &[Vec<u64>]) {
    let nodes = cluster.nodes();
    for (a, b) in nodes
        .iter()
        .flat_map(|a| nodes.iter().map(move |b| (*a, *b)))
    {
        let together = groups
            .iter()
            .any(|group| group.contains(&a) && group.contains(&b));
        if a != b && !together {
            cluster.cut(a, b, true);
        }
    }
}
