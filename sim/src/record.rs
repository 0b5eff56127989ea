//! The record of a run: everything that happened, in order, as values, each with its cause.
//!
//! The running trace hash says whether two runs were alike; the record says what they were: the
//! story, the evidence, the comparison and the page to look at are all made from it alone. It is
//! kept only when somebody asks for it, because it costs a copy of every event.
//!
//! The states of the nodes are not in it: a life that is started from what the record holds, and
//! stepped with the events in it, goes through them again ([`Lives`]).
//!
//! * I1: a happening's cause is an earlier happening of the same record.
//! * I2: a message is matched to its sending by its connection, its direction and its content, in
//!   the order of sending; so a message that was lost is never taken for its repetition over
//!   another connection.
//!
//! Deliberately absent: guesses. What has no recorded cause, such as a connection that fell silent
//! behind a cut, has none here.

mod lives;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use quorate_core::id::{LinkId, Lsn, NodeId};
use quorate_core::journal::{Start, Tail};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::time::{Time, Wake};
use quorate_core::wire::Message;

pub use self::lives::{Life, Lives};
use crate::checkers::Violation;
use crate::plan::{Fault, Moment, Strike};
use crate::trace::digest;

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A node was stepped.
    Step {
        /// By its own clock.
        now: Time,
        /// With what.
        event: Event,
        /// Which timer was due, if the event is a tick.
        due: Option<Wake>,
        /// What it wanted done.
        actions: Vec<Action>,
    },
    /// A fault of the plan struck.
    Struck {
        /// Its place in the plan.
        index: usize,
        /// The fault.
        strike: Strike,
        /// The nodes it named, parts resolved; none when it concerns all, or nobody played the
        /// part.
        hits: Vec<NodeId>,
    },
    /// A process was started.
    Started {
        /// Its life, counted from 1.
        life: u64,
        /// What the node starts from.
        start: Box<Start>,
    },
    /// A process ended.
    Crashed {
        /// At which moment of its work.
        moment: Moment,
    },
    /// The recording of a real node's life ends.
    Ended(Tail),
    /// A paused process goes on.
    WentOn,
    /// Everything was healed.
    Healed,
    /// A checker objected.
    Violated(Violation),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// To whom; none if to the world.
    pub node: Option<NodeId>,
    /// What.
    pub what: What,
    /// The node at the other end of the connection concerned, if one is.
    pub peer: Option<NodeId>,
    /// The number of the happening that brought it about, if that is recorded.
    pub cause: Option<usize>,
}

impl Happening {
    /// The notices that came with it.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.actions().iter().filter_map(|action| match action {
            Action::Notify(notice) => Some(notice),
            Action::Send { .. }
            | Action::Dial { .. }
            | Action::Hangup { .. }
            | Action::Persist { .. }
            | Action::Reply { .. }
            | Action::PublishRoutes(_)
            | Action::Halt(_) => None,
        })
    }

    /// What the node wanted done; nothing if it was not stepped.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        match &self.what {
            What::Step { actions, .. } => actions,
            What::Struck { .. }
            | What::Started { .. }
            | What::Crashed { .. }
            | What::Ended(_)
            | What::WentOn
            | What::Healed
            | What::Violated(_) => &[],
        }
    }

    /// The event a node was stepped with.
    #[must_use]
    pub fn event(&self) -> Option<&Event> {
        match &self.what {
            What::Step { event, .. } => Some(event),
            What::Struck { .. }
            | What::Started { .. }
            | What::Crashed { .. }
            | What::Ended(_)
            | What::WentOn
            | What::Healed
            | What::Violated(_) => None,
        }
    }
}

/// A step of a node, as the world saw it.
pub struct Step<'a> {
    /// When.
    pub at_ns: u64,
    /// Which node.
    pub node: NodeId,
    /// By its own clock.
    pub now: Time,
    /// With what.
    pub event: Event,
    /// Which timer was due.
    pub due: Option<Wake>,
    /// What it wanted done.
    pub actions: &'a [Action],
    /// Connection and end of each of the process's links.
    pub ends: &'a dyn Fn(LinkId) -> Option<End>,
}

/// A way from one node to another was cut or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// When.
    pub at_ns: u64,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// Cut, or open again.
    pub is_cut: bool,
}

/// What lies on a machine for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spell {
    /// Its process stands still.
    Pause,
    /// Its disk is slower than it was.
    SlowDisk,
}

/// A spell begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Before which happening: the number of those that were recorded by then.
    pub before: usize,
    /// When.
    pub at_ns: u64,
    /// Of which node.
    pub node: NodeId,
    /// What.
    pub spell: Spell,
    /// It begins, or it is over.
    pub begins: bool,
}

/// Connection and end, as the world counts them.
pub type End = (usize, usize);

/// Everything that happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// In order; a happening's number is its place.
    pub all: Vec<Happening>,
    /// The ways between the nodes, as they were cut and opened.
    pub ways: Vec<Way>,
    /// The spells that lay on the nodes.
    pub turns: Vec<Turn>,
    /// When it ended.
    pub end_ns: u64,
    /// The bug that was planted in every node.
    mutant: Option<String>,
    sent: BTreeMap<(usize, usize, u64), VecDeque<usize>>,
    written: BTreeMap<(NodeId, Lsn), usize>,
    dialed: BTreeMap<(NodeId, SocketAddr), usize>,
    closed: BTreeMap<usize, usize>,
    peers: BTreeMap<End, NodeId>,
    doomed: BTreeMap<NodeId, usize>,
    ended: BTreeMap<NodeId, usize>,
    spells: BTreeSet<(NodeId, Spell)>,
}

impl Record {
    /// An empty record of nodes with a planted bug, or without.
    #[must_use]
    pub fn new(mutant: Option<&str>) -> Record {
        Record {
            mutant: mutant.map(str::to_string),
            ..Record::default()
        }
    }

    /// The nodes that were ever started, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeId> {
        let started = |this: &Happening| matches!(this.what, What::Started { .. });
        let nodes = self.all.iter().filter(|this| started(this));
        let nodes: BTreeSet<NodeId> = nodes.filter_map(|this| this.node).collect();
        nodes.into_iter().collect()
    }

    /// A node was stepped.
    pub fn stepped(&mut self, step: Step<'_>) {
        let number = self.all.len();
        let conn = link_of(&step.event).and_then(step.ends);
        if let (Event::LinkUp { peer, .. }, Some(end)) = (&step.event, conn) {
            self.peers.insert(end, peer.node);
        }
        let cause = self.cause_of(step.node, &step.event, conn);
        if let (Event::LinkDown { .. }, Some((conn, _))) = (&step.event, conn) {
            self.closed.entry(conn).or_insert(number);
        }
        for action in step.actions {
            self.remember(number, step.node, action, step.ends);
        }
        self.end_ns = step.at_ns;
        self.all.push(Happening {
            at_ns: step.at_ns,
            node: Some(step.node),
            peer: conn.and_then(|end| self.peers.get(&end).copied()),
            cause,
            what: What::Step {
                now: step.now,
                event: step.event,
                due: step.due,
                actions: step.actions.to_vec(),
            },
        });
    }

    /// Something else happened.
    pub fn noted(&mut self, at_ns: u64, node: Option<NodeId>, what: What) {
        let number = self.all.len();
        let known = |of: &BTreeMap<NodeId, usize>| node.and_then(|node| of.get(&node).copied());
        let cause = match &what {
            What::Struck { strike, hits, .. } => {
                if let (Fault::Crash { .. }, Some(who)) = (&strike.fault, hits.first()) {
                    self.doomed.insert(*who, number);
                }
                if let (Fault::Pause(_), Some(who)) = (&strike.fault, hits.first()) {
                    self.ended.insert(*who, number);
                }
                None
            }
            What::Started { .. } | What::WentOn => known(&self.ended),
            What::Crashed { .. } => {
                let cause = known(&self.doomed);
                node.map(|node| self.ended.insert(node, number));
                cause
            }
            What::Ended(_) => {
                node.map(|node| self.ended.insert(node, number));
                None
            }
            What::Healed | What::Step { .. } => None,
            What::Violated(_) => number.checked_sub(1),
        };
        self.end_ns = at_ns;
        self.all.push(Happening {
            at_ns,
            node,
            what,
            peer: None,
            cause,
        });
    }

    /// The process that held these links has just ended.
    pub fn closed(&mut self, links: &[End]) {
        let Some(last) = self.all.len().checked_sub(1) else {
            return;
        };
        for (conn, _) in links {
            self.closed.entry(*conn).or_insert(last);
        }
    }

    /// A connection took no more: what was sent over this end last is lost.
    pub fn refused(&mut self, end: End, message: &Message) {
        if let Some(sent) = self.sent.get_mut(&(end.0, end.1, digest(message))) {
            sent.pop_back();
        }
    }

    /// Whether a way is cut, from now on.
    pub fn way(&mut self, way: Way) {
        self.ways.push(way);
    }

    /// Whether a spell lies on a node, as of now.
    pub fn spell(&mut self, at_ns: u64, node: NodeId, spell: Spell, lies: bool) {
        let is_news = match lies {
            true => self.spells.insert((node, spell)),
            false => self.spells.remove(&(node, spell)),
        };
        if is_news {
            let (before, begins) = (self.all.len(), lies);
            self.turns.push(Turn {
                before,
                at_ns,
                node,
                spell,
                begins,
            });
        }
    }

    /// The messages still under way at the end, their connections open at both ends: the happening
    /// that sent each, to whom, and the hash of its content.
    pub fn under_way(&self) -> impl Iterator<Item = (usize, NodeId, u64)> {
        let is_open = |conn: &usize| !self.closed.contains_key(conn);
        let open = self
            .sent
            .iter()
            .filter(move |((conn, ..), _)| is_open(conn));
        open.flat_map(|((conn, end, digest), sent)| {
            let to = self.peers.get(&(*conn, *end)).copied();
            sent.iter()
                .filter_map(move |number| Some((*number, to?, *digest)))
        })
    }

    /// A happening and what brought it about, step by step, nearest first.
    #[must_use]
    pub fn chain(&self, from: usize) -> Vec<usize> {
        let cause = |number: &usize| self.all.get(*number).and_then(|this| this.cause);
        std::iter::successors(Some(from), cause).collect()
    }

    fn cause_of(&mut self, node: NodeId, event: &Event, conn: Option<End>) -> Option<usize> {
        match event {
            Event::Received { message, .. } => {
                let (conn, end) = conn?;
                let key = (conn, 1 - end, digest(message));
                self.sent.get_mut(&key)?.pop_front()
            }
            Event::Persisted(lsn) => self.written.get(&(node, *lsn)).copied(),
            Event::LinkUp {
                address, dialed, ..
            } => dialed.then(|| self.dialed.get(&(node, *address)).copied())?,
            Event::DialFailed { address } => self.dialed.get(&(node, *address)).copied(),
            Event::LinkDown { .. } => self.closed.get(&conn?.0).copied(),
            Event::Tick | Event::DiskStalled | Event::Command { .. } => None,
        }
    }

    fn remember(
        &mut self,
        number: usize,
        node: NodeId,
        action: &Action,
        ends: &dyn Fn(LinkId) -> Option<End>,
    ) {
        match action {
            Action::Send { link, message, .. } => {
                if let Some((conn, end)) = ends(*link) {
                    let key = (conn, end, digest(message));
                    self.sent.entry(key).or_default().push_back(number);
                }
            }
            Action::Persist { lsn, .. } => {
                self.written.insert((node, *lsn), number);
            }
            Action::Dial { address, .. } => {
                self.dialed.insert((node, *address), number);
            }
            Action::Hangup { link } => {
                if let Some((conn, _)) = ends(*link) {
                    self.closed.entry(conn).or_insert(number);
                }
            }
            Action::Reply { .. }
            | Action::PublishRoutes(_)
            | Action::Notify(_)
            | Action::Halt(_) => {}
        }
    }
}

fn link_of(event: &Event) -> Option<LinkId> {
    match event {
        Event::LinkUp { link, .. } | Event::LinkDown { link } | Event::Received { link, .. } => {
            Some(*link)
        }
        Event::Tick
        | Event::DialFailed { .. }
        | Event::Persisted(_)
        | Event::DiskStalled
        | Event::Command { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::des;
    use crate::scenarios;

    #[test]
    fn causes_lie_before_their_effects_and_nearly_every_message_has_one() {
        let plan = scenarios::find("leader-crash").unwrap().plan(3);
        let (report, record) = des::record(&plan);
        assert_eq!(
            record.all.iter().filter(|h| h.event().is_some()).count() as u64,
            { report.totals.events }
        );
        let (mut received, mut explained) = (0, 0);
        for (number, this) in record.all.iter().enumerate() {
            assert!(this.cause.is_none_or(|cause| cause < number));
            let Some(Event::Received { message, .. }) = this.event() else {
                continue;
            };
            received += 1;
            let Some(cause) = this.cause else { continue };
            explained += 1;
            let cause = &record.all[cause];
            assert_eq!(cause.node, this.peer, "sent by the other end");
            let sends =
                |action: &Action| matches!(action, Action::Send { message: m, .. } if m == message);
            assert!(cause.actions().iter().any(sends));
        }
        assert!(received > 1_000);
        assert_eq!(received, explained);
    }
}
