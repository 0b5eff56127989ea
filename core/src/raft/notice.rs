//! Diagnostics of consensus: every change of role with its cause, and why elections repeat.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::id::{LogIndex, NodeId, Term};

/// What an operator may want to know about consensus.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// The role changed.
    RoleChanged {
        /// Before.
        from: Role,
        /// After.
        to: Role,
        /// In which term.
        term: Term,
        /// Why.
        cause: Cause,
    },
    /// An attempt to be elected came to nothing and is made again. Told of the first, second,
    /// fourth, … attempt in a row.
    ElectionRepeated {
        /// The term it was for.
        term: Term,
        /// Attempts in a row that came to nothing.
        attempts: u32,
        /// Voters that were for it, this node included.
        granted: u32,
        /// Voters that were against it; the others did not answer.
        refused: u32,
    },
    /// The leader hands its office over; how that ends is told by [`Notice::TransferEnded`].
    TransferBegun {
        /// To whom.
        to: NodeId,
        /// Why.
        why: TransferCause,
    },
    /// The office was handed over, or not.
    TransferEnded {
        /// To whom it was to go.
        to: NodeId,
        /// Why it did not.
        outcome: Result<(), TransferRefused>,
    },
    /// This leader is no voter any more, which is committed now, and resigns.
    Removed {
        /// The term it led.
        term: Term,
    },
    /// The state stands for the log up to here from now on.
    SnapshotTaken {
        /// The last entry it holds the effect of.
        index: LogIndex,
        /// Bytes of it.
        bytes: u64,
    },
    /// The leader's state took the place of a log that lagged too far behind.
    SnapshotInstalled {
        /// Who sent it.
        from: NodeId,
        /// The last entry it holds the effect of.
        index: LogIndex,
        /// Bytes of it.
        bytes: u64,
    },
    /// The disk of this node was lost: it asks the cluster to take its old vote, and takes no part
    /// before that.
    Rebuilding {
        /// Who leads.
        leader: NodeId,
    },
    /// This node, whose disk was lost, has been rebuilt: it may vote again if the log makes it a
    /// voter.
    Rebuilt {
        /// The entry that took its old vote.
        at: LogIndex,
    },
    /// A message broke a rule; it was ignored.
    PeerFault {
        /// Who sent it.
        from: NodeId,
        /// What was wrong.
        fault: PeerFault,
    },
}

/// Why a role changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// No leader was heard for so long.
    Silence(Duration),
    /// The failure detector or a broken connection spoke against the leader.
    LeaderDown,
    /// The leader said that it leads no more.
    LeaderResigned,
    /// A majority would vote.
    PreVotesWon,
    /// A majority voted.
    VotesWon,
    /// A majority refused, or the time was over.
    ElectionLost,
    /// Someone is in a higher term.
    HigherTerm(Term),
    /// Another node leads this term.
    LeaderFound(NodeId),
    /// No majority answered for an election timeout (check-quorum).
    QuorumLost,
    /// The leader asked this node to take over.
    HandedOver,
    /// The own disk confirms no writes, and nobody could take over.
    DiskStalled,
    /// The log makes this node a voter.
    VoterAdded,
    /// The log makes this node a learner.
    VoterRemoved,
}

/// Why a leader hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferCause {
    /// The host asked for it.
    Asked,
    /// The own disk confirms no writes.
    DiskStalled,
    /// This node is a witness: it led because nobody else could.
    Witness,
}

/// Why leadership is not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TransferRefused {
    /// This node does not lead.
    NotLeader {
        /// Who does, if known.
        leader: Option<NodeId>,
    },
    /// The node leads already.
    AlreadyLeads,
    /// The node replicates, but has no vote.
    Learner,
    /// No voter has this number: it was removed, or never was one.
    Unknown,
    /// No voter but this one can be heard.
    NobodyHeard,
    /// An earlier transfer is under way.
    Pending {
        /// To whom.
        to: NodeId,
    },
    /// The node did not take over in time; this one leads on.
    TimedOut,
    /// This node lost its office to another one meanwhile.
    Deposed,
    /// The node is a witness: it votes, and does not lead while another can.
    Witness,
}

impl fmt::Display for TransferRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransferRefused::NotLeader { leader: Some(it) } => {
                write!(f, "this node does not lead; ask {it}")
            }
            TransferRefused::NotLeader { leader: None } => {
                f.write_str("this node does not lead, and knows no leader")
            }
            TransferRefused::AlreadyLeads => f.write_str("that node leads already"),
            TransferRefused::Learner => {
                f.write_str("that node is a learner; make it a voter first")
            }
            TransferRefused::Unknown => f.write_str("no voter has that number"),
            TransferRefused::NobodyHeard => f.write_str("no other voter answers"),
            TransferRefused::Pending { to } => {
                write!(f, "leadership is on its way to {to} already")
            }
            TransferRefused::TimedOut => {
                f.write_str("that node did not take over in time; this one leads on")
            }
            TransferRefused::Deposed => f.write_str("another node was elected meanwhile"),
            TransferRefused::Witness => {
                f.write_str("that node is a witness, which votes and does not lead; name another")
            }
        }
    }
}

impl core::error::Error for TransferRefused {}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerFault {
    /// Entries that do not follow each other, or voters that cannot decide.
    GapInEntries,
    /// A claim to hold entries this leader never sent.
    ImpossibleMatch,
    /// A snapshot that cannot exist, or whose bytes are not those its checksum was made of.
    WrongSnapshot,
    /// A second leader in one term, or an attempt to overwrite a committed entry.
    ConflictingLeader,
}

/// Counters; plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Pre-votes started.
    pub pre_elections: u64,
    /// Elections started.
    pub elections: u64,
    /// Elections won.
    pub elections_won: u64,
    /// Entries proposed here as leader.
    pub proposed: u64,
    /// Proposals refused because too much waits to be committed.
    pub crowded_out: u64,
    /// Entries committed.
    pub committed: u64,
    /// Appends refused by followers for a log conflict.
    pub conflicts: u64,
    /// Times this node gave its office up or lost it, for whatever cause.
    pub offices_ended: u64,
    /// Transfers of the office that were begun.
    pub transfers: u64,
    /// Changes of the voters begun here as leader.
    pub changes: u64,
    /// Reads answered by a lease, without a round trip.
    pub leased_reads: u64,
    /// Reads that the leader was asked about.
    pub reads_asked: u64,
    /// Snapshots of the own state taken.
    pub snapshots_taken: u64,
    /// Snapshots of a leader installed.
    pub snapshots_installed: u64,
    /// Elections started because the leader called.
    pub elections_called: u64,
}
