//! What voters say to each other (Raft thesis §3, §9.6). One struct per message, so that the frame
//! header names its type.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::snapshot::SnapshotPart;
use crate::id::{LogIndex, Term};
use crate::payload::Payload;
use crate::voters::Voters;

/// One entry of the control log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that created it.
    pub term: Term,
    /// Its position.
    pub index: LogIndex,
    /// The command; empty for the no-op a new leader begins with.
    pub data: Payload,
    /// The voters from this entry on, if it changes them; in force as soon as it is appended.
    pub voters: Option<Voters>,
}

/// The messages of the consensus protocol. `Vote`, a granted `VoteReply` and a matched
/// `AppendReply` promise something and leave only when what they promise is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// "Would you vote for me in `term`?" Changes nothing at the receiver (thesis §9.6).
    PreVote(PreVote),
    /// The answer.
    PreVoteReply(PreVoteReply),
    /// A request for a vote; leaves once the candidate's own vote is durable.
    Vote(Vote),
    /// The answer; durable first when granted.
    VoteReply(VoteReply),
    /// Entries, commit index and heartbeat.
    Append(Append),
    /// The answer; durable first when it claims entries.
    AppendReply(AppendReply),
    /// "Take over": the leader's call to campaign at once (thesis §3.10).
    TimeoutNow(TimeoutNow),
    /// A part of a snapshot, for a follower whose next entry the leader does not keep any more.
    InstallSnapshot(InstallSnapshot),
    /// How much of it has arrived; once it is durable, `AppendReply` says so.
    SnapshotReply(SnapshotReply),
    /// "What must a read of mine see?" Of a node that does not lead, to the leader (thesis §6.4).
    ReadIndex(ReadIndex),
    /// The answer.
    ReadIndexReply(ReadIndexReply),
    /// "I lead this term no more, and nobody does": a hint to the other voters.
    Resigned(Resigned),
}

/// A question before an election.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreVote {
    /// The term the sender would campaign in.
    pub term: Term,
    /// Its last entry.
    pub last_index: LogIndex,
    /// The term of that entry.
    pub last_term: Term,
}

/// The answer to [`PreVote`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreVoteReply {
    /// The term asked about when granted; the receiver's own term when refused.
    pub term: Term,
    /// Whether it would vote.
    pub granted: bool,
}

/// A candidate's request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// The candidate's term.
    pub term: Term,
    /// Its last entry.
    pub last_index: LogIndex,
    /// The term of that entry.
    pub last_term: Term,
    /// Its leader called it to take over, so that hearing this leader is no reason to refuse.
    pub called: bool,
}

/// The answer to [`Vote`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VoteReply {
    /// The voter's term.
    pub term: Term,
    /// Whether the vote is given.
    pub granted: bool,
}

/// The leader's entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Append {
    /// The leader's term.
    pub term: Term,
    /// The leader's number for this message; unique within its leadership, growing. Or
    /// [`Append::NOTICE`].
    pub round: u64,
    /// The entry before the first one sent.
    pub prev_index: LogIndex,
    /// Its term.
    pub prev_term: Term,
    /// The leader's commit index.
    pub commit: LogIndex,
    /// New entries, contiguous from `prev_index + 1`; empty in a heartbeat.
    pub entries: Vec<Entry>,
}

impl Append {
    /// The round of a message that only tells the commit index and wants no answer: to a learner
    /// that has acknowledged everything. A later heartbeat finds out if it was lost.
    pub const NOTICE: u64 = 0;
}

/// The answer to [`Append`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppendReply {
    /// The follower's term.
    pub term: Term,
    /// The round it answers.
    pub round: u64,
    /// What became of it.
    pub outcome: AppendOutcome,
}

/// What became of an [`Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The follower's log equals the leader's up to `index`, durably.
    Matched {
        /// The last equal index.
        index: LogIndex,
    },
    /// The entry at `prev_index` is missing or of another term. The leader goes back to the last of
    /// its own entries at or below `index` whose term is at most `term`: a whole term per round
    /// trip.
    Conflict {
        /// The highest index that may still match.
        index: LogIndex,
        /// The follower's term at that index.
        term: Term,
    },
}

/// The leader's call to take over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeoutNow {
    /// The leader's term.
    pub term: Term,
}

/// A part of the leader's snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InstallSnapshot {
    /// The leader's term.
    pub term: Term,
    /// Numbered together with its appends.
    pub round: u64,
    /// The part; without bytes it is a heartbeat, and asks how much has arrived.
    pub part: SnapshotPart,
}

/// The answer to [`InstallSnapshot`] while something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotReply {
    /// The follower's term.
    pub term: Term,
    /// The round it answers.
    pub round: u64,
    /// Of which snapshot.
    pub index: LogIndex,
    /// Its bytes that have arrived.
    pub held: u64,
}

/// A question about one read. It has no term: what it asks holds in any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadIndex {
    /// A random number of the sender's life.
    pub life: u64,
    /// The sender's number for this read, unique in its life.
    pub number: u64,
}

/// The answer to [`ReadIndex`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadIndexReply {
    /// The life that asked.
    pub life: u64,
    /// The read.
    pub number: u64,
    /// The commit index of a leader that led after the question came; `None` if it did not, or
    /// could not find out.
    pub index: Option<LogIndex>,
}

/// A leader has given up its office, and its term goes on without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resigned {
    /// The term it led.
    pub term: Term,
    /// So many voters are better prepared than the receiver, as the sender last knew: they ask
    /// first.
    pub place: u32,
}
