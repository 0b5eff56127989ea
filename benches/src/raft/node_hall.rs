//! Our whole nodes without a network and without a disk: what is sent is handed over in order, at
//! once, and what is written is durable when its node has nothing more to do.
//!
//! A proposal is a write to a register, which is forwarded, numbered, applied at every node and
//! answered. The configuration is the preset.

use std::net::SocketAddr;
use std::time::Duration;

use quorate_core::control;
use quorate_core::durable::Durable;
use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, Epoch, LinkId, Lsn, NodeId, Peer, RoleName, Ticket};
use quorate_core::node::{Action, Answer, Command, Config, Event, Node};
use quorate_core::payload::Payload;
use quorate_core::seed::Seed;
use quorate_core::time::Time;

/// Nodes and what is on its way between them. A node calls the link to another by its place.
pub struct NodeHall {
    nodes: Vec<Node>,
    inboxes: Vec<Vec<Event>>,
    written: Vec<Option<Lsn>>,
    actions: Vec<Action>,
    leader: usize,
    epoch: Epoch,
    now: Time,
    tickets: u64,
    answered: u64,
    /// Handed over so far.
    pub messages: u64,
}

fn address(node: usize) -> SocketAddr {
    let port = u16::try_from(node).expect("a small number");
    SocketAddr::from(([127, 0, 0, 1], 7000 + port))
}

fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

fn start(node: usize, nodes: usize) -> Node {
    let cluster = ClusterId::new("bench").expect("a name");
    let mut config = Config::lan(cluster, NodeId(node as u64 + 1), address(node));
    config.voters = (1..=nodes as u64).map(NodeId).collect();
    config.roles = vec![RoleSpec {
        name: primary(),
        placement: Placement::Leader,
    }];
    let config = config.validate().expect("a valid configuration");
    let seed = Seed::from_number(1).part(node as u64);
    Node::recover(config, Durable::default(), Lsn(0), &seed, Time::ZERO)
}

impl NodeHall {
    /// A cluster whose leader holds a role.
    pub fn led(nodes: usize) -> NodeHall {
        let mut hall = NodeHall {
            nodes: (0..nodes).map(|node| start(node, nodes)).collect(),
            inboxes: (0..nodes).map(|_| Vec::new()).collect(),
            written: vec![None; nodes],
            actions: Vec::new(),
            leader: 0,
            epoch: Epoch(0),
            now: Time::ZERO,
            tickets: 0,
            answered: 0,
            messages: 0,
        };
        hall.tick();
        let pairs = (0..nodes).flat_map(|to| (0..to).map(move |from| (from, to)));
        for (from, to) in pairs {
            hall.connect(from, to, true);
            hall.connect(to, from, false);
        }
        while !hall.is_led() {
            hall.now = hall.now + Duration::from_millis(1);
            hall.tick();
        }
        hall.messages = 0;
        hall
    }

    fn connect(&mut self, at: usize, other: usize, dialed: bool) {
        let up = Event::LinkUp {
            link: LinkId(other as u64),
            peer: self.nodes[other].view().me(),
            address: address(other),
            dialed,
        };
        self.step(at, up);
    }

    /// Whether all have applied that a leader holds the role.
    fn is_led(&mut self) -> bool {
        let granted = |node: &Node| -> Option<(Peer, Epoch)> {
            let role = node.view().control().state().role(&primary())?;
            Some((role.holder?, role.epoch))
        };
        let known: Option<Vec<_>> = self.nodes.iter().map(granted).collect();
        let Some(known) = known else { return false };
        let (holder, epoch) = known[0];
        let leader = self
            .nodes
            .iter()
            .position(|node| node.view().me() == holder);
        (self.leader, self.epoch) = (leader.expect("one of them"), epoch);
        known.iter().all(|other| *other == (holder, epoch))
    }

    /// So many proposals, `batch` at a time, each batch until nothing is left to be said.
    pub fn propose(&mut self, count: u64, batch: usize, data: &[u8]) {
        let goal = self.answered + count;
        let mut left = count;
        while left > 0 {
            let now = left.min(batch as u64);
            left -= now;
            for _ in 0..now {
                self.tickets += 1;
                let ticket = Ticket(self.tickets);
                let command = control::Command::Write {
                    role: primary(),
                    epoch: self.epoch,
                    key: "key".into(),
                    value: Payload::copy_from(data),
                };
                let command = Command::Propose {
                    request: None,
                    command,
                };
                self.step(self.leader, Event::Command { ticket, command });
            }
            self.settle();
        }
        assert_eq!(self.answered, goal, "all are applied and answered");
    }

    fn tick(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.step(node, Event::Tick));
        self.settle();
    }

    fn settle(&mut self) {
        let mut is_moving = true;
        while is_moving {
            is_moving = false;
            for node in 0..self.nodes.len() {
                for event in std::mem::take(&mut self.inboxes[node]) {
                    is_moving = true;
                    self.step(node, event);
                }
                let due = self.nodes[node].deadline();
                if due.is_some_and(|due| due.at <= self.now) {
                    is_moving = true;
                    self.step(node, Event::Tick);
                }
                while let Some(lsn) = self.written[node].take() {
                    is_moving = true;
                    self.step(node, Event::Persisted(lsn));
                }
            }
        }
    }

    fn step(&mut self, node: usize, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.nodes[node].step(self.now, event, &mut actions);
        for action in actions.drain(..) {
            self.perform(node, action);
        }
        self.actions = actions;
    }

    fn perform(&mut self, node: usize, action: Action) {
        match action {
            Action::Send { link, message, .. } => {
                self.messages += 1;
                let to = usize::try_from(link.0).expect("a small number");
                let link = LinkId(node as u64);
                self.inboxes[to].push(Event::Received { link, message });
            }
            Action::Persist { lsn, record } => {
                drop(std::hint::black_box(record));
                self.written[node] = Some(lsn);
            }
            Action::Reply { answer, .. } => match answer {
                Ok(Answer::Applied { outcome, .. }) => {
                    outcome.expect("written");
                    self.answered += 1;
                }
                other => unreachable!("{other:?}"),
            },
            Action::Dial { address, .. } => {
                self.inboxes[node].push(Event::DialFailed { address });
            }
            Action::Hangup { link } => unreachable!("{link:?} is the only one"),
            Action::Halt(unfit) => unreachable!("{unfit}"),
            Action::PublishRoutes(_) | Action::Notify(_) => {}
        }
    }
}
