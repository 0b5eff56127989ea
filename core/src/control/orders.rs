//! What a leader puts into the log for the cluster's own sake: the placement of roles, the voters.
//!
//! Nobody waits for an order, and it ends with the office of the leader that gave it: the next one
//! decides by what it knows itself.

use alloc::vec::Vec;

use super::{Command, Control, Ending, Key, Output, Waiting};
use crate::id::NodeId;
use crate::time::Time;

impl Control {
    /// An order that waits already is not given twice: it could not be appended yet.
    pub(super) fn on_order(&mut self, now: Time, command: Command, out: &mut Vec<Output>) {
        let is_led = self.leader == Some(self.me);
        let is_there =
            |waiting: &Waiting| waiting.is_order() && waiting.envelope.command == command;
        if is_led && !self.waiting.values().any(is_there) {
            self.stats.proposed += 1;
            self.propose(now, Vec::new(), None, command, out);
        }
    }

    /// Another leads, or nobody.
    pub(super) fn forget_orders(&mut self, leader: Option<NodeId>, out: &mut Vec<Output>) {
        if leader == Some(self.me) {
            return;
        }
        let orders = self.waiting.iter().filter(|(_, it)| it.is_order());
        let orders: Vec<Key> = orders.map(|(key, _)| *key).collect();
        for key in orders {
            self.end(key, &Ending::Unknown, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ME, OTHER, control, step};
    use super::super::{Envelope, Input};
    use super::*;

    fn order(control: &mut Control, millis: u64) -> Vec<Envelope> {
        let out = step(control, millis, Input::Order(Command::Barrier));
        let appended = out.into_iter().filter_map(|output| match output {
            Output::Append(envelope) => Some(envelope),
            Output::Send { .. }
            | Output::Reply { .. }
            | Output::RoleChanged { .. }
            | Output::RemovedChanged
            | Output::LevelRaised(_) => None,
        });
        appended.collect()
    }

    #[test]
    fn an_order_ends_with_the_office_and_no_other_leader_hears_of_it() {
        let mut control = control();
        assert_eq!(order(&mut control, 0), [], "it does not lead");
        step(&mut control, 1, Input::Leader(Some(ME)));
        let given = order(&mut control, 2);
        assert_eq!(given.len(), 1);
        assert_eq!(order(&mut control, 3), [], "it waits already");
        let out = step(&mut control, 4, Input::Leader(Some(OTHER)));
        assert_eq!(out, [], "not handed over, and nobody is answered");
        assert_eq!(control.deadline(), None);
        step(&mut control, 5, Input::Leader(Some(ME)));
        let again = order(&mut control, 6);
        assert_ne!(again, given, "another one");
    }

    #[test]
    fn what_could_not_be_appended_is_tried_again() {
        let mut control = control();
        step(&mut control, 0, Input::Leader(Some(ME)));
        let given = order(&mut control, 1).remove(0);
        step(&mut control, 1, Input::NotAppended(given.clone()));
        assert_eq!(order(&mut control, 50), []);
        let out = step(&mut control, 101, Input::Tick);
        assert_eq!(out, [Output::Append(given)]);
    }
}
