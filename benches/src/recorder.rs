//! What the flight recorder costs: the same node with it and without it, in turns.
//!
//! `ours` is with the recorder, `theirs` without; a ratio of 0.97 means that recording takes 3 %.
//! Nothing is synced, and the log is in memory, so nothing hides what the recorder adds: a real
//! disk makes both slower and the ratio better.

mod machine;
mod memory;

use self::memory::Memory;
use crate::contest::{Figure, compare};
use crate::solo::{self, Took, Work};

/// Proposals of one measurement of the machine alone, and of a whole node.
const PROPOSALS: [u64; 2] = [64_000, 64_000];

/// The machine alone, then a whole node: its rate, and its rate per second of processor time.
pub fn run(rounds: u32) -> Vec<Figure> {
    let case = |name: &str| ("recorder", name.to_string(), "unrecorded");
    let [few, many] = PROPOSALS;
    vec![
        compare(
            case("proposals of the machine alone"),
            few,
            rounds,
            || machine::run(few, true),
            || machine::run(few, false),
        ),
        compare(
            case("proposals of a node"),
            many,
            rounds,
            || node(many, true).wall,
            || node(many, false).wall,
        ),
        compare(
            case("... by processor time"),
            many,
            rounds,
            || node(many, true).processor,
            || node(many, false).processor,
        ),
    ]
}

/// A whole node whose log is in memory, with 64 proposals under way.
fn node(proposals: u64, is_recorded: bool) -> Took {
    let work = Work {
        proposals,
        clients: 64,
        value_bytes: 100,
        is_recorded,
    };
    let directory = tempfile::tempdir().expect("a directory");
    solo::run(&work, directory.path(), Box::new(Memory::default()), || {})
}
