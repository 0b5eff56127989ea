//! A few nodes in one process, a message-level network between them: enough to test the composition
//! without a simulator. Messages take a millisecond, and so does the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use quorate_core::durable::{Durable, Record};
use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, LinkId, Lsn, NodeId, Peer, RoleName, Ticket};
use quorate_core::journal::{Recorder, Start};
use quorate_core::level::{LevelRange, Unfit};
use quorate_core::node::{Action, Answer, Command, Config, Event, Node, Refusal};
use quorate_core::notice::Notice;
use quorate_core::raft;
use quorate_core::seed::Seed;
use quorate_core::time::Time;

/// One way of a message, and of a record to the disk, in milliseconds.
const HOP: u64 = 1;

/// A cluster of recorded nodes.
pub(crate) struct Cluster {
    pub(crate) now: u64,
    pub(crate) nodes: BTreeMap<u64, Recorder>,
    disks: BTreeMap<u64, Vec<(Lsn, Record)>>,
    links: BTreeMap<LinkId, (LinkId, u64)>,
    queue: BTreeMap<(u64, u64), (u64, Event)>,
    counter: u64,
    pub(crate) answers: BTreeMap<Ticket, Result<Answer, Refusal>>,
    pub(crate) notices: Vec<(u64, u64, Notice)>,
    hanging: BTreeSet<u64>,
    /// What the build of nodes that start from now on knows.
    pub(crate) build: LevelRange,
    pub(crate) halted: BTreeMap<u64, Unfit>,
    voters: u64,
    seed: u64,
}

impl Cluster {
    pub(crate) fn new(voters: u64, seed: u64) -> Cluster {
        Cluster::of_build(voters, seed, LevelRange::OURS)
    }

    /// Nodes whose build knows these feature levels.
    pub(crate) fn of_build(voters: u64, seed: u64, build: LevelRange) -> Cluster {
        let mut cluster = Cluster {
            now: 0,
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            links: BTreeMap::new(),
            queue: BTreeMap::new(),
            counter: 0,
            answers: BTreeMap::new(),
            notices: Vec::new(),
            hanging: BTreeSet::new(),
            build,
            halted: BTreeMap::new(),
            voters,
            seed,
        };
        for node in 1..=voters {
            cluster.start(node);
        }
        cluster
    }

    /// Starts a node from what its disk holds.
    pub(crate) fn start(&mut self, node: u64) {
        self.start_as(node, node);
    }

    /// Starts a process under the id of a node; `process` is what the other methods call it.
    pub(crate) fn start_as(&mut self, process: u64, node: u64) {
        let mut config = Config::lan(
            ClusterId::new("test").expect("a name"),
            NodeId(node),
            address(process),
        );
        config.voters = (1..=self.voters).map(NodeId).collect();
        config.levels = self.build;
        config.roles = vec![RoleSpec {
            name: primary(),
            placement: Placement::Leader,
        }];
        let mut durable = Durable::default();
        let disk = self.disks.entry(process).or_default();
        for (_, record) in disk.iter() {
            durable.apply(record.clone());
        }
        let last = disk.last().map_or(Lsn(0), |(lsn, _)| *lsn);
        let config = config.validate().expect("the configuration is valid");
        let (seed, now) = (
            Seed::from_number(self.seed).part(process),
            Time::from_millis(self.now),
        );
        self.nodes.insert(
            process,
            Recorder::new(Start {
                config,
                durable,
                last,
                seed,
                now,
            }),
        );
        self.step(process, Event::Tick);
    }

    /// Kills a node: its unfinished writes and its connections are gone.
    pub(crate) fn kill(&mut self, node: u64) {
        self.nodes.remove(&node);
        self.queue.retain(|_, (to, _)| *to != node);
        let lost: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, (_, to))| *to == node)
            .map(|(link, _)| *link)
            .collect();
        for link in lost {
            self.hang_up(link);
        }
    }

    /// How many entries each record of a node appends that it has written so far.
    #[allow(dead_code)] // Not every suite counts them.
    pub(crate) fn appended(&self, node: u64) -> Vec<usize> {
        let entries = |(_, record): &(Lsn, Record)| {
            let Record::Raft(raft::Record::Append { entries }) = record else {
                return None;
            };
            Some(entries.len())
        };
        self.disks[&node].iter().filter_map(entries).collect()
    }

    /// From now on nothing the node writes becomes durable.
    #[allow(dead_code)] // Not every suite hangs a disk.
    pub(crate) fn hang_disk(&mut self, node: u64) {
        self.hanging.insert(node);
    }

    pub(crate) fn command(&mut self, node: u64, command: Command) -> Ticket {
        self.counter += 1;
        let ticket = Ticket(self.counter);
        self.step(node, Event::Command { ticket, command });
        ticket
    }

    /// Runs until `done`, or panics after `limit` milliseconds.
    pub(crate) fn run_until(
        &mut self,
        limit: u64,
        what: &str,
        mut done: impl FnMut(&Cluster) -> bool,
    ) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.now < end, "{limit} ms are over before {what}");
            self.run_one_milli();
        }
    }

    pub(crate) fn run_for(&mut self, millis: u64) {
        for _ in 0..millis {
            self.run_one_milli();
        }
    }

    pub(crate) fn node(&self, node: u64) -> &Node {
        self.nodes[&node].node()
    }

    /// The leader all running nodes agree on.
    pub(crate) fn leader(&self) -> Option<u64> {
        let known: Vec<_> = self
            .nodes
            .values()
            .map(|n| n.node().view().status())
            .collect();
        let first = known.first()?.leader?;
        let agreed = known.iter().all(|s| s.leader == Some(first));
        (agreed && self.nodes.contains_key(&first.0)).then_some(first.0)
    }

    fn run_one_milli(&mut self) {
        self.now += 1;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (node, event) = entry.remove();
            if let Event::Persisted(_) | Event::LinkUp { .. } = &event {
                assert!(
                    self.nodes.contains_key(&node),
                    "events of dead nodes are dropped"
                );
            }
            self.step(node, event);
        }
        let now = Time::from_millis(self.now);
        let due = |r: &Recorder| r.node().deadline().is_some_and(|d| d.at <= now);
        let ids: Vec<u64> = self
            .nodes
            .iter()
            .filter(|(_, r)| due(r))
            .map(|(id, _)| *id)
            .collect();
        for node in ids {
            self.step(node, Event::Tick);
        }
    }

    fn later(&mut self, node: u64, event: Event) {
        self.counter += 1;
        self.queue
            .insert((self.now + HOP, self.counter), (node, event));
    }

    fn step(&mut self, node: u64, event: Event) {
        let Some(recorder) = self.nodes.get_mut(&node) else {
            return;
        };
        if let Event::Persisted(lsn) = &event {
            let disk = self.disks.entry(node).or_default();
            assert!(
                disk.last().is_none_or(|(last, _)| last >= lsn),
                "written before reported"
            );
        }
        let mut actions = Vec::new();
        recorder.step(Time::from_millis(self.now), event, &mut actions);
        for action in actions {
            self.perform(node, action);
        }
    }

    fn perform(&mut self, node: u64, action: Action) {
        match action {
            Action::Send { link, message, .. } => {
                if let Some((theirs, to)) = self.links.get(&link).copied() {
                    self.later(
                        to,
                        Event::Received {
                            link: theirs,
                            message,
                        },
                    );
                }
            }
            Action::Dial {
                address: to,
                expected: _,
            } => {
                let target = u64::from(to.port() - 7000);
                let up = self
                    .nodes
                    .get(&target)
                    .is_some_and(|n| n.node().view().is_started());
                if up {
                    self.connect(node, target);
                } else {
                    self.later(node, Event::DialFailed { address: to });
                }
            }
            Action::Hangup { link } => self.hang_up(link),
            Action::Persist { .. } if self.hanging.contains(&node) => {}
            Action::Persist { lsn, record } => {
                self.disks.entry(node).or_default().push((lsn, record));
                self.later(node, Event::Persisted(lsn));
            }
            Action::Reply { ticket, answer } => {
                let again = self.answers.insert(ticket, answer);
                assert_eq!(again, None, "each command is answered once");
            }
            Action::PublishRoutes(_) => {}
            Action::Halt(unfit) => {
                self.halted.insert(node, unfit);
            }
            Action::Notify(notice) => self.notices.push((self.now, node, notice)),
        }
    }

    fn connect(&mut self, from: u64, to: u64) {
        self.counter += 2;
        let (ours, theirs) = (LinkId(self.counter), LinkId(self.counter + 1_000_000_000));
        self.links.insert(ours, (theirs, to));
        self.links.insert(theirs, (ours, from));
        let peer = |node: u64| self.nodes[&node].node().view().me();
        let (dialler, target): (Peer, Peer) = (peer(from), peer(to));
        let up = |link, peer, node, dialed| Event::LinkUp {
            link,
            peer,
            address: address(node),
            dialed,
        };
        self.later(from, up(ours, target, to, true));
        self.later(to, up(theirs, dialler, from, false));
    }

    fn hang_up(&mut self, link: LinkId) {
        let Some((theirs, to)) = self.links.remove(&link) else {
            return;
        };
        let Some((_, from)) = self.links.remove(&theirs) else {
            return;
        };
        self.later(from, Event::LinkDown { link });
        self.later(to, Event::LinkDown { link: theirs });
    }
}

pub(crate) fn address(node: u64) -> SocketAddr {
    SocketAddr::from((
        [127, 0, 0, 1],
        7000 + u16::try_from(node).expect("a small id"),
    ))
}

pub(crate) fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}
