//! What consensus hands out, on its way to the control state: committed entries, snapshots in their
//! place, and reads that may be answered.

use alloc::vec::Vec;

use super::cascade::Work;
use super::{Action, Answer, Node};
use crate::control::{self, Envelope};
use crate::durable::{image, read_state};
use crate::id::{LogIndex, NodeId, Ticket};
use crate::notice::Notice;
use crate::payload::Payload;
use crate::raft::{self, Snapshot};
use crate::voters::Voters;
use crate::wire::codec;
use crate::{electorate, failover};

impl Node {
    pub(super) fn on_committed(
        &mut self,
        entry: &raft::Entry,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        let index = entry.index;
        // A change of the voters takes effect when it is over.
        let is_half = entry.voters.as_ref().is_some_and(Voters::is_joint);
        let envelope = if entry.data.is_empty() || is_half {
            None
        } else {
            match codec::decode::<Envelope>(&entry.data) {
                Ok(envelope) => Some(envelope),
                Err(error) => {
                    actions.push(Action::Notify(Notice::UnknownEntry { index, error }));
                    None
                }
            }
        };
        next.push(Work::Control(control::Input::Committed { index, envelope }));
        let standing = self.raft.standing();
        if standing.role == raft::Role::Leader && entry.term == standing.term {
            next.push(Work::Failover(failover::Input::Leading));
            next.push(Work::Electorate(electorate::Input::Leading));
        }
    }

    /// The state is written down.
    pub(super) fn on_compact(&self, index: LogIndex, next: &mut Vec<Work>) {
        let state = self.control.state();
        assert_eq!(
            state.applied(),
            index,
            "a snapshot holds what its index says"
        );
        let state = Payload::from(image::encode(state));
        next.push(Work::Raft(raft::Input::Compact { index, state }));
    }

    /// A leader's snapshot is there: it is installed if this version can read it.
    pub(super) fn on_assembled(
        &mut self,
        from: NodeId,
        round: u64,
        snapshot: Snapshot,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match read_state(&snapshot) {
            Ok(state) => {
                next.push(Work::Control(control::Input::Restored(state)));
                next.push(Work::Raft(raft::Input::Install {
                    from,
                    round,
                    snapshot,
                }));
            }
            Err(error) => {
                let index = snapshot.meta().index;
                let notice = Notice::UnreadableSnapshot { from, index, error };
                actions.push(Action::Notify(notice));
            }
        }
    }

    pub(super) fn on_readable(
        &mut self,
        ticket: Ticket,
        index: LogIndex,
        actions: &mut Vec<Action>,
    ) {
        let Some(key) = self.reading.remove(&ticket) else {
            return;
        };
        let state = self.control.state();
        assert!(
            state.applied() >= index,
            "a read sees what it was confirmed for"
        );
        let answer = Ok(Answer::Register(state.register(&key).cloned()));
        actions.push(Action::Reply { ticket, answer });
    }
}
