//! The first frame in each direction: who is there, and which versions it speaks.
//!
//! Its layout is the one thing no version may change, since it is read before a version is agreed
//! on:
//!
//! ```text
//! versions  u8 u8
//! cluster   u64 length, UTF-8
//! node      u64
//! boot      u64
//! address   u32 family (0: v4, 1: v6), 4 or 16 bytes, u16 port
//! ```
//!
//! Numbers are little-endian; the bytes equal those of the `wire` codec, which stands on a higher
//! floor.

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::CloseReason;
use crate::id::{ClusterId, NodeId, Peer};

/// The longest hello, in bytes.
pub(super) const HELLO_BYTES_MAX: usize = 128;

/// The protocol versions a node speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionRange {
    /// The oldest.
    pub min: u8,
    /// The newest.
    pub max: u8,
}

impl VersionRange {
    /// What this build speaks.
    pub const OURS: VersionRange = VersionRange { min: 1, max: 1 };

    /// The newest version both speak.
    #[must_use]
    pub fn common(self, other: VersionRange) -> Option<u8> {
        let (low, high) = (self.min.max(other.min), self.max.min(other.max));
        (low <= high).then_some(high)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.min, self.max)
    }
}

/// An introduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hello {
    /// The versions spoken.
    pub versions: VersionRange,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Which life of which node it is.
    pub peer: Peer,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Hello {
    /// Appends the bytes of the body.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let cluster = self.cluster.as_str();
        bytes.extend_from_slice(&[self.versions.min, self.versions.max]);
        bytes.extend_from_slice(&(cluster.len() as u64).to_le_bytes());
        bytes.extend_from_slice(cluster.as_bytes());
        bytes.extend_from_slice(&self.peer.node.0.to_le_bytes());
        bytes.extend_from_slice(&self.peer.boot.to_le_bytes());
        match self.address.ip() {
            IpAddr::V4(ip) => {
                bytes.extend_from_slice(&0u32.to_le_bytes());
                bytes.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.extend_from_slice(&1u32.to_le_bytes());
                bytes.extend_from_slice(&ip.octets());
            }
        }
        bytes.extend_from_slice(&self.address.port().to_le_bytes());
    }

    /// Reads exactly one hello.
    pub(super) fn decode(bytes: &[u8]) -> Option<Hello> {
        let ([min, max], rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
        let (cluster, rest) = rest.split_at_checked(len)?;
        let (node, rest) = rest.split_first_chunk()?;
        let (boot, rest) = rest.split_first_chunk()?;
        let (family, rest) = rest.split_first_chunk()?;
        let (port, ip) = rest.split_last_chunk().map(|(ip, port)| (port, ip))?;
        let ip = match u32::from_le_bytes(*family) {
            0 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
            1 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
            _ => return None,
        };
        Some(Hello {
            versions: VersionRange {
                min: *min,
                max: *max,
            },
            cluster: ClusterId::new(core::str::from_utf8(cluster).ok()?).ok()?,
            peer: Peer {
                node: NodeId(u64::from_le_bytes(*node)),
                boot: u64::from_le_bytes(*boot),
            },
            address: SocketAddr::new(ip, u16::from_le_bytes(*port)),
        })
    }

    /// Judges the other end's hello: the version to speak, or why not to.
    pub(super) fn accept(
        &self,
        theirs: &Hello,
        expected: Option<NodeId>,
    ) -> Result<u8, CloseReason> {
        let Some(version) = self.versions.common(theirs.versions) else {
            return Err(CloseReason::WrongVersion {
                ours: self.versions,
                theirs: theirs.versions,
            });
        };
        if theirs.cluster != self.cluster {
            return Err(CloseReason::WrongCluster {
                ours: self.cluster.clone(),
                theirs: theirs.cluster.clone(),
            });
        }
        let found = theirs.peer.node;
        let expected = expected.unwrap_or(found);
        // A second node with our id, or ourselves by way of our own address: neither is a peer.
        if found != expected || found == self.peer.node {
            return Err(CloseReason::WrongNode { expected, found });
        }
        Ok(version)
    }
}
