//! A server votes for at most one candidate in a term, across restarts (Raft thesis §3.4, §3.8).
//!
//! A vote counts when it has become visible: when its reply left, or when its record is durable. A
//! record that was lost before either never happened, and the node may vote again.

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Term};

use super::Verdict;

/// Who voted for whom.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    votes: BTreeMap<(NodeId, Term), NodeId>,
}

impl Checker {
    /// A vote of `voter` became visible.
    ///
    /// # Errors
    /// It voted for another one in the same term.
    pub fn voted(&mut self, voter: NodeId, term: Term, to: NodeId) -> Verdict {
        match *self.votes.entry((voter, term)).or_insert(to) {
            first if first == to => Ok(()),
            first => Err(format!(
                "{voter} voted for {first} and for {to} in term {term}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_vote_is_refused_and_a_repeated_or_later_one_is_not() {
        let mut checker = Checker::default();
        let (voter, one, two) = (NodeId(3), NodeId(1), NodeId(2));
        assert_eq!(checker.voted(voter, Term(5), one), Ok(()));
        assert_eq!(checker.voted(voter, Term(5), one), Ok(()));
        assert_eq!(checker.voted(voter, Term(6), two), Ok(()));
        assert!(checker.voted(voter, Term(5), two).is_err());
    }
}
