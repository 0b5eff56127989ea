//! Reachability is complete and accurate: who hears both ends of a broken link, and holds both
//! alive, sees that the cluster is not whole; and after the heal nobody goes on seeing a partition.

use std::collections::BTreeMap;

use quorate_core::id::NodeId;

use super::{Verdict, state_converges};

/// A broken connection is noticed within 6 s, told after 4, spread within 3, settled within 4.
pub const SEEN_NS: u64 = 20_000_000_000;
/// How long after the members agree, in a small cluster: a connection is up again within 4 s, the
/// rest as above.
pub const WHOLE_NS: u64 = 20_000_000_000;
/// Of that, what is not the spreading.
const UNSPREAD_NS: u64 = 8_000_000_000;

/// How long after so many members agree nobody sees a partition any more: what is said of
/// connections is state, and in a large cluster spreads by rounds like all of it.
#[must_use]
pub fn whole_ns(nodes: usize) -> u64 {
    match nodes < 16 {
        true => WHOLE_NS,
        false => state_converges::bound_ns(nodes) + UNSPREAD_NS,
    }
}

/// A third node, and the ends of a pair.
type Place = (NodeId, [NodeId; 2]);

/// Since when third nodes ought to see cuts.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<Place, u64>,
}

impl Checker {
    /// Whether a third node that ought to see a cut does so; `None` when it need not.
    ///
    /// # Errors
    /// It has not for too long.
    pub fn look(&mut self, now: u64, place: Place, seen: Option<bool>) -> Verdict {
        if seen != Some(false) {
            self.since.remove(&place);
            return Ok(());
        }
        let since = *self.since.entry(place).or_insert(now);
        let millis = (now - since) / 1_000_000;
        let (third, [one, other]) = place;
        if now - since > SEEN_NS {
            return Err(format!(
                "{third} sees a whole cluster, {millis} ms after {one} and {other} \
                 lost each other"
            ));
        }
        Ok(())
    }
}

/// `since` the members agree after the heal, a node of so many that still sees a partition.
///
/// # Errors
/// The time is over.
pub fn whole(since: u64, nodes: usize, partitioned: Option<NodeId>) -> Verdict {
    match partitioned {
        Some(node) if since > whole_ns(nodes) => {
            let millis = since / 1_000_000;
            Err(format!(
                "{node} sees a partition, {millis} ms after the members agreed"
            ))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_that_is_overlooked_is_refused_and_one_that_is_seen_is_not() {
        let mut checker = Checker::default();
        let place = (NodeId(3), [NodeId(1), NodeId(2)]);
        assert_eq!(checker.look(0, place, Some(false)), Ok(()));
        assert_eq!(checker.look(SEEN_NS, place, None), Ok(()), "it was excused");
        assert_eq!(checker.look(SEEN_NS + 1, place, Some(false)), Ok(()));
        assert_eq!(checker.look(2 * SEEN_NS, place, Some(true)), Ok(()));
        assert_eq!(checker.look(3 * SEEN_NS, place, Some(false)), Ok(()));
        assert!(checker.look(4 * SEEN_NS + 1, place, Some(false)).is_err());
    }

    #[test]
    fn a_partition_that_is_over_is_not_seen_for_long() {
        for nodes in [5, 79] {
            let late = whole_ns(nodes);
            assert_eq!(whole(late, nodes, Some(NodeId(1))), Ok(()));
            assert_eq!(whole(late + 1, nodes, None), Ok(()));
            assert!(whole(late + 1, nodes, Some(NodeId(1))).is_err());
        }
    }
}
