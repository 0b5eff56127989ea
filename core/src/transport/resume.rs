//! The second frame in each direction: which session this is, and how much of the peer's has
//! arrived.
//!
//! ```text
//! session   u64      ours
//! known     u64      the peer's as we know it; 0: none
//! received  4 × u64  per class, the last number of the peer's session that arrived here
//! clock     u64      our time in nanoseconds, so that deadlines can be understood
//! ```
//!
//! A session is a pair of states, one at each end, that outlives connections: it ends as a whole,
//! at both ends, when one of them has given it up.

use alloc::vec::Vec;

use super::priority::PerClass;
use crate::time::Time;

/// Bytes of a resumption.
pub(super) const RESUME_BYTES: usize = 7 * 8;

/// What one end knows when a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Resume {
    pub(super) session: u64,
    pub(super) known: u64,
    pub(super) received: PerClass<u64>,
    pub(super) clock: Time,
}

impl Resume {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let [critical, high, normal, low] = self.received;
        let words = [
            self.session,
            self.known,
            critical,
            high,
            normal,
            low,
            self.clock.as_nanos(),
        ];
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// Reads exactly one resumption.
    pub(super) fn decode(bytes: &[u8]) -> Option<Resume> {
        let (words, rest) = bytes.as_chunks::<8>();
        let [session, known, critical, high, normal, low, clock] = words else {
            return None;
        };
        let session = u64::from_le_bytes(*session);
        if session == 0 || !rest.is_empty() {
            return None;
        }
        Some(Resume {
            session,
            known: u64::from_le_bytes(*known),
            received: [critical, high, normal, low].map(|word| u64::from_le_bytes(*word)),
            clock: Time(u64::from_le_bytes(*clock)),
        })
    }
}
