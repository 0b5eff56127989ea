//! A node removes entries from its log only where they conflict: the first entry that is written
//! over has another term (Raft thesis §3.5). A leader appends only.

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Term};
use quorate_core::raft::Entry;

use super::Verdict;

/// The terms of each node's entries, synced or not.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    logs: BTreeMap<NodeId, Vec<Term>>,
}

impl Checker {
    /// A process has started with these entries.
    pub fn started(&mut self, node: NodeId, entries: &[Entry]) {
        let terms = entries.iter().map(|entry| entry.term).collect();
        self.logs.insert(node, terms);
    }

    /// A process has written entries.
    ///
    /// # Errors
    /// They write over an equal one.
    pub fn wrote(&mut self, node: NodeId, entries: &[Entry]) -> Verdict {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let log = self.logs.entry(node).or_default();
        let slot = usize::try_from(first.index.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let over = log.get(slot).copied();
        log.truncate(slot);
        log.extend(entries.iter().map(|entry| entry.term));
        if over != Some(first.term) {
            return Ok(());
        }
        Err(format!(
            "{node} cuts its log at {}, where it already held the entry of term {}",
            first.index, first.term
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::LogIndex;
    use quorate_core::payload::Payload;

    #[test]
    fn a_cut_at_an_equal_entry_is_refused_and_one_at_a_conflict_is_not() {
        let entry = |term, index| Entry {
            term: Term(term),
            index: LogIndex(index),
            data: Payload::default(),
            voters: None,
        };
        let (mut checker, node) = (Checker::default(), NodeId(1));
        checker.started(node, &[entry(1, 1)]);
        assert_eq!(checker.wrote(node, &[entry(1, 2), entry(1, 3)]), Ok(()));
        assert_eq!(checker.wrote(node, &[entry(2, 3)]), Ok(()));
        assert!(checker.wrote(node, &[entry(1, 2)]).is_err());
    }
}
