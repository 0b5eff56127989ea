//! The member table and its indices, each kept up to date by one change at a time, so that no step
//! scans all members.
//!
//! The table stores beliefs and judges nothing; `merge` decides what supersedes what. It is
//! compact, because every node holds every member: about 140 bytes each, and what few members have
//! (a zone, an accusation) stands apart.
//!
//! Invariants: I1 this node is always in the table, and in no index. I2 the sweep holds exactly the
//! other live (alive or suspect) members. I3 at most `tombstones_max` others are dead or left, the
//! oldest are forgotten. I4 at most [`MEMBERS_MAX`] entries.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use core::ops::Bound;

use super::message::{Evidence, State, Update};
use super::sweep::{Slots, Sweep};
use super::sync::Fingerprints;
use super::{MEMBERS_MAX, Member};
use crate::id::{Incarnation, NodeId, Peer, Zone};
use crate::level::LevelRange;
use crate::seed::Random;

/// An address in half the space: most are of the fourth version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Address {
    fn of(address: SocketAddr) -> Address {
        match address {
            SocketAddr::V4(address) => Address::V4(address),
            SocketAddr::V6(address) => Address::V6(Box::new(address)),
        }
    }

    fn get(&self) -> SocketAddr {
        match self {
            Address::V4(address) => SocketAddr::V4(*address),
            Address::V6(address) => SocketAddr::V6(**address),
        }
    }
}

/// A number per address: its own for each of the fourth version; those of the sixth share theirs
/// with a chance of one in 2^64.
fn number_of(address: SocketAddr) -> u64 {
    match address {
        SocketAddr::V4(v4) => u64::from(v4.ip().to_bits()) << 16 | u64::from(v4.port()),
        SocketAddr::V6(v6) => {
            let ip = v6.ip().to_bits();
            let (high, low) = ((ip >> 64) as u64, ip as u64);
            let scattered = high.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31) ^ low;
            scattered ^ u64::from(v6.port()) << 48 | 1 << 63
        }
    }
}

/// What few members have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rare {
    /// Who is told to have accused it, while it is suspect or dead.
    evidence: Option<Evidence>,
    /// Of the dead and the departed: the change that wrote this entry, the age of the tombstone.
    written: u64,
}

/// What is stored of one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    incarnation: Incarnation,
    address: Address,
    zone: Option<Box<Zone>>,
    is_witness: bool,
    levels: LevelRange,
    rare: Option<Box<Rare>>,
    /// Its place in the sweep.
    slot: Option<u16>,
    state: State,
}

/// What is believed of a member, without its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
    pub(super) state: State,
    pub(super) address: SocketAddr,
}

impl Known {
    /// The life this member is in.
    pub(super) fn peer(&self) -> Peer {
        Peer {
            node: self.node,
            boot: self.incarnation.boot(),
        }
    }
}

impl Entry {
    fn known(&self, node: NodeId) -> Known {
        Known {
            node,
            incarnation: self.incarnation,
            state: self.state,
            address: self.address.get(),
        }
    }

    fn member(&self, node: NodeId) -> Member {
        Member {
            node,
            incarnation: self.incarnation,
            state: self.state,
            address: self.address.get(),
            zone: self.zone.as_deref().cloned(),
            is_witness: self.is_witness,
            levels: self.levels,
        }
    }

    fn told(&self, node: NodeId) -> Update {
        Update {
            node,
            incarnation: self.incarnation,
            state: self.state,
            address: self.address.get(),
            zone: self.zone.as_deref().cloned(),
            is_witness: self.is_witness,
            levels: self.levels,
            evidence: self.rare.as_ref().and_then(|rare| rare.evidence.clone()),
        }
    }
}

impl Slots for BTreeMap<NodeId, Entry> {
    fn slot(&self, node: NodeId) -> Option<usize> {
        self.get(&node)?.slot.map(usize::from)
    }

    fn set_slot(&mut self, node: NodeId, slot: Option<usize>) {
        if let Some(entry) = self.get_mut(&node) {
            // There are at most MEMBERS_MAX places, which is less than 2^16.
            entry.slot = slot.and_then(|slot| u16::try_from(slot).ok());
        }
    }
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
    addresses: BTreeMap<u64, u32>,
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
    pub(super) fn known(&self, node: NodeId) -> Option<Known> {
        self.entries.get(&node).map(|entry| entry.known(node))
    }

    /// What is believed of a node, its zone as well.
    pub(super) fn member(&self, node: NodeId) -> Option<Member> {
        self.entries.get(&node).map(|entry| entry.member(node))
    }

    /// Everyone, by id.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        self.entries.iter().map(|(node, entry)| entry.member(*node))
    }

    /// The other live members.
    pub(super) fn live(&self) -> &Sweep {
        &self.live
    }

    /// The next live member to probe.
    pub(super) fn draw(&mut self, random: &mut Random) -> Option<NodeId> {
        self.live.draw(random, &mut self.entries)
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
        self.addresses.contains_key(&number_of(address))
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
        self.entries.get(&node).map(|entry| entry.told(node))
    }

    /// All beliefs, this node's own life first.
    pub(super) fn updates(&self) -> impl Iterator<Item = Update> {
        let own = self.entries.get_key_value(&self.me);
        let others = self.entries.iter().filter(|(node, _)| **node != self.me);
        own.into_iter()
            .chain(others)
            .map(|(node, entry)| entry.told(*node))
    }

    /// Changes who is told to have accused a member.
    pub(super) fn set_evidence(&mut self, node: NodeId, evidence: Evidence) {
        let rare = self
            .entries
            .get_mut(&node)
            .and_then(|entry| entry.rare.as_mut());
        if let Some(rare) = rare {
            rare.evidence = Some(evidence);
        }
    }

    /// Replaces what is believed of `member.node`.
    pub(super) fn set(&mut self, member: Member, evidence: Option<Evidence>) {
        let node = member.node;
        self.changes += 1;
        let slot = self.unindex(node);
        if !self.entries.contains_key(&node) && self.entries.len() >= MEMBERS_MAX {
            self.forget_oldest();
        }
        let written = if member.state.is_live() {
            0
        } else {
            self.changes
        };
        let is_plain = evidence.is_none() && written == 0;
        let entry = Entry {
            incarnation: member.incarnation,
            address: Address::of(member.address),
            zone: member.zone.map(Box::new),
            is_witness: member.is_witness,
            levels: member.levels,
            rare: (!is_plain).then(|| Box::new(Rare { evidence, written })),
            slot,
            state: member.state,
        };
        self.entries.insert(node, entry);
        self.index(node);
        while self.tombstones.len() > self.tombstones_max {
            self.forget_oldest();
        }
    }

    fn index(&mut self, node: NodeId) {
        let Some(entry) = self.entries.get(&node) else {
            return;
        };
        if entry.state.is_live() {
            self.fingerprints.toggle(node, entry.incarnation);
        }
        if node == self.me {
            return;
        }
        if entry.state.is_live() {
            *self
                .addresses
                .entry(number_of(entry.address.get()))
                .or_insert(0) += 1;
            self.live.insert(node, &mut self.entries);
            return;
        }
        let written = entry.rare.as_ref().map_or(0, |rare| rare.written);
        self.tombstones.insert((written, node));
        if entry.state == State::Dead {
            self.dead.insert(node);
        }
        self.live.remove(node, &mut self.entries);
    }

    /// Leaves the sweep alone, and tells the place in it: a member that stays live keeps it.
    fn unindex(&mut self, node: NodeId) -> Option<u16> {
        let entry = self.entries.get(&node)?;
        if entry.state.is_live() {
            self.fingerprints.toggle(node, entry.incarnation);
        }
        if node == self.me {
            return None;
        }
        if entry.state.is_live() {
            let number = number_of(entry.address.get());
            if let Some(count) = self.addresses.get_mut(&number) {
                *count -= 1;
                if *count == 0 {
                    self.addresses.remove(&number);
                }
            }
        } else {
            let written = entry.rare.as_ref().map_or(0, |rare| rare.written);
            self.tombstones.remove(&(written, node));
            self.dead.remove(&node);
        }
        entry.slot
    }

    fn forget_oldest(&mut self) {
        if let Some((_, node)) = self.tombstones.pop_first() {
            self.dead.remove(&node);
            self.entries.remove(&node);
        }
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
            is_witness: false,
            levels: LevelRange::OURS,
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
            let others: Vec<Member> = table.members().filter(|m| m.node != NodeId(0)).collect();
            let live: Vec<&Member> = others.iter().filter(|m| m.state.is_live()).collect();
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
