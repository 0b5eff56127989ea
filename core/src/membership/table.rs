//! The member table and its indices, each kept up to date by one change at a time, so that no step
//! scans all members.
//!
//! The table stores beliefs and judges nothing; `merge` decides what supersedes what.
//!
//! Invariants: I1 this node is always in the table, and in no index. I2 the sweep holds exactly the
//! other live (alive or suspect) members. I3 at most `tombstones_max` others are dead or left, the
//! oldest are forgotten. I4 at most [`MEMBERS_MAX`] entries.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;
use core::ops::Bound;

use super::message::{Evidence, State, Update};
use super::sweep::Sweep;
use super::sync::Fingerprints;
use super::{MEMBERS_MAX, Member};
use crate::id::NodeId;

/// What is stored of one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    member: Member,
    /// Who is told to have accused it, while it is suspect or dead.
    evidence: Option<Box<Evidence>>,
    /// The change that wrote this entry: the age of a tombstone.
    written: u64,
}

/// All known members.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Table {
    me: NodeId,
    tombstones_max: usize,
    entries: BTreeMap<NodeId, Entry>,
    live: Sweep,
    fingerprints: Fingerprints,
    /// How many live members listen at an address; more than one only by misconfiguration.
    addresses: BTreeMap<SocketAddr, usize>,
    dead: BTreeSet<NodeId>,
    tombstones: BTreeSet<(u64, NodeId)>,
    changes: u64,
}

impl Table {
    /// A table that knows this node alone.
    pub(super) fn new(me: Member, tombstones_max: usize) -> Table {
        let mut table = Table {
            me: me.node,
            tombstones_max,
            entries: BTreeMap::new(),
            live: Sweep::default(),
            fingerprints: Fingerprints::default(),
            addresses: BTreeMap::new(),
            dead: BTreeSet::new(),
            tombstones: BTreeSet::new(),
            changes: 0,
        };
        table.set(me, None);
        table
    }

    /// What is believed of a node.
    pub(super) fn member(&self, node: NodeId) -> Option<&Member> {
        self.entries.get(&node).map(|entry| &entry.member)
    }

    /// Everyone, by id.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.entries.values().map(|entry| &entry.member)
    }

    /// The other live members.
    pub(super) fn live(&self) -> &Sweep {
        &self.live
    }

    /// The other live members, to draw the next probe from.
    pub(super) fn live_mut(&mut self) -> &mut Sweep {
        &mut self.live
    }

    /// What distinguishes this table from another.
    pub(super) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    /// The size of the cluster as far as it lives, this node included.
    pub(super) fn size(&self) -> u64 {
        self.live.len() as u64 + 1
    }

    /// True when another live member listens at `address`.
    pub(super) fn is_live_at(&self, address: SocketAddr) -> bool {
        self.addresses.contains_key(&address)
    }

    /// Members declared dead.
    pub(super) fn dead(&self) -> &BTreeSet<NodeId> {
        &self.dead
    }

    /// The dead member after `cursor`, round robin.
    pub(super) fn dead_after(&self, cursor: NodeId) -> Option<NodeId> {
        let rest = (Bound::Excluded(cursor), Bound::Unbounded);
        self.dead.range(rest).next().or(self.dead.first()).copied()
    }

    /// Grows with every change.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// True when `node` is known or can be made room for.
    pub(super) fn has_room(&self, node: NodeId) -> bool {
        let known = self.entries.contains_key(&node);
        known || self.entries.len() < MEMBERS_MAX || !self.tombstones.is_empty()
    }

    /// The belief about a node in the form it is told to others.
    pub(super) fn update(&self, node: NodeId) -> Option<Update> {
        self.entries.get(&node).map(told)
    }

    /// All beliefs, this node's own life first.
    pub(super) fn updates(&self) -> impl Iterator<Item = Update> {
        let own = self.entries.get(&self.me);
        let others = self
            .entries
            .values()
            .filter(|entry| entry.member.node != self.me);
        own.into_iter().chain(others).map(told)
    }

    /// Changes who is told to have accused a member.
    pub(super) fn set_evidence(&mut self, node: NodeId, evidence: Evidence) {
        if let Some(entry) = self.entries.get_mut(&node) {
            entry.evidence = Some(Box::new(evidence));
        }
    }

    /// Replaces what is believed of `member.node`.
    pub(super) fn set(&mut self, member: Member, evidence: Option<Evidence>) {
        let node = member.node;
        self.changes += 1;
        if let Some(old) = self.entries.remove(&node) {
            self.unindex(&old);
        } else if self.entries.len() >= MEMBERS_MAX {
            self.forget_oldest();
        }
        let entry = Entry {
            member,
            evidence: evidence.map(Box::new),
            written: self.changes,
        };
        self.index(&entry);
        self.entries.insert(node, entry);
        while self.tombstones.len() > self.tombstones_max {
            self.forget_oldest();
        }
    }

    fn index(&mut self, entry: &Entry) {
        let node = entry.member.node;
        if entry.member.state.is_live() {
            self.fingerprints.toggle(node, entry.member.incarnation);
        }
        if node == self.me {
            return;
        }
        if entry.member.state.is_live() {
            self.live.insert(node);
            *self.addresses.entry(entry.member.address).or_insert(0) += 1;
            return;
        }
        self.live.remove(node);
        self.tombstones.insert((entry.written, node));
        if entry.member.state == State::Dead {
            self.dead.insert(node);
        }
    }

    /// Leaves the sweep alone: a member that stays live keeps its place in it.
    fn unindex(&mut self, entry: &Entry) {
        let node = entry.member.node;
        if entry.member.state.is_live() {
            self.fingerprints.toggle(node, entry.member.incarnation);
        }
        if node == self.me {
            return;
        }
        if entry.member.state.is_live() {
            if let Some(count) = self.addresses.get_mut(&entry.member.address) {
                *count -= 1;
                if *count == 0 {
                    self.addresses.remove(&entry.member.address);
                }
            }
            return;
        }
        self.tombstones.remove(&(entry.written, node));
        self.dead.remove(&node);
    }

    fn forget_oldest(&mut self) {
        if let Some((_, node)) = self.tombstones.pop_first() {
            self.dead.remove(&node);
            self.entries.remove(&node);
        }
    }
}

fn told(entry: &Entry) -> Update {
    let member = &entry.member;
    Update {
        node: member.node,
        incarnation: member.incarnation,
        state: member.state,
        address: member.address,
        zone: member.zone.clone(),
        evidence: entry.evidence.as_deref().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::id::Incarnation;
    use crate::seed::{Seed, Stream};

    fn member(node: u64, state: State) -> Member {
        Member {
            node: NodeId(node),
            incarnation: Incarnation(1),
            state,
            address: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, node as u16 / 2)),
            zone: None,
        }
    }

    /// The naive twin of every index is a scan.
    #[test]
    fn indices_agree_with_a_scan() {
        let mut random = Seed::from_number(5).stream(Stream::Membership);
        let mut table = Table::new(member(0, State::Alive), 6);
        for _ in 0..5_000 {
            let states = [State::Alive, State::Suspect, State::Dead, State::Left];
            let node = random.below(20);
            let state = states[random.index(4)];
            if node != 0 {
                table.set(member(node, state), None);
            }
            let others: Vec<&Member> = table.members().filter(|m| m.node != NodeId(0)).collect();
            let live: Vec<&&Member> = others.iter().filter(|m| m.state.is_live()).collect();
            let dead: BTreeSet<NodeId> = others
                .iter()
                .filter(|m| m.state == State::Dead)
                .map(|m| m.node)
                .collect();
            assert_eq!((table.live().len(), table.dead()), (live.len(), &dead));
            assert!(others.len() - live.len() <= 6);
            for port in 0..10 {
                let address = member(port * 2, State::Alive).address;
                let scanned = live.iter().any(|m| m.address == address);
                assert_eq!(table.is_live_at(address), scanned);
            }
        }
        assert_eq!(table.members().next().map(|m| m.node), Some(NodeId(0)));
    }

    #[test]
    fn the_oldest_tombstone_goes_first() {
        let mut table = Table::new(member(0, State::Alive), 2);
        (1..=3).for_each(|n| table.set(member(n, State::Dead), None));
        assert_eq!(table.member(NodeId(1)), None);
        assert_eq!(table.dead_after(NodeId(2)), Some(NodeId(3)));
        assert_eq!(table.dead_after(NodeId(3)), Some(NodeId(2)));
    }
}
