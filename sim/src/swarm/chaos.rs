//! What goes wrong in a plan, one fault after the other.
//!
//! * I1: what is lost for good leaves a majority of the voters the plan begins with.
//! * I2: a node that joins late is named by nothing before it does.
//!
//! * I3: a node that is rebuilt counts as lost: others must be able to decide without it.
//!
//! Deliberately absent: a disk that comes back empty and whose node is not rebuilt. Nothing can be
//! promised of it (`docs/scenarios.md`).

use quorate_core::seed::Random;

use super::kind::Kind;
use super::{ms, small};
use crate::plan::{
    Change, Fate, Fault, Moment, Part, Plan, Question, Return, Seat, Strike, Ways, Who,
};
use crate::span::Span;

/// At most so many nodes of a plan join late.
const LATE_MAX: u64 = 2;
/// No clock runs faster or slower than by so many millionths.
pub(super) const DRIFT_PPM_MAX: u64 = 50_000;
const LEADER: Who = Who::Part(Part::Leader);
/// Roles are granted under such epochs in the first half of a run.
const EPOCHS: u64 = 60;

/// A plan in the making.
pub(super) struct Chaos<'a> {
    plan: &'a mut Plan,
    pub(super) random: &'a mut Random,
    /// Whoever may be named.
    present: Vec<u64>,
    /// Whoever is not there before it joins.
    late: Vec<u64>,
    /// So many nodes may still be lost for good.
    spare: u64,
    /// Nodes that are.
    lost: Vec<u64>,
    /// When the faults end.
    calm_ms: u64,
}

impl<'a> Chaos<'a> {
    /// Of these kinds, until then.
    pub(super) fn new(
        plan: &'a mut Plan,
        random: &'a mut Random,
        kinds: &[Kind],
        calm_ms: u64,
    ) -> Chaos<'a> {
        let mut present: Vec<u64> = (1..=plan.nodes).collect();
        let learners = plan.nodes - plan.voters;
        let late = match kinds.contains(&Kind::Join) {
            true => random.within(0..=learners.min(LATE_MAX)),
            false => 0,
        };
        let late = present.split_off(usize::try_from(plan.nodes - late).unwrap_or(0));
        let spare = (plan.voters - 1) / 2;
        Chaos {
            plan,
            random,
            present,
            late,
            spare,
            lost: Vec::new(),
            calm_ms,
        }
    }

    /// Who is lost for good.
    pub(super) fn lost(&self) -> &[u64] {
        &self.lost
    }

    /// A fault of this kind strikes, if there can be one.
    pub(super) fn strike(&mut self, kind: Kind, at: u64) {
        match kind {
            Kind::Cut => self.cut(at),
            Kind::CutAll => self.cut_all(at),
            Kind::Partition => self.partition(at),
            Kind::PartitionLeader => self.partition_leader(at),
            Kind::HealAll => self.add(at, Fault::heal_all()),
            Kind::Delay => self.delay(at),
            Kind::Degrade => self.degrade(at),
            Kind::HalfOpen => {
                let ways = self.ways();
                self.add(at, Fault::HalfOpen(ways));
            }
            Kind::Reset => {
                let ways = self.ways();
                self.add(at, Fault::Reset(ways));
            }
            Kind::Stall => {
                let (ways, lasts) = (self.ways(), self.random.within(50..=4_000));
                self.add_for(at, Fault::Stall(ways), lasts);
            }
            Kind::Crash => self.crash(at, Moment::Now, false),
            Kind::CrashAtPersist => {
                let moment = Moment::Persist(small(self.random));
                self.crash(at, moment, false);
            }
            Kind::CrashAtVote => {
                let moment = [Moment::Vote(1), Moment::VoteSent(1)][self.random.index(2)];
                self.crash(at, moment, false);
            }
            Kind::CrashAtSync => {
                let moment = Moment::Synced(small(self.random));
                self.crash(at, moment, false);
            }
            Kind::CrashSilently => self.crash(at, Moment::Now, true),
            Kind::Move => self.come_back_elsewhere(at),
            Kind::Pause => {
                let (who, lasts) = (self.who(), self.random.within(20..=4_000));
                self.add_for(at, Fault::Pause(who), lasts);
            }
            Kind::SlowCpu => self.slow_cpu(at),
            Kind::Drift => self.drift(at),
            Kind::Jump => {
                let (who, ahead) = (self.who(), ms(self.random.within(10..=5_000)));
                self.add(at, Fault::Jump(who, ahead));
            }
            Kind::SlowDisk => self.slow_disk(at),
            Kind::StallDisk => self.stall_disk(at),
            Kind::FailDisk => self.fail_disk(at),
            Kind::FlipBit => self.flip_bit(at),
            Kind::Rebuild => self.rebuild(at),
            Kind::Join => self.join(at),
            Kind::Leave => self.leave(at),
            Kind::Transfer => {
                let to = self.random.chance(600).then(|| self.number());
                self.add(at, Fault::Ask(LEADER, Question::Transfer(to)));
            }
            Kind::Voters => {
                let changes = [Question::AddVoter, Question::RemoveVoter];
                let change = changes[self.random.index(2)](self.number());
                self.add(at, Fault::Ask(LEADER, change));
            }
            Kind::Ask => {
                let (who, question) = (self.who(), self.question());
                self.add(at, Fault::Ask(who, question));
            }
        }
    }

    fn cut(&mut self, at: u64) {
        let ways = self.ways();
        self.add(at, Fault::Cut(ways));
    }

    fn cut_all(&mut self, at: u64) {
        let mut ways = way(self.who(), None);
        if self.random.chance(500) {
            std::mem::swap(&mut ways.from, &mut ways.to);
        }
        self.add(at, Fault::Cut(ways));
    }

    fn partition(&mut self, at: u64) {
        let mut all = self.present.clone();
        self.random.shuffle(&mut all);
        let right = all.split_off(self.random.index(all.len() + 1));
        let seat = |node| Seat::One(Who::Node(node));
        let seats = |side: Vec<u64>| side.into_iter().map(seat).collect();
        self.add(at, Fault::Partition(vec![seats(all), seats(right)]));
    }

    fn partition_leader(&mut self, at: u64) {
        let with = self.random.index(self.present.len());
        let leader = Seat::One(LEADER);
        let groups = vec![vec![leader, Seat::Others(with)], vec![Seat::Rest]];
        self.add(at, Fault::Partition(groups));
    }

    fn delay(&mut self, at: u64) {
        let change = Change {
            delay: Some(ms(self.random.within(5..=200))),
            ..Change::default()
        };
        let lasts = self.random.within(100..=3_000);
        self.add_for(at, Fault::Network(Ways::default(), change), lasts);
    }

    fn degrade(&mut self, at: u64) {
        let (ways, change) = (self.ways(), self.degradation());
        let lasts = self.random.within(300..=6_000);
        self.add_for(at, Fault::Network(ways, change), lasts);
    }

    /// From one node to another or to all, and perhaps back.
    fn ways(&mut self) -> Ways {
        let (from, to) = (self.who(), self.who());
        Ways {
            both: self.random.chance(500),
            ..way(from, (to != from).then_some(to))
        }
    }

    /// One or two properties of a way become worse.
    fn degradation(&mut self) -> Change {
        let random = &mut *self.random;
        let mut change = Change::default();
        for _ in 0..random.within(1..=2) {
            let share = u16::try_from(random.within(10..=400)).unwrap_or(10);
            match random.below(6) {
                0 => {
                    let least = random.within(1..=40);
                    change.latency = Some((ms(least), ms(least + random.within(0..=100))));
                }
                1 => change.loss_permille = Some(share),
                2 => change.duplication_permille = Some(share),
                3 => change.reordering_permille = Some(share),
                4 => change.spikes = Some((share / 4 + 1, ms(random.within(50..=600)))),
                _ => change.bandwidth = Some(random.within(4_000..=400_000)),
            }
        }
        change
    }

    fn crash(&mut self, at: u64, moment: Moment, silent: bool) {
        // A process that comes back at once still meets the election it was part of.
        let restart = match self.random.below(3) {
            0 => self.random.within(1..=100),
            1 => self.random.within(100..=1_500),
            _ => self.random.within(1_500..=8_000),
        };
        let who = self.who();
        let fate = match self.random.below(10) {
            0..=2 => Fate::Torn,
            3 => Fate::Kept,
            _ => Fate::Lost,
        };
        let restart = Some(ms(restart));
        let fault = Fault::Crash {
            who,
            moment,
            fate,
            silent,
            restart,
        };
        self.add(at, fault);
    }

    fn come_back_elsewhere(&mut self, at: u64) {
        let (who, away) = (self.node(), self.random.within(1..=8_000));
        let moved = Return {
            moved: true,
            ..Return::default()
        };
        self.add(at, crash_for_good(who));
        self.add(at + away, Fault::Restart(Some(who), moved));
    }

    fn slow_cpu(&mut self, at: u64) {
        // Sometimes too slow for what it has to do.
        let step = Span::from_us(self.random.within(50..=20_000));
        let (who, lasts) = (self.who(), self.random.within(300..=5_000));
        self.add_for(at, Fault::SlowCpu(who, step), lasts);
    }

    fn drift(&mut self, at: u64) {
        let ppm = self.random.within(20..=DRIFT_PPM_MAX).cast_signed();
        let sign = [1, -1][self.random.index(2)];
        let who = self.who();
        self.add(at, Fault::Drift(who, sign * ppm));
    }

    fn slow_disk(&mut self, at: u64) {
        let (who, sync) = (self.who(), ms(self.random.within(5..=900)));
        let lasts = self.random.within(500..=4_000);
        self.add_for(at, Fault::SlowDisk(who, sync), lasts);
    }

    /// A disk stalls; now and then the leader's, and whoever is called to take over does not hear.
    fn stall_disk(&mut self, at: u64) {
        if self.random.chance(700) {
            let (who, lasts) = (self.who(), self.random.within(100..=6_000));
            return self.add_for(at, Fault::StallDisk(who), lasts);
        }
        let lasts = self.random.within(1_500..=6_000);
        self.add_for(at, Fault::StallDisk(LEADER), lasts);
        let (heir, called) = (self.node(), at + self.random.within(400..=700));
        let lasts = self.random.within(300..=1_500);
        self.add_for(called, Fault::Pause(heir), lasts);
    }

    fn fail_disk(&mut self, at: u64) {
        if let Some(who) = self.lose() {
            self.add(at, Fault::FailDisk(who));
        }
    }

    fn flip_bit(&mut self, at: u64) {
        if let Some(who) = self.lose() {
            let away = self.random.within(1..=2_000);
            self.add(at, Fault::FlipBit(who));
            self.add(at, crash_for_good(who));
            self.add(at + away, Fault::Restart(Some(who), Return::default()));
        }
    }

    fn rebuild(&mut self, at: u64) {
        let Some(who) = self.lose() else { return };
        if self.random.chance(300) {
            self.add(at, Fault::FlipBit(who));
        }
        self.add(at, crash_for_good(who));
        let mut back = at + self.random.within(1..=2_000);
        if self.random.chance(300) {
            // It may refuse to start first, or live for a while.
            self.add(back, Fault::Restart(Some(who), Return::default()));
            back += self.random.within(1..=2_000);
            self.add(back, crash_for_good(who));
        }
        let rebuilt = Return {
            fate: Some(Fate::Rebuilt),
            moved: self.random.chance(100),
            older: false,
        };
        self.add(back, Fault::Restart(Some(who), rebuilt));
    }

    fn join(&mut self, at: u64) {
        if let Some(node) = self.late.pop() {
            self.present.push(node);
            self.add(at, Fault::Join(Who::Node(node)));
        }
    }

    fn leave(&mut self, at: u64) {
        let back = at + self.random.within(1_500..=8_000);
        let returns = self.random.chance(700) && back < self.calm_ms;
        let who = if returns {
            Some(self.node())
        } else {
            self.lose()
        };
        if let Some(who) = who {
            self.add(at, Fault::Ask(who, Question::Leave));
            if returns {
                self.add(back, Fault::Join(who));
            }
        }
    }

    /// A role, and perhaps a guess under which epoch it is held.
    fn placement(&mut self) -> (String, Option<u64>) {
        let role = ["archive", crate::world::PRIMARY][self.random.index(2)].to_string();
        let guess = self.random.within(1..=EPOCHS);
        (role, self.random.chance(500).then_some(guess))
    }

    fn question(&mut self) -> Question {
        let ((role, epoch), to) = (self.placement(), self.number());
        let random = &mut *self.random;
        let key = format!("asked-{}", random.below(4));
        match random.below(13) {
            12 => Question::RaiseLevel([1, 2, 2, 3][random.index(4)]),
            9 | 10 => Question::Grant(role, to, epoch),
            11 => Question::Release(role, epoch),
            0 => Question::Members,
            1 => Question::Status,
            2 => Question::Role(crate::world::PRIMARY.to_string()),
            3 => Question::Read(key),
            4 => Question::Write(key, random.word().to_string()),
            5 => Question::Barrier,
            6 => Question::SetState(key, random.word().to_string()),
            7 => Question::DeleteState(key),
            _ => Question::ReadState("asked-".to_string()),
        }
    }

    /// The leader now and then, else any node.
    fn who(&mut self) -> Who {
        match self.random.below(4) {
            0 => LEADER,
            _ => self.node(),
        }
    }

    fn node(&mut self) -> Who {
        Who::Node(self.number())
    }

    fn number(&mut self) -> u64 {
        self.present[self.random.index(self.present.len())]
    }

    /// A node that is lost for good, if one more may be.
    fn lose(&mut self) -> Option<Who> {
        self.spare = self.spare.checked_sub(1)?;
        let node = self.number();
        self.lost.push(node);
        Some(Who::Node(node))
    }

    fn add(&mut self, at: u64, fault: Fault) {
        self.put(at, fault, None);
    }

    fn add_for(&mut self, at: u64, fault: Fault, lasts: u64) {
        self.put(at, fault, Some(ms(lasts)));
    }

    fn put(&mut self, at: u64, fault: Fault, lasts: Option<Span>) {
        let at = ms(at.min(self.calm_ms));
        self.plan.faults.push(Strike { at, fault, lasts });
    }
}

/// A process ends, and does not come back by itself.
fn crash_for_good(who: Who) -> Fault {
    Fault::Crash {
        who,
        moment: Moment::Now,
        fate: Fate::Lost,
        silent: false,
        restart: None,
    }
}

/// From one node to another, or to all.
fn way(from: Who, to: Option<Who>) -> Ways {
    Ways {
        from: vec![from],
        to: to.into_iter().collect(),
        both: false,
    }
}
