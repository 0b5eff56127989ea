//! A node that is being rebuilt has its vote taken: it asks for that like any host asks for a
//! command, and its dedup key is the token of its loss, so that one loss takes one vote.

use core::time::Duration;

use super::Node;
use super::cascade::Work;
use crate::control::{self, Command, Ending};
use crate::id::{ClientId, RequestId, Ticket};
use crate::raft;
use crate::time::Time;

/// The ticket of that proposal; drivers count theirs from 1.
pub(super) const REBUILD: Ticket = Ticket(u64::MAX);

/// After a refusal, such as for a change of the voters under way, it asks again after so long.
const AGAIN: Duration = Duration::from_millis(500);

impl Node {
    /// A leader is heard: it is asked, unless that is under way.
    pub(super) fn give_up_vote(&mut self, now: Time, token: u64) -> Option<Work> {
        self.asks_at.take_if(|at| *at <= now)?;
        Some(Work::Control(control::Input::Propose {
            ticket: REBUILD,
            request: Some((ClientId(token), RequestId(1))),
            command: Command::TakeVote { node: self.me.node },
        }))
    }

    /// What the cluster said to that.
    pub(super) fn on_vote_answer(&mut self, now: Time, ending: &Ending) -> Option<Work> {
        match ending {
            Ending::Applied {
                index,
                outcome: Ok(_),
            } => Some(Work::Raft(raft::Input::VoteGone { at: *index })),
            Ending::Applied {
                index: _,
                outcome: Err(_),
            }
            | Ending::Unknown
            | Ending::Busy => {
                self.asks_at = Some(now + AGAIN);
                None
            }
        }
    }
}
