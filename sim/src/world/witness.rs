//! Showing the checkers one step: what the node heard, and what it did about it.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::durable::Record;
use quorate_core::gossip;
use quorate_core::health::PartitionStatus;
use quorate_core::id::{LinkId, Lsn, NodeId, Ticket};
use quorate_core::membership;
use quorate_core::node::{Action, Refusal};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, AppendOutcome, Cause, Role};
use quorate_core::wire::Message;

use super::World;
use super::heard::{Before, Heard};
use crate::checkers::{
    Verdict, commit_is_earned, election_restriction, exchange_is_full, promises_wait,
    terms_are_obeyed,
};
use crate::marks::Mark;

impl World {
    /// Shows a step to the checkers; before anything it asked for is done.
    pub(super) fn witness(&mut self, index: usize, before: &Before, actions: &[Action]) {
        let heard = before.heard;
        self.witness_incarnation(index, before);
        self.witness_call(index, heard);
        for action in actions {
            match action {
                Action::Persist { lsn, record } => {
                    self.witness_record(index, before, *lsn, record);
                }
                Action::Send { to, message, .. } => self.witness_send(index, *to, message),
                Action::Notify(notice) => self.witness_notice(index, before, notice),
                Action::Reply { ticket, answer } => {
                    let id = self.hosts[index].id;
                    if *ticket != Ticket(0) {
                        let verdict = self.checkers.answered_once.answered(id, *ticket);
                        self.demand("answered_once", verdict);
                    }
                    if *answer == Err(Refusal::Unknown) {
                        self.marks.hit(Mark::ProposalUnknown);
                    }
                }
                Action::Hangup { link } => self.witness_hangup(index, heard, *link),
                Action::Halt(unfit) => self.witness_halt(index, *unfit),
                Action::Dial { .. } | Action::PublishRoutes(_) => {}
            }
        }
        self.witness_level(index, actions);
        let hangs_up = |action: &Action| matches!(action, Action::Hangup { .. });
        if before.has_another && !actions.iter().any(hangs_up) {
            self.marks.hit(Mark::SpareKept);
        }
        self.witness_accusation(index, before);
        self.witness_exchange(index, actions);
        self.witness_vote(index, before, actions);
        self.witness_consensus(index, before);
    }

    /// What a call obliges a node to.
    fn witness_call(&mut self, index: usize, heard: Heard) {
        let id = self.hosts[index].id;
        match heard {
            Heard::PingReq(from, probe) => {
                self.checkers.relay_answers.asked(id, from, probe, self.now);
            }
            Heard::Up(link, peer, dialed) => {
                let dialer = if dialed { id } else { peer.node };
                self.checkers.duplicates_settle.up(id, link, peer, dialer);
            }
            Heard::Down(link) => self.checkers.duplicates_settle.down(id, link),
            Heard::Asked(ticket) => self.checkers.answered_once.asked(id, ticket, self.now),
            Heard::RelayedAck => self.marks.hit(Mark::RelaySaved),
            Heard::Append { .. }
            | Heard::AppendReply(_)
            | Heard::PreVote(..)
            | Heard::Vote(..)
            | Heard::CalledVote(..)
            | Heard::Other => {}
        }
    }

    fn witness_record(&mut self, index: usize, before: &Before, lsn: Lsn, record: &Record) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (id, standing) = (self.hosts[index].id, process.node.view().raft().standing());
        self.checkers.ledger.wrote(id, lsn, standing.term, record);
        if let Record::Raft(raft::Record::Kept { entries, .. }) = record {
            let verdict = self.checkers.removes_only_conflicts.kept(id, entries);
            self.demand("removes_only_conflicts", verdict);
        }
        let Record::Raft(raft::Record::Append { entries }) = record else {
            return;
        };
        if entries
            .first()
            .is_some_and(|first| first.index <= before.last)
        {
            self.marks.hit(Mark::ConflictCut);
        }
        let verdict = self.checkers.removes_only_conflicts.wrote(id, entries);
        self.demand("removes_only_conflicts", verdict);
        if standing.role == Role::Leader {
            for entry in entries.iter().filter(|entry| entry.term == standing.term) {
                self.witness_own_entry(index, entry);
            }
        }
    }

    fn witness_send(&mut self, index: usize, to: NodeId, message: &Message) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (id, boot) = (self.hosts[index].id, process.node.view().me().boot);
        let ledger = &self.checkers.ledger;
        let mut verdict = promises_wait::speaks(ledger, id, boot);
        let still = match message {
            Message::Raft(message) => {
                let commit = process.node.view().raft().commit();
                self.checkers.rebuilt_keep_still.sent(id, commit, message)
            }
            Message::Membership(_) | Message::Control(_) | Message::Gossip(_) => Ok(()),
        };
        match message {
            Message::Raft(raft::Message::VoteReply(reply)) if reply.granted => {
                verdict = verdict.and(promises_wait::votes(ledger, id, reply.term, to));
                self.checkers.elected_by_majority.voted(id, reply.term, to);
            }
            Message::Raft(raft::Message::Vote(ask)) => {
                verdict = verdict.and(promises_wait::votes(ledger, id, ask.term, id));
                if ask.called {
                    let called = self.checkers.heirs_are_called.campaigns(id, ask.term);
                    self.demand("heirs_are_called", called);
                }
            }
            Message::Raft(raft::Message::TimeoutNow(call)) => {
                let (last, term) = (process.node.view().raft().last_index(), call.term);
                let called = self.checkers.heirs_are_called.calls(ledger, to, term, last);
                self.marks.hit(Mark::HeirCalled);
                self.demand("heirs_are_called", called);
            }
            Message::Raft(raft::Message::AppendReply(reply)) => {
                if let AppendOutcome::Matched { index } = reply.outcome {
                    let acknowledges = promises_wait::acknowledges(ledger, id, reply.term, index);
                    verdict = verdict.and(acknowledges);
                }
            }
            Message::Membership(membership::Message::Ack(ack)) => {
                self.checkers.relay_answers.answered(id, to, ack.probe);
            }
            Message::Membership(membership::Message::Nack(nack)) => {
                self.checkers.relay_answers.answered(id, to, nack.probe);
            }
            Message::Raft(raft::Message::ReadIndex(_)) => self.witness_forwarded_read(index),
            Message::Raft(_)
            | Message::Membership(_)
            | Message::Control(_)
            | Message::Gossip(_) => {}
        }
        self.demand("promises_wait", verdict);
        self.demand("rebuilt_keep_still", still);
    }

    fn witness_notice(&mut self, index: usize, before: &Before, notice: &Notice) {
        let id = self.hosts[index].id;
        match notice {
            Notice::Member(fact) => self.witness_fact(index, fact),
            Notice::Membership(membership::Notice::Refuting { incarnation, .. }) => {
                self.marks.hit(Mark::Refutation);
                let own = &self.checkers.incarnation_is_own;
                let verdict = own.refutes(id, before.incarnation, *incarnation);
                self.demand("incarnation_is_own", verdict);
                self.witness_belief(index, id);
            }
            Notice::View(view) => {
                let process = self.hosts[index].process.as_ref();
                if let Some(life) = process.map(|it| it.node.view().me()) {
                    let verdict = self.checkers.views_add_up.tells(life, view);
                    self.demand("views_add_up", verdict);
                }
            }
            Notice::LinkDown { peer } => {
                self.checkers.leader_is_kept.doubts(id, Some(peer.node));
                self.checkers.relay_answers.excused(id, Some(peer.node));
            }
            Notice::Raft(raft::Notice::RoleChanged { from, cause, .. }) => {
                self.mark_role_change(*from, *cause);
            }
            Notice::OutboxDropped { .. } => self.marks.hit(Mark::OutboxDropped),
            Notice::Raft(raft::Notice::SnapshotTaken { .. }) => {
                self.marks.hit(Mark::SnapshotTaken);
            }
            Notice::Raft(raft::Notice::SnapshotInstalled { .. }) => {
                self.marks.hit(Mark::SnapshotInstalled);
                self.checkers.removes_only_conflicts.installed(id);
            }
            Notice::Raft(raft::Notice::Rebuilt { .. }) => self.marks.hit(Mark::Rebuilt),
            Notice::Partition(PartitionStatus::Split { .. }) => self.marks.hit(Mark::SplitSeen),
            Notice::Partition(PartitionStatus::OneWay { .. } | PartitionStatus::Bridged { .. }) => {
                self.marks.hit(Mark::BridgeSeen)
            }
            Notice::State(gossip::Fact::Forgotten { .. }) => self.marks.hit(Mark::StateForgotten),
            Notice::Partition(PartitionStatus::Whole)
            | Notice::State(gossip::Fact::Changed { .. })
            | Notice::GossipFault { .. }
            | Notice::Started { .. }
            | Notice::Membership(
                membership::Notice::PeerFault { .. }
                | membership::Notice::OnProbation { .. }
                | membership::Notice::TurnedAway { .. },
            )
            | Notice::Removed { .. }
            | Notice::LevelRaised { .. }
            | Notice::Unfit { .. }
            | Notice::Leadership(_)
            | Notice::Voters(_)
            | Notice::Raft(
                raft::Notice::PeerFault { .. }
                | raft::Notice::ElectionRepeated { .. }
                | raft::Notice::TransferBegun { .. }
                | raft::Notice::Removed { .. }
                | raft::Notice::TransferEnded { .. }
                | raft::Notice::Rebuilding { .. },
            )
            | Notice::RoleChanged { .. }
            | Notice::LinkUp { .. }
            | Notice::UnknownEntry { .. }
            | Notice::UnreadableSnapshot { .. }
            | Notice::DiskStalled => {}
        }
    }

    fn mark_role_change(&mut self, from: Role, cause: Cause) {
        match (from, cause) {
            (Role::Candidate, Cause::ElectionLost) => self.marks.hit(Mark::VoteSplit),
            (Role::PreCandidate, Cause::ElectionLost) => self.marks.hit(Mark::PreVoteRefused),
            (Role::Leader, Cause::HigherTerm(_)) => self.marks.hit(Mark::LeaderDeposed),
            (Role::Leader, Cause::QuorumLost) => self.marks.hit(Mark::QuorumLost),
            (Role::Leader, Cause::DiskStalled) => self.marks.hit(Mark::StalledLeaderResigned),
            (Role::Follower, Cause::HandedOver) => self.marks.hit(Mark::HeirCampaigned),
            (Role::Follower, Cause::LeaderDown) => self.marks.hit(Mark::LeaderDoubted),
            (Role::Follower, Cause::LeaderResigned) => self.marks.hit(Mark::ResignationHeard),
            (
                Role::Learner
                | Role::Follower
                | Role::PreCandidate
                | Role::Candidate
                | Role::Leader,
                _,
            ) => {}
        }
    }

    fn witness_hangup(&mut self, index: usize, heard: Heard, link: LinkId) {
        let id = self.hosts[index].id;
        let verdict = self.checkers.duplicates_settle.hangs_up(id, link);
        self.demand("duplicates_settle", verdict);
        if let Heard::Up(new, ..) = heard {
            self.marks.hit(match new == link {
                true => Mark::DuplicateKeptOld,
                false => Mark::DuplicateKeptNew,
            });
        }
    }

    /// What waited for a connection may be old, so a step that brings one up is not judged.
    fn witness_exchange(&mut self, index: usize, actions: &[Action]) {
        let is_up = |it: &Action| matches!(it, Action::Notify(Notice::LinkUp { .. }));
        if actions.iter().any(is_up) {
            return;
        }
        let mut told: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for action in actions {
            let Action::Send { to, message, .. } = action else {
                continue;
            };
            let page = match message {
                Message::Membership(membership::Message::Join(join)) => &join.updates,
                Message::Membership(membership::Message::Welcome(welcome)) => &welcome.updates,
                Message::Membership(_)
                | Message::Raft(_)
                | Message::Control(_)
                | Message::Gossip(_) => continue,
            };
            let names = page.iter().map(|update| update.node);
            told.entry(*to).or_default().extend(names);
        }
        let Some(process) = self.hosts[index]
            .process
            .as_ref()
            .filter(|_| !told.is_empty())
        else {
            return;
        };
        let members = process.node.view().membership().members();
        let known = members.map(|member| member.node).collect();
        for (to, told) in told {
            let verdict = exchange_is_full::check(self.hosts[index].id, to, &told, &known);
            self.demand("exchange_is_full", verdict);
        }
    }

    /// Whom a node helped into office by this step.
    fn witness_vote(&mut self, index: usize, before: &Before, actions: &[Action]) {
        let (from, end) = match before.heard {
            Heard::PreVote(from, end) if actions.iter().any(is_pre_vote) => (from, end),
            Heard::Vote(from, end) | Heard::CalledVote(from, end)
                if actions.iter().any(|it| is_vote_for(it, from)) =>
            {
                (from, end)
            }
            Heard::PreVote(..)
            | Heard::Vote(..)
            | Heard::CalledVote(..)
            | Heard::Append { .. }
            | Heard::AppendReply(_)
            | Heard::PingReq(..)
            | Heard::RelayedAck
            | Heard::Up(..)
            | Heard::Down(_)
            | Heard::Asked(_)
            | Heard::Other => return,
        };
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (id, raft) = (self.hosts[index].id, process.node.view().raft());
        let last = raft.term_at(before.last).unwrap_or_default();
        let verdict = election_restriction::check(id, (last, before.last), from, end);
        let leads = before.standing.role == Role::Leader;
        let shown = process.clock.at(self.now).0;
        let is_called = matches!(before.heard, Heard::CalledVote(..));
        let kept = match is_called {
            true => Ok(()),
            false => (self.checkers.leader_is_kept).helped(id, from, shown, leads),
        };
        self.demand("election_restriction", verdict);
        self.demand("leader_is_kept", kept);
    }

    fn witness_consensus(&mut self, index: usize, before: &Before) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (id, view) = (self.hosts[index].id, process.node.view());
        let (raft, standing) = (view.raft(), view.raft().standing());
        let commit = raft.commit();
        let mut obeyed: Verdict = Ok(());
        let mut earned: Verdict = Ok(());
        match before.heard {
            Heard::Append {
                from,
                term,
                matched,
                commit: told,
            } => {
                obeyed = terms_are_obeyed::check(id, term, standing.term);
                earned = commit_is_earned::follows(id, (before.commit, commit), matched, told);
                if (standing.leader, standing.term) == (Some(from), term) {
                    let shown = process.clock.at(self.now).0;
                    self.checkers.leader_is_kept.heard(id, from, shown);
                }
            }
            Heard::AppendReply(term) => {
                obeyed = terms_are_obeyed::check(id, term, standing.term);
            }
            Heard::Down(_)
            | Heard::PreVote(..)
            | Heard::Vote(..)
            | Heard::CalledVote(..)
            | Heard::PingReq(..)
            | Heard::RelayedAck
            | Heard::Up(..)
            | Heard::Asked(_)
            | Heard::Other => {}
        }
        self.demand("terms_are_obeyed", obeyed);
        self.demand("commit_is_earned", earned);
        self.witness_leader(index, before);
    }

    fn witness_leader(&mut self, index: usize, before: &Before) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (id, view) = (self.hosts[index].id, process.node.view());
        let (raft, standing) = (view.raft(), view.raft().standing());
        let is_resent = view.control().stats().handed_over > before.handed_over;
        if standing.leader != before.standing.leader {
            self.checkers
                .leader_is_kept
                .doubts(id, before.standing.leader);
            if is_resent {
                self.marks.hit(Mark::ProposalResent);
            }
        }
        if standing.role != Role::Leader {
            return;
        }
        let (term, checkers) = (standing.term, &self.checkers);
        if (before.standing.role, before.standing.term) != (Role::Leader, term) {
            let elected = checkers
                .elected_by_majority
                .leads(id, term, &process.voters);
            let waited = promises_wait::votes(&checkers.ledger, id, term, id);
            self.demand("elected_by_majority", elected);
            self.demand("promises_wait", waited);
        } else if raft.commit() > before.commit {
            let last = raft.term_at(raft.commit());
            self.demand("commit_is_earned", commit_is_earned::leads(id, term, last));
        }
    }
}

fn is_pre_vote(action: &Action) -> bool {
    let Action::Send { message, .. } = action else {
        return false;
    };
    matches!(message, Message::Raft(raft::Message::PreVoteReply(reply)) if reply.granted)
}

fn is_vote_for(action: &Action, whom: NodeId) -> bool {
    let Action::Persist { record, .. } = action else {
        return false;
    };
    matches!(
        record,
        Record::Raft(raft::Record::HardState { vote: Some(to), .. }) if *to == whom
    )
}
