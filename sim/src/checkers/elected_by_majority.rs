//! A leader was voted for, in its term, by a majority of the voters, during a change of them by a
//! majority of the old and of the new ones (Raft thesis §3.4, §4.3).

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::{NodeId, Term};
use quorate_core::voters::Voters;

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

    /// A node leads a term under these voters.
    ///
    /// # Errors
    /// Too few voted for it.
    pub fn leads(&self, node: NodeId, term: Term, voters: &Voters) -> Verdict {
        let none = BTreeSet::new();
        let votes = self.votes.get(&(term, node)).unwrap_or(&none);
        if sides(voters).all(|side| 2 * side.intersection(votes).count() > side.len()) {
            return Ok(());
        }
        Err(format!(
            "{node} leads term {term} with {votes:?} of the voters {voters}"
        ))
    }
}

/// The sets of which each must agree.
pub fn sides(voters: &Voters) -> impl Iterator<Item = &BTreeSet<NodeId>> {
    let before = voters.is_joint().then(|| voters.before());
    core::iter::once(voters.now()).chain(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(count: u64) -> Voters {
        Voters::of((1..=count).map(NodeId).collect())
    }

    #[test]
    fn during_a_change_both_sides_must_have_voted() {
        let (mut checker, leader) = (Checker::default(), NodeId(1));
        let joint = first(3).changing_to((3..=5).map(NodeId).collect());
        for voter in [1, 2, 3] {
            checker.voted(NodeId(voter), Term(4), leader);
        }
        assert!(checker.leads(leader, Term(4), &joint).is_err());
        checker.voted(NodeId(5), Term(4), leader);
        assert_eq!(checker.leads(leader, Term(4), &joint), Ok(()));
    }

    #[test]
    fn repeated_votes_and_those_of_other_terms_do_not_elect() {
        let (mut checker, leader) = (Checker::default(), NodeId(1));
        for (voter, term) in [(1, 4), (1, 5), (2, 4), (2, 4)] {
            checker.voted(NodeId(voter), Term(term), leader);
        }
        assert_eq!(checker.leads(leader, Term(4), &first(3)), Ok(()));
        assert!(checker.leads(leader, Term(5), &first(3)).is_err());
        assert!(checker.leads(leader, Term(4), &first(4)).is_err());
        assert!(checker.leads(NodeId(2), Term(4), &first(3)).is_err());
    }
}
