//! The steps of all lives in one order: by the common time line, but a cause always first.

use quorate_core::node::Event;

use super::clock::Line;
use super::connections::{Connections, Matches};
use super::life::Life;
use crate::record::{Record, Step, What};

/// Fills a record.
pub(super) fn merge(
    lives: &[Life],
    connections: &Connections,
    matches: &Matches,
    line: &Line,
) -> Record {
    let mut merge = Merge {
        lives,
        connections,
        matches,
        line,
        record: Record::new(None),
        taken: vec![None; lives.len()],
        now_ns: 0,
    };
    while let Some(life) = merge.earliest() {
        merge.take(life);
    }
    merge.record
}

struct Merge<'a> {
    lives: &'a [Life],
    connections: &'a Connections,
    matches: &'a Matches,
    line: &'a Line,
    record: Record,
    /// The steps taken of each life; none before its start.
    taken: Vec<Option<usize>>,
    now_ns: u64,
}

impl Merge<'_> {
    /// The life that is next by the line.
    fn earliest(&self) -> Option<usize> {
        let next = |life: usize| Some((self.next_ns(life)?, life));
        let earliest = (0..self.lives.len()).filter_map(next).min();
        earliest.map(|(_, life)| life)
    }

    fn next_ns(&self, life: usize) -> Option<u64> {
        let this = &self.lives[life];
        let own = match self.taken[life] {
            None => this.start.now,
            Some(taken) => this.steps.get(taken)?.now,
        };
        Some(self.line.at(life, own.as_nanos()))
    }

    /// Takes the next of a life, and before it whatever must have come before. Two clocks that
    /// drift may put an effect before its cause; then the order of cause and effect holds.
    fn take(&mut self, life: usize) {
        let mut open = vec![life];
        while let Some(life) = open.last().copied() {
            match self.missing(life).filter(|sender| !open.contains(sender)) {
                Some(sender) => open.push(sender),
                None => {
                    self.take_one(life);
                    // A sender may have more to catch up with.
                    open.pop();
                }
            }
        }
    }

    /// The life that has not yet taken the step which sent what this one receives next.
    fn missing(&self, life: usize) -> Option<usize> {
        let next = self.taken[life]?;
        let (sender, step) = self.matches.get(&(life, next))?;
        let is_taken = self.taken[*sender].is_some_and(|taken| taken > *step);
        (!is_taken).then_some(*sender)
    }

    fn take_one(&mut self, life: usize) {
        let Some(at_ns) = self.next_ns(life) else {
            return;
        };
        self.now_ns = self.now_ns.max(at_ns);
        let (this, node) = (&self.lives[life], self.lives[life].peer.node);
        let Some(number) = self.taken[life] else {
            self.taken[life] = Some(0);
            let (boot, start) = (this.peer.boot, Box::new(this.start.clone()));
            let started = What::Started { life: boot, start };
            self.record.noted(self.now_ns, Some(node), started);
            return self.end(life);
        };
        let Some(step) = this.steps.get(number) else {
            return;
        };
        self.taken[life] = Some(number + 1);
        let connections = self.connections;
        self.record.stepped(Step {
            at_ns: self.now_ns,
            node,
            now: step.now,
            event: step.event.clone(),
            due: step.due.filter(|_| matches!(step.event, Event::Tick)),
            actions: &step.actions,
            ends: &|link| connections.end(life, link),
        });
        self.end(life);
    }

    /// Notes the end of a life that has no further step.
    fn end(&mut self, life: usize) {
        let this = &self.lives[life];
        if self.taken[life] != Some(this.steps.len()) {
            return;
        }
        let ended = What::Ended(this.tail);
        self.record.noted(self.now_ns, Some(this.peer.node), ended);
        if this.is_over() {
            self.record.closed(&self.connections.of(life));
        }
    }
}
