//! The log on disk in segments: each begins with what it needs from those before it, so that a
//! snapshot lets them go.
//!
//! ```text
//! magic   8 bytes   "QUORWAL" and the format, 1
//! head              a frame (see `wal`) whose number is that of the first record; its body
//!                   restates the last boot, term and vote
//! records           see `wal`
//! ```
//!
//! * I1: a segment begins with the first record of the log, or with the first part of a snapshot.
//!   The log of a node that is rebuilt begins with that record, and never with number 1.
//!   When the last record of that snapshot is durable, the segments before it say nothing that
//!   those from it on do not say, and are removed.
//! * I2: [`load`] is total, and takes a log only whole: a segment or a record that is missing or
//!   damaged in its middle is [`Corrupt`]. Only the last segment may be torn; zeros that were
//!   allocated ahead are no damage.
//! * I3: a [`Write`] is begun when the one before it is durable.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::frame::{self, Frame};
use super::wal::{self, Corrupt};
use super::{Durable, Record};
use crate::id::{Lsn, NodeId, Term};
use crate::raft;
use crate::sum;
use crate::wire::codec;

/// How a segment begins; the last byte is the format.
const MAGIC: [u8; 8] = *b"QUORWAL\x01";

/// One segment as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The number of its first record, which its name says.
    pub first: Lsn,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The name of the segment that begins with this record; names sort like their segments.
    #[must_use]
    pub fn name(first: Lsn) -> String {
        format!("quorate-{:016x}.wal", first.0)
    }

    /// The first record of the segment of that name.
    #[must_use]
    pub fn parse_name(name: &str) -> Option<Lsn> {
        let digits = name.strip_prefix("quorate-")?.strip_suffix(".wal")?;
        let first = u64::from_str_radix(digits, 16).ok().map(Lsn)?;
        (Segment::name(first) == name).then_some(first)
    }
}

/// What a disk is asked to do; done when it is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Begin a segment with these bytes. Whatever has its name is no part of the log.
    Begin {
        /// The number of its first record.
        first: Lsn,
        /// Its head and records.
        bytes: Vec<u8>,
    },
    /// Append to the last segment.
    Append(Vec<u8>),
    /// Remove the segments before this one.
    Forget {
        /// The first record of the one that stays.
        before: Lsn,
    },
}

impl Write {
    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Write::Begin { bytes, .. } | Write::Append(bytes) => bytes.len(),
            Write::Forget { .. } => 0,
        }
    }

    /// True when it brings no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does it to segments in memory, of which only the last one is written to.
    pub fn perform(self, segments: &mut Vec<Segment>) {
        match self {
            Write::Begin { first, bytes } => {
                segments.retain(|segment| segment.first != first);
                segments.push(Segment { first, bytes });
            }
            Write::Append(bytes) => {
                if let Some(last) = segments.last_mut() {
                    last.bytes.extend_from_slice(&bytes);
                }
            }
            Write::Forget { before } => segments.retain(|segment| segment.first >= before),
        }
    }

    /// Adds what shall be done next; appends become one write.
    pub fn join(all: &mut Vec<Write>, next: Vec<Write>) {
        for write in next {
            match (all.last_mut(), write) {
                (Some(Write::Begin { bytes, .. } | Write::Append(bytes)), Write::Append(more)) => {
                    bytes.extend_from_slice(&more);
                }
                (_, write) => all.push(write),
            }
        }
    }
}

/// What is restated at the head of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Restated {
    boot: u64,
    term: Term,
    vote: Option<NodeId>,
}

impl Restated {
    fn of(durable: &Durable) -> Restated {
        Restated {
            boot: durable.boot,
            term: durable.raft.term,
            vote: durable.raft.vote,
        }
    }

    fn note(&mut self, record: &Record) {
        match record {
            Record::Boot { boot } => self.boot = *boot,
            Record::Raft(raft::Record::HardState { term, vote }) => {
                (self.term, self.vote) = (*term, *vote);
            }
            Record::Raft(
                raft::Record::Append { .. }
                | raft::Record::Snapshot(_)
                | raft::Record::Kept { .. }
                | raft::Record::Rebuild { .. }
                | raft::Record::Rebuilt,
            ) => {}
        }
    }

    fn encode(self, first: Lsn) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let start = frame::open(first.0, &mut bytes);
        codec::encode(&(self.boot, self.term, self.vote), &mut bytes);
        frame::close(start, &mut bytes, sum::crc32c);
        bytes
    }

    /// What the head of a segment says, and its length.
    fn decode(segment: &Segment) -> Option<(Restated, usize)> {
        let rest = segment.bytes.strip_prefix(&MAGIC)?;
        let frame = Frame::read(rest, sum::crc32c)?;
        let (boot, term, vote) = codec::decode(frame.body).ok()?;
        let is_its_own = frame.number == segment.first.0;
        let head = Restated { boot, term, vote };
        is_its_own.then_some((head, MAGIC.len() + frame.len()))
    }
}

/// The length of what stands before a segment's records, if it is intact.
#[must_use]
pub fn head_len(segment: &Segment) -> Option<usize> {
    Restated::decode(segment).map(|(_, len)| len)
}

/// What a log holds, and where it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The fold of its records.
    pub durable: Durable,
    /// The number of the last one.
    pub last: Lsn,
    /// The length of the valid part of the last segment; the rest must be cut off before anything
    /// is appended. `None` when the next record begins a segment.
    pub open: Option<usize>,
    /// Bytes of a torn write behind it.
    pub torn: usize,
}

/// Reads a whole log, its segments sorted by name.
///
/// # Errors
/// [`Corrupt`], at the first damage.
pub fn load(segments: &[Segment]) -> Result<Loaded, Corrupt> {
    let (mut loaded, mut begins_anew) = (Loaded::default(), false);
    for (nth, segment) in segments.iter().enumerate() {
        let is_last = nth + 1 == segments.len();
        let expected = match nth {
            0 => segment.first,
            _ => loaded.last.next(),
        };
        let corrupt = |offset, expected| Corrupt {
            segment: segment.first,
            offset,
            expected,
        };
        let Some((head, len)) = Restated::decode(segment) else {
            let is_torn = !frame::has_intact_after(&segment.bytes, segment.first.0, sum::crc32c);
            if is_last && is_torn && segment.first == expected {
                loaded.open = None;
                loaded.torn = segment.bytes.len();
                break;
            }
            return Err(corrupt(0, expected));
        };
        if nth == 0 {
            loaded.durable.boot = head.boot;
            (loaded.durable.raft.term, loaded.durable.raft.vote) = (head.term, head.vote);
            loaded.last = Lsn(segment.first.0.saturating_sub(1));
        }
        if segment.first != expected || head != Restated::of(&loaded.durable) {
            return Err(corrupt(0, expected));
        }
        let scan = wal::scan(&segment.bytes[len..], expected)
            .map_err(|found| corrupt(len + found.offset, found.expected))?;
        let valid_len = len + scan.valid_len;
        let rest = &segment.bytes[valid_len..];
        loaded.torn = rest
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |at| at + 1);
        if loaded.torn > 0 && !is_last {
            return Err(corrupt(valid_len, loaded.last.next()));
        }
        loaded.open = Some(valid_len);
        let begin = scan.records.first().map(|(_, record)| record);
        begins_anew |= nth == 0 && begin.is_some_and(is_rebuild);
        for (lsn, record) in scan.records {
            loaded.durable.apply(record);
            loaded.last = lsn;
        }
    }
    match segments.first() {
        // What stood before it is in a snapshot, or missing.
        Some(begin)
            if begin.first > Lsn(1) && !begins_anew && loaded.durable.raft.snapshot.is_none() =>
        {
            Err(Corrupt {
                segment: begin.first,
                offset: 0,
                expected: Lsn(1),
            })
        }
        Some(_) | None => Ok(loaded),
    }
}

fn is_rebuild(record: &Record) -> bool {
    matches!(record, Record::Raft(raft::Record::Rebuild { .. }))
}

/// What puts a log in the place of a damaged or lost one: that of a node that must be rebuilt from
/// its peers. Until all of it is done, a damaged log stays one.
///
/// `boot` must be above every start the node has had, and `token` is told to nobody else.
#[must_use]
pub fn rebuild(segments: &[Segment], boot: u64, token: u64) -> [Write; 2] {
    let room = |last: &Segment| last.first.0.saturating_add(last.bytes.len() as u64);
    // No record takes less than a byte: so there is a gap behind what was there, and no log with a
    // gap is loaded.
    let first = Lsn(segments.last().map_or(0, room).saturating_add(2));
    let restated = Restated {
        boot,
        ..Restated::default()
    };
    let mut bytes = restated.encode(first);
    let record = Record::Raft(raft::Record::Rebuild { token });
    wal::encode(first, &record, &mut bytes);
    [
        Write::Begin { first, bytes },
        Write::Forget { before: first },
    ]
}

/// Turns records into what a disk shall do.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    restated: Restated,
    is_open: bool,
    /// Where the snapshot begins that is being written.
    snapshot: Option<Lsn>,
    writes: Vec<Write>,
}

impl Writer {
    /// Goes on behind what was loaded.
    #[must_use]
    pub fn after(loaded: &Loaded) -> Writer {
        Writer {
            restated: Restated::of(&loaded.durable),
            is_open: loaded.open.is_some(),
            snapshot: None,
            writes: Vec::new(),
        }
    }

    /// The next record.
    ///
    /// # Panics
    /// When it is too long to be read again.
    pub fn push(&mut self, lsn: Lsn, record: &Record) {
        let begins_snapshot =
            matches!(record, Record::Raft(raft::Record::Snapshot(part)) if part.offset == 0);
        if begins_snapshot {
            self.snapshot = Some(lsn);
        }
        if begins_snapshot || !self.is_open {
            let bytes = self.restated.encode(lsn);
            self.writes.push(Write::Begin { first: lsn, bytes });
            self.is_open = true;
        }
        match self.writes.last_mut() {
            Some(Write::Begin { bytes, .. } | Write::Append(bytes)) => {
                wal::encode(lsn, record, bytes);
            }
            Some(Write::Forget { .. }) | None => {
                let mut bytes = Vec::new();
                wal::encode(lsn, record, &mut bytes);
                self.writes.push(Write::Append(bytes));
            }
        }
        self.restated.note(record);
        let is_whole =
            matches!(record, Record::Raft(raft::Record::Kept { is_last, .. }) if *is_last);
        if let (true, Some(before)) = (is_whole, self.snapshot) {
            self.snapshot = None;
            self.writes.push(Write::Forget { before });
        }
    }

    /// What is to be done since the last call, in order.
    #[must_use]
    pub fn take(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.writes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;

    use super::*;
    use crate::id::LogIndex;
    use crate::payload::Payload;
    use crate::raft::{Entry, Snapshot};
    use crate::seed::{Seed, Stream};

    fn append(index: u64) -> Record {
        let entries = vec![Entry {
            term: Term(3),
            index: LogIndex(index),
            data: Payload::copy_from(b"data"),
            voters: None,
        }];
        Record::Raft(raft::Record::Append { entries })
    }

    fn snapshot(index: u64) -> Vec<Record> {
        let (voters, state) = (BTreeSet::from([NodeId(1)]), Payload::copy_from(b"a state"));
        let snapshot = Snapshot::new(LogIndex(index), Term(3), voters, state);
        let parts = snapshot.parts(4);
        let mut records: Vec<Record> = parts
            .map(|part| Record::Raft(raft::Record::Snapshot(part)))
            .collect();
        records.push(Record::Raft(raft::Record::Kept {
            entries: Vec::new(),
            is_last: true,
        }));
        records
    }

    /// A life with two snapshots.
    fn life() -> Vec<Record> {
        let (term, vote) = (Term(3), Some(NodeId(2)));
        let mut records = vec![
            Record::Boot { boot: 1 },
            Record::Raft(raft::Record::HardState { term, vote }),
        ];
        records.extend((1..=4).map(append));
        records.extend(snapshot(3));
        records.extend((5..=6).map(append));
        records.extend(snapshot(6));
        records.push(append(7));
        records
    }

    fn fold(records: &[Record]) -> Durable {
        let mut durable = Durable::default();
        records
            .iter()
            .for_each(|record| durable.apply(record.clone()));
        durable.raft.assembly = None;
        durable
    }

    fn state(loaded: &Loaded) -> Durable {
        let mut durable = loaded.durable.clone();
        durable.raft.assembly = None;
        durable
    }

    #[test]
    fn whatever_a_crash_leaves_is_the_fold_of_the_first_records_and_goes_on() {
        let records = life();
        let mut random = Seed::from_number(1).stream(Stream::Disk);
        for cut in 0..400 {
            let (mut disk, mut writer) = (Vec::<Segment>::new(), Writer::default());
            let mut left = cut;
            let mut writes = Vec::new();
            for (lsn, record) in (1..).map(Lsn).zip(&records) {
                writer.push(lsn, record);
                if random.chance(500) {
                    Write::join(&mut writes, writer.take());
                }
            }
            Write::join(&mut writes, writer.take());
            for mut write in writes {
                let is_cut = write.len() > left;
                if let Write::Begin { bytes, .. } | Write::Append(bytes) = &mut write {
                    bytes.truncate(left);
                }
                left -= write.len();
                write.perform(&mut disk);
                if is_cut {
                    break;
                }
            }
            let loaded = load(&disk).unwrap();
            let count = usize::try_from(loaded.last.0).unwrap();
            assert_eq!(state(&loaded), fold(&records[..count]), "cut at {cut}");
            // Cut what is torn, as a driver does, and write the rest again.
            if let (Some(open), Some(segment)) = (loaded.open, disk.last_mut()) {
                segment.bytes.truncate(open);
                segment.bytes.extend([0; 50]);
                assert_eq!(load(&disk).unwrap().torn, 0, "zeros are allocated ahead");
                disk.last_mut().unwrap().bytes.truncate(open);
            }
            let mut writer = Writer::after(&loaded);
            for (lsn, record) in (1..).map(Lsn).zip(&records).skip(count) {
                writer.push(lsn, record);
            }
            writer
                .take()
                .into_iter()
                .for_each(|write| write.perform(&mut disk));
            let loaded = load(&disk).unwrap();
            assert_eq!(state(&loaded), fold(&records), "after {cut}");
        }
    }

    fn whole() -> Vec<Segment> {
        let (mut disk, mut writer) = (Vec::<Segment>::new(), Writer::default());
        for (lsn, record) in (1..).map(Lsn).zip(&life()) {
            writer.push(lsn, record);
        }
        // As if it crashed before the old ones went.
        let forgets = |write: &Write| matches!(write, Write::Forget { .. });
        let writes = writer.take().into_iter().filter(|it| !forgets(it));
        writes.for_each(|write| write.perform(&mut disk));
        disk
    }

    #[test]
    fn old_segments_go_and_the_hard_state_stays() {
        let all = whole();
        assert_eq!(all.len(), 3);
        let full = load(&all).unwrap();
        for begin in 1..3 {
            let loaded = load(&all[begin..]).unwrap();
            assert_eq!(state(&loaded), state(&full));
            assert_eq!(
                (loaded.durable.boot, loaded.durable.raft.term),
                (1, Term(3))
            );
            assert_eq!(loaded.durable.raft.vote, Some(NodeId(2)));
        }
    }

    #[test]
    fn a_missing_segment_and_a_flipped_bit_are_corruption() {
        let all = whole();
        let mut gap = all.clone();
        gap.remove(1);
        assert!(load(&gap).is_err());
        let mut swapped = all.clone();
        swapped.swap(0, 1);
        assert!(load(&swapped).is_err());
        assert!(
            load(&[Segment {
                first: Lsn(9),
                bytes: all[0].bytes.clone()
            }])
            .is_err()
        );
        for (nth, segment) in all.iter().enumerate() {
            for bit in 0..segment.bytes.len() * 8 {
                let mut flipped = all.clone();
                flipped[nth].bytes[bit / 8] ^= 1 << (bit % 8);
                let Ok(loaded) = load(&flipped) else {
                    continue;
                };
                // The last record of all cannot be told from a torn one.
                assert!(nth == 2 && loaded.torn > 0, "segment {nth}, bit {bit}");
                assert_eq!(loaded.last.0 + 1, load(&all).unwrap().last.0);
            }
        }
    }

    #[test]
    fn names_sort_like_their_segments() {
        assert_eq!(Segment::name(Lsn(255)), "quorate-00000000000000ff.wal");
        for first in [0, 1, 255, u64::MAX] {
            let name = Segment::name(Lsn(first));
            assert_eq!(Segment::parse_name(&name), Some(Lsn(first)));
        }
        for other in [
            "quorate.lock",
            "quorate-1.wal",
            "quorate-00000000000000FF.wal",
            "x",
        ] {
            assert_eq!(Segment::parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn a_segment_keeps_its_bytes() {
        let mut writer = Writer::default();
        writer.push(Lsn(1), &Record::Boot { boot: 7 });
        let writes = writer.take();
        let [
            Write::Begin {
                first: Lsn(1),
                bytes,
            },
        ] = &writes[..]
        else {
            panic!("{writes:?}");
        };
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    /// Magic; length, checksum and number of the head; boot, term, no vote; then a record alike.
    const GOLDEN: &str = concat!(
        "51554f5257414c01",
        "11000000",
        "1d748533",
        "0100000000000000",
        "0000000000000000",
        "0000000000000000",
        "00",
        "0c000000",
        "87a4df71",
        "0100000000000000",
        "00000000",
        "0700000000000000",
    );
}
