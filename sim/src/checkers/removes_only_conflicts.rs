//! A node removes entries from its log only where they conflict: the first entry that is written
//! over has another term (Raft thesis §3.5). A leader appends only. A snapshot of its own leaves
//! the entries behind it as they are; only a leader's takes the place of the whole log.

use std::collections::BTreeMap;

use quorate_core::id::{LogIndex, NodeId, Term};
use quorate_core::raft::Entry;

use super::Verdict;

/// The terms of each node's entries, synced or not.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    logs: BTreeMap<NodeId, BTreeMap<LogIndex, Term>>,
}

impl Checker {
    /// A process has started with these entries.
    pub fn started(&mut self, node: NodeId, entries: &[Entry]) {
        self.logs.insert(node, terms(entries).collect());
    }

    /// A leader's snapshot has taken the place of the log.
    pub fn installed(&mut self, node: NodeId) {
        self.logs.remove(&node);
    }

    /// A process has written what stands behind its snapshot again.
    ///
    /// # Errors
    /// That is not what stood there.
    pub fn kept(&self, node: NodeId, entries: &[Entry]) -> Verdict {
        let log = self.logs.get(&node);
        let stands = |(index, term)| log.and_then(|log| log.get(&index)) == Some(&term);
        match terms(entries).find(|it| !stands(*it)) {
            None => Ok(()),
            Some((index, _)) => Err(format!(
                "{node} writes another entry {index} behind its snapshot than stood there"
            )),
        }
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
        let over = log.split_off(&first.index).remove(&first.index);
        log.extend(terms(entries));
        if over != Some(first.term) {
            return Ok(());
        }
        Err(format!(
            "{node} cuts its log at {}, where it already held the entry of term {}",
            first.index, first.term
        ))
    }
}

fn terms(entries: &[Entry]) -> impl Iterator<Item = (LogIndex, Term)> {
    entries.iter().map(|entry| (entry.index, entry.term))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(checker.kept(node, &[entry(1, 2), entry(2, 3)]), Ok(()));
        assert!(checker.kept(node, &[entry(1, 3)]).is_err());
        assert!(checker.wrote(node, &[entry(1, 2)]).is_err());
        checker.installed(node);
        assert_eq!(checker.wrote(node, &[entry(2, 9)]), Ok(()));
    }
}
