//! An incarnation is raised by its owner alone, with every refutation, and never falls (SWIM §4.2).

use std::collections::BTreeMap;

use quorate_core::id::{Incarnation, NodeId};

use super::Verdict;

/// The highest incarnation each node has had.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    own: BTreeMap<NodeId, Incarnation>,
}

impl Checker {
    /// A node has this incarnation.
    ///
    /// # Errors
    /// It had a higher one.
    pub fn has(&mut self, node: NodeId, incarnation: Incarnation) -> Verdict {
        let own = self.own.entry(node).or_insert(incarnation);
        if incarnation < *own {
            return Err(format!(
                "{node} fell from incarnation {own} to {incarnation}"
            ));
        }
        *own = incarnation;
        Ok(())
    }

    /// A node that had the incarnation `before` says that it refutes an accusation with another.
    ///
    /// # Errors
    /// It is no higher: nobody will believe that.
    pub fn refutes(&self, node: NodeId, before: Incarnation, incarnation: Incarnation) -> Verdict {
        if incarnation <= before {
            return Err(format!(
                "{node} refutes with incarnation {incarnation}, which it had already"
            ));
        }
        Ok(())
    }

    /// Another node believes that `member` has this incarnation.
    ///
    /// # Errors
    /// It never had one so high.
    pub fn believed(&self, by: NodeId, member: NodeId, incarnation: Incarnation) -> Verdict {
        if self.own.get(&member).is_some_and(|own| incarnation <= *own) {
            return Ok(());
        }
        Err(format!(
            "{by} knows {member} under incarnation {incarnation}, which it never had"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incarnation_nobody_had_or_that_does_not_rise_is_refused() {
        let (mut checker, it, one) = (Checker::default(), NodeId(1), Incarnation::of_boot(1));
        let two = one.above(one);
        assert_eq!(checker.has(it, one), Ok(()));
        assert!(checker.believed(NodeId(2), it, two).is_err());
        assert!(checker.refutes(it, one, one).is_err());
        assert_eq!(checker.refutes(it, one, two), Ok(()));
        assert_eq!(checker.has(it, two), Ok(()));
        assert_eq!(checker.believed(NodeId(2), it, two), Ok(()));
        assert_eq!(checker.believed(NodeId(2), it, one), Ok(()));
        assert!(checker.has(it, one).is_err());
    }
}
