//! What waits for a connection is bounded, however long the other end is away.

use quorate_core::id::NodeId;
use quorate_core::node::OUTBOX_MAX;

use super::Verdict;

/// So many messages of a node wait for a connection to another.
///
/// # Errors
/// Too many.
pub fn check(node: NodeId, to: NodeId, waiting: usize) -> Verdict {
    if waiting <= OUTBOX_MAX {
        return Ok(());
    }
    Err(format!(
        "{waiting} messages of {node} to {to} wait for a connection"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_and_a_full_box_is_not() {
        assert_eq!(check(NodeId(1), NodeId(2), OUTBOX_MAX), Ok(()));
        assert!(check(NodeId(1), NodeId(2), OUTBOX_MAX + 1).is_err());
    }
}
