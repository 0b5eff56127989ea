//! What a cluster costs in which nothing happens.

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::machine::{Detector, Machine, Setup, cpu_time};
use crate::membership::net::Net;
use crate::membership::ours::{Alone, Ours};
use crate::membership::score::less_is_better;
use crate::membership::{chitchat, foca};

/// Packets, bytes and CPU per node and second.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Packets sent.
    pub packets: f64,
    /// Bytes of them.
    pub bytes: f64,
    /// Microseconds of one core, the simulated network included.
    pub cpu: f64,
}

/// What a node may cost.
const GOAL: Cost = Cost {
    packets: 2.2,
    bytes: 120.0,
    cpu: 5.0,
};

/// Three figures per size.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let sizes: &[usize] = effort.choose(&[16, 128, 1000], &[16, 128, 1000, 10_000]);
    let mut figures = Vec::new();
    for size in sizes.iter().copied() {
        if size > 1000 {
            // Beside what it may cost: two such clusters do not fit into memory.
            let pairs = [(idle::<Ours>(size, 1), GOAL)];
            figures.extend(figures_of(size, "the goal", &pairs));
            continue;
        }
        let pairs: Vec<(Cost, Cost)> = (1..=3)
            .map(|seed| (idle::<Ours>(size, seed), idle::<foca::Peer>(size, seed)))
            .collect();
        figures.extend(figures_of(size, foca::Peer::NAME, &pairs));
    }
    for size in [16, 128, 1000, 10_000] {
        let pairs = [(alone(size), GOAL.cpu)];
        let case = format!("idle CPU of one node per second, its cache its own, N={size}");
        figures.push(less_is_better(case, "us", "the goal", &pairs));
    }
    for size in [16, 128] {
        let pairs = [(idle::<Ours>(size, 1), chitchat::idle(size))];
        figures.extend(figures_of(size, chitchat::NAME, &pairs));
    }
    figures
}

fn figures_of(size: usize, peer: &'static str, pairs: &[(Cost, Cost)]) -> [Figure; 3] {
    let of = |what: &str, unit, part: fn(&Cost) -> f64| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(us, them)| (part(us), part(them)))
            .collect();
        less_is_better(format!("idle {what}, N={size}"), unit, peer, &pairs)
    };
    [
        of("messages per node and second", "1", |cost| cost.packets),
        of("bytes per node and second", "B", |cost| cost.bytes),
        of("CPU per node and second", "us", |cost| cost.cpu),
    ]
}

/// Microseconds per second of one node whose peers are not simulated.
fn alone(size: usize) -> f64 {
    let mut node = Alone::new(&Setup {
        size,
        seed: 1,
        detector: Detector::Lan,
    });
    node.run(Duration::from_secs(100));
    node.spent = Duration::ZERO;
    let span = Duration::from_secs(20_000);
    node.run(span);
    node.spent.as_secs_f64() * 1e6 / span.as_secs_f64()
}

fn idle<M: Machine>(size: usize, seed: u64) -> Cost {
    let setup = Setup {
        size,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::settled(&setup);
    let span = Duration::from_secs(if size < 500 { 600 } else { 60 });
    let (before, traffic) = (cpu_time(), net.traffic);
    net.run(span);
    let cpu = cpu_time().saturating_sub(before);
    let node_seconds = size as f64 * span.as_secs_f64();
    Cost {
        packets: (net.traffic.packets - traffic.packets) as f64 / node_seconds,
        bytes: (net.traffic.bytes - traffic.bytes) as f64 / node_seconds,
        cpu: cpu.as_secs_f64() * 1e6 / node_seconds,
    }
}
