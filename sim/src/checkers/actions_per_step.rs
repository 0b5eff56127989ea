//! One step asks for a bounded amount of work: whatever a peer sends, the answer is not an
//! avalanche.

use super::Verdict;

/// Actions of one step. The largest legal bursts are a leader's appends to all followers, the
/// answers to all waiting proposals, and what waited behind one sync.
pub const ACTIONS_MAX: usize = 1_000;

/// A step asked for so many actions.
///
/// # Errors
/// Too many.
pub fn check(actions: usize) -> Verdict {
    if actions <= ACTIONS_MAX {
        return Ok(());
    }
    Err(format!("one step asked for {actions} actions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_avalanche_is_refused_and_a_burst_is_not() {
        assert_eq!(check(ACTIONS_MAX), Ok(()));
        assert!(check(ACTIONS_MAX + 1).is_err());
    }
}
