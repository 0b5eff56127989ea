//! A voter without its past: its disk is lost or damaged, and with it the votes it gave and the
//! entries it acknowledged. It is rebuilt from its peers under the number it had.
//!
//! Whoever forgets a promise may break it. So a rebuilt node first says nothing at all: to the
//! others it is a node that has crashed, which Raft allows. It only listens for a leader, and has
//! its vote taken through the log by an entry that bears a word nobody knew before
//! ([`Record::Rebuild`]): so the entry is younger than the loss. When that is committed, which
//! takes a majority of the old voters without this node, nothing counts any more on what it
//! promised. It is a new learner then, which may be made a voter like any other.
//!
//! * I1. Nothing is answered before a leader, of the term it is in or a later one, has shown that
//!   the entry is committed: what is acknowledged then cannot help a leader that was deposed before
//!   that.
//! * I2. No vote is given, and no election tried, before the own log holds the entry: an older log
//!   may name voters that have been replaced, and this node may have been one that agreed to that.
//! * I3. The node knows that it is being rebuilt until that is durably over. A snapshot that takes
//!   the place of the records before it says so again.
//!
//! `docs/decisions/010-a-lost-voter-is-rebuilt.md` says why that is enough.

use alloc::vec::Vec;

use super::{Message, Notice, Output, Raft, Record};
use crate::id::{LogIndex, NodeId};
use crate::mutant::Mutant;
use crate::time::Time;

/// How far a node without its past has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rebuild {
    pub(super) token: u64,
    /// The entry by which its vote is gone, as the leader answered.
    vote_gone: Option<LogIndex>,
    /// A leader has shown that it is committed.
    is_shown: bool,
    /// The host knows that this node waits.
    is_told: bool,
}

impl Rebuild {
    pub(super) fn of(token: u64) -> Rebuild {
        Rebuild {
            token,
            vote_gone: None,
            is_shown: false,
            is_told: false,
        }
    }
}

impl Raft {
    /// Whether this node is being rebuilt: then it is no voter, whatever its log says.
    #[must_use]
    pub fn is_rebuilding(&self) -> bool {
        self.rebuild.is_some()
    }

    /// The control log has taken this node's vote.
    pub(super) fn on_vote_gone(&mut self, at: LogIndex) {
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.vote_gone = Some(at);
        }
    }

    /// Whether a node without its past is deaf to a message; it may learn from it who leads.
    pub(super) fn is_deaf_to(
        &mut self,
        now: Time,
        from: NodeId,
        message: &Message,
        out: &mut Vec<Output>,
    ) -> bool {
        let rebuild = self.rebuild;
        let Some(rebuild) = rebuild.filter(|_| !self.planted.is(Mutant::RebuiltVotesEarly)) else {
            return false;
        };
        let (term, committed) = match message {
            Message::Append(append) => (append.term, append.commit),
            Message::InstallSnapshot(install) => (install.term, install.part.of.index),
            Message::PreVote(_)
            | Message::PreVoteReply(_)
            | Message::Vote(_)
            | Message::VoteReply(_)
            | Message::TimeoutNow(_) => return true,
            // Of a late answer to an earlier life nothing is taken but the term.
            Message::AppendReply(_) | Message::SnapshotReply(_) => return false,
            // They promise nothing.
            Message::ReadIndex(_) | Message::ReadIndexReply(_) | Message::Resigned(_) => {
                return false;
            }
        };
        if rebuild.is_shown {
            return false;
        }
        let is_second = term == self.term && self.leader.is_some_and(|leader| leader != from);
        if term < self.term || is_second || from == self.me {
            return true;
        }
        self.hear_leader(now, from, term, out);
        let is_shown = match rebuild.vote_gone {
            Some(at) => committed >= at,
            None => {
                let token = rebuild.token;
                out.push(Output::VoteUnwanted { token });
                if !rebuild.is_told {
                    out.push(Output::Note(Notice::Rebuilding { leader: from }));
                }
                false
            }
        };
        if let Some(rebuild) = &mut self.rebuild {
            (rebuild.is_shown, rebuild.is_told) = (is_shown, true);
        }
        !is_shown && !self.planted.is(Mutant::RebuiltAnswersEarly)
    }

    /// After a commit: the node may vote like any other once its log holds the entry (I2).
    pub(super) fn conclude_rebuild(&mut self, now: Time, out: &mut Vec<Output>) {
        let gone = self.rebuild.and_then(|rebuild| rebuild.vote_gone);
        let Some(at) = gone.filter(|at| *at <= self.commit) else {
            return;
        };
        self.rebuild = None;
        out.push(Output::Persist(Record::Rebuilt));
        out.push(Output::Note(Notice::Rebuilt { at }));
        self.take_part(now, out);
    }
}
