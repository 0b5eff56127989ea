//! Between the control log and the node: what is put into it, what it has decided, what is read.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::cascade::{Work, send};
use super::rebuild::REBUILD;
use super::{Action, Answer, Node, Refusal};
use crate::control::{self, Ending, Envelope, Refused};
use crate::durable::{image, read_state};
use crate::id::{LogIndex, NodeId, Ticket};
use crate::notice::Notice;
use crate::payload::Payload;
use crate::raft::{Snapshot, Unconfirmed};
use crate::time::Time;
use crate::voters::{VoterChange, Voters};
use crate::wire::{Message, codec};
use crate::{balance, electorate, failover, raft};

impl Node {
    pub(super) fn on_read_latest(
        &mut self,
        now: Time,
        ticket: Ticket,
        key: String,
        actions: &mut Vec<Action>,
    ) {
        if let Some(refusal) = self.read_too_early() {
            let answer = Err(refusal);
            return actions.push(Action::Reply { ticket, answer });
        }
        self.reading.insert(ticket, key);
        self.cascade(now, Work::Raft(raft::Input::Read { ticket }), actions);
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

    pub(super) fn deny_read(
        &mut self,
        ticket: Ticket,
        why: Unconfirmed,
        actions: &mut Vec<Action>,
    ) {
        if self.reading.remove(&ticket).is_some() {
            let leader = self.raft.standing().leader;
            let answer = Err(Refusal::NotConfirmed { leader, why });
            actions.push(Action::Reply { ticket, answer });
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
                if let Some(unfit) = self.config.levels.unfit_for(state.level()) {
                    return self.halt(unfit, actions);
                }
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
        if let Some(unfit) = self.unfit_for(envelope.as_ref()) {
            return self.halt(unfit, actions);
        }
        next.push(Work::Control(control::Input::Committed { index, envelope }));
        let standing = self.raft.standing();
        if standing.role == raft::Role::Leader && entry.term == standing.term {
            next.push(Work::Failover(failover::Input::Leading));
            next.push(Work::Electorate(electorate::Input::Leading));
        }
    }

    pub(super) fn on_control(
        &mut self,
        now: Time,
        output: control::Output,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match output {
            control::Output::Append(envelope) => self.on_append(envelope, next),
            control::Output::Send { to, message } => next.push(send(to, Message::Control(message))),
            control::Output::Reply {
                ticket: REBUILD,
                ending,
            } => next.extend(self.on_vote_answer(now, &ending)),
            control::Output::Reply { ticket, ending } => {
                let answer = match ending {
                    Ending::Applied { index, outcome } => Ok(Answer::Applied { index, outcome }),
                    Ending::Unknown => Err(Refusal::Unknown),
                    Ending::Busy => Err(Refusal::Busy),
                };
                actions.push(Action::Reply { ticket, answer });
            }
            control::Output::RoleChanged { role, state } => {
                let (holder, epoch) = (state.holder, state.epoch);
                actions.push(Action::Notify(Notice::RoleChanged {
                    role: role.clone(),
                    holder,
                    epoch,
                }));
                let changed = failover::Input::RoleChanged {
                    role: role.clone(),
                    state,
                };
                next.push(Work::Failover(changed));
                next.push(Work::Balance(balance::Input::RoleChanged { role, state }));
            }
            control::Output::RemovedChanged => next.extend(self.removed_work()),
            control::Output::LevelRaised(level) => self.on_level_raised(level, next, actions),
        }
    }

    /// Whoever must know which nodes are removed: after a change, and at the start, because a
    /// snapshot may hold some.
    pub(super) fn removed_work(&self) -> [Work; 2] {
        let removed = self.control.state().removed().keys().copied().collect();
        let told = Work::Electorate(electorate::Input::Removed(removed));
        [told, Work::Bar]
    }

    /// Why a proposal shall not even stand in the log: that a voter is removed, or a removed node
    /// is to vote, is for its leader alone to see.
    fn refusal(&self, command: &control::Command) -> Option<Refused> {
        match command {
            control::Command::ChangeVoters(change) | control::Command::ForceVoters(change) => {
                let removed = self.control.state().removed();
                let mut banned = change.add.iter().filter(|node| removed.contains_key(node));
                banned
                    .next()
                    .map(|node| Refused::AddsRemoved { node: *node })
            }
            control::Command::RemoveNode { node } => {
                let is_by_hand = self.config.electorate.target == 0;
                let votes = self.raft.voters().contains(*node);
                (is_by_hand && votes).then_some(Refused::RemovesVoter)
            }
            control::Command::RaiseLevel { to } => self.judge_raise(*to).map(Refused::Level),
            control::Command::GrantRole { .. }
            | control::Command::ReleaseRole { .. }
            | control::Command::Write { .. }
            | control::Command::AdmitNode { .. }
            | control::Command::TakeVote { .. }
            | control::Command::Barrier => None,
        }
    }

    /// What consensus shall do with a proposal: what a host writes waits for what else is proposed
    /// at this moment, the rest goes by itself.
    fn on_append(&mut self, envelope: Envelope, next: &mut Vec<Work>) {
        if let Some(refused) = self.refusal(&envelope.command) {
            return next.push(Work::Control(control::Input::Refused { envelope, refused }));
        }
        let mut bytes = Vec::new();
        codec::encode(&envelope, &mut bytes);
        let data = Payload::from(bytes);
        let alone = match envelope.command {
            control::Command::ChangeVoters(change) => raft::Input::Change { change, data },
            control::Command::ForceVoters(change) => raft::Input::ForceChange { change, data },
            control::Command::TakeVote { node } if self.raft.voters().contains(node) => {
                let (add, remove) = (BTreeSet::new(), BTreeSet::from([node]));
                let change = VoterChange { add, remove };
                raft::Input::Change { change, data }
            }
            control::Command::GrantRole { .. }
            | control::Command::ReleaseRole { .. }
            | control::Command::RemoveNode { .. }
            | control::Command::AdmitNode { .. }
            | control::Command::TakeVote { .. }
            | control::Command::RaiseLevel { .. } => raft::Input::ProposeVital { data },
            control::Command::Write { .. } | control::Command::Barrier => {
                let full = self.batch.push(data, &self.config.raft);
                return next.extend(full.map(Work::Raft));
            }
        };
        let earlier = self.batch.take();
        next.extend(earlier.into_iter().chain([alone]).map(Work::Raft));
    }
}

/// What control is told of a proposal that was not appended.
pub(super) fn rejected(data: &[u8], why: raft::Rejection) -> Option<control::Input> {
    let envelope = codec::decode::<Envelope>(data).ok()?;
    Some(match why {
        raft::Rejection::NotLeading | raft::Rejection::Courting => {
            control::Input::NotAppended(envelope)
        }
        raft::Rejection::Backlog => {
            let refused = control::Refused::Backlog;
            control::Input::Refused { envelope, refused }
        }
    })
}
