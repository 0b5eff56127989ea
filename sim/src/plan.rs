//! A plan: everything that shall happen in a run, with nothing left to chance.
//!
//! Its text is a scenario without windows: see `docs/scenarios.md` and the module `scenario`.
//!
//! * I1: a plan and the code determine the run; nothing else does.
//! * I2: a plan survives the way through its text unchanged.
//!
//! Deliberately absent: loops and conditions. What depends on the run is named, not computed:
//! `leader` is whoever leads when the fault strikes.

mod fault;

pub use self::fault::{Fault, Lasting, Question, Return};
use crate::expect::Expectation;
use crate::span::Span;

/// Up to this latency every probe of the preset `lan` has its answer in time.
const CALM_LATENCY: Span = Span::from_us(30_000);
/// The most nodes of a run.
pub const NODES_MAX: u64 = 10_000;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// What it tells, in a sentence; may be empty.
    pub about: String,
    /// What the world's and the nodes' random streams are derived from.
    pub seed: u64,
    /// Nodes, numbered from 1.
    pub nodes: u64,
    /// The first so many of them vote.
    pub voters: u64,
    /// The failure domain of each node; empty if none has one.
    pub zones: Vec<String>,
    /// Where the nodes' configuration starts from.
    pub preset: Preset,
    /// What differs from the preset.
    pub settings: Vec<Setting>,
    /// From here on everything is healed and running, and the cluster must come back; never,
    /// without it.
    pub heal: Option<Span>,
    /// The end of the run.
    pub end: Span,
    /// A bug to plant in every node.
    pub mutant: Option<String>,
    /// What `sim replay` must find as the run's fingerprint; a statement about this plan and one
    /// version of the code.
    pub fingerprint: Option<String>,
    /// The network between the nodes while nothing is wrong with it.
    pub network: Quality,
    /// Where it is better or worse than that, heal or not.
    pub terrain: Vec<(Ways, Change)>,
    /// Every node's disk.
    pub disk: Disk,
    /// The clients.
    pub workload: Workload,
    /// The clients that only read.
    pub readers: Readers,
    /// What the run must come to.
    pub expect: Vec<Expectation>,
    /// What goes wrong.
    pub faults: Vec<Strike>,
}

/// A preset of the nodes' configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// One data centre.
    Lan,
    /// Links with tens of milliseconds.
    Wan,
    /// Several nodes on one machine.
    Local,
}

/// One key of the configuration that differs from the preset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key, such as `raft.heartbeat_interval`.
    pub key: String,
    /// Its value as text: a length of time with its unit, or a number.
    pub value: String,
    /// Whose; everyone's without it.
    pub node: Option<u64>,
}

/// How segments fare on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// The shortest time a segment takes.
    pub latency_min: Span,
    /// The longest.
    pub latency_max: Span,
    /// On top of that.
    pub delay: Span,
    /// So many of a thousand segments are lost and come after a retransmission.
    pub loss_permille: u16,
    /// So many come twice; the copy costs bandwidth only.
    pub duplication_permille: u16,
    /// So many are overtaken and take their time once more, as what follows waits for them.
    pub reordering_permille: u16,
    /// So many take `spike` longer.
    pub spike_permille: u16,
    /// How much longer.
    pub spike: Span,
    /// Bytes in a second, shared by all connections on the way; 0: any number.
    pub bandwidth: u64,
}

/// A change of a way's quality: what it names is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The shortest and the longest time a segment takes.
    pub latency: Option<(Span, Span)>,
    /// See [`Quality::delay`].
    pub delay: Option<Span>,
    /// See [`Quality::loss_permille`].
    pub loss_permille: Option<u16>,
    /// See [`Quality::duplication_permille`].
    pub duplication_permille: Option<u16>,
    /// See [`Quality::reordering_permille`].
    pub reordering_permille: Option<u16>,
    /// How many of a thousand segments take how much longer.
    pub spikes: Option<(u16, Span)>,
    /// See [`Quality::bandwidth`].
    pub bandwidth: Option<u64>,
}

impl Quality {
    /// The quality after a change.
    #[must_use]
    pub fn with(mut self, change: &Change) -> Quality {
        if let Some((min, max)) = change.latency {
            (self.latency_min, self.latency_max) = (min, max);
        }
        if let Some((permille, spike)) = change.spikes {
            (self.spike_permille, self.spike) = (permille, spike);
        }
        self.delay = change.delay.unwrap_or(self.delay);
        self.loss_permille = change.loss_permille.unwrap_or(self.loss_permille);
        let duplication = change.duplication_permille;
        self.duplication_permille = duplication.unwrap_or(self.duplication_permille);
        let reordering = change.reordering_permille;
        self.reordering_permille = reordering.unwrap_or(self.reordering_permille);
        self.bandwidth = change.bandwidth.unwrap_or(self.bandwidth);
        self
    }
}

/// The disk of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The fastest sync.
    pub sync_min: Span,
    /// The slowest.
    pub sync_max: Span,
}

/// The clients of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Clients that write under the newest epoch they can see, one request at a time.
    pub clients: u32,
    /// Clients that hold on to an old epoch.
    pub zombies: u32,
    /// The pause of a client between two requests.
    pub interval: Span,
    /// Each client ends after so many requests; 0: never.
    pub requests: u64,
    /// Every node sends messages of its host to all others so often, if at all.
    pub messages: Option<Span>,
    /// Those that send of everything a host can, if there are any.
    pub senders: Option<Senders>,
}

/// Those that send messages, broadcasts, requests and streams from every node to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senders {
    /// So many on every node.
    pub per_node: u32,
    /// The pause of one between two sends.
    pub interval: Span,
    /// Each ends after so many sends; 0: never.
    pub sends: u64,
    /// So many of a thousand sends have one to four megabytes.
    pub large_permille: u16,
    /// So many of a thousand readers read slowly, late, or not at all for a while.
    pub slow_permille: u16,
    /// So many of a thousand sends are given up by one of their ends.
    pub cancelled_permille: u16,
}

/// Those that ask the leader for what the clients wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    /// How many.
    pub readers: u32,
    /// The pause of one between two reads.
    pub interval: Span,
}

/// One fault and its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// When.
    pub at: Span,
    /// What.
    pub fault: Fault,
    /// It ends by itself after so long.
    pub lasts: Option<Span>,
}

/// One node that a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The node of this number.
    Node(u64),
    /// A part played at the moment of the fault.
    Part(Part),
}

/// A part that some node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Leads the highest term that has a leader.
    Leader,
    /// The first that votes and does not lead.
    Follower,
}

/// A place in one group of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// One node.
    One(Who),
    /// So many nodes that no group names, the first ones.
    Others(usize),
    /// Every node that no group has yet.
    Rest,
}

/// Ways between nodes; an empty side is every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The senders.
    pub from: Vec<Who>,
    /// The receivers.
    pub to: Vec<Who>,
    /// And back.
    pub both: bool,
}

/// The moment within a node's work at which it crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At once.
    Now,
    /// After it wrote its `n`-th record from now and sent what it sends at once, before the record
    /// is durable.
    Persist(u32),
    /// The same, counting only records of a vote.
    Vote(u32),
    /// After its `n`-th vote from now has left.
    VoteSent(u32),
    /// When its `n`-th sync from now is complete, before anything that waited for it is sent.
    Synced(u32),
}

/// What a crash leaves of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it, synced or not, as when a process dies and its machine does not.
    Kept,
    /// What was synced.
    Lost,
    /// What was synced, and a first part of the rest.
    Torn,
    /// Nothing.
    Wiped,
    /// Nothing that may be used: before the process starts again its node is rebuilt.
    Rebuilt,
}

impl Plan {
    /// A quiet run, to which faults are added.
    #[must_use]
    pub fn quiet(name: &str, seed: u64, nodes: u64) -> Plan {
        Plan {
            name: name.to_string(),
            about: String::new(),
            seed,
            nodes,
            voters: nodes.min(5),
            zones: Vec::new(),
            preset: Preset::Lan,
            settings: Vec::new(),
            heal: Some(Span::from_ms(20_000)),
            end: Span::from_ms(45_000),
            mutant: None,
            fingerprint: None,
            network: Quality {
                latency_min: Span::from_us(200),
                latency_max: Span::from_ms(1),
                delay: Span::ZERO,
                loss_permille: 0,
                duplication_permille: 0,
                reordering_permille: 0,
                spike_permille: 0,
                spike: Span::ZERO,
                bandwidth: 0,
            },
            terrain: Vec::new(),
            disk: Disk {
                sync_min: Span::from_us(100),
                sync_max: Span::from_ms(2),
            },
            workload: Workload {
                clients: 2,
                zombies: 1,
                interval: Span::from_ms(150),
                requests: 0,
                messages: Some(Span::from_ms(1_000)),
                senders: None,
            },
            readers: Readers {
                readers: 1,
                interval: Span::from_ms(100),
            },
            expect: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Whether the network is one in which nobody has a reason to be suspected.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let network = &self.network;
        let quiet = Quality {
            latency_min: network.latency_min,
            latency_max: network.latency_max,
            ..Plan::quiet("", 0, 1).network
        };
        *network == quiet && network.latency_max <= CALM_LATENCY && self.terrain.is_empty()
    }

    /// Ends the run at that moment, if it would not end sooner.
    pub fn end_at_the_latest(&mut self, at: Span) {
        self.end = self.end.min(at);
        self.heal = self.heal.map(|heal| heal.min(self.end));
    }

    /// Whether a node is there from the beginning: one that is first heard of when it joins is not.
    #[must_use]
    pub fn is_there(&self, node: u64) -> bool {
        let mut faults: Vec<&Strike> = self.faults.iter().collect();
        faults.sort_by_key(|strike| strike.at);
        let first = faults
            .into_iter()
            .find(|it| it.fault.names().contains(&Who::Node(node)));
        !first.is_some_and(|first| matches!(first.fault, Fault::Join(_)))
    }

    /// Adds a fault at a moment in milliseconds.
    pub fn strike(&mut self, at_ms: u64, fault: Fault) {
        self.add(at_ms, fault, None);
    }

    /// Adds a fault that ends by itself.
    pub fn strike_for(&mut self, at_ms: u64, fault: Fault, lasts_ms: u64) {
        self.add(at_ms, fault, Some(Span::from_ms(lasts_ms)));
    }

    fn add(&mut self, at_ms: u64, fault: Fault, lasts: Option<Span>) {
        let at = Span::from_ms(at_ms);
        self.faults.push(Strike { at, fault, lasts });
    }
}
