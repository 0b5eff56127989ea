//! What senders send: its kind, class and length, drawn from the seed, and its bytes, which tell
//! which send they belong to and where in it they stand.

use quorate_core::seed::Random;
use quorate_core::transport::Priority;

use crate::plan::Senders;

/// The bytes of all sends lie in here, each from another place on.
static BYTES: [u8; PERIOD + PIECE] = bytes();
/// After so many they come again.
const PERIOD: usize = 65_521;
/// So many are looked at together.
const PIECE: usize = 16 * 1024;
/// Bytes at the beginning of a message that say which send it is.
pub const ID_BYTES: usize = 8;
/// Most sends are small.
const SMALL_BYTES: u64 = 2_000;
/// Some are as long as a message may be.
const MIDDLE_BYTES: u64 = 60_000;

const fn bytes() -> [u8; PERIOD + PIECE] {
    let mut bytes = [0; PERIOD + PIECE];
    let mut word: u32 = 1;
    let mut at = 0;
    while at < PERIOD + PIECE {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes[at] = if at < PERIOD {
            word.to_be_bytes()[0]
        } else {
            bytes[at - PERIOD]
        };
        at += 1;
    }
    bytes
}

/// The next bytes of a send from a place on, at most so many; some, if any are asked for.
#[must_use]
pub fn piece(id: u64, at: usize, len: usize) -> &'static [u8] {
    let first = (id.wrapping_mul(7_919) % PERIOD as u64) as usize;
    let begin = (first + at) % PERIOD;
    &BYTES[begin..begin + len.min(PIECE)]
}

/// A message, request or reply: its number, and as many bytes more as it is longer than that.
#[must_use]
pub fn body(id: u64, len: usize) -> Vec<u8> {
    let mut body = id.to_le_bytes().to_vec();
    while body.len() < len {
        let at = body.len() - ID_BYTES;
        body.extend_from_slice(piece(id, at, len - body.len()));
    }
    body
}

/// Which send a body is, and whether it is as it was sent; none if it is no sender's.
#[must_use]
pub fn read(body: &[u8]) -> Option<(u64, bool)> {
    let (id, rest) = body.split_first_chunk::<ID_BYTES>()?;
    let id = u64::from_le_bytes(*id);
    (id > 0).then(|| (id, are_bytes(id, 0, rest)))
}

/// Whether these are the bytes of a send from a place on.
#[must_use]
pub fn are_bytes(id: u64, at: usize, bytes: &[u8]) -> bool {
    let pieces = bytes.chunks(PIECE).enumerate();
    pieces
        .map(|(index, chunk)| (at + index * PIECE, chunk))
        .all(|(at, chunk)| piece(id, at, chunk.len()) == chunk)
}

/// A kind of sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message to one other host.
    Message,
    /// The same message to all others.
    Broadcast,
    /// A question.
    Request,
    /// Bytes as long as the writer likes.
    Stream,
    /// A message too long for one piece: a stream of a length that is told first.
    Long,
}

/// What a sender does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The kind.
    pub kind: Kind,
    /// The class.
    pub class: Priority,
    /// Bytes, the number included.
    pub len: usize,
    /// The sender gives it up on the way.
    pub is_cancelled: bool,
}

/// Draws what a sender does next.
pub fn choose(spec: &Senders, random: &mut Random) -> Choice {
    let class = match random.below(20) {
        0..=2 => Priority::Critical,
        3..=6 => Priority::High,
        7..=13 => Priority::Normal,
        _ => Priority::Low,
    };
    let is_large = random.chance(spec.large_permille);
    let kind = match random.below(20) {
        _ if is_large => [Kind::Long, Kind::Stream][random.index(2)],
        0..=8 => Kind::Message,
        9..=10 => Kind::Broadcast,
        11..=15 => Kind::Request,
        _ => Kind::Stream,
    };
    let len = match random.below(10) {
        _ if is_large => random.within(1 << 20..=4 << 20),
        0 => random.within(SMALL_BYTES..=MIDDLE_BYTES),
        _ => random.within(ID_BYTES as u64..=SMALL_BYTES),
    };
    Choice {
        kind,
        class,
        len: usize::try_from(len).unwrap_or(ID_BYTES),
        is_cancelled: random.chance(spec.cancelled_permille),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_which_send_they_are_and_where_they_stand() {
        for len in [ID_BYTES, 9, 20_000, 200_000] {
            assert_eq!(read(&body(5, len)), Some((5, true)), "{len}");
            assert_eq!(body(5, len).len(), len);
        }
        let mut bent = body(5, 70_000);
        bent[60_000] ^= 1;
        assert_eq!(read(&bent), Some((5, false)));
        assert_eq!(read(&0_u64.to_le_bytes()), None);
        let whole = &body(9, 100_000)[ID_BYTES..];
        assert!(are_bytes(9, 40_000, &whole[40_000..90_000]));
        assert!(!are_bytes(9, 40_001, &whole[40_000..90_000]));
        assert!(!are_bytes(8, 40_000, &whole[40_000..90_000]));
    }
}
