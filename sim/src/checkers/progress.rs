//! Liveness after the faults: once everything is healed, a write that is made then is acknowledged
//! within a bound (Raft thesis §3.9), if those that are left can decide: a disk may have failed for
//! good, a node may have left.

use super::Verdict;
use super::able_core::AbleCore;

/// How long it may take after the heal.
pub const BOUND_NS: u64 = 15_000_000_000;

/// The first write after the heal.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// The nodes that run after the heal.
    pub core: AbleCore,
    acknowledged_after: Option<u64>,
}

impl Checker {
    /// A write begun after the heal was acknowledged, so long after the heal.
    pub fn acknowledged(&mut self, since_heal: u64) {
        self.acknowledged_after.get_or_insert(since_heal);
    }

    /// Time passes.
    ///
    /// # Errors
    /// The time is over.
    pub fn look(&self, since_heal: u64) -> Verdict {
        let is_done = self.acknowledged_after.is_some() || !self.core.is_able();
        if is_done || since_heal <= BOUND_NS {
            return Ok(());
        }
        Err(format!(
            "no write acknowledged {} ms after the heal",
            since_heal / 1_000_000
        ))
    }

    /// How long the first write took, in nanoseconds after the heal.
    #[must_use]
    pub fn acknowledged_after(&self) -> Option<u64> {
        self.acknowledged_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::NodeId;

    #[test]
    fn silence_is_refused_only_after_the_bound_and_never_after_a_write() {
        let core = AbleCore::of([NodeId(1)].into());
        let mut checker = Checker {
            core,
            ..Checker::default()
        };
        assert_eq!(checker.look(BOUND_NS), Ok(()));
        assert!(checker.look(BOUND_NS + 1).is_err());
        let mut left = checker.clone();
        left.core.ended(NodeId(1));
        assert_eq!(left.look(BOUND_NS + 1), Ok(()));
        checker.acknowledged(BOUND_NS);
        checker.acknowledged(BOUND_NS + 5);
        assert_eq!(checker.look(BOUND_NS * 2), Ok(()));
        assert_eq!(checker.acknowledged_after(), Some(BOUND_NS));
    }
}
