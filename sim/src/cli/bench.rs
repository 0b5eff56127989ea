//! The verb that measures the simulator itself.

use clap::{Args as Arguments, ValueEnum};
use serde_json::json;

use super::{OK, VIOLATED, complain, say, usage};
use crate::bench::{self, Goal, Outcome, Row};
use crate::{meter, mutants};

#[derive(Arguments, Debug)]
pub(super) struct Args {
    /// Only these cases; all but `shrink` and `day` without it.
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Threads; all cores without it.
    #[arg(short = 'j', long)]
    jobs: Option<usize>,
    /// Plans of the case `chaos`.
    #[arg(long, default_value_t = 400)]
    plans: usize,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Simulated hours of five nodes under chaos in a minute, on all cores.
    Chaos,
    /// The mean cost of one step of a node.
    Step,
    /// A hundred nodes for one simulated hour.
    Hundred,
    /// A thousand nodes for a simulated minute, from the first start on.
    Thousand,
    /// Whether five nodes hold more after 24 simulated hours than before.
    Day,
    /// How small failing plans become, and how soon; needs a build with bugs.
    Shrink,
}

impl Case {
    const USUAL: [Case; 4] = [Case::Chaos, Case::Step, Case::Hundred, Case::Thousand];
}

pub(super) fn run(args: &Args, json: bool) -> u8 {
    let cases = match args.cases.as_slice() {
        [] => &Case::USUAL[..],
        chosen => chosen,
    };
    if cases.contains(&Case::Shrink) && mutants::all().is_empty() {
        return usage("no bug can be planted; build with `--features mutants`");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.jobs.unwrap_or(cores);
    if !json {
        let load = meter::load().unwrap_or_else(|| "unknown".to_string());
        say(&format!(
            "{threads} threads on {cores} cores; load before: {load}; all checkers are on"
        ));
    }
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for case in cases {
        let outcome = measure(*case, threads, args.plans.max(1));
        if !json {
            outcome.rows.iter().for_each(|row| say(&line(row)));
        }
        outcome
            .problems
            .iter()
            .for_each(|problem| complain(problem));
        rows.extend(outcome.rows);
        problems.extend(outcome.problems);
    }
    let is_met = rows.iter().all(Row::is_met) && problems.is_empty();
    if json {
        let figures: Vec<_> = rows.iter().map(object).collect();
        let object = json!({
            "ok": is_met, "threads": threads, "cores": cores, "load": meter::load(),
            "figures": figures, "problems": problems,
        });
        say(&object.to_string());
    }
    if is_met { OK } else { VIOLATED }
}

fn measure(case: Case, threads: usize, plans: usize) -> Outcome {
    match case {
        Case::Chaos => bench::chaos(threads, plans),
        Case::Step => bench::step_cost(plans.div_ceil(10)),
        Case::Hundred => bench::hundred(),
        Case::Thousand => bench::thousand(),
        Case::Day => bench::day(),
        Case::Shrink => bench::shrinking(threads, complain),
    }
}

fn object(row: &Row) -> serde_json::Value {
    let mut object = json!(row);
    if row.goal.is_some() {
        object["met"] = row.is_met().into();
    }
    object
}

fn line(row: &Row) -> String {
    let judged = |goal: String| match row.is_met() {
        true => format!("  goal {goal}: met"),
        false => format!("  goal {goal}: MISSED"),
    };
    let goal = row.goal.map_or_else(String::new, |goal| match goal {
        Goal::AtLeast(least) => judged(format!(">= {least}")),
        Goal::AtMost(most) => judged(format!("<= {most}")),
    });
    let Row {
        case,
        figure,
        value,
        unit,
        ..
    } = row;
    format!("{case:<33} {figure:<37} {value:>10.1} {unit:<6}{goal}")
        .trim_end()
        .to_string()
}
