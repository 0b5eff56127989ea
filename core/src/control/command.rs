//! The commands of the control log and their typed results.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, Epoch, LogIndex, NodeId, Peer, RequestId, RoleName};
use crate::level::{Level, RaiseRefused};
use crate::payload::Payload;
use crate::voters::{ChangeRefused, VOTERS_MAX, VoterChange};

/// Longest register key, in bytes.
pub const KEY_MAX: usize = 128;
/// Longest register value, in bytes.
pub const VALUE_MAX: usize = 16 * 1024;

/// A command as it stands in the log: with the client and request that make a retry take effect
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who asks.
    pub client: ClientId,
    /// Which of its requests; a retry repeats the number.
    pub request: RequestId,
    /// What is asked.
    pub command: Command,
}

/// A change of the control state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Give a role to a life of a node, if the role's epoch is still `expected` (0: never granted).
    GrantRole {
        /// The role.
        role: RoleName,
        /// The new holder.
        holder: Peer,
        /// Compare-and-set guard.
        expected: Epoch,
    },
    /// Take a role from its holder, if its epoch is still `expected`.
    ReleaseRole {
        /// The role.
        role: RoleName,
        /// Compare-and-set guard.
        expected: Epoch,
    },
    /// Write a small replicated register on behalf of a role: refused unless `epoch` is the role's
    /// current epoch.
    Write {
        /// The role it is written under.
        role: RoleName,
        /// The writer's epoch of that role.
        epoch: Epoch,
        /// The register, 1 to [`KEY_MAX`] bytes.
        key: String,
        /// Its new value, at most [`VALUE_MAX`] bytes.
        value: Payload,
    },
    /// Change nothing: tells the proposer that everything before is applied.
    Barrier,
    /// Change the voters. Done when the change is over; the leader judges it before it is appended.
    ChangeVoters(VoterChange),
    /// Turn a node out: it is a member no more, whatever it says, until it is admitted again. A
    /// voter stays until it does not vote any more; the leader refuses it where nobody would see to
    /// that.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
    /// Take a removal back.
    AdmitNode {
        /// The node.
        node: NodeId,
    },
    /// Change the voters also if the leader does not reach a majority of the new ones: then nothing
    /// is decided until they are back.
    ForceVoters(VoterChange),
    /// Take a node's vote, if it has one: what it promised with it is lost. Done when it has none.
    TakeVote {
        /// The node.
        node: NodeId,
    },
    /// Raise the feature level, for good. The leader judges it before it is appended: every voter
    /// and every live member must know the level.
    RaiseLevel {
        /// To exactly this one.
        to: Level,
    },
}

impl Command {
    /// Checks what can be checked without the state.
    ///
    /// # Errors
    /// [`Refused::OutOfBounds`], as applying it would find.
    pub fn check(&self) -> Result<(), Refused> {
        match self {
            Command::Write {
                role: _,
                epoch: _,
                key,
                value,
            } => {
                let fits = !key.is_empty() && key.len() <= KEY_MAX && value.len() <= VALUE_MAX;
                if fits {
                    Ok(())
                } else {
                    Err(Refused::OutOfBounds)
                }
            }
            Command::ChangeVoters(change) | Command::ForceVoters(change) => {
                let fits = change.add.len() <= VOTERS_MAX && change.remove.len() <= VOTERS_MAX;
                match fits && change.add.is_disjoint(&change.remove) {
                    true => Ok(()),
                    false => Err(Refused::OutOfBounds),
                }
            }
            Command::GrantRole { .. }
            | Command::ReleaseRole { .. }
            | Command::Barrier
            | Command::RemoveNode { .. }
            | Command::AdmitNode { .. }
            | Command::TakeVote { .. }
            | Command::RaiseLevel { .. } => Ok(()),
        }
    }
}

/// What became of a command, equal on every node.
pub type Outcome = Result<Effect, Refused>;

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The role has a new holder under this epoch.
    Granted {
        /// The log index of the grant.
        epoch: Epoch,
    },
    /// The role has no holder; this epoch fences the old one.
    Released {
        /// The log index of the release.
        epoch: Epoch,
    },
    /// The register was written.
    Written {
        /// How often it has been written, this time included.
        version: u64,
    },
    /// Nothing, as asked.
    Passed,
    /// The voters are changed, and the change is over.
    VotersChanged,
    /// The node is removed, by this entry or by an earlier one.
    Removed {
        /// The entry.
        at: LogIndex,
    },
    /// The node may be a member.
    Admitted,
    /// The node has no vote, as of this entry.
    VoteTaken,
    /// The feature level is in force.
    LevelRaised,
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refused {
    /// The role's epoch is another one: the proposer acted on an old view, or was fenced.
    StaleEpoch {
        /// The epoch in force.
        current: Epoch,
        /// Who holds the role under it.
        holder: Option<NodeId>,
    },
    /// No such role was ever granted.
    UnknownRole,
    /// A key, a value or a change of the voters outside its bounds.
    OutOfBounds,
    /// The control state holds as many roles, registers or clients as it may.
    Full,
    /// This request is older than the client's last one, whose answer alone is remembered.
    Superseded,
    /// The leader does not change the voters; nothing was appended.
    Voters(ChangeRefused),
    /// The node to remove votes, and the voters change only by hand here: change them first.
    RemovesVoter,
    /// A node that shall vote is removed: admit it first.
    AddsRemoved {
        /// The node.
        node: NodeId,
    },
    /// Too much waits to be committed at the leader; nothing was appended. Hosts are answered
    /// `Busy` instead.
    Backlog,
    /// The feature level stays what it is.
    Level(RaiseRefused),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::StaleEpoch {
                current,
                holder: Some(holder),
            } => {
                write!(f, "stale epoch: {holder} holds the role under {current}")
            }
            Refused::StaleEpoch {
                current,
                holder: None,
            } => {
                write!(f, "stale epoch: the role is at {current} and has no holder")
            }
            Refused::UnknownRole => f.write_str("the role was never granted"),
            Refused::OutOfBounds => {
                write!(
                    f,
                    "keys have 1 to {KEY_MAX} bytes, values at most {VALUE_MAX}; a change of the \
                     voters adds and removes at most {VOTERS_MAX} nodes, none of them both"
                )
            }
            Refused::Full => f.write_str("the control state is full"),
            Refused::Voters(why) => write!(f, "the voters are not changed: {why}"),
            Refused::RemovesVoter => f.write_str(
                "the node votes, and `electorate.target` is 0: first take its vote with \
                 ChangeVoters",
            ),
            Refused::AddsRemoved { node } => {
                write!(
                    f,
                    "{node} is removed from the cluster and cannot vote: add it first"
                )
            }
            Refused::Backlog => f.write_str("too much waits to be committed"),
            Refused::Level(why) => write!(f, "the feature level is not raised: {why}"),
            Refused::Superseded => f.write_str("the client has made a newer request since"),
        }
    }
}

impl core::error::Error for Refused {}
