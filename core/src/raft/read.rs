//! Reads that see everything acknowledged before they were asked for (ReadIndex, Raft thesis §6.4).
//!
//! A leader that has committed an entry of its own term knows the latest commit index, but not that
//! it still leads. So it notes that index, asks the others, and answers when a majority has
//! answered a message that was sent after the read came. Whoever does not lead asks the leader for
//! that index (`read_index`).
//!
//! * I1. Every message of a leadership has a number of its own, so an answer that was on its way
//!   when the read came confirms nothing.
//! * I2. Each read is answered once: with its index, or with a refusal when the office ends or
//!   after [`PATIENCE`], at the next quorum check: a majority that answers need not be able to
//!   write, and then the leader's first entry is not committed.
//!
//! A read costs a round trip, shared by all that wait for it, and depends on no clock; unless the
//! host trusts its clocks (`lease`).

use alloc::vec::Vec;

use super::progress::Progress;
use super::{Message, Output, Part, Raft, ReadIndex, ReadIndexReply, Unconfirmed};
use crate::id::{LogIndex, NodeId, Ticket};
use crate::mutant::Mutant;
use crate::time::Time;

/// Reads that may wait at a time.
pub(super) const READS_MAX: usize = 4096;

/// A read waits at most so many times the longest election timeout; at the leader one time more.
pub(super) const PATIENCE: u32 = 4;

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// The host.
    Host(Ticket),
    /// The host of another node.
    Peer(NodeId, ReadIndex),
}

impl Reader {
    fn answer(self, answer: Result<LogIndex, Unconfirmed>) -> Output {
        match (self, answer) {
            (Reader::Host(ticket), Ok(index)) => Output::Readable { ticket, index },
            (Reader::Host(ticket), Err(why)) => Output::ReadRefused { ticket, why },
            (Reader::Peer(to, ReadIndex { life, number }), answer) => {
                let reply = ReadIndexReply {
                    life,
                    number,
                    index: answer.ok(),
                };
                let message = Message::ReadIndexReply(reply);
                Output::Send { to, message }
            }
        }
    }
}

/// A read that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    reader: Reader,
    came: Time,
    /// The number of the last message sent before it came, and the commit index then; `None` until
    /// an entry of the leader's own term is committed.
    asked: Option<(u64, LogIndex)>,
}

impl Raft {
    pub(super) fn on_read(&mut self, now: Time, ticket: Ticket, out: &mut Vec<Output>) {
        match self.leader {
            Some(leader) if leader != self.me => self.ask_leader(now, leader, ticket, out),
            Some(_) | None => self.confirm(now, Reader::Host(ticket), out),
        }
    }

    pub(super) fn on_read_index(
        &mut self,
        now: Time,
        from: NodeId,
        ask: ReadIndex,
        out: &mut Vec<Output>,
    ) {
        if from != self.me {
            self.confirm(now, Reader::Peer(from, ask), out);
        }
    }

    /// Finds out whether this node still leads, and as of which index.
    fn confirm(&mut self, now: Time, reader: Reader, out: &mut Vec<Output>) {
        let is_settled = self.log.term_at(self.commit) == Some(self.term);
        let is_hasty = self.planted.is(Mutant::ReadsUnconfirmed);
        if is_settled && self.has_lease(now) {
            self.stats.leased_reads += 1;
            return out.push(reader.answer(Ok(self.commit)));
        }
        let commit = self.commit;
        let Some((leadership, sight)) = self.lead() else {
            return out.push(reader.answer(Err(Unconfirmed::NoLeader)));
        };
        if is_hasty {
            return out.push(reader.answer(Ok(commit)));
        }
        if leadership.reads.len() >= READS_MAX {
            return out.push(reader.answer(Err(Unconfirmed::Crowded)));
        }
        let asked = is_settled.then_some((leadership.round, commit));
        // Whoever waits already has messages on their way; theirs do for nobody that comes later.
        let is_first = leadership.reads.iter().all(|read| read.asked != asked);
        leadership.reads.push_back(Read {
            reader,
            came: now,
            asked,
        });
        if is_settled && is_first {
            leadership.send_to_those(|it, _| sight.voters.contains(it), false, &sight, out);
        }
        self.answer_reads(out);
    }

    /// The first entry of the term is committed: what waited for it is asked for now.
    pub(super) fn ask_for_reads(&mut self, out: &mut Vec<Output>) {
        let is_settled = self.log.term_at(self.commit) == Some(self.term);
        let commit = self.commit;
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        let asked = (leadership.round, commit);
        let waiting = leadership.reads.iter_mut().filter(|it| it.asked.is_none());
        let mut waiting = waiting.peekable();
        if !is_settled || waiting.peek().is_none() {
            return;
        }
        waiting.for_each(|it| it.asked = Some(asked));
        leadership.send_to_those(|it, _| sight.voters.contains(it), false, &sight, out);
        self.answer_reads(out);
    }

    /// Answers the reads that a majority has confirmed (I1).
    pub(super) fn answer_reads(&mut self, out: &mut Vec<Output>) {
        let me = self.me;
        let Part::Leader(leadership) = &mut self.part else {
            return;
        };
        if leadership.reads.is_empty() {
            return;
        }
        let followers = &leadership.followers;
        let confirmed = self.voters.reached(|voter| match voter == me {
            true => u64::MAX,
            false => followers.get(&voter).map_or(0, Progress::answered),
        });
        while let Some(Read { reader, asked, .. }) = leadership.reads.front().copied()
            && let Some((round, index)) = asked
            && round < confirmed
        {
            leadership.reads.pop_front();
            out.push(reader.answer(Ok(index)));
        }
    }

    /// Refuses what has waited for too long (I2). They stand in the order in which they came.
    pub(super) fn refuse_late_reads(&mut self, now: Time, out: &mut Vec<Output>) {
        let patience = self.config.election_timeout_max * PATIENCE;
        if let Part::Leader(leadership) = &mut self.part {
            while let Some(Read { reader, came, .. }) = leadership.reads.front().copied()
                && now.since(came) >= patience
            {
                leadership.reads.pop_front();
                out.push(reader.answer(Err(Unconfirmed::Late)));
            }
        }
    }

    /// The office has ended (I2).
    pub(super) fn refuse_reads(&mut self, out: &mut Vec<Output>) {
        if let Part::Leader(leadership) = &mut self.part {
            let reads = core::mem::take(&mut leadership.reads).into_iter();
            let why = Unconfirmed::LeaderChanged;
            out.extend(reads.map(|Read { reader, .. }| reader.answer(Err(why))));
        }
    }
}
