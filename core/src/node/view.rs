//! Read-only getters over a node, for drivers, the simulator's checkers and tests.

use super::{Node, Status, ValidConfig};
use crate::control::Control;
use crate::gossip::Gossip;
use crate::health::Health;
use crate::id::{LinkId, Lsn, NodeId, Peer};
use crate::membership::Membership;
use crate::metrics::Metrics;
use crate::raft::Raft;

/// A look at a node between two steps.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    node: &'a Node,
}

impl<'a> View<'a> {
    pub(super) fn new(node: &'a Node) -> View<'a> {
        View { node }
    }

    /// Which life of which node this is.
    #[must_use]
    pub fn me(&self) -> Peer {
        self.node.me
    }

    /// Whether the node may speak: its start is durable.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.node.started
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &'a ValidConfig {
        &self.node.config
    }

    /// The member list.
    #[must_use]
    pub fn membership(&self) -> &'a Membership {
        &self.node.membership
    }

    /// What nodes write about themselves.
    #[must_use]
    pub fn gossip(&self) -> &'a Gossip {
        &self.node.gossip
    }

    /// Who hears whom.
    #[must_use]
    pub fn health(&self) -> &'a Health {
        &self.node.health
    }

    /// All counters.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.node.metrics()
    }

    /// Consensus.
    #[must_use]
    pub fn raft(&self) -> &'a Raft {
        &self.node.raft
    }

    /// The replicated state and the proposals.
    #[must_use]
    pub fn control(&self) -> &'a Control {
        &self.node.control
    }

    /// The connection in use to a node.
    #[must_use]
    pub fn link(&self, node: NodeId) -> Option<LinkId> {
        self.node.links.active(node)
    }

    /// The connections in use, by node.
    pub fn links(&self) -> impl Iterator<Item = (NodeId, LinkId)> + 'a {
        self.node.links.all_active()
    }

    /// The nodes for whom messages wait, and how many.
    pub fn outboxes(&self) -> impl Iterator<Item = (NodeId, usize)> + 'a {
        self.node.links.outboxes()
    }

    /// Whether what comes over a connection is kept until it is known who may bear that id.
    #[must_use]
    pub fn is_at_door(&self, link: LinkId) -> bool {
        self.node.claims.is_at_door(link)
    }

    /// The last record written and the last one known to be durable.
    #[must_use]
    pub fn records(&self) -> (Lsn, Lsn) {
        (self.node.gate.written(), self.node.gate.durable())
    }

    /// Promises that wait until their records are durable.
    #[must_use]
    pub fn promises_held(&self) -> usize {
        self.node.gate.len()
    }

    /// The node's standing, as of its last step.
    #[must_use]
    pub fn status(&self) -> Status {
        let raft = &self.node.raft;
        let standing = raft.standing();
        Status {
            me: self.node.me,
            term: standing.term,
            role: standing.role,
            leader: standing.leader,
            has_quorum: raft.has_quorum(self.node.now),
            voters: raft.voters().clone(),
            commit: raft.commit(),
            applied: self.node.control.state().applied(),
            level: self.node.control.state().level(),
            levels: self.node.config.levels,
        }
    }
}
