//! Side by side with peers: one process, one run, interleaved rounds, ratios first.
//!
//! Absolute figures of a shared machine mean little; the ratio of two contenders that took turns
//! does.

mod contest;
mod membership;
mod plot;
mod raft;
mod recorder;
mod solo;
mod transport;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use contest::Figure;

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
    /// How long each contender plays at each turn, where that can be chosen (`transport`).
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Everything there is, however long it takes.
    #[arg(long)]
    full: bool,
    /// Only the kinds of figures whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seeds, where time is simulated and they can be chosen (`raft`).
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Draws the ratios of all figures into this SVG file as well.
    #[arg(long)]
    plot: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// Failure detectors and member lists in one simulated LAN.
    Membership,
    /// Consensus machines: in memory, in a simulated network, and on a real disk.
    Raft,
    /// A node with the flight recorder beside one without.
    Recorder,
    /// Messages, requests and bulk between two ends over mutual TLS on loopback.
    Transport,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments {
        rounds, only, full, ..
    } = &arguments;
    let rounds = *rounds;
    let mut printed = true;
    let mut figures: Vec<Figure> = Vec::new();
    let show = |figure: Figure| {
        printed &= figure.print(arguments.json).is_ok();
        figures.push(figure);
    };
    match arguments.name {
        Name::Membership => membership::run(*full, only, show),
        Name::Raft => {
            let seeds = arguments.seeds;
            raft::run(&raft::Effort { rounds, seeds }, only, show);
        }
        Name::Recorder => recorder::run(rounds).into_iter().for_each(show),
        Name::Transport => transport::run(rounds, arguments.seconds, only, show),
    }
    if let Some(path) = arguments.plot {
        printed &= std::fs::write(path, plot::ratios(&figures)).is_ok();
    }
    if printed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
