//! What the host asks of a node, and what it is answered.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::control::{self, Outcome, RoleState};
use crate::gossip::{StateEntry, StateRefused};
use crate::health::PartitionStatus;
use crate::id::{ClientId, LogIndex, NodeId, Peer, RequestId, RoleName, Term};
use crate::level::{Level, LevelRange};
use crate::membership::{Member, Reason};
use crate::payload::Payload;
use crate::quorum::Shortfall;
use crate::raft::{Role, TransferRefused, Unconfirmed};
use crate::voters::Voters;

/// A request of the host. Each is answered exactly once, under its ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Reach a cluster through these addresses. Answered when a member welcomed us.
    Join {
        /// Where members listen.
        seeds: Vec<SocketAddr>,
    },
    /// Tell everyone that this node leaves. Answered when it is spread.
    Leave,
    /// Put a command through the control log. Answered when it is applied.
    Propose {
        /// Who asks, and which request it is, when the host retries by itself; otherwise the node
        /// numbers it.
        request: Option<(ClientId, RequestId)>,
        /// What is asked.
        command: control::Command,
    },
    /// Hand the office of leader over. Only the leader can; answered when the other node campaigns
    /// with this one's vote, or when that came to nothing.
    TransferLeadership {
        /// To this voter; `None` for the one that is best prepared.
        to: Option<NodeId>,
    },
    /// Who is known to be in the cluster.
    Members,
    /// Who leads, and whether there is a quorum.
    Status,
    /// Who holds a role, as far as this node has applied the log.
    Role {
        /// The role.
        role: RoleName,
    },
    /// What a register holds, as far as this node has applied the log.
    Read {
        /// The register.
        key: String,
    },
    /// What a register holds, with everything that was acknowledged anywhere before this was asked.
    /// The leader asks a majority whether it still leads; any other node asks the leader what it
    /// must see, and answers when it has applied as much.
    ReadLatest {
        /// The register.
        key: alloc::string::String,
    },
    /// Write a key of this node's own state.
    SetState {
        /// The key.
        key: String,
        /// The value.
        value: Payload,
    },
    /// Delete a key of this node's own state.
    DeleteState {
        /// The key.
        key: String,
    },
    /// How the cluster hangs together, as this node sees it.
    Partition,
    /// Whether there is a quorum, and what is missing for it.
    Quorum,
    /// What nodes wrote about themselves, as far as it is known here.
    ReadState {
        /// Of one node, or of all.
        of: Option<NodeId>,
        /// Only keys that begin so.
        prefix: String,
    },
    /// What a source of addresses (a name, a LAN) knows now, in place of what it knew before: seeds
    /// that are tried for ever. Answered at once.
    Discovered {
        /// Which source; the host numbers them.
        source: u32,
        /// Where members may listen.
        addresses: Vec<SocketAddr>,
    },
    /// Dial a node until it is a member. Answered when it is one.
    AddNode {
        /// The node.
        node: NodeId,
        /// Where it listens.
        address: SocketAddr,
    },
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// A member welcomed us.
    Joined,
    /// The leave is spread, or its time is over.
    Left,
    /// The command stands at `index`; every node finds the same outcome.
    Applied {
        /// Its place in the log.
        index: LogIndex,
        /// What it did.
        outcome: Outcome,
    },
    /// The office of leader went to this node.
    Transferred {
        /// The new leader.
        to: NodeId,
    },
    /// All known members, this node included.
    Members(Vec<Member>),
    /// The node's standing.
    Status(Status),
    /// The role, if it was ever granted.
    Role(Option<RoleState>),
    /// The register, if it was ever written.
    Register(Option<control::Register>),
    /// The key is written.
    StateSet {
        /// The version of its write in force.
        version: u64,
    },
    /// The key has no value any more.
    StateDeleted {
        /// Whether it had one.
        existed: bool,
    },
    /// How the cluster hangs together.
    Partition(PartitionStatus),
    /// Whether there is a quorum.
    Quorum(Quorum),
    /// The keys found, by owner and key.
    State(Vec<StateEntry>),
    /// The addresses are taken.
    Noted,
    /// The node is a member.
    Added(Member),
}

/// A node's standing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// Which life of which node this is.
    pub me: Peer,
    /// The Raft term.
    pub term: Term,
    /// Its part in it.
    pub role: Role,
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// As leader: a majority answered within the election timeout. Otherwise: a leader was heard
    /// within it.
    pub has_quorum: bool,
    /// Who votes, as of the end of its log. It is one of them while `role` is not
    /// [`Role::Learner`].
    pub voters: Voters,
    /// The last committed entry known.
    pub commit: LogIndex,
    /// The last entry applied to the control state.
    pub applied: LogIndex,
    /// The feature level in force, as of that entry.
    pub level: Level,
    /// Which ones this node's build knows.
    pub levels: LevelRange,
}

/// Whether the cluster can serve, as far as this node knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quorum {
    /// A leader has a majority of the voters behind it, and nothing is missing.
    pub has_quorum: bool,
    /// A leader has a majority behind it: [`Status::has_quorum`].
    pub has_leader: bool,
    /// What is missing for a majority of live voters and for the policy of the configuration.
    pub shortfalls: Vec<Shortfall>,
}

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// No seed answered in time; the node goes on trying.
    NobodyAnswered {
        /// The seeds.
        seeds: Vec<SocketAddr>,
    },
    /// No answer in time. The command may still take effect: ask again with the same client and
    /// request.
    Unknown,
    /// Too many proposals wait here, or too much waits at the leader to be committed. This one has
    /// no effect.
    Busy,
    /// The command breaks a bound and was not proposed.
    Invalid(control::Refused),
    /// Leadership is not handed over.
    Transfer(TransferRefused),
    /// The state was not written.
    State(StateRefused),
    /// The read is not confirmed. It may be asked again, here or elsewhere.
    NotConfirmed {
        /// Who leads, if known.
        leader: Option<NodeId>,
        /// Why it is not.
        why: Unconfirmed,
    },
    /// The node is leaving or stopped.
    Stopping,
    /// A command of the same kind is still pending.
    Pending,
    /// A member does not let this node in; the node goes on trying.
    TurnedAway(Reason),
    /// The node to add is removed from the cluster.
    Removed {
        /// The node.
        node: NodeId,
        /// The entry of the control log that removed it.
        at: LogIndex,
    },
    /// Another node than the one to add answers at its address.
    OtherNode {
        /// The address.
        address: SocketAddr,
        /// Who was expected there.
        expected: NodeId,
        /// Who is there.
        found: NodeId,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NobodyAnswered { seeds } => {
                write!(
                    f,
                    "no seed answered yet (tried {seeds:?}); still trying in the background"
                )
            }
            Refusal::Unknown => f.write_str(
                "no answer in time: the command may still take effect; repeat it with the same \
                 client and request",
            ),
            Refusal::Busy => f.write_str("too many proposals are waiting"),
            Refusal::Invalid(why) => write!(f, "refused before it was proposed: {why}"),
            Refusal::Transfer(why) => write!(f, "leadership was not handed over: {why}"),
            Refusal::State(why) => write!(f, "the state was not written: {why}"),
            Refusal::NotConfirmed {
                leader: Some(leader),
                why,
            } => {
                write!(
                    f,
                    "the read is not confirmed: {why}; ask again ({leader} leads)"
                )
            }
            Refusal::NotConfirmed { leader: None, why } => {
                write!(
                    f,
                    "the read is not confirmed: {why}; ask again when a leader is known"
                )
            }
            Refusal::TurnedAway(reason) => write!(f, "not let into the cluster: {reason}"),
            Refusal::Removed { node, at } => write!(
                f,
                "{node} was removed from the cluster (log entry {at}): admit it first"
            ),
            Refusal::OtherNode {
                address,
                expected,
                found,
            } => write!(f, "{found} answers at {address}, not {expected}"),
            Refusal::Stopping => f.write_str("the node is leaving or stopped"),
            Refusal::Pending => f.write_str("an earlier command of this kind is still pending"),
        }
    }
}

impl core::error::Error for Refusal {}
