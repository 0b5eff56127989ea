//! Check-quorum: a leader that cannot exchange messages with a majority of the voters stops
//! leading (Raft thesis §6.2). Otherwise clients wait on it for ever.

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::Verdict;

/// A lonely leader must be none after so long.
pub const BOUND_NS: u64 = 2_000_000_000;

/// Since when which leader has been alone.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<NodeId, u64>,
}

impl Checker {
    /// At `now`, whether a node leads without a way to a majority and back.
    ///
    /// # Errors
    /// It has done so for too long.
    pub fn look(&mut self, now: u64, node: NodeId, is_lonely_leader: bool) -> Verdict {
        if !is_lonely_leader {
            self.since.remove(&node);
            return Ok(());
        }
        let since = *self.since.entry(node).or_insert(now);
        if now - since <= BOUND_NS {
            return Ok(());
        }
        let millis = (now - since) / 1_000_000;
        Err(format!("{node} has led without a majority for {millis} ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loneliness_is_allowed_for_a_while_and_ends_with_company() {
        let mut checker = Checker::default();
        assert_eq!(checker.look(0, NodeId(1), true), Ok(()));
        assert_eq!(checker.look(BOUND_NS, NodeId(1), true), Ok(()));
        assert_eq!(checker.look(BOUND_NS + 1, NodeId(1), false), Ok(()));
        assert_eq!(checker.look(BOUND_NS + 2, NodeId(1), true), Ok(()));
        assert!(checker.look(3 * BOUND_NS, NodeId(1), true).is_err());
    }
}
