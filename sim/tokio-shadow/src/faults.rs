//! Faults of a plan on madsim's switches. What they cannot do was refused before: see `limits`.

use std::collections::BTreeSet;

use quorate_sim::plan::{Fault, Seat, Strike, Ways, Who};

use crate::cluster::Cluster;

/// What is to be done at some moment.
#[derive(Clone, Debug)]
pub enum Step {
    /// A fault of the plan, by its place there.
    Strike(usize, Strike),
    /// A fault that lasts a while is over.
    Over(usize),
    /// The return of a crashed node.
    Restart(u64),
    /// The end of a pause.
    Resume(u64),
}

/// Takes one step; what must follow it, and so many milliseconds later.
pub fn take(cluster: &mut Cluster, step: &Step) -> Vec<(u64, Step)> {
    match step {
        Step::Strike(number, strike) => {
            let over = strike.lasts.map(|lasts| (lasts.ms(), Step::Over(*number)));
            let next = strike_now(cluster, *number, strike);
            over.into_iter().chain(next).collect()
        }
        Step::Over(number) => {
            cluster.open_cuts_of(*number);
            Vec::new()
        }
        Step::Restart(node) => {
            cluster.restart(*node);
            Vec::new()
        }
        Step::Resume(node) => {
            cluster.pause(*node, false);
            Vec::new()
        }
    }
}

fn strike_now(cluster: &mut Cluster, number: usize, strike: &Strike) -> Option<(u64, Step)> {
    match &strike.fault {
        Fault::Cut(ways) => {
            for (from, to) in pairs(cluster, ways) {
                cluster.close(from, to, number);
            }
        }
        Fault::Heal(ways) if *ways == Ways::default() => cluster.heal_all(),
        Fault::Heal(ways) => {
            for (from, to) in pairs(cluster, ways) {
                cluster.open(from, to);
            }
        }
        Fault::Partition(groups) => part(cluster, groups, number)?,
        Fault::Crash { who, restart, .. } => {
            let node = cluster.resolve(*who)?;
            cluster.crash(node);
            return restart.map(|after| (after.ms(), Step::Restart(node)));
        }
        Fault::Restart(Some(who), _) => {
            let node = cluster.resolve(*who)?;
            cluster.restart(node);
        }
        Fault::Restart(None, _) => {
            for node in cluster.nodes() {
                cluster.restart(node);
            }
        }
        Fault::Pause(who) => {
            let node = cluster.resolve(*who)?;
            cluster.pause(node, true);
            return strike.lasts.map(|lasts| (lasts.ms(), Step::Resume(node)));
        }
        Fault::Resume(who) => {
            let node = cluster.resolve(*who)?;
            cluster.pause(node, false);
        }
        Fault::Network(..)
        | Fault::Calm(_)
        | Fault::HalfOpen(_)
        | Fault::Reset(_)
        | Fault::Stall(_)
        | Fault::SlowCpu(..)
        | Fault::Drift(..)
        | Fault::Jump(..)
        | Fault::SlowDisk(..)
        | Fault::StallDisk(_)
        | Fault::FailDisk(_)
        | Fault::FlipBit(_)
        | Fault::Join(_)
        | Fault::Ask(..)
        | Fault::Mend(_) => {
            unreachable!("refused before the run")
        }
    }
    None
}

/// The directions between two sides.
fn pairs(cluster: &Cluster, ways: &Ways) -> BTreeSet<(u64, u64)> {
    let side = |named: &[Who]| -> Vec<u64> {
        match named {
            [] => cluster.nodes(),
            named => named
                .iter()
                .filter_map(|who| cluster.resolve(*who))
                .collect(),
        }
    };
    let (from, to) = (side(&ways.from), side(&ways.to));
    let there = from
        .iter()
        .flat_map(|from| to.iter().map(move |to| (*from, *to)));
    let back = |(from, to)| ways.both.then_some((to, from));
    there
        .flat_map(|pair| [Some(pair), back(pair)])
        .flatten()
        .collect()
}

/// Closes both ways between nodes that share no group, and opens those within one. Nothing, if a
/// part that is named is played by nobody.
fn part(cluster: &mut Cluster, groups: &[Vec<Seat>], number: usize) -> Option<()> {
    let mut free: BTreeSet<u64> = cluster.nodes().into_iter().collect();
    let mut seated: Vec<Vec<u64>> = vec![Vec::new(); groups.len()];
    let seats = || {
        groups
            .iter()
            .enumerate()
            .flat_map(|(at, group)| group.iter().map(move |s| (at, s)))
    };
    for (at, seat) in seats() {
        if let Seat::One(who) = seat {
            let node = cluster.resolve(*who)?;
            if free.remove(&node) {
                seated[at].push(node);
            }
        }
    }
    for (at, seat) in seats() {
        if let Seat::Others(count) = seat {
            let some: Vec<u64> = free.iter().copied().take(*count).collect();
            free.retain(|node| !some.contains(node));
            seated[at].extend(some);
        }
    }
    if let Some((at, _)) = seats().find(|(_, seat)| **seat == Seat::Rest) {
        seated[at].extend(free);
    }
    let nodes = cluster.nodes();
    for (a, b) in nodes
        .iter()
        .flat_map(|a| nodes.iter().map(move |b| (*a, *b)))
    {
        let together = seated
            .iter()
            .any(|group| group.contains(&a) && group.contains(&b));
        match together {
            true => cluster.open(a, b),
            false => cluster.close(a, b, number),
        }
    }
    Some(())
}
