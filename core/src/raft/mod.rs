//! Raft: pre-vote and check-quorum election, log replication, commit and recovery.

mod message;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

pub use message::{
    Append, AppendOutcome, AppendReply, Entry, Message, PreVote, PreVoteReply, Vote, VoteReply,
};
use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, NodeId, Term};
use crate::payload::Payload;
use crate::seed::Random;
use crate::time::{Deadline, Time};

/// The knobs of consensus. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time between two heartbeats of the leader.
    pub heartbeat_interval: Duration,
    /// A follower waits at least this long without a leader; at least 3 heartbeats.
    pub election_timeout_min: Duration,
    /// And at most this long; the spread keeps two candidates apart.
    pub election_timeout_max: Duration,
    /// Entries in one message.
    pub entries_per_append_max: usize,
    /// Payload bytes in one message (one entry may exceed it alone).
    pub bytes_per_append_max: usize,
    /// Unanswered messages with entries per follower.
    pub appends_in_flight_max: usize,
    /// Entries that are proposed but not committed; beyond that proposals are refused.
    pub uncommitted_max: usize,
}

/// What survives a restart: the fold of the durable records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The highest term seen.
    pub term: Term,
    /// The vote given in it.
    pub vote: Option<NodeId>,
    /// All entries, from index 1, contiguous.
    pub log: Vec<Entry>,
}

/// What Raft makes durable. Records form one ordered stream with those of the other subsystems.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// The term and the vote in it.
    HardState {
        /// The term.
        term: Term,
        /// The vote.
        vote: Option<NodeId>,
    },
    /// Entries; the first one's index truncates whatever stood there and after.
    Append {
        /// Contiguous entries.
        entries: Vec<Entry>,
    },
}

/// The part this node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Replicates without a vote.
    Learner,
    /// Follows, or waits for a leader.
    Follower,
    /// Asks whether an election could be won.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// What Raft is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A message; also this node's own promises, coming back once they are durable.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// Append a command; only a leader can.
    Propose {
        /// The command.
        data: Payload,
    },
    /// A node became reachable: the leader replicates to it, as a learner if it has no vote.
    PeerUp {
        /// The node.
        node: NodeId,
    },
    /// A node is declared dead or its connection broke. A hint: it may shorten the wait before a pre-vote, and lets
    /// this node answer others' pre-votes as if the leader were silent; it never lengthens anything.
    PeerDown {
        /// The node.
        node: NodeId,
        /// True when the failure detector has a verdict: a learner is no longer replicated to.
        dead: bool,
    },
}

/// What Raft wants done, and the facts it has established.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send now; may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Send once everything persisted so far is durable. Also to itself: its own vote, its own acknowledgement.
    Promise {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Make durable, in this order.
    Persist(Record),
    /// An entry is committed; each once and in order, starting again from 1 after a restart.
    Committed(Entry),
    /// A proposal could not be appended: not the leader, or too much is uncommitted.
    Rejected {
        /// The proposal.
        data: Payload,
    },
    /// Role, term or known leader changed.
    Changed(Standing),
    /// Something an operator may want to know.
    Note(Notice),
}

/// Who leads, as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The current term.
    pub term: Term,
    /// This node's part in it.
    pub role: Role,
    /// The leader of the term, if known.
    pub leader: Option<NodeId>,
}

/// Diagnostics of consensus: each change of role with its cause.
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
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerFault {
    /// A vote or a reply from a node without a vote.
    NotAVoter,
    /// Entries that do not follow each other.
    GapInEntries,
    /// A claim to hold entries this leader never sent.
    ImpossibleMatch,
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
    /// Entries committed.
    pub committed: u64,
    /// Appends refused by followers for a log conflict.
    pub conflicts: u64,
}

/// The consensus machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft {
    config: Config,
    me: NodeId,
    voters: BTreeSet<NodeId>,
    random: Random,
    stats: Stats,
}

impl Raft {
    /// Continues from what is durable. A node outside `voters` is a learner.
    #[must_use]
    pub fn recover(
        config: Config,
        me: NodeId,
        voters: BTreeSet<NodeId>,
        recovered: Recovered,
        random: Random,
        now: Time,
    ) -> Raft {
        let _ = (recovered, now);
        Raft {
            config,
            me,
            voters,
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

    /// Role, term and leader.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            term: Term(0),
            role: Role::Learner,
            leader: None,
        }
    }

    /// Those who vote.
    #[must_use]
    pub fn voters(&self) -> &BTreeSet<NodeId> {
        &self.voters
    }

    /// The commit index.
    #[must_use]
    pub fn commit(&self) -> LogIndex {
        LogIndex(0)
    }

    /// The entry at `index`.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<&Entry> {
        let _ = index;
        None
    }

    /// The last index of the log, durable or not.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        LogIndex(0)
    }

    /// As leader: whether a majority answered within the last election timeout. As follower: whether a leader is known
    /// and was heard within it.
    #[must_use]
    pub fn has_quorum(&self, now: Time) -> bool {
        let _ = now;
        false
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
