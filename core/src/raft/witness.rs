//! A witness: a voter that keeps the log and holds nothing of the application.
//!
//! It is a vote in a place that has no room for data. It may not simply never lead: where a leader
//! brought an entry to the witness alone and died, nobody else's log is new enough to be elected,
//! and an entry that was acknowledged is in that log. So a witness leads as a last resort.
//!
//! * I1. It campaigns only after [`LAST_RESORT`] election timeouts more than others.
//! * I2. While it leads, it hands over to the best prepared voter that is no witness and holds what
//!   is committed, and tries again as long as that comes to nothing.
//! * I3. It is called by nobody, and calls nobody who is a witness.
//!
//! Who else is a witness is known from gossip, so a hint: I1 and I3 hang on what a node knows of
//! itself.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Output, Part, Raft, TransferCause};
use crate::id::NodeId;
use crate::mutant::Mutant;
use crate::time::Time;

/// A witness lets so many of the longest election timeouts pass beyond its own before it campaigns.
/// Fewer would let it win where another only needs a second attempt; each more lengthens the outage
/// in which nobody else can.
pub(super) const LAST_RESORT: u32 = 4;

impl Raft {
    /// What is known of a node, or of this one.
    pub(super) fn on_witness(&mut self, now: Time, node: NodeId, is_witness: bool) {
        match is_witness {
            true => self.witnesses.insert(node),
            false => self.witnesses.remove(&node),
        };
        let waits = matches!(self.part, Part::Follower);
        if node == self.me && waits && !self.voters.is_only(self.me) {
            self.arm_election(now);
        }
    }

    pub(super) fn is_witness(&self) -> bool {
        self.witnesses.contains(&self.me)
    }

    /// How much longer than others this node waits before it campaigns (I1).
    pub(super) fn reluctance(&self) -> Duration {
        let handicap = self.config.election_handicap;
        match self.is_witness() {
            true => handicap + self.config.election_timeout_max * LAST_RESORT,
            false => handicap,
        }
    }

    /// A witness gives the office away (I2).
    pub(super) fn hand_over_if_witness(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.is_witness() || self.planted.is(Mutant::WitnessKeepsOffice) {
            return;
        }
        // Without an entry of its own term it has committed nothing an heir could be judged by.
        let has_begun = self.log.term_at(self.commit) == Some(self.term);
        let Some(heir) = self.heir_of_witness(now).filter(|_| has_begun) else {
            return;
        };
        self.begin_transfer(now, heir, TransferCause::Witness, out);
    }

    /// The best prepared of those that hold what is committed.
    fn heir_of_witness(&self, now: Time) -> Option<NodeId> {
        let heir = self.choose_heir(now, None).ok()?;
        let Part::Leader(leadership) = &self.part else {
            return None;
        };
        let progress = leadership.followers.get(&heir)?;
        (progress.matched() >= self.commit).then_some(heir)
    }
}
