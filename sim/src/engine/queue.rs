//! What is due when.
//!
//! * I1: entries at one moment come in an order drawn from the seed, not in that of their making:
//!   a machine must not depend on luck.
//!
//! Most of what waits is far away: the timers of connections on which nothing happens. So only what
//! is due in the present slot of time is kept in order; the rest lies in a ring of slots, unsorted,
//! and beyond the ring in one heap.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use quorate_core::seed::{Random, Seed, Stream};

use super::des::Due;

/// A slot of the ring is 2^23 ns wide, about 8 ms.
const SLOT_BITS: u32 = 23;
/// The ring reaches about 17 s ahead.
const SLOTS: usize = 2048;
/// An empty slot keeps memory for so many entries.
const SLOT_ENTRIES_KEPT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: u64,
    tie: u64,
    due: Due,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What is due when.
#[derive(Clone, Debug)]
pub struct Queue {
    /// What is due in the present slot or before.
    near: BinaryHeap<Reverse<Entry>>,
    /// What is due in the slots behind it, each at its number modulo their count.
    ring: Vec<Vec<Entry>>,
    in_ring: usize,
    /// What is due behind the ring.
    far: BinaryHeap<Reverse<Entry>>,
    /// The number of the present slot.
    present: u64,
    order: Random,
    word: u64,
    number: u64,
}

fn slot_of(at: u64) -> u64 {
    at >> SLOT_BITS
}

/// Where a slot lies in the ring.
fn place(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

impl Queue {
    /// Nothing yet.
    #[must_use]
    pub fn new(seed: &Seed) -> Queue {
        let mut order = seed.stream(Stream::Order);
        let word = order.word();
        Queue {
            near: BinaryHeap::new(),
            ring: vec![Vec::new(); SLOTS],
            in_ring: 0,
            far: BinaryHeap::new(),
            present: 0,
            order,
            word,
            number: 0,
        }
    }

    /// Adds an entry.
    pub fn push(&mut self, at: u64, due: Due) {
        self.number += 1;
        // One drawn word serves 64 entries; mixing in the number keeps their order unpredictable.
        if self.number.is_multiple_of(64) {
            self.word = self.order.word();
        }
        let tie = (self.word ^ self.number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.file(Entry { at, tie, due });
    }

    fn file(&mut self, entry: Entry) {
        let slot = slot_of(entry.at);
        if slot <= self.present {
            self.near.push(Reverse(entry));
        } else if slot - self.present < SLOTS as u64 {
            self.ring[place(slot)].push(entry);
            self.in_ring += 1;
        } else {
            self.far.push(Reverse(entry));
        }
    }

    /// The next word of the stream that orders entries at one moment.
    pub fn draw(&mut self) -> u64 {
        self.order.word()
    }

    /// The next entry.
    pub fn pop(&mut self) -> Option<(u64, Due)> {
        while self.near.is_empty() {
            if !self.advance() {
                return None;
            }
        }
        self.near.pop().map(|Reverse(entry)| (entry.at, entry.due))
    }

    /// Goes on to the next slot that may hold something; false if nothing is left.
    fn advance(&mut self) -> bool {
        if self.in_ring > 0 {
            self.present += 1;
        } else if let Some(Reverse(first)) = self.far.peek() {
            self.present = slot_of(first.at);
        } else {
            return false;
        }
        let slot = &mut self.ring[place(self.present)];
        self.in_ring -= slot.len();
        self.near.extend(slot.drain(..).map(Reverse));
        // What one burst needed is not kept for ever.
        slot.shrink_to(SLOT_ENTRIES_KEPT);
        while let Some(Reverse(entry)) = self.far.peek().copied()
            && slot_of(entry.at) - self.present < SLOTS as u64
        {
            self.far.pop();
            self.file(entry);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(queue: &mut Queue) -> Vec<(u64, Due)> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn time_orders_first_and_the_seed_orders_the_rest() {
        let order = |seed: u64| {
            let mut queue = Queue::new(&Seed::from_number(seed));
            queue.push(9, Due::HealAll);
            (0..20).for_each(|n| queue.push(5, Due::Fault(n)));
            drained(&mut queue)
        };
        assert_eq!(order(1).last(), Some(&(9, Due::HealAll)));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn however_far_away_something_is_it_comes_in_its_turn() {
        let seed = Seed::from_number(1);
        let (mut queue, mut random) = (Queue::new(&seed), seed.stream(Stream::Network));
        let far = (SLOTS as u64 + 3) << SLOT_BITS;
        let mut draw = |now: u64| {
            let word = random.word();
            now + [0, 1 << 10, 1 << SLOT_BITS, far][(word & 3) as usize] * (word >> 58)
        };
        let (mut now, mut pushed, mut popped) = (0, 0, 0);
        while pushed < 20_000 {
            for _ in 0..1 + pushed % 3 {
                queue.push(draw(now), Due::Fault(pushed));
                pushed += 1;
            }
            let (at, _) = queue.pop().unwrap();
            assert!(at >= now, "{at} after {now}");
            (now, popped) = (at, popped + 1);
        }
        let rest = drained(&mut queue);
        assert!(rest.is_sorted_by_key(|(at, _)| *at) && rest[0].0 >= now);
        assert_eq!(popped + rest.len(), pushed);
    }
}
