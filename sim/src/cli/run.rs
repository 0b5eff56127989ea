//! The verbs `list` and `run`.

use std::path::PathBuf;

use serde_json::json;

use super::{
    Engine, NONDETERMINISTIC, OK, VIOLATED, complain, debugging, mutant_problem, names, say,
    summary, usage,
};
use crate::engine::des::{self, Options};
use crate::named::{Named, SWARM};
use crate::plan::Plan;
use crate::report::Report;
use crate::scenario::Seeds;
use crate::scenarios;

/// What shall be run, and how.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A scenario's name, a scenario or plan file, or `swarm` for what the seed draws.
    what: String,
    /// The seed; without it the one that the file names, or 1.
    #[arg(long)]
    seed: Option<u64>,
    /// What carries the plan out.
    #[arg(long, value_enum, default_value_t = Engine::Des)]
    engine: Engine,
    /// Run twice and compare the traces.
    #[arg(long)]
    check: bool,
    /// No story, only how it ended.
    #[arg(long)]
    quiet: bool,
    /// Write the plan, in which nothing is left to chance, to this file as well.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Write every event to this file, to be compared by `sim diff`.
    #[arg(long)]
    trace_out: Option<PathBuf>,
}

pub(super) fn list(json: bool) -> u8 {
    let stories = scenarios::ALL.iter().filter_map(|story| story.read().ok());
    let rows: Vec<(String, String)> = stories.map(|it| (it.name, it.about)).collect();
    if json {
        let rows = rows
            .iter()
            .map(|(name, about)| json!({ "name": name, "about": about }));
        let rows: Vec<_> = rows.collect();
        say(&json!({ "scenarios": rows, "mutants": names() }).to_string());
        return OK;
    }
    rows.iter()
        .for_each(|(name, about)| say(&format!("{name:<16} {about}")));
    say(&format!("{SWARM:<16} what the seed draws from everything"));
    say(&format!("mutants: {}", names().join(" ")));
    OK
}

impl Args {
    pub(super) fn run(&self, json: bool) -> u8 {
        if self.engine == Engine::Madsim {
            let seed = self
                .seed
                .map_or(String::new(), |seed| format!(" --seed {seed}"));
            return usage(&format!(
                "this program carries plans out by itself; for the tokio adapter run \
                 `cargo madsim run {}{seed}`",
                self.what
            ));
        }
        let named = match Named::find(&self.what) {
            Ok(named) => named,
            Err(error) => return usage(&error.to_string()),
        };
        let seeds = self.seed.map_or(named.seeds(), Seeds::one);
        if seeds.first < seeds.last {
            if self.save.is_some() || self.trace_out.is_some() {
                return usage("--save and --trace-out are for one seed; name it by --seed");
            }
            return self.run_all(&named, seeds, json);
        }
        let prepared = named.plan(seeds.first).map_err(|error| error.to_string());
        let prepared = prepared.and_then(|plan| {
            if let Some(problem) = plan.mutant.as_deref().and_then(mutant_problem) {
                return Err(problem);
            }
            let saved = self.save.as_deref().map_or(Ok(()), |path| plan.write(path));
            saved.map_err(|error| error.to_string())?;
            let traced = self.trace_out.as_deref();
            traced.map_or(Ok(()), |path| debugging::write_trace(&plan, path))?;
            Ok(plan)
        });
        match prepared {
            Ok(plan) => run(&plan, self.check, self.quiet, json),
            Err(problem) => usage(&problem),
        }
    }

    /// One line a seed; the story of one is for `--seed`.
    fn run_all(&self, named: &Named, seeds: Seeds, json: bool) -> u8 {
        let (mut rows, mut code) = (Vec::new(), OK);
        for seed in seeds.first..=seeds.last {
            let plan = match named.plan(seed) {
                Ok(plan) => plan,
                Err(error) => return usage(&error.to_string()),
            };
            if let Some(problem) = plan.mutant.as_deref().and_then(mutant_problem) {
                return usage(&problem);
            }
            let report = des::run(&plan, Options::default());
            if self.check && des::run(&plan, Options::default()).trace != report.trace {
                complain(&format!("nondeterminism: seed {seed} has two traces"));
                return NONDETERMINISTIC;
            }
            code = code.max(if report.is_ok() { OK } else { VIOLATED });
            if json {
                rows.push(as_json(&report));
            } else if !self.quiet || !report.is_ok() {
                say(&row(&report));
            }
        }
        if json {
            let object = json!({ "ok": code == OK, "runs": rows });
            say(&object.to_string());
        } else {
            let failed = if code == OK {
                "all went as told"
            } else {
                "some did not"
            };
            say(&format!("seeds {}..{}: {failed}", seeds.first, seeds.last));
        }
        code
    }
}

fn row(report: &Report) -> String {
    let mut text = format!("seed {:<6} trace {}", report.seed, report.trace);
    if report.is_ok() {
        text.push_str("  ok");
    }
    for unmet in report.unmet() {
        text.push_str(&format!("\n  UNMET {unmet}"));
    }
    if let Some(violation) = &report.violation {
        let (checker, what) = (violation.checker, &violation.what);
        text.push_str(&format!("\n  VIOLATION {checker}: {what}"));
    }
    text
}

fn as_json(report: &Report) -> serde_json::Value {
    let mut object = json!(report);
    object["ok"] = report.is_ok().into();
    object
}

fn run(plan: &Plan, check: bool, quiet: bool, json: bool) -> u8 {
    let report = des::run(
        plan,
        Options {
            timeline: !quiet && !json,
        },
    );
    let second = check.then(|| des::run(plan, Options::default()).trace);
    let differs = second.as_ref().filter(|second| **second != report.trace);
    if json {
        let mut object = as_json(&report);
        if let Some(second) = &second {
            object["second_trace"] = second.as_str().into();
        }
        say(&object.to_string());
    } else {
        report.timeline.iter().for_each(|line| say(line));
        say(&summary(&report));
        say(&format!("trace {}", report.trace));
        say(&format!("fingerprint {}", report.fingerprint));
    }
    if let Some(second) = differs {
        complain(&format!("nondeterminism: a second run had trace {second}"));
        return NONDETERMINISTIC;
    }
    if report.is_ok() { OK } else { VIOLATED }
}
