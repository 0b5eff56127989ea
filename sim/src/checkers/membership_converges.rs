//! Completeness and accuracy after the faults: once everything is healed, every live node believes
//! exactly the live nodes to be alive, in their present lives, within a bound (SWIM §3; healing by
//! retried addresses).

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
    /// `since_heal` after the heal, somebody whose view differs from the truth, if there is anyone,
    /// and that view.
    ///
    /// # Errors
    /// The time is over.
    pub fn look(
        &mut self,
        since_heal: u64,
        outlier: Option<(Peer, &[Peer])>,
        truth: &[Peer],
    ) -> Verdict {
        let Some((who, view)) = outlier else {
            self.converged_after.get_or_insert(since_heal);
            return Ok(());
        };
        self.converged_after = None;
        if since_heal <= BOUND_NS {
            return Ok(());
        }
        let list = |peers: &[Peer]| {
            let names: Vec<String> = peers.iter().map(Peer::to_string).collect();
            names.join(" ")
        };
        let millis = since_heal / 1_000_000;
        let (sees, truth) = (list(view), list(truth));
        Err(format!(
            "{millis} ms after the heal {who} sees [{sees}], alive are [{truth}]"
        ))
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

    #[test]
    fn a_late_wrong_view_is_refused_and_an_early_one_is_not() {
        let peer = |node| Peer {
            node: NodeId(node),
            boot: 1,
        };
        let truth = [peer(1), peer(2)];
        let mut checker = Checker::default();
        let mut look = |after, sees: Option<&[Peer]>| {
            let outlier = sees.map(|view| (peer(1), view));
            checker.look(after, outlier, &truth)
        };
        assert_eq!(look(5, Some(&truth[..1])), Ok(()));
        assert_eq!(look(6, None), Ok(()));
        assert_eq!(look(7, Some(&[])), Ok(()));
        assert_eq!(look(8, None), Ok(()));
        assert!(look(BOUND_NS + 1, Some(&truth[..1])).is_err());
        assert_eq!(look(BOUND_NS + 2, None), Ok(()));
        assert_eq!(checker.converged_after(), Some(BOUND_NS + 2));
    }
}
