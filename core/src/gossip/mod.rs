//! Gossip: state that every node writes about itself and every node reads, such as its load class,
//! its tags or the tables it serves. Anti-entropy after Demers et al. 1987, reconciled through a
//! tree of sums; fresh writes are told at once, as news.
//!
//! What it says is a hint: each node learns of a write when it does, and nothing destructive may
//! follow from it alone.
//!
//! Invariants: I1 nothing is sent before [`Input::Started`] and after [`Input::Leaving`]. I2 nobody
//! but its owner raises the version of a key; what others claim in a node's name, it overrides. I3
//! a new life of a node begins with nothing; what its old life wrote is dropped as soon as the new
//! one is a member. I4 what a dead or departed node wrote is kept for `departed_retention`, then
//! dropped. I5 every message and every collection a peer can grow is bounded. I6 two nodes that
//! know the same say so in one message of one word, whatever the size of the cluster.
//!
//! What a lying member can do: tell entries in another's name with a version above the owner's.
//! Readers see them until the owner hears of it and overrides them; with the last version there is,
//! until the owner restarts. It cannot make anyone store more than the bounds of `limits`, speak
//! for a life that is not a member, or bring a deleted key back under its old version.
//!
//! Deliberately absent: clocks and times to live (a writer deletes what it no longer means), quorum
//! reads, and signatures (connections are authenticated, members trusted).

mod exchange;
mod limits;
mod message;
mod news;
mod own;
mod roster;
mod state;
mod store;
mod tree;

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub use limits::{
    CLUSTER_BYTES_MAX, ENTRIES_MAX, KEY_BYTES_MAX, NODE_BYTES_MAX, NODE_KEYS_MAX, RESERVED_PREFIX,
    STORED_BYTES_MAX, StateRefused, TOMBSTONES_MAX, VALUE_BYTES_MAX, VERSION_MAX,
};
pub use message::{
    Branches, Change, Children, Delta, Digest, Entry, Holding, Holdings, Message, News, PeerFault,
    Wants,
};
use serde::{Deserialize, Serialize};
pub use tree::Branch;

use exchange::{Parcel, grouped};
use limits::NEWS_BYTES;
use news::Queue;
use roster::Roster;
use state::Shown;
use store::Store;

use crate::fixed::digits;
use crate::id::{NodeId, Peer};
use crate::mutant::Planted;
use crate::payload::Payload;
use crate::seed::Random;
use crate::time::{Deadline, Time, Timer, Wake};

/// News is told `NEWS_FACTOR` × digits(cluster size) times by everyone who hears it.
const NEWS_FACTOR: u32 = 2;
/// After a member has joined, the next digest is due within so long.
const SOON: Duration = Duration::from_secs(1);

/// The knobs of gossip. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time between two exchanges this node opens. Shorter finds missed writes sooner, at one small
    /// message per period.
    pub digest_interval: Duration,
    /// Time between two rounds of news, while there is any.
    pub news_interval: Duration,
    /// Members each round of news tells.
    pub news_fanout: usize,
    /// How long the state of a dead or departed node can still be read.
    pub departed_retention: Duration,
}

/// What gossip is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// The own boot record is durable: it may speak. Also after a leave, when the node returns.
    Started,
    /// The node leaves: it falls silent.
    Leaving,
    /// A life of another node is a live member now.
    Joined(Peer),
    /// It is dead or has left.
    Gone(Peer),
    /// A message over an authenticated connection.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
}

/// What gossip wants done, and what it has learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Send to a node; may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// What can be read changed.
    Fact(Fact),
    /// A peer broke a rule; what it said was ignored.
    PeerFault {
        /// Who said it; not always who made it up.
        from: NodeId,
        /// What was wrong.
        fault: PeerFault,
    },
}

/// A change of what can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// A key shows another value.
    Changed {
        /// Whose key.
        owner: Peer,
        /// Which.
        key: String,
        /// The owner's version of the change.
        version: u64,
        /// The value; `None` when the key is deleted.
        value: Option<Payload>,
    },
    /// All that a life wrote is dropped: it is gone for long enough, or a new life has begun.
    Forgotten {
        /// Whose state.
        owner: Peer,
    },
}

/// A key that has a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateEntry {
    /// The life that wrote it.
    pub owner: Peer,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Payload,
    /// The owner's version of the write.
    pub version: u64,
    /// Whether its owner is a live member, as far as this node knows.
    pub is_live: bool,
}

/// Counters; plain numbers, read by the metrics of the adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stats {
    /// Exchanges opened.
    pub digests_sent: u64,
    /// Exchanges that ended at once, because both ends held the same.
    pub digests_equal: u64,
    /// Messages sent, of any kind.
    pub sent: u64,
    /// Messages received, of any kind.
    pub received: u64,
    /// Deltas sent.
    pub deltas_sent: u64,
    /// Deltas received.
    pub deltas_received: u64,
    /// Messages of news sent.
    pub news_sent: u64,
    /// Entries that changed what is stored.
    pub entries_taken: u64,
    /// Entries that were known already.
    pub entries_known: u64,
    /// Entries of lives that are not members here: not yet, or no more.
    pub entries_untimely: u64,
    /// Times this node wrote anything of its own.
    pub writes: u64,
    /// Times this node wrote its state anew, to forget deletions or to override a lie.
    pub resets: u64,
    /// Messages that broke a rule.
    pub faults: u64,
}

/// The gossip machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gossip {
    config: Config,
    me: Peer,
    random: Random,
    pub(crate) planted: Planted,
    is_speaking: bool,
    roster: Roster,
    store: Store,
    news: Queue,
    news_timer: Timer,
    digest_timer: Timer,
    digested_at: Time,
    /// Exchanges that were continued in this period.
    continued: u32,
    stats: Stats,
}

impl Gossip {
    /// A machine that knows nobody and waits for [`Input::Started`].
    #[must_use]
    pub fn new(config: Config, me: Peer, random: Random) -> Gossip {
        Gossip {
            config,
            me,
            random,
            planted: Planted::default(),
            is_speaking: false,
            roster: Roster::default(),
            store: Store::default(),
            news: Queue::default(),
            news_timer: Timer::stopped(),
            digest_timer: Timer::stopped(),
            digested_at: Time::ZERO,
            continued: 0,
            stats: Stats::default(),
        }
    }

    /// The one verb, beside the host's [`set`](Self::set) and [`delete`](Self::delete).
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => {}
            Input::Started => self.is_speaking = true,
            Input::Leaving => self.on_leaving(),
            Input::Joined(peer) => self.on_joined(now, peer, out),
            Input::Gone(peer) => self.on_gone(now, peer),
            Input::Received { from, message } => self.on_received(now, from, message, out),
        }
        self.on_timers(now, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let spoken = Deadline::earliest(
            self.digest_timer.deadline(Wake::Digest),
            self.news_timer.deadline(Wake::News),
        );
        Deadline::earliest(spoken, self.store.deadline())
    }

    /// The keys that begin with `prefix` and have a value: of one node, or of all, by owner and
    /// key.
    pub fn entries<'a>(
        &'a self,
        of: Option<NodeId>,
        prefix: &'a str,
    ) -> impl Iterator<Item = StateEntry> + 'a {
        let one = of.map(|node| self.store.state(node));
        let all = of.is_none().then(|| self.store.states());
        let states = one.into_iter().flatten().chain(all.into_iter().flatten());
        states.flat_map(move |state| {
            let owner = state.owner();
            let is_live = !self.store.is_departed(owner.node);
            let shown = state.iter().filter(move |(key, _)| key.starts_with(prefix));
            shown.filter_map(move |(key, held)| {
                Some(StateEntry {
                    owner,
                    key: key.clone(),
                    value: held.value.clone()?,
                    version: held.version,
                    is_live,
                })
            })
        })
    }

    /// All writes in force of live owners, deletions too, with the floors: what digests compare.
    pub fn writes(&self) -> impl Iterator<Item = Change> {
        let live = self
            .store
            .states()
            .filter(|s| !self.store.is_departed(s.owner().node));
        live.map(|state| Change {
            owner: state.owner(),
            floor: state.floor(),
            entries: state
                .iter()
                .filter_map(|(key, _)| state.entry(key))
                .collect(),
        })
    }

    /// The sum of all that live members wrote, as far as it is known here.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.store.tree().sum(Branch::ROOT)
    }

    /// How many other live members there are.
    #[must_use]
    pub fn others(&self) -> usize {
        self.roster.len()
    }

    /// Bytes of keys and values stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn on_leaving(&mut self) {
        self.is_speaking = false;
        self.news.clear();
        self.news_timer.stop();
        self.digest_timer.stop();
    }

    fn on_joined(&mut self, now: Time, peer: Peer, out: &mut Vec<Output>) {
        if peer.node == self.me.node {
            return;
        }
        let forgotten = self.store.join(peer);
        out.extend(forgotten.map(|owner| Output::Fact(Fact::Forgotten { owner })));
        self.roster.join(peer);
        if !self.is_speaking {
            return;
        }
        // Whoever comes, or comes back, may have missed much. When all come at once, not everyone
        // asks at once.
        let soon = self.random.span(SOON / 4, SOON);
        let due = now.max(self.digested_at + SOON) + soon;
        if self
            .digest_timer
            .deadline(Wake::Digest)
            .is_none_or(|deadline| deadline.at > due)
        {
            self.digest_timer.set(due);
        }
    }

    fn on_gone(&mut self, now: Time, peer: Peer) {
        if self.roster.has(peer) {
            self.roster.leave(peer.node);
            self.store
                .depart(peer.node, now + self.config.departed_retention);
        }
    }

    fn on_received(&mut self, now: Time, from: NodeId, message: Message, out: &mut Vec<Output>) {
        if !self.is_speaking || from == self.me.node {
            return;
        }
        self.stats.received += 1;
        if let Err(fault) = message.check() {
            return self.report(from, fault, out);
        }
        match message {
            Message::Digest(digest) => self.on_digest(from, digest, out),
            Message::Branches(branches) => self.on_branches(from, &branches, out),
            Message::Holdings(holdings) => self.on_holdings(from, holdings, out),
            Message::Wants(wants) => self.on_wants(from, &wants, out),
            Message::Delta(delta) => self.on_delta(now, from, delta, out),
            Message::News(news) => self.on_news(now, from, news, out),
        }
    }

    /// "This was written just now": what is news here too is passed on.
    fn on_news(&mut self, now: Time, from: NodeId, news: News, out: &mut Vec<Output>) {
        for change in news.changes {
            let owner = change.owner.node;
            let changed = self.take(now, from, change, out);
            self.spread(now, owner, changed.into_iter());
        }
    }

    fn on_timers(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(owner) = self.store.forget_due(now) {
            out.push(Output::Fact(Fact::Forgotten { owner }));
        }
        if !self.is_speaking {
            return;
        }
        self.on_digest_timer(now, out);
        self.on_news_timer(now, out);
        if self.roster.len() == 0 {
            self.digest_timer.stop();
        } else if !self.digest_timer.is_set() {
            let interval = self.config.digest_interval;
            self.digest_timer
                .set(now + self.random.span(interval / 2, interval * 3 / 2));
        }
    }

    /// Makes writes known to a few, now and in the next rounds.
    fn spread(&mut self, now: Time, owner: NodeId, keys: impl Iterator<Item = String>) {
        if !self.is_speaking || self.roster.len() == 0 {
            return;
        }
        keys.for_each(|key| self.news.push((owner, key)));
        if !self.news.is_empty() && !self.news_timer.is_set() {
            self.news_timer.set(now);
        }
    }

    fn on_news_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.news_timer.fire(now) {
            return;
        }
        let mut parcel = Parcel::new(NEWS_BYTES);
        let mut told = Vec::new();
        for place in self.news.in_order() {
            let state = self.store.state(place.0);
            let live = state.filter(|_| !self.store.is_departed(place.0));
            let Some(state) = live else {
                self.news.told(&place, u32::MAX, 0);
                continue;
            };
            let entry = state.entry(&place.1);
            let bytes = Change::HEAD_BYTES + entry.as_ref().map_or(0, Entry::bytes);
            if parcel.put((state.owner(), state.floor(), entry), bytes) {
                told.push(place);
            }
        }
        let changes = grouped(parcel.items);
        let partners = self.roster.draw(self.config.news_fanout, &mut self.random);
        let times = u32::try_from(partners.len()).unwrap_or(u32::MAX);
        let often = NEWS_FACTOR * digits(self.roster.len() as u64 + 1);
        told.iter()
            .for_each(|place| self.news.told(place, times, often));
        for to in partners {
            if !changes.is_empty() {
                self.stats.news_sent += 1;
                let changes = changes.clone();
                self.send(to, Message::News(News { changes }), out);
            }
        }
        if !self.news.is_empty() {
            self.news_timer.set(now + self.config.news_interval);
        }
    }

    /// Tells the host which keys show another value than before.
    fn announce(&self, owner: Peer, before: &Shown, out: &mut Vec<Output>) {
        let Some(state) = self.store.state(owner.node) else {
            return;
        };
        for (key, old) in before {
            let value = state.value(key).cloned();
            if value != *old {
                out.push(Output::Fact(Fact::Changed {
                    owner,
                    key: key.clone(),
                    version: state.version(key),
                    value,
                }));
            }
        }
    }

    fn report(&mut self, from: NodeId, fault: PeerFault, out: &mut Vec<Output>) {
        self.stats.faults += 1;
        out.push(Output::PeerFault { from, fault });
    }

    fn send(&mut self, to: NodeId, message: Message, out: &mut Vec<Output>) {
        self.stats.sent += 1;
        out.push(Output::Send { to, message });
    }
}
