//! The follower's side of replication (Raft thesis §3.5, §3.6).
//!
//! A message is judged before anything is changed: one that breaks a rule leaves no trace but a
//! notice.

use alloc::vec::Vec;

use super::{
    Append, AppendOutcome, AppendReply, Cause, Message, Output, Part, PeerFault, Raft, Record,
    Role, fault,
};
use crate::id::{LogIndex, NodeId, Term};
use crate::mutant::Mutant;
use crate::time::Time;

impl Raft {
    pub(super) fn on_append(
        &mut self,
        now: Time,
        from: NodeId,
        append: Append,
        out: &mut Vec<Output>,
    ) {
        if let Err(broken) = self.judge_append(from, &append) {
            out.push(fault(from, broken));
            return;
        }
        if append.term < self.term {
            return self.refuse_leader(from, append.round, out);
        }
        self.hear_leader(now, from, append.term, out);
        self.take_entries(now, from, append, out);
    }

    /// The answer deposes a leader that does not know of the newer term.
    pub(super) fn refuse_leader(&self, from: NodeId, round: u64, out: &mut Vec<Output>) {
        let outcome = AppendOutcome::Conflict {
            index: LogIndex(0),
            term: Term(0),
        };
        self.send_append_reply(from, round, outcome, out);
    }

    /// A sign of life of whoever leads `term`.
    pub(super) fn hear_leader(
        &mut self,
        now: Time,
        from: NodeId,
        term: Term,
        out: &mut Vec<Output>,
    ) {
        let cause = match term > self.term {
            true => Cause::HigherTerm(term),
            false => Cause::LeaderFound(from),
        };
        self.become_follower(now, term, Some(from), cause, out);
        self.heard = Some(now);
        self.promise(now);
        self.arm_election(now);
    }

    /// Everything that can be wrong with the message itself or in the light of what is committed
    /// here.
    fn judge_append(&self, from: NodeId, append: &Append) -> Result<(), PeerFault> {
        // Whether the sender may lead is not for this node to say: its own voters may be older.
        if from == self.me {
            return Err(PeerFault::ConflictingLeader);
        }
        if !is_contiguous(append) {
            return Err(PeerFault::GapInEntries);
        }
        if append.term < self.term {
            return Ok(());
        }
        let another_leads = self.leader.is_some_and(|leader| leader != from);
        if append.term == self.term && (another_leads || matches!(self.part, Part::Leader(_))) {
            return Err(PeerFault::ConflictingLeader);
        }
        let differs = |index, term| self.log.term_at(index).is_some_and(|here| here != term);
        let overwritten = match differs(append.prev_index, append.prev_term) {
            true => Some(append.prev_index),
            false => {
                let different = append.entries.iter().find(|e| differs(e.index, e.term));
                different.map(|entry| entry.index)
            }
        };
        match overwritten.is_some_and(|index| index <= self.commit) {
            true => Err(PeerFault::ConflictingLeader),
            false => Ok(()),
        }
    }

    fn take_entries(&mut self, now: Time, from: NodeId, append: Append, out: &mut Vec<Output>) {
        let (prev, prev_term) = (append.prev_index, append.prev_term);
        let is_compacted = prev < self.log.base();
        if !is_compacted && self.log.term_at(prev) != Some(prev_term) {
            // Entries of a later term than the leader's at `prev` cannot be in its log at or before
            // `prev`.
            let index = self.log.last_at_most(LogIndex(prev.0 - 1), prev_term);
            let term = self.log.term_at(index).unwrap_or_default();
            let outcome = AppendOutcome::Conflict { index, term };
            if append.round != Append::NOTICE {
                self.send_append_reply(from, append.round, outcome, out);
            }
            return;
        }
        let matched = append.entries.last().map_or(prev, |entry| entry.index);
        let known = match self.planted.is(Mutant::TruncatesOnDuplicate) {
            true => 0,
            false => self.log.known(&append.entries),
        };
        let mut entries = append.entries;
        entries.drain(..known);
        if !entries.is_empty() {
            self.log.put(&entries);
            out.push(Output::Persist(Record::Append { entries }));
            self.adopt_voters(now, out);
        }
        let proven = match self.planted.is(Mutant::CommitBeyondMatch) {
            true => append.commit,
            false => append.commit.min(matched),
        };
        self.commit_up_to(proven, out);
        self.conclude_rebuild(now, out);
        if self.part.role() != Role::Learner {
            self.take_part(now, out);
        }
        if append.round != Append::NOTICE {
            self.promise_match(from, append.round, matched, out);
        }
    }

    /// A refusal: it promises nothing.
    fn send_append_reply(
        &self,
        to: NodeId,
        round: u64,
        outcome: AppendOutcome,
        out: &mut Vec<Output>,
    ) {
        let reply = AppendReply {
            term: self.term,
            round,
            outcome,
        };
        out.push(Output::Send {
            to,
            message: Message::AppendReply(reply),
        });
    }
}

/// Entries follow `prev` one by one, and terms never decrease nor exceed the leader's.
fn is_contiguous(append: &Append) -> bool {
    let (mut index, mut term) = (append.prev_index, append.prev_term);
    if (index == LogIndex(0)) != (term == Term(0)) || term > append.term {
        return false;
    }
    for entry in &append.entries {
        let follows = index.0 < u64::MAX && entry.index == index.next();
        let can_decide = entry.voters.as_ref().is_none_or(|it| !it.now().is_empty());
        if !follows
            || !can_decide
            || entry.term < term
            || entry.term == Term(0)
            || entry.term > append.term
        {
            return false;
        }
        (index, term) = (entry.index, entry.term);
    }
    true
}
