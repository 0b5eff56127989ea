//! What the flight recorder costs: the same node with it and without it, in turns.
//!
//! `ours` is with the recorder, `theirs` without; a ratio of 0.97 means that recording takes 3 %.
//! A log in memory hides nothing of what the recorder adds; a log on a disk is what a node has that
//! is worth recording.

mod machine;
mod memory;

use quorate_tokio::{Disk, FileDisk, TokioSeam};

use self::memory::Memory;
use crate::contest::{Figure, compare};
use crate::solo::{self, Took, Work};

/// Proposals of one measurement, and where a disk syncs them.
const PROPOSALS: [u64; 2] = [64_000, 16_000];

/// Where the log of a node is.
#[derive(Clone, Copy)]
enum Log {
    Memory,
    Disk,
}

/// The machine alone, then a whole node: its rate, and its rate per second of processor time, with
/// its log in memory; and its rate with the log on a disk.
pub fn run(rounds: u32) -> Vec<Figure> {
    let case = |name: &str| ("recorder", name.to_string(), "unrecorded");
    let [many, synced] = PROPOSALS;
    vec![
        compare(
            case("proposals of the machine alone"),
            many,
            rounds,
            || machine::run(many, true),
            || machine::run(many, false),
        ),
        compare(
            case("proposals of a node"),
            many,
            rounds,
            || node(Log::Memory, many, true).wall,
            || node(Log::Memory, many, false).wall,
        ),
        compare(
            case("... by processor time"),
            many,
            rounds,
            || node(Log::Memory, many, true).processor,
            || node(Log::Memory, many, false).processor,
        ),
        compare(
            case("proposals of a node with a disk"),
            synced,
            rounds,
            || node(Log::Disk, synced, true).wall,
            || node(Log::Disk, synced, false).wall,
        ),
    ]
}

/// A whole node with 64 proposals under way.
fn node(log: Log, proposals: u64, is_recorded: bool) -> Took {
    let work = Work {
        proposals,
        clients: 64,
        value_bytes: 100,
        is_recorded,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let disk: Box<dyn Disk> = match log {
        Log::Memory => Box::new(Memory::default()),
        Log::Disk => {
            let log = directory.path().join("log");
            Box::new(FileDisk::new(TokioSeam::default(), log))
        }
    };
    solo::run(&work, directory.path(), disk, || {})
}
