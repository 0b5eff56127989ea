//! The core's notices as log lines, at the level of their severity.

use quorate_core::health::PartitionStatus;
use quorate_core::id::NodeId;
use quorate_core::membership::{self, Fact, View};
use quorate_core::notice::Notice;
use quorate_core::raft;

/// Writes one notice to the log.
pub(crate) fn notice(node: NodeId, notice: &Notice) {
    match notice {
        Notice::Started { incarnation } => tracing::info!(%node, %incarnation, "started"),
        Notice::Member(fact) => member(node, fact),
        Notice::View(view) => of_view(node, view),
        Notice::Membership(membership::Notice::TurnedAway { by, reason }) => {
            tracing::warn!(%node, %by, %reason, "turned away");
        }
        Notice::Membership(what) => tracing::warn!(%node, ?what, "membership"),
        Notice::Leadership(standing) => tracing::info!(
            %node,
            term = %standing.term,
            role = ?standing.role,
            leader = ?standing.leader,
            "leadership"
        ),
        Notice::Voters(voters) => tracing::info!(%node, %voters, "voters"),
        Notice::Raft(what) => of_raft(node, what),
        Notice::Partition(PartitionStatus::Whole) => {
            tracing::info!(%node, "the cluster is whole again");
        }
        Notice::Partition(status) => tracing::warn!(%node, ?status, "partition"),
        Notice::State(what) => tracing::trace!(%node, ?what, "state"),
        Notice::GossipFault { from, fault } => {
            tracing::warn!(%node, %from, ?fault, "gossip: a peer broke a rule");
        }
        Notice::RoleChanged {
            role,
            holder,
            epoch,
        } => {
            tracing::info!(%node, %role, ?holder, %epoch, "role changed hands");
        }
        Notice::Removed { node: removed, at } => {
            tracing::info!(%node, %removed, %at, "removed from the cluster");
        }
        Notice::LevelRaised { level } => tracing::info!(%node, %level, "feature level raised"),
        Notice::Unfit {
            node: unfit,
            unfit: why,
        } => {
            tracing::warn!(%node, %unfit, %why, "not let in");
        }
        Notice::LinkUp { peer, address } => tracing::debug!(%node, %peer, %address, "connected"),
        Notice::LinkDown { peer } => tracing::debug!(%node, %peer, "disconnected"),
        Notice::UnknownEntry { index, error } => {
            tracing::warn!(%node, %index, %error, "skipped a committed entry of a newer version");
        }
        Notice::UnreadableSnapshot { from, index, error } => {
            tracing::warn!(%node, %from, %index, %error, "cannot read the leader's snapshot");
        }
        Notice::DiskStalled => tracing::warn!(%node, "the disk does not confirm writes"),
        Notice::OutboxDropped { to, messages } => {
            tracing::debug!(%node, %to, messages, "dropped messages that waited for a connection");
        }
    }
}

fn of_view(node: NodeId, view: &View) {
    tracing::info!(
        %node,
        number = view.number,
        size = view.size,
        joined = view.joined.len(),
        left = view.left.len(),
        died = view.died.len(),
        "view"
    );
}

fn of_raft(node: NodeId, notice: &raft::Notice) {
    match notice {
        raft::Notice::RoleChanged {
            from,
            to,
            term,
            cause,
        } => tracing::info!(%node, %term, ?from, ?to, ?cause, "raft role changed"),
        what @ (raft::Notice::TransferBegun { .. }
        | raft::Notice::TransferEnded { .. }
        | raft::Notice::SnapshotInstalled { .. }
        | raft::Notice::Rebuilt { .. }
        | raft::Notice::Removed { .. }) => tracing::info!(%node, ?what, "raft"),
        raft::Notice::SnapshotTaken { index, bytes } => {
            tracing::debug!(%node, %index, bytes, "snapshot");
        }
        what @ (raft::Notice::PeerFault { .. }
        | raft::Notice::ElectionRepeated { .. }
        | raft::Notice::Rebuilding { .. }) => tracing::warn!(%node, ?what, "raft"),
    }
}

fn member(node: NodeId, fact: &Fact) {
    match fact {
        Fact::Joined(member) => {
            tracing::info!(%node, member = %member.peer(), address = %member.address, "joined");
        }
        Fact::Suspected { peer, evidence } => {
            tracing::warn!(%node, member = %peer, %evidence, "suspected");
        }
        Fact::Refuted { peer } => tracing::info!(%node, member = %peer, "alive after all"),
        Fact::Died { peer, evidence } => {
            tracing::warn!(%node, member = %peer, %evidence, "declared dead");
        }
        Fact::Left { peer } => tracing::info!(%node, member = %peer, "left"),
        Fact::Moved { peer, address } => {
            tracing::info!(%node, member = %peer, %address, "moved");
        }
    }
}
