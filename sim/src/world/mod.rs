//! The world of a run: hosts with their disks, the connections between them, the clients, and the
//! checkers that watch.
//!
//! * I1: a node is stepped only here, in `World::step`; what it asks for is done before anything
//!   else happens to it, except that a crash may come first.
//! * I2: each process has its own clock, which begins at 0 when it starts.
//!
//! Split by what happens: `lives` of processes,
//! `connections`, `traffic`, `mail`, `faults`, `clients`;
//! `watch`, `witness`, `beliefs` and `looks` show it to the checkers, `recording` keeps it.

mod asking;
mod beliefs;
mod breakage;
mod clients;
mod clock;
mod connections;
mod entries;
mod faults;
mod heard;
mod hearing;
mod holding;
mod host;
mod judge;
mod levels;
mod lives;
mod looks;
mod machine;
mod mail;
mod reading;
mod recording;
mod sessions;
mod states;
mod traffic;
mod watch;
mod witness;
mod written;

use std::hash::Hasher;
use std::time::Instant;

use quorate_core::id::{LinkId, NodeId, RoleName};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::seed::{Random, Seed, Stream};

use self::asking::Told;
use self::host::{Condition, Host, host, name};
use self::judge::{Sightings, Trial};
use self::looks::LOOK_NS;
use self::mail::Letters;
pub(crate) use self::traffic::Direction;
use self::watch::vote_sent;
use crate::checkers::{Checkers, Violation, actions_per_step};
use crate::engine::Queue;
use crate::engine::des::Due;
use crate::engine::memory;
use crate::marks::Marks;
use crate::network::{Conn, Ways};
use crate::plan::{Moment, Plan};
use crate::readers::Readers;
use crate::record::{Record, Step};
use crate::report::{Fingerprint, Report, Totals};
use crate::steps::{Kind, Stopwatch};
use crate::timeline;
use crate::trace::{Fold, Trace};
use crate::workload::Workload;

const NEVER: u64 = u64::MAX;
/// The part of a run's seed that the writers of state draw from; nodes use the small numbers.
const WRITERS: u64 = 1 << 32;
/// And the one the readers draw from.
const READERS: u64 = WRITERS + 1;
/// The part that the hosts' senders and readers draw from.
const LETTERS: u64 = 1 << 33;
/// The role the clients write under.
pub const PRIMARY: &str = "primary";

/// Everything that a run is made of.
pub struct World {
    /// The simulated time, in nanoseconds since the start of the run.
    pub now: u64,
    /// What is due.
    pub queue: Queue,
    plan: Plan,
    hosts: Vec<Host>,
    conns: Vec<Option<Box<Conn>>>,
    ways: Ways,
    network: Random,
    disks: Random,
    workload: Workload,
    readers: Readers,
    /// Who writes what state, and when.
    writers: Random,
    /// What senders send and how readers read.
    letters: Letters,
    checkers: Checkers,
    violation: Option<Violation>,
    trace: Trace,
    record: Option<Box<Record>>,
    /// Times every step, if it is there.
    pub stopwatch: Option<Stopwatch>,
    /// The ways as the record knows them, and how often they had changed by then.
    cut_seen: Vec<bool>,
    changes_seen: u64,
    totals: Totals,
    marks: Marks,
    /// A fault has struck.
    is_troubled: bool,
    /// Starts and ends of processes so far: which lives there are.
    lives: u64,
    /// Where the next look begins.
    next_look: usize,
    /// Who sends its messages next.
    next_talker: usize,
    actions: Vec<Action>,
    touched: Vec<(usize, usize)>,
    scratch: Vec<u8>,
    primary: RoleName,
    trials: Vec<Trial>,
    next_judgement: u64,
    sightings: Sightings,
    /// When somebody that is gone was last seen among the live members of any node.
    unsettled_at: u64,
    /// What became of the commands of the plan.
    answers: Vec<Told>,
}

impl World {
    /// The world of a plan, at its beginning: all processes have just been started.
    #[must_use]
    pub fn new(plan: &Plan) -> World {
        let seed = Seed::from_number(plan.seed);
        let hosts: Vec<Host> = (1..=plan.nodes)
            .map(|node| host(plan, &seed, node))
            .collect();
        let mut queue = Queue::new(&seed);
        start_all(&mut queue, plan, &hosts);
        for (index, strike) in plan.faults.iter().enumerate() {
            queue.push(strike.at.ns(), Due::Fault(index));
        }
        if let Some(heal) = plan.heal {
            queue.push(heal.ns(), Due::HealAll);
        }
        queue.push(LOOK_NS, Due::Look);
        let workload = Workload::new(plan.workload, seed.stream(Stream::Workload));
        for client in 0..workload.len() {
            queue.push(
                1_000_000_000 + client as u64 * 7_000_000,
                Due::Client { client, turn: 0 },
            );
        }
        let readers = seed.part(READERS).stream(Stream::Workload);
        let readers = Readers::new(plan.readers, readers);
        for reader in 0..readers.len() {
            let at = 1_000_000_000 + reader as u64 * 11_000_000;
            queue.push(at, Due::Reader { reader, turn: 0 });
        }
        let mut world = World {
            now: 0,
            queue,
            ways: Ways::new(hosts.len(), plan.network),
            plan: plan.clone(),
            hosts,
            conns: Vec::new(),
            network: seed.stream(Stream::Network),
            disks: seed.stream(Stream::Disk),
            workload,
            readers,
            writers: seed.part(WRITERS).stream(Stream::Workload),
            letters: Letters::new(seed.part(LETTERS).stream(Stream::Workload)),
            checkers: Checkers::default(),
            violation: None,
            trace: Trace::default(),
            record: None,
            stopwatch: None,
            cut_seen: Vec::new(),
            changes_seen: 0,
            totals: Totals::default(),
            marks: Marks::default(),
            is_troubled: false,
            lives: 0,
            next_look: 0,
            next_talker: 0,
            actions: Vec::new(),
            touched: Vec::new(),
            scratch: Vec::new(),
            primary: name(PRIMARY),
            trials: Vec::new(),
            next_judgement: NEVER,
            sightings: Sightings::default(),
            unsettled_at: 0,
            answers: Vec::new(),
        };
        world.set_out();
        world
    }

    /// What is so before anything happens.
    fn set_out(&mut self) {
        for (ways, change) in self.plan.terrain.clone() {
            let pairs = self.pairs(&ways);
            self.ways.change(None, pairs, change);
        }
        let voters = (1..=self.plan.voters).map(NodeId).collect();
        self.checkers.snapshots_tell_the_log.begins(voters);
        self.open_trials();
    }

    /// Whether the run has ended early.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.violation.is_some()
    }

    /// Lets happen what is due.
    pub fn on_due(&mut self, due: Due) {
        if let Some(host) = self.host_of(&due).filter(|host| self.hosts[*host].paused) {
            self.hosts[host].backlog.push(due);
            return;
        }
        if self
            .host_of(&due)
            .is_some_and(|host| self.must_wait(host, due))
        {
            return;
        }
        self.dispatch(due);
    }

    fn dispatch(&mut self, due: Due) {
        match due {
            Due::Wake { host, life } => self.on_wake(host, life),
            Due::Synced { host, life } => self.on_synced(host, life),
            Due::Stalled { host, life } => self.on_stalled(host, life),
            Due::Turn { host } => self.on_turn(host),
            Due::Arrived { conn, end } => self.on_arrived(conn, end),
            Due::LinkTick { conn, end } => self.on_link_tick(conn, end),
            Due::Writable { conn, end } => self.flush(conn, end),
            Due::Mail { host, life } => self.on_mail(host, life),
            Due::Opened { from, life, dial } => self.on_opened(from, life, dial),
            Due::DialFailed { host, life, dial } => self.on_dial_failed(host, life, dial),
            Due::HungUp { host, life, link } => {
                if self.is_life(host, life) {
                    self.step(host, Event::LinkDown { link });
                }
            }
            Due::Join { host, life } => self.on_join(host, life),
            Due::Fault(index) => self.on_fault(index),
            Due::Restart { host, life } => self.on_restart(host, life),
            Due::Over(fault) => self.on_over(fault),
            Due::Client { client, turn } => self.on_client(client, turn),
            Due::Reader { reader, turn } => self.on_reader(reader, turn),
            Due::HealAll => self.on_heal_all(),
            Due::Look => self.on_look(),
        }
    }

    /// The end: the last checks, and what the run came to.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.check_last();
        self.totals.simulated_ns = self.now;
        self.totals.acknowledged = self.checkers.acknowledged_survive.count();
        self.totals.leaders = self.checkers.one_leader_per_term.terms();
        self.totals.converged_after_ns = self.checkers.membership_converges.converged_after();
        self.totals.progress_after_ns = self.checkers.progress.acknowledged_after();
        let draws = self.last_draws();
        let print = Fingerprint {
            trace: self.trace.hash(),
            draws,
        };
        let expectations = self.verdicts();
        let mut report = Report::new(&self.plan, print, self.totals, expectations);
        report.violation = self.violation;
        report.marks = self.marks;
        report.timeline = self
            .record
            .as_deref()
            .map(timeline::story)
            .unwrap_or_default();
        memory::release(self.hosts.len(), (self.hosts, self.conns));
        report
    }

    /// What can be said only at the end.
    pub fn check_last(&mut self) {
        if self.violation.is_none() {
            self.look_back();
        }
    }

    /// The next word of every random stream of the world: two runs that drew differently differ
    /// here even when nothing came of it.
    fn last_draws(&mut self) -> u64 {
        let mut fold = Fold::default();
        fold.write_u64(self.network.word());
        fold.write_u64(self.disks.word());
        fold.write_u64(self.queue.draw());
        fold.write_u64(self.workload.draw());
        fold.write_u64(self.readers.draw());
        fold.write_u64(self.writers.word());
        fold.write_u64(self.letters.random.word());
        fold.finish()
    }

    /// The process a due thing is for; a paused one gets it later.
    fn host_of(&self, due: &Due) -> Option<usize> {
        match due {
            Due::Wake { host, .. }
            | Due::Synced { host, .. }
            | Due::Stalled { host, .. }
            | Due::DialFailed { host, .. }
            | Due::HungUp { host, .. }
            | Due::Mail { host, .. }
            | Due::Join { host, .. } => Some(*host),
            Due::Arrived { conn, end }
            | Due::LinkTick { conn, end }
            | Due::Writable { conn, end } => {
                let conn = self.conns[*conn].as_ref()?;
                Some(conn.ends[*end].host)
            }
            Due::Opened { .. }
            | Due::Turn { .. }
            | Due::Fault(_)
            | Due::Restart { .. }
            | Due::Over(_)
            | Due::Client { .. }
            | Due::Reader { .. }
            | Due::HealAll
            | Due::Look => None,
        }
    }

    fn is_life(&self, host: usize, life: u64) -> bool {
        self.hosts[host].process.is_some() && self.hosts[host].life == life
    }

    fn on_wake(&mut self, index: usize, life: u64) {
        if !self.is_life(index, life) {
            return;
        }
        let now = self.now;
        let Some(process) = self.hosts[index].process.as_mut() else {
            return;
        };
        if process.armed > now {
            return;
        }
        process.armed = NEVER;
        let due = process
            .node
            .deadline()
            .is_some_and(|d| process.clock.when(d.at) <= now);
        if due {
            self.step(index, Event::Tick);
        } else {
            self.arm(index);
        }
    }

    /// One heap entry per node: a new one only if the deadline has come closer.
    fn arm(&mut self, index: usize) {
        let life = self.hosts[index].life;
        let Some(process) = self.hosts[index].process.as_mut() else {
            return;
        };
        let Some(deadline) = process.node.deadline() else {
            return;
        };
        let at = process.clock.when(deadline.at).max(self.now);
        if at < process.armed {
            process.armed = at;
            self.queue.push(at, Due::Wake { host: index, life });
        }
    }

    /// The only place where a node is stepped.
    fn step(&mut self, index: usize, event: Event) {
        let now = self.now;
        let before = self.before(index, &event);
        let host = &mut self.hosts[index];
        let (Some(process), Some(before)) = (host.process.as_mut(), before) else {
            return;
        };
        let mut actions = std::mem::take(&mut self.actions);
        let kind = Kind::of(&event);
        self.totals.events += 1;
        self.totals.steps.count(kind);
        self.trace.step(now, host.id.0, &event);
        let is_tick = matches!(event, Event::Tick);
        let kept = self.record.is_some().then(|| event.clone());
        let due = kept.as_ref().filter(|_| is_tick);
        let due = due.and_then(|_| process.node.deadline()).map(|d| d.why);
        let local = process.clock.at(now);
        let begun = self.stopwatch.is_some().then(Instant::now);
        process.node.step(local, event, &mut actions);
        if let (Some(stopwatch), Some(begun)) = (&mut self.stopwatch, begun) {
            stopwatch.add(kind, begun.elapsed());
        }
        self.trace.actions(&actions);
        if let (Some(record), Some(event)) = (&mut self.record, kept) {
            record.stepped(Step {
                at_ns: now,
                node: host.id,
                now: local,
                event,
                due,
                actions: &actions,
                ends: &|link| process.links.get(slot(link)).copied(),
            });
        }
        self.totals.actions += actions.len() as u64;
        let nodes = self.hosts.len();
        let verdict = self.checkers.event_rate.stepped(now, index, nodes as u64);
        self.demand("event_rate", verdict);
        let verdict = actions_per_step::check(actions.len(), nodes);
        self.demand("actions_per_step", verdict);
        self.witness(index, &before, &actions);
        self.witness_state(index, &actions);
        self.observe(index, &actions);
        let life = self.hosts[index].life;
        let mut is_doomed = false;
        for action in actions.drain(..) {
            is_doomed |= self.perform(index, life, action);
        }
        self.actions = actions;
        self.flush_touched();
        if self.hosts[index].condition == Condition::Gone {
            return self.end_of_leave(index);
        }
        if is_doomed {
            return self.crash_of_doom(index);
        }
        self.begin_sync(index);
        self.arm(index);
    }

    /// Does what a node wants done; true if it must crash before anything else.
    fn perform(&mut self, index: usize, life: u64, action: Action) -> bool {
        match action {
            Action::Send {
                link,
                priority,
                ref message,
                ..
            } => {
                self.submit(index, link, priority, message);
                return vote_sent(&action).is_some()
                    && self.count_down(index, |moment| matches!(moment, Moment::VoteSent(_)));
            }
            Action::Dial { address, expected } => self.dial(index, address, expected),
            Action::Hangup { link } => self.hang_up(index, link),
            Action::Persist { lsn, record } => {
                self.hosts[index].disk.append(lsn, &record);
                let is_vote = crate::disk::vote_of(&record).is_some();
                return self.count_down(index, |moment| match moment {
                    Moment::Persist(_) => true,
                    Moment::Vote(_) => is_vote,
                    Moment::Now | Moment::VoteSent(_) | Moment::Synced(_) => false,
                });
            }
            Action::Reply { ticket, answer } => self.on_reply(index, ticket, answer),
            Action::PublishRoutes(_) => {}
            Action::Halt(_) => return self.on_unfit(index),
            Action::Notify(notice) if levels::says_unfit(&notice) => return self.on_unfit(index),
            Action::Notify(notice) => {
                if let Notice::Started { .. } = notice {
                    if let Some(process) = self.hosts[index].process.as_mut() {
                        process.started = true;
                    }
                    self.queue.push(self.now, Due::Join { host: index, life });
                    self.queue.push(self.now, Due::Mail { host: index, life });
                    self.note_mail_life(index, true);
                }
            }
        }
        false
    }
}

/// All processes that are not kept for later start, a few milliseconds apart, as an operator or a
/// supervisor would do it; all within a second.
fn start_all(queue: &mut Queue, plan: &Plan, hosts: &[Host]) {
    let apart = 3_000_000.min(1_000_000_000 / plan.nodes);
    for (host, _) in (hosts.iter().enumerate()).filter(|(_, it)| it.condition == Condition::Fine) {
        queue.push(host as u64 * apart, Due::Restart { host, life: 0 });
    }
}

/// The link's number as an index.
fn slot(link: LinkId) -> usize {
    usize::try_from(link.0).unwrap_or(usize::MAX)
}
