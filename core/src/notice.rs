//! Diagnostics as values: adapters turn them into log lines, the simulator into its trace, tests
//! assert on them.

use core::net::SocketAddr;

use crate::durable::image::ImageError;
use crate::health::PartitionStatus;
use crate::id::{Epoch, Incarnation, LogIndex, NodeId, Peer, RoleName};
use crate::level::{Level, Unfit};
use crate::voters::Voters;
use crate::wire::DecodeError;
use crate::{gossip, membership, raft};

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The boot record is durable: the node may speak, and connections may be accepted.
    Started {
        /// The incarnation it speaks under.
        incarnation: Incarnation,
    },
    /// The member list changed.
    Member(membership::Fact),
    /// What came of the changes of the member list since the last view.
    View(membership::View),
    /// Diagnostics of membership.
    Membership(membership::Notice),
    /// Who leads, as this node knows, changed.
    Leadership(raft::Standing),
    /// Other voters are in force, as of the end of this node's log.
    Voters(Voters),
    /// Diagnostics of consensus.
    Raft(raft::Notice),
    /// How the cluster hangs together, as this node sees it, changed.
    Partition(PartitionStatus),
    /// State that nodes write about themselves changed.
    State(gossip::Fact),
    /// A message of gossip broke a rule; it was ignored.
    GossipFault {
        /// Who sent it; not always who made it up.
        from: NodeId,
        /// What was wrong.
        fault: gossip::PeerFault,
    },
    /// A role changed hands in the control log.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new holder.
        holder: Option<Peer>,
        /// The epoch in force.
        epoch: Epoch,
    },
    /// A node is turned out by the control log.
    Removed {
        /// Which.
        node: NodeId,
        /// The entry that removed it.
        at: LogIndex,
    },
    /// This feature level is in force from here on.
    LevelRaised {
        /// Which.
        level: Level,
    },
    /// A node is not let in: its build does not know the feature level in force.
    Unfit {
        /// Which.
        node: NodeId,
        /// Why.
        unfit: Unfit,
    },
    /// A connection to a node is in use.
    LinkUp {
        /// The other end.
        peer: Peer,
        /// Where it is.
        address: SocketAddr,
    },
    /// The last connection to a node is gone.
    LinkDown {
        /// The other end.
        peer: Peer,
    },
    /// A committed entry does not decode: it was written by a newer version. It is skipped.
    UnknownEntry {
        /// Where.
        index: LogIndex,
        /// Why.
        error: DecodeError,
    },
    /// A leader sent a state that this version cannot read. Without it this node falls behind.
    UnreadableSnapshot {
        /// Who sent it.
        from: NodeId,
        /// Up to which entry.
        index: LogIndex,
        /// Why.
        error: ImageError,
    },
    /// The disk has not confirmed a write for too long.
    DiskStalled,
    /// Messages to a node were dropped because no connection came up in time, or too many were
    /// waiting.
    OutboxDropped {
        /// To whom.
        to: NodeId,
        /// How many.
        messages: usize,
    },
}

/// How much attention a notice deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For debugging.
    Debug,
    /// A normal change of state.
    Info,
    /// Something is wrong, and handled.
    Warn,
}

impl Notice {
    /// A short stable name, for log lines and counters.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Notice::Started { .. } => "started",
            Notice::Member(fact) => match fact {
                membership::Fact::Joined(_) => "member_joined",
                membership::Fact::Suspected { .. } => "member_suspected",
                membership::Fact::Refuted { .. } => "member_refuted",
                membership::Fact::Died { .. } => "member_died",
                membership::Fact::Left { .. } => "member_left",
                membership::Fact::Moved { .. } => "member_moved",
            },
            Notice::View(_) => "view_changed",
            Notice::Membership(membership::Notice::Refuting { .. }) => "refuting",
            Notice::Membership(membership::Notice::OnProbation { .. }) => "on_probation",
            Notice::Membership(membership::Notice::PeerFault { .. }) => "membership_peer_fault",
            Notice::Membership(membership::Notice::TurnedAway { .. }) => "turned_away",
            Notice::Leadership(_) => "leadership",
            Notice::Raft(raft::Notice::RoleChanged { .. }) => "raft_role_changed",
            Notice::Raft(raft::Notice::ElectionRepeated { .. }) => "election_repeated",
            Notice::Raft(raft::Notice::TransferBegun { .. }) => "transfer_begun",
            Notice::Raft(raft::Notice::Removed { .. }) => "leader_removed",
            Notice::Raft(raft::Notice::SnapshotTaken { .. }) => "snapshot_taken",
            Notice::Raft(raft::Notice::SnapshotInstalled { .. }) => "snapshot_installed",
            Notice::Raft(raft::Notice::Rebuilding { .. }) => "rebuilding",
            Notice::Raft(raft::Notice::Rebuilt { .. }) => "rebuilt",
            Notice::Voters(_) => "voters_changed",
            Notice::Raft(raft::Notice::TransferEnded { .. }) => "transfer_ended",
            Notice::Raft(raft::Notice::PeerFault { .. }) => "raft_peer_fault",
            Notice::Partition(PartitionStatus::Whole) => "partition_healed",
            Notice::Partition(_) => "partitioned",
            Notice::State(gossip::Fact::Changed { .. }) => "state_changed",
            Notice::State(gossip::Fact::Forgotten { .. }) => "state_forgotten",
            Notice::GossipFault { .. } => "gossip_peer_fault",
            Notice::RoleChanged { .. } => "role_changed",
            Notice::Removed { .. } => "node_removed",
            Notice::LevelRaised { .. } => "level_raised",
            Notice::Unfit { .. } => "node_unfit",
            Notice::LinkUp { .. } => "link_up",
            Notice::LinkDown { .. } => "link_down",
            Notice::UnknownEntry { .. } => "unknown_entry",
            Notice::UnreadableSnapshot { .. } => "unreadable_snapshot",
            Notice::DiskStalled => "disk_stalled",
            Notice::OutboxDropped { .. } => "outbox_dropped",
        }
    }

    /// How much attention it deserves.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Notice::Member(membership::Fact::Suspected { .. } | membership::Fact::Died { .. })
            | Notice::Membership(_)
            | Notice::Raft(
                raft::Notice::PeerFault { .. }
                | raft::Notice::ElectionRepeated { .. }
                | raft::Notice::Rebuilding { .. },
            )
            | Notice::GossipFault { .. }
            | Notice::Partition(
                PartitionStatus::Split { .. }
                | PartitionStatus::OneWay { .. }
                | PartitionStatus::Bridged { .. },
            )
            | Notice::Unfit { .. }
            | Notice::UnknownEntry { .. }
            | Notice::UnreadableSnapshot { .. }
            | Notice::DiskStalled => Severity::Warn,
            Notice::Started { .. }
            | Notice::Member(
                membership::Fact::Joined(_)
                | membership::Fact::Refuted { .. }
                | membership::Fact::Left { .. }
                | membership::Fact::Moved { .. },
            )
            | Notice::Leadership(_)
            | Notice::Voters(_)
            | Notice::Raft(
                raft::Notice::RoleChanged { .. }
                | raft::Notice::TransferBegun { .. }
                | raft::Notice::Removed { .. }
                | raft::Notice::SnapshotInstalled { .. }
                | raft::Notice::Rebuilt { .. }
                | raft::Notice::TransferEnded { .. },
            )
            | Notice::Partition(PartitionStatus::Whole)
            | Notice::View(_)
            | Notice::Removed { .. }
            | Notice::LevelRaised { .. }
            | Notice::RoleChanged { .. } => Severity::Info,
            Notice::State(_)
            | Notice::Raft(raft::Notice::SnapshotTaken { .. })
            | Notice::LinkUp { .. }
            | Notice::LinkDown { .. }
            | Notice::OutboxDropped { .. } => Severity::Debug,
        }
    }
}
