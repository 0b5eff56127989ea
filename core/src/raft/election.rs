//! Elections (Raft thesis §3.4, §9.6) and the changes of role.
//!
//! A voter that hears no leader first asks whether it could win (pre-vote, which changes nothing
//! anywhere), then takes a new term, votes for itself and, once that is durable, asks for votes
//! (I2). Pre-vote alone lets a leader that can send but not receive reign for ever, check-quorum
//! alone lets a deaf node raise terms for ever; together they are stable, so neither is an option.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Cause, Message, Notice, Output, Part, PreVote, PreVoteReply, Raft, Role, Vote, VoteReply,
};
use crate::id::{LogIndex, NodeId, Term};
use crate::mutant::Mutant;
use crate::quorum::Verdict;
use crate::time::{Time, Wake};

/// Who answered what; only voters are entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ballot {
    answers: BTreeMap<NodeId, bool>,
}

impl Ballot {
    /// A yes is never taken back: a late refusal answers an earlier question.
    fn enter(&mut self, voter: NodeId, granted: bool) {
        let answer = self.answers.entry(voter).or_insert(granted);
        *answer |= granted;
    }

    fn count(&self, granted: bool) -> u32 {
        let answers = self.answers.values().filter(|it| **it == granted);
        u32::try_from(answers.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn has_yes_of(&self, voter: NodeId) -> bool {
        self.answers.get(&voter) == Some(&true)
    }
}

impl Raft {
    /// The only voter need not wait for anybody.
    pub(super) fn arm_first_election(&mut self, now: Time) {
        if self.voters.is_only(self.me) {
            self.election.set(now);
        } else {
            self.arm_election(now);
        }
    }

    /// Waits a newly drawn election timeout, if this node votes.
    pub(super) fn arm_election(&mut self, now: Time) {
        self.quiet_since = now;
        self.doubt = None;
        if self.may_campaign() {
            let (low, high) = (
                self.config.election_timeout_min,
                self.config.election_timeout_max,
            );
            let span = self.random.span(low, high);
            self.election.set(now + span + self.reluctance());
        }
    }

    pub(super) fn on_election_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        let cause = match &self.part {
            Part::Follower => {
                let silence = Cause::Silence(now.since(self.quiet_since));
                self.doubt.unwrap_or(silence)
            }
            Part::Candidate(ballot) if !ballot.has_yes_of(self.me) => {
                // The disk has not even taken its own vote: a further term would only wait behind
                // it.
                self.arm_election(now);
                return;
            }
            Part::PreCandidate(_) | Part::Candidate(_) => {
                self.note_repetition(out);
                Cause::ElectionLost
            }
            Part::Learner | Part::Leader(_) => return,
        };
        self.become_pre_candidate(now, cause, out);
    }

    pub(super) fn on_pre_vote(
        &mut self,
        now: Time,
        from: NodeId,
        ask: PreVote,
        out: &mut Vec<Output>,
    ) {
        if from == self.me {
            return;
        }
        let granted = ask.term > self.term
            && (!self.hears_leader(now) || self.planted.is(Mutant::PreVoteIgnoresLeader))
            && (self.log.is_covered_by(ask.last_term, ask.last_index)
                || self.planted.is(Mutant::PreVoteIgnoresLog));
        let term = match granted {
            true => ask.term,
            false => self.term,
        };
        out.push(Output::Send {
            to: from,
            message: Message::PreVoteReply(PreVoteReply { term, granted }),
        });
    }

    pub(super) fn on_pre_vote_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: PreVoteReply,
        out: &mut Vec<Output>,
    ) {
        // What a node says that is no voter (any more) is not counted.
        if from == self.me || !self.voters.contains(from) {
            return;
        }
        if !reply.granted && reply.term > self.term {
            let cause = Cause::HigherTerm(reply.term);
            self.become_follower(now, reply.term, None, cause, out);
            return;
        }
        let Part::PreCandidate(ballot) = &mut self.part else {
            return;
        };
        if reply.granted && reply.term != self.term.next() {
            return;
        }
        ballot.enter(from, reply.granted);
        self.count_pre_votes(now, out);
    }

    pub(super) fn on_vote(&mut self, now: Time, from: NodeId, ask: Vote, out: &mut Vec<Output>) {
        if from == self.me {
            return;
        }
        let hears = self.hears_leader(now) && !self.planted.is(Mutant::VoteIgnoresLeader);
        let is_bound = self.is_bound(now) && !ask.called;
        let hears = hears && !ask.called || is_bound;
        if ask.term > self.term && !hears {
            self.become_follower(now, ask.term, None, Cause::HigherTerm(ask.term), out);
        }
        let is_free =
            (self.vote.is_none() || self.planted.is(Mutant::VoteTwice)) && self.leader.is_none();
        let granted = ask.term == self.term
            && !is_bound
            && (is_free || self.vote == Some(from))
            && (self.log.is_covered_by(ask.last_term, ask.last_index)
                || self.planted.is(Mutant::VoteIgnoresLog));
        if granted {
            self.grant_vote(now, from, out);
        } else {
            out.push(Output::Send {
                to: from,
                message: self.vote_reply(false),
            });
        }
    }

    pub(super) fn on_vote_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: VoteReply,
        out: &mut Vec<Output>,
    ) {
        if from != self.me && !self.voters.contains(from) {
            return;
        }
        if reply.term > self.term {
            let cause = Cause::HigherTerm(reply.term);
            self.become_follower(now, reply.term, None, cause, out);
            return;
        }
        let Part::Candidate(ballot) = &mut self.part else {
            return;
        };
        if reply.term < self.term && !self.planted.is(Mutant::CountsOldVotes) {
            return;
        }
        ballot.enter(from, reply.granted);
        self.count_votes(now, out);
    }

    fn count_votes(&mut self, now: Time, out: &mut Vec<Output>) {
        let Part::Candidate(ballot) = &self.part else {
            return;
        };
        let verdict = self.tally(ballot);
        let is_won = match verdict {
            Verdict::Won => true,
            Verdict::Pending => self.planted.is(Mutant::MinorityElects),
            Verdict::Lost => false,
        };
        if is_won && ballot.has_yes_of(self.me) {
            let ballot = ballot.clone();
            self.become_leader(now, &ballot, out);
        } else if verdict == Verdict::Lost {
            self.become_follower(now, self.term, None, Cause::ElectionLost, out);
        }
    }

    /// The failure detector, or the leader itself, spoke against the leader: others may be elected,
    /// and this node asks soon, after `place` others.
    pub(super) fn doubt_leader(&mut self, now: Time, cause: Cause, place: u32) {
        self.heard = None;
        self.doubt = Some(cause);
        let soonest = self.config.election_timeout_min / 3;
        let turn = soonest.saturating_mul(place);
        let at = now + turn + self.random.span(Duration::ZERO, soonest) + self.reluctance();
        let at = self.promised.map_or(at, |until| until.max(at));
        let armed = self.election.deadline(Wake::Election);
        if armed.is_some_and(|armed| at < armed.at) {
            self.election.set(at);
        }
    }

    fn grant_vote(&mut self, now: Time, to: NodeId, out: &mut Vec<Output>) {
        if self.vote.is_none() {
            self.vote = Some(to);
            if !self.planted.is(Mutant::VoteNotPersisted) {
                self.persist_hard_state(out);
            }
        }
        if matches!(self.part, Part::PreCandidate(_)) {
            // Its own attempt would only disturb the one it has just helped.
            self.become_follower(now, self.term, None, Cause::ElectionLost, out);
        }
        self.arm_election(now);
        let message = self.vote_reply(true);
        out.push(match self.planted.is(Mutant::VoteBeforeDurable) {
            true => Output::Send { to, message },
            false => Output::Promise { to, message },
        });
    }

    /// Takes `term` and its leader; also how a leader or a candidate gives up.
    pub(super) fn become_follower(
        &mut self,
        now: Time,
        term: Term,
        leader: Option<NodeId>,
        cause: Cause,
        out: &mut Vec<Output>,
    ) {
        if let Part::Leader(_) = self.part {
            self.stats.offices_ended += 1;
            self.end_transfer(leader, cause, out);
            self.refuse_reads(out);
        }
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.persist_hard_state(out);
        }
        if self.leader != leader {
            self.leader = leader;
            self.heard = None;
        }
        if leader.is_some() {
            self.attempts = 0;
        }
        match self.part {
            Part::Learner | Part::Follower => {}
            Part::PreCandidate(_) | Part::Candidate(_) | Part::Leader(_) => {
                let part = match self.may_campaign() {
                    true => Part::Follower,
                    false => Part::Learner,
                };
                self.change_part(part, cause, out);
                self.arm_election(now);
            }
        }
        self.announce(out);
    }

    fn become_pre_candidate(&mut self, now: Time, cause: Cause, out: &mut Vec<Output>) {
        self.arm_election(now);
        if self.term.0 == u64::MAX {
            return;
        }
        self.stats.pre_elections += 1;
        self.leader = None;
        self.heard = None;
        let mut ballot = Ballot::default();
        ballot.enter(self.me, true);
        self.change_part(Part::PreCandidate(ballot), cause, out);
        self.announce(out);
        let (last_index, last_term) = self.log_end();
        let message = Message::PreVote(PreVote {
            term: self.term.next(),
            last_index,
            last_term,
        });
        for to in self.others() {
            let message = message.clone();
            out.push(Output::Send { to, message });
        }
        self.count_pre_votes(now, out);
    }

    fn count_pre_votes(&mut self, now: Time, out: &mut Vec<Output>) {
        let Part::PreCandidate(ballot) = &self.part else {
            return;
        };
        match self.tally(ballot) {
            Verdict::Won => self.become_candidate(now, Cause::PreVotesWon, false, out),
            Verdict::Pending => {}
            Verdict::Lost => self.become_follower(now, self.term, None, Cause::ElectionLost, out),
        }
    }

    /// Takes the next term and its own vote. A candidate that was called by its leader says so.
    pub(super) fn become_candidate(
        &mut self,
        now: Time,
        cause: Cause,
        called: bool,
        out: &mut Vec<Output>,
    ) {
        self.stats.elections += 1;
        self.term = self.term.next();
        self.vote = Some(self.me);
        self.persist_hard_state(out);
        let is_hasty = self.planted.is(Mutant::LeadBeforeVoteDurable);
        let mut ballot = Ballot::default();
        if is_hasty {
            ballot.enter(self.me, true);
        }
        self.leader = None;
        self.heard = None;
        self.change_part(Part::Candidate(ballot), cause, out);
        self.announce(out);
        self.arm_election(now);
        let (last_index, last_term) = self.log_end();
        let message = Message::Vote(Vote {
            term: self.term,
            last_index,
            last_term,
            called,
        });
        // The request is a promise (I2): it says "my log reaches here, and I shall not campaign in
        // this term again".
        for to in self.others() {
            let message = message.clone();
            out.push(match is_hasty {
                true => Output::Send { to, message },
                false => Output::Promise { to, message },
            });
        }
        out.push(Output::Promise {
            to: self.me,
            message: self.vote_reply(true),
        });
    }

    /// Says why there is no leader yet, more rarely the longer it lasts.
    fn note_repetition(&mut self, out: &mut Vec<Output>) {
        let (Part::PreCandidate(ballot) | Part::Candidate(ballot)) = &self.part else {
            return;
        };
        self.attempts = self.attempts.saturating_add(1);
        if !self.attempts.is_power_of_two() {
            return;
        }
        let term = match self.part {
            Part::Candidate(_) => self.term,
            Part::Learner | Part::Follower | Part::PreCandidate(_) | Part::Leader(_) => {
                self.term.next()
            }
        };
        out.push(Output::Note(Notice::ElectionRepeated {
            term,
            attempts: self.attempts,
            granted: ballot.count(true),
            refused: ballot.count(false),
        }));
    }

    pub(super) fn change_part(&mut self, part: Part, cause: Cause, out: &mut Vec<Output>) {
        let (from, to): (Role, Role) = (self.part.role(), part.role());
        self.part = part;
        if from != to {
            out.push(Output::Note(Notice::RoleChanged {
                from,
                to,
                term: self.term,
                cause,
            }));
        }
    }

    fn tally(&self, ballot: &Ballot) -> Verdict {
        let answer = |voter| ballot.answers.get(&voter).copied();
        match self.planted.is(Mutant::ElectedByNewVotersAlone) {
            true => self.voters.settled().tally(answer),
            false => self.voters.tally(answer),
        }
    }

    /// Whether a leader is alive as far as this node knows, so that nobody else should be elected
    /// (I6). A leader is sure of itself until the quorum check deposes it.
    fn hears_leader(&self, now: Time) -> bool {
        let is_fresh = |heard| now.since(heard) < self.config.election_timeout_min;
        match self.part {
            Part::Leader(_) => true,
            Part::Learner | Part::Follower | Part::PreCandidate(_) | Part::Candidate(_) => {
                self.heard.is_some_and(is_fresh)
            }
        }
    }

    fn vote_reply(&self, granted: bool) -> Message {
        Message::VoteReply(VoteReply {
            term: self.term,
            granted,
        })
    }

    fn log_end(&self) -> (LogIndex, Term) {
        (self.log.last_index(), self.log.last_term())
    }

    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> {
        let me = self.me;
        self.voters.iter().filter(move |v| *v != me)
    }
}
