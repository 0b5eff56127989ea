//! Showing the checkers what a leader appends to its log.

use quorate_core::control::{Command, Envelope};
use quorate_core::id::LogIndex;
use quorate_core::raft::Entry;
use quorate_core::voters::Voters;
use quorate_core::wire::codec;

use super::World;
use crate::checkers::backlog_bounded::{self, Backlog};
use crate::checkers::changes_wait;
use crate::marks::Mark;

impl World {
    /// A leader appends an entry of its own.
    pub(super) fn witness_own_entry(&mut self, index: usize, entry: &Entry) {
        self.witness_grant(index, entry);
        self.witness_backlog(index, entry);
        self.witness_change(index, entry);
        self.witness_raise(index, entry);
    }

    fn witness_change(&mut self, index: usize, entry: &Entry) {
        let (id, process) = (self.hosts[index].id, self.hosts[index].process.as_ref());
        let (Some(process), Some(next)) = (process, &entry.voters) else {
            return;
        };
        let raft = process.node.view().raft();
        let earlier = (raft.base().0 + 1..entry.index.0).rev().map(LogIndex);
        let last = earlier
            .filter_map(|at| Some((at, raft.entry(at)?.voters.as_ref()?)))
            .next();
        let config = process.node.view().config();
        let first = match raft.snapshot() {
            Some(snapshot) => snapshot.meta().voters.clone(),
            None => config.voters.iter().copied().collect(),
        };
        let first = Voters::of(first);
        let last = last.unwrap_or((raft.base(), &first));
        let verdict = changes_wait::check(id, last, raft.commit(), next);
        self.marks.hit(match next.is_joint() {
            true => Mark::ChangeBegun,
            false => Mark::ChangeEnded,
        });
        self.demand("changes_wait", verdict);
    }

    /// Whether there was room for a command. What was committed in the same step may have been
    /// uncommitted when it was appended, which only adds to it.
    fn witness_backlog(&mut self, index: usize, entry: &Entry) {
        let Some(process) = self.hosts[index].process.as_ref() else {
            return;
        };
        let view = process.node.view();
        let (raft, config) = (view.raft(), &view.config().raft);
        if entry.data.is_empty() || entry.voters.is_some() || raft.commit() >= entry.index {
            return;
        }
        let waiting = raft.commit().0 + 1..=entry.index.0;
        let waiting: Vec<_> = waiting.filter_map(|at| raft.entry(LogIndex(at))).collect();
        let backlog = Backlog {
            entries: waiting.len(),
            bytes: waiting.iter().map(|entry| entry.data.len()).sum(),
        };
        let bounds = (config.uncommitted_max, config.uncommitted_bytes_max);
        let command = codec::decode::<Envelope>(&entry.data).map(|it| it.command);
        let times = match command {
            Ok(Command::Write { .. } | Command::Barrier) => 1,
            Ok(_) | Err(_) => 2,
        };
        let verdict = backlog_bounded::check(self.hosts[index].id, backlog, bounds, times);
        self.demand("backlog_bounded", verdict);
    }

    /// Times by the leader's own clock: it may jump.
    fn witness_grant(&mut self, index: usize, entry: &Entry) {
        let Ok(envelope) = codec::decode::<Envelope>(&entry.data) else {
            return;
        };
        if let Command::GrantRole { role, expected, .. } = envelope.command {
            let attempt = (entry.term, role, expected);
            let request = (envelope.client, envelope.request);
            let process = self.hosts[index].process.as_ref();
            let now = process.map_or(0, |process| process.clock.at(self.now).as_nanos());
            let verdict = self.checkers.roles_stay.appended(attempt, request, now);
            self.demand("roles_stay", verdict);
        }
    }
}
