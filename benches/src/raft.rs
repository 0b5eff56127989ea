//! Consensus machines in memory: a leader proposes, followers append and answer, until everything
//! is committed.
//!
//! Both sides get the same network (none: messages are handed over in order), a disk that is done
//! at once, 256-byte entries and the same window. Ours runs the shipping machine with its promises;
//! theirs is raft-rs 0.7 with appends batched and messages of up to a megabyte, without which the
//! comparison would be unfair to it.

mod ours;
mod theirs;

use crate::contest::{Figure, compare};

/// Payload bytes of an entry.
const ENTRY_BYTES: usize = 256;
/// Proposals of one measurement.
const PROPOSALS: u64 = 20_000;
/// Unanswered messages per follower.
const IN_FLIGHT: usize = 256;
/// Bytes of one message.
const MESSAGE_BYTES: usize = 1 << 20;

/// Clusters of 1, 3 and 5, in batches of 1, 64 and 512.
pub fn run(rounds: u32) -> Vec<Figure> {
    let cases = [1, 3, 5]
        .into_iter()
        .flat_map(|n| [1, 64, 512].map(|batch| (n, batch)));
    let measured = cases.map(|(nodes, batch)| {
        let case = format!("{nodes} nodes, batch {batch}, {ENTRY_BYTES} B");
        compare(
            ("raft", case, "raft-rs 0.7"),
            PROPOSALS,
            rounds,
            || ours::run(nodes, batch),
            || theirs::run(nodes, batch),
        )
    });
    measured.collect()
}
