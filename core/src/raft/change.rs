//! The voters change (Raft thesis §4.3): joint consensus, in force as soon as it is appended.
//!
//! The leader appends the joint state, and, when that is committed, by itself the new voters alone.
//! Whoever leads by then does that, so a change that has begun ends without anyone's help. The
//! command that asked for it stands in both entries; it takes effect with the second.
//!
//! * I1. One change at a time: the next one is refused until the last one's final entry is
//!   committed.
//! * I2. A leader that is no voter any more leads until that is committed, without counting itself;
//!   then it calls a successor and resigns.
//! * I3. A node is a learner only when the voters that leave it out are committed.
//! * I4. A node that becomes a voter holds almost the whole log already, so it delays no commit.
//! * I5. A change begins only while a majority of the new voters is heard, unless it is forced.
//!
//! An idle learner is heard too seldom to be judged by that. So the first time that one shall
//! become a voter the change is put off, and the learner hears every heartbeat for a while; when
//! the change is proposed again, it is alive or it is not.

use alloc::vec::Vec;

use super::progress::Progress;
use super::{Cause, Message, Notice, Output, Part, Raft, Rejection, TimeoutNow};
use crate::id::{LogIndex, NodeId};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::time::Time;
use crate::voters::{ChangeRefused, VoterChange, Voters};

/// A node that lacks more entries than this cannot become a voter yet.
const LAG_MAX: u64 = 256;

/// For so many of the longest election timeouts a learner that shall become a voter hears every
/// heartbeat: until the change is proposed again.
const COURTSHIP: u32 = 10;

impl Raft {
    pub(super) fn on_change(
        &mut self,
        now: Time,
        change: &VoterChange,
        data: Payload,
        is_forced: bool,
        out: &mut Vec<Output>,
    ) {
        let is_ready = self.log.term_at(self.commit) == Some(self.term);
        if !matches!(self.part, Part::Leader(_)) || !is_ready {
            // Not yet: what came before this term may hold a change this leader cannot know of.
            let why = Rejection::NotLeading;
            out.push(Output::Rejected { data, why });
            return;
        }
        if self.is_under_way(&data) {
            return;
        }
        if self.court(now, change, out) {
            let why = Rejection::Courting;
            return out.push(Output::Rejected { data, why });
        }
        let has_majority = || match is_forced || self.reaches_majority(now, change) {
            true => Ok(()),
            false => Err(ChangeRefused::NoMajority),
        };
        match self.judge_change(now, change).and_then(|()| has_majority()) {
            Ok(()) => self.begin_change(now, change, data, out),
            Err(why) => out.push(Output::ChangeRefused { data, why }),
        }
    }

    /// A repetition of what is being done already.
    fn is_under_way(&self, data: &Payload) -> bool {
        let (index, _) = self.log.voters_at_end();
        let last = self
            .log
            .entry(index)
            .filter(|_| index > self.commit || self.voters.is_joint());
        last.is_some_and(|entry| entry.data == *data)
    }

    /// Asks the connected learners that shall become voters and were not heard of late for a sign
    /// of life. False when there are none, or they have been asked.
    fn court(&mut self, now: Time, change: &VoterChange, out: &mut Vec<Output>) -> bool {
        let timeout = self.config.election_timeout_max;
        let is_learner = |node: &NodeId| !self.voters.contains(*node);
        let connected = change.add.intersection(&self.reachable).copied();
        let learners: Vec<NodeId> = connected.filter(is_learner).collect();
        let Some((leadership, sight)) = self.lead() else {
            return false;
        };
        let mut is_put_off = false;
        for node in learners {
            let Some(progress) = leadership.followers.get_mut(&node) else {
                continue;
            };
            let was_heard = progress.heard().is_some_and(|at| now.since(at) < timeout);
            if was_heard || progress.is_courted(now) {
                continue;
            }
            progress.court(now + timeout * COURTSHIP);
            leadership.send(node, false, &sight, out);
            is_put_off = true;
        }
        is_put_off
    }

    fn judge_change(&self, now: Time, change: &VoterChange) -> Result<(), ChangeRefused> {
        let Part::Leader(leadership) = &self.part else {
            return Err(ChangeRefused::Pending);
        };
        let (index, _) = self.log.voters_at_end();
        if index > self.commit && !self.planted.is(Mutant::ChangesOverlap) {
            return Err(ChangeRefused::Pending);
        }
        if leadership.transfer.is_some() {
            return Err(ChangeRefused::HandingOver);
        }
        let next = change.apply(&self.voters)?;
        let timeout = self.config.election_timeout_max;
        let is_heard = |it: &Progress| it.heard().is_some_and(|at| now.since(at) < timeout);
        for node in next.iter().filter(|node| **node != self.me) {
            if self.voters.contains(*node) {
                continue;
            }
            let progress = leadership.followers.get(node).filter(|it| is_heard(it));
            let progress = progress.ok_or(ChangeRefused::Unreached(*node))?;
            if progress.matched().0 + LAG_MAX < self.log.last_index().0 {
                return Err(ChangeRefused::Behind(*node));
            }
        }
        Ok(())
    }

    /// Whether the voters to come could decide anything now (I5).
    fn reaches_majority(&self, now: Time, change: &VoterChange) -> bool {
        let (Part::Leader(leadership), Ok(next)) = (&self.part, change.apply(&self.voters)) else {
            return false;
        };
        let heard = leadership.quorum_heard(now, self.me, &Voters::of(next));
        heard.is_some_and(|at| now.since(at) < self.config.election_timeout_max)
    }

    fn begin_change(
        &mut self,
        now: Time,
        change: &VoterChange,
        data: Payload,
        out: &mut Vec<Output>,
    ) {
        let Ok(next) = change.apply(&self.voters) else {
            return;
        };
        self.stats.changes += 1;
        let joint = self.voters.changing_to(next);
        self.append_own(now, data, Some(joint), out);
        self.stream_to_all(out);
    }

    /// Takes the voters that the log ends with into force.
    pub(super) fn adopt_voters(&mut self, now: Time, out: &mut Vec<Output>) {
        let (_, voters) = self.log.voters_at_end();
        if *voters == self.voters {
            return;
        }
        self.voters = voters.clone();
        out.push(Output::Voters(self.voters.clone()));
        self.take_part(now, out);
    }

    /// Whether this node may be needed as a candidate. Voters that are not known to be committed
    /// may be gone again; a node that only they leave out may hold what nobody else holds, and then
    /// nobody else can be elected (thesis §4.2.2).
    pub(super) fn may_campaign(&self) -> bool {
        self.rebuild.is_none() && self.log.may_vote(self.me, self.commit)
    }

    /// A learner or a follower, as the voters in force and the commit index say.
    pub(super) fn take_part(&mut self, now: Time, out: &mut Vec<Output>) {
        let is_voter = self.may_campaign();
        match &self.part {
            Part::Learner if is_voter => {
                self.change_part(Part::Follower, Cause::VoterAdded, out);
                self.arm_election(now);
            }
            Part::Follower | Part::PreCandidate(_) | Part::Candidate(_) if !is_voter => {
                self.change_part(Part::Learner, Cause::VoterRemoved, out);
                self.election.stop();
            }
            Part::Learner | Part::Follower | Part::PreCandidate(_) | Part::Candidate(_) => {}
            Part::Leader(_) => self.follow_voters(out),
        }
        self.announce(out);
    }

    /// The leader replicates to every voter, and to whoever else is there.
    fn follow_voters(&mut self, out: &mut Vec<Output>) {
        let (me, voters, reachable) = (self.me, self.voters.clone(), self.reachable.clone());
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        let next = sight.log.last_index().next();
        let mut fresh = Vec::new();
        for node in voters.iter().filter(|node| *node != me) {
            leadership.followers.entry(node).or_insert_with(|| {
                fresh.push(node);
                Progress::new(next, None)
            });
        }
        leadership
            .followers
            .retain(|node, _| voters.contains(*node) || reachable.contains(node));
        fresh
            .into_iter()
            .for_each(|node| leadership.send(node, false, &sight, out));
    }

    /// After a commit: ends a change whose joint state is committed, and the office of a leader
    /// that is no voter any more.
    pub(super) fn conclude_change(&mut self, now: Time, out: &mut Vec<Output>) {
        let (index, _) = self.log.voters_at_end();
        if index > self.commit || !matches!(self.part, Part::Leader(_)) {
            return;
        }
        if self.voters.is_joint() {
            let data = self.log.entry(index).map(|entry| entry.data.clone());
            let settled = self.voters.settled();
            self.append_own(now, data.unwrap_or_default(), Some(settled), out);
            self.stream_to_all(out);
        } else if !self.voters.contains(self.me) && index > LogIndex(0) {
            self.resign_as_removed(now, out);
        }
    }

    fn resign_as_removed(&mut self, now: Time, out: &mut Vec<Output>) {
        let Part::Leader(leadership) = &self.part else {
            return;
        };
        let last = self.log.last_index();
        let holds_all = |(node, it): &(&NodeId, &Progress)| {
            self.voters.contains(**node) && it.matched() == last
        };
        let heir = leadership.followers.iter().find(holds_all);
        let heir = heir.map(|(node, _)| *node);
        out.push(Output::Note(Notice::Removed { term: self.term }));
        let Some(to) = heir else {
            return self.resign(now, Cause::VoterRemoved, out);
        };
        let message = Message::TimeoutNow(TimeoutNow { term: self.term });
        out.push(Output::Send { to, message });
        self.become_follower(now, self.term, None, Cause::VoterRemoved, out);
    }
}
