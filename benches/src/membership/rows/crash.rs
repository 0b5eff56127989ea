//! A node stops without a word: when the first and when the last of the others has declared it
//! dead, and when the first probe of it fails (SWIM §5: 1.58 periods on average).

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Event, Machine, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::less_is_better;

const VICTIM: usize = 7;

struct Found {
    /// Seconds after the crash; `None` when the machine does not tell.
    suspected: Option<f64>,
    first: f64,
    everyone: f64,
}

/// Two figures per size, and SWIM's own.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let sizes: &[usize] = effort.choose(&[16, 128], &[16, 128, 1000]);
    let mut figures = Vec::new();
    for size in sizes.iter().copied() {
        let seeds = effort.choose(1..=15, 1..=40);
        let pairs: Vec<(Found, Found)> = seeds
            .map(|seed| (crash::<Ours>(size, seed), crash::<foca::Peer>(size, seed)))
            .collect();
        let of = |what: &str, part: fn(&Found) -> f64| {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(us, them)| (part(us), part(them)))
                .collect();
            less_is_better(
                format!("crash, {what}, N={size}"),
                "s",
                foca::Peer::NAME,
                &pairs,
            )
        };
        figures.push(of("first knows", |found| found.first));
        figures.push(of("everyone knows", |found| found.everyone));
        figures.push(mean_suspicion(size, &pairs));
    }
    figures
}

/// SWIM's analysis of a random choice of targets gives e/(e-1) periods.
fn mean_suspicion(size: usize, pairs: &[(Found, Found)]) -> Figure {
    let told: Vec<f64> = pairs.iter().filter_map(|(us, _)| us.suspected).collect();
    let mean = told.iter().sum::<f64>() / told.len() as f64;
    let case = format!("crash, first failed probe, mean, N={size}");
    less_is_better(case, "periods", "SWIM paper", &[(mean, 1.582)])
}

fn crash<M: Machine>(size: usize, seed: u64) -> Found {
    let setup = Setup {
        size,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::settled(&setup);
    net.run(Duration::from_millis(137 * (seed % 8)));
    net.crash(VICTIM);
    let start = net.now;
    let known = |net: &Net<M>| {
        let died = net
            .events
            .iter()
            .filter(|(_, _, event)| *event == Event::Died(VICTIM));
        died.count() >= size - 1
    };
    while !known(&net) && net.now.since(start) < Duration::from_secs(120) {
        net.run(Duration::from_millis(100));
    }
    let after = |wanted: Event| {
        let found = net
            .events
            .iter()
            .filter(move |(_, _, event)| *event == wanted);
        found.map(|(at, _, _)| at.since(start).as_secs_f64())
    };
    Found {
        suspected: after(Event::Suspected(VICTIM)).next(),
        first: after(Event::Died(VICTIM)).next().unwrap_or(120.0),
        everyone: after(Event::Died(VICTIM)).next_back().unwrap_or(120.0),
    }
}
