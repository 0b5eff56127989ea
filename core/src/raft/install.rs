//! A snapshot reaches a follower whose next entry the leader does not keep any more (Raft thesis
//! §5): the follower's side, and what the leader makes of its answers.
//!
//! * I1. A snapshot takes the place of the whole log, and only of one that lacks its last entry or
//!   has another one there: where the entry is, what it stands for is here already.
//! * I2. It is installed only when it is whole and its state can be read, and acknowledged only
//!   when it is durable.
//! * I3. What has arrived outlives the connection and the leader: the next one asks how much there
//!   is.

use alloc::vec::Vec;

use super::leadership::Leadership;
use super::log::Log;
use super::{
    AppendOutcome, AppendReply, Assembly, Cause, InstallSnapshot, Message, Notice, Output, Part,
    PeerFault, Raft, Snapshot, SnapshotReply, fault,
};
use crate::id::{LogIndex, NodeId, Term};
use crate::mutant::Mutant;
use crate::time::Time;

impl Raft {
    pub(super) fn on_install_snapshot(
        &mut self,
        now: Time,
        from: NodeId,
        install: InstallSnapshot,
        out: &mut Vec<Output>,
    ) {
        let InstallSnapshot { term, round, part } = install;
        if term < self.term {
            return self.refuse_leader(from, round, out);
        }
        let another_leads = self.leader.is_some_and(|leader| leader != from);
        let is_second =
            term == self.term && (another_leads || matches!(self.part, Part::Leader(_)));
        if from == self.me || is_second {
            return out.push(fault(from, PeerFault::ConflictingLeader));
        }
        let Some(empty) = Assembly::of(&part.of).filter(|_| part.of.term <= term) else {
            return out.push(fault(from, PeerFault::WrongSnapshot));
        };
        self.hear_leader(now, from, term, out);
        let (index, last) = (part.of.index, part.of.term);
        if index <= self.commit || self.log.term_at(index) == Some(last) {
            self.commit_up_to(index, out);
            self.conclude_rebuild(now, out);
            return self.promise_match(from, round, index, out);
        }
        let was = self.assembly.take().filter(|it| *it.meta() == part.of);
        let mut assembly = was.unwrap_or(empty);
        let was_whole = assembly.is_whole();
        assembly.add(&part);
        if assembly.is_whole() && !was_whole {
            match assembly.finish() {
                Some(snapshot) => out.push(Output::Assembled {
                    from,
                    round,
                    snapshot,
                }),
                None => return out.push(fault(from, PeerFault::WrongSnapshot)),
            }
        }
        let reply = SnapshotReply {
            term: self.term,
            round,
            index,
            held: assembly.held(),
        };
        // A whole one whose state cannot be read stays, so that it is not sent again and again.
        self.assembly = Some(assembly);
        let message = Message::SnapshotReply(reply);
        out.push(Output::Send { to: from, message });
    }

    /// The state can be read: the snapshot takes the place of the log.
    pub(super) fn on_install(
        &mut self,
        now: Time,
        from: NodeId,
        round: u64,
        snapshot: Snapshot,
        out: &mut Vec<Output>,
    ) {
        let (index, bytes) = (snapshot.meta().index, snapshot.meta().len);
        if index <= self.commit {
            return;
        }
        self.assembly = None;
        self.stats.snapshots_installed += 1;
        out.push(Output::Note(Notice::SnapshotInstalled {
            from,
            index,
            bytes,
        }));
        self.log = Log::after(snapshot.meta(), Vec::new());
        self.commit = index;
        self.answer_questions(out);
        (self.grown, self.is_due) = (0, false);
        self.persist_snapshot(&snapshot, out);
        self.snapshot = Some(snapshot);
        self.conclude_rebuild(now, out);
        self.adopt_voters(now, out);
        self.take_part(now, out);
        self.promise_match(from, round, index, out);
    }

    /// What is equal up to `index`, durably.
    pub(super) fn promise_match(
        &self,
        to: NodeId,
        round: u64,
        index: LogIndex,
        out: &mut Vec<Output>,
    ) {
        let message = Message::AppendReply(AppendReply {
            term: self.term,
            round,
            outcome: AppendOutcome::Matched { index },
        });
        out.push(match self.planted.is(Mutant::AckBeforeDurable) {
            true => Output::Send { to, message },
            false => Output::Promise { to, message },
        });
    }

    pub(super) fn on_snapshot_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: SnapshotReply,
        out: &mut Vec<Output>,
    ) {
        if reply.term > self.term {
            let cause = Cause::HigherTerm(reply.term);
            return self.become_follower(now, reply.term, None, cause, out);
        }
        let term = self.term;
        let Some((leadership, _)) = self.lead() else {
            return;
        };
        let round_last = leadership.round;
        let Some(progress) = leadership.followers.get_mut(&from) else {
            return;
        };
        if reply.term < term {
            return;
        }
        if reply.round > round_last || !progress.on_held(reply.round, reply.index, reply.held) {
            return out.push(fault(from, PeerFault::ImpossibleMatch));
        }
        progress.on_heard(now);
        progress.on_answered(reply.round);
        self.answer_reads(out);
        let (term, bytes) = (self.term, self.config.bytes_per_append_max);
        if let Some((leadership, _)) = self.lead() {
            leadership.deliver(from, term, bytes, out);
        }
    }
}

impl Leadership {
    /// Sends what the window of a delivery takes.
    fn deliver(&mut self, to: NodeId, term: Term, bytes: usize, out: &mut Vec<Output>) {
        let Some(progress) = self.followers.get_mut(&to) else {
            return;
        };
        while let Some(part) = progress.next_part(self.round + 1, bytes) {
            self.round += 1;
            let round = self.round;
            let message = Message::InstallSnapshot(InstallSnapshot { term, round, part });
            out.push(Output::Send { to, message });
        }
    }
}
