//! Liveness beside faults that stay: a majority of the voters that runs and hears itself accepts
//! writes within a bound, whatever is wrong with the others and with the ways to them (Raft thesis
//! §3.9, §9.6: a node outside may neither lead on without a majority nor unseat who leads).

use super::Verdict;

/// A dead leader is doubted, another is elected, and a client finds it through any node.
pub const BOUND_NS: u64 = 15_000_000_000;

/// Since when a core has been well and has accepted nothing.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: Option<u64>,
}

impl Checker {
    /// A majority of the voters was mended.
    pub fn mended(&mut self, now: u64) {
        self.since = Some(now);
    }

    /// Something else has gone wrong, or everything heals: nothing is claimed any more.
    pub fn disturbed(&mut self) {
        self.since = None;
    }

    /// A write that was begun at that moment was acknowledged.
    pub fn acknowledged(&mut self, begun: u64) {
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
                "no write acknowledged {} ms after a majority of the voters was mended",
                (now - since) / 1_000_000
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_stands_still_is_refused_and_one_that_goes_on_or_is_disturbed_is_not() {
        let mut checker = Checker::default();
        assert_eq!(checker.look(BOUND_NS * 2), Ok(()));
        checker.mended(10);
        checker.acknowledged(9);
        assert_eq!(checker.look(10 + BOUND_NS), Ok(()));
        assert!(checker.look(11 + BOUND_NS).is_err());
        let mut disturbed = checker.clone();
        disturbed.disturbed();
        assert_eq!(disturbed.look(11 + BOUND_NS), Ok(()));
        checker.acknowledged(10);
        assert_eq!(checker.look(11 + BOUND_NS), Ok(()));
    }
}
