//! What a leader knows of one follower (Raft thesis §3.5, §10.2.1).
//!
//! A follower is *probed* until an answer shows where its log equals the leader's: one message at a
//! time. From then on it is *replicated* to: messages follow each other without waiting. In both
//! states `next - 1` is the `prev_index` of the next message, so a heartbeat asks "do you have
//! everything I sent?", and the answer reveals a lost message. A follower whose next entry is not
//! kept any more gets a snapshot, in parts; a heartbeat then asks how much of it has arrived.
//!
//! * `matched` counts for commitment, so only the follower's durable answers raise it, whatever
//!   round they answer.
//! * Everything else is believed only from rounds since the last step back: a burst behind one lost
//!   message is answered with a burst of conflicts, of which the first says it all.

use alloc::collections::VecDeque;

use super::delivery::Delivery;
use super::{Snapshot, SnapshotPart};
use crate::id::LogIndex;
use crate::time::Time;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flow {
    Probe,
    Replicate,
    Deliver(Delivery),
}

/// The leader's knowledge of one follower.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    matched: LogIndex,
    next: LogIndex,
    flow: Flow,
    /// The last index of each unanswered message with entries; in order, bounded by the
    /// configuration.
    in_flight: VecDeque<LogIndex>,
    /// The highest index that any message claimed or carried: no honest answer exceeds it.
    sent: LogIndex,
    /// The first round after the last step back.
    since: u64,
    /// The last round that was sent when `matched` was raised: only a later one can tell that the
    /// match is lost.
    proven: u64,
    heard: Option<Time>,
    /// The highest round it answered.
    answered: u64,
    /// The commit index it was told last.
    commit_told: LogIndex,
    /// It is to become a voter, and hears every heartbeat until then.
    courted: Option<Time>,
}

impl Progress {
    /// A follower to be probed from `next`. A granted vote was a sign of life.
    pub(super) fn new(next: LogIndex, heard: Option<Time>) -> Progress {
        Progress {
            matched: LogIndex(0),
            next,
            flow: Flow::Probe,
            in_flight: VecDeque::new(),
            sent: LogIndex(0),
            since: 0,
            proven: 0,
            heard,
            answered: 0,
            commit_told: LogIndex(0),
            courted: None,
        }
    }

    pub(super) fn matched(&self) -> LogIndex {
        self.matched
    }

    pub(super) fn next(&self) -> LogIndex {
        self.next
    }

    pub(super) fn sent(&self) -> LogIndex {
        self.sent
    }

    pub(super) fn heard(&self) -> Option<Time> {
        self.heard
    }

    /// It hears every heartbeat until then, though it has no vote.
    pub(super) fn court(&mut self, until: Time) {
        self.courted = Some(until);
    }

    pub(super) fn is_courted(&self, now: Time) -> bool {
        self.courted.is_some_and(|until| now < until)
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether one more message with entries may go out now.
    pub(super) fn has_room(&self, in_flight_max: usize) -> bool {
        self.flow == Flow::Replicate && self.in_flight.len() < in_flight_max.max(1)
    }

    /// Whether nothing that carries entries is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.flow == Flow::Replicate && self.in_flight.is_empty()
    }

    /// The node gave any answer in this term.
    pub(super) fn on_heard(&mut self, now: Time) {
        self.heard = Some(now);
    }

    /// The node answered this round, whatever it said.
    pub(super) fn on_answered(&mut self, round: u64) {
        self.answered = self.answered.max(round);
    }

    /// Whether nothing is on its way that would tell it what is committed of all that it holds.
    pub(super) fn misses_commit(&self, commit: LogIndex) -> bool {
        self.is_idle() && self.commit_told < commit.min(self.matched)
    }

    /// A message went out that ends at `last`, brings `entries` entries and tells `commit`.
    pub(super) fn on_sent(&mut self, last: LogIndex, entries: usize, commit: LogIndex) {
        self.commit_told = self.commit_told.max(commit);
        self.sent = self.sent.max(last);
        if self.flow == Flow::Replicate && entries > 0 {
            self.next = last.next();
            self.in_flight.push_back(last);
        }
    }

    /// The follower holds everything up to `index`. `round_last` is the last round sent to anyone.
    pub(super) fn on_matched(&mut self, round: u64, index: LogIndex, round_last: u64) {
        if index > self.matched {
            self.matched = index;
            self.proven = round_last;
        }
        while self.in_flight.front().is_some_and(|last| *last <= index) {
            self.in_flight.pop_front();
        }
        self.next = self.next.max(self.matched.next());
        let is_caught_up = match &self.flow {
            Flow::Probe => round >= self.since,
            Flow::Replicate => false,
            Flow::Deliver(delivery) => index >= delivery.index(),
        };
        if is_caught_up {
            self.flow = Flow::Replicate;
        }
    }

    /// The next entry is not kept any more: what it needs is this snapshot.
    pub(super) fn begin_delivery(&mut self, snapshot: &Snapshot, round_last: u64) {
        let index = snapshot.meta().index;
        if let Flow::Deliver(delivery) = &self.flow
            && (delivery.is_begun() || delivery.index() == index)
        {
            return;
        }
        self.probe_from(self.next, round_last);
        self.sent = self.sent.max(index);
        self.flow = Flow::Deliver(Delivery::of(snapshot));
    }

    /// The question how much of a snapshot has arrived, if one is being delivered.
    pub(super) fn question(&self) -> Option<SnapshotPart> {
        match &self.flow {
            Flow::Deliver(delivery) => Some(delivery.question()),
            Flow::Probe | Flow::Replicate => None,
        }
    }

    /// So much of the snapshot of `index` has arrived. False if no honest follower says so.
    pub(super) fn on_held(&mut self, round: u64, index: LogIndex, held: u64) -> bool {
        match &mut self.flow {
            Flow::Deliver(delivery) if delivery.index() == index => delivery.on_held(round, held),
            Flow::Deliver(_) | Flow::Probe | Flow::Replicate => true,
        }
    }

    /// The next part of the snapshot, if more may be on its way; it will travel in `round`.
    pub(super) fn next_part(&mut self, round: u64, bytes: usize) -> Option<SnapshotPart> {
        match &mut self.flow {
            Flow::Deliver(delivery) => delivery.next_part(round, bytes),
            Flow::Probe | Flow::Replicate => None,
        }
    }

    /// The follower's log equals ours at most up to `hint`. True when a probe further back is worth
    /// sending now.
    pub(super) fn on_conflict(&mut self, round: u64, hint: LogIndex, round_last: u64) -> bool {
        if round < self.since || matches!(self.flow, Flow::Deliver(_)) {
            return false;
        }
        if hint < self.matched {
            if round <= self.proven {
                return false;
            }
            // The question was asked after the acknowledgement came, so the follower lost what it
            // had acknowledged: its disk was replaced. It must be brought up again from where it
            // stands.
            self.matched = hint;
        }
        let (was_probed, was_next) = (self.flow == Flow::Probe, self.next);
        let step = match was_probed {
            true => LogIndex(self.next.0.saturating_sub(1)),
            false => self.next,
        };
        self.probe_from(hint.next().min(step).max(self.matched.next()), round_last);
        !was_probed || was_next != self.next
    }

    /// Nothing that is on its way may be relied on.
    pub(super) fn on_down(&mut self, round_last: u64) {
        match &mut self.flow {
            Flow::Probe => {}
            Flow::Replicate => self.probe_from(self.matched.next(), round_last),
            Flow::Deliver(delivery) => delivery.on_down(),
        }
    }

    fn probe_from(&mut self, next: LogIndex, round_last: u64) {
        self.flow = Flow::Probe;
        self.next = next;
        self.in_flight.clear();
        self.since = round_last.saturating_add(1);
    }
}
