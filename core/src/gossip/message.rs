//! What gossip says to its peers, as plain structs; each has a type code in `wire`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::limits::{
    BRANCHES_MAX, ENTRIES_MAX, HOLDINGS_BYTES, KEY_BYTES_MAX, VALUE_BYTES_MAX, VERSION_MAX,
    check_key,
};
use super::tree::{ARITY, Branch};
use crate::id::Peer;
use crate::payload::Payload;

/// A message between the gossip machines of two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Opens an exchange.
    Digest(Digest),
    /// Goes one level down where the trees differ.
    Branches(Branches),
    /// Lists all that is held in a part of the tree.
    Holdings(Holdings),
    /// Asks for what the other end holds of some owners.
    Wants(Wants),
    /// Brings what the other end lacks.
    Delta(Delta),
    /// Brings what was written just now, to be passed on.
    News(News),
}

/// "This is the sum of all I hold." Unanswered when the receiver holds the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest {
    /// The sum at the root of the sender's tree.
    pub root: u64,
}

/// "Here the sums below are these."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Branches {
    /// Branches whose sums differ, with the sums below them.
    pub branches: Vec<Children>,
}

/// The sums below a branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Children {
    /// The branch.
    pub of: Branch,
    /// Its children's sums, in order.
    pub sums: Vec<u64>,
}

/// "In these parts of the tree, this is all I hold."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holdings {
    /// The parts.
    pub branches: Vec<Branch>,
    /// What is held in them.
    pub owners: Vec<Holding>,
}

/// "Of these owners I hold this; tell me the rest."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wants {
    /// What is held of them.
    pub owners: Vec<Holding>,
}

/// What a node holds of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holding {
    /// The life that wrote it.
    pub owner: Peer,
    /// Everything up to this version is void.
    pub floor: u64,
    /// The words of the entries held, as the tree sums them up.
    pub words: Vec<u64>,
}

/// "This is what you lack."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Delta {
    /// By owner.
    pub changes: Vec<Change>,
    /// There was more than one message may carry: ask again.
    pub more: bool,
}

/// "This was written just now."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct News {
    /// By owner.
    pub changes: Vec<Change>,
}

/// Entries of one owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The life that wrote them.
    pub owner: Peer,
    /// Everything up to this version is void.
    pub floor: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One write of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The owner's version of this write.
    pub version: u64,
    /// The value; `None` where the key was deleted.
    pub value: Option<Payload>,
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerFault {
    /// A branch outside the tree, or without all of its children.
    OutsideTree,
    /// More branches, owners or entries than one message may name.
    TooMany,
    /// A key, a value or a version outside its bounds.
    OutsideBounds,
    /// More than all owners together may store.
    ClusterFull,
    /// An entry in this node's name that it did not write.
    ForgedEntry,
}

impl Message {
    /// Whether the message keeps to the bounds of the protocol.
    pub(super) fn check(&self) -> Result<(), PeerFault> {
        match self {
            Message::Digest(_) => Ok(()),
            Message::Branches(message) => check_branches(&message.branches),
            Message::Holdings(message) => {
                if message.branches.len() > BRANCHES_MAX {
                    return Err(PeerFault::TooMany);
                }
                if !message.branches.iter().all(|branch| branch.is_in_tree()) {
                    return Err(PeerFault::OutsideTree);
                }
                check_holdings(&message.owners)
            }
            Message::Wants(message) => check_holdings(&message.owners),
            Message::Delta(message) => check_changes(&message.changes),
            Message::News(message) => check_changes(&message.changes),
        }
    }
}

fn check_branches(branches: &[Children]) -> Result<(), PeerFault> {
    if branches.len() > BRANCHES_MAX {
        return Err(PeerFault::TooMany);
    }
    let is_whole = |children: &Children| {
        children.of.is_in_tree() && !children.of.is_leaf() && children.sums.len() == ARITY
    };
    let is_sound = branches.iter().all(is_whole);
    is_sound.then_some(()).ok_or(PeerFault::OutsideTree)
}

fn check_holdings(owners: &[Holding]) -> Result<(), PeerFault> {
    let bytes: usize = owners.iter().map(Holding::bytes).sum();
    let is_sound = bytes <= HOLDINGS_BYTES && owners.iter().all(|o| o.words.len() <= ENTRIES_MAX);
    is_sound.then_some(()).ok_or(PeerFault::TooMany)
}

fn check_changes(changes: &[Change]) -> Result<(), PeerFault> {
    if changes
        .iter()
        .any(|change| change.entries.len() > ENTRIES_MAX)
    {
        return Err(PeerFault::TooMany);
    }
    let is_sound = |change: &Change| {
        change.floor <= VERSION_MAX && change.entries.iter().all(Entry::is_within_bounds)
    };
    let is_sound = changes.iter().all(is_sound);
    is_sound.then_some(()).ok_or(PeerFault::OutsideBounds)
}

impl Holding {
    /// How long it is on the wire.
    pub(super) fn bytes(&self) -> usize {
        32 + 8 * self.words.len()
    }
}

impl Change {
    /// How long it is on the wire without its entries.
    pub(super) const HEAD_BYTES: usize = 32;
}

impl Entry {
    /// How long it is on the wire, at most.
    pub(super) fn bytes(&self) -> usize {
        25 + self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }

    fn is_within_bounds(&self) -> bool {
        let value_fits = |value: &Payload| value.len() <= VALUE_BYTES_MAX;
        self.key.len() <= KEY_BYTES_MAX
            && check_key(&self.key).is_ok()
            && self.value.as_ref().is_none_or(value_fits)
            && (1..=VERSION_MAX).contains(&self.version)
    }
}
