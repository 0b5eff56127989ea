//! Join storms: all nodes reach for one seed within a second; how long until everyone knows
//! everyone.

use std::time::Duration;

use quorate_core::seed::{Seed, Stream};
use quorate_core::time::Time;

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Machine, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::{less_is_better, seconds};

const LIMIT: Duration = Duration::from_secs(600);

/// One figure per size.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let sizes: &[usize] = effort.choose(&[64, 256, 512, 1000], &[64, 256, 512, 1000, 2000]);
    let figures = sizes.iter().map(|size| {
        let seeds = if *size > 256 { 1..=1 } else { 1..=3 };
        let limit = if *size > 1000 { LIMIT / 6 } else { LIMIT };
        let pairs: Vec<_> = seeds
            .map(|seed| {
                let theirs = storm::<foca::Peer>(*size, seed, limit);
                (storm::<Ours>(*size, seed, limit), theirs)
            })
            .collect();
        let case = format!("join storm until all know all, N={size}");
        less_is_better(case, "s", foca::Peer::NAME, &pairs)
    });
    figures.collect()
}

fn storm<M: Machine>(size: usize, seed: u64, limit: Duration) -> f64 {
    let setup = Setup {
        size,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::new(&setup);
    let mut random = Seed::from_number(seed).stream(Stream::Plan);
    let mut starts: Vec<(Duration, usize)> = (1..size)
        .map(|node| (random.span(Duration::ZERO, Duration::from_secs(1)), node))
        .collect();
    starts.sort_unstable();
    net.start(0, None);
    for (at, node) in starts {
        let wait = (Time::ZERO + at).since(net.now);
        net.run(wait);
        net.start(node, Some(0));
    }
    let took = net.run_until_complete(limit);
    seconds(took.map(|_| net.now.since(Time::ZERO)), limit)
}
