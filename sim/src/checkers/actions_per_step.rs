//! One step asks for a bounded amount of work: whatever a peer sends, the answer is not an
//! avalanche.

use super::Verdict;

/// Actions of one step in a cluster of so many nodes. The largest legal bursts are a leader's
/// appends to all followers, the answers to all waiting proposals, and what waited behind one sync.
#[must_use]
pub fn actions_max(nodes: usize) -> usize {
    1_000 + 4 * nodes
}

/// A step asked for so many actions.
///
/// # Errors
/// Too many.
pub fn check(actions: usize, nodes: usize) -> Verdict {
    if actions <= actions_max(nodes) {
        return Ok(());
    }
    Err(format!("one step asked for {actions} actions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avalanche_is_refused_and_a_burst_is_not() {
        assert_eq!(check(actions_max(5), 5), Ok(()));
        assert!(check(actions_max(5) + 1, 5).is_err());
        assert_eq!(check(actions_max(5) + 1, 100), Ok(()));
    }
}
