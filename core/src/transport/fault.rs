//! What can go wrong with a connection: what the other end did, why it ended, what was refused.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::VersionRange;
use crate::id::{ClusterId, NodeId};

/// Why a submission was refused; nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubmitError {
    /// The class would hold more than `queue_bytes_max`, or the other end has not taken enough of
    /// what it was sent: wait for room.
    Full,
    /// The body exceeds what one message may hold.
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// So many streams are open already.
    TooManyStreams {
        /// Streams allowed.
        max: usize,
    },
    /// The stream is finished, was refused by the other end, or never existed.
    NoStream,
    /// The connection is closed.
    Closed,
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// The peer said goodbye.
    Goodbye,
    /// No hello in time.
    HelloTimeout,
    /// Nothing was heard for the idle timeout.
    Idle,
    /// The other end belongs to another cluster.
    WrongCluster {
        /// Ours.
        ours: ClusterId,
        /// Theirs.
        theirs: ClusterId,
    },
    /// The other end is not who was dialled, or not who its certificate says; or both are equal,
    /// and it bears our own id.
    WrongNode {
        /// Whom we expected.
        expected: NodeId,
        /// Who it says it is.
        found: NodeId,
    },
    /// No common protocol version.
    WrongVersion {
        /// Ours.
        ours: VersionRange,
        /// Theirs.
        theirs: VersionRange,
    },
    /// The bytes broke a rule.
    Fault(LinkFault),
}

/// What the other end did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkFault {
    /// A frame kind, class or flag this version does not know.
    UnknownFrame,
    /// A frame before the hello or the resumption it needs, or a second hello.
    OutOfOrder,
    /// A body or a message longer than allowed.
    Oversized,
    /// A body that does not decode.
    Malformed,
    /// An acknowledgement of something never sent.
    ImpossibleAck,
    /// A gap in the numbers of a class, or a message continued by another.
    BrokenSequence,
    /// More bytes than were granted.
    CreditExceeded,
    /// Credit for what was never opened, or less than before.
    ImpossibleCredit,
    /// More streams at once than allowed.
    TooManyStreams,
    /// A stream opened twice, or data for none.
    UnknownStream,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Goodbye => f.write_str("the peer said goodbye"),
            CloseReason::HelloTimeout => f.write_str("no hello in time"),
            CloseReason::Idle => f.write_str("nothing heard for the idle timeout"),
            CloseReason::WrongCluster { ours, theirs } => write!(
                f,
                "cluster id mismatch (ours \"{ours}\", theirs \"{theirs}\"). Reused address?"
            ),
            CloseReason::WrongNode { expected, found } if expected == found => write!(
                f,
                "the other end has our own id {found}. \
                 Own address dialled, or one id given to two nodes?"
            ),
            CloseReason::WrongNode { expected, found } => {
                write!(
                    f,
                    "expected {expected}, found {found}. Reissue the certificate or fix the id"
                )
            }
            CloseReason::WrongVersion { ours, theirs } => {
                write!(
                    f,
                    "no common protocol version (ours {ours}, theirs {theirs})"
                )
            }
            CloseReason::Fault(fault) => write!(f, "protocol fault: {fault:?}"),
        }
    }
}

impl core::error::Error for CloseReason {}
