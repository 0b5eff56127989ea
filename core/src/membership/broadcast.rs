//! Dissemination (SWIM §4.1, §4.4): each change is told a bounded number of times, on the back of
//! probes and on gossip ticks, the least told and then the newest first. In a storm, hearing what
//! is in the queue from someone else counts as telling it: what everyone repeats is known (the
//! counters with feedback of Demers et al. 1987, §1.4).
//!
//! The queue holds ids, not updates: what is told is always the current belief, so a newer update
//! about a node replaces the older one by itself.
//!
//! Invariants: I1 at most one entry per known node, so the queue never outgrows the table. I2 the
//! gossip timer is armed only while there is something to tell and someone to tell it to.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::message::{Gossip, Message, State, UPDATES_MAX, Update};
use super::{Membership, Output};
use crate::fixed::digits;
use crate::id::NodeId;
use crate::time::Time;

/// Updates on the back of one probe message; keeps a probe within one small packet.
const PIGGYBACK_MAX: usize = 16;

/// More to tell is a storm, in which what others tell counts as told.
const STORM: usize = 64;
/// In a storm, hearing something once counts as telling it so often: whoever tells us has told
/// others as well.
const REPETITION: u32 = 4;

/// Which beliefs are still to be told, and how often they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    order: BTreeSet<(u32, Reverse<u64>, NodeId)>,
    places: BTreeMap<NodeId, Place>,
    pushed: u64,
}

/// Where a node stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    told: u32,
    age: u64,
    /// For how many tellings counts what was heard of it since it was told last.
    heard: u32,
}

impl Queue {
    /// True when there is nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Tells the belief about `node` from now on, as if it had never been told.
    pub(super) fn push(&mut self, node: NodeId) {
        self.pushed += 1;
        let place = Place {
            told: 0,
            age: self.pushed,
            heard: 0,
        };
        if let Some(old) = self.places.insert(node, place) {
            self.order.remove(&(old.told, Reverse(old.age), node));
        }
        self.order.insert((place.told, Reverse(place.age), node));
    }

    /// Someone else tells the same of `node`. Where one message takes all that is to be told,
    /// telling it costs nothing, and every repetition counts where messages are lost.
    pub(super) fn heard(&mut self, node: NodeId) {
        if self.places.len() <= STORM {
            return;
        }
        if let Some(place) = self.places.get_mut(&node) {
            place.heard = place.heard.saturating_add(REPETITION);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.places.clear();
    }

    /// The next `count` nodes to tell about; those told or heard `limit` times leave the queue.
    pub(super) fn take(&mut self, count: usize, limit: u32) -> Vec<NodeId> {
        let mut taken = Vec::with_capacity(count.min(self.order.len()));
        let mut again = Vec::with_capacity(taken.capacity());
        while taken.len() < count
            && let Some((_, age, node)) = self.order.pop_first()
        {
            let Some(place) = self.places.get_mut(&node) else {
                continue;
            };
            taken.push(node);
            place.told = place.told.saturating_add(1).saturating_add(place.heard);
            place.heard = 0;
            if place.told < limit {
                again.push((place.told, age, node));
            } else {
                self.places.remove(&node);
            }
        }
        self.order.extend(again);
        taken
    }
}

impl Membership {
    /// Updates on their own: everything was merged already, only what the sender must hear is
    /// answered.
    pub(super) fn on_gossip(
        &mut self,
        now: Time,
        from: NodeId,
        gossip: Gossip,
        out: &mut Vec<Output>,
    ) {
        let about_me = self.merge(now, from, gossip.updates, out);
        self.send_answer(now, from, about_me, false, out);
    }

    /// A gossip tick: tells a few random live members, and sleeps when nothing is left to tell.
    pub(super) fn on_gossip_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if !self.gossip_timer.fire(now) {
            return;
        }
        let fanout = self.config.gossip_fanout.max(1);
        for to in self.table.live().sample(fanout, None, &mut self.random) {
            if self.queue.is_empty() {
                break;
            }
            let updates = self.batch(Vec::new(), UPDATES_MAX);
            self.send(to, Message::Gossip(Gossip { updates }), out);
        }
    }

    /// Arms the gossip timer exactly while it has work.
    pub(super) fn settle_gossip(&mut self, now: Time) {
        if self.queue.is_empty() || self.table.live().len() == 0 {
            self.gossip_timer.stop();
        } else if !self.gossip_timer.is_set() {
            self.gossip_timer.set(now + self.config.gossip_interval);
        }
    }

    /// What a message to a node carries: first what concerns that node itself, then queued news.
    pub(super) fn piggyback(&mut self, first: Vec<Update>) -> Vec<Update> {
        self.batch(first, PIGGYBACK_MAX)
    }

    /// What `to` must hear about the two of us: a belief about it that it has to refute
    /// (Lifeguard's buddy system), and our own life when it is in doubt.
    pub(super) fn personal(&self, to: NodeId, about_me: bool) -> Vec<Update> {
        let state = self
            .table
            .known(to)
            .map_or(State::Alive, |member| member.state);
        let doubted = state != State::Alive;
        // Whoever is dead to us may hold us dead as well, and must be able to tell that we live.
        let own = about_me || matches!(state, State::Dead | State::Left);
        let theirs = doubted.then(|| self.table.update(to)).flatten();
        let ours = own.then(|| self.table.update(self.me.node)).flatten();
        theirs.into_iter().chain(ours).collect()
    }

    /// Answers outside of any reply when the sender holds a stale or accusing belief about us, when
    /// it is dead to us and yet speaks (it must hear that and refute), or when nobody has told us
    /// of it. `asks` marks messages that a member who left would never send.
    pub(super) fn send_answer(
        &mut self,
        now: Time,
        to: NodeId,
        about_me: bool,
        asks: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(member) = self.table.known(to) else {
            self.send_join_to_stranger(now, to, out);
            return;
        };
        let returns = match member.state {
            State::Alive | State::Suspect => false,
            // Two that wait to be let back in would answer each other for ever.
            State::Dead => !self.probation.is_waiting(),
            State::Left => asks,
        };
        if about_me || returns {
            let updates = self.personal(to, about_me);
            self.send(to, Message::Gossip(Gossip { updates }), out);
        }
    }

    /// The one place where messages leave.
    pub(super) fn send(&mut self, to: NodeId, message: Message, out: &mut Vec<Output>) {
        if !message.updates().is_empty() {
            self.stats.gossip_sent += 1;
        }
        out.push(Output::Send { to, message });
    }

    fn batch(&mut self, mut updates: Vec<Update>, max: usize) -> Vec<Update> {
        let limit = self
            .config
            .retransmit_factor
            .saturating_mul(digits(self.table.size()));
        let room = max.saturating_sub(updates.len());
        for node in self.queue.take(room, limit.max(1)) {
            let told = updates.iter().any(|update| update.node == node);
            updates.extend(self.table.update(node).filter(|_| !told));
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_told_then_the_newest_go_first() {
        let mut queue = Queue::default();
        (1..=3).for_each(|n| queue.push(NodeId(n)));
        assert_eq!(queue.take(2, 3), [NodeId(3), NodeId(2)]);
        assert_eq!(queue.take(2, 3), [NodeId(1), NodeId(3)]);
        queue.push(NodeId(2));
        assert_eq!(
            queue.take(1, 3),
            [NodeId(2)],
            "news replace what was told before"
        );
        assert_eq!(queue.take(9, 3), [NodeId(2), NodeId(1), NodeId(3)]);
        assert_eq!(
            queue.take(9, 3),
            [NodeId(2), NodeId(1)],
            "3 was told three times"
        );
        assert!(queue.is_empty() && queue.places.is_empty());
    }

    #[test]
    fn in_a_storm_what_others_tell_is_told_less_often() {
        let mut queue = Queue::default();
        (1..=80).for_each(|n| queue.push(NodeId(n)));
        queue.heard(NodeId(80));
        queue.heard(NodeId(99));
        let limit = 2 + REPETITION;
        assert_eq!(queue.take(80, limit)[0], NodeId(80));
        let second = queue.take(80, limit);
        assert_eq!(second.last(), Some(&NodeId(80)), "the most told goes last");
        assert_eq!(
            queue.take(80, limit).len(),
            79,
            "80 was told twice and heard once"
        );
        (0..9).for_each(|_| queue.heard(NodeId(1)));
        queue.push(NodeId(1));
        assert_eq!(queue.take(1, limit), [NodeId(1)], "news begin anew");
    }

    #[test]
    fn without_a_storm_everything_is_told_as_often_as_ever() {
        let mut queue = Queue::default();
        queue.push(NodeId(1));
        (0..9).for_each(|_| queue.heard(NodeId(1)));
        assert_eq!((0..9).map(|_| queue.take(1, 4).len()).sum::<usize>(), 4);
    }

    #[test]
    fn churn_does_not_grow_the_queue() {
        let mut queue = Queue::default();
        (0..10_000).for_each(|n| queue.push(NodeId(n % 50)));
        assert_eq!((queue.order.len(), queue.places.len()), (50, 50));
        queue.clear();
        assert!(queue.is_empty());
    }
}
