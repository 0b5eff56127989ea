//! Back from a leader: its votes and who gave them, and the end of the leader before it.

use quorate_core::id::{NodeId, Term};
use quorate_core::node::Event;
use quorate_core::raft::{self, Role};
use quorate_core::wire::Message;

use super::Case;
use super::signs::{changes, is_append};
use crate::record::Happening;

impl Case<'_> {
    pub(super) fn of_leader(&mut self, number: usize, node: NodeId, term: Term) {
        let rises =
            |h: &Happening| h.node == Some(node) && changes(h, |_, to| to == Role::PreCandidate);
        let begun = self.last(number, rises).unwrap_or(0);
        let mut found = Vec::new();
        for (number, this) in self
            .between(begun, number)
            .filter(|(_, h)| h.node == Some(node))
        {
            if changes(this, |_, _| true) {
                found.push((number, "role"));
            }
            let Some(Event::Received { message, .. }) = this.event() else {
                continue;
            };
            match message {
                Message::Raft(raft::Message::PreVoteReply(r)) if r.granted && r.term == term => {
                    found.push((number, "pre-vote"));
                }
                Message::Raft(raft::Message::VoteReply(r)) if r.granted && r.term == term => {
                    found.push((number, "vote"));
                    found.extend(this.cause.map(|cause| (cause, "vote given")));
                }
                Message::Membership(_)
                | Message::Raft(_)
                | Message::Control(_)
                | Message::Gossip(_) => {}
            }
        }
        // The reply that decided it is the fact's own event; what made the voter give it counts.
        found.extend(
            self.record.all[number]
                .cause
                .map(|cause| (cause, "vote given")),
        );
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
        let heard = self.last(begun + 1, |h| h.node == Some(node) && is_append(h));
        if let Some(heard) = heard {
            self.add(heard, "last heartbeat");
            let former = self.record.all[heard].peer.unwrap_or(node);
            // It may have ended while that heartbeat was on its way.
            let since = self.record.all[heard].cause.unwrap_or(heard);
            let falls = |h: &Happening| changes(h, |from, _| from == Role::Leader);
            let steps = self.between(since, number);
            let fell = steps
                .filter(|(_, h)| h.node == Some(former) && falls(h))
                .map(|(n, _)| n);
            let fell: Vec<usize> = fell.collect();
            fell.into_iter()
                .for_each(|number| self.add(number, "former leader"));
            self.circumstances(since, number, [node, former]);
        }
    }
}
