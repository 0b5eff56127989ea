//! The office is handed over (Raft thesis §3.10): to a voter the host names, or to the best
//! prepared one; also by a leader whose own disk has stalled, and by one that is a witness.
//!
//! The leader takes no further proposals, waits until the target holds its whole log, and calls it:
//! the target campaigns at once, without a pre-vote, and those it asks need not have lost their
//! leader first.
//!
//! * I1. The call goes out only to a voter that holds every entry durably.
//! * I2. Within one election timeout the transfer has happened or is over: then the leader takes
//!   proposals again, or, with a stalled disk, resigns.

use alloc::vec::Vec;

use super::progress::Progress;
use super::{
    Cause, Message, Notice, Output, Part, Raft, TimeoutNow, TransferCause, TransferRefused,
};
use crate::id::NodeId;
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Timer, Wake};

/// A transfer under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Transfer {
    to: NodeId,
    why: TransferCause,
    /// The host waits for an answer.
    is_asked: bool,
    is_called: bool,
    give_up: Timer,
}

impl Transfer {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.give_up.deadline(Wake::Transfer)
    }
}

impl Raft {
    pub(super) fn on_transfer(&mut self, now: Time, to: Option<NodeId>, out: &mut Vec<Output>) {
        let outcome = self.choose_heir(now, to);
        match outcome {
            Ok(heir) => self.begin_transfer(now, heir, TransferCause::Asked, out),
            Err(refused) => out.push(Output::Transferred(Err(refused))),
        }
    }

    /// Whatever waits for the disk stands still: somebody else can do better.
    pub(super) fn on_disk_stalled(&mut self, now: Time, out: &mut Vec<Output>) {
        match self.choose_heir(now, None) {
            Ok(heir) => self.begin_transfer(now, heir, TransferCause::DiskStalled, out),
            Err(TransferRefused::Pending { .. }) => {
                if let Part::Leader(leadership) = &mut self.part
                    && let Some(transfer) = &mut leadership.transfer
                {
                    // If it comes to nothing, this node must not lead on.
                    transfer.why = TransferCause::DiskStalled;
                }
            }
            // Alone it leads on: nobody is served better by having no leader at all.
            Err(_) => {}
        }
    }

    /// The leader calls this node to take over.
    pub(super) fn on_timeout_now(
        &mut self,
        now: Time,
        from: NodeId,
        call: TimeoutNow,
        out: &mut Vec<Output>,
    ) {
        // A witness stands in where nobody else can win, and only there.
        let is_due = call.term == self.term
            && self.leader == Some(from)
            && from != self.me
            && !self.is_witness();
        if is_due && matches!(self.part, Part::Follower) && self.term.0 < u64::MAX {
            self.stats.elections_called += 1;
            self.become_candidate(now, Cause::HandedOver, true, out);
        }
    }

    /// Calls the target once it holds everything (I1).
    pub(super) fn call_if_ready(&mut self, out: &mut Vec<Output>) {
        let is_hasty = self.planted.is(Mutant::CallsUnpreparedHeir);
        let Some((leadership, sight)) = self.lead() else {
            return;
        };
        let Some(transfer) = &mut leadership.transfer else {
            return;
        };
        let progress = leadership.followers.get(&transfer.to);
        // What it held before its connection broke it need not hold any more: it must say so anew.
        let is_ready = |it: &Progress| it.is_idle() && it.matched() == sight.log.last_index();
        let is_ready = progress.is_some_and(is_ready);
        if (is_ready || is_hasty) && !transfer.is_called {
            transfer.is_called = true;
            leadership.lease.end();
            let message = Message::TimeoutNow(TimeoutNow { term: sight.term });
            out.push(Output::Send {
                to: transfer.to,
                message,
            });
        }
    }

    /// Gives up on a target that does not take over (I2).
    pub(super) fn check_transfer(&mut self, now: Time, out: &mut Vec<Output>) {
        let Part::Leader(leadership) = &mut self.part else {
            return;
        };
        let is_over = |transfer: &mut Transfer| transfer.give_up.fire(now);
        let Some(transfer) = leadership.transfer.take_if(is_over) else {
            return;
        };
        tell_end(&transfer, Err(TransferRefused::TimedOut), out);
        if transfer.why == TransferCause::DiskStalled {
            self.resign(now, Cause::DiskStalled, out);
        }
    }

    /// The office has ended, in favour of `leader` if that is known.
    pub(super) fn end_transfer(
        &mut self,
        leader: Option<NodeId>,
        cause: Cause,
        out: &mut Vec<Output>,
    ) {
        let Part::Leader(leadership) = &mut self.part else {
            return;
        };
        let Some(transfer) = leadership.transfer.take() else {
            return;
        };
        // A higher term after the call is the target's: nobody else campaigns against a leader that
        // is heard. If it is not, whoever wins is as good.
        let is_done = transfer.is_called && matches!(cause, Cause::HigherTerm(_));
        let is_another = leader.is_some_and(|leader| leader != transfer.to);
        let outcome = match is_done && !is_another {
            true => Ok(()),
            false => Err(TransferRefused::Deposed),
        };
        tell_end(&transfer, outcome, out);
    }

    pub(super) fn choose_heir(
        &self,
        now: Time,
        to: Option<NodeId>,
    ) -> Result<NodeId, TransferRefused> {
        let Part::Leader(leadership) = &self.part else {
            let leader = self.leader;
            return Err(TransferRefused::NotLeader { leader });
        };
        if let Some(transfer) = &leadership.transfer {
            return Err(TransferRefused::Pending { to: transfer.to });
        }
        match to {
            Some(to) if to == self.me => Err(TransferRefused::AlreadyLeads),
            Some(to) if !self.voters.contains(to) => match self.reachable.contains(&to) {
                true => Err(TransferRefused::Learner),
                false => Err(TransferRefused::Unknown),
            },
            Some(to) if self.witnesses.contains(&to) => Err(TransferRefused::Witness),
            Some(to) => Ok(to),
            None => {
                let timeout = self.config.election_timeout_max;
                let is_heard = |it: &Progress| it.heard().is_some_and(|at| now.since(at) < timeout);
                let followers = leadership.followers.iter();
                let is_fit =
                    |node: &NodeId| self.voters.contains(*node) && !self.witnesses.contains(node);
                let heard = followers.filter(|(node, it)| is_fit(node) && is_heard(it));
                let best =
                    heard.max_by_key(|(node, it)| (it.matched(), core::cmp::Reverse(**node)));
                best.map(|(node, _)| *node)
                    .ok_or(TransferRefused::NobodyHeard)
            }
        }
    }

    pub(super) fn begin_transfer(
        &mut self,
        now: Time,
        to: NodeId,
        why: TransferCause,
        out: &mut Vec<Output>,
    ) {
        self.stats.transfers += 1;
        let mut give_up = Timer::stopped();
        give_up.set(now + self.config.election_timeout_max);
        if let Part::Leader(leadership) = &mut self.part {
            leadership.transfer = Some(Transfer {
                to,
                why,
                is_asked: why == TransferCause::Asked,
                is_called: false,
                give_up,
            });
        }
        out.push(Output::Note(Notice::TransferBegun { to, why }));
        self.call_if_ready(out);
    }
}

fn tell_end(transfer: &Transfer, outcome: Result<(), TransferRefused>, out: &mut Vec<Output>) {
    let to = transfer.to;
    out.push(Output::Note(Notice::TransferEnded { to, outcome }));
    if transfer.is_asked {
        out.push(Output::Transferred(outcome.map(|()| to)));
    }
}
