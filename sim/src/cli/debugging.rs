//! The verbs that take a failing plan apart.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use quorate_core::id::NodeId;
use serde_json::json;

use super::flight;
use super::{NONDETERMINISTIC, OK, USAGE, VIOLATED, complain, mutant_problem, say, summary, usage};
use crate::diff::{self, Row};
use crate::engine::des::{self, Options};
use crate::flight::is_meant_by;
use crate::plan::Plan;
use crate::record::Record;
use crate::replay::{self, Window};
use crate::shrink;
use crate::why::{self, Fact};

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
        /// Where the small plan goes; beside the plan, as `.min.plan`, without it.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Live a plan file, or recordings of real nodes, again and tell the story, or step through it.
    Replay(Replay),
    /// Find the first event in which two runs differ.
    Diff {
        /// A scenario's name, or a plan file.
        a: String,
        /// Another; without it, a trace file must be given.
        b: Option<String>,
        /// Compare with the rows that `sim run --trace-out` wrote.
        #[arg(long, conflicts_with = "b", required_unless_present = "b")]
        against_trace: Option<PathBuf>,
        /// The seed; without it the one that the file names, or 1.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Show the recorded events that led to a fact about a node.
    Why {
        /// The plan file, or a recording, or a directory of recordings.
        #[arg(value_name = "PLAN|RECORDING")]
        what: PathBuf,
        /// The node.
        #[arg(value_parser = replay::node)]
        node: NodeId,
        /// What is to be explained.
        #[arg(value_enum)]
        fact: Asked,
        /// The first such fact at or after this moment; the last one without it.
        #[arg(long, value_parser = replay::span)]
        at: Option<u64>,
    },
}

/// What can be asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Asked {
    /// Somebody holds it dead.
    Dead,
    /// Somebody suspects it.
    Suspect,
    /// It leads.
    Leader,
}

#[derive(Args, Debug)]
pub(super) struct Replay {
    /// A plan file; or recordings, and directories of them.
    #[arg(required = true, value_name = "PLAN|RECORDING")]
    what: Vec<PathBuf>,
    /// No story, only how it ended.
    #[arg(long)]
    quiet: bool,
    /// Tell only what happened from this moment on, such as 12.4s.
    #[arg(long, value_parser = replay::span)]
    from: Option<u64>,
    /// Tell only so much of it, such as 2s.
    #[arg(long = "for", value_parser = replay::span)]
    length: Option<u64>,
    /// Tell only what happened to this node, beside the faults.
    #[arg(long, value_parser = replay::node)]
    node: Option<NodeId>,
    /// Step through the events: n or enter next, b back, s [node] state, q quit.
    #[arg(long, conflicts_with = "quiet")]
    step: bool,
    /// The fingerprint that the run must have.
    #[arg(long)]
    expect: Option<String>,
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
            Verb::Replay(verb) => verb.run(json),
            Verb::Diff {
                a,
                b,
                against_trace,
                seed,
            } => {
                let one = find(&a, seed).map(|plan| diff::rows(&des::record(&plan).1));
                let two = match (b, against_trace) {
                    (_, Some(file)) => read_trace(&file),
                    (b, None) => {
                        find(&b.unwrap_or(a), seed).map(|plan| diff::rows(&des::record(&plan).1))
                    }
                };
                match (one, two) {
                    (Ok(one), Ok(two)) => compare(&one, &two, json),
                    (Err(problem), _) | (_, Err(problem)) => usage(&problem),
                }
            }
            Verb::Why {
                what,
                node,
                fact,
                at,
            } => {
                if is_meant_by(&what) {
                    return flight::why(&what, node, fact, at, json);
                }
                match read(&what) {
                    Ok(plan) => explain(&des::record(&plan).1, node, fact, at, json),
                    Err(problem) => usage(&problem),
                }
            }
        }
    }
}

/// Writes the rows of a run to a file.
pub(super) fn write_trace(plan: &Plan, path: &Path) -> Result<(), String> {
    if let Some(problem) = plan.mutant.as_deref().and_then(mutant_problem) {
        return Err(problem);
    }
    let text = diff::to_text(&diff::rows(&des::record(plan).1));
    std::fs::write(path, text).map_err(|error| format!("trace {}: {error}", path.display()))
}

fn read_trace(path: &Path) -> Result<Vec<Row>, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("trace {name}: {error}"))?;
    diff::from_text(&text).map_err(|problem| format!("trace {name}: {problem}"))
}

fn find(what: &str, seed: Option<u64>) -> Result<Plan, String> {
    let plan = crate::named::find(what, seed).map_err(|error| error.to_string())?;
    runnable(plan)
}

fn read(path: &Path) -> Result<Plan, String> {
    runnable(Plan::read(path).map_err(|error| error.to_string())?)
}

/// A plan that this build can carry out.
fn runnable(plan: Plan) -> Result<Plan, String> {
    match plan.mutant.as_deref().and_then(mutant_problem) {
        Some(problem) => Err(problem),
        None => Ok(plan),
    }
}

fn beside(plan: &Path) -> PathBuf {
    let name = plan.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".plan").trim_end_matches(".scenario");
    plan.with_file_name(format!("{stem}.min.plan"))
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
        "faults {} -> {}, nodes {} -> {}, {} -> {}; {} runs in {}.{:03} s",
        shrunk.faults_before,
        shrunk.faults_after,
        shrunk.nodes[0],
        shrunk.nodes[1],
        shrunk.end[0],
        shrunk.end[1],
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

impl Replay {
    fn run(&self, json: bool) -> u8 {
        let [plan] = self.what.as_slice() else {
            return flight::replay(&self.what, self, json);
        };
        if is_meant_by(plan) {
            return flight::replay(&self.what, self, json);
        }
        match read(plan) {
            Ok(plan) => self.run_plan(&plan, json),
            Err(problem) => usage(&problem),
        }
    }

    /// The fingerprint that what is lived again must have.
    pub(super) fn expected(&self) -> Option<&String> {
        self.expect.as_ref()
    }

    /// The part of a story that was asked for, or a walk through its events.
    pub(super) fn tell(&self, record: &Record, json: bool) -> Result<Vec<String>, u8> {
        if self.step && json {
            return Err(usage(
                "--step talks in lines; it cannot answer with one JSON object",
            ));
        }
        let from_ns = self.from.unwrap_or(0);
        let until = |length| from_ns.saturating_add(length);
        let window = Window {
            from_ns,
            until_ns: self.length.map_or(u64::MAX, until),
            node: self.node,
        };
        if self.step {
            let stdin = std::io::stdin().lock();
            if let Err(error) = replay::step(record, window, stdin, std::io::stdout()) {
                complain(&format!("error: {error}"));
                return Err(USAGE);
            }
        }
        let is_told = !self.step && !self.quiet;
        Ok(match is_told {
            true => replay::story(record, window),
            false => Vec::new(),
        })
    }

    fn run_plan(&self, plan: &Plan, json: bool) -> u8 {
        let (report, record) = des::record(plan);
        let second = des::run(plan, Options::default()).fingerprint;
        let story = match self.tell(&record, json) {
            Ok(story) => story,
            Err(code) => return code,
        };
        if json {
            let mut object = json!(report);
            object["ok"] = report.is_ok().into();
            object["second_fingerprint"] = second.as_str().into();
            object["story"] = story.into();
            say(&object.to_string());
        } else {
            story.iter().for_each(|line| say(line));
            say(&summary(&report));
            say(&format!("trace {}", report.trace));
            say(&format!("fingerprint {}", report.fingerprint));
        }
        let expected = [
            Some(&second),
            plan.fingerprint.as_ref(),
            self.expect.as_ref(),
        ];
        let names = ["a second run", "the plan file", "--expect"];
        for (name, expected) in names.into_iter().zip(expected) {
            let Some(expected) = expected.filter(|expected| **expected != report.fingerprint)
            else {
                continue;
            };
            complain(&format!(
                "nondeterminism, or other code: {name} has {expected}"
            ));
            return NONDETERMINISTIC;
        }
        if report.is_ok() { OK } else { VIOLATED }
    }
}

fn compare(one: &[Row], two: &[Row], json: bool) -> u8 {
    let found = diff::compare(one, two);
    if json {
        let object = json!({ "ok": found.is_none(), "rows": one.len(), "difference": found });
        say(&object.to_string());
    } else {
        match &found {
            Some(found) => diff::tell(found).iter().for_each(|line| say(line)),
            None => say(&format!("no difference in {} events", one.len())),
        }
    }
    if found.is_none() { OK } else { VIOLATED }
}

pub(super) fn explain(
    record: &Record,
    node: NodeId,
    asked: Asked,
    at: Option<u64>,
    json: bool,
) -> u8 {
    let fact = match asked {
        Asked::Dead => Fact::Dead,
        Asked::Suspect => Fact::Suspect,
        Asked::Leader => Fact::Leader,
    };
    let evidence = why::why(record, node, fact, at);
    if json {
        say(&json!({ "ok": !evidence.is_empty(), "evidence": evidence }).to_string());
    } else if evidence.is_empty() {
        let when = if at.is_some() { " from then on" } else { "" };
        say(&format!("that never happened to {node}{when}"));
    } else {
        evidence.iter().for_each(|piece| say(&why::line(piece)));
    }
    if evidence.is_empty() { VIOLATED } else { OK }
}
