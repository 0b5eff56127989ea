//! What is stored of all owners: the live ones in the tree, the departed for a while beside it.
//!
//! Only what live members wrote is compared and exchanged, so two nodes with the same view of the
//! members and the same entries have the same tree, however long either still remembers the dead.
//!
//! Invariants: I1 the tree holds exactly the states of live owners. I2 every departed owner has a
//! moment at which it is forgotten. I3 at most [`STORED_BYTES_MAX`] bytes, counted in `bytes`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::limits::STORED_BYTES_MAX;
use super::message::Entry;
use super::state::{Shown, State};
use super::tree::Tree;
use crate::id::{NodeId, Peer};
use crate::time::{Deadline, Time, Timers, Wake};

/// The states of all owners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    states: BTreeMap<NodeId, State>,
    tree: Tree,
    bytes: usize,
    /// When departed owners are forgotten.
    departed: Timers<NodeId>,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Store {
    /// What live owners wrote, summed up.
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What is stored of an owner, departed or not.
    pub(super) fn state(&self, node: NodeId) -> Option<&State> {
        self.states.get(&node)
    }

    /// All that is stored, by owner.
    pub(super) fn states(&self) -> impl Iterator<Item = &State> {
        self.states.values()
    }

    /// Whether a node is gone and only remembered.
    pub(super) fn is_departed(&self, node: NodeId) -> bool {
        self.departed.moment(&node).is_some()
    }

    /// When the next departed owner is forgotten.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.departed.deadline(Wake::Forget)
    }

    /// Bytes of keys and values of all owners.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A life has become a live member; the earlier life of which something was stored.
    pub(super) fn join(&mut self, peer: Peer) -> Option<Peer> {
        let old = self.states.get(&peer.node)?;
        if old.owner() != peer {
            return self.forget(peer.node);
        }
        if self.departed.stop(&peer.node) {
            self.tree.change(peer.node, 0, old.sum());
        }
        None
    }

    /// A member is gone; what it wrote is kept until then.
    pub(super) fn depart(&mut self, node: NodeId, until: Time) {
        if let Some(state) = self.states.get(&node)
            && !self.is_departed(node)
        {
            self.tree.change(node, state.sum(), 0);
            self.departed.set(node, until);
        }
    }

    /// Drops what is stored of a node; whose it was.
    pub(super) fn forget(&mut self, node: NodeId) -> Option<Peer> {
        let state = self.states.remove(&node)?;
        if !self.departed.stop(&node) {
            self.tree.change(node, state.sum(), 0);
        }
        self.bytes -= state.bytes();
        Some(state.owner())
    }

    /// Drops what is stored of a departed node whose time is over; whose it was. Call until `None`.
    pub(super) fn forget_due(&mut self, now: Time) -> Option<Peer> {
        let node = self.departed.fire(now)?;
        let state = self.states.remove(&node)?;
        self.bytes -= state.bytes();
        Some(state.owner())
    }

    /// Merges entries of a live owner.
    pub(super) fn merge(
        &mut self,
        owner: Peer,
        floor: u64,
        entries: Vec<Entry>,
    ) -> Result<Shown, Full> {
        let coming: usize = entries.iter().map(Entry::bytes).sum();
        if self.bytes.saturating_add(coming) > STORED_BYTES_MAX {
            return Err(Full);
        }
        let state = self
            .states
            .entry(owner.node)
            .or_insert_with(|| State::new(owner));
        let (sum, bytes) = (state.sum(), state.bytes());
        let before = state.merge(floor, entries);
        self.bytes = self.bytes - bytes + state.bytes();
        self.tree.change(owner.node, sum, state.sum());
        Ok(before)
    }
}
