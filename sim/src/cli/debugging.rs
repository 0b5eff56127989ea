//! The verbs that take a failing plan apart.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::{OK, complain, mutant_problem, say, usage};
use crate::plan::{Plan, PlanError};
use crate::shrink;

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Find a small plan that fails the same checker as this one.
    Shrink {
        /// The failing plan's file.
        plan: PathBuf,
        /// Timings under which each smaller plan is tried.
        #[arg(long, default_value_t = 32)]
        retime: usize,
        /// Begin no new attempt after so many runs.
        #[arg(long, default_value_t = 20_000)]
        runs: usize,
        /// Threads; all cores without it.
        #[arg(short = 'j', long)]
        jobs: Option<usize>,
        /// Where the small plan goes; beside the plan, as `.min.plan.toml`, without it.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

impl Verb {
    pub(super) fn run(self, json: bool) -> u8 {
        match self {
            Verb::Shrink {
                plan,
                retime,
                runs,
                jobs,
                output,
            } => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let order = shrink::Order {
                    retime: retime.max(1),
                    threads: jobs.unwrap_or(cores),
                    runs_max: runs,
                };
                let output = output.unwrap_or_else(|| beside(&plan));
                read(&plan).map_or_else(
                    |problem| usage(&problem),
                    |given| shrink_plan(&given, order, &output, json),
                )
            }
        }
    }
}

/// A plan that this build can carry out.
fn read(path: &Path) -> Result<Plan, String> {
    let plan = Plan::read(path).map_err(|error: PlanError| error.to_string())?;
    match plan.mutant.as_deref().and_then(mutant_problem) {
        Some(problem) => Err(problem),
        None => Ok(plan),
    }
}

fn beside(plan: &Path) -> PathBuf {
    let name = plan.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".toml").trim_end_matches(".plan");
    plan.with_file_name(format!("{stem}.min.plan.toml"))
}

fn shrink_plan(plan: &Plan, order: shrink::Order, output: &Path, json: bool) -> u8 {
    if !json {
        let faults = plan.faults.len();
        complain(&format!(
            "shrinking {}: {faults} faults, {} nodes",
            plan.name, plan.nodes
        ));
    }
    let Some(shrunk) = shrink::shrink(plan, order) else {
        return usage(&format!(
            "{} violates nothing; there is nothing to shrink",
            plan.name
        ));
    };
    if let Err(error) = shrunk.plan.write(output) {
        return usage(&error.to_string());
    }
    if json {
        let mut object = json!(shrunk);
        object["ok"] = true.into();
        object["plan"] = output.display().to_string().into();
        say(&object.to_string());
        return OK;
    }
    let millis = shrunk.wall_ns / 1_000_000;
    say(&format!(
        "faults {} -> {}, nodes {} -> {}, {} ms -> {} ms; {} runs in {}.{:03} s",
        shrunk.faults_before,
        shrunk.faults_after,
        shrunk.nodes[0],
        shrunk.nodes[1],
        shrunk.end_ms[0],
        shrunk.end_ms[1],
        shrunk.runs,
        millis / 1_000,
        millis % 1_000,
    ));
    say(&format!(
        "VIOLATION {}: {}",
        shrunk.violation.checker, shrunk.violation.what
    ));
    say(&format!("written to {}", output.display()));
    OK
}
