//! What members say to each other. Each message is a struct of its own, so that the frame header
//! names its type and the codec never meets an unknown variant.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::place::Told;
use crate::id::{Incarnation, LogIndex, NodeId, Zone};
use crate::level::{LevelRange, Unfit};

/// The most updates one message carries. Bounds what a peer can make us do per message: the longest
/// update has about 200 bytes, so no message exceeds 64 KiB and no update is too large for one. In
/// a storm of joins fewer and longer messages mean fewer connections to random members.
pub const UPDATES_MAX: usize = 256;

/// The parts a table is divided into when two are compared; each has a fingerprint.
pub const PARTS: usize = 64;

/// The most names of witnesses beside the accuser's.
pub const WITNESSES_MAX: usize = 3;

/// Who says that a member does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// Whose probe failed first.
    pub accuser: NodeId,
    /// Who found the same independently: relays that asked for the accuser and heard nothing
    /// either, or members whose own probe failed.
    pub witnesses: Vec<NodeId>,
    /// The accuser's own health, from 0 (well) up; one that is unwell accuses the innocent.
    pub health: u8,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.accuser)?;
        for witness in &self.witnesses {
            write!(f, " and {witness}")?;
        }
        match self.health {
            0 => Ok(()),
            health => write!(f, " (the accuser's own health is {health})"),
        }
    }
}

impl Evidence {
    /// One word against it.
    #[must_use]
    pub fn of(accuser: NodeId) -> Evidence {
        Evidence {
            accuser,
            witnesses: Vec::new(),
            health: 0,
        }
    }

    /// Everyone who testifies, the accuser first, nobody twice.
    pub fn names(&self) -> impl Iterator<Item = NodeId> {
        let more = self.witnesses.iter().take(WITNESSES_MAX).copied();
        let more = more
            .enumerate()
            .filter(|(at, name)| *name != self.accuser && !self.witnesses[..*at].contains(name));
        core::iter::once(self.accuser).chain(more.map(|(_, name)| name))
    }
}

/// What is believed of a member, in the order of the SWIM lattice at one incarnation (SWIM §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Answers, or is believed to.
    Alive,
    /// Did not answer; may refute.
    Suspect,
    /// Declared dead; comes back only with a higher incarnation.
    Dead,
    /// Left on its own word; comes back only with a higher incarnation.
    Left,
}

impl State {
    /// True for members that take part: the alive, and the suspect who may still refute.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            State::Alive | State::Suspect => true,
            State::Dead | State::Left => false,
        }
    }
}

/// One belief about one member: the unit of dissemination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "Told")]
pub struct Update {
    /// Whom it is about.
    pub node: NodeId,
    /// The life and refutation it is about.
    pub incarnation: Incarnation,
    /// What is believed.
    pub state: State,
    /// Where the member listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// It votes without holding data of the application.
    pub is_witness: bool,
    /// Which feature levels its build knows.
    pub levels: LevelRange,
    /// Who accused it, for `Suspect` and `Dead`.
    pub evidence: Option<Evidence>,
}

/// The messages of the membership protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// "Are you there?" (SWIM §3.1)
    Ping(Ping),
    /// "I am."
    Ack(Ack),
    /// "Ask it for me." (SWIM §3.1)
    PingReq(PingReq),
    /// A relay's "it did not answer me either, but I am here" (Lifeguard §IV-A).
    Nack(Nack),
    /// "Here is all I know; tell me all you know."
    Join(Join),
    /// One page of the answer to `Join`.
    Welcome(Welcome),
    /// Updates on their own, between probes.
    Gossip(Gossip),
    /// "Our tables differ; here are the fingerprints of mine."
    Sync(Sync),
    /// "These parts differ; here are mine."
    Differ(Differ),
    /// "You are not let in." The connection ends after it.
    TurnedAway(TurnedAway),
}

impl Message {
    /// The updates it carries.
    pub(super) fn updates(&self) -> &[Update] {
        match self {
            Message::Ping(ping) => &ping.updates,
            Message::Ack(ack) => &ack.updates,
            Message::PingReq(request) => &request.updates,
            Message::Nack(_) | Message::TurnedAway(_) => &[],
            Message::Join(join) => &join.updates,
            Message::Welcome(welcome) => &welcome.updates,
            Message::Gossip(gossip) => &gossip.updates,
            Message::Sync(sync) => &sync.updates,
            Message::Differ(differ) => &differ.updates,
        }
    }
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ping {
    /// The prober's number for this probe.
    pub probe: u64,
    /// Piggybacked updates.
    pub updates: Vec<Update>,
}

/// The answer to a [`Ping`], or a relay's forwarding of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ack {
    /// The number of the probe it answers.
    pub probe: u64,
    /// Who is alive: the sender, or the target a relay asked for us.
    pub alive: NodeId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The fingerprint of all live members the sender knows; see [`Sync`].
    pub fingerprint: u64,
    /// Piggybacked updates.
    pub updates: Vec<Update>,
}

/// A request to probe on the sender's behalf.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PingReq {
    /// The requester's number for this probe.
    pub probe: u64,
    /// Whom to probe.
    pub target: NodeId,
    /// Piggybacked updates.
    pub updates: Vec<Update>,
}

/// A relay did not hear from the target in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nack {
    /// The requester's number of the probe.
    pub probe: u64,
}

/// The opening of a full exchange. Large clusters send several, all but the last with `more`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Join {
    /// What the sender believes, itself included.
    pub updates: Vec<Update>,
    /// Another page follows.
    pub more: bool,
}

/// The answering half of a full exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Welcome {
    /// What the sender believes, itself included.
    pub updates: Vec<Update>,
    /// Another page follows.
    pub more: bool,
}

/// Updates without a probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gossip {
    /// The updates.
    pub updates: Vec<Update>,
}

/// The opening of a comparison: two tables whose fingerprints differed, as an [`Ack`] showed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sync {
    /// The fingerprint of each of the [`PARTS`] of the sender's table.
    pub parts: Vec<u64>,
    /// What the receiver must hear about itself.
    pub updates: Vec<Update>,
}

/// One page of what the sender believes in the parts that differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Differ {
    /// One bit per part that differs.
    pub parts: u64,
    /// The receiver is asked for its own beliefs in those parts.
    pub asks: bool,
    /// What the sender believes there.
    pub updates: Vec<Update>,
    /// Another page follows.
    pub more: bool,
}

/// Why a member does not let someone in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// Another process that goes by the same node id is alive there, and was first.
    NameTaken {
        /// Where it listens.
        by: SocketAddr,
    },
    /// The node was removed by the control log.
    Removed {
        /// The entry that removed it.
        at: LogIndex,
    },
    /// The node's build does not know the feature level in force.
    Level(Unfit),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NameTaken { by } => write!(
                f,
                "a live process at {by} goes by the same node id; give this one a certificate of \
                 another id, or stop the other"
            ),
            Reason::Removed { at } => write!(
                f,
                "the node was removed from the cluster (log entry {at}); add_node on a member lets \
                 it in again"
            ),
            Reason::Level(unfit) => unfit.fmt(f),
        }
    }
}

/// The answer to someone who is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TurnedAway {
    /// Why.
    pub reason: Reason,
}
