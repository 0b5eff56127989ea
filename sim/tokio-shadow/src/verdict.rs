//! What was observed through the public API, and what must hold of it.
//!
//! The checkers of `des` see inside the machines; these see what a host sees, and cite the same
//! properties.

use std::collections::BTreeMap;

use madsim::time::Instant;
use quorate_core::id::Term;
use quorate_runtime::{ClusterEvent, NodeId, control};
use quorate_sim::expect::{Claim, Count};
use quorate_sim::plan::Plan;
use quorate_sim::trace::Trace;

use crate::cluster::Cluster;
use crate::member;

/// How long after the end the last answers may take.
pub const PATIENCE_MS: u64 = 15_000;

/// Everything observed so far.
#[derive(Debug)]
pub struct Record {
    began: Instant,
    happened: Trace,
    events: u64,
    leaders: BTreeMap<Term, NodeId>,
    /// Writes refused for their epoch.
    refused: u64,
    violations: Vec<(&'static str, String)>,
}

impl Record {
    /// Nothing yet.
    pub fn new() -> Record {
        Record {
            began: Instant::now(),
            happened: Trace::default(),
            events: 0,
            leaders: BTreeMap::new(),
            refused: 0,
            violations: Vec::new(),
        }
    }

    /// An event of a node. Raft §5.2: at most one leader per term.
    pub fn note(&mut self, node: u64, event: &ClusterEvent) {
        if member::is_traced(event) {
            self.trace(&format!("n{node} {event:?}"));
        }
        let ClusterEvent::LeaderChanged {
            term,
            leader: Some(leader),
        } = event
        else {
            return;
        };
        let known = *self.leaders.entry(*term).or_insert(*leader);
        if known != *leader {
            let text = format!("{known} and {leader} both lead term {term}");
            self.violate("one_leader_per_term", text);
        }
    }

    /// A client's request was answered.
    pub fn answered(&mut self, node: u64, request: u64, accepted: bool) {
        self.refused += u64::from(!accepted);
        self.trace(&format!("n{node} request {request} accepted {accepted}"));
    }

    /// Something that must not be.
    pub fn violate(&mut self, checker: &'static str, what: String) {
        self.violations.push((checker, what));
    }

    /// Who leads the highest term known.
    pub fn leader(&self) -> Option<u64> {
        self.leaders.last_key_value().map(|(_, leader)| leader.0)
    }

    fn trace(&mut self, line: &str) {
        let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.happened.note(nanos, &line);
        self.events += 1;
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    name: String,
    seed: u64,
    trace: String,
    events: u64,
    leaders: usize,
    acknowledged: u64,
    /// Checker and text.
    pub violations: Vec<(&'static str, String)>,
}

impl Report {
    /// Prints it.
    pub fn print(&self, json: bool) {
        if json {
            let violations = self.violations.iter();
            let violations: Vec<_> = violations
                .map(|(checker, what)| serde_json::json!({ "checker": checker, "what": what }))
                .collect();
            let report = serde_json::json!({
                "engine": "madsim",
                "plan": self.name,
                "seed": self.seed,
                "trace": self.trace,
                "events": self.events,
                "leaders": self.leaders,
                "acknowledged": self.acknowledged,
                "violations": violations,
            });
            println!("{report}");
            return;
        }
        println!(
            "{} seed {} on madsim: {} events, {} leaders, {} writes acknowledged",
            self.name, self.seed, self.events, self.leaders, self.acknowledged
        );
        for (checker, what) in &self.violations {
            println!("violation of {checker}: {what}");
        }
        println!("{} violations", self.violations.len());
        println!("trace {}", self.trace);
    }
}

/// Looks at the end: progress since the heal, nothing lost or doubled, one view, the first epoch
/// fenced.
pub async fn judge(plan: &Plan, cluster: &Cluster, healed: u64) -> Report {
    let mut found = Vec::new();
    let acknowledged = cluster.acknowledged();
    if acknowledged <= healed {
        found.push((
            "progress",
            "no write was acknowledged after the heal".to_string(),
        ));
    }
    if cluster.clients_are_busy() {
        found.push(("progress", "a request was never answered".to_string()));
    }
    for node in cluster.nodes() {
        check_registers(cluster, node, &mut found).await;
        check_members(cluster, node, &mut found).await;
    }
    check_fencing(cluster, &mut found).await;
    check_expectations(plan, cluster, acknowledged, &mut found);
    let mut record = member::lock(&cluster.record);
    record.violations.append(&mut found);
    Report {
        name: plan.name.clone(),
        seed: plan.seed,
        trace: format!("{:016x}", record.happened.hash()),
        events: record.events,
        leaders: record.leaders.len(),
        acknowledged,
        violations: std::mem::take(&mut record.violations),
    }
}

type Found = Vec<(&'static str, String)>;

fn check_expectations(plan: &Plan, cluster: &Cluster, acknowledged: u64, found: &mut Found) {
    let record = member::lock(&cluster.record);
    let (leaders, refused) = (record.leaders.len() as u64, record.refused);
    for expectation in &plan.expect {
        let Claim::Count(what, compare, number) = expectation.claim else {
            unreachable!("refused before the run")
        };
        let got = match what {
            Count::Leaders => leaders,
            Count::Acknowledged => acknowledged,
            Count::Stale => refused,
            Count::Terms | Count::Lost | Count::Suspicions | Count::Deaths => {
                unreachable!("refused before the run")
            }
        };
        if !compare.holds(got, number) {
            found.push((
                "expectations",
                format!("expected {expectation}; found {got}"),
            ));
        }
    }
}

/// Every acknowledged write took effect once: Raft §5.4, leader completeness, seen from outside.
async fn check_registers(cluster: &Cluster, node: u64, found: &mut Found) {
    let (Some(manager), Some(legacy)) = (cluster.manager(node), cluster.legacy(node)) else {
        found.push((
            "acknowledged_survive",
            format!("n{node} does not run at the end"),
        ));
        return;
    };
    // Behind the barrier, this node has applied everything that was acknowledged.
    if let Err(error) = manager.propose(control::Command::Barrier).await {
        found.push(("acknowledged_survive", format!("n{node}: {error}")));
        return;
    }
    let written = manager.read(&member::key(node)).await.ok().flatten();
    let version = written.map_or(0, |register| register.version);
    let acknowledged = member::lock(&legacy.client).acknowledged;
    if version != acknowledged {
        let text = format!("n{node}: {acknowledged} acknowledged, {version} in the register");
        found.push(("acknowledged_survive", text));
    }
}

/// SWIM: once healed, everyone is alive for everyone.
async fn check_members(cluster: &Cluster, node: u64, found: &mut Found) {
    let Some(manager) = cluster.manager(node) else {
        return;
    };
    let alive = manager.get_alive_members().await.unwrap_or_default();
    let alive: Vec<u64> = alive.iter().map(|member| member.node.0).collect();
    if alive != cluster.nodes() {
        found.push((
            "membership_converges",
            format!("n{node} sees {alive:?} alive"),
        ));
    }
}

/// A write under an epoch that is over is refused.
async fn check_fencing(cluster: &Cluster, found: &mut Found) {
    for node in cluster.nodes() {
        let Some(legacy) = cluster.legacy(node) else {
            continue;
        };
        match member::write_under_the_first_epoch(legacy).await {
            Some((true, outcome)) => {
                found.push(("no_stale_epoch_write", format!("n{node}: {outcome}")));
            }
            Some((false, _)) => member::lock(&cluster.record).refused += 1,
            None => {}
        }
    }
}
