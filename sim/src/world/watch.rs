//! Showing the checkers what happens.

use std::collections::BTreeSet;

use quorate_core::control::{Command, Envelope};
use quorate_core::durable::Record;
use quorate_core::id::{Epoch, LogIndex, NodeId, Peer, Term};
use quorate_core::membership::{Member, State};
use quorate_core::node::Action;
use quorate_core::raft::{self, Role};
use quorate_core::wire::{Message, codec};

use super::host::Process;
use super::{LOOK_NS, World};
use crate::checkers::{Verdict, Violation, committed_is_durable, outbox_bounded};
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::record::What;
use crate::span::Span;

/// So long after the heal every node has what was acknowledged before.
const SETTLED: Span = Span::from_ms(25_000);
/// The hosts' own messages are sent so often.
const TRAFFIC_NS: u64 = 1_000_000_000;

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
        let voters = self.plan.voters;
        let mut verdicts: [(&'static str, Verdict); 6] = [
            ("one_leader_per_term", Ok(())),
            ("log_matching", Ok(())),
            ("applied_agree", Ok(())),
            ("no_stale_epoch_write", Ok(())),
            ("one_vote_per_term", Ok(())),
            ("committed_is_durable", Ok(())),
        ];
        let mut granted = Vec::new();
        let standing = raft.standing();
        if standing != process.standing {
            process.standing = standing;
            self.totals.terms = self.totals.terms.max(standing.term.0);
            if standing.role == Role::Leader {
                self.sightings.leads(self.now, id);
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
                    let (at, term) = (entry.index, entry.term);
                    verdicts[5].1 =
                        committed_is_durable::check(&self.checkers.ledger, voters, at, term);
                    let envelope = codec::decode::<Envelope>(&entry.data).ok();
                    self.checkers
                        .no_stale_epoch_write
                        .apply(entry.index, envelope.as_ref());
                    granted.extend(envelope.map(|envelope| (at, envelope.command)));
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
        for (index, command) in granted {
            self.watch_role(index, &command);
        }
    }

    /// A command was applied for the first time: whether a role changed hands by it.
    fn watch_role(&mut self, index: LogIndex, command: &Command) {
        let (Command::GrantRole { role, .. } | Command::ReleaseRole { role, .. }) = command else {
            return;
        };
        match self.checkers.no_stale_epoch_write.role(role) {
            (epoch, Some(holder)) if epoch == Epoch(index.0) => {
                let is_settled = *role != self.primary;
                let verdict = self.checkers.roles_stay.granted(role, holder, is_settled);
                self.demand("roles_stay", verdict);
                if is_settled && index.0 > 3 {
                    self.marks.hit(Mark::RoleMoved);
                }
            }
            (epoch, None) if epoch == Epoch(index.0) => self.checkers.roles_stay.released(role),
            _ => {}
        }
    }

    /// What every process owes the others and its clients.
    fn look_at_hosts(&mut self) {
        for index in 0..self.hosts.len() {
            let id = self.hosts[index].id;
            if self.hosts[index].paused {
                self.checkers.relay_answers.excused(id, None);
                self.checkers.answered_once.excused(id, self.now);
            }
            self.witness_beliefs(index);
            for other in 0..self.hosts.len() {
                self.look_at_pair(index, other);
            }
        }
        let (relays, clients) = (&self.checkers.relay_answers, &self.checkers.answered_once);
        let (relays, clients) = (relays.look(self.now), clients.look(self.now));
        self.demand("relay_answers", relays);
        self.demand("answered_once", clients);
    }

    fn look_at_pair(&mut self, index: usize, other: usize) {
        let (id, it) = (self.hosts[index].id, self.hosts[other].id);
        let is_gone = self.hosts[other].process.is_none();
        let process = self.hosts[index].process.as_ref();
        let view = process
            .filter(|_| !self.hosts[index].paused)
            .map(|process| process.node.view());
        let holds_live = view.is_some_and(|view| {
            let mut members = view.membership().members();
            members.any(|member| member.node == it && member.state.is_live())
        });
        let waiting = view.map_or(0, |view| view.waiting(it));
        let verdict =
            self.checkers
                .crash_is_noticed
                .look(self.now, (id, it), is_gone && holds_live);
        self.demand("crash_is_noticed", verdict);
        self.demand("outbox_bounded", outbox_bounded::check(id, it, waiting));
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
        self.look_at_hosts();
        if self.now.is_multiple_of(TRAFFIC_NS) {
            self.send_traffic();
        }
        let Some(heal) = self.plan.heal.filter(|heal| self.now >= heal.ns()) else {
            return;
        };
        let since = self.now - heal.ns();
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

    /// Every node must have what was acknowledged, if there was time to heal; else none may have
    /// applied the log beyond it without it.
    pub(super) fn check_acknowledged(&mut self) {
        let settled = self
            .plan
            .heal
            .is_some_and(|heal| heal.plus(SETTLED) <= self.plan.end);
        for index in 0..self.hosts.len() {
            let missing = self.missing(index, |at, commit| settled || at <= commit);
            let verdict = match missing.first() {
                None => Ok(()),
                Some(at) => {
                    let id = self.hosts[index].id;
                    Err(self.checkers.acknowledged_survive.lost(id, *at))
                }
            };
            self.demand("acknowledged_survive", verdict);
        }
    }

    /// How many acknowledged writes a node has applied the log beyond without, or no node has.
    pub(super) fn lost(&self) -> u64 {
        let hosts = || 0..self.hosts.len();
        let mut lost: BTreeSet<LogIndex> = hosts()
            .flat_map(|index| self.missing(index, |at, commit| at <= commit))
            .collect();
        let runs = |index: &usize| self.hosts[*index].process.is_some();
        let nowhere = hosts()
            .filter(runs)
            .map(|index| self.missing(index, |_, _| true));
        let nowhere = nowhere.map(|missing| missing.into_iter().collect::<BTreeSet<_>>());
        lost.extend(nowhere.reduce(|one, two| &one & &two).unwrap_or_default());
        lost.len() as u64
    }

    /// The acknowledged writes that a running node has not committed, of those that it should have.
    fn missing(&self, index: usize, should: impl Fn(LogIndex, LogIndex) -> bool) -> Vec<LogIndex> {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return Vec::new();
        };
        let raft = process.node.view().raft();
        let commit = raft.commit();
        let has = |at: LogIndex| {
            let entry = raft.entry(at).filter(|_| at <= commit)?;
            codec::decode(&entry.data).ok()
        };
        let missing = self.checkers.acknowledged_survive.missing(has);
        missing.filter(|at| should(*at, commit)).collect()
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
