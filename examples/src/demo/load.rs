//! The cluster under load: all nodes in one process, each sending to all others through the public
//! API, at the promised rate and then as fast as they can.

mod spans;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quorate_tokio::{ClusterNetworkManager, MessagePriority, NodeId};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::spans::Spans;
use crate::child::{self, Trouble};
use crate::report::Narrator;

/// What every node must send, and how soon its messages must be there.
const RATE_MIN: f64 = 100_000.0;
const DELIVERY_MAX: Duration = Duration::from_millis(10);
/// Bytes of a message; the first eight say when it left.
const MESSAGE_BYTES: usize = 256;
/// Messages handed over at once.
const BATCH: usize = 128;
/// How long a cluster may take to form.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one node did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    node: u64,
    /// Messages per second that it sent and the others have.
    sent: f64,
    /// Messages per second that it received.
    received: f64,
    /// From the sender's call to the receiver's hands.
    delivery_p50_us: f64,
    delivery_p99_us: f64,
}

/// What all of them did, for a time, at one pace.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    pace: &'static str,
    rows: Vec<Row>,
    /// What the process held after each quarter, in MiB; empty where the system does not tell.
    resident_mib: Vec<u64>,
}

/// Both phases, and whether the promise was kept.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    at_rate: Phase,
    flat_out: Phase,
    kept: bool,
}

struct Host {
    node: NodeId,
    manager: ClusterNetworkManager,
    address: SocketAddr,
    spans: Arc<Mutex<Spans>>,
    sent: Arc<AtomicU64>,
}

/// Runs the load; true if the promise was kept.
///
/// # Errors
/// When the cluster does not form.
pub(crate) async fn run(
    directory: &Path,
    nodes: u64,
    span: Duration,
    narrator: &Narrator,
) -> io::Result<bool> {
    let hosts = form(directory, nodes).await?;
    let start = Instant::now();
    for host in &hosts {
        tokio::spawn(take(host.manager.clone(), host.spans.clone(), start));
    }
    narrator.say(&format!(
        "{nodes} nodes in this process, {MESSAGE_BYTES} B messages from each to all others"
    ));
    let paced = drive(&hosts, span, start, Some(RATE_MIN * 1.02)).await;
    let at_rate = phase(narrator, "at the promised rate", paced);
    let unpaced = drive(&hosts, span, start, None).await;
    let flat_out = phase(narrator, "flat out", unpaced);
    let limit = DELIVERY_MAX.as_micros() as f64;
    let is_kept = |row: &Row| row.sent >= RATE_MIN && row.delivery_p99_us < limit;
    let outcome = Outcome {
        kept: at_rate.rows.iter().all(is_kept),
        at_rate,
        flat_out,
    };
    narrator.say(&format!(
        "promised: {RATE_MIN} messages per second and node, 99 of 100 within {DELIVERY_MAX:?}: {}",
        if outcome.kept { "kept" } else { "MISSED" }
    ));
    if narrator.silent {
        let line = serde_json::to_string(&outcome).map_err(io::Error::other)?;
        println!("{line}");
    }
    for host in &hosts {
        host.manager.shutdown().await;
    }
    Ok(outcome.kept)
}

async fn form(directory: &Path, nodes: u64) -> io::Result<Vec<Host>> {
    let mut hosts: Vec<Host> = Vec::new();
    for node in 1..=nodes {
        let home = directory.join(format!("n{node}"));
        let listen = ([127, 0, 0, 1], 0).into();
        let manager = child::start(&home, listen, nodes, None).await;
        let manager = manager.map_err(|trouble| match trouble {
            Trouble::PortBusy => io::ErrorKind::AddrInUse.into(),
            Trouble::Damaged(why) | Trouble::Other(why) => io::Error::other(why),
        })?;
        let address = manager
            .local_addr()
            .ok_or(io::Error::other("a node does not listen"))?;
        if let Some(first) = hosts.first() {
            let joined = manager.join_cluster(vec![first.address]).await;
            joined.map_err(|error| io::Error::other(error.to_string()))?;
        }
        hosts.push(Host {
            node: NodeId(node),
            manager,
            address,
            spans: Arc::default(),
            sent: Arc::default(),
        });
    }
    let formed = async {
        for host in &hosts {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                let alive = host.manager.get_alive_members().await;
                if alive.is_ok_and(|alive| alive.len() as u64 == nodes) {
                    break;
                }
                ticks.tick().await;
            }
        }
    };
    let late = || io::Error::other(format!("no cluster of {nodes} within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, formed)
        .await
        .map_err(|_| late())?;
    Ok(hosts)
}

/// Takes what arrives, and notes how long it took.
async fn take(manager: ClusterNetworkManager, spans: Arc<Mutex<Spans>>, start: Instant) {
    let (messages, mut taken) = (manager.messages(), Vec::new());
    while messages.next_many(&mut taken, BATCH).await > 0 {
        let now = micros(start);
        let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
        for message in taken.drain(..) {
            if let Some((left, _)) = message.payload.split_first_chunk() {
                spans.add(now.saturating_sub(u64::from_le_bytes(*left)));
            }
        }
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Lets all send to all for some time, at a rate per node or as fast as they can.
async fn drive(
    hosts: &[Host],
    span: Duration,
    start: Instant,
    rate: Option<f64>,
) -> (Vec<Row>, Vec<u64>) {
    for host in hosts {
        host.sent.store(0, Ordering::Relaxed);
        spans_of(host).clear();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for host in hosts {
        for other in hosts.iter().filter(|other| other.address != host.address) {
            let target = (other.node, other.address);
            let sender = Sender {
                manager: host.manager.clone(),
                target,
                sent: host.sent.clone(),
                start,
            };
            let rate = rate.map(|rate| rate / (hosts.len() - 1) as f64);
            senders.spawn(sender.run(rate, is_over.clone()));
        }
    }
    let (since, mut resident) = (Instant::now(), Vec::new());
    for _ in 0..4 {
        tokio::time::sleep(span / 4).await;
        resident.extend(resident_mib());
    }
    is_over.store(true, Ordering::Relaxed);
    while senders.join_next().await.is_some() {}
    let seconds = since.elapsed().as_secs_f64();
    let rows = hosts.iter().map(|host| row(host, seconds)).collect();
    (rows, resident)
}

/// What this process holds, where the system tells.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024)
}

fn spans_of(host: &Host) -> MutexGuard<'_, Spans> {
    host.spans.lock().unwrap_or_else(PoisonError::into_inner)
}

fn row(host: &Host, seconds: f64) -> Row {
    let mut spans = spans_of(host);
    Row {
        node: host.node.0,
        sent: host.sent.load(Ordering::Relaxed) as f64 / seconds,
        received: spans.seen() as f64 / seconds,
        delivery_p50_us: spans.permille(500),
        delivery_p99_us: spans.permille(990),
    }
}

fn phase(
    narrator: &Narrator,
    pace: &'static str,
    (rows, resident_mib): (Vec<Row>, Vec<u64>),
) -> Phase {
    narrator.say(pace);
    for row in &rows {
        narrator.say(&format!(
            "  n{}: sent {:>8.0}/s, received {:>8.0}/s, delivery p50 {:>7.0} us, p99 {:>7.0} us",
            row.node, row.sent, row.received, row.delivery_p50_us, row.delivery_p99_us
        ));
    }
    narrator.say(&format!(
        "  resident after each quarter: {resident_mib:?} MiB"
    ));
    Phase {
        pace,
        rows,
        resident_mib,
    }
}

/// One node's messages to one other.
struct Sender {
    manager: ClusterNetworkManager,
    target: (NodeId, SocketAddr),
    sent: Arc<AtomicU64>,
    start: Instant,
}

impl Sender {
    async fn run(self, rate: Option<f64>, is_over: Arc<AtomicBool>) {
        let sender = Arc::new(self);
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (since, mut handed_over) = (Instant::now(), 0_usize);
        let mut under_way = JoinSet::new();
        while !is_over.load(Ordering::Relaxed) {
            let Some(rate) = rate else {
                sender.send(BATCH).await;
                continue;
            };
            ticks.tick().await;
            let due = (since.elapsed().as_secs_f64() * rate) as usize;
            let sender = sender.clone();
            under_way.spawn(async move { sender.send(due - handed_over).await });
            handed_over = due;
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Sends so many messages that leave now; they count when the other node has them.
    async fn send(&self, count: usize) {
        let mut body = [7; MESSAGE_BYTES];
        body[..8].copy_from_slice(&micros(self.start).to_le_bytes());
        let bodies = vec![body; count];
        let (node, address) = self.target;
        let class = MessagePriority::Normal;
        let sent = self
            .manager
            .send_messages(node, address, class, &bodies)
            .await;
        if sent.is_ok() {
            self.sent.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}
