//! Showing the checkers what a node believes of the others.

use quorate_core::id::{Incarnation, NodeId, Peer};
use quorate_core::membership::{Fact, Member, State};

use super::World;
use super::heard::Before;
use crate::checkers::{accused_refute, no_suspicion_without_faults};
use crate::expect::Belief;
use crate::marks::Mark;

impl World {
    pub(super) fn witness_fact(&mut self, index: usize, fact: &Fact) {
        let id = self.hosts[index].id;
        let is_quiet = !self.is_troubled && self.plan.is_calm();
        self.witness_belief(index, about(fact));
        match *fact {
            Fact::Suspected { peer, .. } => {
                self.sightings
                    .believes(self.now, id, peer.node, Belief::Suspected);
                self.checkers.suspects_may_refute.suspected(peer, self.now);
                let verdict = no_suspicion_without_faults::check(id, peer, is_quiet);
                self.demand("no_suspicion_without_faults", verdict);
            }
            Fact::Died { peer, .. } => {
                self.sightings
                    .believes(self.now, id, peer.node, Belief::Dead);
                let verdict = self.checkers.suspects_may_refute.died(id, peer, self.now);
                self.demand("suspects_may_refute", verdict);
                self.witness_gone(id, peer);
                if self.lives(peer) {
                    self.marks.hit(Mark::FalseDeath);
                }
            }
            Fact::Left { peer } => {
                self.witness_gone(id, peer);
                self.marks.hit(Mark::LifeReplaced);
            }
            Fact::Joined(_) | Fact::Refuted { .. } | Fact::Moved { .. } => {}
        }
    }

    pub(super) fn witness_accusation(&mut self, index: usize, before: &Before) {
        let process = self.hosts[index].process.as_ref();
        if let (Some(accused), Some(process)) = (before.accused, process) {
            let membership = process.node.view().membership();
            // A node that died too often lately waits before it comes back; who leaves is gone.
            let own = membership.member(self.hosts[index].id);
            let leaves = own.is_some_and(|own| own.state == State::Left);
            if leaves || membership.is_on_probation() {
                return;
            }
            let after = membership.incarnation();
            let verdict = accused_refute::check(self.hosts[index].id, accused, after);
            self.demand("accused_refute", verdict);
        }
    }

    fn witness_gone(&mut self, by: NodeId, peer: Peer) {
        self.checkers.roles_stay.gone(peer);
        self.checkers.leader_is_kept.doubts(by, Some(peer.node));
    }

    fn lives(&self, peer: Peer) -> bool {
        let processes = self.hosts.iter().filter_map(|host| host.process.as_ref());
        processes.into_iter().any(|it| it.node.view().me() == peer)
    }

    /// Shows what a node believes of all members, if any of it is new.
    pub(super) fn witness_beliefs(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let (believer, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        let members = process.node.view().membership();
        if process.members_seen == Some(members.changes()) {
            return;
        }
        process.members_seen = Some(members.changes());
        let (rise, own) = (
            &mut self.checkers.beliefs_rise,
            &mut self.checkers.incarnation_is_own,
        );
        let mut owned = own.has(believer, members.incarnation());
        let mut risen = Ok(());
        for member in members.members() {
            risen = risen.and(rise.believes(believer, member.node, held(&member)));
            owned = owned.and(own.believed(believer, member.node, member.incarnation));
        }
        self.demand("beliefs_rise", risen);
        self.demand("incarnation_is_own", owned);
    }

    /// Shows that a node has raised its own incarnation, whatever made it do so.
    pub(super) fn witness_incarnation(&mut self, index: usize, before: &Before) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let own = process.node.view().membership().incarnation();
        if own != before.incarnation {
            let verdict = self
                .checkers
                .incarnation_is_own
                .has(self.hosts[index].id, own);
            self.demand("incarnation_is_own", verdict);
        }
    }

    /// Shows what a node believes of one member.
    pub(super) fn witness_belief(&mut self, index: usize, of: NodeId) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let (believer, members) = (self.hosts[index].id, process.node.view().membership());
        let own = &mut self.checkers.incarnation_is_own;
        let mut owned = own.has(believer, members.incarnation());
        let mut risen = Ok(());
        if let Some(member) = members.member(of) {
            let rise = &mut self.checkers.beliefs_rise;
            risen = rise.believes(believer, member.node, held(&member));
            owned = owned.and(own.believed(believer, member.node, member.incarnation));
        }
        self.demand("beliefs_rise", risen);
        self.demand("incarnation_is_own", owned);
    }
}

/// Whom a fact is about.
fn about(fact: &Fact) -> NodeId {
    match fact {
        Fact::Joined(member) => member.node,
        Fact::Suspected { peer, .. }
        | Fact::Refuted { peer }
        | Fact::Died { peer, .. }
        | Fact::Left { peer }
        | Fact::Moved { peer, .. } => peer.node,
    }
}

fn held(member: &Member) -> (Incarnation, State) {
    (member.incarnation, member.state)
}
