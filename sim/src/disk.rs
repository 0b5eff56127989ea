//! A node's disk: the log's bytes, and how much of them would survive a crash.
//!
//! Group commit: one sync at a time, covering everything written before it began. A crash loses
//! what no completed sync covers, except perhaps a first part of it (a torn write).

use quorate_core::durable::wal;
use quorate_core::durable::{Durable, Record};
use quorate_core::id::{Lsn, NodeId, Term};
use quorate_core::raft;
use quorate_core::seed::Random;

use crate::plan::Fate;

/// A vote as a record states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRecord {
    /// In which term.
    pub term: Term,
    /// For whom.
    pub to: NodeId,
}

/// The bytes of one log.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    durable: Vec<u8>,
    unsynced: Vec<u8>,
    written: Lsn,
    /// The bytes and the last record of the sync under way.
    syncing: Option<(usize, Lsn)>,
    votes: Vec<(Lsn, VoteRecord)>,
    /// What the last crash lost of what was written.
    lost: Vec<u8>,
}

/// What a started process finds.
#[derive(Clone, Debug)]
pub struct Found {
    /// The fold of the records.
    pub durable: Durable,
    /// The last record's number.
    pub last: Lsn,
    /// A torn record was cut off.
    pub is_torn: bool,
}

impl Disk {
    /// Writes a record; it is not durable yet. True if a sync must be started.
    pub fn append(&mut self, lsn: Lsn, record: &Record) -> bool {
        wal::encode(lsn, record, &mut self.unsynced);
        self.written = lsn;
        if let Some(vote) = vote_of(record) {
            self.votes.push((lsn, vote));
        }
        self.syncing.is_none()
    }

    /// Starts a sync of everything written so far; false if there is nothing, or one is under way.
    pub fn begin_sync(&mut self) -> bool {
        if self.syncing.is_some() || self.unsynced.is_empty() {
            return false;
        }
        self.syncing = Some((self.unsynced.len(), self.written));
        true
    }

    /// The sync under way is complete: the last durable record, and the votes made durable.
    pub fn end_sync(&mut self) -> Option<(Lsn, Vec<VoteRecord>)> {
        let (len, lsn) = self.syncing.take()?;
        self.durable.extend(self.unsynced.drain(..len));
        let done = self.votes.iter().take_while(|(at, _)| *at <= lsn).count();
        Some((
            lsn,
            self.votes.drain(..done).map(|(_, vote)| vote).collect(),
        ))
    }

    /// The process is gone; what its disk keeps.
    pub fn crash(&mut self, fate: Fate, random: &mut Random) {
        let survives = match fate {
            Fate::Kept => self.unsynced.len(),
            Fate::Torn => random.index(self.unsynced.len() + 1),
            Fate::Lost => 0,
            Fate::Wiped => {
                self.durable.clear();
                self.unsynced.clear();
                0
            }
        };
        self.lost = self.unsynced.split_off(survives);
        self.durable.append(&mut self.unsynced);
        self.votes.clear();
        self.syncing = None;
    }

    /// After a crash and before a start: what the disk keeps, if other than it was said then.
    pub fn reconsider(&mut self, fate: Fate, random: &mut Random) {
        self.unsynced = std::mem::take(&mut self.lost);
        self.crash(fate, random);
    }

    /// Whether a sync is under way.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// Flips one bit before the last record; false if there is no record before it. A flip within
    /// the last one cannot be told from a torn write, so no log could catch it.
    pub fn flip_bit(&mut self, random: &mut Random) -> bool {
        let Some(last) = self.start_of_last() else {
            return false;
        };
        let at = random.index(last);
        self.durable[at] ^= 1 << random.below(8);
        true
    }

    /// Where the last whole record begins, if others stand before it.
    fn start_of_last(&self) -> Option<usize> {
        let records = wal::scan(&self.durable).ok()?.records;
        let (lsn, record) = records.last().filter(|_| records.len() > 1)?;
        let mut bytes = Vec::new();
        wal::encode(*lsn, record, &mut bytes);
        self.durable.len().checked_sub(bytes.len())
    }

    /// Reads the log as a starting process does, and cuts off its torn tail.
    ///
    /// # Errors
    /// What no crash of this disk can cause.
    pub fn recover(&mut self) -> Result<Found, String> {
        let scan = wal::scan(&self.durable).map_err(|corrupt| corrupt.to_string())?;
        let is_torn = scan.valid_len < self.durable.len();
        self.durable.truncate(scan.valid_len);
        let last = scan.records.last().map_or(Lsn(0), |(lsn, _)| *lsn);
        let mut durable = Durable::default();
        for (_, record) in scan.records {
            durable.apply(record);
        }
        durable.state().map_err(|error| error.to_string())?;
        self.written = last;
        Ok(Found {
            durable,
            last,
            is_torn,
        })
    }
}

/// The vote a record states, if it is one.
#[must_use]
pub fn vote_of(record: &Record) -> Option<VoteRecord> {
    match record {
        Record::Raft(raft::Record::HardState {
            term,
            vote: Some(to),
        }) => Some(VoteRecord {
            term: *term,
            to: *to,
        }),
        Record::Raft(
            raft::Record::HardState { vote: None, .. }
            | raft::Record::Append { .. }
            | raft::Record::Snapshot(_)
            | raft::Record::Kept { .. },
        )
        | Record::Boot { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::seed::{Seed, Stream};

    fn vote(term: u64, to: u64) -> Record {
        Record::Raft(raft::Record::HardState {
            term: Term(term),
            vote: Some(NodeId(to)),
        })
    }

    #[test]
    fn only_what_a_sync_covered_survives() {
        let mut disk = Disk::default();
        assert!(disk.append(Lsn(1), &Record::Boot { boot: 1 }) && disk.begin_sync());
        assert!(!disk.append(Lsn(2), &vote(1, 2)), "one sync at a time");
        assert!(!disk.begin_sync());
        assert_eq!(disk.end_sync(), Some((Lsn(1), Vec::new())));
        assert!(disk.begin_sync());
        disk.crash(Fate::Lost, &mut Seed::from_number(1).stream(Stream::Disk));
        assert_eq!(
            disk.end_sync(),
            None,
            "a crashed process's sync completes for nobody"
        );
        let found = disk.recover().unwrap();
        assert_eq!((found.last, found.durable.boot), (Lsn(1), 1));
        assert_eq!(found.durable.raft.vote, None);
    }

    #[test]
    fn a_completed_sync_names_its_votes() {
        let mut disk = Disk::default();
        disk.append(Lsn(1), &vote(3, 2));
        assert!(disk.begin_sync());
        disk.append(Lsn(2), &vote(4, 1));
        let expected = VoteRecord {
            term: Term(3),
            to: NodeId(2),
        };
        assert_eq!(disk.end_sync(), Some((Lsn(1), vec![expected])));
        assert!(disk.begin_sync(), "what came meanwhile is next");
    }

    #[test]
    fn a_torn_tail_is_cut_off_wherever_it_tears() {
        for seed in 0..50 {
            let mut disk = Disk::default();
            disk.append(Lsn(1), &Record::Boot { boot: 1 });
            disk.begin_sync();
            disk.end_sync();
            disk.append(Lsn(2), &vote(1, 1));
            disk.append(Lsn(3), &vote(2, 1));
            let mut random = Seed::from_number(seed).stream(Stream::Disk);
            disk.crash(Fate::Torn, &mut random);
            let found = disk.recover().unwrap();
            assert!((1..=3).contains(&found.last.0));
            disk.append(found.last.next(), &vote(9, 9));
            disk.begin_sync();
            disk.end_sync();
            assert_eq!(disk.recover().unwrap().last, found.last.next());
        }
    }
}
