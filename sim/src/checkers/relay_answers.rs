//! A relay answers everyone who asks it to probe for them, with the target's answer or with its own
//! "no" (SWIM §3.1, Lifeguard §IV-A), unless the same asks for something newer.

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::Verdict;

/// The relay has half a probe period; the rest is for its own lateness.
pub const BOUND_NS: u64 = 2_000_000_000;

/// The open requests: by relay and requester, the number and since when.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    open: BTreeMap<(NodeId, NodeId), (u64, u64)>,
}

impl Checker {
    /// A relay is asked.
    pub fn asked(&mut self, relay: NodeId, requester: NodeId, probe: u64, now: u64) {
        self.open.insert((relay, requester), (probe, now));
    }

    /// A relay answers.
    pub fn answered(&mut self, relay: NodeId, requester: NodeId, probe: u64) {
        if self
            .open
            .get(&(relay, requester))
            .is_some_and(|(open, _)| *open == probe)
        {
            self.open.remove(&(relay, requester));
        }
    }

    /// A relay cannot answer one requester, or anybody.
    pub fn excused(&mut self, relay: NodeId, requester: Option<NodeId>) {
        let (first, last) = match requester {
            Some(it) => (it, it),
            None => (NodeId(0), NodeId(u64::MAX)),
        };
        let range = (relay, first)..=(relay, last);
        let excused: Vec<_> = self.open.range(range).map(|(pair, _)| *pair).collect();
        for pair in excused {
            self.open.remove(&pair);
        }
    }

    /// Time passes.
    ///
    /// # Errors
    /// Somebody has waited for too long.
    pub fn look(&self, now: u64) -> Verdict {
        let late = |(_, since): &&(u64, u64)| now - since > BOUND_NS;
        match self.open.iter().find(|(_, open)| late(open)) {
            None => Ok(()),
            Some(((relay, requester), (probe, _))) => Err(format!(
                "{relay} never answered probe {probe}, which {requester} asked it for"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_refused_after_the_bound_and_an_answer_or_an_excuse_is_not() {
        let (relay, me, other) = (NodeId(1), NodeId(2), NodeId(3));
        let mut checker = Checker::default();
        checker.asked(relay, me, 7, 0);
        checker.answered(relay, me, 6);
        assert_eq!(checker.look(BOUND_NS), Ok(()));
        assert!(checker.look(BOUND_NS + 1).is_err());
        checker.excused(relay, Some(other));
        assert!(checker.look(BOUND_NS + 1).is_err());
        checker.answered(relay, me, 7);
        assert_eq!(checker.look(BOUND_NS + 1), Ok(()));
        checker.asked(relay, me, 8, 0);
        checker.excused(relay, None);
        assert_eq!(checker.look(BOUND_NS + 1), Ok(()));
    }
}
