//! Checksummed frames of the files a node keeps, its log and its recordings: a header of 16 bytes
//! and a body; all numbers are little-endian.
//!
//! ```text
//! length u32   of the body
//! sum u32      over number and body; which sum is the file's choice
//! number u64   grows from frame to frame: by one in a log, by its steps in a recording
//! body         what the file is made of
//! ```
//!
//! A frame is built in place at the end of a buffer: [`open`], append the body, [`close`].

use alloc::vec::Vec;

use crate::sum::Sum;
use crate::wire::codec;

/// The longest body of one frame, in bytes.
pub const FRAME_BYTES_MAX: usize = codec::BYTES_MAX;

const HEADER_LEN: usize = 16;
/// A body is longer than a frame may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooLong {
    /// Bytes of it.
    pub len: usize,
}

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) number: u64,
    pub(crate) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, if it is whole and its checksum holds.
    pub(crate) fn read(bytes: &'a [u8], sum: Sum) -> Option<Frame<'a>> {
        let claim = Claim::read(bytes)?;
        claim.is_intact(sum).then_some(Frame {
            number: claim.number,
            body: &claim.checked[8..],
        })
    }

    /// Its length, header included.
    pub(crate) fn len(&self) -> usize {
        HEADER_LEN + self.body.len()
    }
}

/// Begins a frame; the answer is where.
pub(crate) fn open(number: u64, bytes: &mut Vec<u8>) -> usize {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&number.to_le_bytes());
    start
}

/// The body of the frame that begins at `start` and is being built.
pub(crate) fn body_mut(start: usize, bytes: &mut [u8]) -> &mut [u8] {
    bytes.get_mut(start + HEADER_LEN..).unwrap_or_default()
}

/// Takes the frame back if its body is too long.
pub(crate) fn check(start: usize, bytes: &mut Vec<u8>) -> Result<(), TooLong> {
    let len = bytes.len().saturating_sub(start + HEADER_LEN);
    if len > FRAME_BYTES_MAX {
        bytes.truncate(start);
        return Err(TooLong { len });
    }
    Ok(())
}

/// Ends a frame whose length was checked.
pub(crate) fn close(start: usize, bytes: &mut [u8], sum: Sum) {
    let len = bytes.len().saturating_sub(start + HEADER_LEN);
    let sum = sum(&bytes[start + 8..]);
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
}

/// Whether the expected frame or a later one lies intact anywhere in `bytes`, which begin with the
/// damage.
///
/// Only an offset whose number is believable is worth a checksum. A body could be made to look like
/// many believable frames; so the work is bounded, and where it does not suffice for an answer, the
/// bytes are not taken for a torn end.
pub(crate) fn has_intact_after(bytes: &[u8], expected: u64, sum: Sum) -> bool {
    // Whatever a number counts has at least a byte.
    let last = expected.saturating_add(bytes.len() as u64);
    let mut work = bytes
        .len()
        .saturating_mul(4)
        .saturating_add(FRAME_BYTES_MAX);
    for offset in 1..bytes.len().saturating_sub(HEADER_LEN) {
        let Some(claim) = Claim::read(&bytes[offset..]) else {
            continue;
        };
        if claim.number < expected || claim.number > last {
            continue;
        }
        if work < claim.checked.len() || claim.is_intact(sum) {
            return true;
        }
        work -= claim.checked.len();
    }
    false
}

/// A frame as it lies there, its checksum not yet verified.
struct Claim<'a> {
    sum: u32,
    number: u64,
    checked: &'a [u8],
}

impl<'a> Claim<'a> {
    fn read(bytes: &'a [u8]) -> Option<Claim<'a>> {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (sum, rest) = rest.split_first_chunk::<4>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        if len > FRAME_BYTES_MAX {
            return None;
        }
        Some(Claim {
            sum: u32::from_le_bytes(*sum),
            number: u64::from_le_bytes(*number),
            checked: rest.get(..8 + len)?,
        })
    }

    fn is_intact(&self, sum: Sum) -> bool {
        sum(self.checked) == self.sum
    }
}
