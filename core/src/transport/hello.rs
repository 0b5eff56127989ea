//! The first frame in each direction: who is there, and which versions it speaks.

use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, Peer};

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
