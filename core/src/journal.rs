//! Record and replay: a node is a pure function of its start and of the `(Time, Event)`s it was
//! stepped with.
//!
//! [`Recorder`] keeps both and folds every action into a fingerprint; [`Journal::replay`] steps a
//! fresh node through the same events and arrives at the same fingerprint, in any process on any
//! machine, or something is not deterministic.
//!
//! Deliberately absent: a file format, and any bound. A recorder is for tests and the simulator.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use crate::durable::Durable;
use crate::id::Lsn;
use crate::node::{Action, Event, Node, ValidConfig};
use crate::seed::Seed;
use crate::time::Time;

/// A running 64-bit hash over words; equal on all 64-bit platforms. Not for adversaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Folds a value in.
    pub fn fold<T: Hash + ?Sized>(&mut self, value: &T) {
        value.hash(self);
    }

    fn word(&mut self, word: u64) {
        // FNV's prime over whole words, with a rotation that carries high bits down.
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, i: u8) {
        self.word(u64::from(i));
    }

    fn write_u16(&mut self, i: u16) {
        self.word(u64::from(i));
    }

    fn write_u32(&mut self, i: u32) {
        self.word(u64::from(i));
    }

    fn write_u64(&mut self, i: u64) {
        self.word(i);
    }

    fn write_usize(&mut self, i: usize) {
        self.word(i as u64);
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.finish())
    }
}

/// What a node starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its configuration.
    pub config: ValidConfig,
    /// What was durable.
    pub durable: Durable,
    /// The number of the last durable record.
    pub last: Lsn,
    /// Its randomness.
    pub seed: Seed,
    /// When.
    pub now: Time,
}

impl Start {
    /// The node that starts here.
    #[must_use]
    pub fn node(&self) -> Node {
        let Start {
            config,
            durable,
            last,
            seed,
            now,
        } = self;
        Node::recover(config.clone(), durable.clone(), *last, seed, *now)
    }
}

/// A life of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Where it began.
    pub start: Start,
    /// What happened to it.
    pub events: Vec<(Time, Event)>,
}

impl Journal {
    /// Lives it again; the fingerprint of all actions.
    #[must_use]
    pub fn replay(&self) -> Fingerprint {
        let mut node = self.start.node();
        let (mut fingerprint, mut actions) = (Fingerprint::default(), Vec::new());
        for (now, event) in &self.events {
            node.step(*now, event.clone(), &mut actions);
            fingerprint.fold(&actions);
            actions.clear();
        }
        fingerprint
    }
}

/// A node whose life is recorded.
#[derive(Clone, Debug)]
pub struct Recorder {
    node: Node,
    journal: Journal,
    fingerprint: Fingerprint,
}

impl Recorder {
    /// Starts a node and its journal.
    #[must_use]
    pub fn new(start: Start) -> Recorder {
        let node = start.node();
        let journal = Journal {
            start,
            events: Vec::new(),
        };
        Recorder {
            node,
            journal,
            fingerprint: Fingerprint::default(),
        }
    }

    /// Steps the node, and remembers.
    pub fn step(&mut self, now: Time, event: Event, actions: &mut Vec<Action>) {
        let before = actions.len();
        self.journal.events.push((now, event.clone()));
        self.node.step(now, event, actions);
        self.fingerprint.fold(&actions[before..]);
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its life so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The fingerprint of all its actions so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
