//! What goes wrong with one machine: its processor, its clock, its disk.

use quorate_core::node::Event;

use super::World;
use super::host::{Condition, Doom};
use super::lives::STALL_NS;
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::plan::{Fate, Fault, Moment};
use crate::span::Span;

impl World {
    /// A fault of one machine strikes it.
    pub(super) fn strike_machine(&mut self, host: usize, index: usize) {
        let Some(strike) = self.plan.faults.get(index) else {
            return;
        };
        let (fault, lasts) = (strike.fault.clone(), strike.lasts.map(Span::ns));
        match fault {
            Fault::SlowCpu(_, step) => self.slow_cpu(host, step.ns(), index),
            Fault::Drift(_, ppm) => self.drift(host, ppm, index),
            Fault::Jump(_, span) => self.jump(host, span.ns()),
            Fault::SlowDisk(_, sync) => {
                self.hosts[host].slow_sync_ns = sync.ns();
                self.hosts[host].slowed_by = index;
            }
            Fault::StallDisk(_) => self.stall_disk(host, lasts, index),
            Fault::FailDisk(_) => self.hosts[host].is_disk_failing = true,
            Fault::FlipBit(_) => self.flip_bit(host),
            Fault::Join(_) => self.join(host),
            Fault::Ask(_, question) => self.ask(host, &question, index),
            Fault::Cut(_)
            | Fault::Heal(_)
            | Fault::Partition(_)
            | Fault::Network(..)
            | Fault::Calm(_)
            | Fault::HalfOpen(_)
            | Fault::Reset(_)
            | Fault::Stall(_)
            | Fault::Crash { .. }
            | Fault::Restart(..)
            | Fault::Pause(_)
            | Fault::Mend(_)
            | Fault::Resume(_) => {}
        }
    }

    /// Whether a slow process must first do something else; it comes to this later then.
    pub(super) fn must_wait(&mut self, index: usize, due: Due) -> bool {
        let (now, host) = (self.now, &mut self.hosts[index]);
        if host.step_ns == 0 {
            return false;
        }
        if now >= host.busy_until && host.waiting.is_empty() {
            host.busy_until = now + host.step_ns;
            return false;
        }
        if host.waiting.is_empty() {
            self.queue.push(host.busy_until, Due::Turn { host: index });
        }
        host.waiting.push_back(due);
        true
    }

    /// A slow process comes to what waited longest.
    pub(super) fn on_turn(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.paused {
            host.backlog.extend(host.waiting.drain(..));
            return;
        }
        let Some(due) = host.waiting.pop_front() else {
            return;
        };
        host.busy_until = self.now + host.step_ns;
        if !host.waiting.is_empty() {
            self.queue.push(host.busy_until, Due::Turn { host: index });
        }
        self.marks.hit(Mark::SlowTurn);
        self.dispatch(due);
    }

    pub(super) fn slow_cpu(&mut self, index: usize, step_ns: u64, fault: usize) {
        let host = &mut self.hosts[index];
        (host.step_ns, host.cpu_slowed_by) = (step_ns, fault);
        if step_ns == 0 {
            for due in std::mem::take(&mut host.waiting) {
                self.queue.push(self.now, due);
            }
        }
    }

    pub(super) fn drift(&mut self, index: usize, ppm: i64, fault: usize) {
        let (now, host) = (self.now, &mut self.hosts[index]);
        (host.ppm, host.drifted_by) = (ppm, fault);
        self.checkers.suspects_may_refute.drifts(ppm);
        if let Some(process) = &mut host.process {
            process.clock.drift(now, ppm);
        }
        self.rearm(index);
    }

    pub(super) fn jump(&mut self, index: usize, ahead_ns: u64) {
        let now = self.now;
        if let Some(process) = &mut self.hosts[index].process {
            process.clock.jump(now, ahead_ns);
        }
        self.checkers.suspects_may_refute.jumps(now);
        self.rearm(index);
    }

    /// The deadlines of a process have moved with its clock.
    fn rearm(&mut self, index: usize) {
        self.arm(index);
        let process = self.hosts[index].process.as_ref();
        let links = process.map_or(Vec::new(), |process| process.links.clone());
        for (conn, end) in links {
            self.arm_link(conn, end);
        }
    }

    pub(super) fn stall_disk(&mut self, index: usize, lasts_ns: Option<u64>, fault: usize) {
        let (now, host) = (self.now, &mut self.hosts[index]);
        let until = lasts_ns.map_or(u64::MAX, |lasts| now.saturating_add(lasts));
        (host.stalled_until, host.stalled_by) = (until, fault);
        if host.disk.is_syncing() && until - now > STALL_NS {
            let life = host.life;
            self.queue
                .push(now + STALL_NS, Due::Stalled { host: index, life });
        }
    }

    /// The disk works again: the sync that was held is complete.
    pub(super) fn unstall_disk(&mut self, index: usize) {
        let (now, host) = (self.now, &mut self.hosts[index]);
        host.stalled_until = 0;
        if std::mem::take(&mut host.is_sync_held) {
            let life = host.life;
            self.queue.push(now, Due::Synced { host: index, life });
        }
    }

    /// A sync is complete, unless the disk stalls or fails; then there is nothing to be told.
    pub(super) fn is_sync_done(&mut self, index: usize) -> bool {
        let now = self.now;
        let host = &mut self.hosts[index];
        if host.stalled_until > now {
            host.is_sync_held = true;
            self.marks.hit(Mark::DiskStalled);
            return false;
        }
        if host.is_disk_failing {
            self.halt(index);
            return false;
        }
        true
    }

    /// A sync has failed: the process must end, and nothing starts it again.
    fn halt(&mut self, index: usize) {
        self.marks.hit(Mark::DiskFailed);
        self.hosts[index].doom = Some(Doom {
            moment: Moment::Now,
            fate: Fate::Lost,
            silent: false,
            restart: None,
        });
        self.hosts[index].condition = Condition::Halted;
        self.crash_of_doom(index);
    }

    pub(super) fn flip_bit(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if host.disk.flip_bit(&mut self.disks) {
            host.is_flipped = true;
        }
    }

    /// A log that cannot be read: right if a bit was flipped in it, and only then.
    pub(super) fn on_corrupt(&mut self, index: usize, what: String) {
        if self.hosts[index].is_flipped {
            self.marks.hit(Mark::BitFlipCaught);
            self.hosts[index].condition = Condition::Corrupt;
            return;
        }
        self.demand("disk", Err(what));
    }

    /// The driver of a process says that its disk stalls, unless it has caught up since.
    pub(super) fn on_stalled(&mut self, index: usize, life: u64) {
        if self.is_life(index, life) && self.hosts[index].disk.is_syncing() {
            self.step(index, Event::DiskStalled);
        }
    }
}
