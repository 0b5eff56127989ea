//! What a life has written of its log behind what it is known to have committed: a step that
//! commits much may snapshot it at once, and then the log can no longer be asked.

use std::collections::BTreeMap;

use quorate_core::durable::Record;
use quorate_core::id::LogIndex;
use quorate_core::node::Action;
use quorate_core::raft::{self, Entry, SnapshotPart};

/// Entries by their index.
#[derive(Debug, Default)]
pub(super) struct Written {
    entries: BTreeMap<LogIndex, Entry>,
    /// Entries up to there were seen committed and are forgotten.
    seen: LogIndex,
}

impl Written {
    /// A life that begins with these entries behind its snapshot, which ends at `seen`.
    pub(super) fn recovered(entries: &[Entry], seen: LogIndex) -> Written {
        let mut written = Written {
            entries: BTreeMap::new(),
            seen,
        };
        written.put(entries);
        written
    }

    pub(super) fn at(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.get(&index)
    }

    /// What is committed up to `seen` needs no telling any more.
    pub(super) fn forget(&mut self, seen: LogIndex) {
        self.seen = self.seen.max(seen);
        if !self.entries.is_empty() {
            self.entries = self.entries.split_off(&self.seen.next());
        }
    }

    /// Keeps what a step writes, in place of what stood there.
    pub(super) fn keep(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Persist { record, .. } = action
                && let Record::Raft(record) = record
            {
                match record {
                    raft::Record::Append { entries } => self.put(entries),
                    raft::Record::Snapshot(part) => self.snapshot(part),
                    raft::Record::HardState { .. }
                    | raft::Record::Kept { .. }
                    | raft::Record::Rebuild { .. }
                    | raft::Record::Rebuilt => {}
                }
            }
        }
    }

    fn put(&mut self, entries: &[Entry]) {
        if let Some(first) = entries.first() {
            self.entries.split_off(&first.index);
            let entries = entries.iter().filter(|entry| entry.index > self.seen);
            self.entries
                .extend(entries.map(|entry| (entry.index, entry.clone())));
        }
    }

    /// A snapshot whose last entry does not stand here took the place of the whole log (§7); one
    /// whose last entry does says nothing new (log matching, §5.3).
    fn snapshot(&mut self, part: &SnapshotPart) {
        let (index, term) = (part.of.index, part.of.term);
        let is_here = self.at(index).is_some_and(|entry| entry.term == term);
        if index > self.seen && !is_here {
            self.entries.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::{Lsn, Term};
    use quorate_core::raft::Snapshot;

    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(term),
            data: Default::default(),
            voters: None,
        }
    }

    fn writes(record: raft::Record) -> [Action; 1] {
        let (lsn, record) = (Lsn(1), Record::Raft(record));
        [Action::Persist { lsn, record }]
    }

    fn appends(entries: Vec<Entry>) -> [Action; 1] {
        writes(raft::Record::Append { entries })
    }

    fn snapshots(index: u64, term: u64) -> [Action; 1] {
        let (index, term) = (LogIndex(index), Term(term));
        let snapshot = Snapshot::new(index, term, Default::default(), Default::default());
        writes(raft::Record::Snapshot(SnapshotPart {
            of: snapshot.meta().clone(),
            offset: 0,
            bytes: Default::default(),
        }))
    }

    fn life() -> Written {
        Written::recovered(&[entry(5, 1), entry(6, 1)], LogIndex(4))
    }

    #[test]
    fn what_stood_there_gives_way() {
        let mut written = life();
        written.keep(&appends(vec![entry(7, 1)]));
        written.keep(&appends(vec![entry(6, 2)]));
        let terms = [5, 6, 7].map(|index| written.at(LogIndex(index)).map(|it| it.term.0));
        assert_eq!(terms, [Some(1), Some(2), None]);
    }

    #[test]
    fn a_snapshot_of_its_own_takes_nothing_and_a_leaders_takes_all() {
        let mut written = life();
        written.keep(&snapshots(5, 1));
        assert!(written.at(LogIndex(6)).is_some());
        written.forget(LogIndex(5));
        written.keep(&snapshots(5, 1));
        assert!(written.at(LogIndex(6)).is_some());
        written.keep(&snapshots(6, 2));
        assert!(written.at(LogIndex(6)).is_none());
    }
}
