//! What membership tells the rest of the node: changes of the member list, and diagnostics.

use core::net::SocketAddr;

use super::Member;
use super::message::{Evidence, Reason};
use crate::id::{Incarnation, NodeId, Peer};

/// A change of the member list. Facts about one node alternate: `Left` or `Died` of the old life
/// always precedes `Joined` of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A life of a node is now a live member.
    Joined(Member),
    /// It is suspected.
    Suspected {
        /// Who.
        peer: Peer,
        /// By whom.
        evidence: Evidence,
    },
    /// It is alive after all.
    Refuted {
        /// Who.
        peer: Peer,
    },
    /// It is declared dead.
    Died {
        /// Who.
        peer: Peer,
        /// By whom.
        evidence: Evidence,
    },
    /// It left on its own word, or a newer life of it was seen.
    Left {
        /// Who.
        peer: Peer,
    },
    /// It listens elsewhere now.
    Moved {
        /// Who.
        peer: Peer,
        /// Where.
        address: SocketAddr,
    },
}

/// Diagnostics of membership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// We were accused and have refuted it.
    Refuting {
        /// Who accused us.
        accuser: Option<NodeId>,
        /// What we are now.
        incarnation: Incarnation,
    },
    /// We were declared dead too often lately, and wait before we come back.
    OnProbation {
        /// By whom we were accused.
        accuser: Option<NodeId>,
    },
    /// A member does not let us in.
    TurnedAway {
        /// Which.
        by: NodeId,
        /// Why not.
        reason: Reason,
    },
    /// A message broke a rule; it was ignored.
    PeerFault {
        /// Who sent it.
        from: NodeId,
        /// What was wrong.
        fault: PeerFault,
    },
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerFault {
    /// More than [`UPDATES_MAX`] updates in one message.
    TooManyUpdates,
    /// More members than `MEMBERS_MAX`.
    TooManyMembers,
    /// An acknowledgement nobody asked for.
    UnexpectedAck,
    /// A comparison of tables with other parts than ours.
    MalformedSync,
}
