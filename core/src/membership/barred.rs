//! Who is not let in: nodes that the control log has removed, lives whose build does not know the
//! feature level in force, and what is made of being turned away oneself.
//!
//! Invariants: I1 a barred node is held to have left, and no belief of it but that is taken. I2 it
//! is not reached for. I3 what a member says of us at the door is a hint: it ends a pending join
//! with its reason, and nothing else. I4 an unfit life is held to have left, too; the next one may
//! be of another build.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::message::{Message, Reason, State, Update};
use super::{JoinEnd, Membership, Notice, Output};
use crate::id::NodeId;
use crate::level::{Level, Unfit};
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
            self.hold_left(now, node, out);
        }
    }

    /// The control log's word on the feature level in force.
    pub(super) fn on_level(&mut self, now: Time, level: Level, out: &mut Vec<Output>) {
        self.level = level;
        let others = self.table.members().filter(|member| member.state.is_live());
        let unfit: Vec<(NodeId, Unfit)> = others
            .filter_map(|member| Some((member.node, member.levels.unfit_for(level)?)))
            .collect();
        for (node, unfit) in unfit {
            self.hold_left(now, node, out);
            out.push(Output::Unfit { node, unfit });
        }
    }

    fn hold_left(&mut self, now: Time, node: NodeId, out: &mut Vec<Output>) {
        let Some(believed) = self.table.update(node) else {
            return;
        };
        let update = Update {
            state: State::Left,
            evidence: None,
            ..believed
        };
        self.learn(now, self.me.node, update, out);
    }

    /// Whether a belief about a node must be ignored (I1, I4).
    pub(super) fn is_barred(&self, update: &Update) -> bool {
        let is_unfit = || !update.levels.contains(self.level);
        update.state != State::Left && (self.barred.contains(&update.node) || is_unfit())
    }

    /// Why whoever says this cannot be a member, if its build is the reason.
    pub(super) fn unfit(&self, from: NodeId, message: &Message) -> Option<Unfit> {
        let mut updates = message.updates().iter();
        let own = updates.find(|it| it.node == from && it.state.is_live())?;
        own.levels.unfit_for(self.level)
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
