//! What survives a restart: the fold of the durable records.

use alloc::vec::Vec;

use super::{Assembly, Entry, Record, Snapshot, SnapshotPart};
use crate::id::{LogIndex, NodeId, Term};

/// What survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The highest term seen.
    pub term: Term,
    /// The vote given in it.
    pub vote: Option<NodeId>,
    /// What stands for the beginning of the log, if that is gone.
    pub snapshot: Option<Snapshot>,
    /// All entries after the snapshot, or from index 1; contiguous.
    pub log: Vec<Entry>,
    /// Set while earlier promises are forgotten: the token of that loss.
    pub rebuild: Option<u64>,
    /// A snapshot of which not all records have been met.
    pub(crate) assembly: Option<Assembly>,
}

impl Recovered {
    /// Adds one record: the only recovery code there is.
    ///
    /// Total: entries that would leave a gap in the log are not taken, since nothing may stand
    /// behind a hole; nor is a snapshot of which something is missing.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::HardState { term, vote } => (self.term, self.vote) = (term, vote),
            Record::Append { entries } | Record::Kept { entries, .. } => self.overwrite(entries),
            Record::Snapshot(part) => self.add_part(&part),
            Record::Rebuild { token } => self.rebuild = Some(token),
            Record::Rebuilt => self.rebuild = None,
        }
    }

    /// The last entry that the snapshot stands for.
    #[must_use]
    pub fn base(&self) -> LogIndex {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(LogIndex(0), |it| it.meta().index)
    }

    /// Cuts the log where the entries begin and puts them there (Raft thesis §3.5: a conflicting
    /// entry removes itself and all that follow it).
    fn overwrite(&mut self, entries: Vec<Entry>) {
        let base = self.base().0;
        let first = entries.first().map_or(0, |entry| entry.index.0);
        let next = base + self.log.len() as u64 + 1;
        if first <= base || first > next {
            return;
        }
        let kept = first - base - 1;
        self.log
            .truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        for entry in entries {
            if entry.index.0 != base + self.log.len() as u64 + 1 {
                return;
            }
            self.log.push(entry);
        }
    }

    fn add_part(&mut self, part: &SnapshotPart) {
        if part.offset == 0 {
            self.assembly = Assembly::of(&part.of);
        }
        let Some(assembly) = &mut self.assembly else {
            return;
        };
        if !assembly.add(part) {
            self.assembly = None;
        } else if assembly.is_whole() {
            let snapshot = assembly.finish();
            self.assembly = None;
            if let Some(snapshot) = snapshot {
                self.take(snapshot);
            }
        }
    }

    /// Entries behind a snapshot stay if the log leads up to it.
    fn take(&mut self, snapshot: Snapshot) {
        let (index, term) = (snapshot.meta().index, snapshot.meta().term);
        let Some(passed) = index.0.checked_sub(self.base().0).filter(|it| *it > 0) else {
            return;
        };
        let passed = usize::try_from(passed).unwrap_or(usize::MAX);
        let last = self.log.get(passed - 1);
        if last.is_some_and(|entry| entry.term == term) {
            self.log.drain(..passed);
        } else {
            self.log.clear();
        }
        self.snapshot = Some(snapshot);
    }
}
