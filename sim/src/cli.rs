//! The command line. Exit codes: 0 all is well, 1 a violation or an unmet expectation, 2 wrong
//! usage, 3 two runs of one plan differed.

mod bench;
mod debugging;
mod flight;
mod run;
mod view;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::marks::{Mark, Marks};
use crate::mutants;
use crate::report::Report;
use crate::soak::{self, Harvest, Order};

const OK: u8 = 0;
const VIOLATED: u8 = 1;
const USAGE: u8 = 2;
const NONDETERMINISTIC: u8 = 3;

/// Runs the shipping state machines in a simulated world full of faults.
#[derive(Parser, Debug)]
#[command(name = "sim", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show the scenarios, and the bugs that can be planted.
    List,
    /// Run one scenario, or a plan file, and tell its story.
    Run(run::Args),
    /// Run many seeds; write the plans that fail to `failures/`.
    Soak {
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// Threads; all cores without it.
        #[arg(short = 'j', long)]
        jobs: Option<usize>,
        /// Plant this bug in every node.
        #[arg(long)]
        mutant: Option<String>,
        /// Stop after so many violations.
        #[arg(long, default_value_t = 10)]
        failures: usize,
        /// Plant every bug in turn, each until it is caught.
        #[arg(long, conflicts_with_all = ["mutant", "seeds", "start"])]
        mutants: bool,
        /// List the named situations that never occurred.
        #[arg(long)]
        marks: bool,
    },
    #[command(flatten)]
    Debugging(debugging::Verb),
    /// Measure how fast the simulator is.
    Bench(bench::Args),
    /// Draw a run: one HTML file with a diagram of all nodes over time.
    View(view::Args),
}

/// What carries a plan out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The event loop of this program.
    Des,
    /// The tokio adapter on a simulated runtime: another program, `cargo madsim`.
    Madsim,
}

/// Reads the arguments and does as they say.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    ExitCode::from(match cli.verb {
        Verb::List => run::list(cli.json),
        Verb::Run(args) => args.run(cli.json),
        Verb::Soak {
            seeds,
            start,
            jobs,
            mutant,
            failures,
            mutants,
            marks,
        } => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = jobs.unwrap_or(cores);
            if mutants {
                return ExitCode::from(hunt_mutants(threads, cli.json));
            }
            soak_seeds(
                &Order {
                    start,
                    seeds,
                    threads,
                    mutant,
                    failures_max: failures,
                },
                marks,
                cli.json,
            )
        }
        Verb::Debugging(verb) => verb.run(cli.json),
        Verb::Bench(args) => bench::run(&args, cli.json),
        Verb::View(args) => view::run(&args, cli.json),
    })
}

fn names() -> Vec<&'static str> {
    mutants::all().into_iter().map(|(name, _)| name).collect()
}

fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let millis = |ns: Option<u64>| ns.map_or("never".into(), |ns| format!("{} ms", ns / 1_000_000));
    let mut text = format!(
        "{} seed {}: {} s simulated, {} steps, {} messages\n\
         {} writes acknowledged, {} refused as stale, {} terms led, longest gap {} ms\n\
         after the heal: first write {}, member lists agree {}",
        report.name,
        report.seed,
        totals.simulated_ns / 1_000_000_000,
        totals.events,
        totals.messages,
        totals.acknowledged,
        totals.stale_refused,
        totals.leaders,
        totals.longest_gap_ns / 1_000_000,
        millis(totals.progress_after_ns),
        millis(totals.converged_after_ns),
    );
    for judged in &report.expectations {
        let met = if judged.met { "met" } else { "UNMET" };
        text.push_str(&format!("\n{met} {judged}"));
    }
    match &report.violation {
        Some(violation) => {
            text.push_str(&format!(
                "\nVIOLATION {}: {}",
                violation.checker, violation.what
            ));
        }
        None => text.push_str("\nno property violated"),
    }
    text
}

/// How long one planted bug may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn hunt_mutants(threads: usize, json: bool) -> u8 {
    let all = mutants::all();
    if all.is_empty() {
        return usage("no bug can be planted; build with `--features mutants`");
    }
    let mut hunts = Vec::new();
    for mutant in all {
        let hunt = mutants::hunt(mutant, threads, PATIENCE);
        if !json {
            say(&format!(
                "{:<30} {:<28} {:>6} seeds {:>4}.{} s",
                hunt.mutant,
                hunt.checker.unwrap_or("SURVIVED"),
                hunt.runs,
                hunt.wall_ms / 1_000,
                hunt.wall_ms % 1_000 / 100,
            ));
        }
        hunts.push(hunt);
    }
    let survivors = hunts.iter().filter(|hunt| hunt.checker.is_none()).count();
    if json {
        say(&json!({ "ok": survivors == 0, "mutants": hunts }).to_string());
    } else {
        say(&format!("{} mutants, {survivors} survived", hunts.len()));
    }
    if survivors == 0 { OK } else { VIOLATED }
}

fn say_marks(marks: Marks, list: bool) {
    say(&format!("marks hit {}/{}", marks.count(), Mark::ALL.len()));
    for mark in marks.missing().filter(|_| list) {
        say(&format!("  never {}: {}", mark.name(), mark.about().trim()));
    }
}

fn soak_seeds(order: &Order, marks: bool, json: bool) -> u8 {
    if let Some(problem) = order.mutant.as_deref().and_then(mutant_problem) {
        return usage(&problem);
    }
    let every = (order.seeds / 10).max(1);
    let harvest = soak::soak(order, |harvest| {
        if !json && harvest.runs.is_multiple_of(every) {
            complain(&format!(
                "{} of {} seeds, {}",
                harvest.runs,
                order.seeds,
                pace(harvest)
            ));
        }
    });
    let mut files = Vec::new();
    for (plan, report) in &harvest.failures {
        let Some(violation) = &report.violation else {
            continue;
        };
        let path = format!("failures/{}-{}.plan", violation.checker, plan.seed);
        if let Err(error) = plan.write(Path::new(&path)) {
            return usage(&error.to_string());
        }
        if !json {
            say(&format!(
                "seed {} VIOLATION {}: {}",
                plan.seed, violation.checker, violation.what
            ));
            let features = if plan.mutant.is_some() {
                " --features mutants"
            } else {
                ""
            };
            say(&format!(
                "replay: cargo run --release -p quorate-sim{features} -- replay {path}"
            ));
        }
        files.push(path);
    }
    say_harvest(&harvest, files, marks, json);
    if harvest.failures.is_empty() {
        OK
    } else {
        VIOLATED
    }
}

fn say_harvest(harvest: &Harvest, plans: Vec<String>, marks: bool, json: bool) {
    if json {
        let (per_second, hours) = (harvest.seeds_per_second_milli(), harvest.hours_per_minute());
        let mut object = json!(harvest);
        object["ok"] = harvest.failures.is_empty().into();
        object["seeds_per_second_milli"] = per_second.into();
        object["simulated_hours_per_minute"] = hours.into();
        object["plans"] = plans.into();
        say(&object.to_string());
    } else {
        tell(harvest, marks);
    }
}

fn tell(harvest: &Harvest, marks: bool) {
    say(&format!(
        "{} seeds, {}; {} writes acknowledged, {} refused as stale",
        harvest.runs,
        pace(harvest),
        harvest.acknowledged,
        harvest.stale_refused,
    ));
    say(&format!(
        "slowest after a heal: first write {} ms, member lists agree {} ms",
        harvest.progress_after_ns_max / 1_000_000,
        harvest.converged_after_ns_max / 1_000_000,
    ));
    say_marks(harvest.marks, marks);
    let violations: u64 = harvest.violations.values().sum();
    say(&format!("{violations} violations"));
    for (checker, times) in &harvest.violations {
        say(&format!("  {times} of {checker}"));
    }
}

fn pace(harvest: &Harvest) -> String {
    let milli = harvest.seeds_per_second_milli();
    format!(
        "{}.{} seeds/s, {} simulated hours per minute",
        milli / 1_000,
        milli % 1_000 / 100,
        harvest.hours_per_minute(),
    )
}

/// Why a bug cannot be planted: a build without bugs must not pass for one that survived them.
fn mutant_problem(name: &str) -> Option<String> {
    let names = names();
    if names.is_empty() {
        return Some(format!(
            "mutant `{name}` needs a build with `--features mutants`"
        ));
    }
    let is_known = names.contains(&name);
    (!is_known).then(|| format!("no mutant `{name}`; there are {}", names.join(", ")))
}

fn usage(problem: &str) -> u8 {
    complain(&format!("error: {problem}"));
    USAGE
}

/// A closed pipe is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
