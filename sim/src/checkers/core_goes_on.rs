//! Liveness beside faults that stay: a majority of the voters that runs and hears itself decides
//! writes within a bound, whatever is wrong with the others and with the ways to them (Raft thesis
//! §3.9, §9.6: a node outside may neither lead on without a majority nor unseat who leads).

use super::Verdict;
use super::able_core::AbleCore;

/// A dead leader is doubted, another is elected, and a client finds it through any node.
pub const BOUND_NS: u64 = 15_000_000_000;

/// Since when a core has been well and has decided nothing.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// The nodes that were mended.
    pub core: AbleCore,
    since: Option<u64>,
}

impl Checker {
    /// These nodes were mended.
    pub fn mended(&mut self, now: u64, core: AbleCore) {
        (self.core, self.since) = (core, Some(now));
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
        let since = self.since.filter(|_| self.core.is_able());
        match since.filter(|since| now - since > BOUND_NS) {
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
    use quorate_core::id::NodeId;

    #[test]
    fn a_core_that_stands_still_is_refused_and_one_that_goes_on_or_is_disturbed_is_not() {
        let mut checker = Checker::default();
        assert_eq!(checker.look(BOUND_NS * 2), Ok(()));
        let core = AbleCore::of([NodeId(1), NodeId(3)].into());
        checker.mended(10, core);
        checker.decided(9);
        assert_eq!(checker.look(10 + BOUND_NS), Ok(()));
        assert!(checker.look(11 + BOUND_NS).is_err());
        let mut disturbed = checker.clone();
        disturbed.disturbed();
        assert_eq!(disturbed.look(11 + BOUND_NS), Ok(()));
        let mut left = checker.clone();
        left.core.ended(NodeId(3));
        assert_eq!(left.look(11 + BOUND_NS), Ok(()));
        checker.decided(10);
        assert_eq!(checker.look(11 + BOUND_NS), Ok(()));
    }
}
