//! How fast the simulator is, in rows of figures with their goals.
//!
//! All checkers watch, as they do in every run; what a look costs in a large cluster is bounded as
//! `world::looks` says. Figures by the wall clock depend on what else the machine does; those by
//! processor time depend on it less.

mod day;
mod shrinking;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::day::day;
pub use self::shrinking::shrinking;
use crate::engine::des::{self, Options};
use crate::meter::{Meter, Used};
use crate::plan::{Plan, Setting};
use crate::report::Report;
use crate::span::Span;
use crate::steps::{Kind, Steps, Stopwatch};
use crate::swarm;

/// What must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was run.
    pub case: &'static str,
    /// What was measured.
    pub figure: String,
    /// How much it is.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What must be reached, if anything.
    pub goal: Option<Goal>,
}

impl Row {
    fn new(case: &'static str, figure: &str, value: f64, unit: &'static str) -> Row {
        Row {
            case,
            figure: figure.to_string(),
            value,
            unit,
            goal: None,
        }
    }

    fn with_goal(mut self, goal: Goal) -> Row {
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is reached; true without one.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.goal {
            Some(Goal::AtLeast(least)) => self.value >= least,
            Some(Goal::AtMost(most)) => self.value <= most,
            None => true,
        }
    }
}

/// What a case came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The figures.
    pub rows: Vec<Row>,
    /// What went wrong: a benchmark of a broken cluster measures nothing.
    pub problems: Vec<String>,
}

impl Outcome {
    fn judge(&mut self, reports: &[Report]) {
        let violated = reports.iter().filter_map(|report| {
            let violation = report.violation.as_ref()?;
            let (name, checker, what) = (&report.name, violation.checker, &violation.what);
            Some(format!("{name}: {checker}: {what}"))
        });
        self.problems.extend(violated);
    }
}

/// The first so many plans that the search draws for five nodes, with the faults they have. Senders
/// would measure how fast bytes are copied.
fn chaos_plans(count: usize) -> Vec<Plan> {
    let drawn = (0..).map(swarm::expand);
    let chosen = drawn.filter(|plan| {
        plan.nodes == 5 && !plan.faults.is_empty() && plan.workload.senders.is_none()
    });
    chosen.take(count).collect()
}

/// Five nodes under chaos, on so many threads.
#[must_use]
pub fn chaos(threads: usize, count: usize) -> Outcome {
    const CASE: &str = "five nodes under chaos";
    let plans = chaos_plans(count);
    let meter = Meter::start();
    let reports = run_all(&plans, threads);
    let used = meter.stop();
    let mut outcome = Outcome::default();
    outcome.judge(&reports);
    let simulated: u64 = reports.iter().map(|r| r.totals.simulated_ns).sum();
    let troubled: u64 = plans.iter().map(troubled_ms).sum();
    let hours = seconds(Duration::from_nanos(simulated)) / 3_600.0;
    let mut steps = Steps::default();
    reports
        .iter()
        .for_each(|report| steps.add(&report.totals.steps));
    let rows = &mut outcome.rows;
    let per_minute = hours * 60.0 / seconds(used.wall);
    let row = Row::new(CASE, "simulated hours per minute", per_minute, "h/min");
    rows.push(row.with_goal(Goal::AtLeast(50.0)));
    if let Some(cpu) = used.cpu {
        let per_minute = hours * 60.0 / seconds(cpu);
        let name = "simulated hours per processor minute";
        rows.push(Row::new(CASE, name, per_minute, "h/min"));
    }
    rows.push(Row::new(CASE, "simulated time", hours, "h"));
    let share = ratio(troubled * 100_000_000, simulated);
    rows.push(Row::new(CASE, "of which under faults", share, "%"));
    let rate = ratio(steps.all() * 1_000_000_000, simulated);
    rows.push(Row::new(CASE, "steps per simulated second", rate, "1/s"));
    for kind in Kind::ALL {
        let share = ratio(steps.of(*kind) * 100, steps.all());
        let name = format!("steps: {}", kind.name());
        rows.push(Row::new(CASE, &name, share, "%"));
    }
    rows.extend(usage(CASE, &used));
    outcome
}

/// From a plan's first fault to its heal.
fn troubled_ms(plan: &Plan) -> u64 {
    let heal = plan.heal.unwrap_or(plan.end);
    let first = plan.faults.first().map_or(heal, |it| it.at);
    heal.minus(first).ms()
}

/// What one step of one node costs, on one thread.
#[must_use]
pub fn step_cost(count: usize) -> Outcome {
    const CASE: &str = "one step of a node";
    let mut outcome = Outcome::default();
    let mut watch = Stopwatch::default();
    for plan in chaos_plans(count) {
        let (report, timed) = des::time(&plan);
        watch.merge(&timed);
        outcome.judge(&[report]);
    }
    let clock = clock_cost_ns();
    let cost = |kind| ratio(watch.mean_ns(kind), 1) - clock;
    let all = Row::new(CASE, "mean", cost(None).max(0.0), "ns");
    outcome.rows.push(all.with_goal(Goal::AtMost(1_400.0)));
    for kind in Kind::ALL {
        let row = Row::new(CASE, kind.name(), cost(Some(*kind)).max(0.0), "ns");
        outcome.rows.push(row);
    }
    outcome
}

/// A hundred nodes for a simulated hour, with one client.
#[must_use]
pub fn hundred() -> Outcome {
    let mut plan = Plan::quiet("hundred-nodes", 1, 100);
    plan.end = Span::from_ms(3_600_000);
    large("100 nodes, one simulated hour", plan, 30.0)
}

/// A thousand nodes that all join within a second, and the minute in which they do.
#[must_use]
pub fn thousand() -> Outcome {
    let mut plan = Plan::quiet("thousand-nodes", 1, 1_000);
    plan.end = Span::from_ms(60_000);
    large("1000 nodes, 60 simulated seconds", plan, 10.0)
}

fn large(case: &'static str, mut plan: Plan, seconds_max: f64) -> Outcome {
    // All processes are started within the first second; from then on the lists must come to agree.
    plan.heal = Some(Span::from_ms(1_000));
    plan.workload.clients = 1;
    plan.workload.zombies = 0;
    plan.workload.interval = Span::from_ms(1_000);
    // As the manual advises for so many nodes.
    plan.settings.push(Setting {
        key: "transport.keepalive_interval_max".to_string(),
        value: "30s".to_string(),
        node: None,
    });
    let meter = Meter::start();
    let report = des::run(&plan, Options::default());
    let used = meter.stop();
    let mut outcome = Outcome::default();
    let totals = report.totals.clone();
    outcome.judge(&[report]);
    let wall = Row::new(case, "wall time", seconds(used.wall), "s");
    let rows = &mut outcome.rows;
    rows.push(wall.with_goal(Goal::AtMost(seconds_max)));
    rows.extend(usage(case, &used));
    if let Some(after) = totals.converged_after_ns {
        let after = seconds(Duration::from_nanos(after));
        rows.push(Row::new(case, "everyone knows everyone after", after, "s"));
    }
    let rate = ratio(totals.events * 1_000_000_000, totals.simulated_ns);
    rows.push(Row::new(case, "steps per simulated second", rate, "1/s"));
    for kind in Kind::ALL {
        let name = format!("steps: {}", kind.name());
        let share = ratio(totals.steps.of(*kind) * 100, totals.events);
        rows.push(Row::new(case, &name, share, "%"));
    }
    outcome
}

fn usage(case: &'static str, used: &Used) -> Vec<Row> {
    let cpu = used
        .cpu
        .map(|cpu| Row::new(case, "processor time", seconds(cpu), "s"));
    let peak = used
        .peak_bytes
        .map(|peak| Row::new(case, "peak memory", ratio(peak, 1 << 20), "MiB"));
    cpu.into_iter().chain(peak).collect()
}

/// What looking at the clock adds to a timed step.
fn clock_cost_ns() -> f64 {
    const LOOKS: u32 = 100_000;
    let total: Duration = (0..LOOKS).map(|_| Instant::now().elapsed()).sum();
    seconds(total) * 1e9 / f64::from(LOOKS)
}

fn run_all(plans: &[Plan], threads: usize) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reports = Vec::new();
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            reports.push(des::run(plan, Options::default()));
        }
        reports
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let reports = workers.into_iter().filter_map(|it| it.join().ok());
        reports.flatten().collect()
    })
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// Figures are for people: what a float loses of large numbers is not missed.
#[allow(clippy::cast_precision_loss)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_reached_from_its_own_side() {
        let row = |value| Row::new("case", "figure", value, "s");
        assert!(row(9.0).is_met());
        assert!(row(9.0).with_goal(Goal::AtMost(9.0)).is_met());
        assert!(!row(9.1).with_goal(Goal::AtMost(9.0)).is_met());
        assert!(!row(8.9).with_goal(Goal::AtLeast(9.0)).is_met());
    }

    #[test]
    fn chaos_is_five_nodes_with_faults_and_its_shares_add_up() {
        assert!(chaos_plans(20).iter().all(|plan| plan.nodes == 5));
        let outcome = chaos(2, 3);
        assert_eq!(outcome.problems, Vec::<String>::new());
        let shares = outcome
            .rows
            .iter()
            .filter(|r| r.figure.starts_with("steps: "));
        let sum: f64 = shares.map(|row| row.value).sum();
        assert!((99.9..100.1).contains(&sum), "{sum}");
    }
}
