//! Reads of a node that does not lead (Raft thesis §6.4): it asks the leader for an index, and
//! answers from its own state when it has committed as much.
//!
//! * I1. A question has a number, and each life of a node its own numbers, so an answer confirms
//!   the very read it was asked for: whatever leader gave it, it led after that read came.
//! * I2. Each read is answered once: with its index; or with a refusal when the leader refuses,
//!   when another one or nobody leads or the connection to it breaks before it has answered, or
//!   when `PATIENCE` is over. What the leader has confirmed outlives its office.
//!
//! Deliberately absent: a second question for the same read. Whoever is refused asks again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::read::{PATIENCE, READS_MAX};
use super::{Message, Output, Raft, ReadIndex, ReadIndexReply};
use crate::id::{LogIndex, NodeId, Ticket};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Wake};

/// Why a read is not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unconfirmed {
    /// Nobody is known to lead.
    NoLeader,
    /// Another node leads, or nobody any more.
    LeaderChanged,
    /// The connection to the leader broke.
    ConnectionLost,
    /// The leader that was asked leads no more, or too many reads wait there, or it could not
    /// confirm this one in time.
    ByLeader,
    /// It was not confirmed in time, or what it must see was not applied here in time.
    Late,
    /// Too many reads wait here.
    Crowded,
    /// Another node leads, and may be asked only once the feature level that brings this is in
    /// force.
    Level,
}

impl fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unconfirmed::NoLeader => "no leader is known",
            Unconfirmed::LeaderChanged => "the leader changed",
            Unconfirmed::ConnectionLost => "the connection to the leader broke",
            Unconfirmed::ByLeader => "the leader could not confirm it",
            Unconfirmed::Late => "it took too long",
            Unconfirmed::Crowded => "too many reads are waiting",
            Unconfirmed::Level => "the feature level in force lets only the leader answer",
        })
    }
}

/// A read of this node that the leader was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Question {
    ticket: Ticket,
    number: u64,
    came: Time,
    /// What it must see, once the leader has answered.
    index: Option<LogIndex>,
}

/// The reads of this node that the leader was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Questions {
    /// Tells the questions of this life from those of others; drawn with the first one.
    life: Option<u64>,
    last: u64,
    /// In the order in which they came.
    open: VecDeque<Question>,
}

impl Raft {
    pub(super) fn ask_leader(
        &mut self,
        now: Time,
        leader: NodeId,
        ticket: Ticket,
        out: &mut Vec<Output>,
    ) {
        if self.questions.open.len() >= READS_MAX {
            let why = Unconfirmed::Crowded;
            return out.push(Output::ReadRefused { ticket, why });
        }
        let random = &mut self.random;
        let questions = &mut self.questions;
        let life = *questions.life.get_or_insert_with(|| random.word());
        questions.last += 1;
        let number = questions.last;
        questions.open.push_back(Question {
            ticket,
            number,
            came: now,
            index: None,
        });
        self.stats.reads_asked += 1;
        let message = Message::ReadIndex(ReadIndex { life, number });
        let to = leader;
        out.push(Output::Send { to, message });
    }

    pub(super) fn on_read_index_reply(
        &mut self,
        from: NodeId,
        reply: &ReadIndexReply,
        out: &mut Vec<Output>,
    ) {
        // A question is forgotten with the leader it went to.
        if Some(reply.life) != self.questions.life || self.leader != Some(from) {
            return;
        }
        let open = &mut self.questions.open;
        let unanswered = |it: &Question| it.number == reply.number && it.index.is_none();
        let Some(at) = open.iter().position(unanswered) else {
            return;
        };
        let Some(index) = reply.index else {
            let (ticket, why) = (open[at].ticket, Unconfirmed::ByLeader);
            open.remove(at);
            return out.push(Output::ReadRefused { ticket, why });
        };
        open[at].index = Some(match self.planted.is(Mutant::ReadsBeforeApplied) {
            true => index.min(self.commit),
            false => index,
        });
        self.answer_questions(out);
    }

    /// More is committed, or the leader has answered.
    pub(super) fn answer_questions(&mut self, out: &mut Vec<Output>) {
        let commit = self.commit;
        self.questions.open.retain(|it| match it.index {
            Some(index) if index <= commit => {
                let ticket = it.ticket;
                out.push(Output::Readable { ticket, index });
                false
            }
            Some(_) | None => true,
        });
    }

    /// The leader that was asked will not answer (I2).
    pub(super) fn forget_questions(&mut self, why: Unconfirmed, out: &mut Vec<Output>) {
        self.questions.open.retain(|it| {
            if it.index.is_none() {
                let ticket = it.ticket;
                out.push(Output::ReadRefused { ticket, why });
            }
            it.index.is_some()
        });
    }

    /// Refuses what has waited for too long (I2).
    pub(super) fn refuse_late_questions(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(due) = self.questions_deadline()
            && due.at <= now
            && let Some(Question { ticket, .. }) = self.questions.open.pop_front()
        {
            let why = Unconfirmed::Late;
            out.push(Output::ReadRefused { ticket, why });
        }
    }

    pub(super) fn questions_deadline(&self) -> Option<Deadline> {
        let first = self.questions.open.front()?;
        let at = first.came + self.config.election_timeout_max * PATIENCE;
        let why = Wake::Read;
        Some(Deadline { at, why })
    }
}
