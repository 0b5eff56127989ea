//! The life of this node in the cluster: waiting for its boot record, running, leaving, gone, and
//! back again.
//!
//! Invariants: I1 nothing is sent while waiting. I2 every join and every leave is answered exactly
//! once. I3 a node that leaves stops judging others; once gone it is silent except for answers to
//! probes.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::message::{Gossip, Message, State};
use super::{JoinEnd, Membership, Output};
use crate::id::NodeId;
use crate::time::{Deadline, Time, Wake};

/// Members told of a leave at once; the others hear it by gossip.
const FAREWELLS_MAX: usize = 64;

/// Where this node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// The boot record is not durable yet.
    Waiting,
    /// A member.
    Running,
    /// The others are being told.
    Leaving,
    /// Not a member any more.
    Gone,
}

impl Membership {
    /// The boot record is durable.
    pub(super) fn on_started(&mut self, out: &mut Vec<Output>) {
        self.was_started = true;
        match self.standing {
            Standing::Waiting => {
                self.standing = Standing::Running;
                self.send_early_joins(out);
                let seeds = core::mem::take(&mut self.seeds_at_start);
                self.reach_seeds(&seeds, out);
            }
            Standing::Running | Standing::Leaving | Standing::Gone => {}
        }
    }

    /// Reach a cluster; after a leave, with a life above the one that left.
    pub(super) fn on_join_command(
        &mut self,
        now: Time,
        seeds: &[SocketAddr],
        out: &mut Vec<Output>,
    ) {
        let own = self.me.address;
        let seeds: Vec<SocketAddr> = seeds.iter().copied().filter(|seed| *seed != own).collect();
        self.rejoin.add_seeds(&seeds);
        self.become_gone(out);
        if self.standing == Standing::Gone {
            self.become_returned(now);
        }
        if seeds.is_empty() {
            out.push(Output::Joined(JoinEnd::Welcomed));
        } else {
            self.join_timer.set(now + self.config.join_timeout);
        }
        match self.standing {
            Standing::Waiting => self.seeds_at_start.extend(seeds),
            Standing::Running => self.reach_seeds(&seeds, out),
            Standing::Leaving | Standing::Gone => {}
        }
    }

    /// Tell everyone and stop.
    pub(super) fn on_leave_command(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.join_timer.is_set() {
            self.join_timer.stop();
            out.push(Output::Joined(JoinEnd::NobodyAnswered));
        }
        match self.standing {
            Standing::Waiting | Standing::Gone => {
                self.standing = Standing::Gone;
                self.set_own_state(State::Left);
                out.push(Output::LeaveDone);
            }
            Standing::Running => self.become_leaving(now, out),
            Standing::Leaving => {}
        }
    }

    fn become_leaving(&mut self, now: Time, out: &mut Vec<Output>) {
        self.standing = Standing::Leaving;
        self.set_own_state(State::Left);
        self.prober.stop();
        self.relays.clear();
        self.probation.clear();
        self.rejoin.stop();
        self.newcomer_of = None;
        self.queue.clear();
        self.leave_timer.set(now + self.config.leave_timeout);
        for to in self
            .table
            .live()
            .sample(FAREWELLS_MAX, None, &mut self.random)
        {
            let updates = self.table.update(self.me.node).into_iter().collect();
            self.send(to, Message::Gossip(Gossip { updates }), out);
        }
        self.queue.push(self.me.node);
    }

    /// A leave ends when it was told often enough, or its time is over.
    pub(super) fn settle_leave(&mut self, now: Time, out: &mut Vec<Output>) {
        let told = self.queue.is_empty() || self.table.live().len() == 0;
        if self.standing == Standing::Leaving && (self.leave_timer.fire(now) || told) {
            self.become_gone(out);
        }
    }

    /// Ends a leave that is under way.
    fn become_gone(&mut self, out: &mut Vec<Output>) {
        if self.standing == Standing::Leaving {
            self.standing = Standing::Gone;
            self.leave_timer.stop();
            self.gossip_timer.stop();
            self.queue.clear();
            out.push(Output::LeaveDone);
        }
    }

    /// Back after a leave in the same process. What was known is old by now: suspects get their
    /// time again.
    fn become_returned(&mut self, now: Time) {
        self.standing = if self.was_started {
            Standing::Running
        } else {
            Standing::Waiting
        };
        self.suspicions.postpone(now, true);
        self.probation.clear();
        self.become_alive_above(self.incarnation);
    }

    /// A pending join is refused; the seeds are tried on.
    pub(super) fn on_join_timer(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.join_timer.fire(now) {
            out.push(Output::Joined(JoinEnd::NobodyAnswered));
        }
    }

    /// A message to a node that is leaving or gone: probes are answered with the truth, the rest is
    /// not for us.
    pub(super) fn on_received_after_leave(
        &mut self,
        from: NodeId,
        message: &Message,
        out: &mut Vec<Output>,
    ) {
        match message {
            Message::Ping(ping) => {
                let updates = self.table.update(self.me.node).into_iter().collect();
                self.send_ack(from, ping.probe, updates, out);
            }
            Message::Ack(_)
            | Message::PingReq(_)
            | Message::Nack(_)
            | Message::Join(_)
            | Message::Welcome(_)
            | Message::Gossip(_)
            | Message::Sync(_)
            | Message::Differ(_)
            | Message::TurnedAway(_) => {}
        }
    }

    /// When a pending join or leave must be answered.
    pub(super) fn lifecycle_deadline(&self) -> Option<Deadline> {
        let join = self.join_timer.deadline(Wake::Membership);
        let leave = self.leave_timer.deadline(Wake::Membership);
        Deadline::earliest(join, leave)
    }
}
