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

/// One of several who take turns, and what it measures in one turn.
pub struct Contender<'a> {
    /// Who it is.
    pub name: &'static str,
    /// Plays one turn: one value per measure.
    pub play: Box<dyn FnMut() -> Vec<f64> + 'a>,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Behind the case's name.
    pub what: &'static str,
    /// Of the value.
    pub unit: &'static str,
    /// Whether more is better.
    pub is_more_better: bool,
}

/// What all have played: per contender and round, one value per measure.
pub struct Board {
    names: Vec<&'static str>,
    played: Vec<Vec<Vec<f64>>>,
}

/// Lets all play in turns. Who goes first changes; the first round warms up.
pub fn play_in_turns(rounds: u32, mut contenders: Vec<Contender<'_>>) -> Board {
    let count = contenders.len();
    let mut played: Vec<Vec<Vec<f64>>> = vec![Vec::new(); count];
    for round in 0..=rounds as usize {
        for turn in 0..count {
            let who = (round + turn) % count;
            let values = (contenders[who].play)();
            if round > 0 {
                played[who].push(values);
            }
        }
    }
    let names = contenders.iter().map(|contender| contender.name).collect();
    Board { names, played }
}

impl Board {
    /// Compares the first with each of the others, by each measure.
    pub fn first_with_all(&self, bench: &'static str, case: &str, by: &[Measure]) -> Vec<Figure> {
        let others = 1..self.names.len();
        let figures = others.flat_map(|other| self.compare(bench, case, by, (0, other)));
        figures.collect()
    }

    /// Compares one with another, by each measure.
    pub fn compare(
        &self,
        bench: &'static str,
        case: &str,
        by: &[Measure],
        (us, them): (usize, usize),
    ) -> Vec<Figure> {
        let mut figures = Vec::new();
        for (at, measure) in by.iter().enumerate() {
            let column = |who: usize| -> Vec<f64> {
                self.played[who].iter().map(|values| values[at]).collect()
            };
            let (mut ours, mut theirs) = (column(us), column(them));
            let ratio = |(a, b): (&f64, &f64)| if measure.is_more_better { a / b } else { b / a };
            let mut ratios: Vec<f64> = ours.iter().zip(&theirs).map(ratio).collect();
            let ratio = median(&mut ratios);
            figures.push(Figure {
                bench,
                case: format!("{case}{}", measure.what),
                unit: measure.unit,
                ours: median(&mut ours),
                peer: self.names[them],
                theirs: median(&mut theirs),
                ratio,
                spread: (ratios[0], ratios[ratios.len() - 1]),
            });
        }
        figures
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
