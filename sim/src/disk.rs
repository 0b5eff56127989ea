//! A node's disk: the log's segments, and how much of them would survive a crash.
//!
//! Group commit: one sync at a time, covering everything written before it began. A crash loses
//! what no completed sync covers, except perhaps a first part of it (a torn write).

use quorate_core::durable::segments::{self, Segment, Write, Writer};
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

/// The segments of one log.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    durable: Vec<Segment>,
    unsynced: Vec<Write>,
    writer: Writer,
    written: Lsn,
    /// How many writes are under way in one sync, and their last record.
    syncing: Option<(usize, Lsn)>,
    votes: Vec<(Lsn, VoteRecord)>,
    /// What the last crash lost of what was written.
    lost: Vec<Write>,
    /// The segment with a flipped bit.
    flipped: Option<Lsn>,
    /// Its node must be rebuilt.
    is_lost: bool,
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
        self.writer.push(lsn, record);
        self.unsynced.extend(self.writer.take());
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
        let (count, lsn) = self.syncing.take()?;
        for write in self.unsynced.drain(..count) {
            write.perform(&mut self.durable);
        }
        let done = self.votes.iter().take_while(|(at, _)| *at <= lsn).count();
        Some((
            lsn,
            self.votes.drain(..done).map(|(_, vote)| vote).collect(),
        ))
    }

    /// The process is gone; what its disk keeps.
    pub fn crash(&mut self, fate: Fate, random: &mut Random) {
        let bytes = self.unsynced.iter().map(Write::len).sum();
        let survives = match fate {
            Fate::Kept => bytes,
            Fate::Torn => random.index(bytes + 1),
            Fate::Lost => 0,
            Fate::Rebuilt => {
                self.is_lost = true;
                0
            }
            Fate::Wiped => {
                self.durable.clear();
                self.unsynced.clear();
                0
            }
        };
        let all = std::mem::take(&mut self.unsynced);
        self.lost = match fate {
            Fate::Lost => all,
            Fate::Kept | Fate::Torn | Fate::Wiped | Fate::Rebuilt => self.keep(all, survives),
        };
        self.votes.clear();
        self.syncing = None;
    }

    /// Does the first writes, as far as their bytes survive; what is left of them.
    fn keep(&mut self, all: Vec<Write>, mut survives: usize) -> Vec<Write> {
        let mut lost = Vec::new();
        for mut write in all {
            if !lost.is_empty() {
                lost.push(write);
                continue;
            }
            let rest = match &mut write {
                Write::Begin { bytes, .. } | Write::Append(bytes) => {
                    bytes.split_off(survives.min(bytes.len()))
                }
                Write::Forget { .. } => Vec::new(),
            };
            survives -= write.len();
            match (rest.is_empty(), write.is_empty()) {
                // Not even begun: it is lost as it was.
                (false, true) => lost.push(match write {
                    Write::Begin { first, .. } => Write::Begin { first, bytes: rest },
                    Write::Append(_) | Write::Forget { .. } => Write::Append(rest),
                }),
                (is_whole, _) => {
                    write.perform(&mut self.durable);
                    lost.extend((!is_whole).then_some(Write::Append(rest)));
                }
            }
        }
        lost
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
        let Ok(loaded) = segments::load(&self.durable) else {
            return false;
        };
        let earlier = self.durable.len().saturating_sub(1);
        let before: usize = self.durable[..earlier]
            .iter()
            .map(|it| it.bytes.len())
            .sum();
        let last = self
            .durable
            .last()
            .and_then(|last| start_of_last(last, loaded.last));
        let end = before + last.unwrap_or(0);
        if end == 0 {
            return false;
        }
        let mut at = random.index(end);
        for segment in &mut self.durable {
            if let Some(byte) = segment.bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
                self.flipped = Some(segment.first);
                return true;
            }
            at -= segment.bytes.len();
        }
        false
    }

    /// Whether a segment with a flipped bit is still there.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        let flipped = |segment: &Segment| Some(segment.first) == self.flipped;
        self.durable.iter().any(flipped)
    }

    /// What somebody does whose node cannot start any more, if the disk is lost: the log gives way
    /// to one that says so.
    pub fn rebuild(&mut self, boot: u64, random: &mut Random) {
        if std::mem::take(&mut self.is_lost) {
            for write in segments::rebuild(&self.durable, boot, random.word()) {
                write.perform(&mut self.durable);
            }
        }
    }

    /// Reads the log as a starting process does, and cuts off its torn tail.
    ///
    /// # Errors
    /// What no crash of this disk can cause.
    pub fn recover(&mut self) -> Result<Found, String> {
        let loaded = segments::load(&self.durable).map_err(|corrupt| corrupt.to_string())?;
        loaded.durable.state().map_err(|error| error.to_string())?;
        match (loaded.open, self.durable.last_mut()) {
            (Some(open), Some(last)) => last.bytes.truncate(open),
            (None, _) => drop(self.durable.pop()),
            (Some(_), None) => {}
        }
        self.writer = Writer::after(&loaded);
        self.written = loaded.last;
        Ok(Found {
            durable: loaded.durable,
            last: loaded.last,
            is_torn: loaded.torn > 0,
        })
    }
}

/// Where the record `last` begins in the segment it ends; the end, if it is not in there.
fn start_of_last(segment: &Segment, last: Lsn) -> Option<usize> {
    let (mut bytes, len) = (Vec::new(), segment.bytes.len());
    let count = last.0.checked_sub(segment.first.0)?;
    let head = segments::head_len(segment)?;
    let records = wal::scan(&segment.bytes[head..], segment.first)
        .ok()?
        .records;
    let (lsn, record) = records.get(usize::try_from(count).ok()?)?;
    wal::encode(*lsn, record, &mut bytes);
    len.checked_sub(bytes.len())
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
            | raft::Record::Kept { .. }
            | raft::Record::Rebuild { .. }
            | raft::Record::Rebuilt,
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
