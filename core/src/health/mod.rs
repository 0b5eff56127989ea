//! Network health, so far its coarsest part: who hears whom, and what that says of partitions.
//!
//! Each node knows whom it does not hear: live members to whom a connection failed, broke or, in a
//! full mesh, never came about, for a while. It tells the others, as a key of its own state, and
//! only the missing ones: where all hear each other, nobody says anything, whatever the size of the
//! cluster. All rows together are a graph; [`graph`] says what kind of partition it shows.
//!
//! Beyond the mesh connections are made when they are needed: of whom nobody tried to reach nothing
//! is known, and nothing is said. Whom it does not hear a node dials again and again, because it
//! may be long before anything else does: what is told stays true.
//!
//! What it says is a hint. A dead process and one that is cut off look the same from here: one lost
//! node is taken for a crash, several at a time, or half of the members, for a split.
//!
//! Invariants: I1 a row names at most [`ROW_MAX`] nodes. I2 only rows of live members count, and
//! only what they say of live members. I3 a status is announced only after it held for `settle`, so
//! a flapping connection is not a flapping partition. I4 a step costs no scan; the graph is looked
//! at only after a change, and at most every `settle`.

pub mod graph;

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use graph::{PAIRS_MAX, PartitionStatus, Unheard};

use crate::id::{NodeId, Peer};
use crate::mutant::{Mutant, Planted};
use crate::payload::Payload;
use crate::time::{Deadline, Time, Timer, Timers, Wake};

/// The key under which a node tells whom it does not hear.
pub const ROW_KEY: &str = "quorate/unheard";
/// Nodes one row names; a node that misses more says so of the first.
pub const ROW_MAX: usize = 64;
/// A lost member that does not return is taken for removed after so long.
const LOST_FOR: Duration = Duration::from_secs(3600);

/// The knobs of reachability. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A live member whose connection is missing for so long is not heard. Shorter than the
    /// failure detector needs, and every crash looks like a broken link first.
    pub unheard_after: Duration,
    /// How long a partition status must hold before it is announced.
    pub settle: Duration,
}

/// What reachability is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A life of another node is a live member.
    Joined {
        /// Who.
        peer: Peer,
        /// Where it listens.
        address: SocketAddr,
    },
    /// A member listens elsewhere now.
    Moved {
        /// Who.
        node: NodeId,
        /// Where.
        address: SocketAddr,
    },
    /// A member is dead, or has left on its own word.
    Gone {
        /// Who.
        peer: Peer,
        /// On its own word, or for a new life of it.
        left: bool,
    },
    /// A connection to a node is up.
    Up(NodeId),
    /// The last connection to a node is gone.
    Down(NodeId),
    /// Nobody answered at an address.
    DialFailed(SocketAddr),
    /// A member tells whom it does not hear; `None` when it hears everyone.
    Row {
        /// Who tells.
        owner: Peer,
        /// Its row, as told.
        row: Option<Payload>,
    },
}

/// What reachability wants done, and what it has found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Tell everyone this row; `None` when everyone is heard.
    Tell(Option<Payload>),
    /// Try to reach this address.
    Dial(SocketAddr),
    /// The partition status changed, and held.
    Status(PartitionStatus),
}

/// Counters; plain numbers, read by the metrics of the adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stats {
    /// Times a whole cluster was found to be partitioned.
    pub partition_detections: u64,
    /// Times a partition was found to be over.
    pub partition_heals: u64,
    /// Rows told.
    pub rows_told: u64,
    /// Rows of others that could not be read.
    pub rows_malformed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Life {
    boot: u64,
    address: SocketAddr,
}

/// The reachability machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    config: Config,
    me: NodeId,
    /// Up to so many others, everyone is connected with everyone.
    mesh_max: usize,
    pub(crate) planted: Planted,
    /// The other live members.
    lives: BTreeMap<NodeId, Life>,
    connected: BTreeSet<NodeId>,
    /// When live members without a connection count as not heard.
    missing: Timers<NodeId>,
    unheard: BTreeSet<NodeId>,
    /// Those of the missing and unheard who are so only because the mesh has no gaps: no connection
    /// to them failed or broke.
    untried: BTreeSet<NodeId>,
    /// When those not heard are dialled again.
    dial_timer: Timer,
    /// What is told of it.
    told: BTreeSet<NodeId>,
    /// What the others tell: only those who miss someone.
    rows: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// When members that died are taken for removed.
    lost: Timers<NodeId>,
    is_changed: bool,
    look_timer: Timer,
    announced: PartitionStatus,
    /// What was found last, and since when.
    found: (PartitionStatus, Time),
    stats: Stats,
}

impl Health {
    /// A machine that knows nobody. Up to `mesh_max` others, everyone connects with everyone;
    /// beyond, only when there is something to say.
    #[must_use]
    pub fn new(config: Config, me: NodeId, mesh_max: usize) -> Health {
        Health {
            config,
            me,
            mesh_max,
            planted: Planted::default(),
            lives: BTreeMap::new(),
            connected: BTreeSet::new(),
            missing: Timers::default(),
            unheard: BTreeSet::new(),
            untried: BTreeSet::new(),
            dial_timer: Timer::stopped(),
            told: BTreeSet::new(),
            rows: BTreeMap::new(),
            lost: Timers::default(),
            is_changed: false,
            look_timer: Timer::stopped(),
            announced: PartitionStatus::Whole,
            found: (PartitionStatus::Whole, Time::ZERO),
            stats: Stats::default(),
        }
    }

    /// The one verb.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => {}
            Input::Joined { peer, address } => self.on_joined(now, peer, address),
            Input::Moved { node, address } => self.on_moved(node, address),
            Input::Gone { peer, left } => self.on_gone(now, peer, left),
            Input::Up(node) => self.on_up(node),
            Input::Down(node) => self.on_down(now, node),
            Input::DialFailed(address) => self.on_dial_failed(now, address),
            Input::Row { owner, row } => self.on_row(owner, row.as_deref()),
        }
        self.on_timers(now, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let timers = Deadline::earliest(
            self.missing.deadline(Wake::Reachability),
            self.lost.deadline(Wake::Reachability),
        );
        let timers = Deadline::earliest(timers, self.dial_timer.deadline(Wake::Reachability));
        Deadline::earliest(timers, self.look_timer.deadline(Wake::Reachability))
    }

    /// What is known of partitions.
    #[must_use]
    pub fn status(&self) -> &PartitionStatus {
        &self.announced
    }

    /// The live members this node does not hear.
    #[must_use]
    pub fn unheard(&self) -> &BTreeSet<NodeId> {
        &self.unheard
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn on_joined(&mut self, now: Time, peer: Peer, address: SocketAddr) {
        if peer.node == self.me {
            return;
        }
        let boot = peer.boot;
        let known = self.lives.insert(peer.node, Life { boot, address });
        self.is_changed |= self.lost.stop(&peer.node);
        if self.lives.len() > self.mesh_max {
            // Only the one that crosses the bound ends the mesh.
            if known.is_none() && self.lives.len() == self.mesh_max + 1 {
                self.end_mesh();
            }
        } else if !self.connected.contains(&peer.node) && self.await_connection(now, peer.node) {
            self.untried.insert(peer.node);
        }
    }

    /// Nobody answered where these listen.
    fn on_dial_failed(&mut self, now: Time, address: SocketAddr) {
        let there = self
            .lives
            .iter()
            .filter(|(_, life)| life.address == address);
        // The other end may have dialled meanwhile, with more success.
        let silent = there.filter(|(node, _)| !self.connected.contains(node));
        let silent: Vec<NodeId> = silent.map(|(node, _)| *node).collect();
        for node in silent {
            self.untried.remove(&node);
            self.await_connection(now, node);
        }
    }

    /// Who is missing only because all were to be connected is not missed any more.
    fn end_mesh(&mut self) {
        for node in core::mem::take(&mut self.untried) {
            self.missing.stop(&node);
            self.is_changed |= self.unheard.remove(&node);
        }
    }

    fn on_moved(&mut self, node: NodeId, address: SocketAddr) {
        if let Some(life) = self.lives.get_mut(&node) {
            life.address = address;
        }
    }

    fn on_gone(&mut self, now: Time, peer: Peer, left: bool) {
        let node = peer.node;
        if (self.lives.get(&node)).is_none_or(|life| life.boot != peer.boot) {
            return;
        }
        self.lives.remove(&node);
        self.missing.stop(&node);
        self.unheard.remove(&node);
        self.untried.remove(&node);
        self.rows.remove(&node);
        if !left {
            self.lost.set(node, now + LOST_FOR);
        }
        self.is_changed = true;
    }

    fn on_up(&mut self, node: NodeId) {
        self.connected.insert(node);
        self.missing.stop(&node);
        self.untried.remove(&node);
        self.is_changed |= self.unheard.remove(&node);
    }

    fn on_down(&mut self, now: Time, node: NodeId) {
        self.connected.remove(&node);
        if self.lives.contains_key(&node) {
            self.await_connection(now, node);
        }
    }

    /// Gives a connection so long to come about; whether it was not awaited already.
    fn await_connection(&mut self, now: Time, node: NodeId) -> bool {
        let is_new = self.missing.moment(&node).is_none() && !self.unheard.contains(&node);
        if is_new {
            self.missing.set(node, now + self.config.unheard_after);
        }
        is_new
    }

    fn on_row(&mut self, owner: Peer, row: Option<&[u8]>) {
        let is_life = self
            .lives
            .get(&owner.node)
            .is_some_and(|life| life.boot == owner.boot);
        if !is_life {
            return;
        }
        let Some(row) = decode(row.unwrap_or(&[])) else {
            self.stats.rows_malformed += 1;
            return;
        };
        if row.is_empty() {
            self.rows.remove(&owner.node);
        } else {
            self.rows.insert(owner.node, row);
        }
        self.is_changed = true;
    }

    fn on_timers(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(node) = self.missing.fire(now) {
            self.is_changed |= self.unheard.insert(node);
        }
        while self.lost.fire(now).is_some() {
            self.is_changed = true;
        }
        self.tell(out);
        self.dial_again(now, out);
        if self.is_changed && !self.look_timer.is_set() {
            self.look_timer.set(now + self.config.settle / 2);
        }
        if self.look_timer.fire(now) {
            self.look(now, out);
        }
    }

    /// Who is not heard is dialled again: a round of probes, which would come to the same, takes a
    /// second for every member.
    fn dial_again(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.unheard.is_empty() {
            return self.dial_timer.stop();
        }
        if self.dial_timer.fire(now) {
            let lives = self.unheard.iter().filter_map(|node| self.lives.get(node));
            out.extend(lives.map(|life| Output::Dial(life.address)));
        }
        if !self.dial_timer.is_set() {
            self.dial_timer.set(now + self.config.unheard_after);
        }
    }

    fn tell(&mut self, out: &mut Vec<Output>) {
        if self.planted.is(Mutant::RowNeverTold) {
            return;
        }
        let row: BTreeSet<NodeId> = self.unheard.iter().copied().take(ROW_MAX).collect();
        let is_kept = self.planted.is(Mutant::RowNeverWithdrawn) && row.is_empty();
        if row == self.told || is_kept {
            return;
        }
        self.stats.rows_told += 1;
        out.push(Output::Tell(encode(&row)));
        self.told = row;
    }

    /// Judges the graph, and announces what it says once that has held for long enough.
    fn look(&mut self, now: Time, out: &mut Vec<Output>) {
        self.is_changed = false;
        let found = self.judge();
        if found != self.found.0 {
            self.found = (found, now);
        }
        if self.found.0 == self.announced {
            return;
        }
        let settled = self.found.1 + self.config.settle;
        if now < settled {
            self.look_timer.set(settled);
            return;
        }
        let is_whole = |status: &PartitionStatus| *status == PartitionStatus::Whole;
        match (is_whole(&self.announced), is_whole(&self.found.0)) {
            (true, false) => self.stats.partition_detections += 1,
            (false, true) => self.stats.partition_heals += 1,
            (true, true) | (false, false) => {}
        }
        self.announced = self.found.0.clone();
        out.push(Output::Status(self.announced.clone()));
    }

    fn judge(&self) -> PartitionStatus {
        let live: BTreeSet<NodeId> = self.lives.keys().copied().chain([self.me]).collect();
        let own = Some((self.me, &self.unheard)).filter(|(_, row)| !row.is_empty());
        let rows = self.rows.iter().map(|(node, row)| (*node, row)).chain(own);
        let lost: BTreeSet<NodeId> = self.lost.keys().copied().collect();
        graph::judge(self.me, &live, rows, &lost)
    }
}

/// A row as bytes: the ids, little-endian, in order. `None` for the empty one.
fn encode(row: &BTreeSet<NodeId>) -> Option<Payload> {
    let bytes: Vec<u8> = row.iter().flat_map(|node| node.0.to_le_bytes()).collect();
    (!bytes.is_empty()).then(|| Payload::from(bytes))
}

fn decode(bytes: &[u8]) -> Option<BTreeSet<NodeId>> {
    let (ids, rest) = bytes.as_chunks::<8>();
    let is_sound = rest.is_empty() && ids.len() <= ROW_MAX;
    is_sound.then(|| {
        ids.iter()
            .map(|id| NodeId(u64::from_le_bytes(*id)))
            .collect()
    })
}
