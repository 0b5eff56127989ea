//! The bytes of an announcement: "a node of this cluster listens here, on this port".
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | `Qrt1` |
//! | 4 | 8 | node id, little-endian |
//! | 12 | 2 | port, little-endian |
//! | 14 | 1 | length of the cluster id |
//! | 15 | n | cluster id |
//!
//! The address is not said: it is where the datagram came from, so that whoever forges one can make
//! others dial nobody but its sender.

use quorate_core::id::{ClusterId, NodeId};

const MAGIC: &[u8; 4] = b"Qrt1";
const HEADER: usize = 15;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) node: NodeId,
    pub(super) cluster: ClusterId,
    pub(super) port: u16,
}

impl Announcement {
    pub(super) fn encode(&self) -> Vec<u8> {
        let cluster = self.cluster.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEADER + cluster.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.node.0.to_le_bytes());
        bytes.extend_from_slice(&self.port.to_le_bytes());
        // A cluster id has at most 64 bytes or so; one that did not fit would not be ours.
        bytes.push(u8::try_from(cluster.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(cluster);
        bytes
    }

    /// Reads exactly one; `None` for anything else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Announcement> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (node, rest) = rest.split_first_chunk::<8>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let (length, cluster) = rest.split_first()?;
        let cluster = std::str::from_utf8(cluster).ok()?;
        let port = u16::from_le_bytes(*port);
        let is_whole = magic == MAGIC && cluster.len() == usize::from(*length) && port != 0;
        let cluster = ClusterId::new(cluster).ok()?;
        is_whole.then_some(Announcement {
            node: NodeId(u64::from_le_bytes(*node)),
            cluster,
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Announcement {
        Announcement {
            node: NodeId(0x0102_0304_0506_0708),
            cluster: ClusterId::new("prod-a").expect("a name"),
            port: 7000,
        }
    }

    #[test]
    fn the_bytes_are_frozen() {
        let bytes = b"Qrt1\x08\x07\x06\x05\x04\x03\x02\x01\x58\x1b\x06prod-a";
        assert_eq!(sample().encode(), bytes);
        assert_eq!(Announcement::decode(bytes), Some(sample()));
    }

    #[test]
    fn anything_else_is_no_announcement() {
        let bytes = sample().encode();
        for cut in 0..bytes.len() {
            assert_eq!(Announcement::decode(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(b'x');
        assert_eq!(Announcement::decode(&longer), None);
        for (at, value) in [(0, b'q'), (14, 5), (14, 7), (15, 0xff)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert_eq!(Announcement::decode(&wrong), None, "byte {at}");
        }
        let mut portless = bytes;
        portless[12..14].fill(0);
        assert_eq!(Announcement::decode(&portless), None);
    }
}
