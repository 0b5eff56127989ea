//! The node: every subsystem composed into one machine.

mod command;
pub mod config;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub use command::{Answer, Command, Refusal, Status};
pub use config::{Config, ConfigError, ValidConfig};

use crate::balance::Snapshot;
use crate::durable::{Durable, Record};
use crate::id::{LinkId, Lsn, NodeId, Peer, Ticket};
use crate::notice::Notice;
use crate::seed::Seed;
use crate::time::{Deadline, Time};
use crate::transport::Priority;
use crate::wire::Message;

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A connection is authenticated and its hellos are exchanged.
    LinkUp {
        /// The connection.
        link: LinkId,
        /// The other end, as its certificate and hello say.
        peer: Peer,
        /// Where the other end listens: the address dialled, or the one in its hello.
        address: SocketAddr,
        /// True when this node dialled.
        dialed: bool,
    },
    /// A connection is gone, for whatever reason; also after a `Hangup`.
    LinkDown {
        /// The connection.
        link: LinkId,
    },
    /// A `Dial` came to nothing.
    DialFailed {
        /// The address.
        address: SocketAddr,
    },
    /// A message arrived.
    Received {
        /// Over which connection.
        link: LinkId,
        /// The message.
        message: Message,
    },
    /// All records up to this one are durable.
    Persisted(Lsn),
    /// The disk has not confirmed anything for too long.
    DiskStalled,
    /// The host asks for something.
    Command {
        /// Under which the answer comes.
        ticket: Ticket,
        /// What.
        command: Command,
    },
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send over a connection that is up. May be lost.
    Send {
        /// The connection.
        link: LinkId,
        /// The other end, for the trace.
        to: NodeId,
        /// The class.
        priority: Priority,
        /// The message.
        message: Message,
    },
    /// Connect; ends in `LinkUp` or `DialFailed`.
    Dial {
        /// Where.
        address: SocketAddr,
        /// Who must answer, if known.
        expected: Option<NodeId>,
    },
    /// Close a connection; ends in `LinkDown`.
    Hangup {
        /// Which.
        link: LinkId,
    },
    /// Append a record to the log and make it durable; ends in `Persisted`. Records come in order, and several may be
    /// made durable together. After a failure the node must be stopped for good.
    Persist {
        /// Its number.
        lsn: Lsn,
        /// The record.
        record: Record,
    },
    /// Answer the host.
    Reply {
        /// The command's ticket.
        ticket: Ticket,
        /// The answer.
        answer: Result<Answer, Refusal>,
    },
    /// Replace the routing table.
    PublishRoutes(Arc<Snapshot>),
    /// Log.
    Notify(Notice),
}

/// The state machine of one cluster node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    config: ValidConfig,
}

impl Node {
    /// Continues from what is durable; with nothing durable, starts for the first time. Cannot fail: the configuration
    /// is validated, and [`durable::wal::scan`](crate::durable::wal::scan) has judged the log.
    #[must_use]
    pub fn recover(
        config: ValidConfig,
        durable: Durable,
        last: Lsn,
        seed: &Seed,
        now: Time,
    ) -> Node {
        let _ = (durable, last, seed, now);
        Node { config }
    }

    /// Total: never fails, never panics on a peer's input. Appends to `actions`.
    pub fn step(&mut self, now: Time, event: Event, actions: &mut Vec<Action>) {
        let _ = (now, event, actions);
    }

    /// When to be stepped with [`Event::Tick`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        None
    }
}
