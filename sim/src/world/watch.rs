//! Showing the checkers what a step has changed.

use quorate_core::control::{Command, Envelope};
use quorate_core::durable::Record;
use quorate_core::id::{Epoch, LogIndex, NodeId, Term};
use quorate_core::node::Action;
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Raft, Role};
use quorate_core::wire::{Message, codec};

use super::World;
use crate::checkers::{Checkers, Verdict, Violation, committed_is_durable};
use crate::marks::Mark;
use crate::plan::{Part, Who};
use crate::record::What;

impl World {
    pub(super) fn demand(&mut self, checker: &'static str, verdict: Verdict) {
        if let (Err(what), None) = (verdict, &self.violation) {
            let violation = Violation {
                checker,
                at_ns: self.now,
                what,
            };
            self.note(None, What::Violated(violation.clone()));
            self.violation = Some(violation);
        }
    }

    /// Shows the checkers what a step has changed.
    pub(super) fn observe(&mut self, index: usize, actions: &[Action]) {
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        let raft = process.node.view().raft();
        let (mut led, standing) = (Ok(()), raft.standing());
        if standing != process.standing {
            process.standing = standing;
            self.totals.terms = self.totals.terms.max(standing.term.0);
            if standing.role == Role::Leader {
                self.sightings.leads(self.now, id);
                led = self.checkers.one_leader_per_term.leads(id, standing.term);
            }
        }
        let (written, voted) = check_actions(&mut self.checkers, id, raft, actions);
        self.demand("one_leader_per_term", led);
        self.demand("log_matching", written);
        self.demand("one_vote_per_term", voted);
        if let Some(process) = self.hosts[index].process.as_mut() {
            process.written.keep(actions);
        }
        let granted = self.observe_committed(index);
        self.observe_snapshot(index);
        let is_about_voters = |it: &Action| matches!(it, Action::Notify(Notice::Voters(_)));
        if let Some(process) = self.hosts[index].process.as_mut()
            && actions.iter().any(is_about_voters)
        {
            process.voters = process.node.view().raft().voters().clone();
            let checkers = &mut self.checkers;
            checkers.core_goes_on.core.goes_by(id, &process.voters);
            checkers.progress.core.goes_by(id, &process.voters);
        }
        for (at, command) in granted {
            self.forget_unknown_holder(&command);
            self.watch_role(at, &command);
        }
    }

    /// What a process has committed since the last look; the commands that nobody had before.
    fn observe_committed(&mut self, index: usize) -> Vec<(LogIndex, Command)> {
        let mut granted = Vec::new();
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return granted;
        };
        let (view, voters) = (process.node.view(), &process.voters);
        let (raft, commit) = (view.raft(), view.raft().commit());
        let (mut agreed, mut earned, mut state) = (Ok(()), Ok(()), Ok(()));
        while process.seen < commit {
            process.seen = process.seen.next();
            // A step that commits much may snapshot it at once, more than once.
            let written = || process.written.at(process.seen);
            let Some(entry) = raft.entry(process.seen).or_else(written) else {
                // A leader's snapshot took the place of it.
                process.seen = raft.base().max(process.seen);
                continue;
            };
            match self.checkers.applied_agree.applied(id, entry) {
                Ok(true) => {
                    let (at, term) = (entry.index, entry.term);
                    // A step that commits a joint state goes on to the new voters at once, and
                    // what they hold is committed in the same step.
                    let ledger = &self.checkers.ledger;
                    let by = |voters| committed_is_durable::check(ledger, voters, at, term);
                    let one = by(voters).or_else(|_| by(raft.voters()));
                    earned = earned.and(one);
                    self.checkers.snapshots_tell_the_log.applied(entry);
                    let envelope = codec::decode::<Envelope>(&entry.data).ok();
                    let writes = &mut self.checkers.no_stale_epoch_write;
                    writes.apply(at, envelope.as_ref());
                    if let Some(envelope) = &envelope {
                        let client = envelope.client.0;
                        self.checkers.rebuilt_keep_still.committed(client, at);
                    }
                    granted.extend(envelope.map(|envelope| (at, envelope.command)));
                }
                Ok(false) => {}
                Err(what) => agreed = agreed.and(Err(what)),
            }
            if process.seen == commit {
                let own = view.control().state();
                state = self.checkers.no_stale_epoch_write.compare(id, own);
            }
        }
        process.written.forget(process.seen);
        self.demand("applied_agree", agreed);
        self.demand("no_stale_epoch_write", state);
        self.demand("committed_is_durable", earned);
        granted
    }

    fn observe_snapshot(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        if let Some(snapshot) = process.node.view().raft().snapshot()
            && snapshot.meta().index > process.snapshot_seen
        {
            process.snapshot_seen = snapshot.meta().index;
            let told = &mut self.checkers.snapshots_tell_the_log;
            let verdict = told.holds(id, snapshot.meta());
            self.demand("snapshots_tell_the_log", verdict);
        }
    }

    /// A leader that does not know the life that holds a role cannot leave it there.
    fn forget_unknown_holder(&mut self, command: &Command) {
        let Command::GrantRole { role, .. } = command else {
            return;
        };
        let leader = self.resolve(Who::Part(Part::Leader));
        let process = leader.and_then(|leader| self.hosts[leader].process.as_ref());
        let (Some(process), Some(holder)) = (process, self.checkers.roles_stay.holder(role)) else {
            return;
        };
        let known = process.node.view().membership().member(holder.node);
        if known.is_none_or(|known| known.peer() != holder) {
            self.checkers.roles_stay.gone(holder);
        }
    }

    /// A command was applied for the first time: whether a role changed hands by it.
    fn watch_role(&mut self, index: LogIndex, command: &Command) {
        let (Command::GrantRole { role, .. } | Command::ReleaseRole { role, .. }) = command else {
            return;
        };
        match self.checkers.no_stale_epoch_write.role(role) {
            (epoch, Some(holder)) if epoch == Epoch(index.0) => {
                let is_settled = *role != self.primary;
                let verdict = self.checkers.roles_stay.granted(role, holder, is_settled);
                self.demand("roles_stay", verdict);
                if !self.checkers.roles_stay.is_asked(role) {
                    let is_witness = self.witnesses().contains(&holder.node);
                    let checker = &self.checkers.witnesses_stand_back;
                    let verdict = checker.placed(role, holder, is_witness);
                    self.demand("witnesses_stand_back", verdict);
                }
                if is_settled && index.0 > 3 {
                    self.marks.hit(Mark::RoleMoved);
                }
            }
            (epoch, None) if epoch == Epoch(index.0) => self.checkers.roles_stay.released(role),
            _ => {}
        }
    }
}

/// What the checkers say of the entries that a step has written, and of the votes it has sent.
fn check_actions(
    checkers: &mut Checkers,
    id: NodeId,
    raft: &Raft,
    actions: &[Action],
) -> (Verdict, Verdict) {
    let (mut written, mut voted) = (Ok(()), Ok(()));
    for action in actions {
        if let Some((term, to)) = vote_sent(action) {
            voted = voted.and(checkers.one_vote_per_term.voted(id, term, to));
        }
        for entry in entries_written(action) {
            let before = LogIndex(entry.index.0.saturating_sub(1));
            let before = raft.term_at(before).unwrap_or_default();
            written = written.and(checkers.log_matching.wrote(id, entry, before));
        }
    }
    (written, voted)
}

/// The vote that leaves with an action.
pub(super) fn vote_sent(action: &Action) -> Option<(Term, NodeId)> {
    let Action::Send {
        to,
        message: Message::Raft(raft::Message::VoteReply(reply)),
        ..
    } = action
    else {
        return None;
    };
    reply.granted.then_some((reply.term, *to))
}

/// The entries an action makes durable.
fn entries_written(action: &Action) -> &[raft::Entry] {
    let Action::Persist {
        record: Record::Raft(raft::Record::Append { entries }),
        ..
    } = action
    else {
        return &[];
    };
    entries
}
