//! Routing: a snapshot of who may be asked, rebuilt on change, asked by any thread without a lock.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::id::{Epoch, NodeId, RoleName, Zone};

/// A node that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The node.
    pub node: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
}

/// What a request needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// Only the holder of this role will do: a hard filter.
    pub role: Option<RoleName>,
}

/// An immutable routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// Live members, by id.
    pub targets: Vec<Target>,
    /// Who holds which role under which epoch; a holder need not be live.
    pub roles: BTreeMap<RoleName, (NodeId, Epoch)>,
}

impl Snapshot {
    /// Chooses a target: a pure function of the table, the request and `word`. For round robin the word is a counter.
    #[must_use]
    pub fn pick(&self, request: &Request, word: u64) -> Option<&Target> {
        let _ = (request, word);
        None
    }
}
