//! The order in which live members are probed (SWIM §4.3): a random round robin, so that every
//! member is probed once per sweep and a crash is noticed within two sweeps at worst.
//!
//! The shuffle is drawn lazily: each step swaps one random unvisited member to the front
//! (Fisher-Yates, one step at a time). So a sweep is a uniform permutation, a new member enters at
//! a random place of what is left of it, and no step touches more than two slots.
//!
//! Invariants: I1 `the slot of `order[i]` is i` for all i. I2 `order[..visited]` was probed in this
//! sweep, the rest was not.

use alloc::vec::Vec;

use crate::id::NodeId;
use crate::seed::Random;

/// Where the place of each member in the order is kept: with the member, in the table.
pub(super) trait Slots {
    /// The place of a member, if it has one.
    fn slot(&self, node: NodeId) -> Option<usize>;
    /// Notes the place of a member.
    fn set_slot(&mut self, node: NodeId, slot: Option<usize>);
}

/// The live members other than this node, in probe order; also the urn from which relays and gossip
/// targets are drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sweep {
    order: Vec<NodeId>,
    visited: usize,
}

impl Sweep {
    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Adds a member to what is left of this sweep; nothing happens if it is there already.
    pub(super) fn insert(&mut self, node: NodeId, slots: &mut impl Slots) {
        if slots.slot(node).is_none() {
            slots.set_slot(node, Some(self.order.len()));
            self.order.push(node);
        }
    }

    /// Takes a member out; the others keep their side of the visited mark.
    pub(super) fn remove(&mut self, node: NodeId, slots: &mut impl Slots) {
        let Some(mut slot) = slots.slot(node) else {
            return;
        };
        if slot < self.visited {
            self.visited -= 1;
            self.swap(slot, self.visited, slots);
            slot = self.visited;
        }
        self.swap(slot, self.order.len() - 1, slots);
        self.order.pop();
        slots.set_slot(node, None);
    }

    /// The next member to probe; a new sweep begins when all were visited.
    pub(super) fn draw(&mut self, random: &mut Random, slots: &mut impl Slots) -> Option<NodeId> {
        if self.visited >= self.order.len() {
            self.visited = 0;
        }
        let slot = self.visited + random.index(self.order.len() - self.visited);
        let node = self.order.get(slot).copied()?;
        self.swap(slot, self.visited, slots);
        self.visited += 1;
        Some(node)
    }

    /// Up to `count` distinct random members other than `except` (Floyd's sampling).
    pub(super) fn sample(
        &self,
        count: usize,
        except: Option<NodeId>,
        random: &mut Random,
    ) -> Vec<NodeId> {
        let total = self.order.len();
        // One more than asked for, so that enough is left when `except` is drawn.
        let wanted = count.saturating_add(1).min(total);
        let mut slots: Vec<usize> = Vec::with_capacity(wanted);
        for last in total - wanted..total {
            let drawn = random.index(last + 1);
            slots.push(if slots.contains(&drawn) { last } else { drawn });
        }
        random.shuffle(&mut slots);
        let drawn = slots
            .iter()
            .filter_map(|slot| self.order.get(*slot).copied());
        drawn
            .filter(|node| Some(*node) != except)
            .take(count)
            .collect()
    }

    fn swap(&mut self, a: usize, b: usize, slots: &mut impl Slots) {
        if a == b || a.max(b) >= self.order.len() {
            return;
        }
        self.order.swap(a, b);
        slots.set_slot(self.order[a], Some(a));
        slots.set_slot(self.order[b], Some(b));
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::seed::{Seed, Stream};

    type Places = BTreeMap<NodeId, usize>;

    impl Slots for Places {
        fn slot(&self, node: NodeId) -> Option<usize> {
            self.get(&node).copied()
        }

        fn set_slot(&mut self, node: NodeId, slot: Option<usize>) {
            match slot {
                Some(slot) => self.insert(node, slot),
                None => self.remove(&node),
            };
        }
    }

    #[test]
    fn every_sweep_visits_everyone_once_and_newcomers_join_the_rest_of_it() {
        let mut random = Seed::from_number(1).stream(Stream::Membership);
        let (mut sweep, mut slots) = (Sweep::default(), Places::new());
        assert_eq!(sweep.draw(&mut random, &mut slots), None);
        (1..=10).for_each(|n| sweep.insert(NodeId(n), &mut slots));
        let first: Vec<NodeId> = (0..10)
            .filter_map(|_| sweep.draw(&mut random, &mut slots))
            .collect();
        let half: Vec<NodeId> = (0..5)
            .filter_map(|_| sweep.draw(&mut random, &mut slots))
            .collect();
        sweep.insert(NodeId(11), &mut slots);
        sweep.remove(half[2], &mut slots);
        let rest: Vec<NodeId> = (0..6)
            .filter_map(|_| sweep.draw(&mut random, &mut slots))
            .collect();
        let all = |n| (1..=n).map(NodeId).collect::<BTreeSet<_>>();
        assert_eq!(first.iter().copied().collect::<BTreeSet<_>>(), all(10));
        assert_eq!(
            half.iter().chain(&rest).copied().collect::<BTreeSet<_>>(),
            all(11)
        );
        assert_ne!(first, (1..=10).map(NodeId).collect::<Vec<_>>());
    }

    #[test]
    fn slots_stay_true_under_random_changes() {
        let mut random = Seed::from_number(2).stream(Stream::Membership);
        let (mut sweep, mut slots) = (Sweep::default(), Places::new());
        let mut twin = BTreeSet::new();
        for _ in 0..5_000 {
            let node = NodeId(random.below(40));
            match random.below(3) {
                0 => {
                    sweep.insert(node, &mut slots);
                    twin.insert(node);
                }
                1 => {
                    sweep.remove(node, &mut slots);
                    twin.remove(&node);
                }
                _ => assert_eq!(
                    sweep.draw(&mut random, &mut slots).is_some(),
                    !twin.is_empty()
                ),
            }
            assert_eq!(sweep.order.iter().copied().collect::<BTreeSet<_>>(), twin);
            assert!(sweep.order.iter().enumerate().all(|(i, n)| slots[n] == i));
            assert_eq!((slots.len(), sweep.len()), (twin.len(), twin.len()));
        }
    }

    #[test]
    fn samples_are_distinct_and_spare_the_exception() {
        let mut random = Seed::from_number(3).stream(Stream::Membership);
        let (mut sweep, mut slots) = (Sweep::default(), Places::new());
        assert_eq!(sweep.sample(3, None, &mut random), []);
        (1..=6).for_each(|n| sweep.insert(NodeId(n), &mut slots));
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let drawn = sweep.sample(3, Some(NodeId(4)), &mut random);
            let distinct: BTreeSet<NodeId> = drawn.iter().copied().collect();
            assert_eq!((drawn.len(), distinct.len()), (3, 3));
            assert!(!distinct.contains(&NodeId(4)));
            seen.extend(distinct);
        }
        assert_eq!(seen.len(), 5);
        assert_eq!(
            sweep.sample(usize::MAX, Some(NodeId(4)), &mut random).len(),
            5
        );
    }
}
