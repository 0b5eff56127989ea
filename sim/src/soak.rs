//! Many seeds: each run on one thread, several threads side by side.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::engine::des::{self, Options};
use crate::marks::Marks;
use crate::plan::Plan;
use crate::report::Report;
use crate::swarm::{self, Area};

/// Which seeds to run, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// The first seed.
    pub start: u64,
    /// How many; without end if none.
    pub seeds: Option<u64>,
    /// Begin none after so long.
    pub patience: Option<Duration>,
    /// Threads.
    pub threads: usize,
    /// What the plans are drawn for; everything if none.
    pub focus: Option<Area>,
    /// A bug to plant.
    pub mutant: Option<String>,
    /// Stop after so many violations.
    pub failures_max: usize,
}

/// What they came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Harvest {
    /// Runs made.
    pub runs: u64,
    /// Simulated time of all runs.
    pub simulated_ns: u64,
    /// Steps of all nodes.
    pub events: u64,
    /// Acknowledged writes of all runs.
    pub acknowledged: u64,
    /// Writes refused for their epoch.
    pub stale_refused: u64,
    /// The slowest agreement of all member lists after a heal.
    pub converged_after_ns_max: u64,
    /// The slowest first write after a heal.
    pub progress_after_ns_max: u64,
    /// Violations by checker.
    pub violations: BTreeMap<&'static str, u64>,
    /// The named situations that occurred in any run.
    pub marks: Marks,
    /// The wall clock time it took.
    pub wall_ns: u64,
    /// The trace hash of each seed.
    #[serde(skip)]
    pub traces: BTreeMap<u64, String>,
    /// The plans that failed, with what they came to, by seed.
    #[serde(skip)]
    pub failures: Vec<(Plan, Report)>,
}

impl Harvest {
    /// Runs in a second of wall clock time, in thousandths.
    #[must_use]
    pub fn seeds_per_second_milli(&self) -> u64 {
        let milli = u128::from(self.runs) * 1_000_000_000_000 / u128::from(self.wall_ns.max(1));
        u64::try_from(milli).unwrap_or(u64::MAX)
    }

    /// Simulated hours in a minute of wall clock time.
    #[must_use]
    pub fn hours_per_minute(&self) -> u64 {
        self.simulated_ns / 60 / self.wall_ns.max(1)
    }

    /// One line a seed: two runs of the same seeds must not differ in it, in any process or build.
    #[must_use]
    pub fn hashes(&self) -> String {
        let lines = self
            .traces
            .iter()
            .map(|(seed, trace)| format!("{seed} {trace}\n"));
        lines.collect()
    }

    fn add(&mut self, plan: Plan, report: Report) {
        let totals = &report.totals;
        self.runs += 1;
        self.traces.insert(plan.seed, report.trace.clone());
        self.marks.add(report.marks);
        self.simulated_ns += totals.simulated_ns;
        self.events += totals.events;
        self.acknowledged += totals.acknowledged;
        self.stale_refused += totals.stale_refused;
        let slowest = |max: u64, this: Option<u64>| max.max(this.unwrap_or(0));
        self.converged_after_ns_max =
            slowest(self.converged_after_ns_max, totals.converged_after_ns);
        self.progress_after_ns_max = slowest(self.progress_after_ns_max, totals.progress_after_ns);
        if let Some(violation) = &report.violation {
            *self.violations.entry(violation.checker).or_default() += 1;
            self.failures.push((plan, report));
        }
    }
}

/// Runs the seeds.
#[must_use]
pub fn soak(order: &Order, progress: impl Fn(&Harvest) + Sync) -> Harvest {
    let (begun, next) = (Instant::now(), AtomicU64::new(0));
    let seeds = order.seeds.unwrap_or(u64::MAX);
    let is_spent = || {
        order
            .patience
            .is_some_and(|patience| begun.elapsed() >= patience)
    };
    let harvest = Mutex::new(Harvest::default());
    std::thread::scope(|scope| {
        for _ in 0..order.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds || is_spent() {
                        return;
                    }
                    let mut plan = swarm::expand_for(order.start.wrapping_add(number), order.focus);
                    plan.mutant.clone_from(&order.mutant);
                    let report = des::run(&plan, Options::default());
                    let Ok(mut harvest) = harvest.lock() else {
                        return;
                    };
                    harvest.add(plan, report);
                    let wall = begun.elapsed().as_nanos();
                    harvest.wall_ns = u64::try_from(wall).unwrap_or(u64::MAX);
                    progress(&harvest);
                    if harvest.failures.len() >= order.failures_max {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                        return;
                    }
                }
            });
        }
    });
    let mut harvest = harvest
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    harvest.failures.sort_by_key(|(plan, _)| plan.seed);
    harvest
}
