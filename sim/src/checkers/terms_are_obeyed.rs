//! Whoever learns of a higher term from entries or from an answer to entries takes it (Raft thesis
//! §3.3, figure 3.1). A leader that does not goes on serving beside its successor.

use quorate_core::id::{NodeId, Term};

use super::Verdict;

/// A node has worked off a message of term `told` and is now in term `after`.
///
/// # Errors
/// It stayed behind.
pub fn check(node: NodeId, told: Term, after: Term) -> Verdict {
    if after >= told {
        return Ok(());
    }
    Err(format!(
        "{node} was told of term {told} and stays in term {after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staying_behind_is_refused_and_the_same_or_a_later_term_is_not() {
        assert_eq!(check(NodeId(1), Term(3), Term(3)), Ok(()));
        assert_eq!(check(NodeId(1), Term(3), Term(4)), Ok(()));
        assert!(check(NodeId(1), Term(3), Term(2)).is_err());
    }
}
