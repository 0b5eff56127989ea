//! The log in memory: entry `i` at position `i - 1`, terms never decreasing (Raft thesis §3.5).

use alloc::vec::Vec;

use super::Entry;
use crate::id::{LogIndex, NodeId, Term};
use crate::voters::Voters;

/// All entries from index 1, and the voters they establish.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// The voters before the first entry, then those of each entry that changes them.
    voters: Vec<(LogIndex, Voters)>,
}

impl Log {
    pub(super) fn new(voters: Voters, entries: Vec<Entry>) -> Log {
        let mut log = Log {
            entries,
            voters: Vec::from([(LogIndex(0), voters)]),
        };
        log.voters.extend(changes(&log.entries));
        log
    }

    /// The voters that the whole log establishes, and by which entry.
    pub(super) fn voters_at_end(&self) -> (LogIndex, &Voters) {
        match self.voters.last() {
            Some((index, voters)) => (*index, voters),
            None => unreachable!("there are always voters before the first entry"),
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

    pub(super) fn last_index(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    pub(super) fn last_term(&self) -> Term {
        self.entries
            .last()
            .map_or(Term(0), |entry: &Entry| entry.term)
    }

    pub(super) fn entry(&self, index: LogIndex) -> Option<&Entry> {
        self.entries.get(position(index)?)
    }

    /// The term at `index`; 0 before the first entry, `None` after the last one.
    pub(super) fn term_at(&self, index: LogIndex) -> Option<Term> {
        if index == LogIndex(0) {
            return Some(Term(0));
        }
        self.entry(index).map(|entry| entry.term)
    }

    /// Whether a log that ends so holds at least what this one does (§3.6.1).
    pub(super) fn is_covered_by(&self, last_term: Term, last_index: LogIndex) -> bool {
        (last_term, last_index) >= (self.last_term(), self.last_index())
    }

    /// The last index at or below `index` whose term is at most `term`; both sides of a conflict
    /// walk back with it.
    pub(super) fn last_at_most(&self, index: LogIndex, term: Term) -> LogIndex {
        let end = count(index).min(self.entries.len());
        LogIndex(self.entries[..end].partition_point(|entry| entry.term <= term) as u64)
    }

    /// How many of `entries`, from the first one, are already here.
    pub(super) fn known(&self, entries: &[Entry]) -> usize {
        let is_here = |entry: &&Entry| self.term_at(entry.index) == Some(entry.term);
        entries.iter().take_while(is_here).count()
    }

    /// Puts contiguous entries at their place; what stood there and after is gone.
    pub(super) fn put(&mut self, entries: &[Entry]) {
        if let Some(at) = entries.first().and_then(|first| position(first.index)) {
            self.entries.truncate(at);
            self.entries.extend_from_slice(entries);
            let end = LogIndex(at as u64);
            self.voters.retain(|(index, _)| *index <= end);
            self.voters.extend(changes(entries));
        }
    }

    /// The entries from `from`, bounded by number and payload bytes; at least one if there is any.
    pub(super) fn batch(&self, from: LogIndex, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        let rest = position(from).and_then(|at| self.entries.get(at..));
        let mut bytes = 0_usize;
        let fits = |(nth, entry): &(usize, &Entry)| {
            bytes = bytes.saturating_add(entry.data.len());
            *nth == 0 || (*nth < entries_max && bytes <= bytes_max)
        };
        let taken = rest.unwrap_or_default().iter().enumerate().take_while(fits);
        taken.map(|(_, entry)| entry.clone()).collect()
    }
}

/// The voters that entries establish.
fn changes(entries: &[Entry]) -> impl Iterator<Item = (LogIndex, Voters)> {
    let changes = entries.iter();
    changes.filter_map(|entry| Some((entry.index, entry.voters.clone()?)))
}

fn count(index: LogIndex) -> usize {
    usize::try_from(index.0).unwrap_or(usize::MAX)
}

fn position(index: LogIndex) -> Option<usize> {
    count(index).checked_sub(1)
}
