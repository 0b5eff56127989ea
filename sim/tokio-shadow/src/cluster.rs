//! The simulated cluster: nodes with addresses and disks, and the switches that faults throw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use madsim::task::NodeId as Machine;
use madsim::time::{Instant, sleep};
use quorate_sim::plan::{Part, Plan, Who};
use quorate_sim::span::Span;
use quorate_tokio::ClusterNetworkManager;

use crate::member::{self, Client, Legacy, lock};
use crate::papers;
use crate::verdict::Record;

/// A simulated node.
struct Machinery {
    legacy: Legacy,
    handle: NodeHandle,
}

/// All nodes, and what is wrong with them.
pub struct Cluster {
    machines: BTreeMap<u64, Machinery>,
    down: BTreeSet<u64>,
    /// Each closed direction, and the fault that closed it last.
    cuts: BTreeMap<(u64, u64), usize>,
    paused: BTreeSet<u64>,
    started: Instant,
    /// What has been observed.
    pub record: Arc<Mutex<Record>>,
}

impl Cluster {
    /// Starts the plan's nodes; they find each other.
    pub fn start(plan: &Plan) -> Cluster {
        let network = plan.network;
        NetSim::current().update_config(|config| {
            let nanos = |span: Span| Duration::from_nanos(span.ns());
            // An empty window is none; a nanosecond makes no difference.
            let longest = network.latency_max.plus(Span::from_ns(1));
            config.send_latency = nanos(network.latency_min)..nanos(longest);
        });
        let record = Arc::new(Mutex::new(Record::new()));
        let issued = papers::issue(plan.nodes).expect("certificates can be made");
        let mut machines = BTreeMap::new();
        let simulation = Handle::current();
        for (node, papers) in issued {
            let legacy = Legacy {
                node,
                nodes: plan.nodes,
                voters: plan.voters,
                seed: plan.seed,
                interval: Duration::from_nanos(plan.workload.interval.ns().max(1_000_000)),
                papers,
                platter: Arc::default(),
                client: Arc::new(Mutex::new(Client::default())),
                record: record.clone(),
            };
            let heir = legacy.clone();
            let builder = simulation.create_node().name(format!("n{node}"));
            let builder = builder
                .ip(member::ip(node))
                .init(move || member::live(heir.clone()));
            machines.insert(
                node,
                Machinery {
                    legacy,
                    handle: builder.build(),
                },
            );
        }
        let (down, cuts, paused) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        Cluster {
            machines,
            down,
            cuts,
            paused,
            started: Instant::now(),
            record,
        }
    }

    /// Lets time pass.
    pub async fn pass(&self, millis: u64) {
        sleep(Duration::from_millis(millis)).await;
    }

    /// Simulated milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// All nodes' numbers.
    pub fn nodes(&self) -> Vec<u64> {
        self.machines.keys().copied().collect()
    }

    /// A node's lasting things.
    pub fn legacy(&self, node: u64) -> Option<&Legacy> {
        self.machines.get(&node).map(|machine| &machine.legacy)
    }

    /// The running manager of a node.
    pub fn manager(&self, node: u64) -> Option<ClusterNetworkManager> {
        let client = &self.legacy(node)?.client;
        lock(client).manager.clone()
    }

    /// Whom the plan means right now.
    pub fn resolve(&self, who: Who) -> Option<u64> {
        let leader = lock(&self.record).leader();
        match who {
            Who::Node(node) => self.machines.contains_key(&node).then_some(node),
            Who::Part(Part::Leader) => leader,
            Who::Part(Part::Follower) => self
                .nodes()
                .into_iter()
                .find(|node| Some(*node) != leader && self.is_up(*node)),
        }
    }

    /// Whether a node's process runs.
    pub fn is_up(&self, node: u64) -> bool {
        !self.down.contains(&node)
    }

    /// Ends a node's process without a word.
    pub fn crash(&mut self, node: u64) {
        let Some(machine) = self.machines.get(&node) else {
            return;
        };
        if self.down.insert(node) {
            lock(&machine.legacy.client).manager = None;
            Handle::current().kill(machine.handle.id());
        }
    }

    /// Starts a crashed node from its disk.
    pub fn restart(&mut self, node: u64) {
        if let Some(machine) = self.machines.get(&node)
            && self.down.remove(&node)
        {
            Handle::current().restart(machine.handle.id());
        }
    }

    /// Stops or resumes a node's tasks.
    pub fn pause(&mut self, node: u64, paused: bool) {
        let Some(machine) = self.machine(node) else {
            return;
        };
        if paused && self.paused.insert(node) {
            Handle::current().pause(machine);
        } else if !paused && self.paused.remove(&node) {
            Handle::current().resume(machine);
        }
    }

    /// A fault closes one direction between two nodes.
    pub fn close(&mut self, from: u64, to: u64, fault: usize) {
        let (Some(a), Some(b)) = (self.machine(from), self.machine(to)) else {
            return;
        };
        if from != to && self.cuts.insert((from, to), fault).is_none() {
            NetSim::current().clog_link(a, b);
        }
    }

    /// Opens one direction.
    pub fn open(&mut self, from: u64, to: u64) {
        let (Some(a), Some(b)) = (self.machine(from), self.machine(to)) else {
            return;
        };
        if self.cuts.remove(&(from, to)).is_some() {
            NetSim::current().unclog_link(a, b);
        }
    }

    /// Opens every direction.
    pub fn heal_all(&mut self) {
        for (from, to) in self.cuts.keys().copied().collect::<Vec<_>>() {
            self.open(from, to);
        }
    }

    /// Opens the directions that a fault was the last to close.
    pub fn open_cuts_of(&mut self, fault: usize) {
        let all = self.cuts.iter().filter(|(_, by)| **by == fault);
        for (from, to) in all.map(|(pair, _)| *pair).collect::<Vec<_>>() {
            self.open(from, to);
        }
    }

    /// Opens every direction, starts and resumes every process.
    pub fn heal_everything(&mut self) {
        self.heal_all();
        for node in self.paused.clone() {
            self.pause(node, false);
        }
        for node in self.down.clone() {
            self.restart(node);
        }
    }

    /// Writes acknowledged so far, of all clients.
    pub fn acknowledged(&self) -> u64 {
        self.machines
            .values()
            .map(|machine| lock(&machine.legacy.client).acknowledged)
            .sum()
    }

    /// Tells the clients to end with their present request.
    pub fn stop_clients(&self) {
        for machine in self.machines.values() {
            lock(&machine.legacy.client).stopping = true;
        }
    }

    /// Whether a client still waits for an answer.
    pub fn clients_are_busy(&self) -> bool {
        self.machines
            .values()
            .any(|machine| lock(&machine.legacy.client).busy)
    }

    fn machine(&self, node: u64) -> Option<Machine> {
        self.machines.get(&node).map(|machine| machine.handle.id())
    }
}
