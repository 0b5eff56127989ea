//! Carrying out the faults of a plan, and healing them.

use std::collections::BTreeSet;

use quorate_core::id::NodeId;
use quorate_core::node::Event;
use quorate_core::raft::Role;

use super::World;
use super::host::{Condition, Doom, Host, Process};
use crate::checkers::able_core::AbleCore;
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::plan::{Fate, Fault, Moment, Part, Return, Seat, Ways, Who};
use crate::record::What;

impl World {
    pub(super) fn on_fault(&mut self, index: usize) {
        let Some(strike) = self.plan.faults.get(index) else {
            return;
        };
        let (fault, lasts) = (strike.fault.clone(), strike.lasts);
        self.is_troubled = true;
        if !fault.mends() {
            self.checkers.core_goes_on.disturbed();
        }
        self.trace.note(self.now, &index);
        self.note_fault(index);
        if let Some(lasts) = lasts {
            self.queue.push(self.now + lasts.ns(), Due::Over(index));
        }
        self.strike(index, fault, lasts.map(|_| index));
    }

    /// What a fault does. `until` names the fault that ends by itself, for what it closes.
    fn strike(&mut self, index: usize, fault: Fault, until: Option<usize>) {
        match fault {
            Fault::Cut(ways) => self.cut(&ways, until),
            Fault::Heal(ways) => self.open(&ways),
            Fault::Partition(groups) => self.partition(&groups, until),
            Fault::Network(ways, change) => {
                let pairs = self.pairs(&ways);
                self.ways.change(Some(index), pairs, change);
            }
            Fault::Calm(ways) => {
                let pairs = self.pairs(&ways);
                self.ways.calm(pairs.as_ref());
            }
            Fault::Crash {
                who,
                moment,
                fate,
                silent,
                restart,
            } => {
                let Some(who) = self.resolve(who) else { return };
                self.hosts[who].doom = Some(Doom {
                    moment,
                    fate,
                    silent,
                    restart,
                });
                if moment == Moment::Now {
                    self.crash_of_doom(who);
                }
            }
            Fault::Restart(who, back) => {
                let hosts = match who {
                    None => 0..self.hosts.len(),
                    Some(who) => self.resolve(who).map_or(0..0, |host| host..host + 1),
                };
                hosts.for_each(|host| self.restart(host, back));
            }
            Fault::HalfOpen(ways) => self.half_open(&self.each_pair(&ways)),
            Fault::Reset(ways) => self.reset(&self.each_pair(&ways)),
            Fault::Stall(ways) => {
                for (from, to) in self.each_pair(&ways) {
                    self.ways.stall(from, to, index);
                }
            }
            Fault::Pause(who) => self.pause(who, index),
            Fault::Resume(who) => {
                if let Some(host) = self.resolve(who) {
                    self.resume(host);
                }
            }
            Fault::SlowCpu(who, _)
            | Fault::Drift(who, _)
            | Fault::Jump(who, _)
            | Fault::SlowDisk(who, _)
            | Fault::StallDisk(who)
            | Fault::FailDisk(who)
            | Fault::FlipBit(who)
            | Fault::Join(who)
            | Fault::Ask(who, _) => {
                if let Some(host) = self.resolve(who) {
                    self.strike_machine(host, index);
                }
            }
            Fault::Mend(core) => self.mend(&core),
        }
    }

    /// A process stands still until the fault is over.
    fn pause(&mut self, who: Who, index: usize) {
        if let Some(host) = self.resolve(who) {
            let host = &mut self.hosts[host];
            (host.paused, host.paused_by) = (host.process.is_some(), index);
        }
    }

    /// A crashed process comes back, perhaps with another disk or address.
    fn restart(&mut self, host: usize, back: Return) {
        if self.hosts[host].process.is_some() {
            return;
        }
        if let Some(fate) = back.fate {
            self.hosts[host].disk.reconsider(fate, &mut self.disks);
            let condition = &mut self.hosts[host].condition;
            if (fate, *condition) == (Fate::Rebuilt, Condition::Corrupt) {
                *condition = Condition::Fine;
            }
        }
        self.hosts[host].is_older = back.older;
        if back.moved {
            self.move_host(host);
        }
        let life = self.hosts[host].life;
        self.on_restart(host, life);
    }

    /// These hosts run and hear each other; what troubles the others stays.
    fn mend(&mut self, core: &[Who]) {
        let core: BTreeSet<usize> = core.iter().filter_map(|who| self.resolve(*who)).collect();
        let ways = core
            .iter()
            .flat_map(|from| core.iter().map(|to| (*from, *to)));
        let ways: BTreeSet<(usize, usize)> = ways.collect();
        self.ways.calm(Some(&ways));
        for (from, to) in ways {
            self.ways.open(from, to);
        }
        self.release_held();
        for host in &core {
            self.heal_host(*host);
        }
        for host in &core {
            let life = self.hosts[*host].life;
            self.on_restart(*host, life);
        }
        if !self.workload.is_empty() {
            let core = self.core_of(core.into_iter());
            self.checkers.core_goes_on.mended(self.now, core);
        }
    }

    /// Those of the hosts that run, which must go on if they can decide. Whoever is being rebuilt
    /// does not decide with them.
    fn core_of(&self, hosts: impl Iterator<Item = usize>) -> AbleCore {
        let hosts = hosts.map(|host| &self.hosts[host]);
        let running: Vec<(NodeId, &Process)> = hosts
            .filter_map(|host| Some((host.id, host.process.as_ref()?)))
            .filter(|(_, process)| !process.node.view().raft().is_rebuilding())
            .collect();
        let mut core = AbleCore::of(running.iter().map(|(id, _)| *id).collect())
            .with_witnesses(self.witnesses());
        for (id, process) in &running {
            core.goes_by(*id, process.node.view().raft().voters());
        }
        core
    }

    fn heal_host(&mut self, host: usize) {
        self.hosts[host].doom = None;
        self.hosts[host].is_disk_failing = false;
        self.hosts[host].slow_sync_ns = 0;
        self.slow_cpu(host, 0, 0);
        if self.hosts[host].ppm != 0 {
            self.drift(host, 0, 0);
        }
        self.unstall_disk(host);
        self.resume(host);
    }

    /// A fault that lasts a while is over, unless a later one has taken its place.
    pub(super) fn on_over(&mut self, fault: usize) {
        for host in 0..self.hosts.len() {
            let state = &mut self.hosts[host];
            if state.slowed_by == fault {
                state.slow_sync_ns = 0;
            }
            let (cpu, clock) = (state.cpu_slowed_by == fault, state.drifted_by == fault);
            let disk = state.stalled_by == fault;
            if state.paused_by == fault {
                self.resume(host);
            }
            if cpu {
                self.slow_cpu(host, 0, fault);
            }
            if clock {
                self.drift(host, 0, fault);
            }
            if disk {
                self.unstall_disk(host);
            }
        }
        self.ways.end(fault);
        let strike = self.plan.faults.get(fault);
        if strike.is_some_and(|strike| matches!(strike.fault, Fault::Stall(_))) {
            self.marks.hit(Mark::Burst);
            return self.release_stalled();
        }
        self.release_held();
    }

    pub(super) fn on_heal_all(&mut self) {
        self.note(None, What::Healed);
        self.trace.note(self.now, &"heal");
        self.checkers.core_goes_on.disturbed();
        self.ways.calm(None);
        for host in 0..self.hosts.len() {
            self.heal_host(host);
        }
        self.ways.end_stalls();
        self.ways.open_all();
        self.release_held();
        self.restart_all();
        self.checkers.progress.core = self.core_of(0..self.hosts.len());
    }

    fn resume(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        if !state.paused {
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

    /// The ways between two sides, as pairs of hosts; none stands for all of them.
    pub(super) fn pairs(&self, ways: &Ways) -> Option<BTreeSet<(usize, usize)>> {
        if ways.from.is_empty() && ways.to.is_empty() {
            return None;
        }
        let side = |named: &[Who]| -> Vec<usize> {
            match named {
                [] => (0..self.hosts.len()).collect(),
                named => named.iter().filter_map(|who| self.resolve(*who)).collect(),
            }
        };
        let (from, to) = (side(&ways.from), side(&ways.to));
        let there = from
            .iter()
            .flat_map(|from| to.iter().map(move |to| (*from, *to)));
        let back = |(from, to)| ways.both.then_some((to, from));
        Some(
            there
                .flat_map(|pair| [Some(pair), back(pair)])
                .flatten()
                .collect(),
        )
    }

    fn cut(&mut self, ways: &Ways, until: Option<usize>) {
        for (from, to) in self.each_pair(ways) {
            self.ways.close(from, to, until);
        }
    }

    fn open(&mut self, ways: &Ways) {
        for (from, to) in self.each_pair(ways) {
            self.ways.open(from, to);
        }
        self.release_held();
    }

    fn each_pair(&self, ways: &Ways) -> BTreeSet<(usize, usize)> {
        self.pairs(ways).unwrap_or_else(|| {
            let hosts = || 0..self.hosts.len();
            hosts()
                .flat_map(|from| hosts().map(move |to| (from, to)))
                .collect()
        })
    }

    /// Sets all ways at once: those within a group are open, all others closed.
    fn partition(&mut self, groups: &[Vec<Seat>], until: Option<usize>) {
        let Some(groups) = self.seated(groups) else {
            return;
        };
        let group = |host: usize| groups.iter().position(|group| group.contains(&host));
        for from in 0..self.hosts.len() {
            for to in 0..self.hosts.len() {
                let together = group(from).is_some() && group(from) == group(to);
                if together {
                    self.ways.open(from, to);
                } else {
                    self.ways.close(from, to, until);
                }
            }
        }
        self.release_held();
    }

    /// Who sits in which group. None if a part that is named is played by nobody: a partition
    /// without the node it is about would be another one.
    fn seated(&self, groups: &[Vec<Seat>]) -> Option<Vec<Vec<usize>>> {
        let mut free: BTreeSet<usize> = (0..self.hosts.len()).collect();
        let mut seated: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
        let seats = || {
            groups
                .iter()
                .enumerate()
                .flat_map(|(at, group)| group.iter().map(move |s| (at, s)))
        };
        for (at, seat) in seats() {
            if let Seat::One(who) = seat {
                let host = self.resolve(*who)?;
                if free.remove(&host) {
                    seated[at].push(host);
                }
            }
        }
        for (at, seat) in seats() {
            if let Seat::Others(count) = seat {
                let some: Vec<usize> = free.iter().copied().take(*count).collect();
                some.iter().for_each(|host| {
                    free.remove(host);
                });
                seated[at].extend(some);
            }
        }
        if let Some((at, _)) = seats().find(|(_, seat)| **seat == Seat::Rest) {
            seated[at].extend(free);
        }
        Some(seated)
    }

    fn restart_all(&mut self) {
        for host in 0..self.hosts.len() {
            let life = self.hosts[host].life;
            self.on_restart(host, life);
        }
    }
}
