//! The looks: ten times a second the checkers see the whole, not just one step.
//!
//! A look must not cost the square of the number of nodes. So a member list is read only when it
//! says that it has changed; and in a cluster of more than thirty nodes a look goes to a part of
//! them, the next look to the next part, and whether all agree is asked twice a second only. What
//! a step shows (`watch`, `witness`) is always seen, and at the end of a run everything is read
//! once more.

use std::collections::BTreeSet;

use quorate_core::control::Envelope;
use quorate_core::id::{LogIndex, NodeId, Peer};
use quorate_core::membership::{Membership, State};
use quorate_core::raft::Role;
use quorate_core::wire::codec;

use super::World;
use super::host::{Host, Process};
use super::states::TURN_NS;
use crate::checkers::elected_by_majority::sides;
use crate::checkers::{Verdict, outbox_bounded};
use crate::engine::des::Due;
use crate::span::Span;

/// One look reads at most so many lines of member lists, and at least one list.
const LINES_MAX: usize = 1_000;
/// So long after the heal every node has what was acknowledged before.
const SETTLED: Span = Span::from_ms(25_000);
/// The whole is looked at so often.
pub(super) const LOOK_NS: u64 = 100_000_000;

impl World {
    /// The checkers that look at the whole, now and then.
    pub(super) fn on_look(&mut self) {
        self.queue.push(self.now + LOOK_NS, Due::Look);
        self.look_at_leaders();
        let nodes = self.hosts.len();
        let part = (LINES_MAX / nodes).clamp(1, nodes);
        self.look_at_lists(self.next_look, part);
        self.tick_sessions(self.next_look, part);
        self.next_look = (self.next_look + part) % nodes;
        self.look_at_debts();
        self.look_at_mail();
        let messages = self.plan.workload.messages;
        if messages.is_some_and(|every| self.now.is_multiple_of(every.ns())) {
            self.send_traffic();
        }
        let is_turn = self.now.is_multiple_of(TURN_NS);
        if is_turn {
            self.write_states();
            self.look_at_states();
        }
        let heal = self.plan.heal.filter(|_| is_turn || part == nodes);
        if let Some(since) = heal.and_then(|heal| self.now.checked_sub(heal.ns())) {
            self.look_after_heal(since);
        }
    }

    /// The end of the run: every member list and every log is read, however many there are.
    pub(super) fn look_back(&mut self) {
        for host in &mut self.hosts {
            if let Some(process) = &mut host.process {
                process.members_seen = None;
            }
        }
        self.look_at_lists(0, self.hosts.len());
        self.look_at_acknowledged();
    }

    fn look_at_leaders(&mut self) {
        for index in 0..self.hosts.len() {
            let is_lonely = self.is_lonely_leader(index);
            let id = self.hosts[index].id;
            let checker = &mut self.checkers.leader_steps_down;
            let verdict = checker.look(self.now, id, is_lonely);
            self.demand("leader_steps_down", verdict);
        }
        let witnesses = self.witnesses();
        for witness in &witnesses {
            let (witness, heirs) = (*witness, self.heirs_of(*witness, &witnesses));
            let checker = &mut self.checkers.witnesses_stand_back;
            let verdict = checker.look(self.now, witness, &heirs);
            self.demand("witnesses_stand_back", verdict);
        }
    }

    /// The nodes that are witnesses.
    pub(super) fn witnesses(&self) -> BTreeSet<NodeId> {
        let witnesses = self.hosts.iter().filter(|host| host.config.witness);
        witnesses.map(|host| host.id).collect()
    }

    /// Who follows a witness that leads, and could lead instead of it.
    fn heirs_of(&self, witness: NodeId, witnesses: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let at = |node: NodeId| usize::try_from(node.0 - 1).unwrap_or(usize::MAX);
        let runs = |index: usize| {
            let host = self.hosts.get(index).filter(|it| !it.paused)?;
            host.process.as_ref().filter(|_| !host.is_behind())
        };
        let leads = |it: &&Process| it.standing.role == Role::Leader;
        let Some(leader) = runs(at(witness)).filter(leads) else {
            return Vec::new();
        };
        let (own, commit) = (leader.standing, leader.node.view().raft().commit());
        let could = |node: &NodeId| {
            let (from, to) = (at(witness), at(*node));
            let follows = runs(to).is_some_and(|it| {
                (it.standing.term, it.standing.leader) == (own.term, Some(witness))
            });
            let is_cut = self.ways.is_cut(from, to) || self.ways.is_cut(to, from);
            let holds = self.checkers.ledger.holds(*node, commit);
            follows && !is_cut && holds && !witnesses.contains(node)
        };
        let voters = leader.voters.iter();
        voters.filter(could).collect()
    }

    /// What so many nodes, from the first on, hold of the others.
    fn look_at_lists(&mut self, first: usize, part: usize) {
        let gone = |host: &&Host| host.process.is_none();
        let gone: Vec<NodeId> = self.hosts.iter().filter(gone).map(|host| host.id).collect();
        for step in 0..part {
            let index = (first + step) % self.hosts.len();
            self.witness_beliefs(index);
            self.look_for_gone(index, &gone);
            self.look_at_outboxes(index);
        }
    }

    fn look_for_gone(&mut self, index: usize, gone: &[NodeId]) {
        let (host, checker) = (&self.hosts[index], &mut self.checkers.crash_is_noticed);
        let process = host.process.as_ref().filter(|_| !host.paused);
        let members = process.map(|process| process.node.view().membership());
        let health = members.map_or(0, Membership::health);
        let look = |it: &NodeId| {
            let member = members.and_then(|members| members.member(*it));
            let holds_live = member.is_some_and(|member| member.state.is_live());
            checker.look(self.now, (host.id, *it), holds_live, health)
        };
        let verdict = gone.iter().map(look).fold(Ok(()), Verdict::and);
        self.demand("crash_is_noticed", verdict);
    }

    fn look_at_outboxes(&mut self, index: usize) {
        let host = &self.hosts[index];
        let Some(process) = host.process.as_ref().filter(|_| !host.paused) else {
            return;
        };
        let outboxes = process.node.view().outboxes();
        let checked = outboxes.map(|(to, waiting)| outbox_bounded::check(host.id, to, waiting));
        let verdict = checked.fold(Ok(()), Verdict::and);
        self.demand("outbox_bounded", verdict);
    }

    /// What the processes owe each other and their clients.
    fn look_at_debts(&mut self) {
        // Before it may speak, a node keeps what it is asked: `start` has not returned yet.
        let stands_still = |host: &&Host| host.paused || host.is_behind() || !host.is_up();
        for host in self.hosts.iter().filter(stands_still) {
            self.checkers.relay_answers.excused(host.id, None);
            self.checkers.answered_once.excused(host.id, self.now);
        }
        let (relays, clients) = (&self.checkers.relay_answers, &self.checkers.answered_once);
        let (relays, clients) = (relays.look(self.now), clients.look(self.now));
        self.demand("relay_answers", relays);
        self.demand("answered_once", clients);
        let core = self.checkers.core_goes_on.look(self.now);
        self.demand("core_goes_on", core);
    }

    fn look_after_heal(&mut self, since: u64) {
        if !self.workload.is_empty() {
            let verdict = self.checkers.progress.look(since);
            self.demand("progress", verdict);
        }
        let live = self.hosts.iter().filter_map(|host| host.process.as_ref());
        let truth: Vec<Peer> = live.map(|process| process.node.view().me()).collect();
        let outlier = self.outlier(&truth);
        let outlier = outlier.as_ref().map(|(who, view)| (*who, view.as_slice()));
        let checker = &mut self.checkers.membership_converges;
        let verdict = checker.look(since, outlier, &truth);
        self.demand("membership_converges", verdict);
    }

    /// The first process that does not hold exactly these alive, and whom it does.
    fn outlier(&mut self, truth: &[Peer]) -> Option<(Peer, Vec<Peer>)> {
        let lives = self.lives;
        for process in self.hosts.iter_mut().filter_map(|it| it.process.as_mut()) {
            let members = process.node.view().membership();
            let state = Some((members.changes(), lives));
            if process.agreed == state {
                continue;
            }
            let alive = || {
                let alive = members.members().filter(|it| it.state == State::Alive);
                alive.map(|member| member.peer())
            };
            if !alive().eq(truth.iter().copied()) {
                return Some((process.node.view().me(), alive().collect()));
            }
            process.agreed = state;
        }
        None
    }

    /// Leads, and no majority of the voters is there with a way to it and back.
    pub(super) fn is_lonely_leader(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let leads = |process: &Process| process.standing.role == Role::Leader;
        if host.paused || host.is_behind() || !host.process.as_ref().is_some_and(leads) {
            return false;
        }
        let Some(process) = &host.process else {
            return false;
        };
        let is_reachable = |node: &&NodeId| {
            let other = usize::try_from(node.0 - 1).unwrap_or(usize::MAX);
            let Some(host) = self.hosts.get(other) else {
                return false;
            };
            let is_cut = self.ways.is_cut(index, other) || self.ways.is_cut(other, index);
            host.is_up() && !host.paused && !is_cut
        };
        sides(&process.voters)
            .any(|side| 2 * side.iter().filter(is_reachable).count() <= side.len())
    }

    /// Every node must have what was acknowledged, if there was time to heal and enough are left to
    /// decide; else none may have applied the log beyond it without it.
    fn look_at_acknowledged(&mut self) {
        let heal = self.plan.heal;
        let settled = self.checkers.progress.core.is_able()
            && heal.is_some_and(|heal| heal.plus(SETTLED) <= self.plan.end);
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
        let beyond = |at, commit| at <= commit;
        let mut lost: BTreeSet<LogIndex> = hosts()
            .flat_map(|index| self.missing(index, beyond))
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
            if at <= raft.base() {
                // A snapshot stands for it, and tells the same as all others of its index.
                return self.checkers.applied_agree.request(at);
            }
            let entry = raft.entry(at).filter(|_| at <= commit)?;
            let envelope = codec::decode::<Envelope>(&entry.data).ok()?;
            Some((envelope.client, envelope.request))
        };
        let missing = self.checkers.acknowledged_survive.missing(has);
        missing.filter(|at| should(*at, commit)).collect()
    }
}
