//! The leader's side: replication, commitment, heartbeats and the quorum check (Raft thesis §3.5,
//! §3.6.2, §6.2).
//!
//! A message carries entries, the commit index and the proof of life at once. A heartbeat is a
//! message without entries that claims everything sent before it, so its answer tells of any loss.
//! When a commit index advances, those with nothing on its way hear of it at once, the others with
//! their next message; learners at the latest when they have answered all.
//!
//! Voters hear every heartbeat, because elections and leases hang on it. A learner loses nothing by
//! hearing only one in `learner_beats`, or fewer where more than [`LEARNERS_PER_BEAT`] would have
//! their turn at once: a leader of a thousand would else do nothing but beat.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::election::Ballot;
use super::lease::Lease;
use super::log::Log;
use super::progress::Progress;
use super::read::Read;
use super::transfer::Transfer;
use super::{
    Append, AppendOutcome, AppendReply, Cause, Config, Entry, InstallSnapshot, Message, Output,
    Part, PeerFault, Raft, Record, Snapshot, compact, fault,
};
use crate::id::{LogIndex, NodeId, Term};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::time::{Deadline, Time, Timer, Wake};
use crate::voters::Voters;

/// A heartbeat goes to about so many learners at most: what an idle leader sends does not grow with
/// the cluster.
const LEARNERS_PER_BEAT: usize = 10;

/// What lives as long as one leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leadership {
    /// The number of the last message sent.
    pub(super) round: u64,
    /// What the leader's own disk holds.
    matched: LogIndex,
    pub(super) followers: BTreeMap<NodeId, Progress>,
    /// Reads that wait to be confirmed, in the order they came.
    pub(super) reads: VecDeque<Read>,
    /// The office is on its way to another node.
    pub(super) transfer: Option<Transfer>,
    pub(super) lease: Lease,
    heartbeat: Timer,
    /// Heartbeats so far.
    beats: u64,
    quorum_check: Timer,
}

/// What goes into every message.
pub(super) struct Sight<'a> {
    pub(super) term: Term,
    commit: LogIndex,
    pub(super) log: &'a Log,
    snapshot: Option<&'a Snapshot>,
    config: &'a Config,
    voters: &'a Voters,
}

impl Leadership {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let transfer = self.transfer.as_ref().and_then(Transfer::deadline);
        let regular = Deadline::earliest(
            self.heartbeat.deadline(Wake::Heartbeat),
            self.quorum_check.deadline(Wake::QuorumCheck),
        );
        Deadline::earliest(regular, transfer)
    }

    /// Since when a majority, the leader included, has been heard.
    pub(super) fn quorum_heard(&self, now: Time, me: NodeId, voters: &Voters) -> Option<Time> {
        voters.reached(|voter| match voter == me {
            true => Some(now),
            false => self.followers.get(&voter).and_then(Progress::heard),
        })
    }

    /// Sends one message, with entries or without.
    pub(super) fn send(
        &mut self,
        to: NodeId,
        carry: bool,
        sight: &Sight<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(progress) = self.followers.get_mut(&to) else {
            return;
        };
        self.round += 1;
        if progress.next() <= sight.log.base()
            && let Some(snapshot) = sight.snapshot
        {
            progress.begin_delivery(snapshot, self.round);
        }
        if let Some(part) = progress.question() {
            let (term, round) = (sight.term, self.round);
            let message = Message::InstallSnapshot(InstallSnapshot { term, round, part });
            return out.push(Output::Send { to, message });
        }
        let config = sight.config;
        let prev_index = LogIndex(progress.next().0.saturating_sub(1));
        let entries = match carry {
            true => sight.log.batch(
                progress.next(),
                config.entries_per_append_max,
                config.bytes_per_append_max,
            ),
            false => Vec::new(),
        };
        let last = entries.last().map_or(prev_index, |entry| entry.index);
        progress.on_sent(last, entries.len(), sight.commit);
        let append = Append {
            term: sight.term,
            round: self.round,
            prev_index,
            prev_term: sight.log.term_at(prev_index).unwrap_or_default(),
            commit: sight.commit,
            entries,
        };
        let message = Message::Append(append);
        out.push(Output::Send { to, message });
    }

    /// Sends what fits into the follower's window.
    fn stream(&mut self, to: NodeId, sight: &Sight<'_>, out: &mut Vec<Output>) {
        let wants = |progress: &Progress| {
            progress.has_room(sight.config.appends_in_flight_max)
                && progress.next() <= sight.log.last_index()
        };
        while self.followers.get(&to).is_some_and(wants) {
            self.send(to, true, sight, out);
        }
    }

    fn stream_to_all(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        for to in self.names(|_, _| true) {
            self.stream(to, sight, out);
        }
    }

    pub(super) fn send_to_those(
        &mut self,
        whom: impl Fn(NodeId, &Progress) -> bool,
        carry: bool,
        sight: &Sight<'_>,
        out: &mut Vec<Output>,
    ) {
        for to in self.names(whom) {
            self.send(to, carry, sight, out);
        }
    }

    /// A heartbeat: to all voters, and to every so-many-th of the others, so that each has its turn
    /// and a large cluster no burst.
    fn beat(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        self.beats += 1;
        let turns = self.followers.len() / LEARNERS_PER_BEAT;
        let every = u64::from(sight.config.learner_beats)
            .max(turns as u64)
            .max(1);
        let beats = self.beats;
        let has_turn = |node: NodeId| node.0.wrapping_add(beats).is_multiple_of(every);
        let whom = |node, _: &Progress| sight.voters.contains(node) || has_turn(node);
        self.send_to_those(whom, false, sight, out);
    }

    fn names(&self, whom: impl Fn(NodeId, &Progress) -> bool) -> Vec<NodeId> {
        let chosen = self.followers.iter().filter(|(name, p)| whom(**name, p));
        chosen.map(|(name, _)| *name).collect()
    }
}

impl Raft {
    pub(super) fn on_leader_tick(&mut self, now: Time, out: &mut Vec<Output>) {
        self.check_quorum(now, out);
        self.check_transfer(now, out);
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        if leadership.heartbeat.fire(now) {
            leadership
                .heartbeat
                .set(now + sight.config.heartbeat_interval);
            leadership.lease.on_beat(leadership.round, now);
            leadership.beat(&sight, out);
        }
    }

    pub(super) fn on_append_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: AppendReply,
        out: &mut Vec<Output>,
    ) {
        if reply.term > self.term && !self.planted.is(Mutant::HigherTermIgnored) {
            let cause = Cause::HigherTerm(reply.term);
            self.become_follower(now, reply.term, None, cause, out);
            return;
        }
        let (term, me, last) = (self.term, self.me, self.log.last_index());
        let Some((leadership, _)) = self.lead() else {
            return;
        };
        if reply.term < term {
            return;
        }
        if from == me {
            if let AppendOutcome::Matched { index } = reply.outcome {
                leadership.matched = leadership.matched.max(index.min(last));
            }
            self.advance_commit(now, out);
            return;
        }
        let round_last = leadership.round;
        let Some(progress) = leadership.followers.get_mut(&from) else {
            return;
        };
        let is_possible = match reply.outcome {
            AppendOutcome::Matched { index } => index <= progress.sent(),
            AppendOutcome::Conflict { .. } => true,
        };
        if !is_possible || reply.round > round_last {
            out.push(fault(from, PeerFault::ImpossibleMatch));
            return;
        }
        progress.on_heard(now);
        progress.on_answered(reply.round);
        self.answer_reads(out);
        let Some((leadership, _)) = self.lead() else {
            return;
        };
        let Some(progress) = leadership.followers.get_mut(&from) else {
            return;
        };
        match reply.outcome {
            AppendOutcome::Matched { index } => {
                progress.on_matched(reply.round, index, round_last);
                self.on_matched(now, from, out);
            }
            AppendOutcome::Conflict { index, term } => {
                self.on_conflict(from, reply.round, index, term, out);
            }
        }
    }

    /// Sends to each follower what its window takes.
    pub(super) fn stream_to_all(&mut self, out: &mut Vec<Output>) {
        if let Some((leadership, sight)) = self.lead() {
            leadership.stream_to_all(&sight, out);
        }
    }

    /// A connection came up: whatever was on its way over the last one is doubtful.
    pub(super) fn resume_replication(&mut self, node: NodeId, out: &mut Vec<Output>) {
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        let next = sight.log.last_index().next();
        let new = || Progress::new(next, None);
        leadership.followers.entry(node).or_insert_with(new);
        leadership.send(node, false, &sight, out);
    }

    /// The follower is probed from now on; a dead learner is forgotten.
    pub(super) fn suspend_replication(&mut self, node: NodeId, dead: bool) {
        let has_vote = self.voters.contains(node);
        let Some((leadership, _)) = self.lead() else {
            return;
        };
        let round = leadership.round;
        if dead && !has_vote {
            leadership.followers.remove(&node);
        } else if let Some(progress) = leadership.followers.get_mut(&node) {
            progress.on_down(round);
        }
    }

    /// Takes office: the entry without a command lets everything before it be committed (§3.6.2).
    pub(super) fn become_leader(&mut self, now: Time, ballot: &Ballot, out: &mut Vec<Output>) {
        self.stats.elections_won += 1;
        let next = self.log.last_index().next();
        let others = self.voters.iter().chain(self.reachable.iter().copied());
        let names = others.filter(|node| *node != self.me);
        let heard = |node: NodeId| ballot.has_yes_of(node).then_some(now);
        let mut leadership = Leadership {
            round: 0,
            matched: LogIndex(0),
            followers: names
                .map(|node| (node, Progress::new(next, heard(node))))
                .collect(),
            reads: VecDeque::new(),
            transfer: None,
            lease: Lease::default(),
            heartbeat: Timer::stopped(),
            beats: 0,
            quorum_check: Timer::stopped(),
        };
        leadership.lease.on_beat(leadership.round, now);
        leadership
            .heartbeat
            .set(now + self.config.heartbeat_interval);
        leadership
            .quorum_check
            .set(now + self.config.election_timeout_max);
        self.election.stop();
        self.leader = Some(self.me);
        self.heard = None;
        self.attempts = 0;
        self.change_part(Part::Leader(leadership), Cause::VotesWon, out);
        self.announce(out);
        self.recount_backlog();
        self.append_own(now, Payload::default(), None, out);
        if let Some((leadership, sight)) = self.lead() {
            leadership.send_to_those(|_, _| true, true, &sight, out);
        }
    }

    /// Appends one entry of the current term; the leader's own acknowledgement comes back when it
    /// is durable.
    pub(super) fn append_own(
        &mut self,
        now: Time,
        data: Payload,
        voters: Option<Voters>,
        out: &mut Vec<Output>,
    ) {
        let index = self.log.last_index().next();
        let term = self.term;
        let entries = Vec::from([Entry {
            term,
            index,
            data,
            voters,
        }]);
        self.log.put(&entries);
        let bytes: usize = entries.iter().map(compact::size_of).sum();
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_add(bytes);
        out.push(Output::Persist(Record::Append { entries }));
        self.adopt_voters(now, out);
        if let (Part::Leader(leadership), true) = (
            &mut self.part,
            self.planted.is(Mutant::OwnEntryCountedEarly),
        ) {
            leadership.matched = index;
        }
        let acknowledgement = AppendReply {
            term,
            round: 0,
            outcome: AppendOutcome::Matched { index },
        };
        out.push(Output::Promise {
            to: self.me,
            message: Message::AppendReply(acknowledgement),
        });
    }

    fn on_matched(&mut self, now: Time, from: NodeId, out: &mut Vec<Output>) {
        self.advance_commit(now, out);
        if let Some((leadership, sight)) = self.lead() {
            leadership.stream(from, &sight, out);
            let progress = leadership.followers.get(&from);
            let misses = progress.is_some_and(|it| it.misses_commit(sight.commit));
            // A voter hears of it with the next heartbeat.
            if misses && !sight.voters.contains(from) {
                leadership.send(from, false, &sight, out);
            }
        }
        self.call_if_ready(out);
    }

    fn on_conflict(
        &mut self,
        from: NodeId,
        round: u64,
        index: LogIndex,
        term: Term,
        out: &mut Vec<Output>,
    ) {
        self.stats.conflicts += 1;
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        let hint = sight.log.last_at_most(index, term);
        let round_last = leadership.round;
        let Some(progress) = leadership.followers.get_mut(&from) else {
            return;
        };
        if progress.on_conflict(round, hint, round_last) {
            leadership.send(from, true, &sight, out);
        }
    }

    /// Commits what a majority holds durably, once the last of it is of this term (I5).
    fn advance_commit(&mut self, now: Time, out: &mut Vec<Output>) {
        let (me, term) = (self.me, self.term);
        let Part::Leader(leadership) = &self.part else {
            return;
        };
        let matched = |voter| match voter == me {
            true => leadership.matched,
            false => (leadership.followers.get(&voter)).map_or(LogIndex(0), Progress::matched),
        };
        let held = self.voters.committed(matched);
        let held = match self.planted.is(Mutant::CommitWaitsForAll) {
            true => self.voters.iter().map(matched).min().unwrap_or(held),
            false => held,
        };
        let held = match self.planted.is(Mutant::CommitWithoutMajority) {
            true => leadership.matched,
            false => held,
        };
        let is_of_this_term = self.log.term_at(held) == Some(term);
        if held <= self.commit || !(is_of_this_term || self.planted.is(Mutant::CommitOldTerm)) {
            return;
        }
        self.commit_up_to(held, out);
        if let Some((leadership, sight)) = self.lead() {
            leadership.stream_to_all(&sight, out);
            leadership.send_to_those(|_, it| it.is_idle(), false, &sight, out);
        }
        self.ask_for_reads(out);
        self.conclude_change(now, out);
    }

    /// A leader without a majority stops leading, in the same term (§6.2).
    fn check_quorum(&mut self, now: Time, out: &mut Vec<Output>) {
        let (me, timeout) = (self.me, self.config.election_timeout_max);
        let Part::Leader(leadership) = &mut self.part else {
            return;
        };
        if !leadership.quorum_check.fire(now) {
            return;
        }
        let heard = leadership.quorum_heard(now, me, &self.voters);
        let lapse = heard.map_or(now, |heard| heard + timeout);
        if lapse > now {
            leadership.quorum_check.set(lapse);
        } else if self.planted.is(Mutant::NoQuorumCheck) {
            self.rearm_quorum_check(now);
        } else {
            self.become_follower(now, self.term, None, Cause::QuorumLost, out);
        }
    }

    /// A mutant that does not check must not spin either.
    fn rearm_quorum_check(&mut self, now: Time) {
        if let Some((leadership, sight)) = self.lead() {
            leadership
                .quorum_check
                .set(now + sight.config.election_timeout_max);
        }
    }

    pub(super) fn lead(&mut self) -> Option<(&mut Leadership, Sight<'_>)> {
        let Part::Leader(leadership) = &mut self.part else {
            return None;
        };
        let sight = Sight {
            term: self.term,
            commit: self.commit,
            log: &self.log,
            snapshot: self.snapshot.as_ref(),
            config: &self.config,
            voters: &self.voters,
        };
        Some((leadership, sight))
    }
}
