//! Election restriction: a voter helps only a candidate whose log holds at least what its own does
//! (Raft thesis §3.6.1; for pre-votes §9.6).

use quorate_core::id::{LogIndex, NodeId, Term};

use super::Verdict;

/// The end of a log: the term of its last entry, then that entry's index.
pub type End = (Term, LogIndex);

/// A voter with a log that ends at `own` helped a candidate whose log ends at `theirs`.
///
/// # Errors
/// The candidate's log lacks entries.
pub fn check(voter: NodeId, own: End, candidate: NodeId, theirs: End) -> Verdict {
    if theirs >= own {
        return Ok(());
    }
    Err(format!(
        "{voter}, whose log ends at {} of term {}, helps {candidate}, whose log ends at {} of \
         term {}",
        own.1, own.0, theirs.1, theirs.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_or_older_log_is_refused_and_a_longer_or_newer_one_is_not() {
        let end = |term, index| (Term(term), LogIndex(index));
        let check = |own, theirs| check(NodeId(1), own, NodeId(2), theirs).is_ok();
        assert!(check(end(2, 5), end(2, 5)));
        assert!(check(end(2, 5), end(3, 1)));
        assert!(check(end(2, 5), end(2, 6)));
        assert!(!check(end(2, 5), end(2, 4)));
        assert!(!check(end(2, 5), end(1, 9)));
    }
}
