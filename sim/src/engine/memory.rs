//! Memory for large clusters: another core clears it before it is used, and gives it back.
//!
//! Nodes that all know each other need gigabytes, and the kernel clears each page when it is first
//! touched: a fifth of a large run, if the thread that runs it does so. Another core does it
//! meanwhile. It takes as much as will be needed from the allocator, touches it piece by piece, and
//! gives each piece back at once: the allocator keeps it for the run (`.cargo/config.toml`).

use std::hint::black_box;
use std::thread;

/// Smaller clusters need too little to be worth a thread.
const NODES_MIN: usize = 500;
/// What a node keeps of one other in the first minutes, in bytes.
const PAIR_BYTES: u64 = 1_300;
const PIECE_BYTES: usize = 8 << 20;
const PAGE_BYTES: usize = 4_096;

/// Touches the memory that so many nodes will need.
pub(super) fn prepare(nodes: u64) {
    if nodes < NODES_MIN as u64 {
        return;
    }
    let pieces = nodes * nodes * PAIR_BYTES / PIECE_BYTES as u64;
    thread::spawn(move || {
        let all: Vec<Vec<u8>> = (0..pieces).map(|_| vec![0; PIECE_BYTES]).collect();
        for mut piece in all {
            for page in (0..PIECE_BYTES).step_by(PAGE_BYTES) {
                piece[page] = 1;
            }
            black_box(&piece);
        }
    });
}

/// Drops what a large run leaves, without making anybody wait for it.
pub(crate) fn release(nodes: usize, rest: impl Send + 'static) {
    if nodes >= NODES_MIN {
        thread::spawn(move || drop(rest));
    }
}
