//! The leader's side: replication, commitment, heartbeats and the quorum check (Raft thesis §3.5,
//! §3.6.2, §6.2).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::election::Ballot;
use super::leadership::{Leadership, Sight};
use super::lease::Lease;
use super::progress::Progress;
use super::{
    AppendOutcome, AppendReply, Cause, Entry, Message, Output, Part, PeerFault, Raft, Record,
    compact, fault,
};
use crate::id::{LogIndex, NodeId, Term};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::time::{Time, Timer};
use crate::voters::Voters;

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
            leadership.beat(now, &sight, out);
            self.meet_next(out);
            self.hand_over_if_witness(now, out);
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
        let data = match self.log.last_index() {
            LogIndex(0) => self.founding.clone(),
            _ => Payload::default(),
        };
        self.append_own(now, data, None, out);
        if let Some((leadership, sight)) = self.lead() {
            leadership.send_to_those(|_, _| true, true, &sight, out);
        }
    }

    /// Appends one entry of the current term.
    pub(super) fn append_own(
        &mut self,
        now: Time,
        data: Payload,
        voters: Option<Voters>,
        out: &mut Vec<Output>,
    ) {
        self.put_own(data, voters);
        self.persist_own(now, self.log.last_index(), out);
    }

    /// Puts an entry of the current term into the log; `persist_own` must follow.
    pub(super) fn put_own(&mut self, data: Payload, voters: Option<Voters>) {
        let entry = Entry {
            term: self.term,
            index: self.log.last_index().next(),
            data,
            voters,
        };
        let bytes = compact::size_of(&entry);
        self.uncommitted_bytes = self.uncommitted_bytes.saturating_add(bytes);
        self.log.push(entry);
    }

    /// Makes the own entries from `from` on durable, in records no longer than a message; the
    /// leader's own acknowledgement comes back when they are.
    pub(super) fn persist_own(&mut self, now: Time, from: LogIndex, out: &mut Vec<Output>) {
        let last = self.log.last_index();
        let mut next = from;
        while next <= last {
            let entries = self.log.batch(
                next,
                self.config.entries_per_append_max,
                self.config.bytes_per_append_max,
            );
            next = entries.last().map_or(last, |entry| entry.index).next();
            out.push(Output::Persist(Record::Append { entries }));
        }
        self.adopt_voters(now, out);
        if let (Part::Leader(leadership), true) = (
            &mut self.part,
            self.planted.is(Mutant::OwnEntryCountedEarly),
        ) {
            leadership.matched = last;
        }
        let acknowledgement = AppendReply {
            term: self.term,
            round: 0,
            outcome: AppendOutcome::Matched { index: last },
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
                leadership.notify(from, &sight, out);
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
            leadership.announce_commit(&sight, out);
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
            self.refuse_late_reads(now, out);
        } else if self.planted.is(Mutant::NoQuorumCheck) {
            self.rearm_quorum_check(now);
        } else {
            self.resign(now, Cause::QuorumLost, out);
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
