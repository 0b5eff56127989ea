//! A tree of sums over all that is stored, compared from the root down: equal roots need one word,
//! and a difference leads to its owners in three steps.
//!
//! Each entry adds its [`Mixer`] word to the leaf of its owner and to every branch above, wrapping;
//! so a sum does not depend on the order of changes, and a change costs the depth of the tree.
//!
//! Invariants: I1 a branch's sum is that of its children. I2 empty branches are not stored.
//!
//! Deliberately absent: protection against members that make two sums collide on purpose. They
//! would hide their own entries from some; they may as well not send them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// Children of each branch.
pub(super) const ARITY: usize = 16;
/// Steps from the root to a leaf: 4096 leaves.
const DEPTH: u8 = 3;
const BITS: u32 = 4;

/// A place in the tree: how far down, and which of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// Steps from the root.
    pub depth: u8,
    /// Which one of that depth.
    pub index: u16,
}

impl Branch {
    /// The whole tree.
    pub(super) const ROOT: Branch = Branch { depth: 0, index: 0 };

    /// Whether there is such a place.
    pub(super) fn is_in_tree(self) -> bool {
        self.depth <= DEPTH && u32::from(self.index) < 1 << (BITS * u32::from(self.depth))
    }

    /// Whether nothing is below it.
    pub(super) fn is_leaf(self) -> bool {
        self.depth >= DEPTH
    }

    /// The branches directly below.
    pub(super) fn children(self) -> impl Iterator<Item = Branch> {
        let first = u32::from(self.index) << BITS;
        let depth = self.depth.saturating_add(1);
        (first..first + (1 << BITS)).map(move |index| Branch {
            depth,
            index: u16::try_from(index).unwrap_or(u16::MAX),
        })
    }

    fn parent(self) -> Option<Branch> {
        let depth = self.depth.checked_sub(1)?;
        let index = self.index >> BITS;
        Some(Branch { depth, index })
    }

    fn leaf_of(node: NodeId) -> Branch {
        let word = Mixer::new(0).word(node.0).finish();
        let index = u16::try_from(word >> (u64::BITS - BITS * u32::from(DEPTH))).unwrap_or(0);
        let depth = DEPTH;
        Branch { depth, index }
    }

    fn leaves(self) -> RangeInclusive<u16> {
        let below = BITS * u32::from(DEPTH - self.depth.min(DEPTH));
        let first = u32::from(self.index) << below;
        let last = first + (1 << below) - 1;
        let leaf = |index: u32| u16::try_from(index).unwrap_or(u16::MAX);
        leaf(first)..=leaf(last)
    }
}

/// What one branch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Sum {
    sum: u64,
    owners: usize,
}

/// The tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tree {
    sums: BTreeMap<Branch, Sum>,
    owners: BTreeSet<(u16, NodeId)>,
}

impl Tree {
    /// The sum of a branch.
    pub(super) fn sum(&self, branch: Branch) -> u64 {
        self.sums.get(&branch).map_or(0, |held| held.sum)
    }

    /// How many owners have entries in a branch.
    pub(super) fn count(&self, branch: Branch) -> usize {
        self.sums.get(&branch).map_or(0, |held| held.owners)
    }

    /// The owners that have entries in a branch.
    pub(super) fn owners(&self, branch: Branch) -> impl Iterator<Item = NodeId> {
        let (first, last) = branch.leaves().into_inner();
        let range = (first, NodeId(0))..=(last, NodeId(u64::MAX));
        self.owners.range(range).map(|(_, node)| *node)
    }

    /// What `owner` adds has become `new` from `old`; 0 stands for nothing.
    pub(super) fn change(&mut self, owner: NodeId, old: u64, new: u64) {
        let leaf = Branch::leaf_of(owner);
        let place = (leaf.index, owner);
        let had = self.owners.contains(&place);
        let has = new != 0;
        if has {
            self.owners.insert(place);
        } else {
            self.owners.remove(&place);
        }
        let mut next = Some(leaf);
        while let Some(branch) = next {
            let held = self.sums.entry(branch).or_default();
            held.sum = held.sum.wrapping_sub(old).wrapping_add(new);
            held.owners = held.owners + usize::from(has) - usize::from(had);
            if held.owners == 0 {
                self.sums.remove(&branch);
            }
            next = branch.parent();
        }
    }
}

/// Mixes words into one. The numbers are frozen: nodes compare what they come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixer(u64);

impl Mixer {
    /// Begins with a label, so that different things never come to the same word.
    pub(super) fn new(label: u64) -> Mixer {
        Mixer(0x9e37_79b9_7f4a_7c15).word(label)
    }

    /// Adds a word.
    #[must_use]
    pub(super) fn word(self, word: u64) -> Mixer {
        let mixed = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Mixer(mixed ^ (mixed >> 32))
    }

    /// Adds bytes and how many they are.
    #[must_use]
    pub(super) fn bytes(self, bytes: &[u8]) -> Mixer {
        bytes
            .chunks(8)
            .fold(self.word(bytes.len() as u64), |mixer, chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                mixer.word(u64::from_le_bytes(word))
            })
    }

    /// The word they come to; never 0.
    pub(super) fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (mixed ^ (mixed >> 33)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::seed::{Seed, Stream};

    #[test]
    fn every_branch_holds_the_sum_of_its_children() {
        let mut random = Seed::from_number(5).stream(Stream::Plan);
        let (mut tree, mut twin) = (Tree::default(), BTreeMap::new());
        for _ in 0..3_000 {
            let owner = NodeId(random.within(1..=400));
            let new = if random.chance(300) { 0 } else { random.word() };
            let old = twin.insert(owner, new).unwrap_or(0);
            tree.change(owner, old, new);
        }
        twin.retain(|_, sum| *sum != 0);
        let total = twin.values().fold(0u64, |sum, one| sum.wrapping_add(*one));
        assert_eq!(
            (tree.sum(Branch::ROOT), tree.count(Branch::ROOT)),
            (total, twin.len())
        );
        let mut level: Vec<Branch> = Vec::from([Branch::ROOT]);
        for _ in 0..DEPTH {
            for branch in &level {
                let below = branch.children().map(|child| tree.sum(child));
                let below = below.fold(0u64, u64::wrapping_add);
                assert_eq!(tree.sum(*branch), below, "{branch:?}");
                assert_eq!(tree.owners(*branch).count(), tree.count(*branch));
            }
            level = level.iter().flat_map(|branch| branch.children()).collect();
        }
        assert_eq!(level.len(), 4096);
        assert!(level.iter().all(|leaf| leaf.is_leaf() && leaf.is_in_tree()));
        twin.iter()
            .for_each(|(owner, sum)| tree.change(*owner, *sum, 0));
        assert_eq!(tree, Tree::default());
    }

    #[test]
    fn places_outside_the_tree_are_known() {
        let place = |depth, index| Branch { depth, index };
        assert!(place(0, 0).is_in_tree() && place(3, 4095).is_in_tree());
        for outside in [
            place(0, 1),
            place(1, 16),
            place(3, 4096),
            place(4, 0),
            place(255, 9),
        ] {
            assert!(!outside.is_in_tree(), "{outside:?}");
        }
    }

    #[test]
    fn the_words_are_frozen() {
        let word = Mixer::new(1).word(2).bytes(b"three four five").finish();
        assert_eq!(word, GOLDEN);
        assert_ne!(
            Mixer::new(1).bytes(b"a").finish(),
            Mixer::new(1).bytes(b"a\0").finish()
        );
    }

    const GOLDEN: u64 = 13_569_247_368_842_488_512;
}
