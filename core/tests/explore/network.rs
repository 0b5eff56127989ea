//! The network: everything that was ever sent may arrive, at any time, in any order, any number of
//! times, or never.
//!
//! So a letter is never taken out. That is more than a network does, it needs no actions for loss
//! and duplication, and it keeps the history: who ever granted a vote or led is in the letters.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quorate_core::id::NodeId;
use quorate_core::raft::Message;

use crate::shared::Shared;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Envelope {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) message: Message,
}

pub(crate) type Letter = Shared<Envelope>;

/// What was ever sent to one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inbox {
    /// Of the letters' hashes: equal sets have equal sums, in whatever order they were filled.
    sum: u64,
    letters: Arc<Vec<Letter>>,
}

impl Inbox {
    /// True if the letter was not yet there.
    pub(crate) fn put(&mut self, letter: Letter) -> bool {
        let at = self
            .letters
            .binary_search_by_key(&letter.digest(), Shared::digest);
        let Err(at) = at else {
            return false;
        };
        self.sum = self.sum.wrapping_add(letter.digest());
        Arc::make_mut(&mut self.letters).insert(at, letter);
        true
    }

    pub(crate) fn digest(&self) -> u64 {
        self.sum
    }

    pub(crate) fn letters(&self) -> &[Letter] {
        &self.letters
    }
}

impl Hash for Inbox {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.sum);
    }
}
