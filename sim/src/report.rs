//! What a run came to.

use serde::Serialize;

use crate::checkers::Violation;
use crate::marks::Marks;
use crate::plan::Plan;
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
    /// Distinct acknowledged writes.
    pub acknowledged: u64,
    /// Writes refused for their epoch.
    pub stale_refused: u64,
    /// Terms that had a leader.
    pub leaders: u64,
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
    /// What the plan expected in vain.
    pub unmet: Vec<String>,
    /// Numbers.
    pub totals: Totals,
    /// The named situations that occurred.
    pub marks: Marks,
    /// The story, if it was wanted.
    #[serde(skip)]
    pub timeline: Vec<String>,
}

impl Report {
    /// Judges the expectations of the plan.
    #[must_use]
    pub fn new(
        plan: &Plan,
        fingerprint: Fingerprint,
        violation: Option<Violation>,
        totals: Totals,
        marks: Marks,
        timeline: Option<Vec<String>>,
    ) -> Report {
        let rows = [
            ("leaders", plan.expect.leaders_min, totals.leaders),
            (
                "acknowledged writes",
                plan.expect.acknowledged_min,
                totals.acknowledged,
            ),
            (
                "writes refused as stale",
                plan.expect.stale_refused_min,
                totals.stale_refused,
            ),
        ];
        let unmet = rows.into_iter().filter(|(_, least, found)| found < least);
        let unmet =
            unmet.map(|(what, least, found)| format!("{found} {what}, expected at least {least}"));
        Report {
            name: plan.name.clone(),
            seed: plan.seed,
            trace: format!("{:016x}", fingerprint.trace),
            fingerprint: format!("{:016x}-{:08x}", fingerprint.trace, fingerprint.draws >> 32),
            unmet: unmet.collect(),
            violation,
            totals,
            marks,
            timeline: timeline.unwrap_or_default(),
        }
    }

    /// Nothing was broken and everything expected came.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.violation.is_none() && self.unmet.is_empty()
    }
}
