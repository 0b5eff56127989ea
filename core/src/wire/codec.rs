//! The one place where bincode is called: fixed-int little-endian, always with a limit.
//!
//! With fixed-width integers the bytes equal those of other codecs of the same family, so the crate
//! can be exchanged without a change on the wire. Invariants:
//!
//! * I1: [`decode`] is total: hostile bytes give a [`DecodeError`], never a panic.
//! * I2: what a claimed length of text or bytes may allocate is bounded by the length of the bytes,
//!   not by the claim; a claimed number of elements reserves at most serde's 1 MiB, and gives it
//!   back when the bytes run out.
//! * I3: a value is decoded only from exactly its own bytes; left-over bytes are an error.
//!
//! Deliberately absent: recursive types and collections of zero-size elements, which no limit
//! bounds. Nothing of either kind stands on the wire.

use alloc::vec::Vec;
use core::fmt;

use bincode::config::{self, Configuration, Fixint, LittleEndian};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// A type this version does not know.
    UnknownType {
        /// The type.
        code: u8,
    },
    /// More bytes than any such value has.
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// Bytes were left over.
    Trailing {
        /// How many.
        len: usize,
    },
    /// The bytes are not a value of the type.
    Malformed,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::UnknownType { code } => write!(f, "unknown message type {code}"),
            DecodeError::TooLong { len } => {
                write!(f, "{len} bytes are more than any such value has")
            }
            DecodeError::Trailing { len } => write!(f, "{len} bytes too many"),
            DecodeError::Malformed => f.write_str("not a value of its type"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Appends the bytes of `value`. Total: the types of this project encode without fail; if one ever
/// did not, `bytes` would be left as it was.
pub fn encode<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    let before = bytes.len();
    let written = bincode::serde::encode_into_writer(value, Append(bytes), CONFIG);
    debug_assert!(
        written.is_ok(),
        "a value that cannot be encoded: {written:?}"
    );
    if written.is_err() {
        bytes.truncate(before);
    }
}

/// Reads exactly one value.
///
/// # Errors
/// [`DecodeError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // bincode takes its limit as a constant, so the length of the bytes chooses from a ladder.
    let (value, read) = match bytes.len() {
        0..=0x100 => limited::<T, 0x100>(bytes),
        0x101..=0x1000 => limited::<T, 0x1000>(bytes),
        0x1001..=0x1_0000 => limited::<T, 0x1_0000>(bytes),
        0x1_0001..=0x10_0000 => limited::<T, 0x10_0000>(bytes),
        0x10_0001..=BYTES_MAX => limited::<T, BYTES_MAX>(bytes),
        len => return Err(DecodeError::TooLong { len }),
    }?;
    match bytes.len().saturating_sub(read) {
        0 => Ok(value),
        len => Err(DecodeError::Trailing { len }),
    }
}

/// No value of this project has more bytes.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;

const CONFIG: Configuration<LittleEndian, Fixint> = config::legacy();

fn limited<T: DeserializeOwned, const N: usize>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
    bincode::serde::decode_from_slice(bytes, CONFIG.with_limit::<N>())
        .map_err(|_| DecodeError::Malformed)
}

/// Writes at the end of the caller's buffer.
struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::payload::Payload;
    use crate::seed::{Seed, Stream};
    use crate::{membership, raft};

    fn bytes_of<T: Serialize>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        bytes
    }

    #[test]
    fn a_value_is_read_from_exactly_its_bytes() {
        let value = (
            7u16,
            String::from("seven"),
            vec![1u64, 2],
            Some(Payload::copy_from(b"x")),
        );
        let mut bytes = vec![0xEE];
        encode(&value, &mut bytes);
        assert_eq!(
            bytes[..4],
            [0xEE, 7, 0, 5],
            "appended, fixed-width, little-endian"
        );
        let bytes = bytes.split_off(1);
        assert_eq!(decode(&bytes), Ok(value.clone()));
        for len in 0..bytes.len() {
            let read = decode::<(u16, String, Vec<u64>, Option<Payload>)>(&bytes[..len]);
            assert_eq!(read, Err(DecodeError::Malformed), "cut to {len}");
        }
        let mut longer = bytes.clone();
        longer.extend([0, 0]);
        let read = decode::<(u16, String, Vec<u64>, Option<Payload>)>(&longer);
        assert_eq!(read, Err(DecodeError::Trailing { len: 2 }));
    }

    #[test]
    fn every_rung_of_the_ladder_reads_its_longest_value() {
        for total in [
            0x100, 0x101, 0x1000, 0x1001, 0x1_0000, 0x1_0001, 0x10_0000, 0x10_0001,
        ] {
            let value = Payload::from(vec![9; total - 8]);
            let bytes = bytes_of(&value);
            assert_eq!((bytes.len(), decode(&bytes)), (total, Ok(value)));
            let text = "t".repeat(total - 8);
            assert_eq!(decode(&bytes_of(&text)), Ok(text));
        }
        let endless = vec![0; BYTES_MAX + 1];
        let too_long = DecodeError::TooLong { len: BYTES_MAX + 1 };
        assert_eq!(decode::<Payload>(&endless), Err(too_long));
    }

    #[test]
    fn a_lying_length_is_refused() {
        for claim in [17, 257, 1 << 20, 1 << 32, 1 << 60, u64::MAX] {
            let mut bytes = bytes_of(&claim);
            bytes.extend([1; 8]);
            assert_eq!(decode::<Payload>(&bytes), Err(DecodeError::Malformed));
            assert_eq!(decode::<String>(&bytes), Err(DecodeError::Malformed));
            assert_eq!(decode::<Vec<u64>>(&bytes), Err(DecodeError::Malformed));
            assert_eq!(
                decode::<membership::Gossip>(&bytes),
                Err(DecodeError::Malformed)
            );
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Seed::from_number(11).stream(Stream::Plan);
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut bytes = vec![0; random.index(96)];
            for byte in &mut bytes {
                let bound = if random.chance(800) { 3 } else { 256 };
                // Many zeros and small numbers, so that lengths are often believable.
                *byte = u8::try_from(random.below(bound)).unwrap();
            }
            accepted += usize::from(decode::<membership::Welcome>(&bytes).is_ok());
            accepted += usize::from(decode::<raft::AppendReply>(&bytes).is_ok());
            accepted += usize::from(decode::<raft::Append>(&bytes).is_ok());
            accepted += usize::from(decode::<(Payload, String)>(&bytes).is_ok());
        }
        assert!(
            accepted > 0,
            "some random bytes are values, or nothing was tried"
        );
    }
}
