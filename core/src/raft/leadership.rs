//! What a leader does for one follower or for all of them: streams entries, tells what is
//! committed, beats.
//!
//! A message carries entries, the commit index and the proof of life at once. A heartbeat is a
//! message without entries that claims everything sent before it, so its answer tells of any loss.
//! When a commit index advances, those with nothing on its way hear of it at once, the others with
//! their next message; learners at the latest when they have answered all. A learner is not asked
//! to answer that: nothing hangs on it.
//!
//! Voters hear every heartbeat, because elections and leases hang on it. A learner loses nothing by
//! hearing only one in `learner_beats`, or fewer where more than [`LEARNERS_PER_BEAT`] would have
//! their turn at once: a leader of a thousand would else do nothing but beat. One that is to become
//! a voter hears them all (`change`).

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::lease::Lease;
use super::log::Log;
use super::progress::Progress;
use super::read::Read;
use super::transfer::Transfer;
use super::{Append, Config, InstallSnapshot, Message, Output, Snapshot};
use crate::id::{LogIndex, NodeId, Term};
use crate::time::{Deadline, Time, Timer, Wake};
use crate::voters::Voters;

/// A heartbeat goes to about so many learners at most: what an idle leader sends does not grow with
/// the cluster.
const LEARNERS_PER_BEAT: usize = 10;

/// What lives as long as one leadership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leadership {
    /// The number of the last message sent.
    pub(super) round: u64,
    /// What the leader's own disk holds.
    pub(super) matched: LogIndex,
    pub(super) followers: BTreeMap<NodeId, Progress>,
    /// Reads that wait to be confirmed, in the order they came.
    pub(super) reads: VecDeque<Read>,
    /// The office is on its way to another node.
    pub(super) transfer: Option<Transfer>,
    pub(super) lease: Lease,
    pub(super) heartbeat: Timer,
    /// Heartbeats so far.
    pub(super) beats: u64,
    pub(super) quorum_check: Timer,
}

/// What goes into every message.
pub(super) struct Sight<'a> {
    pub(super) term: Term,
    pub(super) commit: LogIndex,
    pub(super) log: &'a Log,
    pub(super) snapshot: Option<&'a Snapshot>,
    pub(super) config: &'a Config,
    pub(super) voters: &'a Voters,
}

impl Leadership {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let transfer = self.transfer.as_ref().and_then(Transfer::deadline);
        let regular = Deadline::earliest(
            self.heartbeat.deadline(Wake::Heartbeat),
            self.quorum_check.deadline(Wake::QuorumCheck),
        );
        Deadline::earliest(regular, transfer)
    }

    /// Since when a majority, the leader included, has been heard.
    pub(super) fn quorum_heard(&self, now: Time, me: NodeId, voters: &Voters) -> Option<Time> {
        voters.reached(|voter| match voter == me {
            true => Some(now),
            false => self.followers.get(&voter).and_then(Progress::heard),
        })
    }

    /// Sends one message, with entries or without.
    pub(super) fn send(
        &mut self,
        to: NodeId,
        carry: bool,
        sight: &Sight<'_>,
        out: &mut Vec<Output>,
    ) {
        let Some(progress) = self.followers.get_mut(&to) else {
            return;
        };
        self.round += 1;
        if progress.next() <= sight.log.base()
            && let Some(snapshot) = sight.snapshot
        {
            progress.begin_delivery(snapshot, self.round);
        }
        if let Some(part) = progress.question() {
            let (term, round) = (sight.term, self.round);
            let message = Message::InstallSnapshot(InstallSnapshot { term, round, part });
            return out.push(Output::Send { to, message });
        }
        let config = sight.config;
        let prev_index = LogIndex(progress.next().0.saturating_sub(1));
        let entries = match carry {
            true => sight.log.batch(
                progress.next(),
                config.entries_per_append_max,
                config.bytes_per_append_max,
            ),
            false => Vec::new(),
        };
        let last = entries.last().map_or(prev_index, |entry| entry.index);
        progress.on_sent(last, entries.len(), sight.commit);
        let append = Append {
            term: sight.term,
            round: self.round,
            prev_index,
            prev_term: sight.log.term_at(prev_index).unwrap_or_default(),
            commit: sight.commit,
            entries,
        };
        let message = Message::Append(append);
        out.push(Output::Send { to, message });
    }

    /// Tells one that holds everything how much of it is committed. No answer is wanted.
    pub(super) fn notify(&mut self, to: NodeId, sight: &Sight<'_>, out: &mut Vec<Output>) {
        let Some(progress) = self.followers.get_mut(&to) else {
            return;
        };
        let prev_index = LogIndex(progress.next().0.saturating_sub(1));
        progress.on_sent(prev_index, 0, sight.commit);
        let append = Append {
            term: sight.term,
            round: Append::NOTICE,
            prev_index,
            prev_term: sight.log.term_at(prev_index).unwrap_or_default(),
            commit: sight.commit,
            entries: Vec::new(),
        };
        let message = Message::Append(append);
        out.push(Output::Send { to, message });
    }

    /// Tells all who have nothing on their way. The voters' answers confirm what is read.
    pub(super) fn announce_commit(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        for to in self.names(|_, it| it.is_idle()) {
            match sight.voters.contains(to) {
                true => self.send(to, false, sight, out),
                false => self.notify(to, sight, out),
            }
        }
    }

    /// Sends what fits into the follower's window.
    pub(super) fn stream(&mut self, to: NodeId, sight: &Sight<'_>, out: &mut Vec<Output>) {
        let wants = |progress: &Progress| {
            progress.has_room(sight.config.appends_in_flight_max)
                && progress.next() <= sight.log.last_index()
        };
        while self.followers.get(&to).is_some_and(wants) {
            self.send(to, true, sight, out);
        }
    }

    pub(super) fn stream_to_all(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        for to in self.names(|_, _| true) {
            self.stream(to, sight, out);
        }
    }

    pub(super) fn send_to_those(
        &mut self,
        whom: impl Fn(NodeId, &Progress) -> bool,
        carry: bool,
        sight: &Sight<'_>,
        out: &mut Vec<Output>,
    ) {
        for to in self.names(whom) {
            self.send(to, carry, sight, out);
        }
    }

    /// A heartbeat: to all voters and to those that shall be, and to every so-many-th of the
    /// others, so that each has its turn and a large cluster no burst.
    pub(super) fn beat(&mut self, now: Time, sight: &Sight<'_>, out: &mut Vec<Output>) {
        self.beats += 1;
        let turns = self.followers.len() / LEARNERS_PER_BEAT;
        let every = u64::from(sight.config.learner_beats)
            .max(turns as u64)
            .max(1);
        let beats = self.beats;
        let has_turn = |node: NodeId| node.0.wrapping_add(beats).is_multiple_of(every);
        let whom = |node, it: &Progress| {
            sight.voters.contains(node) || has_turn(node) || it.is_courted(now)
        };
        self.send_to_those(whom, false, sight, out);
    }

    pub(super) fn names(&self, whom: impl Fn(NodeId, &Progress) -> bool) -> Vec<NodeId> {
        let chosen = self.followers.iter().filter(|(name, p)| whom(**name, p));
        chosen.map(|(name, _)| *name).collect()
    }
}
