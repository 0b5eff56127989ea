//! Everything a node makes durable, as one ordered stream of records, and the fold that recovers
//! it.

pub(crate) mod frame;
pub mod gate;
pub mod image;
pub mod segments;
pub mod wal;

use serde::{Deserialize, Serialize};

use crate::control::State;
use crate::raft::{self, Snapshot};
use image::ImageError;

/// A durable record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// The node started for the `boot`-th time.
    Boot {
        /// Counted from 1.
        boot: u64,
    },
    /// Consensus.
    Raft(raft::Record),
}

/// What the records amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Durable {
    /// The last start, 0 before the first.
    pub boot: u64,
    /// Consensus.
    pub raft: raft::Recovered,
}

impl Durable {
    /// Adds one record. Total: what cannot stand behind the records before it is not taken.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Boot { boot } => self.boot = boot,
            Record::Raft(record) => self.raft.apply(record),
        }
    }

    /// The control state at the beginning of the log.
    ///
    /// # Errors
    /// A newer version wrote it: a node must not start from here.
    pub fn state(&self) -> Result<State, ImageError> {
        let snapshot = self.raft.snapshot.as_ref();
        snapshot.map_or_else(|| Ok(State::default()), read_state)
    }
}

/// The control state that a snapshot holds.
///
/// # Errors
/// It cannot be read, or is not that of the snapshot's index.
pub fn read_state(snapshot: &Snapshot) -> Result<State, ImageError> {
    let state = image::decode(snapshot.state())?;
    match state.applied() == snapshot.meta().index {
        true => Ok(state),
        false => Err(ImageError::Impossible(0)),
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::id::{LogIndex, NodeId, Term};
    use crate::payload::Payload;
    use crate::raft::Entry;

    fn append(term: u64, indexes: &[u64]) -> Record {
        let entry = |index: &u64| Entry {
            term: Term(term),
            index: LogIndex(*index),
            data: Payload::default(),
            voters: None,
        };
        Record::Raft(raft::Record::Append {
            entries: indexes.iter().map(entry).collect(),
        })
    }

    fn folded(records: Vec<Record>) -> Durable {
        let mut durable = Durable::default();
        for record in records {
            durable.apply(record);
        }
        durable
    }

    fn log(durable: &Durable) -> Vec<(u64, u64)> {
        let pair = |entry: &Entry| (entry.index.0, entry.term.0);
        durable.raft.log.iter().map(pair).collect()
    }

    #[test]
    fn the_last_word_on_boot_term_and_vote_counts() {
        let hard = |term, vote| {
            Record::Raft(raft::Record::HardState {
                term: Term(term),
                vote,
            })
        };
        let durable = folded(vec![
            Record::Boot { boot: 1 },
            hard(3, Some(NodeId(2))),
            Record::Boot { boot: 2 },
            hard(4, None),
        ]);
        assert_eq!((durable.boot, durable.raft.term), (2, Term(4)));
        assert_eq!(durable.raft.vote, None);
    }

    #[test]
    fn entries_replace_what_stood_there_and_after() {
        let durable = folded(vec![append(1, &[1, 2, 3, 4]), append(2, &[3])]);
        assert_eq!(log(&durable), [(1, 1), (2, 1), (3, 2)]);
        let durable = folded(vec![
            append(1, &[1, 2]),
            append(2, &[3, 4]),
            append(3, &[1]),
        ]);
        assert_eq!(log(&durable), [(1, 3)]);
    }

    #[test]
    fn nothing_stands_behind_a_hole() {
        let kept = [(1, 1), (2, 1)];
        for strange in [
            append(9, &[]),
            append(9, &[0]),
            append(9, &[4]),
            append(9, &[u64::MAX]),
        ] {
            assert_eq!(log(&folded(vec![append(1, &[1, 2]), strange])), kept);
        }
        let durable = folded(vec![append(1, &[1, 2]), append(2, &[2, 4, 3])]);
        assert_eq!(log(&durable), [(1, 1), (2, 2)]);
    }

    fn snapshot(index: u64, term: u64) -> Vec<Record> {
        let (voters, state) = (BTreeSet::from([NodeId(1)]), Payload::from(vec![5; 10]));
        let snapshot = Snapshot::new(LogIndex(index), Term(term), voters, state);
        let parts = snapshot.parts(4);
        parts
            .map(|part| Record::Raft(raft::Record::Snapshot(part)))
            .collect()
    }

    #[test]
    fn a_whole_snapshot_takes_the_place_of_the_log_up_to_it() {
        let with = |before: Record, parts: Vec<Record>, after: Record| {
            let durable = folded([vec![before], parts, vec![after]].concat());
            (durable.raft.base().0, log(&durable))
        };
        let entries = || append(1, &[1, 2, 3, 4]);
        let (base, kept) = with(entries(), snapshot(2, 1), append(1, &[5]));
        assert_eq!((base, kept), (2, vec![(3, 1), (4, 1), (5, 1)]));
        let (base, kept) = with(entries(), snapshot(2, 2), append(2, &[3]));
        assert_eq!((base, kept), (2, vec![(3, 2)]), "another entry stood there");
        let (base, kept) = with(entries(), snapshot(9, 1), append(1, &[10]));
        assert_eq!((base, kept), (9, vec![(10, 1)]));
        let (base, kept) = with(entries(), snapshot(9, 1), append(1, &[9]));
        assert_eq!((base, kept), (9, vec![]), "nothing is written over it");
    }

    #[test]
    fn a_snapshot_of_which_something_is_missing_counts_for_nothing() {
        for missing in 0..3 {
            let mut parts = snapshot(2, 1);
            parts.remove(missing);
            let durable = folded([vec![append(1, &[1, 2, 3])], parts].concat());
            assert_eq!((durable.raft.base().0, log(&durable).len()), (0, 3));
        }
        let mut twice = snapshot(2, 1);
        twice.truncate(2);
        twice.extend(snapshot(3, 1));
        let durable = folded([vec![append(1, &[1, 2, 3])], twice].concat());
        assert_eq!(durable.raft.base(), LogIndex(3), "one begun after a crash");
    }
}
