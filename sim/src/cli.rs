//! The command line. Exit codes: 0 all is well, 1 a violation or an unmet expectation, 2 wrong
//! usage, 3 two runs of one plan differed.

mod bench;
mod debugging;
mod flight;
mod run;
mod soak;
mod view;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::mutants;
use crate::report::Report;

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
    Soak(soak::Args),
    /// Run seeds in two processes and compare their traces.
    Check(soak::Check),
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
        Verb::Soak(args) => soak::run(&args, cli.json),
        Verb::Check(args) => soak::check(&args, cli.json),
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
