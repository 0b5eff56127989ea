//! Suspicion before death: a member is declared dead only after it was suspected for a while, so
//! that it can refute (SWIM §4.2; Lifeguard §IV-B shortens the time with each witness).

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer};

use super::Verdict;

/// The shortest suspicion: one probe period, however many witnesses there are.
pub const LEAST_NS: u64 = 1_000_000_000;

/// When each life of a node was suspected first, by anybody.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<Peer, u64>,
}

impl Checker {
    /// Somebody suspects it.
    pub fn suspected(&mut self, peer: Peer, now: u64) {
        self.since.entry(peer).or_insert(now);
    }

    /// `by` holds it dead.
    ///
    /// # Errors
    /// It had no time to refute.
    pub fn died(&self, by: NodeId, peer: Peer, now: u64) -> Verdict {
        match self.since.get(&peer) {
            Some(since) if now - since >= LEAST_NS => Ok(()),
            Some(since) => Err(format!(
                "{by} holds {peer} dead {} ms after the first suspicion",
                (now - since) / 1_000_000
            )),
            None => Err(format!("{by} holds {peer} dead, whom nobody suspected")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_without_time_to_refute_is_refused_and_a_later_one_is_not() {
        let (mut checker, by) = (Checker::default(), NodeId(1));
        let peer = Peer {
            node: NodeId(2),
            boot: 1,
        };
        assert!(checker.died(by, peer, LEAST_NS).is_err());
        checker.suspected(peer, 10);
        checker.suspected(peer, 20);
        assert!(checker.died(by, peer, 9 + LEAST_NS).is_err());
        assert_eq!(checker.died(by, peer, 10 + LEAST_NS), Ok(()));
    }
}
