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
        let view = process.node.view();
        let raft = view.raft();
        let voters = &process.voters;
        let mut verdicts: [(&'static str, Verdict); 7] = [
            ("one_leader_per_term", Ok(())),
            ("log_matching", Ok(())),
            ("applied_agree", Ok(())),
            ("no_stale_epoch_write", Ok(())),
            ("one_vote_per_term", Ok(())),
            ("committed_is_durable", Ok(())),
            ("snapshots_tell_the_log", Ok(())),
        ];
        let mut granted = Vec::new();
        let standing = raft.standing();
        if standing != process.standing {
            process.standing = standing;
            self.totals.terms = self.totals.terms.max(standing.term.0);
            if standing.role == Role::Leader {
                self.sightings.leads(self.now, id);
                verdicts[0].1 = self.checkers.one_leader_per_term.leads(id, standing.term);
            }
        }
        let (written, voted) = check_actions(&mut self.checkers, id, raft, actions);
        (verdicts[1].1, verdicts[4].1) = (written, voted);
        let commit = raft.commit();
        while process.seen < commit {
            process.seen = process.seen.next();
            let Some(entry) = raft.entry(process.seen) else {
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
                    let earned = |by| committed_is_durable::check(ledger, by, at, term);
                    verdicts[5].1 = earned(voters).or_else(|_| earned(raft.voters()));
                    self.checkers.snapshots_tell_the_log.applied(entry);
                    let envelope = codec::decode::<Envelope>(&entry.data).ok();
                    self.checkers
                        .no_stale_epoch_write
                        .apply(entry.index, envelope.as_ref());
                    granted.extend(envelope.map(|envelope| (at, envelope.command)));
                }
                Ok(false) => {}
                Err(what) => verdicts[2].1 = Err(what),
            }
            if process.seen == commit {
                let state = view.control().state();
                verdicts[3].1 = self.checkers.no_stale_epoch_write.compare(id, state);
            }
        }
        if let Some(snapshot) = raft.snapshot()
            && snapshot.meta().index > process.snapshot_seen
        {
            process.snapshot_seen = snapshot.meta().index;
            let told = &mut self.checkers.snapshots_tell_the_log;
            verdicts[6].1 = told.holds(id, snapshot.meta());
        }
        if actions
            .iter()
            .any(|it| matches!(it, Action::Notify(Notice::Voters(_))))
        {
            process.voters = raft.voters().clone();
            self.checkers.core_goes_on.goes_by(id, &process.voters);
        }
        for (checker, verdict) in verdicts {
            self.demand(checker, verdict);
        }
        for (index, command) in granted {
            self.watch_role(index, &command);
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
