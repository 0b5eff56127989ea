//! Every proposal is answered exactly once, within its timeout, as long as its process lives
//! (exactly-once semantics at the client, Raft thesis §6.3, rest on it).

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Ticket};

use super::Verdict;

/// The timeout of a proposal in the simulated configuration, by a slow clock, and a little.
pub const BOUND_NS: u64 = 11_000_000_000;

/// The open proposals of the living processes.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    open: BTreeMap<(NodeId, Ticket), u64>,
}

impl Checker {
    /// A client hands a proposal to a node.
    pub fn asked(&mut self, node: NodeId, ticket: Ticket, now: u64) {
        self.open.insert((node, ticket), now);
    }

    /// A node answers.
    ///
    /// # Errors
    /// It had answered already, or was never asked.
    pub fn answered(&mut self, node: NodeId, ticket: Ticket) -> Verdict {
        match self.open.remove(&(node, ticket)) {
            Some(_) => Ok(()),
            None => Err(format!("{node} answers {ticket:?}, which is not open")),
        }
    }

    /// A process has ended; nobody can ask it for an answer.
    pub fn ended(&mut self, node: NodeId) {
        self.open.retain(|(asked, _), _| *asked != node);
    }

    /// Time passes for a process that stands still: it cannot answer.
    pub fn excused(&mut self, node: NodeId, now: u64) {
        let open = self.open.iter_mut();
        open.filter(|((asked, _), _)| *asked == node)
            .for_each(|(_, since)| *since = now);
    }

    /// Time passes.
    ///
    /// # Errors
    /// Somebody has waited for too long.
    pub fn look(&self, now: u64) -> Verdict {
        match self.open.iter().find(|(_, since)| now - **since > BOUND_NS) {
            None => Ok(()),
            Some(((node, ticket), since)) => Err(format!(
                "{node} has left {ticket:?} unanswered for {} ms",
                (now - since) / 1_000_000
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_and_none_are_refused_and_one_is_not() {
        let (mut checker, node) = (Checker::default(), NodeId(1));
        checker.asked(node, Ticket(1), 0);
        checker.asked(node, Ticket(2), 0);
        assert_eq!(checker.answered(node, Ticket(1)), Ok(()));
        assert!(checker.answered(node, Ticket(1)).is_err());
        assert_eq!(checker.look(BOUND_NS), Ok(()));
        assert!(checker.look(BOUND_NS + 1).is_err());
        checker.excused(node, 5);
        assert_eq!(checker.look(BOUND_NS + 1), Ok(()));
        checker.ended(node);
        assert_eq!(checker.look(BOUND_NS * 2), Ok(()));
    }
}
