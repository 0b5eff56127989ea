//! Log matching: two logs with an entry of one index and term are equal up to it (Raft thesis §3.5,
//! figure 3.2).
//!
//! Checked by its induction step: an index and a term determine the command and the term of the
//! entry before.

use std::collections::BTreeMap;

use quorate_core::id::{LogIndex, NodeId, Term};
use quorate_core::raft::Entry;

use super::Verdict;
use crate::trace::digest;

/// What an index and a term stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    data: u64,
    before: Term,
    at: NodeId,
}

/// All entries any node has written.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    entries: BTreeMap<(LogIndex, Term), Seen>,
}

impl Checker {
    /// A node wrote an entry behind one of the term `before`.
    ///
    /// # Errors
    /// The same index and term stood for something else.
    pub fn wrote(&mut self, node: NodeId, entry: &Entry, before: Term) -> Verdict {
        let data = digest(&entry.data);
        let (index, term) = (entry.index, entry.term);
        let seen = Seen {
            data,
            before,
            at: node,
        };
        let first = self
            .entries
            .entry((index, term))
            .or_insert_with(|| seen.clone());
        if (first.data, first.before) == (data, before) {
            return Ok(());
        }
        Err(format!(
            "entry {index} of term {term} differs between {} and {node}",
            first.at
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::payload::Payload;

    fn entry(index: u64, term: u64, data: &[u8]) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(term),
            data: Payload::copy_from(data),
            voters: None,
        }
    }

    #[test]
    fn one_position_has_one_content_and_one_past() {
        let mut checker = Checker::default();
        let (one, two) = (NodeId(1), NodeId(2));
        assert_eq!(checker.wrote(one, &entry(4, 2, b"a"), Term(1)), Ok(()));
        assert_eq!(checker.wrote(two, &entry(4, 2, b"a"), Term(1)), Ok(()));
        assert_eq!(
            checker.wrote(two, &entry(4, 3, b"b"), Term(1)),
            Ok(()),
            "another term"
        );
        assert!(checker.wrote(two, &entry(4, 2, b"b"), Term(1)).is_err());
        assert!(checker.wrote(two, &entry(4, 2, b"a"), Term(2)).is_err());
    }
}
