//! Accuracy: while nothing is wrong, nobody is suspected (SWIM §3.1; a false suspicion needs a lost
//! message or a slow process).

use quorate_core::id::{NodeId, Peer};

use super::Verdict;

/// `by` suspects a member; `is_quiet` while no fault has struck and the network is fast and loses
/// nothing.
///
/// # Errors
/// Nothing was wrong.
pub fn check(by: NodeId, suspect: Peer, is_quiet: bool) -> Verdict {
    if !is_quiet {
        return Ok(());
    }
    Err(format!("{by} suspects {suspect}, and nothing is wrong"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspicion_in_quiet_times_is_refused_and_one_in_others_is_not() {
        let suspect = Peer {
            node: NodeId(2),
            boot: 1,
        };
        assert!(check(NodeId(1), suspect, true).is_err());
        assert_eq!(check(NodeId(1), suspect, false), Ok(()));
    }
}
