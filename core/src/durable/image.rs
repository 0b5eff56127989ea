//! The control state as bytes: what a snapshot is made of.
//!
//! ```text
//! format  u32   1
//! applied u64   the last entry it holds the effect of
//! pieces        each a length u32 and a body, through the codec
//! ```
//!
//! Little-endian. Equal states have equal bytes, on every node.

use alloc::vec::Vec;
use core::fmt;

use crate::control::{Piece, State};
use crate::id::LogIndex;
use crate::wire::codec;

const FORMAT: u32 = 1;

/// Why bytes are no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageError {
    /// A newer version of this library wrote them.
    Format(u32),
    /// A piece is of a kind this version does not know, or broken; at this byte.
    Unreadable(usize),
    /// No log leads to such a state; noticed at this byte.
    Impossible(usize),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Format(format) => write!(
                f,
                "the snapshot has format {format}, this version reads {FORMAT}; a newer version \
                 wrote it"
            ),
            ImageError::Unreadable(at) => write!(
                f,
                "the snapshot's byte {at} begins what this version cannot read; a newer version \
                 wrote it"
            ),
            ImageError::Impossible(at) => {
                write!(
                    f,
                    "no log leads to the snapshot's state, as its byte {at} shows"
                )
            }
        }
    }
}

impl core::error::Error for ImageError {}

/// The bytes of a state.
#[must_use]
pub fn encode(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&state.applied().0.to_le_bytes());
    for piece in state.pieces() {
        let at = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        codec::encode(&piece, &mut bytes);
        let len = u32::try_from(bytes.len() - at - 4).unwrap_or(u32::MAX);
        bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
    bytes
}

/// The state that bytes stand for.
///
/// # Errors
/// [`ImageError`]; total for any bytes.
pub fn decode(bytes: &[u8]) -> Result<State, ImageError> {
    let broken = ImageError::Unreadable(0);
    let (format, rest) = bytes.split_first_chunk::<4>().ok_or(broken)?;
    let (applied, mut rest) = rest.split_first_chunk::<8>().ok_or(broken)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(ImageError::Format(format));
    }
    let mut state = State::empty_at(LogIndex(u64::from_le_bytes(*applied)));
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (piece, behind) = piece(rest).ok_or(ImageError::Unreadable(at))?;
        if !state.add(piece) {
            return Err(ImageError::Impossible(at));
        }
        rest = behind;
    }
    Ok(state)
}

fn piece(bytes: &[u8]) -> Option<(Piece, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (body, behind) = rest.split_at_checked(len)?;
    Some((codec::decode(body).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Command, Envelope};
    use crate::id::{ClientId, Epoch, NodeId, Peer, RequestId, RoleName};
    use crate::level::Level;
    use crate::payload::Payload;
    use crate::seed::{Random, Seed, Stream};

    fn command(random: &mut Random) -> Command {
        let role = RoleName::new(["a", "b", "c"][random.index(3)]).unwrap();
        let expected = Epoch(random.below(20));
        match random.below(6) {
            5 => Command::RaiseLevel {
                to: Level(u8::try_from(random.below(5)).unwrap()),
            },
            4 => Command::RemoveNode {
                node: NodeId(random.below(4)),
            },
            0 => Command::Barrier,
            1 => Command::GrantRole {
                role,
                holder: Peer {
                    node: NodeId(1),
                    boot: 1,
                },
                expected: Epoch(0),
            },
            2 => Command::ReleaseRole { role, expected },
            _ => Command::Write {
                role,
                epoch: expected,
                key: ["x", "y", "zz"][random.index(3)].into(),
                value: Payload::from(alloc::vec![7; random.index(40)]),
            },
        }
    }

    fn some_state(seed: u64, entries: u64) -> State {
        let mut random = Seed::from_number(seed).stream(Stream::Workload);
        let mut state = State::default();
        for index in 1..=entries {
            let envelope = Envelope {
                client: ClientId(random.below(9)),
                request: RequestId(index),
                command: command(&mut random),
            };
            state.apply(LogIndex(index), &envelope);
        }
        state
    }

    #[test]
    fn a_state_read_from_its_bytes_is_equal_and_goes_on_equally() {
        for seed in 0..50 {
            let mut state = some_state(seed, seed);
            let bytes = encode(&state);
            let mut read = decode(&bytes).unwrap();
            assert_eq!(read, state);
            assert_eq!(encode(&read), bytes);
            let mut random = Seed::from_number(seed + 1000).stream(Stream::Workload);
            for index in seed + 1..seed + 50 {
                let envelope = Envelope {
                    client: ClientId(random.below(9)),
                    request: RequestId(index.saturating_sub(random.below(3))),
                    command: command(&mut random),
                };
                let index = LogIndex(index);
                assert_eq!(read.apply(index, &envelope), state.apply(index, &envelope));
            }
            assert_eq!(read, state);
        }
    }

    #[test]
    fn no_bytes_panic_and_none_but_the_states_own_are_read_as_it() {
        let state = some_state(3, 60);
        let bytes = encode(&state);
        for len in 0..bytes.len() {
            assert_ne!(decode(&bytes[..len]).as_ref(), Ok(&state), "cut to {len}");
        }
        let mut random = Seed::from_number(5).stream(Stream::Disk);
        for _ in 0..20_000 {
            let mut noise = bytes.clone();
            for _ in 0..=random.index(4) {
                let at = random.index(noise.len());
                noise[at] = u8::try_from(random.below(256)).unwrap();
            }
            if let Ok(read) = decode(&noise) {
                assert_eq!(encode(&read), noise, "one state, one form");
            }
        }
        assert_eq!(
            decode(&[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
            Err(ImageError::Format(9))
        );
    }

    #[test]
    fn pieces_out_of_order_are_refused() {
        let state = some_state(3, 60);
        let mut pieces: Vec<Piece> = state.pieces().collect();
        assert!(pieces.len() > 2);
        pieces.swap(0, 1);
        let mut other = State::empty_at(state.applied());
        assert!(!pieces.into_iter().all(|piece| other.add(piece)));
    }
}
