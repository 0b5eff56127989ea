//! What is proposed: how much of it may wait to be committed.
//!
//! A leader without a majority goes on leading until its quorum check, and a slow majority commits
//! late. What its clients propose meanwhile stands in memory and on disk, so entries and bytes have
//! a bound, and a proposal beyond it is refused at once instead of being kept waiting.
//!
//! * I1. What Raft itself appends is never refused: the first entry of a term, the two entries of a
//!   change of the voters. They are few, and without them nothing would be committed any more.
//! * I2. What keeps the cluster going, such as a role that moves, may use as much again: writes
//!   cannot crowd it out, and it has a bound, too.
//! * I3. While nothing waits any entry is taken, however large.

use alloc::vec::Vec;

use super::{Output, Part, Raft, Rejection, compact};
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::time::Time;

impl Raft {
    /// Appends each command, unless too much waits by then. What is vital may use the bounds once
    /// more (I2).
    pub(super) fn on_propose(
        &mut self,
        now: Time,
        commands: impl IntoIterator<Item = Payload>,
        is_vital: bool,
        out: &mut Vec<Output>,
    ) {
        let before = self.log.last_index();
        for data in commands {
            match self.judge_proposal(data.len(), is_vital) {
                Ok(()) => self.put_own(data, None),
                Err(why) => {
                    self.stats.crowded_out += u64::from(why == Rejection::Backlog);
                    out.push(Output::Rejected { data, why });
                }
            }
        }
        let last = self.log.last_index();
        if last > before {
            self.stats.proposed += last.0 - before.0;
            self.persist_own(now, before.next(), out);
            self.stream_to_all(out);
        }
    }

    fn judge_proposal(&self, bytes: usize, is_vital: bool) -> Result<(), Rejection> {
        match &self.part {
            Part::Leader(leadership) if leadership.transfer.is_none() => {
                match self.has_room(bytes, is_vital) {
                    true => Ok(()),
                    false => Err(Rejection::Backlog),
                }
            }
            Part::Leader(_)
            | Part::Learner
            | Part::Follower
            | Part::PreCandidate(_)
            | Part::Candidate(_) => Err(Rejection::NotLeading),
        }
    }

    fn has_room(&self, bytes: usize, is_vital: bool) -> bool {
        if self.planted.is(Mutant::BacklogUnbounded) {
            return true;
        }
        let times = if is_vital { 2 } else { 1 };
        let (entries_max, bytes_max) = (
            self.config.uncommitted_max.saturating_mul(times),
            self.config.uncommitted_bytes_max.saturating_mul(times),
        );
        let entries = self.log.last_index().0 - self.commit.0;
        let with_it = compact::size_of_data(bytes).saturating_add(self.uncommitted_bytes);
        entries == 0
            || usize::try_from(entries).is_ok_and(|n| n < entries_max) && with_it <= bytes_max
    }

    /// Bytes of the entries behind the commit index, anew: the end of the log was replaced.
    pub(super) fn recount_backlog(&mut self) {
        let tail = self.log.behind(self.commit);
        self.uncommitted_bytes = tail.iter().map(compact::size_of).sum();
    }
}
