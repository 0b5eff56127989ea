//! Two contenders that take turns.

use std::time::Duration;

use serde::Serialize;

/// One figure: ours beside theirs, from one run.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The benchmark.
    pub bench: &'static str,
    /// What was measured.
    pub case: String,
    /// Of both figures.
    pub unit: &'static str,
    /// The median of ours.
    pub ours: f64,
    /// Who the other is.
    pub peer: &'static str,
    /// The median of theirs.
    pub theirs: f64,
    /// Above 1: ours is better. The median over the rounds of each round's own ratio.
    pub ratio: f64,
    /// The lowest and the highest ratio of a round.
    pub spread: (f64, f64),
}

impl Figure {
    /// Prints it, as a row or as one JSON object.
    ///
    /// # Errors
    /// Never, for this type.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            let (low, high) = self.spread;
            println!(
                "{} {:<28} ours {:>12} {unit}   {} {:>12} {unit}   ratio {:.2} [{low:.2}..{high:.2}]",
                self.bench,
                self.case,
                short(self.ours),
                self.peer,
                short(self.theirs),
                self.ratio,
                unit = self.unit,
            );
        }
        Ok(())
    }
}

/// Lets both do the same `work` in turns, `rounds` times, and compares their rates.
pub fn compare(
    (bench, case, peer): (&'static str, String, &'static str),
    work: u64,
    rounds: u32,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> Figure {
    let rate = |took: Duration| work as f64 / took.as_secs_f64();
    let (mut us, mut them, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        // Who goes first alternates; the first round warms up.
        let (a, b) = if round % 2 == 0 {
            let a = rate(ours());
            (a, rate(theirs()))
        } else {
            let b = rate(theirs());
            (rate(ours()), b)
        };
        if round > 0 {
            us.push(a);
            them.push(b);
            ratios.push(a / b);
        }
    }
    let (ours, theirs, ratio) = (median(&mut us), median(&mut them), median(&mut ratios));
    let spread = (ratios[0], ratios[ratios.len() - 1]);
    Figure {
        bench,
        case,
        unit: "1/s",
        ours,
        peer,
        theirs,
        ratio,
        spread,
    }
}

/// Small figures with their decimals, large ones without.
fn short(value: f64) -> String {
    let decimals = if value < 100.0 { 2 } else { 0 };
    format!("{value:.decimals$}")
}

/// Sorts, and takes the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
