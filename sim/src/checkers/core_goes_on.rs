//! Liveness beside faults that stay: a majority of the voters that runs and hears itself decides
//! writes within a bound, whatever is wrong with the others and with the ways to them (Raft thesis
//! §3.9, §9.6: a node outside may neither lead on without a majority nor unseat who leads).
//!
//! The voters are those in force, not those of the plan. A core that is a majority of the voters
//! that each of its members goes by can elect a leader: a majority holds every change that is
//! committed, so one of its members knows of the latest (§4.3). When the voters change later and
//! the core is no majority any more, nothing is claimed.

use std::collections::BTreeSet;

use quorate_core::id::NodeId;
use quorate_core::voters::Voters;

use super::Verdict;
use super::elected_by_majority::sides;

/// A dead leader is doubted, another is elected, and a client finds it through any node.
pub const BOUND_NS: u64 = 15_000_000_000;

/// Since when a core has been well and has decided nothing.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    core: BTreeSet<NodeId>,
    since: Option<u64>,
}

impl Checker {
    /// These nodes were mended; `goes_by` is told of each of them next.
    pub fn mended(&mut self, now: u64, core: BTreeSet<NodeId>) {
        self.since = (!core.is_empty()).then_some(now);
        self.core = core;
    }

    /// These are the voters in force at a node.
    pub fn goes_by(&mut self, node: NodeId, voters: &Voters) {
        let core = &self.core;
        let is_majority =
            |side: &BTreeSet<NodeId>| 2 * side.intersection(core).count() > side.len();
        if core.contains(&node) && !sides(voters).all(is_majority) {
            self.disturbed();
        }
    }

    /// Something else has gone wrong, or everything heals: nothing is claimed any more.
    pub fn disturbed(&mut self) {
        self.since = None;
    }

    /// A write that was begun at that moment was decided: it took effect, or its epoch was found
    /// to be over, which takes a place in the log as well.
    pub fn decided(&mut self, begun: u64) {
        self.since = self.since.filter(|since| begun < *since);
    }

    /// Time passes.
    ///
    /// # Errors
    /// The time is over.
    pub fn look(&self, now: u64) -> Verdict {
        match self.since.filter(|since| now - since > BOUND_NS) {
            None => Ok(()),
            Some(since) => Err(format!(
                "no write decided {} ms after a majority of the voters was mended",
                (now - since) / 1_000_000
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn a_core_that_stands_still_is_refused_and_one_that_goes_on_or_is_disturbed_is_not() {
        let mut checker = Checker::default();
        assert_eq!(checker.look(BOUND_NS * 2), Ok(()));
        checker.mended(10, set(&[1, 3]));
        checker.decided(9);
        assert_eq!(checker.look(10 + BOUND_NS), Ok(()));
        assert!(checker.look(11 + BOUND_NS).is_err());
        let mut disturbed = checker.clone();
        disturbed.disturbed();
        assert_eq!(disturbed.look(11 + BOUND_NS), Ok(()));
        checker.decided(10);
        assert_eq!(checker.look(11 + BOUND_NS), Ok(()));
    }

    #[test]
    fn a_core_is_judged_by_the_voters_that_its_members_go_by() {
        let mut checker = Checker::default();
        checker.mended(0, set(&[1, 3]));
        let first = Voters::of(set(&[1, 2, 3]));
        let joint = first.changing_to(set(&[1, 2, 3, 4, 5]));
        checker.goes_by(NodeId(1), &first);
        checker.goes_by(NodeId(3), &Voters::of(set(&[3, 1, 4])));
        checker.goes_by(NodeId(2), &joint);
        assert!(checker.look(1 + BOUND_NS).is_err());
        checker.goes_by(NodeId(3), &joint);
        assert_eq!(checker.look(1 + BOUND_NS), Ok(()));
    }
}
