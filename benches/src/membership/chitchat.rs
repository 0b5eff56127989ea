//! chitchat 0.13 beside the others: it brings its own tasks and randomness, so it runs on a paused
//! tokio clock and its own channels, and is repeatable only statistically.

use std::net::SocketAddr;
use std::time::Duration;

use chitchat::ProtocolVersion;
use chitchat::transport::ChannelTransport;
use chitchat::{ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, spawn_chitchat};

use super::machine::cpu_time;
use super::rows::idle::Cost;

/// How it is called in the figures.
pub const NAME: &str = "chitchat 0.13";

const WARM_UP: Duration = Duration::from_secs(30);
const SPAN: Duration = Duration::from_secs(60);

/// What a cluster costs in which nothing happens; the CPU includes tokio.
pub fn idle(size: usize) -> Cost {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of this thread");
    runtime.block_on(async {
        let transport = ChannelTransport::default();
        let mut nodes: Vec<ChitchatHandle> = Vec::new();
        for node in 0..size {
            let spawned = spawn_chitchat(config(node), Vec::new(), &transport).await;
            nodes.push(spawned.expect("a channel is always free"));
        }
        tokio::time::sleep(WARM_UP).await;
        let (before, traffic) = (cpu_time(), transport.statistics());
        tokio::time::sleep(SPAN).await;
        let (cpu, now) = (cpu_time().saturating_sub(before), transport.statistics());
        let node_seconds = size as f64 * SPAN.as_secs_f64();
        let packets = now.num_messages_total - traffic.num_messages_total;
        let bytes = now.num_bytes_total - traffic.num_bytes_total;
        Cost {
            packets: packets as f64 / node_seconds,
            bytes: bytes as f64 / node_seconds,
            cpu: cpu.as_secs_f64() * 1e6 / node_seconds,
        }
    })
}

fn config(node: usize) -> ChitchatConfig {
    let port = |node: usize| u16::try_from(10_000 + node).expect("a port");
    let listen_addr = SocketAddr::from(([127, 0, 0, 1], port(node)));
    ChitchatConfig {
        chitchat_id: ChitchatId::new(format!("n{node}"), 0, listen_addr),
        cluster_id: "bench".to_string(),
        gossip_interval: Duration::from_secs(1),
        listen_addr,
        seed_nodes: vec![format!("127.0.0.1:{}", port(0))],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(3600),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    }
}
