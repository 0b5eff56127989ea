//! Anti-entropy ends differences (Demers et al. 1987 §1.3): once nobody writes any more and all see
//! the same members, all come to hold the same state within a few rounds of exchanges.

use quorate_core::id::NodeId;

use super::Verdict;

/// Each node opens an exchange every 7.5 s at the latest.
const ROUND_NS: u64 = 7_500_000_000;

/// How long it may take once so many members agree: what is new spreads by rounds.
#[must_use]
pub fn bound_ns(nodes: usize) -> u64 {
    ROUND_NS * (3 + u64::from(nodes.max(1).ilog2() / 4))
}

/// Whether and when all states agreed.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    agreed_after: Option<u64>,
}

impl Checker {
    /// `since` the members agree, with no writes since then, these are the digests of all nodes,
    /// of so many.
    ///
    /// # Errors
    /// The time is over, and they differ.
    pub fn look(
        &mut self,
        since: u64,
        nodes: usize,
        mut digests: impl Iterator<Item = (NodeId, u64)>,
    ) -> Verdict {
        let first = digests.next();
        let other = digests.find(|(_, digest)| first.is_some_and(|(_, first)| first != *digest));
        match (first, other) {
            (Some((one, _)), Some((other, _))) if since > bound_ns(nodes) => Err(format!(
                "{} ms after the members agreed, {one} and {other} hold different states",
                since / 1_000_000
            )),
            (_, None) => {
                self.agreed_after.get_or_insert(since);
                Ok(())
            }
            (_, Some(_)) => {
                self.agreed_after = None;
                Ok(())
            }
        }
    }

    /// When all states came to agree for good, in nanoseconds since the members did.
    #[must_use]
    pub fn agreed_after(&self) -> Option<u64> {
        self.agreed_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_difference_is_refused_and_an_early_one_is_not() {
        let mut checker = Checker::default();
        let mut look = |since, digests: &[u64]| {
            let digests = (1..).map(NodeId).zip(digests.iter().copied());
            checker.look(since, 5, digests)
        };
        assert_eq!(look(5, &[7, 8]), Ok(()));
        assert_eq!(look(6, &[7, 7]), Ok(()));
        assert_eq!(look(bound_ns(5) + 1, &[7]), Ok(()));
        assert!(look(bound_ns(5) + 1, &[7, 7, 8]).is_err());
        assert_eq!(checker.agreed_after(), Some(6));
    }
}
