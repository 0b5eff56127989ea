//! Showing the checkers what happens.

use std::collections::BTreeSet;

use quorate_core::control::Envelope;
use quorate_core::durable::Record;
use quorate_core::id::{LogIndex, NodeId, Peer, Term};
use quorate_core::membership::{Member, State};
use quorate_core::node::Action;
use quorate_core::raft::{self, Role};
use quorate_core::wire::{Message, codec};

use super::host::Process;
use super::{LOOK_NS, World};
use crate::checkers::{Verdict, Violation};
use crate::engine::des::Due;
use crate::record::What;

impl World {
    pub(super) fn demand(&mut self, checker: &'static str, verdict: Verdict) {
        if let (Err(what), None) = (verdict, &self.violation) {
            let violation = Violation {
                checker,
                at_ns: self.now,
                what,
            };
            self.note(None, What::Violated(violation.clone()));
            self.violation = Some(violation);
        }
    }

    /// Shows the checkers what a step has changed.
    pub(super) fn observe(&mut self, index: usize, actions: &[Action]) {
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        let view = process.node.view();
        let raft = view.raft();
        let mut verdicts: [(&'static str, Verdict); 5] = [
            ("one_leader_per_term", Ok(())),
            ("log_matching", Ok(())),
            ("applied_agree", Ok(())),
            ("no_stale_epoch_write", Ok(())),
            ("one_vote_per_term", Ok(())),
        ];
        let standing = raft.standing();
        if standing != process.standing {
            process.standing = standing;
            if standing.role == Role::Leader {
                verdicts[0].1 = self.checkers.one_leader_per_term.leads(id, standing.term);
            }
        }
        for action in actions {
            if let Some((term, to)) = vote_sent(action) {
                let verdict = self.checkers.one_vote_per_term.voted(id, term, to);
                verdicts[4].1 = std::mem::replace(&mut verdicts[4].1, Ok(())).and(verdict);
            }
            for entry in entries_written(action) {
                let before = LogIndex(entry.index.0.saturating_sub(1));
                let before = raft.entry(before).map_or(Term(0), |entry| entry.term);
                let verdict = self.checkers.log_matching.wrote(id, entry, before);
                verdicts[1].1 = std::mem::replace(&mut verdicts[1].1, Ok(())).and(verdict);
            }
        }
        let commit = raft.commit();
        while process.seen < commit {
            process.seen = process.seen.next();
            let Some(entry) = raft.entry(process.seen) else {
                break;
            };
            match self.checkers.applied_agree.applied(id, entry) {
                Ok(true) => {
                    let envelope = codec::decode::<Envelope>(&entry.data).ok();
                    self.checkers
                        .no_stale_epoch_write
                        .apply(entry.index, envelope.as_ref());
                }
                Ok(false) => {}
                Err(what) => verdicts[2].1 = Err(what),
            }
            if process.seen == commit {
                let state = view.control().state();
                verdicts[3].1 = self.checkers.no_stale_epoch_write.compare(id, state);
            }
        }
        for (checker, verdict) in verdicts {
            self.demand(checker, verdict);
        }
    }

    /// The checkers that look at the whole, now and then.
    pub(super) fn on_look(&mut self) {
        self.queue.push(self.now + LOOK_NS, Due::Look);
        for index in 0..self.hosts.len() {
            let is_lonely = self.is_lonely_leader(index);
            let id = self.hosts[index].id;
            let verdict = self
                .checkers
                .leader_steps_down
                .look(self.now, id, is_lonely);
            self.demand("leader_steps_down", verdict);
        }
        let heal = self.plan.heal_ms * 1_000_000;
        if self.now < heal {
            return;
        }
        let since = self.now - heal;
        let verdict = self.checkers.progress.look(since);
        self.demand("progress", verdict);
        let live = || self.hosts.iter().filter_map(|host| host.process.as_ref());
        let truth: BTreeSet<Peer> = live().map(|process| process.node.view().me()).collect();
        let views = live().map(|process| {
            let view = process.node.view();
            let members = view.membership().members();
            let alive = members.filter(|member| member.state == State::Alive);
            (view.me(), alive.map(Member::peer).collect())
        });
        let verdict = self
            .checkers
            .membership_converges
            .look(since, &truth, views);
        self.demand("membership_converges", verdict);
    }

    /// Leads, and no majority of the voters is there with a way to it and back.
    pub(super) fn is_lonely_leader(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let leads = |process: &Process| process.standing.role == Role::Leader;
        if host.paused || !host.process.as_ref().is_some_and(leads) {
            return false;
        }
        let voters = usize::try_from(self.plan.voters).unwrap_or(usize::MAX);
        let reachable = self
            .hosts
            .iter()
            .take(voters)
            .enumerate()
            .filter(|(other, host)| {
                let is_up = host.process.as_ref().is_some_and(|process| process.started);
                let is_cut = self.ways.is_cut(index, *other) || self.ways.is_cut(*other, index);
                is_up && !host.paused && !is_cut
            });
        2 * reachable.count() <= voters
    }

    pub(super) fn check_acknowledged(&mut self) {
        for index in 0..self.hosts.len() {
            let Some(process) = self.hosts[index].process.as_ref() else {
                continue;
            };
            let raft = process.node.view().raft();
            let verdict = self
                .checkers
                .acknowledged_survive
                .check(self.hosts[index].id, |at| {
                    let entry = raft.entry(at).filter(|_| at <= raft.commit())?;
                    codec::decode(&entry.data).ok()
                });
            self.demand("acknowledged_survive", verdict);
        }
    }
}

/// The vote that leaves with an action.
pub(super) fn vote_sent(action: &Action) -> Option<(Term, NodeId)> {
    let Action::Send {
        to,
        message: Message::Raft(raft::Message::VoteReply(reply)),
        ..
    } = action
    else {
        return None;
    };
    reply.granted.then_some((reply.term, *to))
}

/// The entries an action makes durable.
fn entries_written(action: &Action) -> &[raft::Entry] {
    let Action::Persist {
        record: Record::Raft(raft::Record::Append { entries }),
        ..
    } = action
    else {
        return &[];
    };
    entries
}
