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
use super::{Append, Config, Entry, InstallSnapshot, Message, Output, Snapshot};
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
        if let Some(progress) = self.followers.get_mut(&to) {
            send(&mut self.round, (to, progress), carry, sight, out);
        }
    }

    /// Tells one that holds everything how much of it is committed. No answer is wanted.
    pub(super) fn notify(&mut self, to: NodeId, sight: &Sight<'_>, out: &mut Vec<Output>) {
        if let Some(progress) = self.followers.get_mut(&to) {
            notify((to, progress), sight, out);
        }
    }

    /// Tells all who have nothing on their way. The voters' answers confirm what is read.
    pub(super) fn announce_commit(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        for (to, progress) in self.followers.iter_mut().filter(|(_, it)| it.is_idle()) {
            match sight.voters.contains(*to) {
                true => send(&mut self.round, (*to, progress), false, sight, out),
                false => notify((*to, progress), sight, out),
            }
        }
    }

    /// Sends what fits into the follower's window.
    pub(super) fn stream(&mut self, to: NodeId, sight: &Sight<'_>, out: &mut Vec<Output>) {
        if let Some(progress) = self.followers.get_mut(&to) {
            stream(&mut self.round, (to, progress), sight, out);
        }
    }

    pub(super) fn stream_to_all(&mut self, sight: &Sight<'_>, out: &mut Vec<Output>) {
        for (to, progress) in &mut self.followers {
            stream(&mut self.round, (*to, progress), sight, out);
        }
    }

    pub(super) fn send_to_those(
        &mut self,
        whom: impl Fn(NodeId, &Progress) -> bool,
        carry: bool,
        sight: &Sight<'_>,
        out: &mut Vec<Output>,
    ) {
        let followers = self.followers.iter_mut();
        for (to, progress) in followers.filter(|(to, it)| whom(**to, it)) {
            send(&mut self.round, (*to, progress), carry, sight, out);
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
}

/// A follower, and what is known of it.
type Follower<'a> = (NodeId, &'a mut Progress);

fn send(
    round: &mut u64,
    (to, progress): Follower<'_>,
    carry: bool,
    sight: &Sight<'_>,
    out: &mut Vec<Output>,
) {
    *round += 1;
    if progress.next() <= sight.log.base()
        && let Some(snapshot) = sight.snapshot
    {
        progress.begin_delivery(snapshot, *round);
    }
    if let Some(part) = progress.question() {
        let (term, round) = (sight.term, *round);
        let message = Message::InstallSnapshot(InstallSnapshot { term, round, part });
        return out.push(Output::Send { to, message });
    }
    let config = sight.config;
    let entries = match carry {
        true => sight.log.batch(
            progress.next(),
            config.entries_per_append_max,
            config.bytes_per_append_max,
        ),
        false => Vec::new(),
    };
    append(*round, (to, progress), entries, sight, out);
}

fn notify(follower: Follower<'_>, sight: &Sight<'_>, out: &mut Vec<Output>) {
    append(Append::NOTICE, follower, Vec::new(), sight, out);
}

fn append(
    round: u64,
    (to, progress): Follower<'_>,
    entries: Vec<Entry>,
    sight: &Sight<'_>,
    out: &mut Vec<Output>,
) {
    let prev_index = LogIndex(progress.next().0.saturating_sub(1));
    let last = entries.last().map_or(prev_index, |entry| entry.index);
    progress.on_sent(last, entries.len(), sight.commit);
    let message = Message::Append(Append {
        term: sight.term,
        round,
        prev_index,
        prev_term: sight.log.term_at(prev_index).unwrap_or_default(),
        commit: sight.commit,
        entries,
    });
    out.push(Output::Send { to, message });
}

fn stream(round: &mut u64, (to, progress): Follower<'_>, sight: &Sight<'_>, out: &mut Vec<Output>) {
    while progress.has_room(sight.config.appends_in_flight_max)
        && progress.next() <= sight.log.last_index()
    {
        send(round, (to, &mut *progress), true, sight, out);
    }
}
