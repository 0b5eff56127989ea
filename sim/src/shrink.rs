//! Shrinking: from a failing plan to a small one that fails the same checker.
//!
//! First everything behind the violation goes. Then faults are dropped in chunks and one by one
//! (delta debugging: Zeller, Hildebrandt 2002), and the rest is simplified. Each smaller plan is
//! tried under several timings, because a plan that merely lost its luck looks like one that lost
//! its cause: without that, shrinking stalls at many faults.
//!
//! * I1: the result was run, and failed the same checker.
//! * I2: the result is a function of the plan and the order, however many threads work.
//!
//! Deliberately absent: a proof that no smaller plan fails.

mod simpler;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::checkers::Violation;
use crate::engine::des::{self, Options};
use crate::plan::Plan;
use crate::span::Span;

/// Clients begin nothing so shortly before the end; a trimmed run must leave them that much.
const TAIL: Span = Span::from_ms(3_001);

/// How to shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Timings under which each smaller plan is tried.
    pub retime: usize,
    /// Threads.
    pub threads: usize,
    /// No new attempt after so many runs.
    pub runs_max: usize,
}

impl Default for Order {
    fn default() -> Order {
        Order {
            retime: 32,
            threads: 1,
            runs_max: 20_000,
        }
    }
}

/// What shrinking came to.
#[derive(Clone, Debug, Serialize)]
pub struct Shrunk {
    /// The small plan.
    #[serde(skip)]
    pub plan: Plan,
    /// What it violates.
    pub violation: Violation,
    /// Faults of the plan that was given.
    pub faults_before: usize,
    /// Faults of the small one.
    pub faults_after: usize,
    /// Nodes before and after.
    pub nodes: [u64; 2],
    /// The length of the run before and after.
    pub end: [Span; 2],
    /// Runs made.
    pub runs: usize,
    /// The wall clock time it took.
    pub wall_ns: u64,
}

/// Shrinks a plan; nothing if it violates nothing.
#[must_use]
pub fn shrink(plan: &Plan, order: Order) -> Option<Shrunk> {
    let begun = Instant::now();
    let violation = des::run(plan, Options::default()).violation?;
    let mut search = Search {
        order,
        base: plan.seed % 1_000_000,
        timings: 0,
        runs: 1,
        best: Plan {
            fingerprint: None,
            expect: Vec::new(),
            ..plan.clone()
        },
        violation,
    };
    search.trim();
    search.jump();
    search.drop_faults();
    loop {
        let before = search.best.clone();
        search.simplify();
        search.drop_faults();
        if search.best.faults.len() == before.faults.len() || search.is_spent() {
            break;
        }
    }
    search.close();
    let checker = search.violation.checker;
    search.best.name = format!("{checker}-{}", plan.name);
    Some(Shrunk {
        faults_before: plan.faults.len(),
        faults_after: search.best.faults.len(),
        nodes: [plan.nodes, search.best.nodes],
        end: [plan.end, search.best.end],
        runs: search.runs,
        violation: search.violation,
        plan: search.best,
        wall_ns: u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
    })
}

/// A search for a smaller plan.
struct Search {
    order: Order,
    base: u64,
    /// Timings given out so far.
    timings: u64,
    runs: usize,
    best: Plan,
    violation: Violation,
}

impl Search {
    fn is_spent(&self) -> bool {
        self.runs >= self.order.runs_max
    }

    /// Drops what lies behind the violation.
    fn trim(&mut self) {
        let plan = trimmed(&self.best, &self.violation, TAIL);
        if plan != self.best {
            self.accept_first(&[plan]);
        }
    }

    /// Ends the run right behind the violation, if it still happens then.
    fn close(&mut self) {
        let plan = trimmed(&self.best, &self.violation, Span::from_ms(1));
        if let Some((plan, violation)) = self.first_failing(&[plan], &[self.best.seed]) {
            (self.best, self.violation) = (plan, violation);
        }
    }

    /// Tries one, two or three neighbouring faults alone, near the start. Most bugs need no more,
    /// and such short runs cost next to nothing.
    fn jump(&mut self) {
        // These two speak only long after the heal, where no short run gets.
        if matches!(self.violation.checker, "progress" | "membership_converges") {
            return;
        }
        let candidates = simpler::openings(&self.best);
        let retime = self.order.retime;
        self.order.retime = retime.div_ceil(4);
        if self.accept_first(&candidates) {
            self.trim();
        }
        self.order.retime = retime;
    }

    /// Delta debugging over the faults: halves, quarters, and so on down to single ones.
    fn drop_faults(&mut self) {
        let mut size = self.best.faults.len().div_ceil(2);
        while size > 0 && !self.is_spent() {
            let faults = self.best.faults.len();
            let chunks = (0..faults).step_by(size).map(|from| {
                let mut plan = self.best.clone();
                plan.faults.drain(from..(from + size).min(faults));
                plan
            });
            let chunks: Vec<Plan> = chunks.collect();
            if self.accept_first(&chunks) {
                self.trim();
                size = size.min(self.best.faults.len());
            } else {
                size /= 2;
            }
        }
    }

    /// Takes every simplification that keeps the violation, until none does.
    fn simplify(&mut self) {
        for step in simpler::STEPS {
            while !self.is_spent() {
                let candidates = step(&self.best);
                if !self.accept_first(&candidates) {
                    break;
                }
                self.trim();
            }
        }
    }

    /// Goes on with the first of the plans that fails under some timing; the present timing comes
    /// first, then each new one for all plans.
    fn accept_first(&mut self, plans: &[Plan]) -> bool {
        let from = self.base * 1_000_000 + self.timings;
        let more = self.order.retime.saturating_sub(1) as u64;
        self.timings += more;
        let timings: Vec<u64> = [self.best.seed]
            .into_iter()
            .chain(from..from + more)
            .collect();
        let Some((plan, violation)) = self.first_failing(plans, &timings) else {
            return false;
        };
        (self.best, self.violation) = (plan, violation);
        true
    }

    /// All threads work through the attempts in order; the earliest that fails wins, so the outcome
    /// does not depend on who is faster.
    fn first_failing(&mut self, plans: &[Plan], timings: &[u64]) -> Option<(Plan, Violation)> {
        let attempts = plans.len() * timings.len();
        let (next, limit) = (AtomicUsize::new(0), AtomicUsize::new(attempts));
        let found: Mutex<Option<(usize, Plan, Violation)>> = Mutex::new(None);
        let checker = self.violation.checker;
        let work = || {
            loop {
                let attempt = next.fetch_add(1, Ordering::Relaxed);
                if attempt >= limit.load(Ordering::Relaxed) {
                    return;
                }
                let mut plan = plans[attempt % plans.len()].clone();
                plan.seed = timings[attempt / plans.len()];
                let violation = des::run(&plan, Options::default()).violation;
                let Some(violation) = violation.filter(|v| v.checker == checker) else {
                    continue;
                };
                limit.fetch_min(attempt, Ordering::Relaxed);
                let Ok(mut found) = found.lock() else { return };
                if found.as_ref().is_none_or(|(first, ..)| attempt < *first) {
                    *found = Some((attempt, plan, violation));
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.order.threads.clamp(1, attempts.max(1)) {
                scope.spawn(work);
            }
            work();
        });
        let found = found
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.runs += found.as_ref().map_or(attempts, |(attempt, ..)| attempt + 1);
        found.map(|(_, plan, violation)| (plan, violation))
    }
}

/// The plan without what lies behind its violation.
fn trimmed(plan: &Plan, violation: &Violation, tail: Span) -> Plan {
    let last = Span::from_ms(violation.at_ns / 1_000_000);
    let mut plan = plan.clone();
    plan.faults.retain(|strike| strike.at <= last);
    plan.end_at_the_latest(last.plus(tail));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Fault, Part, Who};

    const ORDER: Order = Order {
        retime: 4,
        threads: 2,
        runs_max: 400,
    };

    #[test]
    fn a_plan_that_violates_nothing_is_not_shrunk() {
        let mut plan = Plan::quiet("q", 1, 3);
        plan.end = Span::from_ms(21_000);
        assert!(shrink(&plan, ORDER).is_none());
    }

    #[test]
    fn what_lies_behind_the_violation_goes() {
        let mut plan = Plan::quiet("q", 1, 3);
        let who = Who::Part(Part::Leader);
        plan.strike_for(4_000, Fault::Pause(who), 100);
        plan.strike(6_000, Fault::heal_all());
        let violation = Violation {
            checker: "progress",
            at_ns: 5_000_900_000,
            what: String::new(),
        };
        let small = trimmed(&plan, &violation, Span::from_ms(1));
        let end = Span::from_ms(5_001);
        assert_eq!(
            (small.faults.len(), small.heal, small.end),
            (1, Some(end), end)
        );
        assert_eq!(small.faults[0], plan.faults[0]);
    }
}
