//! Planted bugs that the simulator's checkers must catch. Without the feature `mutants` none can be
//! planted.

use super::Raft;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(not(feature = "mutants"), allow(unreachable_pub))]
pub enum Mutant {
    /// A granted vote leaves before it is durable.
    VoteBeforeDurable,
    /// A granted vote is never made durable.
    VoteNotPersisted,
    /// A leader that hears nobody goes on leading.
    NoQuorumCheck,
    /// An entry of an earlier term is committed by counting.
    CommitOldTerm,
}

impl Raft {
    /// Plants a bug.
    #[cfg(feature = "mutants")]
    pub fn plant(&mut self, mutant: Mutant) {
        self.mutant = Some(mutant);
    }

    #[cfg(feature = "mutants")]
    pub(super) fn is_planted(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    #[cfg(not(feature = "mutants"))]
    pub(super) const fn is_planted(&self, _: Mutant) -> bool {
        false
    }
}
