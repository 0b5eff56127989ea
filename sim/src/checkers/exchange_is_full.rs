//! A full exchange tells all the sender believes, the dead and the departed as well: partitions
//! re-merge by it, because the dead hear of their death there and refute it (SWIM §4.2).

use std::collections::BTreeSet;

use quorate_core::id::NodeId;

use super::Verdict;

/// A node that knows `known` has told `to` of `told`, on all pages together.
///
/// # Errors
/// Somebody is missing.
pub fn check(
    node: NodeId,
    to: NodeId,
    told: &BTreeSet<NodeId>,
    known: &BTreeSet<NodeId>,
) -> Verdict {
    match known.difference(told).next() {
        None => Ok(()),
        Some(missing) => Err(format!(
            "{node} tells {to} all it believes, except of {missing}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_member_is_refused_and_a_full_exchange_is_not() {
        let all = BTreeSet::from([NodeId(1), NodeId(2), NodeId(3)]);
        let some = BTreeSet::from([NodeId(1), NodeId(3)]);
        assert_eq!(check(NodeId(1), NodeId(4), &all, &all), Ok(()));
        assert!(check(NodeId(1), NodeId(4), &some, &all).is_err());
    }
}
