//! Lifeguard's experiment: some of 128 members are slow, their packets wait. Every death of a
//! healthy member is a false positive. Plain SWIM beside each of Lifeguard's parts, in one machine:
//! ours.

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::machine::{Detector, Event, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::fewer_is_better;

const SIZE: usize = 128;
const PLAIN: Detector = Detector::Paper {
    health: false,
    dogpile: false,
    buddy: false,
    nacks: false,
};

#[derive(Clone, Copy, Debug, Default)]
struct Falses {
    /// Announced by anyone.
    all: f64,
    /// Announced by healthy members.
    at_healthy: f64,
}

/// Two figures per part: false positives of the part alone against plain SWIM.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let parts = |health, dogpile, buddy| Detector::Paper {
        health,
        dogpile,
        buddy,
        nacks: health,
    };
    let rows = [
        ("LHA-Probe", parts(true, false, false)),
        ("LHA-Suspicion", parts(false, true, false)),
        ("buddy", parts(false, false, true)),
        ("Lifeguard", parts(true, true, true)),
        ("the LAN preset", Detector::Lan),
    ];
    let plain = experiment(effort, PLAIN);
    let mut figures = Vec::new();
    for (name, detector) in rows {
        let falses = experiment(effort, detector);
        let case = format!("slow members, false positives, {name}");
        let pair = [(falses.all, plain.all)];
        figures.push(fewer_is_better(case, "deaths", "plain SWIM (ours)", &pair));
        let case = format!("slow members, false positives at healthy, {name}");
        let pair = [(falses.at_healthy, plain.at_healthy)];
        figures.push(fewer_is_better(case, "deaths", "plain SWIM (ours)", &pair));
    }
    figures
}

/// The sum over the grid.
fn experiment(effort: &Effort, detector: Detector) -> Falses {
    let slow: &[usize] = effort.choose(&[4, 16], &[1, 4, 8, 12, 16, 20, 24, 28, 32]);
    let lengths: &[u64] = effort.choose(&[16_384, 32_768], &[2048, 8192, 16_384, 32_768]);
    let seeds = effort.choose(1..=1, 1..=2);
    let mut sum = Falses::default();
    for slow in slow {
        for length in lengths {
            for seed in seeds.clone() {
                let falses = slow_members(detector, *slow, Duration::from_millis(*length), seed);
                sum.all += falses.all;
                sum.at_healthy += falses.at_healthy;
            }
        }
    }
    sum
}

/// For two minutes the slow members are blocked for `length` and then free for a moment, all
/// together.
fn slow_members(detector: Detector, slow: usize, length: Duration, seed: u64) -> Falses {
    const FREE: Duration = Duration::from_millis(256);
    let setup = Setup {
        size: SIZE,
        seed,
        detector,
    };
    let mut net = Net::<Ours>::settled(&setup);
    let start = net.now;
    while net.now.since(start) < Duration::from_secs(120) {
        (0..slow).for_each(|node| net.block(node, length));
        net.run(length + FREE);
    }
    let deaths = net
        .events
        .iter()
        .filter(|(_, _, event)| matches!(event, Event::Died(node) if *node >= slow));
    Falses {
        all: deaths.clone().count() as f64,
        at_healthy: deaths.filter(|(_, observer, _)| *observer >= slow).count() as f64,
    }
}
