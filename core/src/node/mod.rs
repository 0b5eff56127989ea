//! The node: every subsystem composed into one machine.

mod admission;
mod batch;
mod cascade;
mod claims;
mod command;
pub mod config;
mod hints;
mod level;
mod links;
mod log;
mod problems;
mod rebuild;
mod recover;
mod view;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub use command::{Answer, Command, Quorum, Refusal, Status};
pub use config::{Config, ConfigError, Problem, VOTERS_MAX, ValidConfig};
pub use links::{OUTBOX_AGE, OUTBOX_MAX};
pub use view::View;

use self::admission::Admission;
use self::batch::Batch;
use self::cascade::{Held, Work};
use self::claims::{Arrival, Claims};
use self::links::Links;
use crate::balance::{Balance, Snapshot};
use crate::control::{self, Control};
use crate::durable::Record;
use crate::durable::gate::Gate;
use crate::electorate::{self, Electorate};
use crate::failover::{self, Failover};
use crate::gossip::{self, Gossip};
use crate::health::{self, Health};
use crate::id::{LinkId, Lsn, NodeId, Peer, Ticket};
use crate::level::Unfit;
use crate::membership::{self, Membership};
use crate::mutant::{Mutant, Planted};
use crate::notice::Notice;
use crate::raft::{self, Raft};
use crate::time::{Deadline, Time, Wake};
use crate::transport::Priority;
use crate::wire::Message;

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Time has passed.
    Tick,
    /// A connection is authenticated and its hellos are exchanged.
    LinkUp {
        /// The connection.
        link: LinkId,
        /// The other end, as its certificate and hello say.
        peer: Peer,
        /// Where the other end listens: the address dialled, or the one in its hello.
        address: SocketAddr,
        /// True when this node dialled.
        dialed: bool,
    },
    /// A connection is gone, for whatever reason; also after a `Hangup`.
    LinkDown {
        /// The connection.
        link: LinkId,
    },
    /// A `Dial` came to nothing.
    DialFailed {
        /// The address.
        address: SocketAddr,
    },
    /// A message arrived.
    Received {
        /// Over which connection.
        link: LinkId,
        /// The message.
        message: Message,
    },
    /// All records up to this one are durable.
    Persisted(Lsn),
    /// The disk has not confirmed anything for too long.
    DiskStalled,
    /// The host asks for something.
    Command {
        /// Under which the answer comes.
        ticket: Ticket,
        /// What.
        command: Command,
    },
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send over a connection that is up. May be lost.
    Send {
        /// The connection.
        link: LinkId,
        /// The other end, for the trace.
        to: NodeId,
        /// The class.
        priority: Priority,
        /// The message.
        message: Message,
    },
    /// Connect; ends in `LinkUp` or `DialFailed`.
    Dial {
        /// Where.
        address: SocketAddr,
        /// Who must answer, if known.
        expected: Option<NodeId>,
    },
    /// Close a connection; ends in `LinkDown`.
    Hangup {
        /// Which.
        link: LinkId,
    },
    /// Append a record to the log and make it durable; ends in `Persisted`. Records come in order,
    /// and several may be made durable together. After a failure the node must be stopped for good.
    Persist {
        /// Its number.
        lsn: Lsn,
        /// The record.
        record: Record,
    },
    /// Answer the host.
    Reply {
        /// The command's ticket.
        ticket: Ticket,
        /// The answer.
        answer: Result<Answer, Refusal>,
    },
    /// Replace the routing table.
    PublishRoutes(Arc<Snapshot>),
    /// Log.
    Notify(Notice),
    /// Stop for good, as after a failure of the disk: this build does not know the feature level in
    /// force, and would misread what follows. The node does nothing any more.
    Halt(Unfit),
}

/// The state machine of one cluster node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    config: ValidConfig,
    me: Peer,
    /// The latest moment seen: time never runs backwards, whatever the driver passes in.
    now: Time,
    /// The own boot record is written; durable as well once `started`.
    recorded: bool,
    started: bool,
    membership: Membership,
    gossip: Gossip,
    health: Health,
    raft: Raft,
    control: Control,
    failover: Failover,
    electorate: Electorate,
    balance: Balance,
    routes_changed: bool,
    links: Links,
    claims: Claims,
    admission: Admission,
    gate: Gate<Held>,
    batch: Batch,
    planted: Planted,
    /// Commands that came before the node may speak.
    early: Vec<(Ticket, Command)>,
    joining: Option<(Ticket, Vec<SocketAddr>)>,
    leaving: Option<Ticket>,
    transferring: Option<Ticket>,
    /// Reads that wait to be confirmed, and what they read.
    reading: BTreeMap<Ticket, String>,
    /// While this node is rebuilt: when it asks next to lose its vote; `None` while an answer is
    /// awaited.
    asks_at: Option<Time>,
    /// Why it does nothing any more.
    halted: Option<Unfit>,
}

impl Node {
    /// Total: never fails, never panics on a peer's input. Appends to `actions`.
    pub fn step(&mut self, now: Time, event: Event, actions: &mut Vec<Action>) {
        if let Some(unfit) = self.halted {
            // A state that it cannot work with was there at the start.
            if !core::mem::replace(&mut self.recorded, true) {
                actions.push(Action::Halt(unfit));
            }
            return;
        }
        self.now = self.now.max(now);
        let now = self.now;
        if !self.recorded {
            self.recorded = true;
            let (lsn, record) = (self.gate.write(), Record::Boot { boot: self.me.boot });
            actions.push(Action::Persist { lsn, record });
            self.gate.hold(Held::Start);
            if self.planted.is(Mutant::SpeaksBeforeBoot) {
                self.gate.persisted(lsn);
                self.cascade(now, Work::Release, actions);
            }
        }
        match event {
            Event::Tick => self.on_tick(now, actions),
            Event::LinkUp {
                link,
                peer,
                address,
                dialed,
            } => {
                let arrival = Arrival {
                    link,
                    peer,
                    address,
                    dialed,
                };
                self.on_arrival(now, arrival, actions);
            }
            Event::LinkDown { link } => {
                self.on_door_closed(link);
                self.cascade(now, Work::Links(links::Input::Down { link }), actions);
            }
            Event::DialFailed { address } => {
                self.cascade(
                    now,
                    Work::Links(links::Input::DialFailed { address }),
                    actions,
                );
                let failed = membership::Input::DialFailed { address };
                self.cascade(now, Work::Membership(failed), actions);
                let failed = health::Input::DialFailed(address);
                self.cascade(now, Work::Health(failed), actions);
                self.on_nobody_there(now, address, actions);
            }
            Event::Received { link, message } => self.on_received(now, link, message, actions),
            Event::Persisted(lsn) => {
                self.gate.persisted(lsn);
                self.cascade(now, Work::Release, actions);
                if self.started {
                    self.run_early(now, actions);
                }
            }
            Event::DiskStalled => {
                actions.push(Action::Notify(Notice::DiskStalled));
                self.cascade(now, Work::Raft(raft::Input::DiskStalled), actions);
            }
            Event::Command { ticket, command } if self.started => {
                self.on_command(now, ticket, command, actions);
            }
            Event::Command { ticket, command } => self.early.push((ticket, command)),
        }
    }

    /// When to be stepped with [`Event::Tick`] at the latest. That is at once while writes wait to
    /// go into the log together: as soon as no other event is ready.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        if !self.recorded {
            return Some(Deadline {
                at: self.now,
                why: Wake::Start,
            });
        }
        if !self.started || self.halted.is_some() {
            return None;
        }
        let consensus = Deadline::earliest(self.raft.deadline(), self.control.deadline());
        let placement = Deadline::earliest(self.failover.deadline(), self.electorate.deadline());
        let members = Deadline::earliest(self.membership.deadline(), placement);
        let first = Deadline::earliest(consensus, members);
        let hints = Deadline::earliest(self.gossip.deadline(), self.health.deadline());
        let door = Deadline::earliest(self.claims.deadline(), self.admission.deadline());
        let door = Deadline::earliest(self.batch.deadline(), door);
        Deadline::earliest(Deadline::earliest(first, hints), door)
    }

    /// Read-only getters.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    fn on_tick(&mut self, now: Time, actions: &mut Vec<Action>) {
        if !self.started {
            return;
        }
        let due = |deadline: Option<Deadline>| deadline.is_some_and(|d| d.at <= now);
        if due(self.raft.deadline()) {
            self.cascade(now, Work::Raft(raft::Input::Tick), actions);
        }
        if due(self.membership.deadline()) {
            self.cascade(now, Work::Membership(membership::Input::Tick), actions);
        }
        if due(self.gossip.deadline()) {
            self.cascade(now, Work::Gossip(gossip::Input::Tick), actions);
        }
        if due(self.health.deadline()) {
            self.cascade(now, Work::Health(health::Input::Tick), actions);
        }
        if due(self.control.deadline()) {
            self.cascade(now, Work::Control(control::Input::Tick), actions);
        }
        if due(self.electorate.deadline()) {
            self.cascade(now, Work::Electorate(electorate::Input::Tick), actions);
        }
        if due(self.failover.deadline()) {
            self.cascade(now, Work::Failover(failover::Input::Tick), actions);
        }
        self.on_claim_timer(now, actions);
        self.on_adding_timer(now, actions);
        if let Some(proposals) = self.batch.take() {
            self.cascade(now, Work::Raft(proposals), actions);
        }
    }

    fn on_received(
        &mut self,
        now: Time,
        link: LinkId,
        message: Message,
        actions: &mut Vec<Action>,
    ) {
        if self.is_kept(now, link, &message, actions) {
            return;
        }
        // Who speaks is known from the connection, never from the message.
        let Some(from) = self.links.node(link) else {
            return;
        };
        let work = match message {
            Message::Membership(message) => {
                Work::Membership(membership::Input::Received { from, message })
            }
            Message::Raft(message) => Work::Raft(raft::Input::Received { from, message }),
            Message::Control(message) => Work::Control(control::Input::Received { from, message }),
            Message::Gossip(message) => Work::Gossip(gossip::Input::Received { from, message }),
        };
        self.cascade(now, work, actions);
    }

    fn run_early(&mut self, now: Time, actions: &mut Vec<Action>) {
        for (ticket, command) in core::mem::take(&mut self.early) {
            self.on_command(now, ticket, command, actions);
        }
    }

    fn on_command(
        &mut self,
        now: Time,
        ticket: Ticket,
        command: Command,
        actions: &mut Vec<Action>,
    ) {
        let answer = match command {
            Command::Join { seeds } if self.joining.is_none() => {
                self.joining = Some((ticket, seeds.clone()));
                // After a leave it speaks again.
                self.cascade(now, Work::Gossip(gossip::Input::Started), actions);
                let join = membership::Input::Join { seeds };
                return self.cascade(now, Work::Membership(join), actions);
            }
            Command::Leave if self.leaving.is_none() => {
                self.leaving = Some(ticket);
                self.cascade(now, Work::Gossip(gossip::Input::Leaving), actions);
                return self.cascade(now, Work::Membership(membership::Input::Leave), actions);
            }
            Command::TransferLeadership { to } if self.transferring.is_none() => {
                self.transferring = Some(ticket);
                let transfer = raft::Input::Transfer { to };
                return self.cascade(now, Work::Raft(transfer), actions);
            }
            Command::Join { .. } | Command::Leave | Command::TransferLeadership { .. } => {
                Err(Refusal::Pending)
            }
            Command::Propose { request, command } => match command.check() {
                Ok(()) => {
                    let propose = control::Input::Propose {
                        ticket,
                        request,
                        command,
                    };
                    return self.cascade(now, Work::Control(propose), actions);
                }
                Err(refused) => Err(Refusal::Invalid(refused)),
            },
            Command::Discovered { source, addresses } => {
                let found = membership::Input::Discovered { source, addresses };
                self.cascade(now, Work::Membership(found), actions);
                Ok(Answer::Noted)
            }
            Command::AddNode { node, address } => {
                return self.on_add_node(now, ticket, node, address, actions);
            }
            Command::Members => Ok(Answer::Members(self.membership.members().collect())),
            Command::Status => Ok(Answer::Status(self.view().status())),
            Command::SetState { key, value } => self
                .write_state(now, actions, |gossip, out| gossip.set(now, key, value, out))
                .map(|version| Answer::StateSet { version }),
            Command::DeleteState { key } => self
                .write_state(now, actions, |gossip, out| gossip.delete(now, &key, out))
                .map(|existed| Answer::StateDeleted { existed }),
            Command::ReadState { of, prefix } => Ok(Answer::State(self.read_state(of, &prefix))),
            Command::Partition => Ok(Answer::Partition(self.health.status().clone())),
            Command::Quorum => Ok(Answer::Quorum(self.judge_quorum())),
            Command::ReadLatest { key } => {
                return self.on_read_latest(now, ticket, key, actions);
            }
            Command::Role { role } => Ok(Answer::Role(self.control.state().role(&role))),
            Command::Read { key } => Ok(Answer::Register(
                self.control.state().register(&key).cloned(),
            )),
        };
        actions.push(Action::Reply { ticket, answer });
    }
}

#[cfg(feature = "mutants")]
impl Node {
    /// Plants a bug that the simulator must find.
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = mutant.into();
        self.gate.planted = self.planted;
        self.raft.planted = self.planted;
        self.membership.planted = self.planted;
        self.gossip.planted = self.planted;
        self.health.planted = self.planted;
        self.control.plant(self.planted);
        self.failover.planted = self.planted;
        self.links.planted = self.planted;
    }
}
