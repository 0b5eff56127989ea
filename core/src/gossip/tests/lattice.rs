//! The merge against a naive twin: all writes ever seen, looked through each time.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::message::Entry;
use super::super::state::State;
use super::{peer, value};
use crate::payload::Payload;
use crate::seed::{Random, Seed, Stream};

type Write = (u64, Vec<Entry>);

/// Writes with forged ones among them: one version names several.
fn writes(random: &mut Random, count: usize) -> Vec<Write> {
    let mut all = Vec::new();
    for _ in 0..count {
        let floor = if random.chance(150) {
            random.below(30)
        } else {
            0
        };
        let mut entries = Vec::new();
        for _ in 0..random.index(5) {
            let text = format!("{}", random.below(3));
            entries.push(Entry {
                key: format!("k{}", random.below(6)),
                version: random.within(1..=60),
                value: random.chance(700).then(|| value(&text)),
            });
        }
        all.push((floor, entries));
    }
    all
}

fn merged(writes: &[Write]) -> State {
    let mut state = State::new(peer(1, 1));
    for (floor, entries) in writes {
        state.merge(*floor, entries.clone());
    }
    state
}

type Shown = (u64, Vec<(String, u64, Option<Payload>)>);

fn shown(state: &State) -> Shown {
    let held = state
        .iter()
        .map(|(key, held)| (key.clone(), held.version, held.value.clone()));
    (state.floor(), held.collect())
}

/// The highest write of each key above the highest floor.
fn naive(writes: &[Write]) -> Shown {
    let floor = writes.iter().map(|(floor, _)| *floor).max().unwrap_or(0);
    let all = writes.iter().flat_map(|(_, entries)| entries);
    let keys: BTreeSet<&String> = all.clone().map(|entry| &entry.key).collect();
    let best = keys.into_iter().filter_map(|key| {
        let of_key = all
            .clone()
            .filter(|entry| entry.key == *key && entry.version > floor);
        let best = of_key.max_by_key(|entry| (entry.version, entry.value.clone()))?;
        Some((key.clone(), best.version, best.value.clone()))
    });
    (floor, best.collect())
}

#[test]
fn any_order_any_grouping_and_repetition_come_to_the_same() {
    let mut random = Seed::from_number(21).stream(Stream::Plan);
    for _ in 0..2_000 {
        let count = random.index(8);
        let mut all = writes(&mut random, count);
        let first = merged(&all);
        assert_eq!(shown(&first), naive(&all));
        // Repeated and shuffled.
        for _ in 0..random.index(4) {
            all.push(all.first().cloned().unwrap_or_default());
        }
        random.shuffle(&mut all);
        assert_eq!(merged(&all), first, "and the sum and the bytes, too");
        // Merged in two parts, which are then merged with each other.
        let cut = random.index(all.len() + 1);
        let (left, right) = (merged(&all[..cut]), merged(&all[cut..]));
        let mut both = left.clone();
        let entries = right
            .iter()
            .filter_map(|(key, _)| right.entry(key))
            .collect();
        both.merge(right.floor(), entries);
        assert_eq!(both, first);
        // What one lacks of the other is what makes it equal.
        let mut caught_up = left.clone();
        caught_up.merge(right.floor(), right.beyond(&left.holding()));
        assert_eq!(caught_up, first);
        assert!(left == first || left.lacks_of(&first.holding()));
        assert!(!first.lacks_of(&first.holding()));
    }
}

/// A liar's flood keeps to the bound, and still comes to the same in any order.
#[test]
fn too_many_keys_leave_the_highest() {
    let mut random = Seed::from_number(22).stream(Stream::Plan);
    let mut flood: Vec<Write> = (1..=400u64)
        .map(|n| {
            let entry = Entry {
                key: format!("k{n}"),
                version: n,
                value: Some(value("v")),
            };
            (0, Vec::from([entry]))
        })
        .collect();
    let first = merged(&flood);
    assert_eq!(first.iter().count(), super::ENTRIES_MAX);
    assert_eq!(
        first.iter().map(|(_, held)| held.version).min(),
        Some(401 - super::ENTRIES_MAX as u64)
    );
    for _ in 0..20 {
        random.shuffle(&mut flood);
        assert_eq!(merged(&flood), first);
    }
}

/// An old write never comes back, whether its deletion is remembered or only covered by the floor.
#[test]
fn nothing_is_resurrected() {
    let write = |key: &str, version, text: Option<&str>| Entry {
        key: key.into(),
        version,
        value: text.map(value),
    };
    let mut state = State::new(peer(1, 1));
    state.merge(0, Vec::from([write("k", 3, Some("old"))]));
    state.merge(0, Vec::from([write("k", 4, None)]));
    state.merge(0, Vec::from([write("k", 3, Some("old"))]));
    assert_eq!(state.value("k"), None);
    state.merge(4, Vec::new());
    assert_eq!((state.counts(), state.bytes()), ((0, 0), 0));
    state.merge(
        2,
        Vec::from([write("k", 3, Some("old")), write("k", 4, Some("older"))]),
    );
    assert_eq!((state.value("k"), state.floor()), (None, 4));
}
