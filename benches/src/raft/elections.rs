//! How long a cluster is without a leader.
//!
//! * `wan`: the dissertation's setup (§9.3). One of five servers is dead, the others begin to wait
//!   at the same moment; 30 to 40 ms one way, timeouts of 300 to 600 ms.
//! * `lan`: the leader of three dies, right after a heartbeat, which is the worst moment, or at any
//!   moment; 0.2 to 1.0 ms one way, timeouts of 150 to 300 ms.
//!
//! An election is over when a node leads in a later term.

use std::time::Duration;

use quorate_core::seed::{Seed, Stream};
use quorate_core::time::Time;

use super::arena::{Arena, Latency};
use super::machine::{Machine, Setup};
use super::ours::Ours;
use super::theirs::Theirs;
use super::{Effort, PEER};
use crate::contest::{Figure, Goal, Paired, mean, quantile};

const WAN: Latency = (Duration::from_millis(30), Duration::from_millis(40));
/// Of the rows in one data centre.
pub const LAN: Latency = (Duration::from_micros(200), Duration::from_micros(1000));
const LIMIT: Duration = Duration::from_secs(60);
/// A distribution is cut into so many parts, for the spread of a ratio.
const PARTS: usize = 5;

/// Milliseconds until there was a leader, and terms it took, one per seed.
pub struct Sample {
    /// Milliseconds.
    pub took: Vec<f64>,
    /// The terms it took.
    pub terms: Vec<f64>,
}

/// When the leader dies, and what the others hear of it.
#[derive(Clone, Copy)]
pub enum Death {
    /// Right after a heartbeat, so that nobody waits for it soon.
    AfterHeartbeat,
    /// At any moment.
    AnyMoment,
    /// At any moment; its system closes its connections.
    Closed,
}

impl Sample {
    /// By an election for each seed.
    pub fn of(seeds: u64, elect: impl Fn(u64) -> (Duration, u64)) -> Sample {
        let runs: Vec<(Duration, u64)> = (1..=seeds).map(elect).collect();
        Sample {
            took: runs.iter().map(|it| it.0.as_secs_f64() * 1e3).collect(),
            terms: runs.iter().map(|it| it.1 as f64).collect(),
        }
    }
}

/// Compares two samples by one of their characteristics: of the whole, with the spread of parts.
pub fn compare(
    case: &str,
    unit: &'static str,
    peer: &'static str,
    (ours, theirs): (&[f64], &[f64]),
    by: impl Fn(&mut [f64]) -> f64,
) -> Figure {
    let of = |values: &[f64]| by(&mut values.to_vec());
    let part = |values: &[f64], nth: usize| {
        let len = values.len().div_ceil(PARTS);
        of(&values[(nth * len).min(values.len() - 1)..((nth + 1) * len).min(values.len())])
    };
    let parts = (0..PARTS).map(|nth| (part(ours, nth), part(theirs, nth)));
    let parts: Vec<(f64, f64)> = parts.collect();
    let spread = Paired::new("raft", case.to_string(), unit, peer).less_is_better(&parts);
    Figure {
        ours: of(ours),
        theirs: of(theirs),
        ratio: of(theirs) / of(ours),
        ..spread
    }
}

/// The dissertation's setup, by seed: first the peer as it was published, then both guarded.
pub fn wan(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    let ours = Sample::of(effort.seeds, |seed| one_dead::<Ours>(seed, true));
    let plain = Sample::of(effort.seeds, |seed| one_dead::<Theirs>(seed, false));
    let guarded = Sample::of(effort.seeds, |seed| one_dead::<Theirs>(seed, true));
    let figure = |case: &str, theirs: &Sample, by: fn(&mut [f64]) -> f64| {
        compare(case, "ms", PEER, (&ours.took, &theirs.took), by)
    };
    let p50 = |it: &mut [f64]| quantile(it, 500);
    let p999 = |it: &mut [f64]| quantile(it, 999);
    let mean = |it: &mut [f64]| mean(it);
    let published = Goal::TheirsNear(475.0, 10.0);
    show(figure("wan, theirs without pre-vote, mean", &plain, mean).with_goal(published));
    show(figure("wan, theirs without pre-vote, p99.9", &plain, p999));
    show(figure("wan, both with pre-vote, mean", &guarded, mean));
    show(figure("wan, both with pre-vote, p50", &guarded, p50));
    show(figure("wan, both with pre-vote, p99.9", &guarded, p999));
    let terms = (ours.terms.as_slice(), guarded.terms.as_slice());
    show(compare(
        "wan, both with pre-vote, terms",
        "terms",
        PEER,
        terms,
        mean,
    ));
}

/// The leader of three dies.
pub fn lan(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    let cases = [
        ("right after a heartbeat", Death::AfterHeartbeat),
        ("at any moment", Death::AnyMoment),
        ("and its connections close", Death::Closed),
    ];
    for (when, death) in cases {
        let ours = Sample::of(effort.seeds, |seed| leader_dies::<Ours>(seed, death));
        let theirs = Sample::of(effort.seeds, |seed| leader_dies::<Theirs>(seed, death));
        let figure = |what: &str, by: &dyn Fn(&mut [f64]) -> f64| {
            let case = format!("lan, leader dies {when}, {what}");
            compare(&case, "ms", PEER, (&ours.took, &theirs.took), by)
        };
        let (average, p50) = (
            figure("mean", &|it| mean(it)),
            figure("p50", &|it| quantile(it, 500)),
        );
        let p99 = figure("p99", &|it| quantile(it, 990));
        match death {
            Death::AfterHeartbeat | Death::AnyMoment => {
                show(average.with_goal(Goal::AtMost(200.0)));
                show(p50);
                show(p99.with_goal(Goal::AtMost(300.0)));
            }
            Death::Closed => {
                show(average);
                show(p50.with_goal(Goal::AtMost(100.0)));
                show(p99);
            }
        }
    }
}

fn one_dead<M: Machine>(seed: u64, is_guarded: bool) -> (Duration, u64) {
    let setup = Setup {
        nodes: 5,
        heartbeat: Duration::from_millis(150),
        timeout: (Duration::from_millis(300), Duration::from_millis(600)),
        is_guarded,
        seed,
    };
    let mut arena = Arena::<M>::new(&setup, WAN);
    arena.crash(4, false);
    let is_over = arena.run(Time::ZERO + LIMIT, |arena| arena.leader().is_some());
    assert!(is_over, "{}: nobody leads, seed {seed}", M::NAME);
    (arena.now.since(Time::ZERO), arena.term())
}

/// The leader of three dies: until another leads, and the terms that takes.
pub fn leader_dies<M: Machine>(seed: u64, death: Death) -> (Duration, u64) {
    let setup = Setup::lan(3, seed);
    let mut arena = Arena::<M>::new(&setup, LAN);
    let settled = |arena: &Arena<M>| arena.alive().all(|(_, it)| it.commit() > 0);
    assert!(
        arena.run(Time::ZERO + LIMIT, settled),
        "no leader, seed {seed}"
    );
    let mut random = Seed::from_number(seed).stream(Stream::Workload);
    let pause = random.span(setup.heartbeat, setup.heartbeat * 2);
    arena.run(arena.now + pause, |_| false);
    if let Death::AfterHeartbeat = death {
        let beats = |arena: &Arena<M>| {
            let leader = arena.leader().map(|(leader, _)| leader);
            leader.is_some() && arena.spoke == leader
        };
        assert!(
            arena.run(arena.now + LIMIT, beats),
            "no heartbeat, seed {seed}"
        );
    }
    let (leader, term) = arena.leader().expect("nothing deposed it");
    arena.crash(leader, matches!(death, Death::Closed));
    let start = arena.now;
    let is_over = arena.run(start + LIMIT, |arena| arena.leader().is_some());
    assert!(is_over, "{}: nobody leads again, seed {seed}", M::NAME);
    (arena.now.since(start), arena.term() - term)
}
