//! The state that nodes write about themselves: who writes what, and showing it to the checkers.

use quorate_core::gossip::{self, Change};
use quorate_core::health::PartitionStatus;
use quorate_core::id::{NodeId, Ticket};
use quorate_core::membership::State;
use quorate_core::node::{Action, Command, Event};
use quorate_core::payload::Payload;
use quorate_core::wire::Message;

use super::World;
use crate::checkers::cut_is_seen;
use crate::marks::Mark;

/// Some node writes so often, and so often is looked at what all hold.
pub(super) const TURN_NS: u64 = 500_000_000;
/// One look reads what at most so many nodes hold.
const PART: usize = 100;
/// Up to so many nodes, every third node is asked about every pair.
const PART_OF_PAIRS: usize = 9;
/// Keys that are written again and again.
const KEYS: u64 = 5;
/// Keys that are written and deleted in a burst: more than an owner remembers.
const BURST: u64 = 70;

impl World {
    /// Some node writes; after the heal nobody does, so that all can come to agree.
    pub(super) fn write_states(&mut self) {
        let index = self.writers.index(self.hosts.len());
        let (kind, key) = (self.writers.below(100), self.writers.below(KEYS));
        let host = &self.hosts[index];
        if !host.is_up() || host.paused || self.now >= self.plan.heal.unwrap_or(self.plan.end).ns()
        {
            return;
        }
        let key = format!("key-{key}");
        match kind {
            0..=74 => self.write_state(index, key),
            75..=96 => self.command_state(index, Command::DeleteState { key }),
            _ => {
                for number in 0..BURST {
                    let key = format!("burst-{number}");
                    self.write_state(index, key.clone());
                    self.command_state(index, Command::DeleteState { key });
                }
            }
        }
    }

    fn write_state(&mut self, index: usize, key: String) {
        let value = Payload::copy_from(&self.now.to_le_bytes());
        self.command_state(index, Command::SetState { key, value });
    }

    fn command_state(&mut self, index: usize, command: Command) {
        let ticket = Ticket(0);
        self.step(index, Event::Command { ticket, command });
    }

    /// What a node wrote of itself in a step, for the host or by itself. A step may write a key
    /// more than once, and tell what it wrote in between: that is found in what it sends.
    pub(super) fn witness_state(&mut self, index: usize, actions: &[Action]) {
        let Some(process) = self.hosts[index].process.as_mut() else {
            return;
        };
        let view = process.node.view();
        let (me, gossip) = (view.me(), view.gossip());
        let checker = &mut self.checkers.state_is_owned;
        let mut told = told(actions).filter(|change| change.owner == me);
        let mut verdict = told.try_for_each(|own| checker.wrote(own));
        let stats = gossip.stats();
        if process.state_writes != stats.writes {
            let own = gossip.writes().find(|change| change.owner == me);
            process.state_writes = stats.writes;
            if stats.resets > 0 {
                self.marks.hit(Mark::StateReset);
            }
            verdict = verdict.and_then(|()| own.map_or(Ok(()), |own| checker.wrote(&own)));
        }
        self.demand("state_is_owned", verdict);
    }

    /// What the processes hold of everyone. In a large cluster a look goes to a part of them.
    pub(super) fn look_at_states(&mut self) {
        let nodes = self.hosts.len();
        let (part, turn) = (
            nodes.min(PART),
            usize::try_from(self.now / TURN_NS).unwrap_or(0),
        );
        for step in 0..part {
            self.look_at_state((turn * part + step) % nodes);
        }
        let up = self
            .hosts
            .iter()
            .filter_map(|host| Some((host.id, host.process.as_ref()?)));
        let digests = up.map(|(id, process)| (id, process.node.view().gossip().digest()));
        let heal = self.plan.heal.unwrap_or(self.plan.end).ns();
        let agreed = self.checkers.membership_converges.converged_after();
        if self.is_anyone_taken_for_live() {
            self.unsettled_at = self.now;
        }
        let settled = |after| self.unsettled_at.max(heal + after);
        let since = agreed.map_or(0, |after| self.now.saturating_sub(settled(after)));
        let verdict = self.checkers.state_converges.look(since, nodes, digests);
        self.demand("state_converges", verdict);
        if nodes <= PART_OF_PAIRS {
            self.look_at_cuts();
        }
        let all_are_up = self.hosts.iter().all(|host| host.process.is_some());
        if self.now >= heal && agreed.is_some() && all_are_up {
            self.look_for_whole(since);
        }
    }

    /// Whether somebody still waits for a word of one that is gone: a suspect's state is kept, and
    /// told to those who have given it up.
    fn is_anyone_taken_for_live(&self) -> bool {
        let up = || self.hosts.iter().filter_map(|host| host.process.as_ref());
        let others = up().count().saturating_sub(1);
        up().any(|process| process.node.view().membership().live_others() > others)
    }

    /// Whoever hears both ends of a cut, and holds both alive, has to see it.
    fn look_at_cuts(&mut self) {
        let nodes = self.hosts.len();
        for (one, other) in (0..nodes).flat_map(|one| (one + 1..nodes).map(move |it| (one, it))) {
            let is_cut = self.ways.is_cut(one, other) && self.ways.is_cut(other, one);
            for third in (0..nodes).filter(|third| ![one, other].contains(third)) {
                let ends = [one, other].map(|end| self.hosts[end].id);
                let hears = |end| !self.ways.is_cut(third, end) && !self.ways.is_cut(end, third);
                let between = is_cut && hears(one) && hears(other);
                let is_up = |host: usize| {
                    let host = &self.hosts[host];
                    let process = host.process.as_ref().filter(|process| process.started);
                    process.filter(|_| !host.paused)
                };
                let ends_are_up = is_up(one).is_some() && is_up(other).is_some();
                let seen = is_up(third)
                    .filter(|_| between && ends_are_up)
                    .and_then(|process| {
                        let view = process.node.view();
                        let holds = |end: &NodeId| {
                            let member = view.membership().member(*end);
                            member.is_some_and(|member| member.state == State::Alive)
                        };
                        let is_whole = *view.health().status() == PartitionStatus::Whole;
                        ends.iter().all(holds).then_some(!is_whole)
                    });
                let place = (self.hosts[third].id, ends);
                let verdict = self.checkers.cut_is_seen.look(self.now, place, seen);
                self.demand("cut_is_seen", verdict);
            }
        }
    }

    /// Once the members agree, nobody goes on seeing a partition.
    fn look_for_whole(&mut self, since: u64) {
        let up = self
            .hosts
            .iter()
            .filter_map(|host| Some((host.id, host.process.as_ref()?)));
        let partitioned = up.filter(|(_, process)| {
            *process.node.view().health().status() != PartitionStatus::Whole
        });
        let first = partitioned.map(|(id, _)| id).next();
        let verdict = cut_is_seen::whole(since, self.hosts.len(), first);
        self.demand("cut_is_seen", verdict);
    }

    fn look_at_state(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        let gossip = process.node.view().gossip();
        let digest = Some(gossip.digest());
        if process.state_seen == digest {
            return;
        }
        let held: Vec<Change> = gossip.writes().collect();
        let stats = gossip.stats();
        process.state_seen = digest;
        if stats.entries_taken > 0 && stats.deltas_received > 0 {
            self.marks.hit(Mark::StateCaughtUp);
        }
        let owned = self.checkers.state_is_owned.holds(id, &held);
        self.demand("state_is_owned", owned);
        let rises = self.checkers.state_rises.holds(id, &held);
        self.demand("state_rises", rises);
    }
}

/// The entries that are on their way to others.
fn told(actions: &[Action]) -> impl Iterator<Item = &Change> {
    let messages = actions.iter().filter_map(|action| {
        if let Action::Send { message, .. } = action {
            Some(message)
        } else {
            None
        }
    });
    messages.flat_map(|message| {
        if let Message::Gossip(gossip::Message::News(news)) = message {
            &news.changes[..]
        } else if let Message::Gossip(gossip::Message::Delta(delta)) = message {
            &delta.changes[..]
        } else {
            &[]
        }
    })
}
