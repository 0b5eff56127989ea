//! The world of a run: hosts with their disks, the connections between them, the clients, and the
//! checkers that watch.
//!
//! * I1: a node is stepped only here, in `World::step`; what it asks for is done before anything
//!   else happens to it, except that a crash may come first.
//! * I2: each process has its own clock, which begins at 0 when it starts.
//!
//! Split by what happens: `connections`, `faults`, `clients`.

mod clients;
mod connections;
mod faults;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use quorate_core::control::Envelope;
use quorate_core::durable::Record;
use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, LinkId, LogIndex, NodeId, Peer, RoleName, Term, Ticket};
use quorate_core::membership::State;
use quorate_core::node::{Action, Command, Config, Event, Node, ValidConfig};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role, Standing};
use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;
use quorate_core::wire::{Message, codec};

use crate::checkers::{Checkers, Verdict, Violation, actions_per_step};
use crate::disk::Disk;
use crate::engine::des::{Due, Options, Queue};
use crate::network::{Conn, Ways};
use crate::plan::{Moment, Plan};
use crate::report::{Report, Totals};
use crate::timeline::{self, Timeline};
use crate::trace::Trace;
use crate::workload::Workload;

const LOOK_NS: u64 = 100_000_000;
const NEVER: u64 = u64::MAX;
/// The role the clients write under.
pub const PRIMARY: &str = "primary";

/// A running process.
struct Process {
    node: Node,
    born: u64,
    started: bool,
    /// The heap entry armed for the node's deadline.
    armed: u64,
    /// Connection and end of each link, by the link's number.
    links: Vec<(usize, usize)>,
    dials: Vec<(SocketAddr, Option<NodeId>)>,
    standing: Standing,
    /// The last committed entry a checker has seen of this life.
    seen: LogIndex,
}

/// A crash to come.
#[derive(Clone, Copy, Debug)]
struct Doom {
    moment: Moment,
    torn: bool,
    restart_after_ms: Option<u64>,
}

/// A machine: it keeps its disk when its process ends.
struct Host {
    id: NodeId,
    config: ValidConfig,
    seed: Seed,
    process: Option<Process>,
    life: u64,
    disk: Disk,
    doom: Option<Doom>,
    paused: bool,
    pauses: u64,
    backlog: Vec<Due>,
    commands: Vec<(Ticket, Command)>,
    slow_sync_ns: u64,
    slow_spells: u64,
}

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
    latency_spells: u64,
    network: Random,
    disks: Random,
    workload: Workload,
    checkers: Checkers,
    violation: Option<Violation>,
    trace: Trace,
    timeline: Timeline,
    totals: Totals,
    actions: Vec<Action>,
    touched: Vec<(usize, usize)>,
    scratch: Vec<u8>,
    primary: RoleName,
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
            queue.push(strike.at_ms * 1_000_000, Due::Fault(index));
        }
        queue.push(plan.heal_ms * 1_000_000, Due::HealAll);
        queue.push(LOOK_NS, Due::Look);
        let workload = Workload::new(plan.workload, seed.stream(Stream::Workload));
        for client in 0..workload.len() {
            queue.push(
                1_000_000_000 + client as u64 * 7_000_000,
                Due::Client { client, turn: 0 },
            );
        }
        World {
            now: 0,
            queue,
            ways: Ways::new(hosts.len(), plan.network),
            plan: plan.clone(),
            hosts,
            conns: Vec::new(),
            latency_spells: 0,
            network: seed.stream(Stream::Network),
            disks: seed.stream(Stream::Disk),
            workload,
            checkers: Checkers::default(),
            violation: None,
            trace: Trace::default(),
            timeline: Timeline::new(options.timeline),
            totals: Totals::default(),
            actions: Vec::new(),
            touched: Vec::new(),
            scratch: Vec::new(),
            primary: name(PRIMARY),
        }
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
            Due::Resume { host, pause } => self.on_resume(host, pause),
            Due::Calm { host, spell } => self.on_calm(host, spell),
            Due::Client { client, turn } => self.on_client(client, turn),
            Due::HealAll => self.on_heal_all(),
            Due::Look => self.on_look(),
        }
    }

    /// The end: the last checks, and what the run came to.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if self.violation.is_none() {
            self.check_acknowledged();
        }
        self.totals.simulated_ns = self.now;
        self.totals.acknowledged = self.checkers.acknowledged_survive.count();
        self.totals.leaders = self.checkers.one_leader_per_term.terms();
        self.totals.converged_after_ns = self.checkers.membership_converges.converged_after();
        self.totals.progress_after_ns = self.checkers.progress.acknowledged_after();
        Report::new(
            &self.plan,
            self.trace.hash(),
            self.violation,
            self.totals,
            self.timeline,
        )
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
            | Due::Resume { .. }
            | Due::Calm { .. }
            | Due::Client { .. }
            | Due::HealAll
            | Due::Look => None,
        }
    }

    fn is_life(&self, host: usize, life: u64) -> bool {
        self.hosts[host].process.is_some() && self.hosts[host].life == life
    }

    fn demand(&mut self, checker: &'static str, verdict: Verdict) {
        if let (Err(what), None) = (verdict, &self.violation) {
            self.timeline
                .line(self.now, None, format_args!("VIOLATION {checker}: {what}"));
            self.violation = Some(Violation {
                checker,
                at_ns: self.now,
                what,
            });
        }
    }

    /// Starts a process from what its disk holds.
    fn start(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.life += 1;
        let found = match host.disk.recover() {
            Ok(found) => found,
            Err(corrupt) => return self.demand("disk", Err(corrupt.to_string())),
        };
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
        self.timeline.line(
            self.now,
            Some(id),
            format_args!("process starts (life {life})"),
        );
        if let (term, Some(to)) = vote {
            let verdict = self.checkers.one_vote_per_term.voted(id, term, to);
            self.demand("one_vote_per_term", verdict);
        }
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
        for vote in votes {
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
        let nanos = self
            .disks
            .within(disk.sync_us_min * 1_000..=disk.sync_us_max * 1_000);
        let (life, slow) = (self.hosts[index].life, self.hosts[index].slow_sync_ns);
        self.queue
            .push(self.now + nanos + slow, Due::Synced { host: index, life });
    }

    /// The only place where a node is stepped.
    fn step(&mut self, index: usize, event: Event) {
        let now = self.now;
        let host = &mut self.hosts[index];
        let Some(process) = host.process.as_mut() else {
            return;
        };
        let mut actions = std::mem::take(&mut self.actions);
        self.totals.events += 1;
        self.trace.step(now, host.id.0, &event);
        process
            .node
            .step(Time(now - process.born), event, &mut actions);
        self.trace.actions(&actions);
        self.totals.actions += actions.len() as u64;
        let verdict = self.checkers.event_rate.stepped(now, index);
        self.demand("event_rate", verdict);
        self.demand("actions_per_step", actions_per_step::check(actions.len()));
        self.observe(index, &actions);
        let life = self.hosts[index].life;
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

    /// Shows the checkers what a step has changed.
    fn observe(&mut self, index: usize, actions: &[Action]) {
        let host = &mut self.hosts[index];
        let (id, Some(process)) = (host.id, host.process.as_mut()) else {
            return;
        };
        let view = process.node.view();
        let raft = view.raft();
        let mut verdicts: [(&'static str, Verdict); 5] = [
            ("one_leader_per_term", Ok(())),
            ("log_matching", Ok(())),
            ("applied_agree", Ok(())),
            ("no_stale_epoch_write", Ok(())),
            ("one_vote_per_term", Ok(())),
        ];
        let standing = raft.standing();
        if standing != process.standing {
            process.standing = standing;
            if standing.role == Role::Leader {
                verdicts[0].1 = self.checkers.one_leader_per_term.leads(id, standing.term);
            }
        }
        for action in actions {
            if let Some((term, to)) = vote_sent(action) {
                let verdict = self.checkers.one_vote_per_term.voted(id, term, to);
                verdicts[4].1 = std::mem::replace(&mut verdicts[4].1, Ok(())).and(verdict);
            }
            for entry in entries_written(action) {
                let before = LogIndex(entry.index.0.saturating_sub(1));
                let before = raft.entry(before).map_or(Term(0), |entry| entry.term);
                let verdict = self.checkers.log_matching.wrote(id, entry, before);
                verdicts[1].1 = std::mem::replace(&mut verdicts[1].1, Ok(())).and(verdict);
            }
        }
        let commit = raft.commit();
        while process.seen < commit {
            process.seen = process.seen.next();
            let Some(entry) = raft.entry(process.seen) else {
                break;
            };
            match self.checkers.applied_agree.applied(id, entry) {
                Ok(true) => {
                    let envelope = codec::decode::<Envelope>(&entry.data).ok();
                    self.checkers
                        .no_stale_epoch_write
                        .apply(entry.index, envelope.as_ref());
                }
                Ok(false) => {}
                Err(what) => verdicts[2].1 = Err(what),
            }
            if process.seen == commit {
                let state = view.control().state();
                verdicts[3].1 = self.checkers.no_stale_epoch_write.compare(id, state);
            }
        }
        for (checker, verdict) in verdicts {
            self.demand(checker, verdict);
        }
    }

    /// Does what a node wants done; true if it must crash before anything else.
    fn perform(&mut self, index: usize, life: u64, action: Action) -> bool {
        match action {
            Action::Send {
                link,
                priority,
                message,
                ..
            } => {
                self.submit(index, link, priority, &message);
            }
            Action::Dial { address, expected } => self.dial(index, address, expected),
            Action::Hangup { link } => self.hang_up(index, link),
            Action::Persist { lsn, record } => {
                self.hosts[index].disk.append(lsn, &record);
                let is_vote = crate::disk::vote_of(&record).is_some();
                return self.count_down(index, |moment| match moment {
                    Moment::Persist(_) => true,
                    Moment::Vote(_) => is_vote,
                    Moment::Now | Moment::Synced(_) => false,
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
                let id = self.hosts[index].id;
                timeline::notice(&mut self.timeline, self.now, id, &notice);
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

    /// The checkers that look at the whole, now and then.
    fn on_look(&mut self) {
        self.queue.push(self.now + LOOK_NS, Due::Look);
        for index in 0..self.hosts.len() {
            let is_lonely = self.is_lonely_leader(index);
            let id = self.hosts[index].id;
            let verdict = self
                .checkers
                .leader_steps_down
                .look(self.now, id, is_lonely);
            self.demand("leader_steps_down", verdict);
        }
        let heal = self.plan.heal_ms * 1_000_000;
        if self.now < heal {
            return;
        }
        let since = self.now - heal;
        let verdict = self.checkers.progress.look(since);
        self.demand("progress", verdict);
        let live = || self.hosts.iter().filter_map(|host| host.process.as_ref());
        let truth: BTreeSet<Peer> = live().map(|process| process.node.view().me()).collect();
        let views = live().map(|process| {
            let view = process.node.view();
            let members = view.membership().members();
            let alive = members.filter(|member| member.state == State::Alive);
            (
                view.me(),
                alive.map(quorate_core::membership::Member::peer).collect(),
            )
        });
        let verdict = self
            .checkers
            .membership_converges
            .look(since, &truth, views);
        self.demand("membership_converges", verdict);
    }

    /// Leads, and no majority of the voters is there with a way to it and back.
    fn is_lonely_leader(&self, index: usize) -> bool {
        let host = &self.hosts[index];
        let leads = |process: &Process| process.standing.role == Role::Leader;
        if host.paused || !host.process.as_ref().is_some_and(leads) {
            return false;
        }
        let voters = usize::try_from(self.plan.voters).unwrap_or(usize::MAX);
        let reachable = self
            .hosts
            .iter()
            .take(voters)
            .enumerate()
            .filter(|(other, host)| {
                let is_up = host.process.as_ref().is_some_and(|process| process.started);
                let is_cut = self.ways.is_cut(index, *other) || self.ways.is_cut(*other, index);
                is_up && !host.paused && !is_cut
            });
        2 * reachable.count() <= voters
    }

    fn check_acknowledged(&mut self) {
        for index in 0..self.hosts.len() {
            let Some(process) = self.hosts[index].process.as_ref() else {
                continue;
            };
            let raft = process.node.view().raft();
            let verdict = self
                .checkers
                .acknowledged_survive
                .check(self.hosts[index].id, |at| {
                    let entry = raft.entry(at).filter(|_| at <= raft.commit())?;
                    codec::decode(&entry.data).ok()
                });
            self.demand("acknowledged_survive", verdict);
        }
    }
}

fn host(plan: &Plan, seed: &Seed, node: u64) -> Host {
    let last = u8::try_from(node).unwrap_or(u8::MAX);
    let address = SocketAddr::from(([10, 0, 0, last], 7000));
    let mut config = Config::lan(cluster(), NodeId(node), address);
    config.voters = (1..=plan.voters).map(NodeId).collect();
    config.roles = vec![
        RoleSpec {
            name: name(PRIMARY),
            placement: Placement::Leader,
        },
        RoleSpec {
            name: name("archive"),
            placement: Placement::Voter,
        },
    ];
    let config = match config.validate() {
        Ok(config) => config,
        Err(error) => panic!("the simulated configuration is valid: {error}"),
    };
    Host {
        id: NodeId(node),
        config,
        seed: seed.part(node),
        process: None,
        life: 0,
        disk: Disk::default(),
        doom: None,
        paused: false,
        pauses: 0,
        backlog: Vec::new(),
        commands: Vec::new(),
        slow_sync_ns: 0,
        slow_spells: 0,
    }
}

fn cluster() -> ClusterId {
    match ClusterId::new("sim") {
        Ok(cluster) => cluster,
        Err(error) => panic!("a constant: {error}"),
    }
}

fn name(text: &str) -> RoleName {
    match RoleName::new(text) {
        Ok(name) => name,
        Err(error) => panic!("a constant: {error}"),
    }
}

/// The vote that leaves with an action.
fn vote_sent(action: &Action) -> Option<(Term, NodeId)> {
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

#[cfg(feature = "mutants")]
fn plant(node: &mut Node, mutant: Option<&str>) {
    if let Some(mutant) = mutant.and_then(crate::soak::mutant) {
        node.plant(mutant);
    }
}

#[cfg(not(feature = "mutants"))]
fn plant(node: &mut Node, mutant: Option<&str>) {
    let _ = (node, mutant);
}

/// The link's number as an index.
fn slot(link: LinkId) -> usize {
    usize::try_from(link.0).unwrap_or(usize::MAX)
}
