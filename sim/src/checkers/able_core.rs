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
pub struct AbleCore(BTreeSet<NodeId>);

impl AbleCore {
    /// These nodes; `goes_by` is told of each of them next.
    #[must_use]
    pub fn of(nodes: BTreeSet<NodeId>) -> AbleCore {
        AbleCore(nodes)
    }

    /// These are the voters in force at a node.
    pub fn goes_by(&mut self, node: NodeId, voters: &Voters) {
        let core = &self.0;
        let is_majority =
            |side: &BTreeSet<NodeId>| 2 * side.intersection(core).count() > side.len();
        if core.contains(&node) && !sides(voters).all(is_majority) {
            self.0.clear();
        }
    }

    /// A process has ended: one that is gone cannot go on with the others.
    pub fn ended(&mut self, node: NodeId) {
        if self.0.contains(&node) {
            self.0.clear();
        }
    }

    /// Whether it can decide.
    #[must_use]
    pub fn is_able(&self) -> bool {
        !self.0.is_empty()
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
    }
}
