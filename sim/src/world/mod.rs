//! The world of a run: hosts with their disks, the connections between them, the clients, and the
//! checkers that watch.
//!
//! * I1: a node is stepped only here, in `World::step`; what it asks for is done before anything
//!   else happens to it, except that a crash may come first.
//! * I2: each process has its own clock, which begins at 0 when it starts.
//!
//! Split by what happens: `connections`, `traffic`, `faults`, `clients`; `watch` and `witness` show
//! it to the checkers, `recording` keeps it, `film` keeps it for drawing.

mod clients;
mod connections;
mod faults;
mod film;
mod heard;
mod host;
mod judge;
mod recording;
mod traffic;
mod watch;
mod witness;

use std::hash::Hasher;
use std::net::SocketAddr;

use quorate_core::id::{LinkId, LogIndex, RoleName, Ticket};
use quorate_core::node::{Action, Command, Event, Node};
use quorate_core::notice::Notice;
use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;

use self::host::{Host, Process, host, name, plant};
use self::judge::{Sightings, Trial};
use self::watch::vote_sent;
use crate::checkers::{Checkers, Violation, actions_per_step};
use crate::engine::des::{Due, Options, Queue};
use crate::marks::{Mark, Marks};
use crate::network::{Conn, Ways};
use crate::plan::{Moment, Plan};
use crate::record::{Record, Step, What};
use crate::report::{Fingerprint, Report, Totals};
use crate::timeline;
use crate::trace::{Fold, Trace};
use crate::view::Recorder;
use crate::workload::Workload;

const LOOK_NS: u64 = 100_000_000;
const NEVER: u64 = u64::MAX;
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
    checkers: Checkers,
    violation: Option<Violation>,
    trace: Trace,
    record: Option<Box<Record>>,
    totals: Totals,
    marks: Marks,
    /// A fault has struck.
    is_troubled: bool,
    actions: Vec<Action>,
    touched: Vec<(usize, usize)>,
    scratch: Vec<u8>,
    primary: RoleName,
    recorder: Option<Box<Recorder>>,
    trials: Vec<Trial>,
    next_judgement: u64,
    sightings: Sightings,
}

impl World {
    /// The world of a plan, at its beginning: all processes have just been started.
    #[must_use]
    pub fn new(plan: &Plan, options: Options) -> World {
        let seed = Seed::from_number(plan.seed);
        let hosts: Vec<Host> = (1..=plan.nodes)
            .map(|node| host(plan, &seed, node))
            .collect();
        let mut queue = Queue::new(&seed);
        for index in 0..hosts.len() {
            // A few milliseconds apart, as an operator or a supervisor would.
            queue.push(
                index as u64 * 3_000_000,
                Due::Restart {
                    host: index,
                    life: 0,
                },
            );
        }
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
            checkers: Checkers::default(),
            violation: None,
            trace: Trace::default(),
            record: options.timeline.then(Box::default),
            totals: Totals::default(),
            marks: Marks::default(),
            is_troubled: false,
            actions: Vec::new(),
            touched: Vec::new(),
            scratch: Vec::new(),
            primary: name(PRIMARY),
            recorder: None,
            trials: Vec::new(),
            next_judgement: NEVER,
            sightings: Sightings::default(),
        };
        world.open_trials();
        for (ways, change) in &plan.terrain {
            let pairs = world.pairs(ways);
            world.ways.change(None, pairs, *change);
        }
        world
    }

    /// Whether the run has ended early.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.violation.is_some() || self.stands_still()
    }

    /// Lets happen what is due.
    pub fn on_due(&mut self, due: Due) {
        if let Some(host) = self.host_of(&due).filter(|host| self.hosts[*host].paused) {
            self.hosts[host].backlog.push(due);
            return;
        }
        match due {
            Due::Wake { host, life } => self.on_wake(host, life),
            Due::Synced { host, life } => self.on_synced(host, life),
            Due::Arrived { conn, end } => self.on_arrived(conn, end),
            Due::LinkTick { conn, end } => self.on_link_tick(conn, end),
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
        report
    }

    /// What can be said only at the end.
    pub fn check_last(&mut self) {
        if self.violation.is_none() {
            self.check_acknowledged();
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
        fold.finish()
    }

    /// The process a due thing is for; a paused one gets it later.
    fn host_of(&self, due: &Due) -> Option<usize> {
        match due {
            Due::Wake { host, .. }
            | Due::Synced { host, .. }
            | Due::DialFailed { host, .. }
            | Due::HungUp { host, .. }
            | Due::Join { host, .. } => Some(*host),
            Due::Arrived { conn, end } | Due::LinkTick { conn, end } => {
                let conn = self.conns[*conn].as_ref()?;
                Some(conn.ends[*end].host)
            }
            Due::Opened { .. }
            | Due::Fault(_)
            | Due::Restart { .. }
            | Due::Over(_)
            | Due::Client { .. }
            | Due::HealAll
            | Due::Look => None,
        }
    }

    fn is_life(&self, host: usize, life: u64) -> bool {
        self.hosts[host].process.is_some() && self.hosts[host].life == life
    }

    /// Starts a process from what its disk holds.
    fn start(&mut self, index: usize) {
        if self.stands_still() {
            return;
        }
        let host = &mut self.hosts[index];
        host.life += 1;
        let found = match host.disk.recover() {
            Ok(found) => found,
            Err(corrupt) => return self.demand("disk", Err(corrupt.to_string())),
        };
        if found.is_torn {
            self.marks.hit(Mark::TornTail);
        }
        self.checkers.started(host.id, &found.durable);
        let vote = (found.durable.raft.term, found.durable.raft.vote);
        let config = host.config.clone();
        let mut node = Node::recover(config, found.durable, found.last, &host.seed, Time::ZERO);
        plant(&mut node, self.plan.mutant.as_deref());
        let standing = node.view().raft().standing();
        let life = host.life;
        host.process = Some(Process {
            node,
            born: self.now,
            started: false,
            armed: NEVER,
            links: Vec::new(),
            dials: Vec::new(),
            standing,
            seen: LogIndex(0),
        });
        let id = host.id;
        self.note(Some(id), What::Started { life });
        if let (term, Some(to)) = vote {
            self.checkers.elected_by_majority.voted(id, term, to);
            let verdict = self.checkers.one_vote_per_term.voted(id, term, to);
            self.demand("one_vote_per_term", verdict);
        }
        self.witness_beliefs(index);
        self.step(index, Event::Tick);
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
            .is_some_and(|d| process.born + d.at.0 <= now);
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
        let at = process.born.saturating_add(deadline.at.0).max(self.now);
        if at < process.armed {
            process.armed = at;
            self.queue.push(at, Due::Wake { host: index, life });
        }
    }

    fn on_synced(&mut self, index: usize, life: u64) {
        if !self.is_life(index, life) {
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

    fn begin_sync(&mut self, index: usize) {
        if !self.hosts[index].disk.begin_sync() {
            return;
        }
        let disk = self.plan.disk;
        let nanos = self.disks.within(disk.sync_min.ns()..=disk.sync_max.ns());
        let (life, slow) = (self.hosts[index].life, self.hosts[index].slow_sync_ns);
        self.queue
            .push(self.now + nanos + slow, Due::Synced { host: index, life });
    }

    /// The only place where a node is stepped.
    fn step(&mut self, index: usize, event: Event) {
        if self.stands_still() {
            return;
        }
        let now = self.now;
        let before = self.before(index, &event);
        let host = &mut self.hosts[index];
        let (Some(process), Some(before)) = (host.process.as_mut(), before) else {
            return;
        };
        let mut actions = std::mem::take(&mut self.actions);
        self.totals.events += 1;
        self.trace.step(now, host.id.0, &event);
        let is_tick = matches!(event, Event::Tick);
        let kept = self.record.is_some().then(|| event.clone());
        let due = kept.as_ref().filter(|_| is_tick);
        let due = due.and_then(|_| process.node.deadline()).map(|d| d.why);
        process
            .node
            .step(Time(now - process.born), event, &mut actions);
        self.trace.actions(&actions);
        if let (Some(record), Some(event)) = (&mut self.record, kept) {
            record.stepped(Step {
                at_ns: now,
                node: host.id,
                event,
                due,
                actions: &actions,
                links: &process.links,
            });
        }
        self.totals.actions += actions.len() as u64;
        let verdict = self.checkers.event_rate.stepped(now, index);
        self.demand("event_rate", verdict);
        self.demand("actions_per_step", actions_per_step::check(actions.len()));
        self.witness(index, &before, &actions);
        self.observe(index, &actions);
        let life = self.hosts[index].life;
        if let Some(recorder) = &mut self.recorder {
            recorder.stepped(index);
        }
        let mut is_doomed = false;
        for action in actions.drain(..) {
            is_doomed |= self.perform(index, life, action);
        }
        self.actions = actions;
        self.flush_touched();
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
            Action::Notify(notice) => {
                if let Notice::Started { .. } = notice {
                    if let Some(process) = self.hosts[index].process.as_mut() {
                        process.started = true;
                    }
                    self.queue.push(self.now, Due::Join { host: index, life });
                }
                if let Some(recorder) = &mut self.recorder {
                    recorder.notice(self.now, index, &notice);
                }
            }
        }
        false
    }

    fn on_join(&mut self, index: usize, life: u64) {
        if !self.is_life(index, life) {
            return;
        }
        let others = self
            .hosts
            .iter()
            .filter(|host| host.id != self.hosts[index].id);
        let seeds: Vec<SocketAddr> = others.map(|host| host.config.address).collect();
        if !seeds.is_empty() {
            let (ticket, command) = (Ticket(0), Command::Join { seeds });
            self.step(index, Event::Command { ticket, command });
        }
    }
}

/// The link's number as an index.
fn slot(link: LinkId) -> usize {
    usize::try_from(link.0).unwrap_or(usize::MAX)
}
