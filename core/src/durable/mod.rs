//! Everything a node makes durable, as one ordered stream of records, and the fold that recovers it.

pub mod gate;
pub mod wal;

use serde::{Deserialize, Serialize};

use crate::raft;

/// A durable record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record {
    /// The node started for the `boot`-th time.
    Boot {
        /// Counted from 1.
        boot: u64,
    },
    /// Consensus.
    Raft(raft::Record),
}

/// What the records amount to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Durable {
    /// The last start, 0 before the first.
    pub boot: u64,
    /// Consensus.
    pub raft: raft::Recovered,
}

impl Durable {
    /// Adds one record: the only recovery code there is.
    pub fn apply(&mut self, record: Record) {
        let _ = record;
    }
}
