//! Completeness: a process that is gone is dead to every other one within a bound (SWIM §3.1: a
//! round robin bounds the first detection; §4.2: a suspicion ends). A node that finds itself ill
//! takes as many times as long as its health says (Lifeguard §IV-A).

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::Verdict;

/// Two sweeps over the members, a suspicion, and what a pause of the observer may cost.
pub const BOUND_NS: u64 = 20_000_000_000;

/// Since when each pair has been so, and the observer's worst health since.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<(NodeId, NodeId), (u64, u32)>,
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

    /// At `now`, whether a running observer of that health holds `gone` live, which has no process.
    ///
    /// # Errors
    /// It has done so for too long.
    pub fn look(
        &mut self,
        now: u64,
        (observer, gone): (NodeId, NodeId),
        is_mistaken: bool,
        health: u32,
    ) -> Verdict {
        if !is_mistaken {
            self.since.remove(&(observer, gone));
            return Ok(());
        }
        let (since, worst) = self.since.entry((observer, gone)).or_insert((now, health));
        *worst = health.max(*worst);
        if now - *since <= BOUND_NS * u64::from(*worst + 1) {
            return Ok(());
        }
        let millis = (now - *since) / 1_000_000;
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
        assert_eq!(checker.look(1, pair, true, 0), Ok(()));
        assert_eq!(checker.look(1 + BOUND_NS, pair, true, 0), Ok(()));
        assert_eq!(checker.look(1 + BOUND_NS, pair, false, 0), Ok(()));
        assert_eq!(checker.look(2 + BOUND_NS, pair, true, 0), Ok(()));
        let mut ill = checker.clone();
        assert!(checker.look(3 + 2 * BOUND_NS, pair, true, 0).is_err());
        assert_eq!(ill.look(3 + BOUND_NS, pair, true, 2), Ok(()));
        assert_eq!(ill.look(2 + 4 * BOUND_NS, pair, true, 0), Ok(()));
        assert!(ill.look(3 + 4 * BOUND_NS, pair, true, 0).is_err());
    }
}
