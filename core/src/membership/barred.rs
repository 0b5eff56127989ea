//! Who is not let in: nodes that the control log has removed, and what is made of being turned away
//! oneself.
//!
//! Invariants: I1 a barred node is held to have left, and no belief of it but that is taken. I2 it
//! is not reached for. I3 what a member says of us at the door is a hint: it ends a pending join
//! with its reason, and nothing else.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::message::{Reason, State, Update};
use super::{JoinEnd, Membership, Notice, Output};
use crate::id::NodeId;
use crate::time::Time;

impl Membership {
    /// The control log's word on who is removed.
    pub(super) fn on_bar(
        &mut self,
        now: Time,
        mut barred: BTreeSet<NodeId>,
        out: &mut Vec<Output>,
    ) {
        // What becomes of a node that is removed itself is its host's business.
        barred.remove(&self.me.node);
        let new: Vec<NodeId> = barred.difference(&self.barred).copied().collect();
        self.barred = barred;
        for node in new {
            self.rejoin.forget_seeds_of(node);
            let Some(believed) = self.table.update(node) else {
                continue;
            };
            let update = Update {
                state: State::Left,
                evidence: None,
                ..believed
            };
            self.learn(now, self.me.node, update, out);
        }
    }

    /// Whether a belief about a node must be ignored (I1).
    pub(super) fn is_barred(&self, update: &Update) -> bool {
        update.state != State::Left && self.barred.contains(&update.node)
    }

    /// A member does not let us in.
    pub(super) fn on_turned_away(&mut self, from: NodeId, reason: Reason, out: &mut Vec<Output>) {
        out.push(Output::Note(Notice::TurnedAway { by: from, reason }));
        if self.join_timer.is_set() {
            self.join_timer.stop();
            out.push(Output::Joined(JoinEnd::TurnedAway(reason)));
        }
    }
}
