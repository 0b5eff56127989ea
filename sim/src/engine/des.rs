//! The event queue and the loop of a run.
//!
//! * I1: entries at one moment come in an order drawn from the seed, not in that of their making:
//!   a machine must not depend on luck.
//! * I2: a run is a function of its plan.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use quorate_core::id::LinkId;
use quorate_core::seed::{Random, Seed, Stream};

use crate::plan::Plan;
use crate::record::Record;
use crate::report::Report;
use crate::steps::Stopwatch;
use crate::world::World;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A node's deadline.
    Wake {
        /// The index of the host.
        host: usize,
        /// The life it was armed in.
        life: u64,
    },
    /// A node's sync is complete.
    Synced {
        /// The index of the host.
        host: usize,
        /// The life it was started in.
        life: u64,
    },
    /// A node's sync takes so long that its driver says so.
    Stalled {
        /// The index of the host.
        host: usize,
        /// The life it was started in.
        life: u64,
    },
    /// A slow process comes to what waits for it.
    Turn {
        /// The index of the host.
        host: usize,
    },
    /// A segment has arrived at an end.
    Arrived {
        /// The connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// A link's deadline.
    LinkTick {
        /// The connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// A connection's opening has reached whom it was for.
    Opened {
        /// The dialling host.
        from: usize,
        /// Its life.
        life: u64,
        /// Which of its pending dials.
        dial: usize,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The dialling host.
        host: usize,
        /// Its life.
        life: u64,
        /// Which of its pending dials.
        dial: usize,
    },
    /// A node must be told that a connection it hung up is down.
    HungUp {
        /// The index of the host.
        host: usize,
        /// Its life.
        life: u64,
        /// The connection, as the node calls it.
        link: LinkId,
    },
    /// A process that may speak joins the others.
    Join {
        /// The index of the host.
        host: usize,
        /// Its life.
        life: u64,
    },
    /// A fault of the plan strikes.
    Fault(usize),
    /// A crashed process is started.
    Restart {
        /// The index of the host.
        host: usize,
        /// The life that crashed.
        life: u64,
    },
    /// A fault that lasts a while is over.
    Over(usize),
    /// A client acts.
    Client {
        /// Which.
        client: usize,
        /// Which of its turns.
        turn: u64,
    },
    /// Everything heals.
    HealAll,
    /// The checkers look at the whole.
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: u64,
    tie: u64,
    number: u64,
    due: Due,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        (self.at, self.tie, self.number).cmp(&(other.at, other.tie, other.number))
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
    heap: BinaryHeap<Reverse<Entry>>,
    order: Random,
    word: u64,
    number: u64,
}

impl Queue {
    /// Nothing yet.
    #[must_use]
    pub fn new(seed: &Seed) -> Queue {
        let mut order = seed.stream(Stream::Order);
        let word = order.word();
        Queue {
            heap: BinaryHeap::new(),
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
        self.heap.push(Reverse(Entry {
            at,
            tie,
            number: self.number,
            due,
        }));
    }

    /// The next word of the stream that orders entries at one moment.
    pub fn draw(&mut self) -> u64 {
        self.order.word()
    }

    /// The next entry.
    pub fn pop(&mut self) -> Option<(u64, Due)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.due))
    }
}

/// How a run is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep the lines of a timeline.
    pub timeline: bool,
}

/// Carries out a plan.
#[must_use]
pub fn run(plan: &Plan, options: Options) -> Report {
    let mut world = World::new(plan);
    if options.timeline {
        world.keep_record();
    }
    carry_out(plan, &mut world);
    world.finish()
}

/// Carries out a plan and keeps the record of everything that happened.
#[must_use]
pub fn record(plan: &Plan) -> (Report, Record) {
    let mut world = World::new(plan);
    world.keep_record();
    carry_out(plan, &mut world);
    // The last checks may add a violation, which belongs to the record as well.
    world.check_last();
    let record = world.take_record().unwrap_or_default();
    (world.finish(), record)
}

/// Carries out a plan and times every step.
#[must_use]
pub fn time(plan: &Plan) -> (Report, Stopwatch) {
    let mut world = World::new(plan);
    world.stopwatch = Some(Stopwatch::default());
    carry_out(plan, &mut world);
    let stopwatch = world.stopwatch.take().unwrap_or_default();
    (world.finish(), stopwatch)
}

fn carry_out(plan: &Plan, world: &mut World) {
    let end = plan.end.ns();
    while let Some((at, due)) = world.queue.pop() {
        if at > end || world.is_over() {
            break;
        }
        world.judge_until(at);
        world.now = at;
        world.on_due(due);
        world.note_conditions();
    }
    if !world.is_over() {
        world.judge_until(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_orders_first_and_the_seed_orders_the_rest() {
        let order = |seed: u64| {
            let mut queue = Queue::new(&Seed::from_number(seed));
            queue.push(9, Due::HealAll);
            (0..20).for_each(|n| queue.push(5, Due::Fault(n)));
            let mut all = Vec::new();
            while let Some((at, due)) = queue.pop() {
                all.push((at, due));
            }
            all
        };
        assert_eq!(order(1).last(), Some(&(9, Due::HealAll)));
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
