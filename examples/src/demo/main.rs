//! The main job: five processes on loopback, mutual TLS between them, a steady stream of
//! acknowledged commands, and `kill -9` for the leader. Exit code 0 only if every check held.

mod child;
mod client;
mod cluster;
mod interactive;
mod load;
mod pki;
mod report;
mod storm;
mod story;
mod talk;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::client::Client;
use self::cluster::Cluster;
use self::report::Narrator;
use self::story::Story;

/// A cluster of real processes survives `kill -9` of its leader.
#[derive(Debug, Parser)]
#[command(name = "demo", version, about)]
struct Arguments {
    /// Processes in the cluster.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(3..=9))]
    nodes: u64,
    /// Print one JSON object instead of the story.
    #[arg(long)]
    json: bool,
    /// Kill a process with `kill -9` every two seconds for so many seconds, and count what is lost.
    #[arg(long, value_name = "SECONDS", conflicts_with = "interactive")]
    storm: Option<u64>,
    /// Into the storm: damage the log of one of the killed, which is then rebuilt from the others.
    #[arg(long, requires = "storm")]
    damage: bool,
    /// Play yourself: k kill the leader, p pause or resume it, r restart the killed, q quit.
    #[arg(long, conflicts_with = "json")]
    interactive: bool,
    /// Record the life of every node in this directory, to be lived again by `cargo sim replay`.
    #[arg(long, value_name = "DIRECTORY")]
    record: Option<PathBuf>,
    /// All nodes in this process send to each other; prints rates and delivery times.
    #[arg(long, conflicts_with_all = ["interactive", "record"])]
    load: bool,
    /// How long each part of the load lasts.
    #[arg(long, requires = "load", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    #[command(subcommand)]
    role: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Run one node; the demo starts these itself.
    #[command(hide = true)]
    Node(child::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut builder = if arguments.load {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    if let Some(Part::Node(node)) = arguments.role {
        return runtime.block_on(child::run(node));
    }
    match runtime.block_on(play(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    eprintln!("demo: {error}");
    ExitCode::FAILURE
}

async fn play(arguments: &Arguments) -> io::Result<bool> {
    let directory = tempfile::Builder::new().prefix("quorate-demo-").tempdir()?;
    let narrator = Narrator {
        silent: arguments.json,
    };
    let voters = arguments.nodes;
    let nodes: Vec<u64> = (1..=voters).chain([client::NODE]).collect();
    pki::make(directory.path(), "demo", &nodes)?;
    if arguments.load {
        let span = Duration::from_secs(arguments.seconds);
        return load::run(directory.path(), voters, span, &narrator).await;
    }
    narrator.say(&format!(
        "certificates made; starting {voters} processes on loopback"
    ));
    let mut cluster = Cluster::start(directory.path(), voters, arguments.record.clone())?;
    let ended = told(arguments, directory.path(), &mut cluster, &narrator).await;
    cluster.stop().await;
    if let Some(recordings) = &arguments.record {
        narrator.say(&format!(
            "every life is recorded: cargo sim replay {}",
            recordings.display()
        ));
    }
    ended
}

async fn told(
    arguments: &Arguments,
    directory: &std::path::Path,
    cluster: &mut Cluster,
    narrator: &Narrator,
) -> io::Result<bool> {
    let mut story = Story::new(cluster, narrator, arguments.nodes);
    let addresses = story.all_started().await?;
    let client = Client::start_node(directory, arguments.nodes, addresses).await?;
    let held = if let Some(seconds) = arguments.storm {
        let span = Duration::from_secs(seconds);
        narrator.say(&format!("kill -9 every two seconds for {seconds} s"));
        let storm = storm::Forecast {
            nodes: arguments.nodes,
            span,
            damages: arguments.damage,
        };
        match storm::rage(&mut story, &client, storm).await {
            Ok(storm) => {
                storm.print(arguments.json).map_err(io::Error::other)?;
                Ok(storm.ok())
            }
            Err(error) => Err(error),
        }
    } else if arguments.interactive {
        interactive::play(&mut story, &client).await.map(|()| true)
    } else {
        match story.tell(&client).await {
            Ok(summary) => {
                summary.print(arguments.json).map_err(io::Error::other)?;
                Ok(summary.ok())
            }
            Err(error) => Err(error),
        }
    };
    client.stop().await;
    held
}
