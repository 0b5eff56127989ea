//! The hunt for planted bugs: each is run under seed after seed until a checker catches it. One
//! that survives is a hole in the checkers or in the faults.
//!
//! A build without the feature `mutants` knows no bug.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::engine::des::{self, Options};
use crate::report::Report;
use crate::swarm;

/// What became of one bug.
#[derive(Clone, Debug, Serialize)]
pub struct Hunt {
    /// Its name.
    pub mutant: &'static str,
    /// What is wrong with it.
    pub about: &'static str,
    /// The checker that caught it; none if it survived.
    pub checker: Option<&'static str>,
    /// What the checker saw.
    pub what: Option<String>,
    /// The first seed that was seen to catch it.
    pub seed: Option<u64>,
    /// Runs made.
    pub runs: u64,
    /// The wall clock time it took.
    pub wall_ms: u64,
}

/// The names of the bugs that can be planted, and what is wrong with each.
#[cfg(feature = "mutants")]
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    let all = quorate_core::mutant::Mutant::ALL.iter();
    all.map(|mutant| (mutant.name(), mutant.about().trim()))
        .collect()
}

/// None can be planted.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub fn all() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}

/// Runs seeds, from the first, until one catches the bug or the time is over.
#[must_use]
pub fn hunt(
    (mutant, about): (&'static str, &'static str),
    threads: usize,
    patience: Duration,
) -> Hunt {
    let (begun, next, is_over) = (Instant::now(), AtomicU64::new(0), AtomicBool::new(false));
    let caught: Mutex<Option<Report>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && begun.elapsed() < patience {
                    let mut plan = swarm::expand(next.fetch_add(1, Ordering::Relaxed));
                    plan.mutant = Some(mutant.to_string());
                    let report = des::run(&plan, Options::default());
                    if report.violation.is_none() {
                        continue;
                    }
                    is_over.store(true, Ordering::Relaxed);
                    if let Ok(mut caught) = caught.lock() {
                        caught.get_or_insert(report);
                    }
                }
            });
        }
    });
    let caught = caught
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let seed = caught.as_ref().map(|report| report.seed);
    let violation = caught.and_then(|report| report.violation);
    Hunt {
        mutant,
        about,
        checker: violation.as_ref().map(|violation| violation.checker),
        what: violation.map(|violation| violation.what),
        seed,
        runs: next.into_inner(),
        wall_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}
