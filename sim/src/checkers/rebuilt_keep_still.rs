//! A node whose disk was lost takes no part in consensus before its old vote is gone, and gives no
//! vote before its own log says so (Raft thesis §3.8: what a server promised must outlive it).

use std::collections::BTreeMap;

use quorate_core::id::{LogIndex, NodeId};
use quorate_core::raft::Message;

use super::Verdict;

/// A loss, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Loss {
    /// Its vote is taken under this token.
    token: u64,
    /// By this committed entry.
    vote_gone: Option<LogIndex>,
}

/// Whoever is being rebuilt.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    losses: BTreeMap<NodeId, Loss>,
}

impl Checker {
    /// A process has started, and found that it has lost its disk, or that it has not.
    pub fn started(&mut self, node: NodeId, token: Option<u64>) {
        let Some(token) = token else {
            self.losses.remove(&node);
            return;
        };
        let fresh = Loss {
            token,
            vote_gone: None,
        };
        let known = self.losses.entry(node).or_insert(fresh);
        if known.token != token {
            *known = fresh;
        }
    }

    /// A request of this client is committed.
    pub fn committed(&mut self, client: u64, index: LogIndex) {
        for loss in self.losses.values_mut() {
            if loss.token == client {
                loss.vote_gone.get_or_insert(index);
            }
        }
    }

    /// A node that has committed everything up to `commit` sends a message of consensus.
    ///
    /// # Errors
    /// It must keep still.
    pub fn sent(&self, node: NodeId, commit: LogIndex, message: &Message) -> Verdict {
        let is_vote = match message {
            Message::PreVoteReply(reply) => reply.granted,
            Message::VoteReply(reply) => reply.granted,
            Message::PreVote(_) | Message::Vote(_) => true,
            Message::Append(_)
            | Message::AppendReply(_)
            | Message::TimeoutNow(_)
            | Message::InstallSnapshot(_)
            | Message::SnapshotReply(_)
            | Message::Resigned(_) => false,
            // They promise nothing.
            Message::ReadIndex(_) | Message::ReadIndexReply(_) => return Ok(()),
        };
        let Some(loss) = self.losses.get(&node) else {
            return Ok(());
        };
        match loss.vote_gone {
            None => Err(format!(
                "{node} has lost its disk and takes part while its old vote counts"
            )),
            Some(at) if is_vote && commit < at => Err(format!(
                "{node} votes before its new log holds entry {at}, which took its old vote"
            )),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::Term;
    use quorate_core::raft::{AppendOutcome, AppendReply, VoteReply};

    #[test]
    fn an_early_answer_and_an_early_vote_are_refused_and_later_ones_are_not() {
        let (mut checker, node) = (Checker::default(), NodeId(3));
        let answer = Message::AppendReply(AppendReply {
            term: Term(2),
            round: 7,
            outcome: AppendOutcome::Matched { index: LogIndex(4) },
        });
        let vote = |granted| {
            let term = Term(2);
            Message::VoteReply(VoteReply { term, granted })
        };
        assert_eq!(checker.sent(node, LogIndex(0), &vote(true)), Ok(()));
        checker.started(node, Some(77));
        assert!(checker.sent(node, LogIndex(0), &answer).is_err());
        checker.committed(78, LogIndex(8));
        assert!(checker.sent(node, LogIndex(0), &answer).is_err());
        checker.committed(77, LogIndex(9));
        checker.started(node, Some(77));
        assert_eq!(checker.sent(node, LogIndex(8), &answer), Ok(()));
        assert!(checker.sent(node, LogIndex(8), &vote(true)).is_err());
        assert_eq!(checker.sent(node, LogIndex(8), &vote(false)), Ok(()));
        assert_eq!(checker.sent(node, LogIndex(9), &vote(true)), Ok(()));
        checker.started(node, Some(79));
        assert!(checker.sent(node, LogIndex(9), &answer).is_err(), "again");
        checker.started(node, None);
        assert_eq!(checker.sent(node, LogIndex(0), &vote(true)), Ok(()));
    }
}
