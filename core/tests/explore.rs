//! Exploration.
#[path = "explore/cluster.rs"]
mod cluster;
#[path = "explore/machine.rs"]
mod machine;
#[path = "explore/memo.rs"]
mod memo;
#[path = "explore/network.rs"]
mod network;
#[path = "explore/properties.rs"]
mod properties;
#[path = "explore/shared.rs"]
mod shared;

use cluster::{Bounds, Explorer};
use stateright::{Checker, Model};

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn probe() {
    let mut bounds = Bounds::terms(env("NODES", 3) as usize, env("TERMS", 1));
    bounds.crashes = env("CRASHES", 0) as u8;
    bounds.proposals = env("PROPOSALS", 0) as u8;
    bounds.heartbeats = env("HEARTBEATS", 0) as u8;
    bounds.relinks = env("RELINKS", 0) as u8;
    let checker = Explorer::new(bounds).checker().threads(2)
        .timeout(std::time::Duration::from_secs(env("SECS", 60)))
        .spawn_bfs().join();
    println!("unique {} total {} depth {} done {}", checker.unique_state_count(), checker.state_count(), checker.max_depth(), checker.is_done());
    for (name, path) in checker.discoveries() {
        println!("{name}: {} steps", path.into_actions().len());
    }
    checker.assert_properties();
}
