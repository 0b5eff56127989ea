//! The same as `lan` with whole nodes in the simulator: membership and connections help, and what
//! they cost is in it. The peer is raft-rs whose leader dies at any moment.

use std::time::Duration;

use quorate_sim::engine::des::{self, Options};
use quorate_sim::scenario::Scenario;

use super::elections::{self, Death, Sample};
use super::theirs::Theirs;
use super::{Effort, PEER};
use crate::contest::{Figure, Goal, mean, quantile};

/// When the leader is killed, at the earliest; milliseconds.
const CRASH_MS: u64 = 4_000;

/// Three figures when the process dies, and three when its machine is gone with it.
pub fn run(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    let theirs = Sample::of(effort.seeds, |seed| {
        elections::leader_dies::<Theirs>(seed, Death::AnyMoment)
    });
    for (how, manner) in [("killed", ""), ("gone silently", " silently")] {
        let ours = Sample::of(effort.seeds, |seed| crash(seed, manner));
        let figure = |what: &str, by: fn(&mut [f64]) -> f64| {
            let case = format!("whole nodes, leader {how}, {what}");
            elections::compare(&case, "ms", PEER, (&ours.took, &theirs.took), by)
        };
        show(figure("mean", |it| mean(it)));
        let p50 = figure("p50", |it| quantile(it, 500));
        show(match manner {
            "" => p50.with_goal(Goal::AtMost(100.0)),
            _ => p50,
        });
        show(figure("p99", |it| quantile(it, 990)));
    }
}

/// When a node leads that did not, and a majority follows it; to 10 ms.
fn crash(seed: u64, manner: &str) -> (Duration, u64) {
    let text = format!(
        "scenario \"leader-dies\"\nnodes 3\nnetwork latency 200us..1ms\n\
         between {from}ms and {to}ms crash leader{manner}\n\
         expect new leader within 20s\nend at 30s",
        from = CRASH_MS,
        to = CRASH_MS + 1_000,
    );
    let plan = Scenario::parse("leader-dies", &text);
    let plan = plan.and_then(|scenario| scenario.plan(seed));
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let struck = plan.faults[0].at.ns();
    let report = des::run(&plan, Options::default());
    let found = &report.expectations[0];
    assert!(
        found.met && report.violation.is_none(),
        "seed {seed}: {found}"
    );
    (
        Duration::from_nanos(found.at_ns - struck),
        report.totals.leaders - 1,
    )
}
