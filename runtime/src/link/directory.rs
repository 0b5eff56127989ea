//! Which connection leads to which node, for the host's traffic.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use quorate_core::id::{LinkId, NodeId};

use super::Connection;

/// The open connections by node. Two of one pair may exist for a moment, until the core hangs up
/// one of them.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    entries: Mutex<BTreeMap<NodeId, Vec<Arc<Connection>>>>,
    added: Event,
}

impl Directory {
    pub(crate) fn add(&self, connection: Arc<Connection>) {
        self.lock()
            .entry(connection.node())
            .or_default()
            .push(connection);
        self.added.notify(usize::MAX);
    }

    pub(crate) fn remove(&self, node: NodeId, link: LinkId) {
        let mut entries = self.lock();
        let Some(connections) = entries.get_mut(&node) else {
            return;
        };
        connections.retain(|connection| connection.id() != link);
        if connections.is_empty() {
            entries.remove(&node);
        }
    }

    /// The newest connection to a node that is not about to end.
    pub(crate) fn get(&self, node: NodeId) -> Option<Arc<Connection>> {
        let connections = self.lock().get(&node).cloned()?;
        connections
            .into_iter()
            .rev()
            .find(|connection| connection.is_open())
    }

    /// Waits for a connection to a node, for ever.
    pub(crate) async fn wait_for(&self, node: NodeId) -> Arc<Connection> {
        loop {
            let added = self.added.listen();
            if let Some(connection) = self.get(node) {
                return connection;
            }
            added.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Vec<Arc<Connection>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
