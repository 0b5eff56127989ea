//! Back from a death or a suspicion: who told it, who found it out, and the probe that failed.

use quorate_core::id::{NodeId, Peer};
use quorate_core::membership::{self, Fact as MemberFact};
use quorate_core::node::Event;
use quorate_core::notice::Notice;

use super::Case;
use super::signs::{ask_of, is_ack_of, is_suspicion, ping_of, received};
use crate::record::Happening;

impl Case<'_> {
    /// From a fact that was heard back to the node that found it out.
    fn origin(
        &mut self,
        mut number: usize,
        part: &'static str,
        is: impl Fn(&Happening) -> bool,
    ) -> usize {
        loop {
            let this = &self.record.all[number];
            let heard = matches!(this.event(), Some(Event::Received { .. }));
            let teller = this.cause.filter(|_| heard);
            let Some(teller) = teller.map(|cause| (cause, self.record.all[cause].node)) else {
                return number;
            };
            let (sent, node) = teller;
            let Some(earlier) = self.last(sent + 1, |h| h.node == node && is(h)) else {
                return number;
            };
            self.add(sent, "told by");
            self.add(earlier, part);
            number = earlier;
        }
    }

    pub(super) fn of_death(&mut self, number: usize, peer: Peer) {
        let died = |h: &Happening| {
            h.notices().any(|notice| {
                matches!(notice, Notice::Member(MemberFact::Died { peer: p, .. }) if *p == peer)
            })
        };
        let origin = self.origin(number, "declared dead", died);
        let node = self.record.all[origin].node;
        let is = |h: &Happening| h.node == node && is_suspicion(h, peer);
        if let Some(suspected) = self.last(origin + 1, is) {
            self.add(suspected, "suspicion");
            self.of_suspicion(suspected, peer, origin);
        }
    }

    /// A suspicion, heard or found out; others of it may follow until `until`.
    pub(super) fn of_suspicion(&mut self, number: usize, peer: Peer, until: usize) {
        let origin = self.origin(number, "suspicion", |h| is_suspicion(h, peer));
        let others = self
            .between(origin, until + 1)
            .filter(|(_, h)| is_suspicion(h, peer));
        let others: Vec<usize> = others.map(|(number, _)| number).collect();
        others
            .into_iter()
            .for_each(|number| self.add(number, "also suspected"));
        self.add(origin, "suspicion");
        let Some(accuser) = self.record.all[origin].node else {
            return;
        };
        let answered = self.last(origin, |h| {
            h.node == Some(accuser) && is_ack_of(h, peer.node)
        });
        if let Some(answered) = answered {
            self.add(answered, "last answer");
        }
        let by = |h: &Happening| h.node == Some(accuser);
        let pinged = self.last(origin + 1, |h| by(h) && ping_of(h, peer.node).is_some());
        let asked = self.last(origin + 1, |h| by(h) && ask_of(h, peer.node).is_some());
        // The later of the two belongs to the probe that failed; without a connection there may
        // have been no ping at all.
        let probe = pinged.max(asked);
        if let Some(number) = probe.and_then(|probe| self.probe_of(probe, peer.node)) {
            if let Some(pinged) = pinged.filter(|p| self.probe_of(*p, peer.node) == Some(number)) {
                self.add(pinged, "probe");
            }
            let begun = answered.unwrap_or(0);
            self.of_relays((begun, origin), number, accuser, peer.node);
        }
        let since = answered.or(probe).unwrap_or(0);
        self.circumstances(since, until, [accuser, peer.node]);
    }

    fn probe_of(&self, number: usize, target: NodeId) -> Option<u64> {
        let this = &self.record.all[number];
        ping_of(this, target).or_else(|| ask_of(this, target))
    }

    /// Who was asked to probe as well, and what they said.
    fn of_relays(
        &mut self,
        (from, until): (usize, usize),
        ping: u64,
        accuser: NodeId,
        target: NodeId,
    ) {
        let mut found = Vec::new();
        for (number, this) in self.between(from, until + 1) {
            let is_accuser = this.node == Some(accuser);
            let asks = ask_of(this, target) == Some(ping);
            if is_accuser && asks {
                found.push((number, "relay asked"));
            }
            if let (true, Some(membership::Message::Nack(nack))) = (is_accuser, received(this))
                && nack.probe == ping
            {
                found.push((number, "nack"));
            }
            if let Some(membership::Message::PingReq(ask)) = received(this)
                && (this.peer, ask.probe, ask.target) == (Some(accuser), ping, target)
            {
                found.push((number, "relay's probe"));
            }
        }
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
    }
}
