//! Diagnostics as values: adapters turn them into log lines, the simulator into its trace, tests assert on them.

use core::fmt;
use core::net::SocketAddr;

use crate::id::{Epoch, Incarnation, NodeId, Peer, RoleName};
use crate::wire::DecodeError;
use crate::{membership, raft};

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
    /// Diagnostics of membership.
    Membership(membership::Notice),
    /// Who leads, as this node knows, changed.
    Leadership(raft::Standing),
    /// Diagnostics of consensus.
    Raft(raft::Notice),
    /// A role changed hands in the control log.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new holder.
        holder: Option<Peer>,
        /// The epoch in force.
        epoch: Epoch,
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
        /// Why.
        error: DecodeError,
    },
    /// The disk has not confirmed a write for too long.
    DiskStalled,
    /// Messages to a node were dropped because no connection came up in time, or too many were waiting.
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
