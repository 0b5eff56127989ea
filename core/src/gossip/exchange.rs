//! Anti-entropy: two nodes find out where they differ and bring each other what is missing.
//!
//! ```text
//! A ── Digest ──▶ B      the roots are equal: nothing more is said
//! A ◀─ Branches ─ B      where they are not: the sums one level below, at most twice
//! A ── Holdings ▶ B      where few owners are left: a word for each entry held
//! A ◀── Delta ─── B      what A lacks
//! A ◀── Wants ─── B      what B may lack, as the words of what it holds
//! A ── Delta ───▶ B
//! ```
//!
//! Every message stands for itself: no end remembers an exchange, so losing one costs nothing but
//! time. Owners are taken up from a random one on, and one owner's whole state fits into a delta:
//! so none waits behind another for ever, however much is written.
//!
//! Invariants: I1 only what live members wrote, in their present lives, is told or taken. I2 each
//! message has a bound in bytes. I3 an exchange goes on by itself only while it brings something,
//! and at most [`CONTINUED_MAX`] times per period.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::limits::{BRANCHES_MAX, DELTA_BYTES, HOLDINGS_BYTES};
use super::message::{
    Branches, Change, Children, Delta, Digest, Entry, Holding, Holdings, Message, PeerFault, Wants,
};
use super::tree::Branch;
use super::{Gossip, Output};
use crate::id::{NodeId, Peer};
use crate::mutant::Mutant;
use crate::time::Time;

/// With at most so many owners below a branch, their holdings are listed at once.
const OWNERS_LISTED: usize = 4;
/// Exchanges that may follow at once on one that was cut short, per period: a newcomer catches up
/// as fast as the network allows, and a liar does not keep anyone busy.
const CONTINUED_MAX: u32 = 512;

impl Gossip {
    /// Opens an exchange with a random member.
    pub(super) fn on_digest_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.digest_timer.fire(now) {
            return;
        }
        self.continued = 0;
        self.digested_at = now;
        let partners = self.roster.draw(1, &mut self.random);
        for to in partners {
            self.send_digest(to, out);
        }
    }

    fn send_digest(&mut self, to: NodeId, out: &mut Vec<Output>) {
        self.stats.digests_sent += 1;
        let root = self.store.tree().sum(Branch::ROOT);
        self.send(to, Message::Digest(Digest { root }), out);
    }

    /// "This is the sum of all I hold."
    pub(super) fn on_digest(&mut self, from: NodeId, digest: Digest, out: &mut Vec<Output>) {
        if digest.root == self.store.tree().sum(Branch::ROOT) {
            self.stats.digests_equal += 1;
        } else if !self.planted.is(Mutant::StateExchangeSilent) {
            self.send_below(from, Vec::from([Branch::ROOT]), out);
        }
    }

    /// "Here the sums below are these."
    pub(super) fn on_branches(&mut self, from: NodeId, message: &Branches, out: &mut Vec<Output>) {
        let tree = self.store.tree();
        let differs = |(child, sum): &(Branch, &u64)| tree.sum(*child) != **sum;
        let pairs = message
            .branches
            .iter()
            .flat_map(|c| c.of.children().zip(&c.sums));
        let differing = pairs.filter(differs).map(|(child, _)| child).collect();
        self.send_below(from, differing, out);
    }

    /// Tells what is below branches whose sums differ: sums, or where few owners are left, what is
    /// held of them.
    fn send_below(&mut self, to: NodeId, mut differing: Vec<Branch>, out: &mut Vec<Output>) {
        let turn = self.random.index(differing.len());
        differing.rotate_left(turn);
        let tree = self.store.tree();
        let (mut branches, mut holdings) = (Vec::new(), Parcel::new(HOLDINGS_BYTES));
        let mut listed = Vec::new();
        for branch in differing {
            if branch.is_leaf() || tree.count(branch) <= OWNERS_LISTED {
                let is_whole = listed.len() < BRANCHES_MAX && self.list(branch, &mut holdings);
                // A leaf that does not fit even alone is listed in part: what is not listed is
                // brought again.
                if is_whole || listed.is_empty() {
                    listed.push(branch);
                }
            } else if branches.len() < BRANCHES_MAX {
                let sums = branch.children().map(|child| tree.sum(child)).collect();
                branches.push(Children { of: branch, sums });
            }
        }
        if !branches.is_empty() {
            self.send(to, Message::Branches(Branches { branches }), out);
        }
        if !listed.is_empty() {
            let (branches, owners) = (listed, holdings.items);
            self.send(to, Message::Holdings(Holdings { branches, owners }), out);
        }
    }

    /// Puts the holdings of a branch into a parcel; whether all fit.
    fn list(&self, branch: Branch, holdings: &mut Parcel<Holding>) -> bool {
        let owners = self.store.tree().owners(branch);
        let mut all = owners
            .filter_map(|owner| self.store.state(owner))
            .map(|s| s.holding());
        all.all(|holding| {
            let bytes = holding.bytes();
            holdings.put(holding, bytes)
        })
    }

    /// "In these parts of the tree, this is all I hold."
    pub(super) fn on_holdings(&mut self, from: NodeId, message: Holdings, out: &mut Vec<Output>) {
        let listed: BTreeMap<NodeId, Holding> = message
            .owners
            .into_iter()
            .map(|holding| (holding.owner.node, holding))
            .collect();
        let tree = self.store.tree();
        let mut owners: BTreeSet<NodeId> = listed.keys().copied().collect();
        owners.extend(
            message
                .branches
                .iter()
                .flat_map(|branch| tree.owners(*branch)),
        );
        let (mut delta, mut wants) = (Parcel::new(DELTA_BYTES), Parcel::new(HOLDINGS_BYTES));
        for owner in self.in_turn(&owners) {
            let Some(life) = self.life(owner) else {
                continue;
            };
            let nothing = Holding {
                owner: life,
                floor: 0,
                words: Vec::new(),
            };
            let theirs = listed.get(&owner).unwrap_or(&nothing);
            if theirs.owner != life {
                continue;
            }
            self.add_beyond(theirs, &mut delta);
            let state = self.store.state(owner);
            if state.is_none_or(|state| state.lacks_of(theirs)) {
                let ours = state.map_or(nothing, |state| state.holding());
                let bytes = ours.bytes();
                wants.put(ours, bytes);
            }
            if delta.is_full {
                break;
            }
        }
        self.send_delta(from, delta, out);
        if !wants.items.is_empty() {
            self.send(
                from,
                Message::Wants(Wants {
                    owners: wants.items,
                }),
                out,
            );
        }
    }

    /// "Of these owners I hold this; tell me the rest."
    pub(super) fn on_wants(&mut self, from: NodeId, message: &Wants, out: &mut Vec<Output>) {
        let mut delta = Parcel::new(DELTA_BYTES);
        for theirs in &message.owners {
            if self.life(theirs.owner.node) == Some(theirs.owner) {
                self.add_beyond(theirs, &mut delta);
            }
        }
        self.send_delta(from, delta, out);
    }

    /// Puts what a peer lacks of one owner into a parcel, newest first.
    fn add_beyond(&self, theirs: &Holding, delta: &mut Parcel<Change>) {
        let Some(state) = self.store.state(theirs.owner.node) else {
            return;
        };
        let (mut taken, mut bytes) = (Vec::new(), Change::HEAD_BYTES);
        let beyond = state.beyond(theirs);
        let is_behind = state.floor() > theirs.floor || !beyond.is_empty();
        for mut entry in beyond {
            if delta.bytes + bytes + entry.bytes() > DELTA_BYTES {
                delta.is_full = true;
                break;
            }
            if self.planted.is(Mutant::StateRestampedByRelay) && state.owner() != self.me {
                entry.version += 1;
            }
            bytes += entry.bytes();
            taken.push(entry);
        }
        if is_behind {
            let change = Change {
                owner: state.owner(),
                floor: state.floor(),
                entries: taken,
            };
            delta.put(change, bytes);
        }
    }

    fn send_delta(&mut self, to: NodeId, delta: Parcel<Change>, out: &mut Vec<Output>) {
        let (changes, more) = (delta.items, delta.is_full);
        if !changes.is_empty() || more {
            self.stats.deltas_sent += 1;
            self.send(to, Message::Delta(Delta { changes, more }), out);
        }
    }

    /// "This is what you lack."
    pub(super) fn on_delta(
        &mut self,
        now: Time,
        from: NodeId,
        delta: Delta,
        out: &mut Vec<Output>,
    ) {
        self.stats.deltas_received += 1;
        let mut has_brought = false;
        for change in delta.changes {
            let owner = change.owner.node;
            if self.planted.is(Mutant::StateReplacedByDelta) && owner != self.me.node {
                self.store.forget(owner);
            }
            has_brought |= !self.take(now, from, change, out).is_empty();
        }
        if delta.more && has_brought && self.continued < CONTINUED_MAX {
            self.continued += 1;
            self.send_digest(from, out);
        }
    }

    /// Takes in entries of a live owner; the keys they changed.
    pub(super) fn take(
        &mut self,
        now: Time,
        from: NodeId,
        change: Change,
        out: &mut Vec<Output>,
    ) -> Vec<alloc::string::String> {
        let owner = change.owner;
        if owner.node == self.me.node {
            self.defend(now, from, &change, out);
            return Vec::new();
        }
        if !self.roster.has(owner) {
            self.stats.entries_untimely += change.entries.len() as u64;
            return Vec::new();
        }
        let told = change.entries.len();
        let Ok(before) = self.store.merge(owner, change.floor, change.entries) else {
            self.report(from, PeerFault::ClusterFull, out);
            return Vec::new();
        };
        self.stats.entries_taken += before.len() as u64;
        self.stats.entries_known += told.saturating_sub(before.len()) as u64;
        self.announce(owner, &before, out);
        before.into_keys().collect()
    }

    /// The life of a live owner, this node included.
    fn life(&self, node: NodeId) -> Option<Peer> {
        if node == self.me.node {
            return Some(self.me);
        }
        self.roster.life(node)
    }

    /// The owners from a random one on, so that each comes first now and then.
    fn in_turn(&mut self, owners: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let mut owners: Vec<NodeId> = owners.iter().copied().collect();
        let turn = self.random.index(owners.len());
        owners.rotate_left(turn);
        owners
    }
}

/// What goes into one message, up to a number of bytes.
pub(super) struct Parcel<T> {
    pub(super) items: Vec<T>,
    pub(super) bytes: usize,
    bytes_max: usize,
    /// Something did not fit.
    pub(super) is_full: bool,
}

impl<T> Parcel<T> {
    pub(super) fn new(bytes_max: usize) -> Parcel<T> {
        Parcel {
            items: Vec::new(),
            bytes: 0,
            bytes_max,
            is_full: false,
        }
    }

    /// Adds an item if it fits.
    pub(super) fn put(&mut self, item: T, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= self.bytes_max;
        if fits {
            self.bytes += bytes;
            self.items.push(item);
        } else {
            self.is_full = true;
        }
        fits
    }
}

/// Entries of several owners, grouped, for one message.
pub(super) fn grouped(entries: Vec<(Peer, u64, Option<Entry>)>) -> Vec<Change> {
    let mut changes: BTreeMap<Peer, Change> = BTreeMap::new();
    for (owner, floor, entry) in entries {
        let change = changes.entry(owner).or_insert_with(|| Change {
            owner,
            floor,
            entries: Vec::new(),
        });
        change.entries.extend(entry);
    }
    changes.into_values().collect()
}
