//! News: what was just written is told to a few members at once, who pass it on. That makes a write
//! known everywhere within a second or two; whom the news misses, the exchange of digests reaches.
//!
//! Invariants: I1 at most [`ITEMS_MAX`] items wait; the ones told most are dropped first. I2 an
//! item is told a number of times that grows with the digits of the cluster's size, then it is old.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::id::NodeId;

/// Items that wait to be told.
const ITEMS_MAX: usize = 512;

/// A key of an owner.
pub(super) type Place = (NodeId, String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Item {
    told: u32,
    order: u64,
}

/// What is new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    items: BTreeMap<Place, Item>,
    order: u64,
}

impl Queue {
    /// Whether nothing is new.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Something is new; an earlier item about the same key is replaced.
    pub(super) fn push(&mut self, place: Place) {
        self.order += 1;
        let order = self.order;
        self.items.insert(place, Item { told: 0, order });
        if self.items.len() > ITEMS_MAX {
            let oldest = self.in_order().pop();
            self.items.retain(|place, _| Some(place) != oldest.as_ref());
        }
    }

    /// All items, the least told first, among equals the newest.
    pub(super) fn in_order(&self) -> Vec<Place> {
        let mut items: Vec<(&Place, &Item)> = self.items.iter().collect();
        items.sort_unstable_by_key(|(_, item)| (item.told, u64::MAX - item.order));
        items.into_iter().map(|(place, _)| place.clone()).collect()
    }

    /// An item was told to some; it is dropped when it was told often enough.
    pub(super) fn told(&mut self, place: &Place, times: u32, often: u32) {
        if let Some(item) = self.items.get_mut(place) {
            item.told = item.told.saturating_add(times);
            if item.told >= often {
                self.items.remove(place);
            }
        }
    }

    /// Nothing is new any more.
    pub(super) fn clear(&mut self) {
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: u64) -> Place {
        (NodeId(n), "k".into())
    }

    #[test]
    fn the_least_told_goes_first_and_the_newest_among_equals() {
        let mut queue = Queue::default();
        (1..=3).for_each(|n| queue.push(place(n)));
        queue.told(&place(3), 2, 4);
        assert_eq!(queue.in_order(), [place(2), place(1), place(3)]);
        queue.told(&place(3), 2, 4);
        assert_eq!(queue.in_order(), [place(2), place(1)]);
        queue.push(place(1));
        assert_eq!(queue.in_order(), [place(1), place(2)]);
    }

    #[test]
    fn a_flood_drops_the_most_told() {
        let mut queue = Queue::default();
        (0..ITEMS_MAX as u64).for_each(|n| queue.push(place(n)));
        queue.told(&place(7), 1, 4);
        queue.push(place(9_999));
        let kept = queue.in_order();
        assert_eq!((kept.len(), kept.contains(&place(7))), (ITEMS_MAX, false));
        assert_eq!(kept[0], place(9_999));
    }
}
