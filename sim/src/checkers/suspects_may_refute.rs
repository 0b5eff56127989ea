//! Suspicion before death: a member is declared dead only after it was suspected for a while, so
//! that it can refute (SWIM §4.2; Lifeguard §IV-B shortens the time with each witness).

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer};

use super::Verdict;

/// The shortest suspicion: one probe period, however many witnesses there are.
pub const LEAST_NS: u64 = 1_000_000_000;

const MILLION: u64 = 1_000_000;

/// When each life of a node was suspected first, by anybody.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<Peer, u64>,
    /// So many millionths too fast has a clock run.
    fast_ppm: u64,
    /// When a clock jumped ahead last, and with it the end of a suspicion.
    jumped: Option<u64>,
}

impl Checker {
    /// Some clock runs so many millionths too fast.
    pub fn drifts(&mut self, ppm: i64) {
        self.fast_ppm = self.fast_ppm.max(u64::try_from(ppm).unwrap_or(0));
    }

    /// Some clock jumps ahead.
    pub fn jumps(&mut self, now: u64) {
        self.jumped = Some(now);
    }

    /// Somebody suspects it.
    pub fn suspected(&mut self, peer: Peer, now: u64) {
        self.since.entry(peer).or_insert(now);
    }

    /// `by` holds it dead.
    ///
    /// # Errors
    /// It had no time to refute.
    pub fn died(&self, by: NodeId, peer: Peer, now: u64) -> Verdict {
        let least = LEAST_NS / (MILLION + self.fast_ppm) * MILLION;
        match self.since.get(&peer) {
            Some(since) if now - since >= least || self.jumped >= Some(*since) => Ok(()),
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

    #[test]
    fn a_clock_that_runs_fast_or_jumps_has_its_own_time() {
        let (mut checker, by) = (Checker::default(), NodeId(1));
        let peer = Peer {
            node: NodeId(2),
            boot: 1,
        };
        checker.jumps(9);
        checker.suspected(peer, 10);
        assert!(checker.died(by, peer, LEAST_NS).is_err());
        checker.drifts(-50_000);
        assert!(checker.died(by, peer, LEAST_NS).is_err());
        checker.drifts(50_000);
        assert_eq!(checker.died(by, peer, LEAST_NS), Ok(()));
        assert!(checker.died(by, peer, LEAST_NS / 100 * 94).is_err());
        checker.jumps(11);
        assert_eq!(checker.died(by, peer, 20), Ok(()));
    }
}
