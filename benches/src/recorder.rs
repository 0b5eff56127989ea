//! What the flight recorder costs: the same node with it and without it, in turns.
//!
//! `ours` is with the recorder, `theirs` without; a ratio of 0.97 means that recording takes 3 %.
//! Nothing is synced, and the log is in memory, so nothing hides what the recorder adds: a real
//! disk makes both slower and the ratio better.

mod machine;
mod node;

use crate::contest::{Figure, compare};

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
            || node::run(many, true).wall,
            || node::run(many, false).wall,
        ),
        compare(
            case("... by processor time"),
            many,
            rounds,
            || node::run(many, true).processor,
            || node::run(many, false).processor,
        ),
    ]
}
