//! openraft 0.9 as its own cluster benchmark runs it: log and state machine in memory, calls in
//! place of a network, on tokio, and many clients that each wait for one write at a time.
//!
//! It has no call that takes several proposals: what goes into one message is what clients asked
//! for at the same time. A batch of B is therefore B clients. Where its own benchmark is less
//! favourable to it than it could be, this one follows the machines it stands beside: entries are
//! shared, not copied, there are no snapshots, and a message takes as many entries as theirs.

mod router;
mod store;

use std::future::Future;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::{Config, SnapshotPolicy};
use tokio::runtime::{Builder, Runtime};

use router::Router;
use store::{Log, Registers};

openraft::declare_raft_types!(
    /// Bytes go in, nothing comes back.
    pub Types:
        D = Bytes,
        R = (),
        NodeId = u64,
        Node = openraft::EmptyNode,
);

type Raft = openraft::Raft<Types>;

/// Who it is, in the figures.
pub const NAME: &str = "openraft 0.9";

/// A cluster with a leader whom everybody knows.
pub struct Cluster {
    runtime: Runtime,
    router: Router,
    leader: Raft,
}

impl Cluster {
    /// On a thread per processor.
    pub fn parallel(nodes: usize) -> Cluster {
        let runtime = Builder::new_multi_thread().enable_all().build();
        Cluster::led(nodes, runtime.expect("a runtime"))
    }

    /// On the caller's thread, where its allocations can be counted.
    pub fn on_this_thread(nodes: usize) -> Cluster {
        let runtime = Builder::new_current_thread().enable_all().build();
        Cluster::led(nodes, runtime.expect("a runtime"))
    }

    fn led(nodes: usize, runtime: Runtime) -> Cluster {
        let router = Router::default();
        let leader = runtime.block_on(start(nodes, &router));
        router.take_calls();
        Cluster {
            runtime,
            router,
            leader,
        }
    }

    /// So many proposals of so many clients.
    pub fn propose(&self, count: u64, clients: usize, data: &[u8]) {
        let clients = clients as u64;
        let propose = async {
            let workers = (0..clients).map(|client| {
                let (leader, data) = (self.leader.clone(), data.to_vec());
                let share = count / clients + u64::from(client < count % clients);
                tokio::spawn(async move {
                    for _ in 0..share {
                        let written = leader.client_write(Bytes::copy_from_slice(&data)).await;
                        written.expect("the leader takes it");
                    }
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.expect("all are written");
            }
        };
        self.runtime.block_on(propose);
    }

    /// Messages since this was asked last: each call is one, and so is its answer.
    pub fn take_messages(&self) -> u64 {
        self.router.take_calls() * 2
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = self.router.nodes();
        let shut = nodes.iter().map(|node| node.shutdown());
        let shut: Vec<_> = shut.collect();
        self.runtime.block_on(each(shut));
    }
}

async fn each<T>(futures: Vec<impl Future<Output = T>>) {
    for future in futures {
        future.await;
    }
}

async fn start(nodes: usize, router: &Router) -> Raft {
    // Election timeouts are those of its benchmark: a machine that is busy elects nobody.
    let config = Config {
        election_timeout_min: 200,
        election_timeout_max: 2000,
        max_payload_entries: 4096,
        snapshot_policy: SnapshotPolicy::Never,
        ..Config::default()
    };
    let config = Arc::new(config.validate().expect("a valid configuration"));
    let names = 0..nodes as u64;
    let mut rafts = Vec::new();
    for name in names.clone() {
        let (log, registers) = (Log::default(), Registers::default());
        let raft = Raft::new(name, config.clone(), router.clone(), log, registers).await;
        rafts.push(raft.expect("it starts"));
    }
    router.connect(rafts.clone());
    let leader = rafts[0].clone();
    let members: std::collections::BTreeSet<u64> = names.collect();
    leader.initialize(members).await.expect("it is new");
    for raft in &rafts {
        let wait = raft.wait(Some(Duration::from_secs(20)));
        let known = wait.current_leader(0, "the first one leads").await;
        known.expect("the first one leads");
    }
    leader
}
