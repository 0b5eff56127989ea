//! Two contenders that take turns.

use std::fmt;
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
    /// What must be reached, if anything.
    pub goal: Option<Goal>,
    /// Whether it is.
    pub is_met: Option<bool>,
}

/// What a figure must reach.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Ours is so much or more.
    AtLeast(f64),
    /// Ours is so much or less.
    AtMost(f64),
    /// The ratio is so much or more.
    Ratio(f64),
    /// Theirs lies within so many percent of what was published: the simulator is right.
    TheirsNear(f64, f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::AtLeast(least) => write!(f, "≥ {least}"),
            Goal::AtMost(most) => write!(f, "≤ {most}"),
            Goal::Ratio(least) => write!(f, "ratio ≥ {least}"),
            Goal::TheirsNear(value, percent) => write!(f, "theirs {value} ± {percent} %"),
        }
    }
}

impl Figure {
    /// The same figure with what it must reach.
    pub fn with_goal(mut self, goal: Goal) -> Figure {
        let is_met = match goal {
            Goal::AtLeast(least) => self.ours >= least,
            Goal::AtMost(most) => self.ours <= most,
            Goal::Ratio(least) => self.ratio >= least,
            Goal::TheirsNear(value, percent) => {
                (self.theirs - value).abs() <= value * percent / 100.0
            }
        };
        (self.goal, self.is_met) = (Some(goal), Some(is_met));
        self
    }

    /// Prints it, as a row or as one JSON object.
    ///
    /// # Errors
    /// Never, for this type.
    pub fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            let (low, high) = self.spread;
            let goal = match (&self.goal, self.is_met) {
                (Some(goal), Some(true)) => format!("   goal {goal}: met"),
                (Some(goal), _) => format!("   goal {goal}: MISSED"),
                (None, _) => String::new(),
            };
            let Figure {
                bench, case, unit, ..
            } = self;
            println!(
                "{bench} {case:<28} ours {:>12} {unit}   {} {:>12} {unit}   \
                 ratio {:.2} [{low:.2}..{high:.2}]{goal}",
                short(self.ours),
                self.peer,
                short(self.theirs),
                self.ratio,
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
        goal: None,
        is_met: None,
    }
}

/// A figure from pairs (ours, theirs), each of which comes from the same seed or seeds.
pub struct Paired {
    bench: &'static str,
    case: String,
    unit: &'static str,
    peer: &'static str,
}

impl Paired {
    /// A figure to be.
    pub fn new(
        bench: &'static str,
        case: String,
        unit: &'static str,
        peer: &'static str,
    ) -> Paired {
        Paired {
            bench,
            case,
            unit,
            peer,
        }
    }

    /// Less is better.
    pub fn less_is_better(self, pairs: &[(f64, f64)]) -> Figure {
        self.by(pairs, |(ours, theirs)| theirs / ours)
    }

    /// Counts, which may be 0, and of which fewer are better: one is added to both before they are
    /// divided.
    pub fn fewer_is_better(self, pairs: &[(f64, f64)]) -> Figure {
        self.by(pairs, |(ours, theirs)| (theirs + 1.0) / (ours + 1.0))
    }

    /// The same, of which more are better.
    pub fn more_is_better(self, pairs: &[(f64, f64)]) -> Figure {
        self.by(pairs, |(ours, theirs)| (ours + 1.0) / (theirs + 1.0))
    }

    fn by(self, pairs: &[(f64, f64)], ratio: impl Fn(&(f64, f64)) -> f64) -> Figure {
        let mut ours: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let mut theirs: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let mut ratios: Vec<f64> = pairs.iter().map(ratio).collect();
        let ratio = median(&mut ratios);
        Figure {
            bench: self.bench,
            case: self.case,
            unit: self.unit,
            ours: median(&mut ours),
            peer: self.peer,
            theirs: median(&mut theirs),
            ratio,
            spread: (ratios[0], ratios[ratios.len() - 1]),
            goal: None,
            is_met: None,
        }
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
                goal: None,
                is_met: None,
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
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 500)
}

/// Sorts, and takes the value that so many of a thousand do not exceed.
pub fn quantile(values: &mut [f64], permille: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * permille / 1000).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// The sum divided by the number.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
