//! Snapshots: the replicated state at one index, in place of the log up to there (Raft thesis §5).
//!
//! What the state is made of is not known here; it is bytes. They stand in records, and travel, in
//! parts, which name the snapshot they belong to.
//!
//! * I1. Parts are put together only in order and without a gap, and what they make counts only if
//!   it has the length and the checksum that each of them names.
//! * I2. What is being put together never has more bytes than have arrived.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, NodeId, Term};
use crate::payload::Payload;
use crate::sum::crc32c;
use crate::voters::VOTERS_MAX;

/// No snapshot has more bytes.
pub const SNAPSHOT_BYTES_MAX: u64 = 128 << 20;

/// Which snapshot it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry it holds the effect of.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// Those who vote as of that entry; no change is under way there.
    pub voters: BTreeSet<NodeId>,
    /// Bytes of the state.
    pub len: u64,
    /// CRC-32C over them.
    pub sum: u32,
}

impl SnapshotMeta {
    /// Whether such a snapshot can exist.
    pub(super) fn is_possible(&self) -> bool {
        let voters = self.voters.len();
        self.index > LogIndex(0)
            && self.index.0 < u64::MAX
            && self.term > Term(0)
            && (1..=VOTERS_MAX).contains(&voters)
            && self.len <= SNAPSHOT_BYTES_MAX
    }
}

/// The replicated state at one index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    meta: SnapshotMeta,
    state: Payload,
}

/// Some of a snapshot's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// Of which.
    pub of: SnapshotMeta,
    /// How many bytes stand before these.
    pub offset: u64,
    /// The bytes; none in a question how many have arrived.
    pub bytes: Payload,
}

impl Snapshot {
    /// The state after the entry at `index`, and who votes by then.
    #[must_use]
    pub fn new(index: LogIndex, term: Term, voters: BTreeSet<NodeId>, state: Payload) -> Snapshot {
        let meta = SnapshotMeta {
            index,
            term,
            voters,
            len: state.len() as u64,
            sum: crc32c(&state),
        };
        Snapshot { meta, state }
    }

    /// Which it is.
    #[must_use]
    pub const fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The state as bytes.
    #[must_use]
    pub const fn state(&self) -> &Payload {
        &self.state
    }

    /// The bytes from `offset`, at most `max` of them.
    #[must_use]
    pub fn part(&self, offset: u64, max: usize) -> SnapshotPart {
        let from = usize::try_from(offset).map_or(self.state.len(), |it| it.min(self.state.len()));
        let to = from.saturating_add(max).min(self.state.len());
        SnapshotPart {
            of: self.meta.clone(),
            offset: from as u64,
            bytes: Payload::copy_from(&self.state[from..to]),
        }
    }

    /// All of it in parts of at most `max` bytes; at least one.
    pub fn parts(&self, max: usize) -> impl Iterator<Item = SnapshotPart> {
        let max = max.max(1);
        let count = self.state.len().div_ceil(max).max(1);
        (0..count).map(move |nth| self.part((nth * max) as u64, max))
    }
}

/// A snapshot that is being put together from its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assembly {
    of: SnapshotMeta,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Nothing yet of a snapshot; `None` if it cannot exist.
    #[must_use]
    pub fn of(of: &SnapshotMeta) -> Option<Assembly> {
        of.is_possible().then(|| Assembly {
            of: of.clone(),
            bytes: Vec::new(),
        })
    }

    /// Which snapshot it will be.
    #[must_use]
    pub const fn meta(&self) -> &SnapshotMeta {
        &self.of
    }

    /// Bytes there are.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.held() == self.of.len
    }

    /// Adds a part, if it is the next one; whether it was.
    pub fn add(&mut self, part: &SnapshotPart) -> bool {
        let end = part.offset.checked_add(part.bytes.len() as u64);
        let follows = part.of == self.of && part.offset == self.held();
        let fits = end.is_some_and(|end| end <= self.of.len);
        if follows && fits {
            self.bytes.extend_from_slice(&part.bytes);
        }
        follows && fits
    }

    /// The snapshot, if it is whole and its checksum holds.
    #[must_use]
    pub fn finish(&self) -> Option<Snapshot> {
        let is_good = self.is_whole() && crc32c(&self.bytes) == self.of.sum;
        is_good.then(|| Snapshot {
            meta: self.of.clone(),
            state: Payload::copy_from(&self.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(len: usize) -> Snapshot {
        let state: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let voters = BTreeSet::from([NodeId(1)]);
        Snapshot::new(LogIndex(7), Term(2), voters, Payload::from(state))
    }

    #[test]
    fn parts_in_order_make_the_snapshot_and_nothing_else_does() {
        for len in [0, 1, 9, 10, 11, 100] {
            let whole = snapshot(len);
            let mut assembly = Assembly::of(whole.meta()).unwrap();
            let parts: Vec<SnapshotPart> = whole.parts(10).collect();
            assert_eq!(parts.len(), len.div_ceil(10).max(1));
            for (nth, part) in parts.iter().enumerate() {
                if let Some(later) = parts.get(nth + 1) {
                    assert!(!assembly.add(later), "a gap");
                    assert_eq!(assembly.finish(), None);
                }
                assert!(assembly.add(part));
                assert!(part.bytes.is_empty() || !assembly.add(part), "twice");
            }
            assert_eq!(assembly.finish(), Some(whole));
        }
    }

    #[test]
    fn a_wrong_byte_a_foreign_part_and_too_many_bytes_are_refused() {
        let whole = snapshot(20);
        let mut assembly = Assembly::of(whole.meta()).unwrap();
        assert!(!assembly.add(&snapshot(21).part(0, 10)), "of another one");
        let mut long = whole.part(0, 20);
        long.bytes = Payload::from(alloc::vec![0; 21]);
        assert!(!assembly.add(&long));
        let mut wrong = whole.part(0, 20);
        wrong.bytes = Payload::from(alloc::vec![0; 20]);
        assert!(assembly.add(&wrong) && assembly.is_whole());
        assert_eq!(assembly.finish(), None);
    }

    #[test]
    fn an_impossible_snapshot_is_not_begun() {
        let good = snapshot(3).meta().clone();
        assert!(Assembly::of(&good).is_some());
        let many = (1..=16).map(NodeId).collect();
        for bad in [
            SnapshotMeta {
                index: LogIndex(0),
                ..good.clone()
            },
            SnapshotMeta {
                term: Term(0),
                ..good.clone()
            },
            SnapshotMeta {
                len: SNAPSHOT_BYTES_MAX + 1,
                ..good.clone()
            },
            SnapshotMeta {
                voters: BTreeSet::new(),
                ..good.clone()
            },
            SnapshotMeta {
                voters: many,
                ..good
            },
        ] {
            assert_eq!(Assembly::of(&bad), None);
        }
    }
}
