//! The state of one owner: its keys, each with the version of its last write, and the floor below
//! which nothing counts.
//!
//! It is a join-semilattice: [`State::merge`] takes the higher floor and, per key, the higher
//! version, so that merges may come in any order, repeated and through anyone. A deletion is an
//! entry without a value. When its owner has too many of those it resets: it raises the floor to
//! its last version and writes what is left anew above it, so that what a forgotten deletion
//! covered stays deleted everywhere.
//!
//! Invariants: I1 every entry's version is above the floor. I2 at most [`ENTRIES_MAX`] entries, the
//! lowest go first; an honest owner never has more. I3 `sum` is that of the entries and the floor.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::limits::ENTRIES_MAX;
use super::message::{Entry, Holding};
use super::tree::Mixer;
use crate::id::Peer;
use crate::payload::Payload;

/// A write that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) version: u64,
    pub(super) value: Option<Payload>,
    /// What it adds to the sum.
    word: u64,
}

impl Held {
    /// What decides between two writes of a key; the value only when an owner's word was forged.
    fn rank(&self) -> (u64, Option<&Payload>) {
        (self.version, self.value.as_ref())
    }
}

/// The values that some keys show; `None` for none.
pub(super) type Shown = BTreeMap<String, Option<Payload>>;

/// The state of one life of an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    owner: Peer,
    floor: u64,
    keys: BTreeMap<String, Held>,
    bytes: usize,
    sum: u64,
}

impl State {
    /// Nothing written yet.
    pub(super) fn new(owner: Peer) -> State {
        State {
            owner,
            floor: 0,
            keys: BTreeMap::new(),
            bytes: 0,
            sum: 0,
        }
    }

    /// The life that writes it.
    pub(super) fn owner(&self) -> Peer {
        self.owner
    }

    /// Everything up to this version is void.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The highest version seen.
    pub(super) fn high(&self) -> u64 {
        let versions = self.keys.values().map(|held| held.version);
        versions.max().unwrap_or(0).max(self.floor)
    }

    /// Bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it adds to the tree; 0 while nothing was written.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// What a key shows.
    pub(super) fn value(&self, key: &str) -> Option<&Payload> {
        self.keys.get(key)?.value.as_ref()
    }

    /// The version of the write in force of a key; the floor, where none is.
    pub(super) fn version(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(self.floor, |held| held.version)
    }

    /// Whether an entry would change anything here.
    pub(super) fn yields_to(&self, entry: &Entry) -> bool {
        let rank = (entry.version, entry.value.as_ref());
        entry.version > self.floor
            && self
                .keys
                .get(&entry.key)
                .is_none_or(|held| held.rank() < rank)
    }

    /// All writes in force, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Held)> {
        self.keys.iter()
    }

    /// Keys that have a value, and keys that were deleted.
    pub(super) fn counts(&self) -> (usize, usize) {
        let live = self
            .keys
            .values()
            .filter(|held| held.value.is_some())
            .count();
        (live, self.keys.len() - live)
    }

    /// What is held, for a peer to compare.
    pub(super) fn holding(&self) -> Holding {
        Holding {
            owner: self.owner,
            floor: self.floor,
            words: self.keys.values().map(|held| held.word).collect(),
        }
    }

    /// The entries a peer with this holding lacks, newest first.
    pub(super) fn beyond(&self, theirs: &Holding) -> Vec<Entry> {
        let lacks = |held: &Held| held.version > theirs.floor && !theirs.words.contains(&held.word);
        let missing = self.keys.iter().filter(|(_, held)| lacks(held));
        let mut entries: Vec<Entry> = missing.map(|(key, held)| entry(key, held)).collect();
        entries.sort_unstable_by_key(|entry| Reverse(entry.version));
        entries
    }

    /// Whether a peer with this holding may have something that is not here.
    pub(super) fn lacks_of(&self, theirs: &Holding) -> bool {
        let has = |word: &u64| self.keys.values().any(|held| held.word == *word);
        theirs.floor > self.floor || !theirs.words.iter().all(has)
    }

    /// The entry of a key, for the wire.
    pub(super) fn entry(&self, key: &str) -> Option<Entry> {
        self.keys
            .get_key_value(key)
            .map(|(key, held)| entry(key, held))
    }

    /// Takes in what another node holds. Tells which keys' write in force changed, and what each
    /// showed before.
    pub(super) fn merge(&mut self, floor: u64, entries: Vec<Entry>) -> Shown {
        let mut before = Shown::new();
        self.raise_floor(floor, &mut before);
        for entry in entries {
            self.put(entry, &mut before);
        }
        while self.keys.len() > ENTRIES_MAX {
            let lowest = self
                .keys
                .iter()
                .min_by_key(|(key, held)| (held.version, *key));
            let Some(key) = lowest.map(|(key, _)| key.clone()) else {
                break;
            };
            self.remove(&key, &mut before);
        }
        before
    }

    /// Voids everything up to `floor`.
    fn raise_floor(&mut self, floor: u64, before: &mut Shown) {
        if floor <= self.floor {
            return;
        }
        self.sum = self.sum.wrapping_sub(self.floor_sum());
        self.floor = floor;
        self.sum = self.sum.wrapping_add(self.floor_sum());
        let void = self.keys.iter().filter(|(_, held)| held.version <= floor);
        let void: Vec<String> = void.map(|(key, _)| key.clone()).collect();
        for key in &void {
            self.remove(key, before);
        }
    }

    fn put(&mut self, entry: Entry, before: &mut Shown) {
        let Entry {
            key,
            version,
            value,
        } = entry;
        if version <= self.floor {
            return;
        }
        let mut word = Mixer::new(ENTRY)
            .word(self.owner.node.0)
            .word(self.owner.boot);
        word = word.word(version).bytes(key.as_bytes());
        word = match &value {
            Some(value) => word.word(1).bytes(value),
            None => word.word(0),
        };
        let new = Held {
            version,
            value,
            word: word.finish(),
        };
        let old = self.keys.get(&key);
        if old.is_some_and(|old| old.rank() >= new.rank()) {
            return;
        }
        if old.is_some() {
            self.remove(&key, before);
        } else {
            before.entry(key.clone()).or_insert(None);
        }
        self.bytes += size(&key, &new);
        self.sum = self.sum.wrapping_add(new.word);
        self.keys.insert(key, new);
    }

    fn remove(&mut self, key: &str, before: &mut Shown) {
        if let Some((key, old)) = self.keys.remove_entry(key) {
            self.bytes -= size(&key, &old);
            self.sum = self.sum.wrapping_sub(old.word);
            before.entry(key).or_insert(old.value);
        }
    }

    fn floor_sum(&self) -> u64 {
        if self.floor == 0 {
            return 0;
        }
        let sum = Mixer::new(FLOOR)
            .word(self.owner.node.0)
            .word(self.owner.boot);
        sum.word(self.floor).finish()
    }
}

const ENTRY: u64 = 1;
const FLOOR: u64 = 2;

fn size(key: &str, held: &Held) -> usize {
    key.len() + held.value.as_ref().map_or(0, |value| value.len())
}

fn entry(key: &str, held: &Held) -> Entry {
    Entry {
        key: key.into(),
        version: held.version,
        value: held.value.clone(),
    }
}
