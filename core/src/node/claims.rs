//! Two processes, one node id: who comes second is turned away, by name, while the first one lives.
//!
//! A connection whose other end claims an id under another life and another address than the member
//! table has for it is kept at the door: its messages wait. The life in the table is asked directly
//! whether it is there. If it answers, the newcomer is told so and hung up on; if nobody answers
//! within a probe period, or nobody listens there, it was a restart at another address, and the
//! newcomer is let in with what it has said.
//!
//! * I1: a restart at the same address is never kept waiting: the old process cannot be there.
//! * I2: at most [`CLAIMS_MAX`] claims, one per id, each of at most [`OUTBOX_MAX`] messages and one
//!   probe period.
//! * I3: who is kept at the door reaches no subsystem.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::cascade::{Work, over, send};
use super::{Action, Event, Node, OUTBOX_MAX, links};
use crate::id::{LinkId, NodeId, Peer};
use crate::membership::{self, Ping, Reason, TurnedAway};
use crate::time::{Deadline, Time, Timers, Wake};
use crate::wire::Message;

/// Claims at a time; whoever comes then is hung up on and tries again.
const CLAIMS_MAX: usize = 64;

/// A connection that is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Arrival {
    pub(super) link: LinkId,
    pub(super) peer: Peer,
    pub(super) address: SocketAddr,
    pub(super) dialed: bool,
}

/// A newcomer at the door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    arrival: Arrival,
    /// Where the life in the table listens.
    held_by: SocketAddr,
    /// The number of the ping that asks it.
    probe: u64,
    messages: Vec<Message>,
}

/// All newcomers at the door, by the id they claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Claims {
    waiting: BTreeMap<NodeId, Claim>,
    timers: Timers<NodeId>,
}

impl Claims {
    /// When a claim is granted for want of an answer.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.timers.deadline(Wake::Claim)
    }

    fn take(&mut self, node: NodeId) -> Option<Claim> {
        self.timers.stop(&node);
        self.waiting.remove(&node)
    }

    /// The claim made over that connection.
    fn over(&mut self, link: LinkId) -> Option<&mut Claim> {
        let mut claims = self.waiting.values_mut();
        claims.find(|claim| claim.arrival.link == link)
    }

    /// Whether whoever is at the other end of a connection is kept at the door.
    pub(super) fn is_at_door(&self, link: LinkId) -> bool {
        let mut claims = self.waiting.values();
        claims.any(|claim| claim.arrival.link == link)
    }

    /// Of two connections with one who claims this id, the one not to keep: both ends keep the one
    /// that the lower id dialled, as everywhere ([`links`]).
    fn settle(&mut self, me: NodeId, new: Arrival) -> Option<Arrival> {
        let claim = self.waiting.get_mut(&new.peer.node)?;
        let dialer = |it: Arrival| if it.dialed { me } else { it.peer.node };
        let old = claim.arrival;
        if new.peer == old.peer && dialer(new) < dialer(old) {
            claim.arrival = new;
            return Some(old);
        }
        Some(new)
    }
}

impl Node {
    /// A connection came up: it goes to its place, or is kept at the door.
    pub(super) fn on_arrival(&mut self, now: Time, arrival: Arrival, actions: &mut Vec<Action>) {
        if let Some(at) = self.removed_at(arrival.peer.node) {
            return self.turn_away(now, arrival, Reason::Removed { at }, actions);
        }
        let Some(held_by) = self.contested(arrival) else {
            return self.let_in(now, arrival, actions);
        };
        let node = arrival.peer.node;
        if let Some(other) = self.claims.settle(self.me.node, arrival) {
            return self.hang_up(now, other, actions);
        }
        if self.claims.waiting.len() >= CLAIMS_MAX {
            return self.hang_up(now, arrival, actions);
        }
        let probe = self.membership.next_probe();
        let claim = Claim {
            arrival,
            held_by,
            probe,
            messages: Vec::new(),
        };
        self.claims.waiting.insert(node, claim);
        let grace = self.config.membership.probe_interval;
        self.claims.timers.set(node, now + grace);
        let updates = Vec::new();
        let ping = membership::Message::Ping(Ping { probe, updates });
        self.cascade(now, send(node, Message::Membership(ping)), actions);
        if self.links.active(node).is_none() {
            // Whatever happened to earlier dials, the newcomer waits now.
            let address = held_by;
            let dial = links::Input::Dial { address };
            self.cascade(now, Work::Links(dial), actions);
        }
    }

    /// Where another live process has the id of whoever arrives.
    fn contested(&self, arrival: Arrival) -> Option<SocketAddr> {
        let peer = arrival.peer;
        let member = self.membership.member(peer.node)?;
        // An address we dialled may be another name of the one that is announced.
        let is_same_life = member.peer() == peer && arrival.dialed;
        let is_in = self.links.active_peer(peer.node) == Some(peer) && member.peer() != peer;
        let is_elsewhere = member.address != arrival.address;
        let contests = member.state.is_live() && is_elsewhere && !is_same_life && !is_in;
        contests.then_some(member.address)
    }

    /// True when the message belongs to a newcomer at the door, or was the answer about one.
    pub(super) fn is_kept(
        &mut self,
        now: Time,
        link: LinkId,
        message: &Message,
        actions: &mut Vec<Action>,
    ) -> bool {
        if self.claims.waiting.is_empty() {
            return false;
        }
        if let Some(claim) = self.claims.over(link) {
            if claim.messages.len() < OUTBOX_MAX {
                claim.messages.push(message.clone());
            }
            return true;
        }
        let Message::Membership(membership::Message::Ack(ack)) = message else {
            return false;
        };
        let Some(node) = self.links.node(link) else {
            return false;
        };
        let asked = self.claims.waiting.get(&node).map(|claim| claim.probe);
        if asked == Some(ack.probe) && ack.alive == node {
            self.on_answer(now, node, actions);
        }
        false
    }

    /// Whoever has the id answered.
    fn on_answer(&mut self, now: Time, node: NodeId, actions: &mut Vec<Action>) {
        let holder = self.links.active_peer(node);
        let Some(claim) = self.claims.take(node) else {
            return;
        };
        let arrival = claim.arrival;
        if holder == Some(arrival.peer) && !self.is_table_life(arrival.peer) {
            return self.grant(now, claim, actions);
        }
        let by = claim.held_by;
        self.turn_away(now, arrival, Reason::NameTaken { by }, actions);
    }

    fn is_table_life(&self, peer: Peer) -> bool {
        let member = self.membership.member(peer.node);
        member.is_some_and(|member| member.peer() == peer)
    }

    /// Nobody listens at an address: whoever was there is gone.
    pub(super) fn on_nobody_there(
        &mut self,
        now: Time,
        address: SocketAddr,
        actions: &mut Vec<Action>,
    ) {
        let waiting = self.claims.waiting.iter();
        let freed: Vec<NodeId> = waiting
            .filter(|(_, claim)| claim.held_by == address)
            .map(|(node, _)| *node)
            .collect();
        for node in freed {
            if let Some(claim) = self.claims.take(node) {
                self.grant(now, claim, actions);
            }
        }
    }

    /// A newcomer did not wait.
    pub(super) fn on_door_closed(&mut self, link: LinkId) {
        if let Some(node) = self.claims.over(link).map(|claim| claim.arrival.peer.node) {
            self.claims.take(node);
        }
    }

    /// Grants the claims that nobody contested in time.
    pub(super) fn on_claim_timer(&mut self, now: Time, actions: &mut Vec<Action>) {
        while let Some(node) = self.claims.timers.fire(now) {
            if let Some(claim) = self.claims.waiting.remove(&node) {
                self.grant(now, claim, actions);
            }
        }
    }

    fn grant(&mut self, now: Time, claim: Claim, actions: &mut Vec<Action>) {
        let Arrival { link, peer, .. } = claim.arrival;
        let old = self.links.active_peer(peer.node);
        if let Some(dead) = self.links.active(peer.node).filter(|_| old != Some(peer)) {
            actions.push(Action::Hangup { link: dead });
            let down = links::Input::Down { link: dead };
            self.cascade(now, Work::Links(down), actions);
        }
        self.let_in(now, claim.arrival, actions);
        for message in claim.messages {
            self.step(now, Event::Received { link, message }, actions);
        }
    }

    fn let_in(&mut self, now: Time, arrival: Arrival, actions: &mut Vec<Action>) {
        let Arrival {
            link,
            peer,
            address,
            dialed,
        } = arrival;
        if dialed {
            self.on_answered_dial(address, peer.node, actions);
        }
        let up = links::Input::Up {
            link,
            peer,
            address,
            dialed,
        };
        self.cascade(now, Work::Links(up), actions);
    }

    /// Says why not, and hangs up.
    pub(super) fn turn_away(
        &mut self,
        now: Time,
        arrival: Arrival,
        reason: Reason,
        actions: &mut Vec<Action>,
    ) {
        let turned_away = membership::Message::TurnedAway(TurnedAway { reason });
        let message = Message::Membership(turned_away);
        actions.push(over(arrival.link, arrival.peer.node, message));
        self.hang_up(now, arrival, actions);
    }

    fn hang_up(&mut self, now: Time, arrival: Arrival, actions: &mut Vec<Action>) {
        actions.push(Action::Hangup { link: arrival.link });
        if arrival.dialed {
            // To whoever dialled, nobody that matters was there.
            let address = arrival.address;
            let failed = links::Input::DialFailed { address };
            self.cascade(now, Work::Links(failed), actions);
        }
    }
}
