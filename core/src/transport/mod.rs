//! The connection machine: socket bytes in, frames out, and back.
//!
//! Two values. A [`Link`] is one connection: hello, framing, priorities, keep-alive, the window. A
//! [`Session`] is what outlives connections: what is not acknowledged, what has arrived, credit and
//! streams. Whoever owns the peer owns the session and hands it to the link with every call.
//!
//! `frame` knows the bytes of frames, `hello` and `resume` the two introductions, `lane` one class
//! of numbered frames, `loose` those without a number, `window` how much may be under way, `credit`
//! and `stream` how much the other end wants, `assembly` messages longer than a frame.

mod assembly;
mod credit;
mod fault;
mod frame;
mod hello;
mod lane;
mod link;
mod loose;
mod priority;
mod resume;
mod session;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use core::time::Duration;

pub use fault::{CloseReason, LinkFault, SubmitError};
pub use frame::SEGMENT_BYTES;
pub use hello::{Hello, VersionRange};
pub use link::Link;
pub use priority::Priority;
use serde::{Deserialize, Serialize};
pub use session::{Session, Stall};
pub use stats::{Histogram, SessionStats, Stats};

use crate::payload::Payload;
use crate::time::Time;

/// The knobs of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The longest message, in bytes, sent over a stream or in one piece. A message grows as its
    /// bytes arrive; what a frame claims is never reserved.
    pub message_bytes_max: usize,
    /// Bytes one class may hold unsent, headers included; beyond that `submit` refuses, except that
    /// an empty class takes any message.
    pub queue_bytes_max: usize,
    /// Bytes of one class, and of one stream, that may be sent before the other host has taken
    /// some. A message of more than a quarter of it goes over a stream.
    pub credit_bytes: usize,
    /// Streams open at once, in each direction.
    pub streams_max: u16,
    /// After so long without an acknowledgement of what was sent, an attempt has failed.
    pub retry_interval: Duration,
    /// So many failed attempts give up what was not acknowledged.
    pub attempts: u32,
    /// The hello must be complete within this time.
    pub hello_timeout: Duration,
    /// After so long without sending, an empty frame shows the other end that we live.
    pub keepalive_interval: Duration,
    /// While only such frames leave, the pause between them doubles up to this; each says how much
    /// longer the next may last. At the interval itself, the default, it never grows. More, such as
    /// 30 s, saves a cluster above 64 nodes most of its idle traffic; a connection that breaks
    /// without a word is noticed later by as much.
    pub keepalive_interval_max: Duration,
    /// After so long without receiving, the connection is half-open and is closed.
    pub idle_timeout: Duration,
    /// Accepted connections that may wait at once until it is known who they are; more are dropped.
    pub handshakes_max: usize,
    /// So many of them from one address. Many nodes on one host need more.
    pub handshakes_per_address_max: usize,
    /// Accepted connections from one address, known or not; more are dropped.
    pub connections_per_address_max: usize,
}

/// A frame of the host that is acknowledged when the other end's host has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// A message.
    Message {
        /// The host's bytes.
        body: &'a [u8],
        /// After this it is of no use.
        deadline: Option<Time>,
    },
    /// A message that is answered by a `Reply` with the same id.
    Request {
        /// Chosen by the requester, unique in its life.
        id: u64,
        /// The host's bytes.
        body: &'a [u8],
        /// After this nobody waits for the reply.
        deadline: Option<Time>,
    },
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The host's bytes.
        body: &'a [u8],
    },
}

/// A frame that is not acknowledged, and gone with its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unacknowledged {
    /// A message of the state machine, which repeats what it needs.
    Node {
        /// The type of the message, from `wire`.
        code: u8,
        /// The encoded message.
        body: Payload,
    },
    /// The host's datagram.
    Datagram {
        /// The host's bytes; they must fit into one frame.
        body: Payload,
    },
}

/// What a connection has to tell. Bodies lie where they were received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Both hellos are exchanged and checked. First, and once.
    Established(Hello),
    /// The session goes on over this connection: what was not acknowledged leaves again.
    Resumed,
    /// The session begins anew: what was not acknowledged may or may not have arrived, all streams
    /// are gone, and no request of it will be answered.
    Lost,
    /// A message for the state machine.
    Node {
        /// Its type, for `wire::decode`.
        code: u8,
        /// Its bytes.
        body: &'a [u8],
    },
    /// The peer's host sent something that needs no acknowledgement.
    Datagram {
        /// Its class.
        priority: Priority,
        /// The bytes.
        body: &'a [u8],
    },
    /// The peer's host sent a message. It is acknowledged with the next transmission.
    Message {
        /// Its class.
        priority: Priority,
        /// Its number in the class.
        number: u64,
        /// After this it is of no use.
        deadline: Option<Time>,
        /// The bytes.
        body: &'a [u8],
        /// To be given to [`Session::consume`] when the host has taken it.
        cost: usize,
    },
    /// The peer's host asks.
    Request {
        /// Its class.
        priority: Priority,
        /// To be repeated in the reply.
        id: u64,
        /// After this nobody waits for the reply.
        deadline: Option<Time>,
        /// The bytes.
        body: &'a [u8],
        /// To be given to [`Session::consume`] when the host has taken it.
        cost: usize,
    },
    /// The peer's host answers.
    Reply {
        /// The request's id.
        id: u64,
        /// The bytes.
        body: &'a [u8],
    },
    /// The peer's host has everything of the class up to `number`.
    Acked {
        /// The class.
        priority: Priority,
        /// The highest number.
        number: u64,
    },
    /// The peer's host opens a stream.
    StreamOpened {
        /// Its id, among those the peer opened.
        stream: u16,
        /// The class of all its bytes.
        priority: Priority,
        /// Its length, 0 if that is not known.
        total: u64,
    },
    /// Bytes of a stream, in order.
    StreamData {
        /// Its id.
        stream: u16,
        /// The bytes.
        body: &'a [u8],
        /// To be given to [`Session::consume_stream`] when the host has taken them.
        cost: usize,
    },
    /// A stream is over.
    StreamEnded {
        /// Its id.
        stream: u16,
        /// Whether it was finished, or given up.
        is_complete: bool,
    },
    /// The peer's host wants no more of a stream of ours.
    StreamRefused {
        /// Its id, among ours.
        stream: u16,
    },
    /// The peer's host has taken all of a stream of ours, or all that came before it was refused.
    StreamClosed {
        /// Its id, among ours.
        stream: u16,
    },
    /// What was refused as full may be tried again.
    Room,
    /// The connection must be hung up. Last, and once.
    Closed(CloseReason),
}
