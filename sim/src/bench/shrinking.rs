//! How small the failing plans of the planted bugs become, and how soon.

use std::time::{Duration, Instant};

use super::{Goal, Outcome, Row, ratio, seconds};
use crate::mutants;
use crate::shrink::{self, Order};
use crate::swarm;

const CASE: &str = "failing plans of planted bugs";
/// Such a plan is small.
const FAULTS_MAX: usize = 3;
/// And this is soon.
const SOON: Duration = Duration::from_secs(10);
/// A bug may take so long to be caught.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shrinks the first plan that catches each planted bug; nothing in a build without bugs.
#[must_use]
pub fn shrinking(threads: usize, progress: impl Fn(&str)) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut plans, mut small, mut longest) = (0, 0, Duration::ZERO);
    for (name, about) in mutants::all() {
        let hunt = mutants::hunt((name, about), threads, PATIENCE);
        let Some(seed) = hunt.seed else {
            outcome.problems.push(format!("{name} survived"));
            continue;
        };
        let mut plan = swarm::expand(seed);
        plan.mutant = Some(name.to_string());
        let order = Order {
            threads,
            ..Order::default()
        };
        let begun = Instant::now();
        let Some(shrunk) = shrink::shrink(&plan, order) else {
            outcome
                .problems
                .push(format!("{name}: seed {seed} fails no more"));
            continue;
        };
        let took = begun.elapsed();
        plans += 1;
        small += u64::from(shrunk.faults_after <= FAULTS_MAX && took <= SOON);
        longest = longest.max(took);
        progress(&format!(
            "{name:<30} seed {seed:>4}: {:>3} -> {} faults, {:>5} runs, {:.1} s",
            shrunk.faults_before,
            shrunk.faults_after,
            shrunk.runs,
            seconds(took),
        ));
    }
    let share = Row::new(
        CASE,
        "3 faults or fewer within 10 s",
        ratio(small * 100, plans),
        "%",
    );
    outcome.rows.push(share.with_goal(Goal::AtLeast(90.0)));
    outcome
        .rows
        .push(Row::new(CASE, "plans", ratio(plans, 1), ""));
    outcome
        .rows
        .push(Row::new(CASE, "longest", seconds(longest), "s"));
    outcome
}
