//! Membership and failure detection: SWIM (Das, Gupta, Motivala 2002) with refutation,
//! dissemination by piggyback, join and leave, all of Lifeguard (local health, nacks, dogpile
//! suspicion, buddy), repair of what dissemination missed, and guaranteed healing of partitions.
//!
//! What it says is a hint: nothing destructive may follow from it alone.
//!
//! Invariants: I1 nothing is sent before [`Input::Started`]. I2 facts about one node alternate (see
//! [`Fact`]). I3 the cost of a step does not grow with the size of the cluster, except for a full
//! exchange. I4 every collection a peer can grow is bounded. I5 any partition re-merges, however
//! long it lasted. Each file states its own share of these.
//!
//! Deliberately absent: user broadcasts and metadata (they are the business of a gossip plane of
//! its own), and signed updates (connections are authenticated; one member's word against another
//! is an accusation, never a verdict).

mod barred;
mod broadcast;
mod config;
mod exchange;
mod fact;
mod health;
mod lifecycle;
mod merge;
mod message;
mod place;
mod probation;
mod probe;
mod rejoin;
mod relay;
mod suspicion;
mod sweep;
mod sync;
mod table;
mod views;

#[cfg(test)]
mod tests;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub use config::{Config, Lifeguard};
pub use fact::{Fact, Notice, PeerFault};
pub use message::{
    Ack, Differ, Evidence, Gossip, Join, Message, Nack, PARTS, Ping, PingReq, Reason, State, Sync,
    TurnedAway, UPDATES_MAX, Update, WITNESSES_MAX, Welcome,
};
use serde::{Deserialize, Serialize};

use broadcast::Queue;
use exchange::Early;
use health::Health;
use lifecycle::Standing;
use probation::Probation;
use probe::Prober;
pub use rejoin::DISCOVERED_MAX;
use rejoin::Rejoin;
use relay::Relays;
use suspicion::Suspicions;
use sync::Comparison;
use table::Table;
pub use views::View;
use views::Views;

use crate::id::{Incarnation, NodeId, Peer, Zone};
use crate::level::{Level, LevelRange, Unfit};
use crate::mutant::Planted;
use crate::seed::Random;
use crate::time::{Deadline, Time, Timer, Wake};

/// The most members one node knows, dead and left ones included. Bounds what peers can make it
/// remember.
pub const MEMBERS_MAX: usize = 16_384;

/// Who this node is, to the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Me {
    /// Its id.
    pub node: NodeId,
    /// Where the others reach it.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// It votes without holding data of the application.
    pub is_witness: bool,
    /// Which feature levels its build knows.
    pub levels: LevelRange,
}

impl Me {
    fn member(&self, incarnation: Incarnation, state: State) -> Member {
        Member {
            node: self.node,
            incarnation,
            state,
            address: self.address,
            zone: self.zone.clone(),
            is_witness: self.is_witness,
            levels: self.levels,
        }
    }
}

/// A member as this node believes it to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its life and refutation.
    pub incarnation: Incarnation,
    /// What is believed of it.
    pub state: State,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// It votes without holding data of the application: no role and no request goes there.
    pub is_witness: bool,
    /// Which feature levels its build knows.
    pub levels: LevelRange,
}

impl Member {
    /// The life this member is in.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            node: self.node,
            boot: self.incarnation.boot(),
        }
    }
}

/// What membership is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The own boot record is durable: probing, gossip and joining may begin. Until then nothing is
    /// sent.
    Started,
    /// A message over an authenticated connection.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// A connection is up. The side that dialled opens a full exchange.
    LinkUp {
        /// The other end.
        peer: Peer,
        /// Its address as dialled, or as it announced itself.
        address: SocketAddr,
        /// True when this side dialled.
        dialed: bool,
    },
    /// The last connection to a node is gone. No verdict by itself: the next probe decides.
    LinkDown {
        /// The other end.
        node: NodeId,
    },
    /// Nobody answered at an address.
    DialFailed {
        /// The address.
        address: SocketAddr,
    },
    /// Reach a cluster through these addresses and keep trying for ever.
    Join {
        /// Addresses of members.
        seeds: Vec<SocketAddr>,
    },
    /// Tell everyone and stop; the answer comes when it is spread or `leave_timeout` passed.
    Leave,
    /// Reach a node at this address and keep trying for ever, as for a seed; nobody waits for it.
    Seek {
        /// Where it listens.
        address: SocketAddr,
    },
    /// What a source of addresses knows now, in place of what it knew before: seeds, as for `Seek`.
    /// At most [`DISCOVERED_MAX`] are kept.
    Discovered {
        /// Which source; the host numbers them.
        source: u32,
        /// Where members may listen.
        addresses: Vec<SocketAddr>,
    },
    /// The control log lets none of these nodes be members, and all others.
    Bar(BTreeSet<NodeId>),
    /// The feature level in force: nobody is a member whose build does not know it.
    Level(Level),
}

/// What membership wants done, and the facts it has learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send to a node; may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Connect to an address nobody is known at yet.
    Dial {
        /// The address.
        address: SocketAddr,
    },
    /// The member list changed.
    Fact(Fact),
    /// What came of the changes since the last view.
    View(View),
    /// A node is no member, because its build does not know the feature level in force.
    Unfit {
        /// Which.
        node: NodeId,
        /// Why.
        unfit: Unfit,
    },
    /// The pending `Join` ended.
    Joined(JoinEnd),
    /// The pending `Leave` is spread, or its time is over.
    LeaveDone,
    /// Something an operator may want to know.
    Note(Notice),
}

/// How a `Join` ended. Whatever it was, the seeds are tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinEnd {
    /// Some member welcomed us.
    Welcomed,
    /// Nobody answered in time, or a `Leave` came first.
    NobodyAnswered,
    /// A member does not let us in.
    TurnedAway(Reason),
}

/// Counters; plain numbers, read by the metrics of the adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Probes sent.
    pub pings: u64,
    /// Probes answered in time, directly or through a relay.
    pub acks: u64,
    /// Probes that only a relay's answer saved.
    pub indirect_acks: u64,
    /// Times a relay said that it heard nothing either.
    pub nacks: u64,
    /// Suspicions started, by anyone.
    pub suspicions: u64,
    /// Accusations against this node that it refuted.
    pub refutations: u64,
    /// Probes that failed directly and through every relay.
    pub failed_pings: u64,
    /// Messages sent that carried updates.
    pub gossip_sent: u64,
    /// Messages received that carried updates.
    pub gossip_received: u64,
    /// Comparisons of tables opened, because two answers in a row showed unlike ones.
    pub syncs: u64,
    /// Facts announced.
    pub changes: u64,
}

/// The membership machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    config: Config,
    me: Me,
    incarnation: Incarnation,
    random: Random,
    pub(crate) planted: Planted,
    stats: Stats,
    standing: Standing,
    was_started: bool,
    table: Table,
    queue: Queue,
    gossip_timer: Timer,
    prober: Prober,
    relays: Relays,
    suspicions: Suspicions,
    health: Health,
    probation: Probation,
    comparison: Comparison,
    rejoin: Rejoin,
    join_timer: Timer,
    leave_timer: Timer,
    /// Seeds given before the start.
    seeds_at_start: Vec<SocketAddr>,
    early: Early,
    /// Whose answer makes us known to a cluster: what it tells is no news to anyone else.
    newcomer_of: Option<NodeId>,
    stranger_allowed_at: Time,
    /// The nodes that the control log has removed.
    barred: BTreeSet<NodeId>,
    /// The feature level in force.
    level: Level,
    views: Views,
}

impl Membership {
    /// A machine that knows only itself and waits for [`Input::Started`].
    #[must_use]
    pub fn new(config: Config, me: Me, incarnation: Incarnation, random: Random) -> Membership {
        let table = Table::new(me.member(incarnation, State::Alive), config.tombstones_max);
        let health = Health::new(config.lifeguard.health_max);
        Membership {
            config,
            me,
            incarnation,
            random,
            stats: Stats::default(),
            planted: Planted::default(),
            standing: Standing::Waiting,
            was_started: false,
            table,
            queue: Queue::default(),
            gossip_timer: Timer::stopped(),
            prober: Prober::new(incarnation),
            relays: Relays::default(),
            suspicions: Suspicions::default(),
            health,
            probation: Probation::default(),
            comparison: Comparison::default(),
            rejoin: Rejoin::new(),
            join_timer: Timer::stopped(),
            leave_timer: Timer::stopped(),
            seeds_at_start: Vec::new(),
            early: Early::default(),
            newcomer_of: None,
            stranger_allowed_at: Time::ZERO,
            barred: BTreeSet::new(),
            level: Level::FIRST,
            views: Views::default(),
        }
    }

    /// The one verb. What is due is done on every input, but after it: an answer that arrives
    /// together with its timeout counts.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        let before = out.len();
        self.forgive_lateness(now);
        match input {
            Input::Tick => {}
            Input::Started => self.on_started(out),
            Input::Received { from, message } => self.on_received(now, from, message, out),
            Input::LinkUp {
                peer,
                address,
                dialed,
            } => self.on_link_up(now, peer, address, dialed, out),
            Input::LinkDown { node } => self.on_link_down(now, node),
            // The rejoin timer tries again; a failed dial says nothing about a member.
            Input::DialFailed { address: _ } => {}
            Input::Join { seeds } => self.on_join_command(now, &seeds, out),
            Input::Leave => self.on_leave_command(now, out),
            Input::Seek { address } => self.on_seek(address, out),
            Input::Discovered { source, addresses } => self.on_discovered(source, &addresses, out),
            Input::Bar(barred) => self.on_bar(now, barred, out),
            Input::Level(level) => self.on_level(now, level, out),
        }
        self.on_timers(now, out);
        self.settle_views(now, before, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let mut first = self.lifecycle_deadline();
        first = Deadline::earliest(first, self.view_deadline());
        first = Deadline::earliest(first, self.gossip_timer.deadline(Wake::Gossip));
        if self.standing == Standing::Running {
            first = Deadline::earliest(first, self.prober.deadline());
            first = Deadline::earliest(first, self.relays.deadline());
            first = Deadline::earliest(first, self.suspicions.deadline());
            first = Deadline::earliest(first, self.probation.deadline());
            first = Deadline::earliest(first, self.rejoin.deadline());
        }
        first
    }

    /// Every known member, this node included, by id.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        self.table.members()
    }

    /// How many others are live members, suspects included.
    #[must_use]
    pub fn live_others(&self) -> usize {
        self.table.live().len()
    }

    /// What is believed of one node.
    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<Member> {
        self.table.member(node)
    }

    /// Grows with every change of the member list: while it stays, the list need not be read again.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.table.changes()
    }

    /// This node's current incarnation.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// A number for a ping of the composer's own, so that its answer is told from all others.
    pub(crate) fn next_probe(&mut self) -> u64 {
        self.prober.next_number()
    }

    /// How unwell this node finds itself; 0 is well.
    #[must_use]
    pub fn health(&self) -> u32 {
        self.health.score()
    }

    /// True while this node lets itself be held dead, because it was declared so too often lately.
    #[must_use]
    pub fn is_on_probation(&self) -> bool {
        self.probation.is_waiting()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn on_received(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Output>) {
        if !self.was_started || from == self.me.node {
            return;
        }
        if message.updates().len() > UPDATES_MAX {
            self.report(from, PeerFault::TooManyUpdates, out);
            return;
        }
        if !message.updates().is_empty() {
            self.stats.gossip_received += 1;
        }
        self.probation.on_heard(now, self.config.probe_interval);
        match self.standing {
            Standing::Waiting => {}
            Standing::Running => self.on_message(now, from, message, out),
            Standing::Leaving | Standing::Gone => {
                self.on_received_after_leave(from, &message, out);
            }
        }
    }

    fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Output>) {
        if let Some(unfit) = self.unfit(from, &message) {
            return out.push(Output::Unfit { node: from, unfit });
        }
        match message {
            Message::Ping(ping) => self.on_ping(now, from, ping, out),
            Message::Ack(ack) => self.on_ack(now, from, ack, out),
            Message::PingReq(request) => self.on_ping_req(now, from, request, out),
            Message::Nack(nack) => self.on_nack(now, from, nack, out),
            Message::Join(join) => self.on_join(now, from, join, out),
            Message::Welcome(welcome) => self.on_welcome(now, from, welcome, out),
            Message::Gossip(gossip) => self.on_gossip(now, from, gossip, out),
            Message::Sync(sync) => self.on_sync(now, from, sync, out),
            Message::Differ(differ) => self.on_differ(now, from, differ, out),
            Message::TurnedAway(refusal) => self.on_turned_away(from, refusal.reason, out),
        }
    }

    /// Fires what is due, then arms what is needed.
    fn on_timers(&mut self, now: Time, out: &mut Vec<Output>) {
        self.on_join_timer(now, out);
        if self.standing == Standing::Running {
            self.on_patience_timer(now, out);
            self.on_relay_timer(now, out);
            // A failed probe may confirm a suspicion whose shortened time is over already.
            self.on_period_timer(now, out);
            self.on_suspicion_timer(now, out);
            self.on_probation_timer(now);
            self.on_rejoin_timer(now, out);
        }
        match self.standing {
            Standing::Waiting | Standing::Gone => {}
            Standing::Running => {
                self.on_gossip_timer(now, out);
                self.settle_gossip(now);
                self.settle_probe(now);
                self.settle_rejoin(now);
            }
            Standing::Leaving => {
                self.on_gossip_timer(now, out);
                self.settle_gossip(now);
                self.settle_leave(now, out);
            }
        }
    }

    /// A node that was stopped for a whole probe period cannot tell a silent member from its own
    /// full inbox: it takes back the running probe and gives every suspect its time again.
    fn forgive_lateness(&mut self, now: Time) {
        let due = self.deadline().map_or(now, |deadline| deadline.at);
        if now.since(due) >= self.config.probe_interval {
            self.prober.restart(now);
            self.suspicions.postpone(now, false);
        }
    }
}
