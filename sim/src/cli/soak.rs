//! The verbs that run many seeds: the search, the hunt for planted bugs, and the comparison of
//! processes.

use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{Args as Arguments, ValueEnum};
use serde_json::json;

use super::{NONDETERMINISTIC, OK, VIOLATED, complain, mutant_problem, say, usage};
use crate::marks::Mark;
use crate::mutants;
use crate::plan::Plan;
use crate::report::Report;
use crate::soak::{self, Harvest, Order};
use crate::swarm::Area;

/// How many seeds without a word about it.
const SEEDS: u64 = 1_000;
/// How long one planted bug may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A bar is drawn so often at most.
const REDRAW: Duration = Duration::from_millis(100);

#[derive(Arguments, Debug)]
pub(super) struct Args {
    /// How many; 1000 without this and `--minutes`.
    #[arg(long)]
    seeds: Option<u64>,
    /// Begin no seed after so many minutes.
    #[arg(long)]
    minutes: Option<u64>,
    /// The first.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Threads; all cores without it.
    #[arg(short = 'j', long)]
    jobs: Option<usize>,
    /// Draw faults, clusters and clients that trouble this area most.
    #[arg(long, value_enum)]
    focus: Option<Area>,
    /// Plant this bug in every node.
    #[arg(long)]
    mutant: Option<String>,
    /// Stop after so many violations.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Plant every bug in turn, each until it is caught.
    #[arg(long, conflicts_with_all = ["mutant", "seeds", "minutes", "start", "focus"])]
    mutants: bool,
    /// List the named situations that never occurred; with `all`, fail if there is one.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "list")]
    marks: Option<Marks>,
    /// Write one line a seed to this file: the seed and its trace hash.
    #[arg(long)]
    hashes: Option<PathBuf>,
}

#[derive(Arguments, Debug)]
pub(super) struct Check {
    /// How many.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Threads of each process; all cores without it.
    #[arg(short = 'j', long)]
    jobs: Option<usize>,
    /// The second process is this program, perhaps of another build.
    #[arg(long)]
    against: Option<PathBuf>,
}

/// What becomes of situations that never occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Marks {
    /// They are listed.
    List,
    /// They are listed, and each is a failure.
    All,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(super) fn run(args: &Args, json: bool) -> u8 {
    let threads = args.jobs.unwrap_or_else(cores);
    if args.mutants {
        return hunt_mutants(threads, json);
    }
    if let Some(problem) = args.mutant.as_deref().and_then(mutant_problem) {
        return usage(&problem);
    }
    let minutes = args
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    let order = Order {
        start: args.start,
        seeds: args.seeds.or(minutes.is_none().then_some(SEEDS)),
        patience: minutes,
        threads,
        focus: args.focus,
        mutant: args.mutant.clone(),
        failures_max: args.failures,
    };
    let meter = Progress::new(&order, json);
    let harvest = soak::soak(&order, |harvest| meter.show(harvest));
    meter.clear();
    if let Some(path) = &args.hashes
        && let Err(error) = std::fs::write(path, harvest.hashes())
    {
        return usage(&format!("{}: {error}", path.display()));
    }
    let mut files = Vec::new();
    for (plan, report) in &harvest.failures {
        match keep_failure(plan, report, args.focus, json) {
            Ok(file) => files.extend(file),
            Err(problem) => return usage(&problem),
        }
    }
    say_harvest(&harvest, files, args.marks, json);
    let misses_marks = args.marks == Some(Marks::All) && harvest.marks.missing().next().is_some();
    match harvest.failures.is_empty() && !misses_marks {
        true => OK,
        false => VIOLATED,
    }
}

/// Writes the plan that failed, and says everything about it in one line.
fn keep_failure(
    plan: &Plan,
    report: &Report,
    focus: Option<Area>,
    json: bool,
) -> Result<Option<String>, String> {
    let Some(violation) = &report.violation else {
        return Ok(None);
    };
    let path = format!("failures/{}-{}.plan", violation.checker, plan.seed);
    plan.write(Path::new(&path))
        .map_err(|error| error.to_string())?;
    if !json {
        let features = match plan.mutant {
            Some(_) => " --features mutants",
            None => "",
        };
        let focus = focus.map_or_else(String::new, |area| format!(" focus {}", area.name()));
        say(&format!(
            "commit {} seed {}{focus} plan {path} VIOLATION {}: {}; replay: cargo run --release -q \
             -p quorate-sim{features} -- replay {path}",
            commit(),
            plan.seed,
            violation.checker,
            violation.what,
        ));
    }
    Ok(Some(path))
}

/// The version of the code, if it stands in a repository.
fn commit() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    let named = git.ok().filter(|output| output.status.success());
    let name = named.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
    name.unwrap_or_else(|| "unknown".to_string())
}

/// How far the search is: a bar on a terminal, a line now and then elsewhere.
struct Progress {
    seeds: Option<u64>,
    is_silent: bool,
    is_terminal: bool,
    drawn: Mutex<Instant>,
}

impl Progress {
    fn new(order: &Order, json: bool) -> Progress {
        Progress {
            seeds: order.seeds,
            is_silent: json,
            is_terminal: stderr().is_terminal(),
            drawn: Mutex::new(Instant::now()),
        }
    }

    fn show(&self, harvest: &Harvest) {
        if self.is_silent {
            return;
        }
        if self.is_terminal {
            let Ok(mut drawn) = self.drawn.lock() else {
                return;
            };
            if drawn.elapsed() >= REDRAW {
                *drawn = Instant::now();
                let _ = write!(stderr(), "\r\x1b[2K{}{}", self.bar(harvest), tell(harvest));
            }
            return;
        }
        let every = self.seeds.map_or(1_000, |seeds| (seeds / 10).max(1));
        if harvest.runs.is_multiple_of(every) {
            let of = self
                .seeds
                .map_or_else(String::new, |seeds| format!(" of {seeds}"));
            complain(&format!("{}{of} seeds{}", harvest.runs, tell(harvest)));
        }
    }

    fn bar(&self, harvest: &Harvest) -> String {
        const WIDTH: u64 = 24;
        let Some(seeds) = self.seeds else {
            return format!("{} seeds", harvest.runs);
        };
        let full = usize::try_from(harvest.runs * WIDTH / seeds.max(1)).unwrap_or(0);
        format!("[{:<24}] {}/{seeds}", "=".repeat(full), harvest.runs)
    }

    fn clear(&self) {
        if self.is_terminal && !self.is_silent {
            let _ = write!(stderr(), "\r\x1b[2K");
        }
    }
}

/// The pace, the marks and the failures, behind how far it is.
fn tell(harvest: &Harvest) -> String {
    let (marks, all) = (harvest.marks.count(), Mark::ALL.len());
    let mut text = format!(", {}, marks {marks}/{all}", pace(harvest));
    for (checker, times) in &harvest.violations {
        text.push_str(&format!(", {times} of {checker}"));
    }
    text
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

fn say_harvest(harvest: &Harvest, plans: Vec<String>, marks: Option<Marks>, json: bool) {
    if json {
        let (per_second, hours) = (harvest.seeds_per_second_milli(), harvest.hours_per_minute());
        let mut object = json!(harvest);
        object["ok"] = harvest.failures.is_empty().into();
        object["marks_missing"] = harvest.marks.missing().map(Mark::name).collect();
        object["seeds_per_second_milli"] = per_second.into();
        object["simulated_hours_per_minute"] = hours.into();
        object["plans"] = plans.into();
        say(&object.to_string());
        return;
    }
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
    say(&format!(
        "marks hit {}/{}",
        harvest.marks.count(),
        Mark::ALL.len()
    ));
    for mark in harvest.marks.missing().filter(|_| marks.is_some()) {
        say(&format!("  never {}: {}", mark.name(), mark.about().trim()));
    }
    let violations: u64 = harvest.violations.values().sum();
    say(&format!("{violations} violations"));
    for (checker, times) in &harvest.violations {
        say(&format!("  {times} of {checker}"));
    }
}

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

/// Runs the seeds in two processes and compares what each says of them.
pub(super) fn check(check: &Check, json: bool) -> u8 {
    let hashes = |program: &Path, name: &str| {
        let file = std::env::temp_dir().join(format!("sim-{}-{name}.hashes", std::process::id()));
        let mut command = Command::new(program);
        command.args(["soak", "--json", "--hashes"]).arg(&file);
        command.args([
            "--seeds",
            &check.seeds.to_string(),
            "--start",
            &check.start.to_string(),
        ]);
        command.args(["-j", &check.jobs.unwrap_or_else(cores).to_string()]);
        let ended = command.output();
        let text = ended.and_then(|_| std::fs::read_to_string(&file));
        let _ = std::fs::remove_file(&file);
        text.map_err(|error| format!("{}: {error}", program.display()))
    };
    let both = std::env::current_exe().map_err(|error| error.to_string());
    let both = both.and_then(|this| {
        let other = check.against.as_ref().unwrap_or(&this);
        Ok((hashes(&this, "one")?, hashes(other, "two")?))
    });
    let (one, two) = match both {
        Ok(both) => both,
        Err(problem) => return usage(&problem),
    };
    let differing = one.lines().zip(two.lines()).filter(|(a, b)| a != b).count();
    let differing = differing + one.lines().count().abs_diff(two.lines().count());
    if json {
        let object = json!({ "ok": differing == 0, "seeds": check.seeds, "differing": differing });
        say(&object.to_string());
    } else {
        let first = one.lines().zip(two.lines()).find(|(a, b)| a != b);
        if let Some((a, b)) = first {
            say(&format!("first difference: {a}, in the other process {b}"));
        }
        say(&format!(
            "{} seeds in two processes, {differing} differ",
            check.seeds
        ));
    }
    if differing == 0 { OK } else { NONDETERMINISTIC }
}
