//! Probing on another member's behalf (SWIM §3.1), with the relay's own "no" (Lifeguard §IV-A).
//!
//! Invariants: I1 at most one errand per requester and [`RELAYS_MAX`] in all, so no peer can make
//! us ping without bound. I2 every errand ends with exactly one `Ack` or `Nack` to its requester,
//! unless a newer one replaces it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::message::{Ack, Message, Nack, Ping, PingReq, State};
use super::{Membership, Output};
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timers, Wake};

/// Errands at a time.
const RELAYS_MAX: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Errand {
    requester: NodeId,
    /// The requester's number.
    probe: u64,
    target: NodeId,
}

/// The errands under way, by the number of our own ping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Relays {
    errands: BTreeMap<u64, Errand>,
    numbers: BTreeMap<NodeId, u64>,
    timers: Timers<u64>,
}

impl Relays {
    /// Whom the ping of that number went to.
    pub(super) fn target(&self, number: u64) -> Option<NodeId> {
        self.errands.get(&number).map(|errand| errand.target)
    }

    /// Drops all errands.
    pub(super) fn clear(&mut self) {
        *self = Relays::default();
    }

    /// When the first errand is over.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.timers.deadline(Wake::ProbeTimeout)
    }

    fn insert(&mut self, number: u64, errand: Errand, until: Time) {
        self.numbers.insert(errand.requester, number);
        self.errands.insert(number, errand);
        self.timers.set(number, until);
    }

    fn remove(&mut self, number: u64) -> Option<Errand> {
        self.timers.stop(&number);
        let errand = self.errands.remove(&number)?;
        self.numbers.remove(&errand.requester);
        Some(errand)
    }
}

impl Membership {
    /// "Ask it for me."
    pub(super) fn on_ping_req(
        &mut self,
        now: Time,
        from: NodeId,
        request: PingReq,
        out: &mut Vec<Output>,
    ) {
        let PingReq {
            probe,
            target,
            updates,
        } = request;
        let about_me = self.merge(now, from, updates, out);
        if target == self.me.node {
            let first = self.personal(from, about_me);
            let updates = self.piggyback(first);
            self.send_ack(from, probe, updates, out);
            return;
        }
        self.send_answer(now, from, about_me, true, out);
        if self.planted.is(Mutant::RelayNeverAnswers) {
            return;
        }
        if let Some(old) = self.relays.numbers.get(&from).copied() {
            self.relays.remove(old);
        }
        let known = self
            .table
            .known(target)
            .is_some_and(|m| m.state != State::Left);
        if !known || self.relays.errands.len() >= RELAYS_MAX {
            self.send_nack(from, probe, out);
            return;
        }
        let number = self.prober.next_number();
        let errand = Errand {
            requester: from,
            probe,
            target,
        };
        // The requester waits for the rest of its period; a fifth of it is left for our answer to
        // travel.
        let rest = self
            .config
            .probe_interval
            .saturating_sub(self.config.probe_timeout);
        self.relays.insert(number, errand, now + rest * 4 / 5);
        let first = self.accusation(target);
        let updates = self.piggyback(first);
        let ping = Ping {
            probe: number,
            updates,
        };
        self.send(target, Message::Ping(ping), out);
    }

    /// The target answered us: tell the requester.
    pub(super) fn send_relayed_ack(
        &mut self,
        number: u64,
        incarnation: Incarnation,
        out: &mut Vec<Output>,
    ) {
        let Some(errand) = self.relays.remove(number) else {
            return;
        };
        let updates = self.piggyback(Vec::new());
        let ack = Ack {
            probe: errand.probe,
            alive: errand.target,
            incarnation,
            fingerprint: self.table.fingerprints().all(),
            updates,
        };
        self.send(errand.requester, Message::Ack(ack), out);
    }

    /// The target did not answer us in time either.
    pub(super) fn on_relay_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(number) = self.relays.timers.fire(now) {
            if let Some(errand) = self.relays.remove(number) {
                self.send_nack(errand.requester, errand.probe, out);
            }
        }
    }

    fn send_nack(&mut self, to: NodeId, probe: u64, out: &mut Vec<Output>) {
        if self.config.lifeguard.nacks {
            self.send(to, Message::Nack(Nack { probe }), out);
        }
    }
}
