//! Two halves that do not hear each other for a while: how long after the heal everyone knows
//! everyone again.

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Machine, Node, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::{less_is_better, seconds};

const LIMIT: Duration = Duration::from_secs(300);

type Cut = fn(Node, Node) -> bool;

fn symmetric(from: Node, to: Node) -> bool {
    from % 2 != to % 2
}

fn one_way(from: Node, to: Node) -> bool {
    from.is_multiple_of(2) && !to.is_multiple_of(2)
}

/// Node 0 hears both halves.
fn bridged(from: Node, to: Node) -> bool {
    from != 0 && to != 0 && symmetric(from, to)
}

/// One figure per size, kind and length of cut.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let all: [(usize, &str, Cut, u64); 11] = [
        (2, "halves", symmetric, 60),
        (4, "halves", symmetric, 60),
        (8, "halves", symmetric, 60),
        (16, "halves", symmetric, 60),
        (128, "halves", symmetric, 60),
        (2, "one way", one_way, 60),
        (16, "one way", one_way, 60),
        (16, "bridged", bridged, 60),
        (16, "halves", symmetric, 15),
        (16, "halves", symmetric, 1800),
        (2, "halves", symmetric, 1800),
    ];
    let seeds = effort.choose(1..=3, 1..=10);
    let figures = all.iter().map(|(size, kind, cut, length)| {
        let pairs: Vec<_> = seeds
            .clone()
            .map(|seed| {
                let theirs = heal::<foca::Peer>(*size, *cut, *length, seed);
                (heal::<Ours>(*size, *cut, *length, seed), theirs)
            })
            .collect();
        let case = format!("{kind} apart {length} s, re-merged after, N={size}");
        less_is_better(case, "s", foca::Peer::NAME, &pairs)
    });
    figures.collect()
}

fn heal<M: Machine>(size: usize, cut: Cut, length: u64, seed: u64) -> f64 {
    let setup = Setup {
        size,
        seed,
        detector: Detector::Lan,
    };
    let mut net = Net::<M>::settled(&setup);
    net.set_cut(Some(cut));
    net.run(Duration::from_secs(length) + Duration::from_millis(431 * seed));
    net.set_cut(None);
    let took = net.run_until_complete(LIMIT);
    // What is over before it is looked at took at least a packet's time.
    seconds(took, LIMIT).max(0.001)
}
