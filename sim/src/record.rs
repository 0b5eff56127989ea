//! The record of a run: everything that happened, in order, as values, each with its cause.
//!
//! The running trace hash says whether two runs were alike; the record says what they were. It is
//! kept only when somebody asks for it, because it costs a copy of every event.
//!
//! * I1: a happening's cause is an earlier happening of the same record.
//! * I2: a message is matched to its sending by its connection, its direction and its content, in
//!   the order of sending; so a message that was lost is never taken for its repetition over
//!   another connection.
//!
//! Deliberately absent: guesses. What has no recorded cause, such as a connection that fell silent
//! behind a cut, has none here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use quorate_core::id::{LinkId, Lsn, NodeId};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::time::Wake;

use crate::checkers::Violation;
use crate::plan::{Fault, Moment, Strike};
use crate::trace::digest;

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A node was stepped.
    Step {
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
    },
    /// A process ended.
    Crashed {
        /// At which moment of its work.
        moment: Moment,
    },
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
            | Action::PublishRoutes(_) => None,
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
            | What::WentOn
            | What::Healed
            | What::Violated(_) => None,
        }
    }
}

/// A step of a node, as the world saw it.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// When.
    pub at_ns: u64,
    /// Which node.
    pub node: NodeId,
    /// With what.
    pub event: Event,
    /// Which timer was due.
    pub due: Option<Wake>,
    /// What it wanted done.
    pub actions: &'a [Action],
    /// Connection and end of each of the process's links, by the link's number.
    pub links: &'a [(usize, usize)],
}

/// Everything that happened in a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// In order; a happening's number is its place.
    pub all: Vec<Happening>,
    room: Option<usize>,
    sent: BTreeMap<(usize, usize, u64), VecDeque<usize>>,
    written: BTreeMap<(NodeId, Lsn), usize>,
    dialed: BTreeMap<(NodeId, SocketAddr), usize>,
    closed: BTreeMap<usize, usize>,
    peers: BTreeMap<(usize, usize), NodeId>,
    doomed: BTreeMap<NodeId, usize>,
    ended: BTreeMap<NodeId, usize>,
}

impl Record {
    /// A record that ends after so many happenings; the world then stands still.
    #[must_use]
    pub fn with_room(room: Option<usize>) -> Record {
        Record {
            room,
            ..Record::default()
        }
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.room.is_some_and(|room| self.all.len() >= room)
    }

    /// A node was stepped.
    pub fn stepped(&mut self, step: Step<'_>) {
        let number = self.all.len();
        let conn = link_of(&step.event).and_then(|link| end_of(step.links, link));
        if let (Event::LinkUp { peer, .. }, Some(end)) = (&step.event, conn) {
            self.peers.insert(end, peer.node);
        }
        let cause = self.cause_of(step.node, &step.event, conn);
        for action in step.actions {
            self.remember(number, step.node, action, step.links);
        }
        self.all.push(Happening {
            at_ns: step.at_ns,
            node: Some(step.node),
            peer: conn.and_then(|end| self.peers.get(&end).copied()),
            cause,
            what: What::Step {
                event: step.event,
                due: step.due,
                actions: step.actions.to_vec(),
            },
        });
    }

    /// Something else happened.
    pub fn noted(&mut self, at_ns: u64, node: Option<NodeId>, what: What) {
        if self.is_full() {
            return;
        }
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
            What::Healed | What::Step { .. } => None,
            What::Violated(_) => number.checked_sub(1),
        };
        self.all.push(Happening {
            at_ns,
            node,
            what,
            peer: None,
            cause,
        });
    }

    /// The process that held these links has just ended.
    pub fn closed(&mut self, links: &[(usize, usize)]) {
        let Some(last) = self.all.len().checked_sub(1) else {
            return;
        };
        for (conn, _) in links {
            self.closed.entry(*conn).or_insert(last);
        }
    }

    /// A happening and what brought it about, step by step, nearest first.
    #[must_use]
    pub fn chain(&self, from: usize) -> Vec<usize> {
        let cause = |number: &usize| self.all.get(*number).and_then(|this| this.cause);
        std::iter::successors(Some(from), cause).collect()
    }

    fn cause_of(
        &mut self,
        node: NodeId,
        event: &Event,
        conn: Option<(usize, usize)>,
    ) -> Option<usize> {
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

    fn remember(&mut self, number: usize, node: NodeId, action: &Action, links: &[(usize, usize)]) {
        match action {
            Action::Send { link, message, .. } => {
                if let Some((conn, end)) = end_of(links, *link) {
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
                if let Some((conn, _)) = end_of(links, *link) {
                    self.closed.entry(conn).or_insert(number);
                }
            }
            Action::Reply { .. } | Action::PublishRoutes(_) | Action::Notify(_) => {}
        }
    }
}

fn end_of(links: &[(usize, usize)], link: LinkId) -> Option<(usize, usize)> {
    links.get(usize::try_from(link.0).ok()?).copied()
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

    #[test]
    fn a_record_with_little_room_stops_the_world_and_is_the_beginning_of_the_whole() {
        let plan = scenarios::find("leader-crash").unwrap().plan(3);
        let (_, whole) = des::record(&plan);
        let world = des::run_until(&plan, 500);
        let part = world.record().unwrap();
        assert_eq!(part.all.len(), 500);
        for (one, two) in part.all.iter().zip(&whole.all) {
            assert_eq!(format!("{one:?}"), format!("{two:?}"));
        }
    }
}
