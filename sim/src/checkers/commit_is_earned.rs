//! How a commit index may rise (Raft thesis §3.5, §3.6.2): a follower's only to what the leader has
//! committed and has shown to be equal; a leader's only to an entry of its own term.

use quorate_core::id::{LogIndex, NodeId, Term};

use super::Verdict;

/// A follower took a message that shows its log to be equal up to `matched` and tells of `commit`.
///
/// # Errors
/// It committed more.
pub fn follows(
    node: NodeId,
    (before, after): (LogIndex, LogIndex),
    matched: LogIndex,
    commit: LogIndex,
) -> Verdict {
    if after <= before.max(matched.min(commit)) {
        return Ok(());
    }
    Err(format!(
        "{node} commits up to {after}: the leader committed up to {commit}, and the logs are known \
         to be equal up to {matched}"
    ))
}

/// A leader of `term` has committed more, up to an entry of the term `last`.
///
/// # Errors
/// It counted for an entry of another term.
pub fn leads(node: NodeId, term: Term, last: Option<Term>) -> Verdict {
    if last == Some(term) {
        return Ok(());
    }
    let last = last.unwrap_or_default();
    Err(format!(
        "{node}, leader of term {term}, commits an entry of term {last} by counting"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_is_shown_is_refused_and_less_is_not() {
        let check = |before, after, matched, commit| {
            let at = |index| LogIndex(index);
            follows(NodeId(1), (at(before), at(after)), at(matched), at(commit)).is_ok()
        };
        assert!(check(3, 5, 5, 9));
        assert!(check(3, 5, 9, 5));
        assert!(check(7, 7, 5, 9), "nothing is taken back");
        assert!(!check(3, 6, 5, 9));
        assert!(!check(3, 6, 9, 5));
    }

    #[test]
    fn an_entry_of_an_earlier_term_is_refused_and_one_of_its_own_is_not() {
        assert_eq!(leads(NodeId(1), Term(4), Some(Term(4))), Ok(()));
        assert!(leads(NodeId(1), Term(4), Some(Term(3))).is_err());
    }
}
