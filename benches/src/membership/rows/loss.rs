//! Nobody dies, but the network is bad: packets are lost, or two nodes in a hundred are deaf every
//! other 20 s. Whoever is declared dead is declared so falsely.

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Event, Machine, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::fewer_is_better;

const SPAN: Duration = Duration::from_secs(300);

/// One figure per rate of loss, and those of the flip-flop.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let seeds = effort.choose(1..=3, 1..=10);
    let mut figures = Vec::new();
    for percent in [5, 10, 20, 30] {
        let pairs: Vec<_> = seeds
            .clone()
            .map(|seed| {
                (
                    lossy::<Ours>(percent, seed),
                    lossy::<foca::Peer>(percent, seed),
                )
            })
            .collect();
        let case = format!("{percent} % datagram loss, false deaths, N=32, 300 s");
        figures.push(fewer_is_better(case, "deaths", foca::Peer::NAME, &pairs));
    }
    figures.extend(flip_flop_figures(effort));
    figures
}

fn lossy<M: Machine>(percent: u16, seed: u64) -> f64 {
    let setup = Setup {
        size: 32,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::settled(&setup);
    net.set_loss(percent * 10);
    net.run(SPAN);
    let deaths = net
        .events
        .iter()
        .filter(|(_, _, event)| matches!(event, Event::Died(_)));
    deaths.count() as f64
}

struct Flips {
    /// Deaths of healthy nodes, as healthy nodes see them.
    collateral: f64,
    /// Returns of the sick two in the last third, as healthy nodes see them.
    unsettled: f64,
}

fn flip_flop_figures(effort: &Effort) -> [Figure; 2] {
    let seeds = effort.choose(1..=2, 1..=5);
    let pairs: Vec<(Flips, Flips)> = seeds
        .map(|seed| (flip_flop::<Ours>(seed), flip_flop::<foca::Peer>(seed)))
        .collect();
    let of = |what: &str, unit, part: fn(&Flips) -> f64| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(us, them)| (part(us), part(them)))
            .collect();
        let case = format!("2 of 100 deaf 20 s on/off for 600 s, {what}");
        fewer_is_better(case, unit, foca::Peer::NAME, &pairs)
    };
    [
        of("healthy declares healthy dead", "deaths", |flips| {
            flips.collateral
        }),
        of(
            "returns of the sick in the last 200 s",
            "returns",
            |flips| flips.unsettled,
        ),
    ]
}

fn flip_flop<M: Machine>(seed: u64) -> Flips {
    const SICK: usize = 2;
    let setup = Setup {
        size: 100,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::settled(&setup);
    let start = net.now;
    for flip in 0..30 {
        (0..SICK).for_each(|node| net.set_deaf(node, flip % 2 == 0));
        net.run(Duration::from_secs(20));
    }
    let by_healthy = net
        .events
        .iter()
        .filter(|(_, observer, _)| *observer >= SICK);
    let collateral = by_healthy
        .clone()
        .filter(|(_, _, event)| matches!(event, Event::Died(node) if *node >= SICK));
    let late = start + Duration::from_secs(400);
    let unsettled = by_healthy.clone().filter(|(at, _, event)| {
        *at > late && matches!(event, Event::Joined(node) if *node < SICK)
    });
    Flips {
        collateral: collateral.count() as f64,
        unsettled: unsettled.count() as f64,
    }
}
