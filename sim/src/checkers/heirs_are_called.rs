//! Nobody campaigns against a leader that is heard, unless this leader called it; and it calls only
//! a node that holds its whole log (Raft thesis §3.10). That its disk is lost since, the leader
//! cannot know; a node that is rebuilt heeds no call, as `rebuilt_keep_still` watches.

use std::collections::BTreeSet;

use quorate_core::id::{LogIndex, NodeId, Term};

use super::Verdict;
use super::ledger::Ledger;

/// Who was called, out of which term.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    calls: BTreeSet<(NodeId, Term)>,
}

impl Checker {
    /// A leader whose log ends at `last` calls `to`.
    ///
    /// # Errors
    /// The target's disk holds less than that.
    pub fn calls(&mut self, ledger: &Ledger, to: NodeId, term: Term, last: LogIndex) -> Verdict {
        self.calls.insert((to, term));
        match ledger.had(to, last) {
            true => Ok(()),
            false => Err(format!("{to} is called to take over without entry {last}")),
        }
    }

    /// A node asks for votes in `term` and says that it was called.
    ///
    /// # Errors
    /// It was not.
    pub fn campaigns(&self, node: NodeId, term: Term) -> Verdict {
        match self.calls.contains(&(node, Term(term.0.saturating_sub(1)))) {
            true => Ok(()),
            false => Err(format!("{node} campaigns in {term} as if it were called")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::durable::{Durable, Record};
    use quorate_core::id::Lsn;
    use quorate_core::payload::Payload;
    use quorate_core::raft::{self, Entry};

    #[test]
    fn a_call_needs_a_full_log_and_a_campaign_a_call() {
        let (mut checker, mut ledger, to) = (Checker::default(), Ledger::default(), NodeId(2));
        ledger.started(to, &Durable::default());
        assert!(checker.calls(&ledger, to, Term(4), LogIndex(1)).is_err());
        let entries = vec![Entry {
            term: Term(4),
            index: LogIndex(1),
            data: Payload::default(),
            voters: None,
        }];
        let record = Record::Raft(raft::Record::Append { entries });
        ledger.wrote(to, Lsn(1), Term(4), &record);
        ledger.synced(to, Lsn(1));
        assert_eq!(checker.calls(&ledger, to, Term(4), LogIndex(1)), Ok(()));
        assert_eq!(checker.campaigns(to, Term(5)), Ok(()));
        assert!(checker.campaigns(to, Term(6)).is_err());
        assert!(checker.campaigns(NodeId(3), Term(5)).is_err());
        let mut forgetful = Durable::default();
        forgetful.raft.rebuild = Some(7);
        ledger.started(to, &forgetful);
        assert_eq!(checker.calls(&ledger, to, Term(4), LogIndex(1)), Ok(()));
        assert!(checker.calls(&ledger, to, Term(4), LogIndex(2)).is_err());
    }
}
