//! The other nodes, for the host's traffic.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use quorate_core::id::{LinkId, NodeId};

use super::Connection;
use super::peer::Peer;

/// All nodes that were ever connected to this one. A node is known by its certificate, so that
/// strangers cannot fill the directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    peers: Mutex<BTreeMap<NodeId, Arc<Peer>>>,
    added: Event,
}

impl Directory {
    /// The peer of that id, and whether `make` has just made it.
    pub(crate) fn peer(&self, node: NodeId, make: impl FnOnce() -> Arc<Peer>) -> (Arc<Peer>, bool) {
        let mut peers = self.lock();
        if let Some(peer) = peers.get(&node) {
            return (peer.clone(), false);
        }
        let peer = make();
        peers.insert(node, peer.clone());
        (peer, true)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.lock().values().cloned().collect()
    }

    /// A connection to a node, which was reached at `address`, is in use.
    pub(crate) fn add(&self, connection: Arc<Connection>, address: SocketAddr) {
        let peer = connection.peer().clone();
        peer.add(connection, address);
        self.added.notify(usize::MAX);
    }

    /// It is not any more.
    pub(crate) fn remove(&self, node: NodeId, link: LinkId) {
        if let Some(peer) = self.get(node) {
            peer.remove(link);
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.lock().get(&node).cloned()
    }

    /// The peer of that id, if a connection to it is open.
    pub(crate) fn connected(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.get(node).filter(|peer| peer.is_connected())
    }

    /// Waits for a connection to a node, for ever.
    pub(crate) async fn wait_for(&self, node: NodeId) -> Arc<Peer> {
        loop {
            let added = self.added.listen();
            if let Some(peer) = self.connected(node) {
                return peer;
            }
            added.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Peer>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
