//! Election safety: at most one leader in a term (Raft thesis §3.4, figure 3.2).

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Term};

use super::Verdict;

/// Who led which term.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    leaders: BTreeMap<Term, NodeId>,
}

impl Checker {
    /// A node leads a term.
    ///
    /// # Errors
    /// Another one led it before.
    pub fn leads(&mut self, node: NodeId, term: Term) -> Verdict {
        match *self.leaders.entry(term).or_insert(node) {
            first if first == node => Ok(()),
            first => Err(format!("{first} and {node} both led term {term}")),
        }
    }

    /// The terms that had a leader.
    #[must_use]
    pub fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_leader_of_a_term_is_refused_and_the_same_one_is_not() {
        let mut checker = Checker::default();
        assert_eq!(checker.leads(NodeId(1), Term(2)), Ok(()));
        assert_eq!(checker.leads(NodeId(1), Term(2)), Ok(()));
        assert_eq!(checker.leads(NodeId(2), Term(3)), Ok(()));
        assert!(checker.leads(NodeId(2), Term(2)).is_err());
        assert_eq!(checker.terms(), 2);
    }
}
