//! Completeness and accuracy after the faults: once everything is healed, every live node believes
//! exactly the live nodes to be alive, in their present lives, within a bound (SWIM §3; healing by
//! retried addresses).

use std::collections::BTreeSet;

use quorate_core::id::Peer;

use super::Verdict;

/// How long it may take after the heal.
pub const BOUND_NS: u64 = 25_000_000_000;

/// Whether and when all views agreed.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    converged_after: Option<u64>,
}

impl Checker {
    /// `since_heal` after the heal, the first view that differs from the truth, if any.
    ///
    /// # Errors
    /// The time is over.
    pub fn look(
        &mut self,
        since_heal: u64,
        truth: &BTreeSet<Peer>,
        views: impl Iterator<Item = (Peer, BTreeSet<Peer>)>,
    ) -> Verdict {
        let mut views = views;
        match views.find(|(_, view)| view != truth) {
            None => {
                self.converged_after.get_or_insert(since_heal);
                Ok(())
            }
            Some((who, view)) if since_heal > BOUND_NS => {
                let list = |peers: &BTreeSet<Peer>| {
                    peers
                        .iter()
                        .map(Peer::to_string)
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                let millis = since_heal / 1_000_000;
                let (sees, truth) = (list(&view), list(truth));
                Err(format!(
                    "{millis} ms after the heal {who} sees [{sees}], alive are [{truth}]"
                ))
            }
            Some(_) => {
                self.converged_after = None;
                Ok(())
            }
        }
    }

    /// When all views came to agree for good, in nanoseconds after the heal.
    #[must_use]
    pub fn converged_after(&self) -> Option<u64> {
        self.converged_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::NodeId;

    fn peers(nodes: &[u64]) -> BTreeSet<Peer> {
        nodes
            .iter()
            .map(|node| Peer {
                node: NodeId(*node),
                boot: 1,
            })
            .collect()
    }

    #[test]
    fn a_late_wrong_view_is_refused_and_an_early_one_is_not() {
        let me = Peer {
            node: NodeId(1),
            boot: 1,
        };
        let mut checker = Checker::default();
        let mut look = |after, sees: &[u64]| {
            let view = std::iter::once((me, peers(sees)));
            checker.look(after, &peers(&[1, 2]), view)
        };
        assert_eq!(look(5, &[1]), Ok(()));
        assert_eq!(look(6, &[1, 2]), Ok(()));
        assert_eq!(look(7, &[1, 2, 3]), Ok(()));
        assert_eq!(look(8, &[1, 2]), Ok(()));
        assert!(look(BOUND_NS + 1, &[1]).is_err());
        assert_eq!(checker.converged_after(), Some(8));
    }
}
