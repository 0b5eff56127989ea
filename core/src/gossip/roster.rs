//! Who takes part: the other live members in their present lives, to draw partners from.
//!
//! Invariants: I1 `nodes` holds exactly the keys of `lives`, each at its slot. I2 a draw and a
//! change cost no scan.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::{NodeId, Peer};
use crate::seed::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Life {
    boot: u64,
    slot: usize,
}

/// The other live members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Roster {
    lives: BTreeMap<NodeId, Life>,
    nodes: Vec<NodeId>,
}

impl Roster {
    /// How many others live.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether this life of another node is a live member.
    pub(super) fn has(&self, peer: Peer) -> bool {
        self.lives
            .get(&peer.node)
            .is_some_and(|life| life.boot == peer.boot)
    }

    /// The present life of another live member.
    pub(super) fn life(&self, node: NodeId) -> Option<Peer> {
        let boot = self.lives.get(&node)?.boot;
        Some(Peer { node, boot })
    }

    /// A life has become a live member.
    pub(super) fn join(&mut self, peer: Peer) {
        let slot = match self.lives.get(&peer.node) {
            Some(life) => life.slot,
            None => {
                self.nodes.push(peer.node);
                self.nodes.len() - 1
            }
        };
        let boot = peer.boot;
        self.lives.insert(peer.node, Life { boot, slot });
    }

    /// A node is no live member any more.
    pub(super) fn leave(&mut self, node: NodeId) {
        let Some(life) = self.lives.remove(&node) else {
            return;
        };
        self.nodes.swap_remove(life.slot);
        if let Some(moved) = self.nodes.get(life.slot)
            && let Some(its) = self.lives.get_mut(moved)
        {
            its.slot = life.slot;
        }
    }

    /// Up to `count` different members, drawn at random.
    pub(super) fn draw(&self, count: usize, random: &mut Random) -> Vec<NodeId> {
        let mut drawn: Vec<NodeId> = Vec::new();
        let count = count.min(self.nodes.len());
        if count * 2 > self.nodes.len() {
            drawn.clone_from(&self.nodes);
            random.shuffle(&mut drawn);
            drawn.truncate(count);
            return drawn;
        }
        // At most half are wanted, so two draws on average find a new one.
        while drawn.len() < count {
            let Some(node) = self.nodes.get(random.index(self.nodes.len())) else {
                break;
            };
            if !drawn.contains(node) {
                drawn.push(*node);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::seed::{Seed, Stream};

    #[test]
    fn draws_find_every_live_member_and_nobody_else() {
        let mut random = Seed::from_number(2).stream(Stream::Plan);
        let (mut roster, mut twin) = (Roster::default(), BTreeMap::new());
        for _ in 0..500 {
            let peer = Peer {
                node: NodeId(random.within(1..=20)),
                boot: random.within(1..=3),
            };
            if random.chance(500) {
                roster.join(peer);
                twin.insert(peer.node, peer.boot);
            } else {
                roster.leave(peer.node);
                twin.remove(&peer.node);
            }
            assert_eq!(roster.has(peer), twin.get(&peer.node) == Some(&peer.boot));
            let count = random.index(12);
            let drawn = roster.draw(count, &mut random);
            let distinct: BTreeSet<NodeId> = drawn.iter().copied().collect();
            assert_eq!(distinct.len(), count.min(twin.len()), "{drawn:?}");
            assert!(distinct.iter().all(|node| twin.contains_key(node)));
        }
    }
}
