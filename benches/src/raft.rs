//! Consensus machines beside each other: ours and raft-rs 0.7, in memory and in one simulated
//! network with the same seeds, openraft 0.9 in memory, and our log on a real disk.

mod arena;
mod asynchronous;
mod durable;
mod elections;
mod hall;
mod machine;
mod node_hall;
mod ours;
mod partitions;
mod rate;
mod theirs;
mod whole;

use crate::contest::Figure;

/// Who the other is.
const PEER: &str = "raft-rs 0.7";

/// How much is done for a figure.
pub struct Effort {
    /// Interleaved rounds, where time is measured.
    pub rounds: u32,
    /// Seeds, where time is simulated.
    pub seeds: u64,
}

/// Runs the rows whose names contain `only`, and hands on each figure as soon as it is there.
pub fn run(effort: &Effort, only: &str, mut show: impl FnMut(Figure)) {
    type Row = fn(&Effort, &mut dyn FnMut(Figure));
    const ROWS: [(&str, Row); 7] = [
        ("rate", rate::rates),
        ("cost", rate::costs),
        ("wan", elections::wan),
        ("lan", elections::lan),
        ("whole", whole::run),
        ("partitions", partitions::run),
        ("disk", durable::run),
    ];
    for (_, row) in ROWS.iter().filter(|(name, _)| name.contains(only)) {
        row(effort, &mut show);
    }
}
