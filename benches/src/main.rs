//! Side by side with peers: one process, one run, interleaved rounds, ratios first.
//!
//! Absolute figures of a shared machine mean little; the ratio of two contenders that took turns
//! does.

mod contest;
mod raft;
mod recorder;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "peers", about = "One side-by-side benchmark.")]
struct Arguments {
    /// Which one.
    name: Name,
    /// One JSON object per figure.
    #[arg(long)]
    json: bool,
    /// Interleaved rounds; the median counts.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(5..))]
    rounds: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Proposals per second of the consensus machines, in memory.
    Raft,
    /// A node with the flight recorder beside one without.
    Recorder,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let figures = match arguments.name {
        Name::Raft => raft::run(arguments.rounds),
        Name::Recorder => recorder::run(arguments.rounds),
    };
    for figure in figures {
        if figure.print(arguments.json).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
