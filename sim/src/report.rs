//! What a run came to.

use std::fmt;

use serde::Serialize;

use crate::checkers::Violation;
use crate::marks::Marks;
use crate::plan::Plan;
use crate::span::Span;
use crate::steps::Steps;

/// Numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Simulated time.
    pub simulated_ns: u64,
    /// Steps of all nodes.
    pub events: u64,
    /// The same by kind.
    pub steps: Steps,
    /// What they asked for.
    pub actions: u64,
    /// Messages handed to connections.
    pub messages: u64,
    /// What senders sent.
    pub sends: u64,
    /// Distinct acknowledged writes.
    pub acknowledged: u64,
    /// Confirmed reads.
    pub reads: u64,
    /// Writes refused for their epoch.
    pub stale_refused: u64,
    /// Terms that had a leader.
    pub leaders: u64,
    /// The highest term of any node.
    pub terms: u64,
    /// The longest time between two acknowledgements.
    pub longest_gap_ns: u64,
    /// From the heal until all member lists agreed for good.
    pub converged_after_ns: Option<u64>,
    /// From the heal until a write begun after it was acknowledged.
    pub progress_after_ns: Option<u64>,
    last_acknowledged_ns: u64,
}

impl Totals {
    /// A write was acknowledged.
    pub fn gap(&mut self, now: u64) {
        if self.last_acknowledged_ns > 0 {
            self.longest_gap_ns = self.longest_gap_ns.max(now - self.last_acknowledged_ns);
        }
        self.last_acknowledged_ns = now;
    }
}

/// Two numbers that two runs of one plan must agree in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The trace hash.
    pub trace: u64,
    /// What the world's random streams would have drawn next.
    pub draws: u64,
}

/// What became of an expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// As a scenario says it.
    pub expected: String,
    /// What was found instead, or how it was met.
    pub found: String,
    /// Whether it was met.
    pub met: bool,
    /// When that was decided, in simulated nanoseconds.
    pub at_ns: u64,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Span::from_ns(self.at_ns);
        write!(
            f,
            "expected {}; found at {at}: {}",
            self.expected, self.found
        )
    }
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The plan's name.
    pub name: String,
    /// Its seed.
    pub seed: u64,
    /// The trace hash: 16 hex digits.
    pub trace: String,
    /// The trace hash and what the world's random streams would have drawn next.
    pub fingerprint: String,
    /// What was broken, if anything; the run ended there.
    pub violation: Option<Violation>,
    /// What the plan expected, and what was found.
    pub expectations: Vec<Judged>,
    /// Numbers.
    pub totals: Totals,
    /// The named situations that occurred.
    pub marks: Marks,
    /// The story, if it was wanted.
    #[serde(skip)]
    pub timeline: Vec<String>,
}

impl Report {
    /// The report of a run in which nothing was broken.
    #[must_use]
    pub fn new(
        plan: &Plan,
        fingerprint: Fingerprint,
        totals: Totals,
        expectations: Vec<Judged>,
    ) -> Report {
        Report {
            name: plan.name.clone(),
            seed: plan.seed,
            trace: format!("{:016x}", fingerprint.trace),
            fingerprint: format!("{:016x}-{:08x}", fingerprint.trace, fingerprint.draws >> 32),
            expectations,
            violation: None,
            totals,
            marks: Marks::default(),
            timeline: Vec::new(),
        }
    }

    /// What the plan expected in vain.
    pub fn unmet(&self) -> impl Iterator<Item = &Judged> {
        self.expectations.iter().filter(|judged| !judged.met)
    }

    /// Nothing was broken and everything expected came.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.violation.is_none() && self.unmet().next().is_none()
    }
}
