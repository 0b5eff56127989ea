//! Anti-entropy ends differences (Demers et al. 1987 §1.3): once nobody writes any more and all see
//! the same members, all come to hold the same state within a few rounds of exchanges.

use quorate_core::id::NodeId;

use super::Verdict;

/// How long it may take once the members agree: each node opens an exchange every 7.5 s at the
/// latest.
pub const BOUND_NS: u64 = 20_000_000_000;

/// Whether and when all states agreed.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    agreed_after: Option<u64>,
}

impl Checker {
    /// `since` the members agree, with no writes since then, these are the digests of all.
    ///
    /// # Errors
    /// The time is over, and they differ.
    pub fn look(&mut self, since: u64, digests: &[(NodeId, u64)]) -> Verdict {
        let first = digests.first();
        let other = digests
            .iter()
            .find(|(_, digest)| first.is_some_and(|(_, f)| f != digest));
        match (first, other) {
            (Some((one, _)), Some((other, _))) if since > BOUND_NS => Err(format!(
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
        let (one, two) = ((NodeId(1), 7), (NodeId(2), 8));
        assert_eq!(checker.look(5, &[one, two]), Ok(()));
        assert_eq!(checker.look(6, &[one, (NodeId(2), 7)]), Ok(()));
        assert_eq!(checker.agreed_after(), Some(6));
        assert_eq!(checker.look(BOUND_NS + 1, &[one]), Ok(()));
        assert!(checker.look(BOUND_NS + 1, &[one, two]).is_err());
    }
}
