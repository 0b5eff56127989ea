//! Carrying out the faults of a plan, and healing them.

use quorate_core::node::Event;
use quorate_core::raft::Role;

use super::World;
use super::host::{Doom, Host};
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::plan::{Fault, Moment, Part, Who};
use crate::record::What;

impl World {
    pub(super) fn on_fault(&mut self, index: usize) {
        let Some(strike) = self.plan.faults.get(index) else {
            return;
        };
        let fault = strike.fault.clone();
        self.is_troubled = true;
        self.trace.note(self.now, &index);
        self.note_fault(index, &fault);
        match fault {
            Fault::Cut { from, to } => self.cut_one(from, to, true),
            Fault::Heal { from, to } => self.cut_one(from, to, false),
            Fault::CutAll { who, inbound } => {
                let Some(who) = self.resolve(who) else { return };
                for other in 0..self.hosts.len() {
                    let (from, to) = if inbound { (other, who) } else { (who, other) };
                    self.ways.set_cut(from, to, true);
                }
            }
            Fault::Partition { groups } => self.partition(&groups),
            Fault::PartitionLeader { with } => self.partition_leader(with),
            Fault::HealAll => self.open_ways(),
            Fault::Crash {
                who,
                moment,
                torn,
                restart_after_ms,
            } => {
                let Some(who) = self.resolve(who) else { return };
                self.hosts[who].doom = Some(Doom {
                    moment,
                    torn,
                    restart_after_ms,
                });
                if moment == Moment::Now {
                    self.crash_of_doom(who);
                }
            }
            Fault::Restart { node } => {
                if let Some(host) = self.resolve(Who::Node(node)) {
                    let life = self.hosts[host].life;
                    self.on_restart(host, life);
                }
            }
            Fault::RestartAll => self.restart_all(),
            Fault::Pause { who, for_ms } => self.pause(who, for_ms),
            Fault::LatencySpike { extra_ms, for_ms } => {
                self.ways.set_extra(extra_ms * 1_000_000);
                self.latency_spells += 1;
                let due = Due::Calm {
                    host: None,
                    spell: self.latency_spells,
                };
                self.queue.push(self.now + for_ms * 1_000_000, due);
            }
            Fault::SlowDisk {
                who,
                sync_ms,
                for_ms,
            } => self.slow_disk(who, sync_ms, for_ms),
        }
    }

    pub(super) fn on_heal_all(&mut self) {
        self.note(None, What::Healed);
        self.trace.note(self.now, &"heal");
        self.ways.set_extra(0);
        for host in 0..self.hosts.len() {
            self.hosts[host].doom = None;
            self.hosts[host].slow_sync_ns = 0;
            let pause = self.hosts[host].pauses;
            self.on_resume(host, pause);
        }
        self.open_ways();
        self.restart_all();
    }

    pub(super) fn on_resume(&mut self, host: usize, pause: u64) {
        let state = &mut self.hosts[host];
        if !state.paused || state.pauses != pause {
            return;
        }
        state.paused = false;
        let (id, backlog) = (state.id, std::mem::take(&mut state.backlog));
        if !backlog.is_empty() {
            self.marks.hit(Mark::Backlog);
        }
        self.note(Some(id), What::WentOn);
        for due in backlog {
            self.queue.push(self.now, due);
        }
        for (ticket, command) in std::mem::take(&mut self.hosts[host].commands) {
            self.step(host, Event::Command { ticket, command });
        }
    }

    pub(super) fn on_calm(&mut self, host: Option<usize>, spell: u64) {
        match host {
            None if spell == self.latency_spells => self.ways.set_extra(0),
            Some(host) if spell == self.hosts[host].slow_spells => {
                self.hosts[host].slow_sync_ns = 0;
            }
            None | Some(_) => {}
        }
    }

    /// Counts towards a crash to come; true when its moment is there.
    pub(super) fn count_down(&mut self, host: usize, counts: impl Fn(Moment) -> bool) -> bool {
        let Some(doom) = self.hosts[host]
            .doom
            .as_mut()
            .filter(|doom| counts(doom.moment))
        else {
            return false;
        };
        match &mut doom.moment {
            Moment::Now => true,
            Moment::Persist(left)
            | Moment::Vote(left)
            | Moment::VoteSent(left)
            | Moment::Synced(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
        }
    }

    /// Who is meant: a leader only if there is one.
    pub(super) fn resolve(&self, who: Who) -> Option<usize> {
        let hosts = || self.hosts.iter().enumerate();
        match who {
            Who::Node(number) => {
                let index = usize::try_from(number).ok()?.checked_sub(1)?;
                (index < self.hosts.len()).then_some(index)
            }
            Who::Part(Part::Leader) => {
                let standing = |host: &Host| host.process.as_ref().map(|p| p.standing);
                let leads = hosts().filter_map(|(index, host)| {
                    let standing = standing(host)?;
                    (standing.role == Role::Leader).then_some((standing.term, index))
                });
                leads.max().map(|(_, index)| index)
            }
            Who::Part(Part::Follower) => {
                let follows = |host: &Host| {
                    host.process
                        .as_ref()
                        .is_some_and(|p| p.standing.role == Role::Follower)
                };
                hosts()
                    .find(|(_, host)| follows(host))
                    .map(|(index, _)| index)
            }
        }
    }

    fn cut_one(&mut self, from: Who, to: Who, cut: bool) {
        if let (Some(from), Some(to)) = (self.resolve(from), self.resolve(to)) {
            self.ways.set_cut(from, to, cut);
            self.release_held();
        }
    }

    fn partition_leader(&mut self, with: usize) {
        let Some(leader) = self.resolve(Who::Part(Part::Leader)) else {
            return;
        };
        let leader = leader as u64 + 1;
        let numbers = 1..=self.hosts.len() as u64;
        let others: Vec<u64> = numbers.filter(|number| *number != leader).collect();
        let (near, far) = others.split_at(with.min(others.len()));
        let near = near.iter().copied().chain([leader]).collect();
        self.partition(&[near, far.to_vec()]);
    }

    fn pause(&mut self, who: Who, for_ms: u64) {
        let Some(host) = self.resolve(who) else {
            return;
        };
        let state = &mut self.hosts[host];
        state.paused = state.process.is_some();
        state.pauses += 1;
        let pause = state.pauses;
        let at = self.now + for_ms * 1_000_000;
        self.queue.push(at, Due::Resume { host, pause });
    }

    fn slow_disk(&mut self, who: Who, sync_ms: u64, for_ms: u64) {
        let Some(who) = self.resolve(who) else {
            return;
        };
        let host = &mut self.hosts[who];
        host.slow_sync_ns = sync_ms * 1_000_000;
        host.slow_spells += 1;
        let (host, spell) = (Some(who), host.slow_spells);
        let at = self.now + for_ms * 1_000_000;
        self.queue.push(at, Due::Calm { host, spell });
    }

    fn partition(&mut self, groups: &[Vec<u64>]) {
        let group = |host: usize| groups.iter().position(|g| g.contains(&(host as u64 + 1)));
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                let together = group(from).is_some() && group(from) == group(to);
                self.ways.set_cut(from, to, !together);
            }
        }
        self.release_held();
    }

    fn open_ways(&mut self) {
        self.ways.open_all();
        self.release_held();
    }

    fn restart_all(&mut self) {
        for host in 0..self.hosts.len() {
            let life = self.hosts[host].life;
            self.on_restart(host, life);
        }
    }
}
