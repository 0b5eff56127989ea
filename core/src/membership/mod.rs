//! Membership and failure detection: SWIM with refutation, dissemination by piggyback, join and leave.

mod message;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

pub use message::{
    Ack, Gossip, Join, Message, Nack, Ping, PingReq, State, UPDATES_MAX, Update, Welcome,
};
use serde::{Deserialize, Serialize};

use crate::id::{Incarnation, NodeId, Peer, Zone};
use crate::seed::Random;
use crate::time::{Deadline, Time};

/// The knobs of the failure detector. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time between two probes of this node. Shorter detects sooner and costs two messages per period.
    pub probe_interval: Duration,
    /// How long a direct probe may take before relays are asked; below `probe_interval`.
    pub probe_timeout: Duration,
    /// Relays asked when a direct probe fails (SWIM's k).
    pub indirect_relays: usize,
    /// Members each gossip tick tells.
    pub gossip_fanout: usize,
    /// Time between two gossip ticks, while there is something to tell.
    pub gossip_interval: Duration,
    /// Suspicion lasts `suspicion_factor` × digits(cluster size) × `probe_interval`.
    pub suspicion_factor: u32,
    /// Each update is told `retransmit_factor` × digits(cluster size) times.
    pub retransmit_factor: u32,
    /// Time between two attempts to reach a seed or a dead member again; doubles up to `rejoin_interval_max`.
    pub rejoin_interval: Duration,
    /// The longest pause between two such attempts: bounds how late a healed partition re-merges.
    pub rejoin_interval_max: Duration,
    /// How long `join` may take before it is answered with a refusal (dialling goes on).
    pub join_timeout: Duration,
    /// How long `leave` may take to spread.
    pub leave_timeout: Duration,
    /// Dead and left members remembered; the oldest are forgotten beyond that.
    pub tombstones_max: usize,
}

/// Who this node is, to the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Me {
    /// Its id.
    pub node: NodeId,
    /// Where the others reach it.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
}

/// A member as this node believes it to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its life and refutation.
    pub incarnation: Incarnation,
    /// What is believed of it.
    pub state: State,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
}

impl Member {
    /// The life this member is in.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            node: self.node,
            boot: self.incarnation.boot(),
        }
    }
}

/// What membership is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The own boot record is durable: probing, gossip and joining may begin. Until then nothing is sent.
    Started,
    /// A message over an authenticated connection.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A connection is up. The side that dialled opens a full exchange.
    LinkUp {
        /// The other end.
        peer: Peer,
        /// Its address as dialled, or as it announced itself.
        address: SocketAddr,
        /// True when this side dialled.
        dialed: bool,
    },
    /// The last connection to a node is gone. No verdict by itself: the next probe decides.
    LinkDown {
        /// The other end.
        node: NodeId,
    },
    /// Nobody answered at an address.
    DialFailed {
        /// The address.
        address: SocketAddr,
    },
    /// Reach a cluster through these addresses and keep trying for ever.
    Join {
        /// Addresses of members.
        seeds: Vec<SocketAddr>,
    },
    /// Tell everyone and stop; the answer comes when it is spread or `leave_timeout` passed.
    Leave,
}

/// What membership wants done, and the facts it has learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send to a node; may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Connect to an address nobody is known at yet.
    Dial {
        /// The address.
        address: SocketAddr,
    },
    /// The member list changed.
    Fact(Fact),
    /// The pending `Join` ended: true when some member welcomed us.
    Joined(bool),
    /// The pending `Leave` is spread, or its time is over.
    LeaveDone,
    /// Something an operator may want to know.
    Note(Notice),
}

/// A change of the member list. Facts about one node alternate: `Left` or `Died` of the old life always precedes
/// `Joined` of the new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A life of a node is now a live member.
    Joined(Member),
    /// It is suspected.
    Suspected {
        /// Who.
        peer: Peer,
        /// By whom.
        accuser: NodeId,
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
        accuser: NodeId,
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
}

/// Counters; plain numbers, read by the metrics of the adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Probes sent.
    pub pings: u64,
    /// Probes answered in time, directly or through a relay.
    pub acks: u64,
    /// Suspicions started, by anyone.
    pub suspicions: u64,
    /// Probes that failed directly and through every relay.
    pub failed_pings: u64,
    /// Messages sent that carried updates.
    pub gossip_sent: u64,
    /// Messages received that carried updates.
    pub gossip_received: u64,
    /// Facts announced.
    pub changes: u64,
}

/// The membership machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    config: Config,
    me: Me,
    incarnation: Incarnation,
    random: Random,
    stats: Stats,
}

impl Membership {
    /// A machine that knows only itself and waits for [`Input::Started`].
    #[must_use]
    pub fn new(config: Config, me: Me, incarnation: Incarnation, random: Random) -> Membership {
        Membership {
            config,
            me,
            incarnation,
            random,
            stats: Stats::default(),
        }
    }

    /// The one verb.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        let _ = (now, input, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        None
    }

    /// Every known member, this node included, by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        core::iter::empty()
    }

    /// What is believed of one node.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&Member> {
        let _ = node;
        None
    }

    /// This node's current incarnation.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
