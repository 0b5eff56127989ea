//! Healing: seeds that are not live and members declared dead are reached for again, for ever, so
//! that any partition re-merges. SWIM alone never does that once both sides have declared each
//! other dead.
//!
//! Invariants: I1 the timer is armed exactly while a seed is not live or a member is dead. I2 each
//! firing reaches for at most [`REACHED_PER_FIRING`] of them, round robin, so all get their turn
//! whatever the size of the cluster. I3 the pause never exceeds `rejoin_interval_max`. I4 a member
//! that left is not reached for. A seed is an address, not a member: it is dialled for ever,
//! because a restarted seed that knows nobody waits for exactly that.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::lifecycle::Standing;
use super::message::State;
use super::{Membership, Output};
use crate::id::NodeId;
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timer, Wake};

/// Seeds that sources of addresses have found, all together; further ones are ignored.
pub const DISCOVERED_MAX: usize = 1024;
/// Addresses tried each time the timer fires.
const REACHED_PER_FIRING: usize = 2;
/// Candidates looked at for one of them.
const LOOKED_AT_MAX: usize = 8;

/// Who is connected, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Links {
    addresses: BTreeMap<NodeId, SocketAddr>,
    nodes: BTreeMap<SocketAddr, NodeId>,
}

impl Links {
    /// A connection to `node` is up.
    pub(super) fn up(&mut self, node: NodeId, address: SocketAddr) {
        self.down(node);
        self.addresses.insert(node, address);
        self.nodes.insert(address, node);
    }

    /// The last connection to `node` is gone.
    pub(super) fn down(&mut self, node: NodeId) {
        if let Some(address) = self.addresses.remove(&node)
            && self.nodes.get(&address) == Some(&node)
        {
            self.nodes.remove(&address);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seed {
    address: SocketAddr,
    /// Who answered there: a seed may be another name of an address that its member announces.
    node: Option<NodeId>,
    /// The source that found it and may take it back; `None` for one that stays.
    source: Option<u32>,
}

/// Whom to reach for again, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rejoin {
    /// The connections, so that nobody is dialled who is connected.
    pub(super) links: Links,
    seeds: Vec<Seed>,
    next_seed: usize,
    last_dead: NodeId,
    timer: Timer,
    /// The pause after the next firing.
    pause: Option<Duration>,
    /// The table's change count when it was last looked through; `None` after a change here.
    looked_at: Option<u64>,
}

impl Rejoin {
    /// No seeds, nothing to do.
    pub(super) fn new() -> Rejoin {
        Rejoin {
            links: Links::default(),
            seeds: Vec::new(),
            next_seed: 0,
            last_dead: NodeId(0),
            timer: Timer::stopped(),
            pause: None,
            looked_at: None,
        }
    }

    /// Remembers seeds for ever.
    pub(super) fn add_seeds(&mut self, addresses: &[SocketAddr]) {
        for address in addresses.iter().copied() {
            if !self.seeds.iter().any(|seed| seed.address == address) {
                self.seeds.push(Seed {
                    address,
                    node: None,
                    source: None,
                });
            }
        }
        self.looked_at = None;
    }

    /// Takes what a source knows now in place of what it knew, and says what is new.
    fn replace_seeds(&mut self, source: u32, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let addresses: BTreeSet<SocketAddr> = addresses.iter().copied().collect();
        let is_kept =
            |seed: &Seed| seed.source != Some(source) || addresses.contains(&seed.address);
        self.seeds.retain(is_kept);
        let held: BTreeSet<SocketAddr> = self.seeds.iter().map(|seed| seed.address).collect();
        let found = self.seeds.iter().filter(|seed| seed.source.is_some());
        let room = DISCOVERED_MAX.saturating_sub(found.count());
        let new: Vec<SocketAddr> = addresses.difference(&held).copied().take(room).collect();
        self.seeds.extend(new.iter().map(|address| Seed {
            address: *address,
            node: None,
            source: Some(source),
        }));
        self.next_seed = 0;
        self.looked_at = None;
        new
    }

    /// Who answered at a dialled address.
    pub(super) fn learn_alias(&mut self, address: SocketAddr, node: NodeId) {
        for seed in self.seeds.iter_mut().filter(|seed| seed.address == address) {
            seed.node = Some(node);
            self.looked_at = None;
        }
    }

    /// Its addresses are seeds no more.
    pub(super) fn forget_seeds_of(&mut self, node: NodeId) {
        self.seeds.retain(|seed| seed.node != Some(node));
        self.next_seed = 0;
        self.looked_at = None;
    }

    /// A dial worked: the network is healing, so the next tries come soon.
    pub(super) fn reset_backoff(&mut self, soon: Time) {
        self.pause = None;
        if self.deadline().is_some_and(|deadline| deadline.at > soon) {
            self.timer.set(soon);
        }
    }

    /// Stops reaching.
    pub(super) fn stop(&mut self) {
        self.timer.stop();
        self.pause = None;
        self.looked_at = None;
    }

    /// When to reach again.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.timer.deadline(Wake::Rejoin)
    }
}

impl Membership {
    /// Reaches for all seeds at once, at a join or a start.
    pub(super) fn reach_seeds(&mut self, seeds: &[SocketAddr], out: &mut Vec<Output>) {
        for address in seeds {
            self.reach(*address, out);
        }
    }

    /// One more seed, while running.
    pub(super) fn on_seek(&mut self, address: SocketAddr, out: &mut Vec<Output>) {
        if address == self.me.address {
            return;
        }
        self.rejoin.add_seeds(&[address]);
        match self.standing {
            Standing::Running => self.reach(address, out),
            Standing::Waiting | Standing::Leaving | Standing::Gone => {}
        }
    }

    /// A source of addresses looked again.
    pub(super) fn on_discovered(
        &mut self,
        source: u32,
        addresses: &[SocketAddr],
        out: &mut Vec<Output>,
    ) {
        let own = self.me.address;
        let others: Vec<SocketAddr> = addresses.iter().copied().filter(|it| *it != own).collect();
        let new = self.rejoin.replace_seeds(source, &others);
        if self.standing == Standing::Running {
            let missing: Vec<SocketAddr> = new
                .into_iter()
                .filter(|address| !self.table.is_live_at(*address))
                .collect();
            self.reach_seeds(&missing, out);
        }
    }

    /// Reaches for a few of those who are missing and backs off.
    pub(super) fn on_rejoin_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.rejoin.timer.fire(now) {
            return;
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        addresses.extend(self.next_missing_seed());
        while addresses.len() < REACHED_PER_FIRING {
            let found = self.next_dead(&addresses);
            let Some(address) = found.or_else(|| self.next_missing_seed()) else {
                break;
            };
            if addresses.contains(&address) {
                break;
            }
            addresses.push(address);
        }
        if self.planted.is(Mutant::RejoinReachesNobody) {
            addresses.clear();
        }
        for address in addresses {
            self.reach(address, out);
        }
        let pause = self.rejoin.pause.unwrap_or(self.config.rejoin_interval);
        let longer = pause.saturating_mul(2).min(self.config.rejoin_interval_max);
        self.rejoin.pause = Some(longer);
        self.rejoin.looked_at = None;
    }

    /// Arms the timer exactly while someone is missing. Looks through the seeds only when something
    /// changed.
    pub(super) fn settle_rejoin(&mut self, now: Time) {
        let changes = self.table.changes();
        if self.rejoin.looked_at == Some(changes) {
            return;
        }
        self.rejoin.looked_at = Some(changes);
        let seed_missing = self.rejoin.seeds.iter().any(|seed| self.is_missing(seed));
        if self.table.dead().is_empty() && !seed_missing {
            self.rejoin.timer.stop();
            self.rejoin.pause = None;
        } else if !self.rejoin.timer.is_set() {
            let pause = self.rejoin.pause.unwrap_or(self.config.rejoin_interval);
            // Nodes that lost each other at the same moment must not all dial at the same moment.
            let wait = self.random.span(pause / 2, pause);
            self.rejoin.timer.set(now + wait);
        }
    }

    /// Dials an address; when its node is connected already, no new connection would come up, so it
    /// is asked directly.
    fn reach(&mut self, address: SocketAddr, out: &mut Vec<Output>) {
        let Some(node) = self.rejoin.links.nodes.get(&address).copied() else {
            out.push(Output::Dial { address });
            return;
        };
        // Someone who left and is still connected will tell us itself when it returns.
        let left = self
            .table
            .known(node)
            .is_some_and(|member| member.state == State::Left);
        let known = self.table.known(node).is_some();
        if known && !left && !self.join_timer.is_set() {
            self.send_sync(node, out);
        } else if !left {
            self.send_join(node, out);
        }
    }

    fn is_missing(&self, seed: &Seed) -> bool {
        let live = |node| {
            let member = self.table.known(node);
            node == self.me.node || member.is_some_and(|member| member.state.is_live())
        };
        !self.table.is_live_at(seed.address) && !seed.node.is_some_and(live)
    }

    fn next_missing_seed(&mut self) -> Option<SocketAddr> {
        let count = self.rejoin.seeds.len();
        for step in 0..count {
            let index = (self.rejoin.next_seed + step) % count;
            let seed = self.rejoin.seeds.get(index)?;
            if self.is_missing(seed) {
                let address = seed.address;
                self.rejoin.next_seed = index + 1;
                return Some(address);
            }
        }
        None
    }

    /// The next dead member's address that is not chosen already, not our own and not taken over by
    /// a live member.
    fn next_dead(&mut self, chosen: &[SocketAddr]) -> Option<SocketAddr> {
        for _ in 0..self.table.dead().len().min(LOOKED_AT_MAX) {
            let node = self.table.dead_after(self.rejoin.last_dead)?;
            self.rejoin.last_dead = node;
            let address = self.table.known(node)?.address;
            let taken = self.table.is_live_at(address) || address == self.me.address;
            if !taken && !chosen.contains(&address) {
                // A connected node is found by its address even when it was dialled under another.
                if let Some(linked) = self.rejoin.links.addresses.get(&node) {
                    return Some(*linked);
                }
                return Some(address);
            }
        }
        None
    }
}
