//! The lives of a process: it starts from what its disk holds, joins the others, waits for its
//! disk, and ends without a word.

use std::net::SocketAddr;

use quorate_core::id::Ticket;
use quorate_core::journal::Start;
use quorate_core::node::{Command, Event};
use quorate_core::time::Time;

use super::clock::Clock;
use super::host::{Condition, Doom, Process, plant};
use super::mail::Mail;
use super::sessions::Sessions;
use super::written::Written;
use super::{NEVER, World};
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::plan::{Fate, Moment};
use crate::record::What;

/// Each node is told the addresses of so many others, the first ones.
const SEEDS_MAX: usize = 8;
/// What a node's first start after it was rebuilt counts from: a time, as with real nodes, which is
/// above the number of any start before.
const REBUILT_BOOT: u64 = 1_000_000;
/// A driver calls a disk stalled when a sync takes longer.
pub(super) const STALL_NS: u64 = 500_000_000;

impl World {
    /// Starts a process from what its disk holds.
    fn start(&mut self, index: usize) {
        self.choose_build(index);
        let host = &mut self.hosts[index];
        host.life += 1;
        self.lives += 1;
        let boot = REBUILT_BOOT + self.now / 1_000_000;
        host.disk.rebuild(boot, &mut self.disks);
        let found = match host.disk.recover() {
            Ok(found) => found,
            Err(corrupt) => return self.on_corrupt(index, corrupt),
        };
        if host.is_flipped && host.disk.is_damaged() {
            let what = "a flipped bit was not noticed".to_string();
            return self.demand("disk", Err(what));
        }
        host.is_silent = false;
        if found.is_torn {
            self.marks.hit(Mark::TornTail);
        }
        self.checkers.started(host.id, &found.durable);
        let vote = (found.durable.raft.term, found.durable.raft.vote);
        let start = Start {
            config: host.config.clone(),
            durable: found.durable,
            last: found.last,
            seed: host.seed.clone(),
            now: Time::ZERO,
        };
        let mut node = start.node();
        plant(&mut node, self.plan.mutant.as_deref());
        let raft = node.view().raft();
        let (standing, voters) = (raft.standing(), raft.voters().clone());
        let commit = raft.commit();
        let life = host.life;
        host.process = Some(Process {
            node,
            clock: Clock::new(self.now, host.ppm),
            started: false,
            armed: NEVER,
            links: Vec::new(),
            sessions: Sessions::default(),
            mail: Mail::default(),
            dials: Vec::new(),
            standing,
            voters,
            seen: commit,
            written: Written::recovered(&start.durable.raft.log, commit),
            snapshot_seen: commit,
            state_writes: 0,
            state_seen: None,
            members_seen: None,
            agreed: None,
        });
        let id = host.id;
        if self.record.is_some() {
            let start = Box::new(start);
            self.note(Some(id), What::Started { life, start });
        }
        if let (term, Some(to)) = vote {
            self.checkers.elected_by_majority.voted(id, term, to);
            let verdict = self.checkers.one_vote_per_term.voted(id, term, to);
            self.demand("one_vote_per_term", verdict);
        }
        self.witness_beliefs(index);
        self.step(index, Event::Tick);
    }

    pub(super) fn on_join(&mut self, index: usize, life: u64) {
        if !self.is_life(index, life) {
            return;
        }
        let others = self
            .hosts
            .iter()
            .filter(|host| host.id != self.hosts[index].id);
        let seeds = others.take(SEEDS_MAX).map(|host| host.config.address);
        let seeds: Vec<SocketAddr> = seeds.collect();
        if !seeds.is_empty() {
            let (ticket, command) = (Ticket(0), Command::Join { seeds });
            self.step(index, Event::Command { ticket, command });
        }
    }
    pub(super) fn on_restart(&mut self, host: usize, life: u64) {
        let state = &self.hosts[host];
        let is_fine = state.condition == Condition::Fine;
        if is_fine && state.process.is_none() && state.life == life {
            self.start(host);
        }
    }

    pub(super) fn on_synced(&mut self, index: usize, life: u64) {
        if !self.is_life(index, life) {
            return;
        }
        if !self.is_sync_done(index) {
            return;
        }
        let Some((lsn, votes)) = self.hosts[index].disk.end_sync() else {
            return;
        };
        let id = self.hosts[index].id;
        self.checkers.ledger.synced(id, lsn);
        for vote in votes {
            self.checkers
                .elected_by_majority
                .voted(id, vote.term, vote.to);
            let verdict = self
                .checkers
                .one_vote_per_term
                .voted(id, vote.term, vote.to);
            self.demand("one_vote_per_term", verdict);
        }
        if self.count_down(index, |moment| matches!(moment, Moment::Synced(_))) {
            return self.crash_of_doom(index);
        }
        self.begin_sync(index);
        self.step(index, Event::Persisted(lsn));
    }

    pub(super) fn begin_sync(&mut self, index: usize) {
        if !self.hosts[index].disk.begin_sync() {
            return;
        }
        let disk = self.plan.disk;
        let nanos = self.disks.within(disk.sync_min.ns()..=disk.sync_max.ns());
        let (life, slow) = (self.hosts[index].life, self.hosts[index].slow_sync_ns);
        let host = index;
        let held = self.hosts[index].stalled_until.saturating_sub(self.now);
        if (nanos + slow).max(held) > STALL_NS {
            self.queue
                .push(self.now + STALL_NS, Due::Stalled { host, life });
        }
        self.queue
            .push(self.now + nanos + slow, Due::Synced { host, life });
    }

    /// A process that has left ends in good order: everything it wrote is kept.
    pub(super) fn end_of_leave(&mut self, index: usize) {
        self.hosts[index].doom = Some(Doom {
            moment: Moment::Now,
            fate: Fate::Kept,
            silent: false,
            restart: None,
        });
        self.crash_of_doom(index);
    }

    /// The crash that was announced.
    pub(super) fn crash_of_doom(&mut self, host: usize) {
        let Some(doom) = self.hosts[host].doom.take() else {
            return;
        };
        let Some(process) = self.hosts[host].process.take() else {
            return;
        };
        self.trace.note(self.now, &("crash", host));
        let id = self.hosts[host].id;
        self.lives += 1;
        self.checkers.ended(process.node.view().me());
        self.note_mail_life(host, false);
        match doom.moment {
            Moment::Persist(_) | Moment::Vote(_) | Moment::Synced(_) => {
                self.marks.hit(Mark::CrashBeforePromise);
            }
            Moment::VoteSent(_) => self.marks.hit(Mark::CrashAfterVote),
            Moment::Now => {}
        }
        let moment = doom.moment;
        self.note(Some(id), What::Crashed { moment });
        if let Some(record) = &mut self.record {
            record.closed(&process.links);
        }
        let state = &mut self.hosts[host];
        state.disk.crash(doom.fate, &mut self.disks);
        state.paused = false;
        state.backlog.clear();
        state.commands.clear();
        state.waiting.clear();
        state.is_sync_held = false;
        state.is_silent = doom.silent;
        let life = state.life;
        match doom.silent {
            true => self.abandon_ends_of(&process.links),
            false => self.close_ends_of(&process.links),
        }
        if let Some(after) = doom.restart {
            let at = self.now + after.ns();
            self.queue.push(at, Due::Restart { host, life });
        }
    }
}
