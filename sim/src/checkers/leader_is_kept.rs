//! Stickiness: a voter that hears a leader helps nobody else into office (Raft thesis §6.2 for
//! votes, §9.6 for pre-votes). Otherwise a node that hears badly unseats a working leader.

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::Verdict;

/// The shortest election timeout of the simulated configuration.
pub const FRESH_NS: u64 = 150_000_000;

/// When each node heard which leader last, by its own clock.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    heard: BTreeMap<NodeId, (NodeId, u64)>,
}

impl Checker {
    /// A node took a message of the leader it follows, when its clock showed `now`.
    pub fn heard(&mut self, node: NodeId, leader: NodeId, now: u64) {
        self.heard.insert(node, (leader, now));
    }

    /// A node has reason to think that `whom` leads no more, or has started anew.
    pub fn doubts(&mut self, node: NodeId, whom: Option<NodeId>) {
        let heard = self.heard.get(&node).map(|(leader, _)| *leader);
        if whom.is_none() || whom == heard {
            self.heard.remove(&node);
        }
    }

    /// A node gives `to` a vote or a pre-vote.
    ///
    /// # Errors
    /// It has just heard another leader, or leads itself.
    pub fn helped(&self, node: NodeId, to: NodeId, now: u64, leads: bool) -> Verdict {
        if leads {
            return Err(format!("{node} leads and yet helps {to} into office"));
        }
        match self.heard.get(&node) {
            Some((leader, at)) if now - at < FRESH_NS => Err(format!(
                "{node} heard {leader} {} ms ago and yet helps {to} into office",
                (now - at) / 1_000_000
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_while_a_leader_is_heard_is_refused_and_later_or_after_a_doubt_it_is_not() {
        let (mut checker, me, to) = (Checker::default(), NodeId(1), NodeId(3));
        assert_eq!(checker.helped(me, to, 5, false), Ok(()));
        assert!(checker.helped(me, to, 5, true).is_err());
        checker.heard(me, NodeId(2), 10);
        assert!(checker.helped(me, to, 9 + FRESH_NS, false).is_err());
        assert_eq!(checker.helped(me, to, 10 + FRESH_NS, false), Ok(()));
        checker.doubts(me, Some(NodeId(4)));
        assert!(checker.helped(me, to, 11, false).is_err());
        checker.doubts(me, Some(NodeId(2)));
        assert_eq!(checker.helped(me, to, 11, false), Ok(()));
    }
}
