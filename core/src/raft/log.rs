//! The log in memory: contiguous entries, terms never decreasing (Raft thesis §3.5), and what is
//! remembered of those before the first one that is kept.

use alloc::vec::Vec;

use super::{Entry, SnapshotMeta};
use crate::id::{LogIndex, NodeId, Term};
use crate::voters::Voters;

/// The entries behind a base, and the voters they establish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log {
    /// The last entry that is not kept any more, and its term; 0 if all are.
    base: (LogIndex, Term),
    entries: Vec<Entry>,
    /// The voters as of the base, then those of each entry that changes them.
    voters: Vec<(LogIndex, Voters)>,
}

impl Log {
    /// A log from its first entry on.
    pub(super) fn new(voters: Voters, entries: Vec<Entry>) -> Log {
        Log::from((LogIndex(0), Term(0)), voters, entries)
    }

    /// The log behind a snapshot.
    pub(super) fn after(snapshot: &SnapshotMeta, entries: Vec<Entry>) -> Log {
        let voters = Voters::of(snapshot.voters.clone());
        Log::from((snapshot.index, snapshot.term), voters, entries)
    }

    fn from(base: (LogIndex, Term), voters: Voters, entries: Vec<Entry>) -> Log {
        let mut log = Log {
            base,
            entries,
            voters: Vec::from([(base.0, voters)]),
        };
        log.voters.extend(changes(&log.entries));
        log
    }

    /// The voters that the whole log establishes, and by which entry.
    pub(super) fn voters_at_end(&self) -> (LogIndex, &Voters) {
        self.voters_at(LogIndex(u64::MAX))
    }

    /// The voters in force as of an entry, and the one that established them.
    pub(super) fn voters_at(&self, index: LogIndex) -> (LogIndex, &Voters) {
        let until = self.voters.partition_point(|(at, _)| *at <= index);
        match self.voters.get(until.saturating_sub(1)) {
            Some((at, voters)) => (*at, voters),
            None => unreachable!("there are always voters as of the base"),
        }
    }

    /// Whether a node votes by any word that may come to count: the last voters that are
    /// committed, and all since.
    pub(super) fn may_vote(&self, node: NodeId, commit: LogIndex) -> bool {
        let is_over = |(index, _): &&(LogIndex, Voters)| *index > commit;
        let open = self.voters.iter().rev().take_while(is_over).count();
        let from = self.voters.len().saturating_sub(open + 1);
        self.voters[from..]
            .iter()
            .any(|(_, voters)| voters.contains(node))
    }

    /// The last entry that is not kept any more, 0 if all are.
    pub(super) fn base(&self) -> LogIndex {
        self.base.0
    }

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.base.0.0 + self.entries.len() as u64)
    }

    pub(super) fn last_term(&self) -> Term {
        let last = self.entries.last();
        last.map_or(self.base.1, |entry: &Entry| entry.term)
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.get(self.position(index)?)
    }

    /// The term at `index`; 0 before the first entry, `None` after the last one and where the
    /// entry is not kept.
    pub(super) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == self.base.0 {
            return Some(self.base.1);
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// Whether a log that ends so holds at least what this one does (§3.6.1).
    pub(super) fn is_covered_by(&self, last_term: Term, last_index: LogIndex) -> bool {
        (last_term, last_index) >= (self.last_term(), self.last_index())
    }

    /// The last index at or below `index` whose term is at most `term`; both sides of a conflict
    /// walk back with it. Before the base nothing is known that would speak against `index`.
    pub(super) fn last_at_most(&self, index: LogIndex, term: Term) -> LogIndex {
        let Some(end) = index.0.checked_sub(self.base.0.0) else {
            return index;
        };
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let end = end.min(self.entries.len());
        let kept = self.entries[..end].partition_point(|entry| entry.term <= term);
        LogIndex(self.base.0.0 + kept as u64)
    }

    /// How many of `entries`, from the first one, are already here. What is not kept is committed,
    /// so no leader has anything else there.
    pub(super) fn known(&self, entries: &[Entry]) -> usize {
        let is_here = |entry: &&Entry| {
            entry.index < self.base.0 || self.term_at(entry.index) == Some(entry.term)
        };
        entries.iter().take_while(is_here).count()
    }

    /// Puts the next entry at the end.
    pub(super) fn push(&mut self, entry: Entry) {
        let voters = entry.voters.clone();
        self.voters
            .extend(voters.map(|voters| (entry.index, voters)));
        self.entries.push(entry);
    }

    /// Puts contiguous entries at their place; what stood there and after is gone.
    pub(super) fn put(&mut self, entries: &[Entry]) {
        if let Some(at) = entries.first().and_then(|first| self.position(first.index)) {
            self.entries.truncate(at);
            self.entries.extend_from_slice(entries);
            let end = LogIndex(self.base.0.0 + at as u64);
            self.voters.retain(|(index, _)| *index <= end);
            self.voters.extend(changes(entries));
        }
    }

    /// Keeps only what comes after `index`.
    pub(super) fn drop_up_to(&mut self, index: LogIndex) {
        let (Some(term), Some(at)) = (self.term_at(index), self.position(index)) else {
            return;
        };
        self.entries.drain(..=at);
        self.base = (index, term);
        let passed = self.voters.partition_point(|(at, _)| *at <= index);
        self.voters.drain(..passed.saturating_sub(1));
    }

    /// The entries from `from`, bounded by number and payload bytes; at least one if there is any.
    pub(super) fn batch(&self, from: LogIndex, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        let rest = self.position(from).and_then(|at| self.entries.get(at..));
        let rest = rest.unwrap_or_default();
        let mut bytes = 0_usize;
        let fits = |(nth, entry): &(usize, &Entry)| {
            bytes = bytes.saturating_add(entry.data.len());
            *nth == 0 || (*nth < entries_max && bytes <= bytes_max)
        };
        let taken = rest.iter().enumerate().take_while(fits).count();
        rest[..taken].to_vec()
    }

    /// All entries after `index`; none if it is not kept.
    pub(super) fn behind(&self, index: LogIndex) -> &[Entry] {
        let from = self.position(index.next());
        from.and_then(|at| self.entries.get(at..))
            .unwrap_or_default()
    }

    fn position(&self, index: LogIndex) -> Option<usize> {
        let behind = index.0.checked_sub(self.base.0.0)?.checked_sub(1)?;
        Some(usize::try_from(behind).unwrap_or(usize::MAX))
    }
}

/// The voters that entries establish.
fn changes(entries: &[Entry]) -> impl Iterator<Item = (LogIndex, Voters)> {
    let changes = entries.iter();
    changes.filter_map(|entry| Some((entry.index, entry.voters.clone()?)))
}
