//! Failure detectors and member lists beside each other: foca 2.0 and ours in the same simulated
//! LAN with the same seeds, chitchat 0.13 on its own channels for what it costs idle.
//!
//! Loss means for all that a datagram vanishes. Ours rides on connections in production, where loss
//! is delay: what it shows here is the harder case.

mod chitchat;
mod foca;
mod machine;
mod net;
mod ours;
mod rows;
mod score;

use crate::contest::Figure;
use rows::Effort;

/// Runs the rows whose kind contains `only`, and hands on each figure as soon as it is there.
pub fn run(full: bool, only: &str, mut show: impl FnMut(Figure)) {
    type Row = fn(&Effort) -> Vec<Figure>;
    const ROWS: [(&str, Row); 8] = [
        // Memory first: later rows leave holes in the allocator.
        ("memory", rows::memory::run),
        ("idle", rows::idle::run),
        ("crash", rows::crash::run),
        ("loss", rows::loss::run),
        ("partition", rows::partition::run),
        ("lifeguard", rows::lifeguard::run),
        ("joins", rows::joins::run),
        ("views", rows::views::run),
    ];
    let effort = Effort { full };
    for (_, row) in ROWS.iter().filter(|(name, _)| name.contains(only)) {
        row(&effort).into_iter().for_each(&mut show);
    }
}
