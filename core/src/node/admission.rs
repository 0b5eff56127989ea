//! Members added and removed by the host.
//!
//! A removal is an entry of the control log. A node that it removes and that does not vote (any
//! more) is *barred*: every node that has applied the entry holds it to have left, ends its
//! connections and turns it away. A voter first loses its vote, by the electorate, because the
//! removal of a vote needs the agreement of those who stay.
//!
//! To add a node is to dial it until it is a member. The exchange of member lists that follows a
//! dial introduces it.
//!
//! * I1: the barred are the removed without the voters, after every change of either.
//! * I2: every `AddNode` is answered exactly once.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::cascade::Work;
use super::claims::Arrival;
use super::{Action, Answer, Node, Refusal, links};
use crate::id::{LogIndex, NodeId, Ticket};
use crate::membership::{self, Member, Reason};
use crate::notice::Notice;
use crate::time::{Deadline, Time, Timers, Wake};

/// Nodes that are being added at a time.
const ADDING_MAX: usize = 64;

/// Who is being added, and who is barred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Admission {
    adding: BTreeMap<NodeId, (Ticket, SocketAddr)>,
    patience: Timers<NodeId>,
    barred: BTreeMap<NodeId, LogIndex>,
}

impl Admission {
    /// When an addition is given up.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.patience.deadline(Wake::Membership)
    }

    fn take(&mut self, node: NodeId) -> Option<(Ticket, SocketAddr)> {
        self.patience.stop(&node);
        self.adding.remove(&node)
    }
}

impl Node {
    /// The entry that keeps a node out, if one does.
    pub(super) fn removed_at(&self, node: NodeId) -> Option<LogIndex> {
        self.admission.barred.get(&node).copied()
    }

    /// Dial a node until it is a member. The answer comes then, except a refusal that is sure.
    pub(super) fn on_add_node(
        &mut self,
        now: Time,
        ticket: Ticket,
        node: NodeId,
        address: SocketAddr,
        actions: &mut Vec<Action>,
    ) {
        let member = self.membership.member(node);
        let answer = if let Some(member) = member.filter(|member| member.state.is_live()) {
            Ok(Answer::Added(member))
        } else if let Some(at) = self.control.state().removed().get(&node) {
            Err(Refusal::Removed { node, at: *at })
        } else if self.admission.adding.contains_key(&node) {
            Err(Refusal::Pending)
        } else if self.admission.adding.len() >= ADDING_MAX {
            Err(Refusal::Busy)
        } else {
            self.admission.adding.insert(node, (ticket, address));
            let patience = self.config.membership.join_timeout;
            self.admission.patience.set(node, now + patience);
            let seek = membership::Input::Seek { address };
            return self.cascade(now, Work::Membership(seek), actions);
        };
        actions.push(Action::Reply { ticket, answer });
    }

    /// Someone joined: perhaps who was to be added.
    pub(super) fn on_added(&mut self, member: &Member, actions: &mut Vec<Action>) {
        if let Some((ticket, _)) = self.admission.take(member.node) {
            let answer = Ok(Answer::Added(member.clone()));
            actions.push(Action::Reply { ticket, answer });
        }
    }

    /// Someone answered at an address: perhaps not who was to be added there.
    pub(super) fn on_answered_dial(
        &mut self,
        address: SocketAddr,
        found: NodeId,
        actions: &mut Vec<Action>,
    ) {
        let adding = self.admission.adding.iter();
        let deceived: Vec<NodeId> = adding
            .filter(|(node, (_, at))| *at == address && **node != found)
            .map(|(node, _)| *node)
            .collect();
        for expected in deceived {
            if let Some((ticket, address)) = self.admission.take(expected) {
                let answer = Err(Refusal::OtherNode {
                    address,
                    expected,
                    found,
                });
                actions.push(Action::Reply { ticket, answer });
            }
        }
    }

    /// Gives up additions whose time is over; the address is dialled on.
    pub(super) fn on_adding_timer(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some(node) = self.admission.patience.fire(now) {
            if let Some((ticket, address)) = self.admission.adding.remove(&node) {
                let seeds = Vec::from([address]);
                let answer = Err(Refusal::NobodyAnswered { seeds });
                actions.push(Action::Reply { ticket, answer });
            }
        }
    }

    /// Other nodes are removed, or others vote: bars whom the two together bar (I1).
    pub(super) fn settle_barred(&mut self, now: Time, actions: &mut Vec<Action>) {
        let removed = self.control.state().removed().iter();
        let voters = self.raft.voters();
        let barred: BTreeMap<NodeId, LogIndex> = removed
            .filter(|(node, _)| !voters.contains(**node))
            .map(|(node, at)| (*node, *at))
            .collect();
        if barred == self.admission.barred {
            return;
        }
        let old = core::mem::replace(&mut self.admission.barred, barred);
        let all: BTreeSet<NodeId> = self.admission.barred.keys().copied().collect();
        let bar = membership::Input::Bar(all);
        self.cascade(now, Work::Membership(bar), actions);
        for (node, at) in self.admission.barred.clone() {
            if !old.contains_key(&node) {
                actions.push(Action::Notify(Notice::Removed { node, at }));
                self.expel(now, node, Reason::Removed { at }, actions);
            }
        }
    }

    /// Says why to a node, and hangs up.
    pub(super) fn expel(
        &mut self,
        now: Time,
        node: NodeId,
        reason: Reason,
        actions: &mut Vec<Action>,
    ) {
        // Behind the connection in use there may be a spare one.
        while let (Some(link), Some(peer)) = (self.links.active(node), self.links.active_peer(node))
        {
            let arrival = Arrival {
                link,
                peer,
                address: self.config.address,
                dialed: false,
            };
            self.turn_away(now, arrival, reason, actions);
            let down = links::Input::Down { link };
            self.cascade(now, Work::Links(down), actions);
        }
    }
}
