//! The connection machine: socket bytes in, frames out, and back.
//!
//! `frame` knows the bytes of frames, `hello` the introduction, `queue` one class of messages, and
//! `link` composes them.

mod frame;
mod hello;
mod link;
mod queue;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

pub use hello::{Hello, VersionRange};
pub use link::Link;
use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, NodeId};
use crate::payload::Payload;

/// The class of a message. A higher class never waits for a lower one beyond the segment being
/// written.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// Elections, heartbeats, probes.
    Critical = 0,
    /// Control commands.
    High = 1,
    /// The host's ordinary traffic.
    #[default]
    Normal = 2,
    /// Bulk.
    Low = 3,
}

impl Priority {
    /// From the most to the least urgent.
    pub const ALL: [Priority; 4] = [
        Priority::Critical,
        Priority::High,
        Priority::Normal,
        Priority::Low,
    ];
}

/// The knobs of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The largest body of one frame, in bytes; checked before anything is allocated.
    pub frame_bytes_max: usize,
    /// Bytes of frames one class may hold unsent, headers included; beyond that `submit` refuses,
    /// except that an empty class takes any frame.
    pub queue_bytes_max: usize,
    /// The hello must be complete within this time.
    pub hello_timeout: Duration,
    /// After so long without sending, an empty frame shows the other end that we live.
    pub keepalive_interval: Duration,
    /// After so long without receiving, the connection is half-open and is closed.
    pub idle_timeout: Duration,
}

/// What a caller hands to [`Link::submit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A message of the state machine: never acknowledged, the machine repeats what it needs.
    Node {
        /// The type of the message, from `wire`.
        code: u8,
        /// The encoded message.
        body: Payload,
    },
    /// The host's message: acknowledged when the other end's host has it.
    Message {
        /// The host's bytes.
        body: Payload,
    },
    /// A message that is answered by a `Reply` with the same id.
    Request {
        /// Chosen by the requester, unique on this connection.
        id: u64,
        /// The host's bytes.
        body: Payload,
    },
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The host's bytes.
        body: Payload,
    },
}

/// Why a submission was refused; nothing was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubmitError {
    /// The class would hold more than `queue_bytes_max`, or 65536 of its messages wait for an
    /// acknowledgement: slow down.
    Full,
    /// The body exceeds `frame_bytes_max`.
    TooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The connection is closed.
    Closed,
}

/// What a connection has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Both hellos are exchanged and checked. First, and once.
    Established(Hello),
    /// A message for the state machine.
    Node {
        /// Its type, for `wire::decode`.
        code: u8,
        /// Its bytes.
        body: Payload,
    },
    /// The peer's host sent a message. It is acknowledged with the next transmission.
    Message {
        /// Its class.
        priority: Priority,
        /// Its number in the class, from 1.
        number: u64,
        /// The bytes.
        body: Payload,
    },
    /// The peer's host asks.
    Request {
        /// Its class.
        priority: Priority,
        /// To be repeated in the reply.
        id: u64,
        /// The bytes.
        body: Payload,
    },
    /// The peer's host answers.
    Reply {
        /// The request's id.
        id: u64,
        /// The bytes.
        body: Payload,
    },
    /// The peer's host has every message of the class up to `number`.
    Acked {
        /// The class.
        priority: Priority,
        /// The highest number.
        number: u64,
    },
    /// The connection must be hung up. Last, and once.
    Closed(CloseReason),
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
    /// A frame before the hello, or a second hello.
    OutOfOrder,
    /// A body longer than allowed.
    Oversized,
    /// A body that does not decode.
    Malformed,
    /// An acknowledgement of something never sent.
    ImpossibleAck,
    /// A gap or a repetition in the numbers of a class.
    BrokenSequence,
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

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Frames handed to `submit`.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Bytes handed to the socket.
    pub bytes_sent: u64,
    /// Bytes taken from the socket.
    pub bytes_received: u64,
}

/// A buffer of outputs that belongs to the caller.
pub type Outputs = Vec<Output>;
