//! Raft: pre-vote and check-quorum election, log replication, commit and recovery (Raft thesis §3,
//! §9.6, §6.2).
//!
//! The machine never sees the disk. What it writes goes out as [`Output::Persist`], what depends on
//! the writes as [`Output::Promise`]; the composition holds a promise until everything persisted
//! before it is durable. A promise to itself comes back as a message: so its own vote and its own
//! acknowledgement count exactly when they are durable.
//!
//! * I1. At most one vote per term, durable before it is known to anyone, so at most one leader per
//!   term (§3.4).
//! * I2. A node asks for votes, and leads, only after its own vote is durable. Otherwise it could
//!   crash, forget the term with a part of its log, campaign in the same term again and be elected
//!   by answers to its first request, which were given to a longer log.
//! * I3. A leader never changes its own entries; a follower removes entries only on a conflicting
//!   term, and never a committed one (§3.5).
//! * I4. An acknowledgement is a promise even when its message brought nothing new: what it claims
//!   may be unsynced.
//! * I5. Only an entry of the current term is committed by counting (§3.6.2). The commit index
//!   never decreases, and each entry is handed out once, in order.
//! * I6. A voter that hears a leader refuses to elect another one and keeps its term (§6.2, §9.6);
//!   a leader that does not hear a majority stops leading.
//!
//! * I7. A snapshot holds the effect of committed entries only. The log in front of it goes, and
//!   the records before its own may go, once it is durable.
//!
//! Layout: `election` (roles, votes, timers), `follow` (an append arrives), `replicate` (the
//! leader) over `progress` (what it knows of one follower), `backlog` (what it is asked for),
//! `change` (of the voters), `transfer` (the office is handed over), `resign` (it is given up),
//! `witness` (a vote without data), `read` and `lease` (of the leader), `read_index` (of others),
//! `log`, `notice`; `snapshot` (the value), `compact` (one is taken), `delivery` and `install` (one
//! is sent and arrives), `recovered` (after a restart), `rebuild` (after a disk is lost).

mod backlog;
mod change;
mod compact;
mod delivery;
mod election;
mod follow;
mod install;
mod leadership;
mod lease;
mod log;
mod message;
mod notice;
mod progress;
mod read;
mod read_index;
mod rebuild;
mod recovered;
mod replicate;
mod resign;
mod snapshot;
#[cfg(test)]
mod tests;
mod transfer;
mod witness;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use election::Ballot;
use leadership::Leadership;
use log::Log;
pub use message::{
    Append, AppendOutcome, AppendReply, Entry, InstallSnapshot, Message, PreVote, PreVoteReply,
    ReadIndex, ReadIndexReply, Resigned, SnapshotReply, TimeoutNow, Vote, VoteReply,
};
pub use notice::{Cause, Notice, PeerFault, Stats, TransferCause, TransferRefused};
use read_index::Questions;
pub use read_index::Unconfirmed;
use rebuild::Rebuild;
pub use recovered::Recovered;
use serde::{Deserialize, Serialize};
pub use snapshot::{Assembly, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotMeta, SnapshotPart};

use crate::id::{LogIndex, NodeId, Term, Ticket};
#[cfg(feature = "mutants")]
use crate::mutant::Mutant;
use crate::mutant::Planted;
use crate::payload::Payload;
use crate::seed::Random;
use crate::time::{Deadline, Time, Timer, Wake};
use crate::voters::{ChangeRefused, VoterChange, Voters};

/// The knobs of consensus. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time between two heartbeats of the leader.
    pub heartbeat_interval: Duration,
    /// A learner hears one heartbeat in so many, in turn with the others; or fewer, since about ten
    /// learners hear one at a time at most. More cost a leader less, and let a learner that lost
    /// something with a connection hear of it later.
    pub learner_beats: u32,
    /// A follower waits at least this long without a leader; at least 3 heartbeats.
    pub election_timeout_min: Duration,
    /// And at most this long; the spread keeps two candidates apart.
    pub election_timeout_max: Duration,
    /// This node waits so much longer than the others: a preference for them, which never costs
    /// more than this wait, since a node with a newer log or without rivals still wins.
    pub election_handicap: Duration,
    /// How many millionths of its pace any node's clock may run fast or slow; equal on all nodes.
    /// 0: no clock is trusted, and a confirmed read costs a round trip to a majority. More: the
    /// leader answers by a lease. Then a clock beyond the bound, or one that jumps, can make a read
    /// stale, and a failed leader has no successor before `election_timeout_min` is over.
    pub lease_drift_ppm: u32,
    /// Entries in one message.
    pub entries_per_append_max: usize,
    /// Payload bytes in one message (one entry may exceed it alone).
    pub bytes_per_append_max: usize,
    /// Unanswered messages with entries per follower.
    pub appends_in_flight_max: usize,
    /// Entries that are proposed but not committed; beyond that proposals are refused. What the
    /// cluster needs itself, such as the grant of a role, may use as many again.
    pub uncommitted_max: usize,
    /// The same for their bytes; while nothing waits one entry may exceed it alone. More lets a
    /// burst through, and costs a leader memory and disk while its majority is slow or gone.
    pub uncommitted_bytes_max: usize,
    /// After so many bytes of committed entries, and no fewer than the last snapshot has, the state
    /// is written down and the log before it dropped. Fewer bytes cost more writing, more cost
    /// memory, disk and time to start.
    pub snapshot_bytes: usize,
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
    /// A part of a snapshot; with the last one it takes the place of the log up to its index.
    Snapshot(SnapshotPart),
    /// Entries behind the snapshot just written, which stand in earlier records already. From the
    /// snapshot's first part up to the last of these, the records say all that the earlier ones
    /// said of the log.
    Kept {
        /// Contiguous entries, perhaps none.
        entries: Vec<Entry>,
        /// No more of them follow.
        is_last: bool,
    },
    /// The disk is new, and what this node promised is forgotten: it must not vote before the
    /// cluster has taken its vote.
    Rebuild {
        /// Tells this loss from any other.
        token: u64,
    },
    /// That has happened, and the log holds it.
    Rebuilt,
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
    /// Append commands, in this order; only a leader can. Together they cost one record and one
    /// message per follower, as far as these may be that long.
    Propose {
        /// The commands.
        data: Vec<Payload>,
    },
    /// Append a command that keeps the cluster going: it has room that others may not use.
    ProposeVital {
        /// The command.
        data: Payload,
    },
    /// Change the voters; only a leader can.
    Change {
        /// How.
        change: VoterChange,
        /// The command that asks for it; it stands in the entries of the change.
        data: Payload,
    },
    /// The same, also if no majority of the new voters is reached.
    ForceChange {
        /// How.
        change: VoterChange,
        /// As in `Change`.
        data: Payload,
    },
    /// Read what was acknowledged up to now. The leader is asked, if another node leads.
    Read {
        /// Under which the answer comes.
        ticket: Ticket,
    },
    /// Hand the office over, to this voter or to the one that is best prepared.
    Transfer {
        /// To whom.
        to: Option<NodeId>,
    },
    /// The state as of `index`, which [`Output::SnapshotDue`] asked for.
    Compact {
        /// The last entry it holds the effect of.
        index: LogIndex,
        /// Its bytes.
        state: Payload,
    },
    /// A snapshot that [`Output::Assembled`] offered holds a state that can be read.
    Install {
        /// Who sent it.
        from: NodeId,
        /// In which message its last part came.
        round: u64,
        /// The snapshot.
        snapshot: Snapshot,
    },
    /// The own disk has confirmed nothing for too long: a leader hands over, or resigns.
    DiskStalled,
    /// A life of a node, perhaps this one, is a witness or is none: it votes without holding data
    /// of the application, so it should not lead.
    Witness {
        /// The node.
        node: NodeId,
        /// Whether it is one.
        is_witness: bool,
    },
    /// The vote that [`Output::VoteUnwanted`] spoke of is gone, by this entry of the log.
    VoteGone {
        /// Which.
        at: LogIndex,
    },
    /// A node became reachable: the leader replicates to it, as a learner if it has no vote.
    PeerUp {
        /// The node.
        node: NodeId,
    },
    /// A node is there, and perhaps no connection leads to it yet: a leader will want to reach it.
    PeerKnown {
        /// The node.
        node: NodeId,
    },
    /// A node is declared dead or its connection broke. A hint: it may shorten the wait before a
    /// pre-vote, and lets this node answer others' pre-votes as if the leader were silent; it never
    /// lengthens anything.
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
    /// Send once everything persisted so far is durable. Also to itself: its own vote, its own
    /// acknowledgement.
    Promise {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Make durable, in this order.
    Persist(Record),
    /// An entry is committed; each once and in order, starting again behind the snapshot, or from
    /// 1, after a restart.
    Committed(Entry),
    /// The state as of this entry, which was just handed out, shall be written down.
    SnapshotDue {
        /// Which entry.
        index: LogIndex,
    },
    /// A leader's snapshot has arrived whole. If its state can be read, it is to be installed.
    Assembled {
        /// Who sent it.
        from: NodeId,
        /// In which message its last part came.
        round: u64,
        /// The snapshot.
        snapshot: Snapshot,
    },
    /// A proposal could not be appended.
    Rejected {
        /// The proposal.
        data: Payload,
        /// Why not.
        why: Rejection,
    },
    /// A read may be answered from what is committed up to `index`, or later.
    Readable {
        /// The read.
        ticket: Ticket,
        /// What it must see.
        index: LogIndex,
    },
    /// A read is not confirmed.
    ReadRefused {
        /// The read.
        ticket: Ticket,
        /// Why not.
        why: Unconfirmed,
    },
    /// The voters are not changed.
    ChangeRefused {
        /// The command that asked for it.
        data: Payload,
        /// Why not.
        why: ChangeRefused,
    },
    /// Other voters are in force, as of the end of the log.
    Voters(Voters),
    /// A leader is heard, and this node, which is being rebuilt, must lose its vote before it can
    /// go on. Repeated until [`Input::VoteGone`].
    VoteUnwanted {
        /// Under which the vote is taken once.
        token: u64,
    },
    /// How an asked-for transfer ended.
    Transferred(Result<NodeId, TransferRefused>),
    /// Role, term or known leader changed.
    Changed(Standing),
    /// Something an operator may want to know.
    Note(Notice),
}

/// Why a proposal is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// This node does not lead, is handing over, or has committed nothing of its term yet.
    NotLeading,
    /// Too much waits to be committed.
    Backlog,
    /// Nodes that shall become voters are asked for a sign of life first; a learner gives one only
    /// now and then.
    Courting,
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

/// The consensus machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft {
    config: Config,
    me: NodeId,
    /// Those in force: the last ones in the log, committed or not (thesis §4.1).
    voters: Voters,
    random: Random,
    stats: Stats,
    term: Term,
    vote: Option<NodeId>,
    log: Log,
    /// The last snapshot, taken or installed. The log begins behind it or behind the one before.
    snapshot: Option<Snapshot>,
    /// A leader's snapshot, as far as it has arrived.
    assembly: Option<Assembly>,
    /// Bytes of the entries that were committed since the last snapshot.
    grown: usize,
    /// A snapshot is asked for and not there yet.
    is_due: bool,
    commit: LogIndex,
    /// As leader: bytes of the entries behind the commit index.
    uncommitted_bytes: usize,
    part: Part,
    leader: Option<NodeId>,
    /// When the leader was heard last; `None` while nothing speaks for its being alive.
    heard: Option<Time>,
    /// With leases: until when this node elects nobody.
    promised: Option<Time>,
    election: Timer,
    /// When the election timer was armed last: how long the silence has lasted when it fires.
    quiet_since: Time,
    /// What spoke against the leader since then.
    doubt: Option<Cause>,
    /// The nodes that are there: whoever leads replicates to them, voters or not.
    reachable: BTreeSet<NodeId>,
    /// Others that are there: whoever leads turns to them one by one.
    unmet: BTreeSet<NodeId>,
    /// Who is known to be a witness, this node among them if it is one.
    witnesses: BTreeSet<NodeId>,
    announced: Standing,
    /// Own attempts in a row that came to nothing.
    attempts: u32,
    /// While what this node promised in earlier lives is forgotten.
    rebuild: Option<Rebuild>,
    /// What the first entry of all carries, if this node writes it.
    founding: Payload,
    questions: Questions,
    pub(crate) planted: Planted,
}

/// A role with the state that lives as long as it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Learner,
    Follower,
    PreCandidate(Ballot),
    Candidate(Ballot),
    Leader(Leadership),
}

impl Part {
    fn role(&self) -> Role {
        match self {
            Part::Learner => Role::Learner,
            Part::Follower => Role::Follower,
            Part::PreCandidate(_) => Role::PreCandidate,
            Part::Candidate(_) => Role::Candidate,
            Part::Leader(_) => Role::Leader,
        }
    }
}

impl Raft {
    /// Continues from what is durable. `voters` are those of a log that never changed them; a node
    /// outside is a learner.
    #[must_use]
    pub fn recover(
        config: Config,
        me: NodeId,
        voters: BTreeSet<NodeId>,
        recovered: Recovered,
        random: Random,
        now: Time,
    ) -> Raft {
        let commit = recovered.base();
        let log = match &recovered.snapshot {
            Some(snapshot) => Log::after(snapshot.meta(), recovered.log),
            None => Log::new(Voters::of(voters), recovered.log),
        };
        let (_, voters) = log.voters_at_end();
        let voters = voters.clone();
        let term = recovered.term.max(log.last_term());
        let vote = recovered.vote.filter(|_| term == recovered.term);
        let rebuild = recovered.rebuild.map(Rebuild::of);
        let part = match log.may_vote(me, commit) && rebuild.is_none() {
            true => Part::Follower,
            false => Part::Learner,
        };
        let announced = Standing {
            term,
            role: part.role(),
            leader: None,
        };
        let mut raft = Raft {
            config,
            me,
            voters,
            random,
            stats: Stats::default(),
            term,
            vote,
            log,
            snapshot: recovered.snapshot,
            assembly: None,
            grown: 0,
            is_due: false,
            commit,
            uncommitted_bytes: 0,
            part,
            leader: None,
            heard: None,
            promised: None,
            election: Timer::stopped(),
            quiet_since: now,
            doubt: None,
            reachable: BTreeSet::new(),
            unmet: BTreeSet::new(),
            witnesses: BTreeSet::new(),
            announced,
            attempts: 0,
            rebuild,
            founding: Payload::default(),
            questions: Questions::default(),
            planted: Planted::default(),
        };
        raft.promise(now);
        raft.arm_first_election(now);
        raft
    }

    /// What the first entry of all shall carry, if this node comes to write it: that with which the
    /// first leader of a new cluster begins, and which is empty otherwise.
    pub(crate) fn found_with(&mut self, data: Payload) {
        self.founding = data;
    }

    /// The one verb.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => self.on_tick(now, out),
            Input::Received { from, message } if self.is_deaf_to(now, from, &message, out) => {}
            Input::Received { from, message } => match message {
                Message::PreVote(ask) => self.on_pre_vote(now, from, ask, out),
                Message::PreVoteReply(reply) => self.on_pre_vote_reply(now, from, reply, out),
                Message::Vote(ask) => self.on_vote(now, from, ask, out),
                Message::VoteReply(reply) => self.on_vote_reply(now, from, reply, out),
                Message::Append(append) => self.on_append(now, from, append, out),
                Message::AppendReply(reply) => self.on_append_reply(now, from, reply, out),
                Message::TimeoutNow(call) => self.on_timeout_now(now, from, call, out),
                Message::InstallSnapshot(it) => self.on_install_snapshot(now, from, it, out),
                Message::SnapshotReply(reply) => self.on_snapshot_reply(now, from, reply, out),
                Message::ReadIndex(ask) => self.on_read_index(now, from, ask, out),
                Message::ReadIndexReply(reply) => self.on_read_index_reply(from, &reply, out),
                Message::Resigned(word) => self.on_resigned(now, from, &word, out),
            },
            Input::Compact { index, state } => self.on_compact(index, state, out),
            Input::Install {
                from,
                round,
                snapshot,
            } => self.on_install(now, from, round, snapshot, out),
            Input::Propose { data } => self.on_propose(now, data, false, out),
            Input::ProposeVital { data } => self.on_propose(now, [data], true, out),
            Input::Change { change, data } => self.on_change(now, &change, data, false, out),
            Input::ForceChange { change, data } => self.on_change(now, &change, data, true, out),
            Input::Read { ticket } => self.on_read(now, ticket, out),
            Input::Transfer { to } => self.on_transfer(now, to, out),
            Input::DiskStalled => self.on_disk_stalled(now, out),
            Input::Witness { node, is_witness } => self.on_witness(now, node, is_witness),
            Input::VoteGone { at } => self.on_vote_gone(at),
            Input::PeerUp { node } => self.on_peer_up(node, out),
            Input::PeerKnown { node } => self.on_peer_known(node),
            Input::PeerDown { node, dead } => self.on_peer_down(now, node, dead, out),
        }
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let election = self.election.deadline(Wake::Election);
        let own = Deadline::earliest(election, self.questions_deadline());
        let Part::Leader(leadership) = &self.part else {
            return own;
        };
        Deadline::earliest(own, leadership.deadline())
    }

    /// Role, term and leader.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            term: self.term,
            role: self.part.role(),
            leader: self.leader,
        }
    }

    /// Those who vote.
    #[must_use]
    pub const fn voters(&self) -> &Voters {
        &self.voters
    }

    /// The commit index.
    #[must_use]
    pub fn commit(&self) -> LogIndex {
        self.commit
    }

    /// The last snapshot, if there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// The last entry that is not kept any more; 0 if all are.
    #[must_use]
    pub fn base(&self) -> LogIndex {
        self.log.base()
    }

    /// The entry at `index`, if it is kept.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<&Entry> {
        self.log.entry(index)
    }

    /// The term of the entry at `index`, if it is known.
    #[must_use]
    pub fn term_at(&self, index: LogIndex) -> Option<Term> {
        self.log.term_at(index)
    }

    /// The last index of the log, durable or not.
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        self.log.last_index()
    }

    /// As leader: whether a majority answered within the last election timeout. As follower:
    /// whether a leader is known and was heard within it.
    #[must_use]
    pub fn has_quorum(&self, now: Time) -> bool {
        let heard = match &self.part {
            Part::Leader(leadership) => leadership.quorum_heard(now, self.me, &self.voters),
            Part::Learner | Part::Follower => self.heard.filter(|_| self.leader.is_some()),
            Part::PreCandidate(_) | Part::Candidate(_) => None,
        };
        heard.is_some_and(|heard| now.since(heard) < self.config.election_timeout_max)
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Forgets what decides no message: the counters, how long the silence has lasted, and the
    /// draws so far. For an exploration of all states: with an election timeout without spread,
    /// two machines that are equal after this behave alike for ever.
    pub fn forget_past(&mut self, random: Random) {
        self.stats = Stats::default();
        self.quiet_since = Time::ZERO;
        self.doubt = None;
        self.attempts = 0;
        self.random = random;
    }

    /// Plants a bug, for a machine that lives without a node.
    #[cfg(feature = "mutants")]
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = mutant.into();
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.election.fire(now) {
            self.on_election_timeout(now, out);
        }
        self.refuse_late_questions(now, out);
        self.on_leader_tick(now, out);
    }

    fn on_peer_up(&mut self, node: NodeId, out: &mut Vec<Output>) {
        if node == self.me {
            return;
        }
        self.unmet.remove(&node);
        self.reachable.insert(node);
        self.resume_replication(node, out);
    }

    fn on_peer_known(&mut self, node: NodeId) {
        if node != self.me && !self.reachable.contains(&node) {
            self.unmet.insert(node);
        }
    }

    /// A leader turns to one node more. It does not dial all of a large cluster at a moment.
    fn meet_next(&mut self, out: &mut Vec<Output>) {
        if let Some(node) = self.unmet.pop_first() {
            self.on_peer_up(node, out);
        }
    }

    fn on_peer_down(&mut self, now: Time, node: NodeId, dead: bool, out: &mut Vec<Output>) {
        if dead {
            self.reachable.remove(&node);
            self.unmet.remove(&node);
        }
        self.suspend_replication(node, dead);
        if self.leader == Some(node) && node != self.me {
            self.doubt_leader(now, Cause::LeaderDown, 0);
            self.forget_questions(Unconfirmed::ConnectionLost, out);
        }
    }

    /// Makes the current term and vote durable.
    fn persist_hard_state(&self, out: &mut Vec<Output>) {
        out.push(Output::Persist(Record::HardState {
            term: self.term,
            vote: self.vote,
        }));
    }

    /// Hands out the entries up to `commit`, each once (I5).
    fn commit_up_to(&mut self, commit: LogIndex, out: &mut Vec<Output>) {
        while self.commit < commit {
            let Some(entry) = self.log.entry(self.commit.next()) else {
                break;
            };
            let entry = entry.clone();
            self.commit = entry.index;
            self.stats.committed += 1;
            let bytes = compact::size_of(&entry);
            self.grown = self.grown.saturating_add(bytes);
            self.uncommitted_bytes = self.uncommitted_bytes.saturating_sub(bytes);
            out.push(Output::Committed(entry));
            self.ask_for_snapshot(out);
        }
        self.answer_questions(out);
    }

    /// Tells who leads, if that changed.
    fn announce(&mut self, out: &mut Vec<Output>) {
        let standing = self.standing();
        let before = self.announced;
        if standing != before {
            self.announced = standing;
            out.push(Output::Changed(standing));
            if (standing.term, standing.leader) != (before.term, before.leader) {
                self.forget_questions(Unconfirmed::LeaderChanged, out);
            }
        }
    }
}

fn fault(from: NodeId, fault: PeerFault) -> Output {
    Output::Note(Notice::PeerFault { from, fault })
}
