//! The recorded lives, lived again: a node's state at any moment of a record.

use std::collections::BTreeMap;

use quorate_core::id::NodeId;
use quorate_core::journal::Start;
#[cfg(feature = "mutants")]
use quorate_core::mutant::Mutant;
use quorate_core::node::{Action, Node};
use quorate_core::time::Time;

use super::{Happening, Record, What};

/// A node in its life.
#[derive(Clone, Debug)]
pub struct Life {
    /// The node.
    pub node: Node,
    /// Which of its lives this is, from 1.
    pub number: u64,
    /// The time by its own clock.
    pub now: Time,
}

impl Life {
    fn begin(number: u64, start: &Start, mutant: Option<&str>) -> Life {
        let mut node = start.node();
        plant(&mut node, mutant);
        let now = start.now;
        Life { node, number, now }
    }
}

/// All lives of a record, lived again side by side.
#[derive(Clone, Debug)]
pub struct Lives<'a> {
    record: &'a Record,
    next: usize,
    running: BTreeMap<NodeId, Life>,
    actions: Vec<Action>,
}

impl<'a> Lives<'a> {
    /// Before the first happening.
    #[must_use]
    pub fn new(record: &'a Record) -> Lives<'a> {
        Lives {
            record,
            next: 0,
            running: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// Lets the next happening happen.
    pub fn advance(&mut self) -> Option<(usize, &'a Happening)> {
        let (number, record) = (self.next, self.record);
        let this = record.all.get(number)?;
        self.next += 1;
        if let Some(node) = this.node {
            self.live(node, this);
        }
        Some((number, this))
    }

    /// A node that runs.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Life> {
        self.running.get(&node)
    }

    fn live(&mut self, node: NodeId, this: &Happening) {
        match &this.what {
            What::Started { life, start } => {
                let mutant = self.record.mutant.as_deref();
                let life = Life::begin(*life, start, mutant);
                self.running.insert(node, life);
            }
            What::Step { now, event, .. } => {
                if let Some(life) = self.running.get_mut(&node) {
                    self.actions.clear();
                    life.now = *now;
                    life.node.step(*now, event.clone(), &mut self.actions);
                }
            }
            What::Crashed { .. } | What::Ended(_) => {
                self.running.remove(&node);
            }
            What::Struck { .. } | What::WentOn | What::Healed | What::Violated(_) => {}
        }
    }
}

impl Record {
    /// A node right after the first so many happenings; none while it does not run.
    #[must_use]
    pub fn node_after(&self, happenings: usize, node: NodeId) -> Option<Life> {
        let until = happenings.min(self.all.len());
        let own = |this: &&Happening| this.node == Some(node);
        let is_start = |this: &Happening| matches!(this.what, What::Started { .. });
        let begun = self.all[..until]
            .iter()
            .rposition(|this| own(&this) && is_start(this))?;
        let mut lives = Lives::new(self);
        for this in self.all[begun..until].iter().filter(own) {
            lives.live(node, this);
        }
        lives.running.remove(&node)
    }
}

#[cfg(feature = "mutants")]
fn plant(node: &mut Node, mutant: Option<&str>) {
    if let Some(mutant) = mutant.and_then(Mutant::find) {
        node.plant(mutant);
    }
}

#[cfg(not(feature = "mutants"))]
fn plant(node: &mut Node, mutant: Option<&str>) {
    let _ = (node, mutant);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::des;
    use crate::scenarios;

    #[test]
    fn a_life_lived_again_does_what_it_did() {
        let plan = scenarios::find("leader-crash").unwrap().plan(3);
        let (_, record) = des::record(&plan);
        let mut lives = Lives::new(&record);
        let mut steps = 0;
        while let Some((_, this)) = lives.advance() {
            if let What::Step { actions, .. } = &this.what {
                assert_eq!(&lives.actions, actions);
                steps += 1;
            }
        }
        assert!(steps > 1_000);
        let last = record.all.len();
        for node in record.nodes() {
            let again = record.node_after(last, node).map(|life| life.node);
            assert_eq!(again.as_ref(), lives.get(node).map(|life| &life.node));
        }
        assert!(record.node_after(0, NodeId(1)).is_none());
        assert!(record.node_after(last, NodeId(99)).is_none());
    }
}
