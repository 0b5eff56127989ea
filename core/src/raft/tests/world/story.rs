//! What a story does in a world: lets time pass, elects, proposes, and looks at what came of it.

use core::time::Duration;

use super::super::super::*;
use super::super::words::{MS, data, propose};
use super::{Event, Slot, World};
use crate::time::Time;

impl World {
    pub(in super::super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.advance(end) {}
        self.now = end;
    }

    /// Runs until the condition holds; fails after `span`.
    pub(in super::super) fn run_until(
        &mut self,
        span: Duration,
        done: impl Fn(&World) -> bool,
    ) -> Duration {
        let (start, end) = (self.now, self.now + span);
        while !done(self) {
            assert!(self.advance(end), "not within {span:?}");
        }
        self.now.since(start)
    }

    /// The next event, unless it comes after `end`.
    fn advance(&mut self, end: Time) -> bool {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let deadline = |(node, slot): (&NodeId, &Slot)| {
            let due = slot.raft.as_ref()?.deadline()?;
            Some((due.at, *node))
        };
        let due = self.nodes.iter().filter_map(deadline).min();
        let is_message = queued.is_some_and(|q| due.is_none_or(|(at, _)| q <= at));
        if is_message && queued.is_some_and(|at| at <= end) {
            let ((at, _), event) = self.queue.pop_first().unwrap();
            self.now = self.now.max(at);
            self.happen(event);
            return true;
        }
        match due {
            Some((at, node)) if !is_message && at <= end => {
                self.now = self.now.max(at);
                self.step(node, Input::Tick);
                true
            }
            _ => false,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver {
                from,
                to,
                boot,
                message,
            } => {
                if boot.is_none_or(|boot| boot == self.nodes[&to].boot) {
                    self.step(to, Input::Received { from, message });
                }
            }
            Event::Synced { node, boot, upto } => {
                if self.nodes[&node].boot == boot && self.is_up(node) {
                    self.on_synced(node, upto);
                }
            }
        }
    }

    /// The leader of the highest term, if it is up and leads.
    pub(in super::super) fn leader(&self) -> Option<NodeId> {
        let standings = self.nodes.iter().filter_map(|(node, slot)| {
            let standing = slot.raft.as_ref()?.standing();
            (standing.role == Role::Leader).then_some((standing.term, *node))
        });
        standings.max().map(|(_, node)| node)
    }

    pub(in super::super) fn elect(&mut self) -> NodeId {
        self.run_until(3000 * MS, |w| w.leader().is_some());
        let leader = self.leader().unwrap();
        self.run(100 * MS);
        assert_eq!(self.leader(), Some(leader));
        leader
    }

    pub(in super::super) fn propose(&mut self, node: NodeId, number: u64) {
        self.step(node, propose([data(number)]));
    }

    pub(in super::super) fn term(&self) -> Term {
        let terms = self.nodes.values().filter_map(|s| s.raft.as_ref());
        terms.map(|r| r.standing().term).max().unwrap_or_default()
    }

    pub(in super::super) fn has_committed(&self, node: NodeId, number: u64) -> bool {
        let wanted = data(number);
        self.nodes[&node].committed.iter().any(|e| e.data == wanted)
    }

    /// Proposes to whoever leads and expects the entry to be committed there.
    pub(in super::super) fn expect_commit(&mut self, number: u64, span: Duration) {
        let end = self.now + span;
        loop {
            if let Some(leader) = self.leader() {
                self.propose(leader, number);
                self.run(20 * MS);
                if self.has_committed(leader, number) {
                    return;
                }
            } else {
                self.run(10 * MS);
            }
            assert!(self.now < end, "no commit within {span:?}");
        }
    }

    /// Changes of the voters that are over.
    pub(in super::super) fn changes(&self) -> u64 {
        let is_final = |entry: &&Entry| entry.voters.as_ref().is_some_and(|it| !it.is_joint());
        self.ledger.iter().filter(is_final).count() as u64
    }

    pub(in super::super) fn ledger_len(&self) -> usize {
        self.ledger.len()
    }
}
