//! Completeness: a process that is gone is dead to every other one within a bound (SWIM §3.1: a
//! round robin bounds the first detection; §4.2: a suspicion ends).

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::Verdict;

/// Two sweeps over the members, a suspicion, and what a pause of the observer may cost.
pub const BOUND_NS: u64 = 20_000_000_000;

/// Since when each pair has been so.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<(NodeId, NodeId), u64>,
}

impl Checker {
    /// A node's process has started: nobody is mistaken who holds it live.
    pub fn started(&mut self, node: NodeId) {
        self.since.retain(|(_, gone), _| *gone != node);
    }

    /// An observer's process has ended, and its mistakes with it.
    pub fn ended(&mut self, node: NodeId) {
        self.since.retain(|(observer, _), _| *observer != node);
    }

    /// At `now`, whether a running observer holds `gone` live, which has no process.
    ///
    /// # Errors
    /// It has done so for too long.
    pub fn look(
        &mut self,
        now: u64,
        (observer, gone): (NodeId, NodeId),
        is_mistaken: bool,
    ) -> Verdict {
        if !is_mistaken {
            self.since.remove(&(observer, gone));
            return Ok(());
        }
        let since = *self.since.entry((observer, gone)).or_insert(now);
        if now - since <= BOUND_NS {
            return Ok(());
        }
        let millis = (now - since) / 1_000_000;
        Err(format!(
            "{observer} has held {gone} live for {millis} ms after its process ended"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_refused_after_the_bound_and_one_that_ends_is_not() {
        let (mut checker, pair) = (Checker::default(), (NodeId(1), NodeId(2)));
        assert_eq!(checker.look(1, pair, true), Ok(()));
        assert_eq!(checker.look(1 + BOUND_NS, pair, true), Ok(()));
        assert_eq!(checker.look(1 + BOUND_NS, pair, false), Ok(()));
        assert_eq!(checker.look(2 + BOUND_NS, pair, true), Ok(()));
        assert!(checker.look(3 + 2 * BOUND_NS, pair, true).is_err());
    }
}
