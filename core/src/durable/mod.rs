//! Everything a node makes durable, as one ordered stream of records, and the fold that recovers
//! it.

pub(crate) mod frame;
pub mod gate;
pub mod wal;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::raft::{self, Entry};

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
    /// Adds one record: the only recovery code there is.
    ///
    /// Total: entries that would leave a gap in the log are not taken, since nothing may stand
    /// behind a hole.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Boot { boot } => self.boot = boot,
            Record::Raft(raft::Record::HardState { term, vote }) => {
                self.raft.term = term;
                self.raft.vote = vote;
            }
            Record::Raft(raft::Record::Append { entries }) => {
                overwrite(&mut self.raft.log, entries)
            }
        }
    }
}

/// Cuts the log where the entries begin and puts them there (Raft thesis §3.5: a conflicting entry
/// removes itself and all that follow it).
fn overwrite(log: &mut Vec<Entry>, entries: Vec<Entry>) {
    let first = entries.first().map_or(0, |entry| entry.index.0);
    let next = log.len() as u64 + 1;
    if first == 0 || first > next {
        return;
    }
    log.truncate(usize::try_from(first - 1).unwrap_or(usize::MAX));
    for entry in entries {
        if entry.index.0 != log.len() as u64 + 1 {
            return;
        }
        log.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::id::{LogIndex, NodeId, Term};
    use crate::payload::Payload;

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
}
