//! The engine `madsim`: runs a plan on the tokio adapter's own source, TLS included, in a simulated
//! runtime.
//!
//! What it shares with `des` is the plan. Its world is another one: tasks, sockets and time are
//! simulated, the driver, the connection pump and TLS are the shipped ones. Ring's random bytes are
//! not seeded, so no byte of a TLS stream enters the trace; nothing that is traced depends on them.
//!
//! What a plan can say and this engine cannot do is refused by name, never skipped: see `limits`.

#[cfg(madsim)]
mod cluster;
#[cfg(madsim)]
mod disk;
#[cfg(madsim)]
mod faults;
mod limits;
#[cfg(madsim)]
mod member;
#[cfg(madsim)]
mod papers;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod verdict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quorate_sim::named::Named;
use quorate_sim::plan::Plan;
use quorate_sim::scenarios;

/// Exit code of a violation.
#[cfg(madsim)]
const VIOLATION: u8 = 1;
/// Exit code of a wrong call.
const USAGE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "madsim",
    about = "Runs plans on the tokio adapter in a simulated runtime."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name the scenarios.
    List,
    /// Run a scenario or a plan file.
    Run {
        /// Its name, or the path of a scenario or plan file.
        what: String,
        /// The seed; without it the one that the file names, or 1.
        #[arg(long)]
        seed: Option<u64>,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::List => {
            for scenario in scenarios::ALL.iter().filter_map(|story| story.read().ok()) {
                println!("{:<16} {}", scenario.name, scenario.about);
            }
            ExitCode::SUCCESS
        }
        Verb::Run { what, seed, json } => {
            let named = Named::find(&what);
            match named.and_then(|named| named.plan_within(seed, &limits::LIMITS)) {
                Ok(plan) => run(plan, json),
                Err(why) => usage(&why.to_string()),
            }
        }
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(USAGE)
}

/// Without the cfg the sockets would be real ones, and the run would prove nothing.
#[cfg(not(madsim))]
fn run(_plan: Plan, _json: bool) -> ExitCode {
    usage(
        "built without the madsim engine: RUSTFLAGS in the environment replaces its cfg; unset it",
    )
}

#[cfg(madsim)]
fn run(plan: Plan, json: bool) -> ExitCode {
    let report = run::on_a_fresh_thread(plan);
    report.print(json);
    if report.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(VIOLATION)
    }
}
