//! The records of the write-ahead log in one segment of it (see `segments`).
//!
//! A record is a frame (see `frame`), whose number is its lsn:
//!
//! ```text
//! length u32   of the body
//! crc32c u32   over lsn and body
//! lsn    u64   one more than that of the record before
//! body         the record, through the codec
//! ```
//!
//! * I1: [`scan`] is total and returns a prefix of what was written, in order, without a gap.
//! * I2: a torn tail (a write that a crash cut short, or preallocated zeros) is cut off; nothing in
//!   it was ever reported durable. Damage with an intact record after it is not a torn tail: the
//!   log held more, and that must not be forgotten silently, since a forgotten vote elects two
//!   leaders in one term.
//!
//! A batch of records written at once, whose later sectors survived a power loss without its
//! earlier ones, looks like damage too and is refused: the safe side of a doubt that the bytes
//! alone cannot settle.
//!
//! Deliberately absent: repair. One damaged record may be a promise to others, so a person decides.

use alloc::vec::Vec;
use core::fmt;

use super::Record;
use super::frame::{self, Frame, TooLong};
use super::segments::Segment;
use crate::id::Lsn;
use crate::sum;
use crate::wire::codec;

/// What a scan of a log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The records, in order, with their numbers.
    pub records: Vec<(Lsn, Record)>,
    /// The length of the valid part; the rest is a torn tail and must be cut off before anything is
    /// appended.
    pub valid_len: usize,
}

/// The log is damaged where a torn write cannot explain it: records after the damage are intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupt {
    /// The first record of the damaged segment.
    pub segment: Lsn,
    /// The offset of the damaged record in it, in bytes.
    pub offset: usize,
    /// The number it should have.
    pub expected: Lsn,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "write-ahead log damaged at byte {} of {} (record {}): no torn write explains it. \
             As it is, the node might break promises it no longer knows: have it rebuilt from its \
             peers (`Builder::rebuild`), or replace it by one with a new id",
            self.offset,
            Segment::name(self.segment),
            self.expected
        )
    }
}

impl core::error::Error for Corrupt {}

/// The longest body of one record, in bytes.
pub const RECORD_BYTES_MAX: usize = frame::FRAME_BYTES_MAX;

/// Appends the bytes of one record.
///
/// # Panics
/// When the record exceeds [`RECORD_BYTES_MAX`]: it could not be read again, so it must never be
/// reported durable.
pub fn encode(lsn: Lsn, record: &Record, bytes: &mut Vec<u8>) {
    let start = frame::open(lsn.0, bytes);
    codec::encode(record, bytes);
    if let Err(TooLong { len }) = frame::check(start, bytes) {
        panic!("a record of {len} bytes cannot be read again");
    }
    frame::close(start, bytes, sum::crc32c);
}

/// Reads records, from the one numbered `first` on.
///
/// # Errors
/// [`Corrupt`] when damage is followed by intact records, or a record is intact but not the next
/// one.
pub fn scan(bytes: &[u8], first: Lsn) -> Result<Scan, Corrupt> {
    let mut records = Vec::new();
    let mut offset = 0;
    let mut expected = first;
    while offset < bytes.len() {
        let corrupt = Corrupt {
            segment: first,
            offset,
            expected,
        };
        let Some(frame) = Frame::read(&bytes[offset..], sum::crc32c) else {
            return if frame::has_intact_after(&bytes[offset..], expected.0, sum::crc32c) {
                Err(corrupt)
            } else {
                Ok(Scan {
                    records,
                    valid_len: offset,
                })
            };
        };
        // The checksum holds, so this is what was written: a torn write cannot explain a wrong
        // number or body.
        if frame.number != expected.0 {
            return Err(corrupt);
        }
        records.push((expected, codec::decode(frame.body).map_err(|_| corrupt)?));
        offset += frame.len();
        expected = expected.next();
    }
    Ok(Scan {
        records,
        valid_len: offset,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::id::{LogIndex, NodeId, Term};
    use crate::payload::Payload;
    use crate::raft::{self, Entry};
    use crate::seed::{Seed, Stream};

    fn scan(bytes: &[u8]) -> Result<Scan, Corrupt> {
        super::scan(bytes, Lsn(1))
    }

    fn record(number: u64) -> Record {
        match number % 3 {
            1 => Record::Boot { boot: number },
            2 => Record::Raft(raft::Record::HardState {
                term: Term(number),
                vote: number.is_multiple_of(2).then_some(NodeId(number)),
            }),
            _ => Record::Raft(raft::Record::Append {
                entries: vec![Entry {
                    term: Term(1),
                    index: LogIndex(number),
                    data: Payload::from(vec![7; 11]),
                    voters: None,
                }],
            }),
        }
    }

    /// A log of `count` records and the offset at which each of them ends.
    fn log(count: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for number in 1..=count {
            encode(Lsn(number), &record(number), &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn first(count: usize, valid_len: usize) -> Result<Scan, Corrupt> {
        let records = (1..=count as u64).map(|n| (Lsn(n), record(n))).collect();
        Ok(Scan { records, valid_len })
    }

    #[test]
    fn every_cut_recovers_exactly_the_whole_records_before_it() {
        let (bytes, ends) = log(20);
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let valid_len = whole.checked_sub(1).map_or(0, |last| ends[last]);
            assert_eq!(scan(&bytes[..cut]), first(whole, valid_len), "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_corruption_unless_it_can_be_a_torn_tail() {
        let (bytes, ends) = log(20);
        let last = ends[18];
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if bit / 8 >= last {
                assert_eq!(scan(&flipped), first(19, last), "bit {bit}");
                continue;
            }
            let damaged = ends.iter().filter(|end| **end <= bit / 8).count();
            let corrupt = Corrupt {
                segment: Lsn(1),
                offset: damaged.checked_sub(1).map_or(0, |before| ends[before]),
                expected: Lsn(damaged as u64 + 1),
            };
            assert_eq!(scan(&flipped), Err(corrupt), "bit {bit}");
        }
    }

    #[test]
    fn zeros_after_the_last_record_are_a_torn_tail() {
        let (mut bytes, ends) = log(5);
        let torn = ends[3] + 9;
        bytes.resize(bytes.len() + 5000, 0);
        assert_eq!(scan(&bytes), first(5, ends[4]));
        bytes[torn..].fill(0);
        assert_eq!(scan(&bytes), first(4, ends[3]));
        assert_eq!(scan(&[0; 100]), first(0, 0));
        assert_eq!(scan(&[]), first(0, 0));
    }

    #[test]
    fn an_intact_record_that_is_not_the_next_one_is_corruption() {
        for (wrong, what) in [(2, "repeated"), (4, "skipped"), (0, "before the first")] {
            let (mut bytes, ends) = log(2);
            encode(Lsn(wrong), &record(1), &mut bytes);
            let corrupt = Corrupt {
                segment: Lsn(1),
                offset: ends[1],
                expected: Lsn(3),
            };
            assert_eq!(scan(&bytes), Err(corrupt), "{what}");
        }
        let mut bytes = Vec::new();
        encode(Lsn(2), &record(2), &mut bytes);
        let headless = Corrupt {
            segment: Lsn(1),
            offset: 0,
            expected: Lsn(1),
        };
        assert_eq!(scan(&bytes), Err(headless), "the beginning is missing");
    }

    #[test]
    fn the_expected_record_at_another_place_is_corruption() {
        let (mut bytes, ends) = log(3);
        bytes.insert(ends[1], 0);
        let displaced = Corrupt {
            segment: Lsn(1),
            offset: ends[1],
            expected: Lsn(3),
        };
        assert_eq!(scan(&bytes), Err(displaced));
    }

    #[test]
    fn an_intact_record_of_an_unknown_kind_is_corruption() {
        let (mut bytes, _) = log(1);
        bytes[16] = 0xFF;
        let crc = sum::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        let unreadable = Corrupt {
            segment: Lsn(1),
            offset: 0,
            expected: Lsn(1),
        };
        assert_eq!(scan(&bytes), Err(unreadable));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Seed::from_number(5).stream(Stream::Disk);
        let (bytes, _) = log(8);
        for round in 0..5_000 {
            let mut noise = bytes.clone();
            noise.truncate(random.index(bytes.len() + 1));
            for _ in 0..random.index(12) {
                let at = random.index(noise.len() + 1);
                noise.insert(at, u8::try_from(random.below(256)).unwrap());
            }
            if round % 2 == 0 {
                let third = noise.len() / 3;
                noise.rotate_left(third);
            }
            if let Ok(found) = scan(&noise) {
                let trusted = scan(&noise[..found.valid_len]);
                assert_eq!(trusted, Ok(found), "what is valid is valid alone");
            }
        }
    }
}
