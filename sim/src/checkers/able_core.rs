//! Nodes that run and hear each other, and whether they can decide by themselves.
//!
//! The voters are those in force, not those of the plan. A core that is a majority of the voters
//! that each of its members goes by can elect a leader: a majority holds every change that is
//! committed, so one of its members knows of the latest (Raft thesis §4.3). When the voters change
//! later and the core is no majority any more, or one of it is gone, nothing is claimed.

use std::collections::BTreeSet;

use quorate_core::id::NodeId;
use quorate_core::voters::Voters;

use super::elected_by_majority::sides;

/// A core, as long as it is able.
#[derive(Clone, Debug, Default)]
pub struct AbleCore {
    nodes: BTreeSet<NodeId>,
    /// Without a voter that is none of these a core can decide, and nobody may hold a role.
    witnesses: BTreeSet<NodeId>,
}

impl AbleCore {
    /// These nodes; `goes_by` is told of each of them next.
    #[must_use]
    pub fn of(nodes: BTreeSet<NodeId>) -> AbleCore {
        let witnesses = BTreeSet::new();
        AbleCore { nodes, witnesses }
    }

    /// The same, some nodes being witnesses.
    #[must_use]
    pub fn with_witnesses(self, witnesses: BTreeSet<NodeId>) -> AbleCore {
        AbleCore { witnesses, ..self }
    }

    /// These are the voters in force at a node.
    pub fn goes_by(&mut self, node: NodeId, voters: &Voters) {
        let (core, witnesses) = (&self.nodes, &self.witnesses);
        let is_able = |side: &BTreeSet<NodeId>| {
            2 * side.intersection(core).count() > side.len()
                && side.intersection(core).any(|it| !witnesses.contains(it))
        };
        if core.contains(&node) && !sides(voters).all(is_able) {
            self.nodes.clear();
        }
    }

    /// A process has ended: one that is gone cannot go on with the others.
    pub fn ended(&mut self, node: NodeId) {
        if self.nodes.contains(&node) {
            self.nodes.clear();
        }
    }

    /// Whether it can decide.
    #[must_use]
    pub fn is_able(&self) -> bool {
        !self.nodes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_core_is_judged_by_the_voters_that_its_members_go_by() {
        let mut core = AbleCore::of(set(&[1, 3]));
        let first = Voters::of(set(&[1, 2, 3]));
        let joint = first.changing_to(set(&[1, 2, 3, 4, 5]));
        core.goes_by(NodeId(1), &first);
        core.goes_by(NodeId(3), &Voters::of(set(&[3, 1, 4])));
        core.goes_by(NodeId(2), &joint);
        assert!(core.is_able(), "n2 is not one of them");
        core.goes_by(NodeId(3), &joint);
        assert!(!core.is_able());
    }

    #[test]
    fn a_core_that_one_leaves_claims_nothing_any_more() {
        let mut core = AbleCore::of(set(&[1, 3]));
        core.ended(NodeId(2));
        assert!(core.is_able());
        core.ended(NodeId(3));
        assert!(!core.is_able());
        assert!(!AbleCore::default().is_able());
        let mut core = AbleCore::of(set(&[2, 3])).with_witnesses(set(&[2, 3]));
        core.goes_by(NodeId(2), &Voters::of(set(&[1, 2, 3])));
        assert!(!core.is_able(), "witnesses alone");
    }
}
