//! A leader was voted for, in its term, by a majority of the voters (Raft thesis §3.4).

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::{NodeId, Term};

use super::Verdict;

/// Who voted for whom.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    votes: BTreeMap<(Term, NodeId), BTreeSet<NodeId>>,
}

impl Checker {
    /// A vote of `voter` became visible.
    pub fn voted(&mut self, voter: NodeId, term: Term, to: NodeId) {
        self.votes.entry((term, to)).or_default().insert(voter);
    }

    /// A node leads a term; the first `voters` nodes vote.
    ///
    /// # Errors
    /// Too few voted for it.
    pub fn leads(&self, node: NodeId, term: Term, voters: u64) -> Verdict {
        let votes = self.votes.get(&(term, node)).map_or(0, BTreeSet::len) as u64;
        if 2 * votes > voters {
            return Ok(());
        }
        Err(format!(
            "{node} leads term {term} with {votes} of {voters} votes"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_votes_and_those_of_other_terms_do_not_elect() {
        let (mut checker, leader) = (Checker::default(), NodeId(1));
        for (voter, term) in [(1, 4), (1, 5), (2, 4), (2, 4)] {
            checker.voted(NodeId(voter), Term(term), leader);
        }
        assert_eq!(checker.leads(leader, Term(4), 3), Ok(()));
        assert!(checker.leads(leader, Term(5), 3).is_err());
        assert!(checker.leads(leader, Term(4), 4).is_err());
        assert!(checker.leads(NodeId(2), Term(4), 3).is_err());
    }
}
