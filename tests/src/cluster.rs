//! Nodes for tests: quick timeouts where they only wait, certificates, a directory each, and events
//! to await.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_runtime::seam::Seam;
use quorate_runtime::{
    Builder, ClusterEvent, ClusterNetworkManager, Events, NodeId, State, Status,
};

use crate::pki::Authority;

/// The cluster of most tests.
pub const CLUSTER: &str = "test";
/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where nodes of a test live, and who vouches for them.
pub struct Site {
    /// Signs all its nodes.
    pub authority: Authority,
    directory: PathBuf,
}

impl Site {
    /// A site in `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Site {
        Site {
            authority: Authority::new("test authority"),
            directory: directory.to_owned(),
        }
    }

    /// The home of a node.
    #[must_use]
    pub fn home(&self, node: u64) -> PathBuf {
        self.directory.join(format!("n{node}"))
    }

    /// A node on a free port of the loopback, with the voters numbered from 1.
    #[must_use]
    pub fn node<S: Seam>(&self, node: u64, voters: u64) -> Builder<S> {
        let listen = ([127, 0, 0, 1], 0).into();
        ClusterNetworkManager::<S>::builder(listen)
            .home(self.home(node))
            .identity(self.authority.papers(node, CLUSTER).identity())
            .voters((1..=voters).map(NodeId))
    }

    /// The same, started.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn started<S: Seam>(&self, node: u64, voters: u64) -> ClusterNetworkManager<S> {
        let manager = self.node::<S>(node, voters).build().await.expect("a node");
        manager.start().await.expect("it starts");
        manager
    }
}

/// The result of `work`, which must come in time.
///
/// # Panics
/// When it does not.
pub async fn soon<S: Seam, T: Send>(
    seam: &S,
    what: &str,
    work: impl Future<Output = T> + Send,
) -> T {
    let Some(result) = seam.within(PATIENCE, work).await else {
        panic!("{what}: not within {PATIENCE:?}");
    };
    result
}

/// The first event that `wanted` accepts. Missed events do not matter to it.
///
/// # Panics
/// When the node stops or `PATIENCE` ends before.
pub async fn event<S: Seam, T: Send>(
    events: &mut Events,
    what: &str,
    mut wanted: impl FnMut(ClusterEvent) -> Option<T> + Send,
) -> T {
    let found = async {
        loop {
            match events.next().await {
                Some(Ok(happened)) => {
                    if let Some(found) = wanted(happened.event) {
                        return found;
                    }
                }
                Some(Err(_)) => {}
                None => panic!("{what}: the node stopped"),
            }
        }
    };
    soon(&S::default(), what, found).await
}

/// Waits until `node` sees `count` live members: looks, and looks again at each event.
///
/// # Panics
/// When it does not come to that in time.
pub async fn members<S: Seam>(manager: &ClusterNetworkManager<S>, count: usize) {
    let mut events = manager.subscribe_to_events();
    let counted = async {
        loop {
            let members = manager.get_cluster_members().await.expect("it runs");
            if members
                .iter()
                .filter(|member| member.state == State::Alive)
                .count()
                == count
            {
                return;
            }
            let _anything = events.next().await;
        }
    };
    soon(&S::default(), "members", counted).await;
}

/// Waits until `node` knows a leader, and says which.
///
/// # Panics
/// When there is none in time.
pub async fn leader<S: Seam>(manager: &ClusterNetworkManager<S>) -> NodeId {
    standing(manager, |status| status.leader).await
}

/// Waits until the node's standing is as `wanted`: looks, and looks again at each event.
///
/// # Panics
/// When it does not come to that in time.
pub async fn standing<S: Seam, T: Send>(
    manager: &ClusterNetworkManager<S>,
    mut wanted: impl FnMut(&Status) -> Option<T> + Send,
) -> T {
    let mut events = manager.subscribe_to_events();
    let stood = async {
        loop {
            let status = manager.status().await.expect("it runs");
            if let Some(found) = wanted(&status) {
                return found;
            }
            let _anything = events.next().await;
        }
    };
    soon(&S::default(), "standing", stood).await
}
