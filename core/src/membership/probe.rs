//! Probing (SWIM §3.1): each period one live member is pinged; without an answer in time, relays
//! are asked to ping it; without an answer by the end of the period, it is accused.
//!
//! Invariants: I1 at most one probe of our own is outstanding. I2 one timer for the period, one for
//! the direct phase. I3 a broken connection advances a probe but is no verdict, and the extra
//! probes stay below one per period.
//!
//! Deliberately absent: a second channel for datagrams. All messages share one connection per pair
//! of nodes, which is reliable while it lasts, so memberlist's "stream ping" has no counterpart.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::health::HEARD_BY_RELAYS_ONLY;
use super::message::{Ack, Evidence, Gossip, Message, Nack, Ping, PingReq, State, Update};
use super::{Membership, Output, PeerFault};
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timer, Wake};

/// Members whose connection broke, waiting to be probed out of turn.
const URGENT_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Probe {
    number: u64,
    target: NodeId,
    /// The life and refutation that a failure accuses.
    incarnation: Incarnation,
    relays: Vec<NodeId>,
    /// The relays that heard nothing either.
    nacks: Vec<NodeId>,
}

/// The probes of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Prober {
    outstanding: Option<Probe>,
    /// The last number given to a ping, for ourselves or as a relay.
    last_number: u64,
    first_number: u64,
    period: Timer,
    patience: Timer,
    urgent: BTreeSet<NodeId>,
    /// The last probe was out of turn, so the next is not: flapping links must not starve the
    /// sweep.
    was_urgent: bool,
    early_allowed_at: Time,
}

impl Prober {
    /// No probe yet. Numbers begin at the life's own incarnation, so that answers meant for an
    /// earlier life are told from answers to nothing.
    pub(super) fn new(incarnation: Incarnation) -> Prober {
        Prober {
            outstanding: None,
            last_number: incarnation.0,
            first_number: incarnation.0,
            period: Timer::stopped(),
            patience: Timer::stopped(),
            urgent: BTreeSet::new(),
            was_urgent: false,
            early_allowed_at: Time::ZERO,
        }
    }

    /// A number no other ping of this life has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// True when this life or an earlier one may have sent a ping of that number.
    fn was_issued(&self, number: u64) -> bool {
        number > self.first_number.min(Incarnation::of_boot(1).0) && number <= self.last_number
    }

    /// Stops probing.
    pub(super) fn stop(&mut self) {
        self.outstanding = None;
        self.period.stop();
        self.patience.stop();
        self.urgent.clear();
    }

    /// Gives the outstanding probe up without a verdict and probes again at once.
    pub(super) fn restart(&mut self, now: Time) {
        if let Some(probe) = self.outstanding.take() {
            self.urgent.insert(probe.target);
            self.was_urgent = false;
        }
        self.patience.stop();
        if self.period.is_set() {
            self.period.set(now);
        }
    }

    /// When probing has to act next.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let patience = self.patience.deadline(Wake::ProbeTimeout);
        Deadline::earliest(self.period.deadline(Wake::Probe), patience)
    }
}

impl Membership {
    /// "Are you there?" The answer carries what the prober must hear about itself.
    pub(super) fn on_ping(&mut self, now: Time, from: NodeId, ping: Ping, out: &mut Vec<Output>) {
        let about_me = self.merge(now, from, ping.updates, out);
        let first = self.personal(from, about_me);
        let updates = self.piggyback(first);
        self.send_ack(from, ping.probe, updates, out);
        if self.table.known(from).is_none() {
            self.send_join_to_stranger(now, from, out);
        }
    }

    /// The answer to a probe of ours, or to one we sent as a relay.
    pub(super) fn on_ack(&mut self, now: Time, from: NodeId, ack: Ack, out: &mut Vec<Output>) {
        let Ack {
            probe: number,
            alive,
            incarnation,
            fingerprint,
            updates,
        } = ack;
        let about_me = self.merge(now, from, updates, out);
        self.send_answer(now, from, about_me, false, out);
        let current = self.prober.outstanding.as_ref();
        if let Some(probe) = current.filter(|probe| probe.number == number) {
            let from_asked = from == probe.target || probe.relays.contains(&from);
            if !from_asked || alive != probe.target {
                self.report(from, PeerFault::UnexpectedAck, out);
                return;
            }
            if self.planted.is(Mutant::AnswerDoesNotCount) {
                return;
            }
            let is_prompt = probe.relays.is_empty();
            self.prober.outstanding = None;
            self.prober.patience.stop();
            self.stats.acks += 1;
            if from != alive {
                self.stats.indirect_acks += 1;
                self.health.worsen(HEARD_BY_RELAYS_ONLY);
            } else if is_prompt {
                self.health.improve();
            }
            self.hear(now, from, alive, incarnation, out);
            self.compare(now, from, fingerprint, out);
        } else if let Some(expected) = self.relays.target(number) {
            if from != expected || alive != expected {
                self.report(from, PeerFault::UnexpectedAck, out);
                return;
            }
            self.hear(now, from, alive, incarnation, out);
            self.send_relayed_ack(number, incarnation, out);
        } else if !self.prober.was_issued(number) {
            self.report(from, PeerFault::UnexpectedAck, out);
        } else if from == alive {
            // Late, or the answer to an appeal.
            self.hear(now, from, alive, incarnation, out);
        }
    }

    /// The relay lives and did not hear the target either: a witness. When all of them say so, the
    /// rest of the period tells nothing new.
    pub(super) fn on_nack(&mut self, now: Time, from: NodeId, nack: Nack, out: &mut Vec<Output>) {
        self.send_answer(now, from, false, false, out);
        if !self.prober.was_issued(nack.probe) {
            self.report(from, PeerFault::UnexpectedAck, out);
            return;
        }
        let current = self.prober.outstanding.as_mut();
        let Some(probe) = current.filter(|probe| probe.number == nack.probe) else {
            return;
        };
        if probe.relays.contains(&from) && !probe.nacks.contains(&from) {
            probe.nacks.push(from);
            self.stats.nacks += 1;
        }
        if probe.nacks.len() == probe.relays.len() {
            self.conclude(now, out);
        }
    }

    /// The last connection to a node broke: probe it next, at once when no probe is outstanding.
    pub(super) fn probe_soon(&mut self, now: Time, node: NodeId) {
        let live = self
            .table
            .known(node)
            .is_some_and(|member| member.state.is_live());
        if !live || node == self.me.node || self.prober.urgent.len() >= URGENT_MAX {
            return;
        }
        self.prober.urgent.insert(node);
        if self.prober.outstanding.is_none() && now >= self.prober.early_allowed_at {
            self.prober.early_allowed_at = now + self.config.probe_interval;
            self.prober.was_urgent = false;
            self.prober.period.set(now);
        }
    }

    /// The end of the direct phase: ask relays.
    pub(super) fn on_patience_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.prober.patience.fire(now) {
            return;
        }
        let Some(probe) = self.prober.outstanding.as_ref() else {
            return;
        };
        let (number, target) = (probe.number, probe.target);
        // A late tick must not cost the relays their time.
        let rest = self
            .config
            .probe_interval
            .saturating_sub(self.config.probe_timeout);
        self.prober.period.set(now + self.health.stretch(rest));
        let count = self.config.indirect_relays;
        // Twice as many are drawn, so that enough are left without those who are suspect
        // themselves.
        let drawn = self
            .table
            .live()
            .sample(count * 2, Some(target), &mut self.random);
        let well = drawn
            .into_iter()
            .filter(|relay| !self.suspicions.is_held(*relay));
        let relays: Vec<NodeId> = well.take(count).collect();
        for relay in &relays {
            let first = self.accusation(*relay);
            let updates = self.piggyback(first);
            let request = PingReq {
                probe: number,
                target,
                updates,
            };
            self.send(*relay, Message::PingReq(request), out);
        }
        if let Some(probe) = self.prober.outstanding.as_mut() {
            probe.relays = relays;
        }
    }

    /// The end of a period: judge the last probe, begin the next.
    pub(super) fn on_period_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.prober.period.fire(now) {
            return;
        }
        self.prober.patience.stop();
        // By now the first exchange of a newcomer is over, or was lost.
        self.newcomer_of = None;
        self.conclude(now, out);
        if let Some(target) = self.next_target() {
            self.send_ping(now, target, out);
        }
    }

    /// The outstanding probe has failed. Relays that said nothing at all speak against ourselves;
    /// with nobody to ask, so does the failure.
    fn conclude(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(failed) = self.prober.outstanding.take() else {
            return;
        };
        self.stats.failed_pings += 1;
        let silent = failed.relays.len().saturating_sub(failed.nacks.len());
        let signs = if failed.relays.is_empty() { 1 } else { silent };
        self.health.worsen(u32::try_from(signs).unwrap_or(u32::MAX));
        let evidence = Evidence {
            accuser: self.me.node,
            witnesses: failed.nacks,
            health: u8::try_from(self.health.score()).unwrap_or(u8::MAX),
        };
        self.accuse(now, failed.target, failed.incarnation, evidence, out);
    }

    /// Arms the period exactly while there is someone to probe. The first one is drawn, so that
    /// nodes which start together do not probe together.
    pub(super) fn settle_probe(&mut self, now: Time) {
        if self.table.live().len() > 0 && !self.prober.period.is_set() {
            let low = self.config.probe_interval / 10;
            let wait = self.random.span(low, self.config.probe_interval);
            self.prober.period.set(now + wait);
        }
    }

    fn next_target(&mut self) -> Option<NodeId> {
        while let Some(node) = self.prober.urgent.first().copied() {
            if self.prober.was_urgent {
                break;
            }
            self.prober.urgent.remove(&node);
            if self
                .table
                .known(node)
                .is_some_and(|member| member.state.is_live())
            {
                self.prober.was_urgent = true;
                return Some(node);
            }
        }
        self.prober.was_urgent = false;
        self.table.draw(&mut self.random)
    }

    fn send_ping(&mut self, now: Time, target: NodeId, out: &mut Vec<Output>) {
        let Some(member) = self.table.known(target) else {
            return;
        };
        let incarnation = member.incarnation;
        let number = self.prober.next_number();
        self.prober.outstanding = Some(Probe {
            number,
            target,
            incarnation,
            relays: Vec::new(),
            nacks: Vec::new(),
        });
        let (timeout, interval) = (self.config.probe_timeout, self.config.probe_interval);
        self.prober.patience.set(now + self.health.stretch(timeout));
        self.prober.period.set(now + self.health.stretch(interval));
        self.stats.pings += 1;
        let first = self.accusation(target);
        let updates = self.piggyback(first);
        let ping = Ping {
            probe: number,
            updates,
        };
        self.send(target, Message::Ping(ping), out);
    }

    /// "I am."
    pub(super) fn send_ack(
        &mut self,
        to: NodeId,
        probe: u64,
        updates: Vec<Update>,
        out: &mut Vec<Output>,
    ) {
        let ack = Ack {
            probe,
            alive: self.me.node,
            incarnation: self.incarnation,
            fingerprint: self.table.fingerprints().all(),
            updates,
        };
        self.send(to, Message::Ack(ack), out);
    }

    /// A suspect hears of its suspicion with every message that expects an answer (Lifeguard §IV-C,
    /// "buddy system").
    pub(super) fn accusation(&self, to: NodeId) -> Vec<Update> {
        match self.config.lifeguard.buddy {
            true => self.personal(to, false),
            false => Vec::new(),
        }
    }

    /// Asks a suspect once more, outside of all probes, so that it can refute in its answer.
    pub(super) fn send_appeal(&mut self, to: NodeId, out: &mut Vec<Output>) {
        let probe = self.prober.next_number();
        let updates = self.accusation(to);
        self.send(to, Message::Ping(Ping { probe, updates }), out);
    }

    /// An answer names the incarnation that gave it. So a probe also finds what dissemination
    /// missed: one above an accusation refutes it, a new life is asked who it is, and one that is
    /// behind is told how it is known.
    fn hear(
        &mut self,
        now: Time,
        from: NodeId,
        alive: NodeId,
        told: Incarnation,
        out: &mut Vec<Output>,
    ) {
        let Some(believed) = self.table.update(alive) else {
            return;
        };
        let direct = from == alive;
        if believed.incarnation.boot() == told.boot() {
            let update = Update {
                incarnation: told,
                state: State::Alive,
                evidence: None,
                ..believed.clone()
            };
            self.learn(now, alive, update, out);
        } else if direct && told > believed.incarnation {
            // Another life may live elsewhere: that is for its own update to say.
            self.send_join_to_stranger(now, alive, out);
        }
        if direct && told < believed.incarnation && believed.state == State::Alive {
            let updates = Vec::from([believed]);
            self.send(alive, Message::Gossip(Gossip { updates }), out);
        }
    }
}
