//! A leader that gives its office up, in its own term and to nobody, says so.
//!
//! Its followers may have heard it a moment ago: without a word they would wait out their election
//! timeouts after a leader that has not heard a majority for as long already. The thesis (§6.2)
//! lets it fall silent. They hear it at the same moment, and would collide: each is told its place,
//! the best prepared first.
//!
//! * I1. The word is a hint, as a broken connection is: it shortens a wait, and lets others'
//!   pre-votes pass. Lost, late or twice it does no harm, and of another term, or of a node that
//!   does not lead as far as the receiver knows, it does nothing.
//! * I2. A promise for a lease holds as long as it would without it.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Cause, Message, Output, Part, Raft, Resigned};
use crate::id::NodeId;
use crate::time::Time;

impl Raft {
    /// Only voters are told: learners elect nobody, and there may be a thousand of them.
    pub(super) fn resign(&mut self, now: Time, cause: Cause, out: &mut Vec<Output>) {
        let term = self.term;
        for (to, place) in self.best_prepared_first().into_iter().zip(0..) {
            let message = Message::Resigned(Resigned { term, place });
            out.push(Output::Send { to, message });
        }
        self.become_follower(now, term, None, cause, out);
    }

    fn best_prepared_first(&self) -> Vec<NodeId> {
        let mut voters: Vec<NodeId> = self.others().collect();
        if let Part::Leader(leadership) = &self.part {
            voters.sort_by_key(|node| {
                let known = leadership.followers.get(node);
                Reverse(known.map(|it| (it.matched(), it.heard())))
            });
        }
        voters
    }

    pub(super) fn on_resigned(
        &mut self,
        now: Time,
        from: NodeId,
        word: &Resigned,
        out: &mut Vec<Output>,
    ) {
        if word.term != self.term || self.leader != Some(from) || from == self.me {
            return;
        }
        self.doubt_leader(now, Cause::LeaderResigned, word.place);
        self.leader = None;
        self.announce(out);
    }
}
