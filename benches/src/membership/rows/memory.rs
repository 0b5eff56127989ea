//! What a member costs in memory, from the resident set of the process.

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Machine, Out, Setup, resident};
use crate::membership::ours::Ours;
use crate::membership::score::less_is_better;

use quorate_core::time::Time;

const SIZE: usize = 10_000;
const MACHINES: usize = 48;

/// Bytes per member of a table of ten thousand.
pub fn run(_: &Effort) -> Vec<Figure> {
    let pair = [(per_member::<Ours>(), per_member::<foca::Peer>())];
    let case = format!("memory per member, N={SIZE}");
    vec![less_is_better(case, "B", foca::Peer::NAME, &pair)]
}

fn per_member<M: Machine>() -> f64 {
    let setup = Setup {
        size: SIZE,
        seed: 1,
        detector: Detector::Lan,
    };
    let build = |node| {
        let mut machine = M::new(node, &setup);
        machine.preload(Time::ZERO, SIZE, &mut Out::default());
        machine
    };
    // The first warms the allocator up.
    let first = build(0);
    let before = resident();
    let machines: Vec<M> = (1..=MACHINES).map(build).collect();
    let after = resident();
    let known: usize = machines.iter().map(Machine::live).sum();
    assert_eq!((known, first.live()), (MACHINES * SIZE, SIZE));
    after.saturating_sub(before) as f64 / known as f64
}
