//! One life of one node: the shipped adapter, a client beside it, and a scribe of its events.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use madsim::time::sleep;
use quorate_core::id::{ClientId, Epoch, RequestId, RoleName};
use quorate_core::seed::Seed;
use quorate_runtime::{ClusterEvent, NodeId, Placement, control};
use quorate_tokio::ClusterNetworkManager;

use crate::disk::{Platter, SimDisk};
use crate::papers::Papers;
use crate::verdict::Record;

/// The port all nodes listen on; each has an address of its own.
const PORT: u16 = 7000;
/// The pause of a client after a failure.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the client waits for one answer before it asks again.
const ATTEMPT: Duration = Duration::from_secs(2);

/// What outlives the lives of a node: its disk, and its client's memory.
#[derive(Clone)]
pub struct Legacy {
    /// Its number.
    pub node: u64,
    /// All nodes' numbers go up to this.
    pub nodes: u64,
    /// The first so many vote.
    pub voters: u64,
    /// The plan's.
    pub seed: u64,
    /// The pause of the client between two writes.
    pub interval: Duration,
    /// Its certificate and key.
    pub papers: Papers,
    /// Its log.
    pub platter: Platter,
    /// Its client.
    pub client: Arc<Mutex<Client>>,
    /// Where everything is written down.
    pub record: Arc<Mutex<Record>>,
}

/// A client's memory. It writes its own register, one request at a time, and repeats a request
/// until it is answered.
#[derive(Debug, Default)]
pub struct Client {
    /// The request under way, or the next.
    pub request: u64,
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// It has been told to end.
    pub stopping: bool,
    /// A request is under way.
    pub busy: bool,
    /// The running node.
    pub manager: Option<ClusterNetworkManager>,
    /// The first epoch it ever saw, and whether it was refused later.
    pub old_epoch: Option<Epoch>,
}

/// Where a node listens.
pub fn address(node: u64) -> SocketAddr {
    SocketAddr::new(ip(node), PORT)
}

/// A node's own address.
pub fn ip(node: u64) -> IpAddr {
    let [.., high, low] = node.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, 0, high, low))
}

/// The role the clients write under.
pub fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

/// The register of a node's client.
pub fn key(node: u64) -> String {
    format!("client-{node}")
}

/// Lives until the node is killed.
pub async fn live(legacy: Legacy) {
    let manager = match start(&legacy).await {
        Ok(manager) => manager,
        Err(why) => {
            lock(&legacy.record).violate("starts", format!("n{}: {why}", legacy.node));
            return;
        }
    };
    lock(&legacy.client).manager = Some(manager.clone());
    let seeds = (1..=legacy.nodes)
        .filter(|node| *node != legacy.node)
        .map(address)
        .collect();
    let joining = manager.clone();
    tokio::spawn(async move { joining.join_cluster(seeds).await });
    write(&legacy, &manager).await;
    // The process ends with its first task, and the node shall outlive its client.
    std::future::pending::<()>().await;
}

async fn start(legacy: &Legacy) -> Result<ClusterNetworkManager, String> {
    let disk = SimDisk {
        node: legacy.node,
        platter: legacy.platter.clone(),
    };
    let identity = legacy
        .papers
        .identity()
        .map_err(|error| error.to_string())?;
    let manager = ClusterNetworkManager::builder(address(legacy.node))
        .identity(identity)
        .voters((1..=legacy.voters).map(NodeId))
        .role(primary(), Placement::Leader)
        .disk(Box::new(disk))
        .seed(Seed::from_number(legacy.seed).part(legacy.node))
        .build()
        .await
        .map_err(|error| error.to_string())?;
    let mut events = manager.subscribe_to_events();
    let (node, record) = (legacy.node, legacy.record.clone());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Ok(happened) => lock(&record).note(node, &happened.event),
                Err(missed) => lock(&record).violate("events", format!("n{node}: {missed:?}")),
            }
        }
    });
    manager.start().await.map_err(|error| error.to_string())?;
    Ok(manager)
}

async fn write(legacy: &Legacy, manager: &ClusterNetworkManager) {
    loop {
        {
            let mut client = lock(&legacy.client);
            if client.stopping && !client.busy {
                return;
            }
            if !client.busy {
                client.busy = true;
                client.request += 1;
            }
        }
        let pause = if attempt(legacy, manager).await {
            legacy.interval
        } else {
            PAUSE
        };
        sleep(pause).await;
    }
}

/// Tries the client's request once; true when it is answered.
async fn attempt(legacy: &Legacy, manager: &ClusterNetworkManager) -> bool {
    let Ok(Some(role)) = manager.role(&primary()).await else {
        return false;
    };
    let request = {
        let mut client = lock(&legacy.client);
        client.old_epoch.get_or_insert(role.epoch);
        client.request
    };
    let command = control::Command::Write {
        role: primary(),
        epoch: role.epoch,
        key: key(legacy.node),
        value: request.to_le_bytes().to_vec().into(),
    };
    // A refused request is remembered with its refusal, so the next try is a new request.
    let (id, number) = (ClientId(legacy.node), RequestId(request));
    let asked = madsim::time::timeout(ATTEMPT, manager.propose_as(id, number, command)).await;
    let Ok(Ok(applied)) = asked else { return false };
    let mut client = lock(&legacy.client);
    client.busy = false;
    let accepted = applied.outcome.is_ok();
    client.acknowledged += u64::from(accepted);
    lock(&legacy.record).answered(legacy.node, request, accepted);
    true
}

/// Tries a write under the first epoch the client saw; what the log says of it.
pub async fn write_under_the_first_epoch(legacy: &Legacy) -> Option<(bool, String)> {
    let (manager, epoch) = {
        let client = lock(&legacy.client);
        (client.manager.clone()?, client.old_epoch?)
    };
    let current = manager.role(&primary()).await.ok()??;
    if current.epoch == epoch {
        return None;
    }
    let command = control::Command::Write {
        role: primary(),
        epoch,
        key: "zombie".into(),
        value: Vec::new().into(),
    };
    let applied = manager.propose(command).await.ok()?;
    Some((applied.outcome.is_ok(), format!("{:?}", applied.outcome)))
}

/// Whether an event belongs into the trace as it stands.
pub fn is_traced(event: &ClusterEvent) -> bool {
    !matches!(event, ClusterEvent::PeerRefused { .. })
}

/// Locks; a panic elsewhere ends the run anyway.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
