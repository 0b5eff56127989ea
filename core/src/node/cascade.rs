//! The cascade: routes what one subsystem says to those it concerns.
//!
//! Facts climb the floors (`Died`, `Committed`, `RoleChanged`), commands descend (`Propose`,
//! `Append`, `Send`). What a subsystem says is worked off depth first, in order, before anything
//! else: so when a subsystem hears a fact, everything that was said before it has taken effect.
//! Every match is exhaustive: a new output breaks the build exactly where a decision is due.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Action, Answer, Node, Refusal, links, log};
use crate::control::{self, Envelope};
use crate::durable::Record;
use crate::id::{LinkId, LogIndex, NodeId, Peer, Ticket};
use crate::membership::JoinEnd;
use crate::notice::Notice;
use crate::time::Time;
use crate::wire::{Message, codec};
use crate::{balance, electorate, failover, gossip, health, membership, raft};

/// Promises to peers that wait for the disk at a time. While a disk hangs, a leader's heartbeats
/// would otherwise pile up one promise each.
const HELD_MAX: usize = 4096;

/// One thing to be done, by one subsystem.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Membership(membership::Input),
    /// Tell everyone whom it concerns; one piece for each, since a page of an exchange holds many.
    Fact(membership::Fact),
    Gossip(gossip::Input),
    Health(health::Input),
    Raft(raft::Input),
    Control(control::Input),
    Failover(failover::Input),
    Electorate(electorate::Input),
    Balance(balance::Input),
    Links(links::Input),
    /// Answer a confirmed read; everything up to `index` is applied by then.
    Read {
        ticket: Ticket,
        index: LogIndex,
    },
    /// Write the state down; everything up to `index` is applied by then, and nothing after.
    Compact {
        index: LogIndex,
    },
    /// Send what the gate lets pass.
    Release,
    /// Let those in whom the log and the voters let in, and nobody else.
    Bar,
    /// Turn a node away over every connection with it.
    Expel {
        node: NodeId,
        reason: membership::Reason,
    },
}

/// What waits behind the gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held {
    /// This life of the node may speak.
    Start,
    /// A promise of consensus.
    Promise { to: NodeId, message: raft::Message },
}

impl Node {
    /// Works off `work` and everything it leads to.
    pub(super) fn cascade(&mut self, now: Time, work: Work, actions: &mut Vec<Action>) {
        // A stack whose top is the next piece: what a piece leads to goes on top, reversed.
        let mut stack = Vec::from([work]);
        let mut led_to = Vec::new();
        while let Some(work) = stack.pop() {
            if self.halted.is_some() {
                return;
            }
            self.work_off(now, work, &mut led_to, actions);
            stack.extend(led_to.drain(..).rev());
        }
        if core::mem::take(&mut self.routes_changed) {
            actions.push(Action::PublishRoutes(self.balance.snapshot()));
        }
    }

    fn work_off(&mut self, now: Time, work: Work, next: &mut Vec<Work>, actions: &mut Vec<Action>) {
        match work {
            Work::Membership(input) => {
                let mut out = Vec::new();
                self.membership.step(now, input, &mut out);
                for output in out {
                    self.on_membership(output, next, actions);
                }
            }
            Work::Fact(fact) => self.on_fact(fact, next),
            Work::Gossip(input) => {
                let mut out = Vec::new();
                self.gossip.step(now, input, &mut out);
                for output in out {
                    Node::on_gossip(output, next, actions);
                }
            }
            Work::Health(input) => {
                let mut out = Vec::new();
                self.health.step(now, input, &mut out);
                for output in out {
                    self.on_health(now, output, next, actions);
                }
            }
            Work::Raft(input) => {
                let mut out = Vec::new();
                self.raft.step(now, input, &mut out);
                for output in out {
                    self.on_raft(now, output, next, actions);
                }
            }
            Work::Control(input) => {
                let mut out = Vec::new();
                self.control.step(now, input, &mut out);
                for output in out {
                    self.on_control(now, output, next, actions);
                }
            }
            Work::Failover(input) => {
                let mut out = Vec::new();
                self.failover.step(now, input, &mut out);
                let commands = out.into_iter();
                next.extend(commands.map(|failover::Output::Propose(command)| order(command)));
            }
            Work::Electorate(input) => {
                let mut out = Vec::new();
                self.electorate.step(now, input, &mut out);
                let commands = out.into_iter();
                next.extend(commands.map(|electorate::Output::Propose(command)| order(command)));
            }
            Work::Balance(input) => self.routes_changed |= self.balance.step(input),
            Work::Links(input) => {
                let mut out = Vec::new();
                self.links.step(now, input, &mut out);
                for output in out {
                    on_links(output, next, actions);
                }
            }
            Work::Read { ticket, index } => self.on_readable(ticket, index, actions),
            Work::Compact { index } => self.on_compact(index, next),
            Work::Release => self.on_release(next, actions),
            Work::Bar => self.settle_barred(now, actions),
            Work::Expel { node, reason } => self.expel(now, node, reason, actions),
        }
    }

    fn on_release(&mut self, next: &mut Vec<Work>, actions: &mut Vec<Action>) {
        while let Some(held) = self.gate.release() {
            match held {
                Held::Start => {
                    self.started = true;
                    let incarnation = self.membership.incarnation();
                    actions.push(Action::Notify(Notice::Started { incarnation }));
                    // A snapshot may have turned nodes out.
                    next.push(Work::Bar);
                    let level = self.control.state().level();
                    next.push(Work::Membership(membership::Input::Level(level)));
                    next.push(Work::Membership(membership::Input::Started));
                    next.push(Work::Gossip(gossip::Input::Started));
                    next.extend(self.removed_work());
                }
                // A promise to oneself comes back as a message, now that it is durable.
                Held::Promise { to, message } if to == self.me.node => {
                    next.push(Work::Raft(raft::Input::Received { from: to, message }));
                }
                Held::Promise { to, message } => next.push(send(to, Message::Raft(message))),
            }
        }
    }

    fn on_membership(
        &mut self,
        output: membership::Output,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match output {
            membership::Output::Send { to, message } => {
                next.push(send(to, Message::Membership(message)));
            }
            membership::Output::Dial { address } => {
                next.push(Work::Links(links::Input::Dial { address }));
            }
            membership::Output::Fact(fact) => {
                actions.push(Action::Notify(Notice::Member(fact.clone())));
                if let membership::Fact::Joined(member) = &fact {
                    self.on_added(member, actions);
                }
                next.push(Work::Fact(fact));
            }
            membership::Output::View(view) => actions.push(Action::Notify(Notice::View(view))),
            membership::Output::Unfit { node, unfit } => {
                actions.push(Action::Notify(Notice::Unfit { node, unfit }));
                let reason = membership::Reason::Level(unfit);
                next.push(Work::Expel { node, reason });
            }
            membership::Output::Joined(end) => {
                let Some((ticket, seeds)) = self.joining.take() else {
                    return;
                };
                let answer = match end {
                    JoinEnd::Welcomed => Ok(Answer::Joined),
                    JoinEnd::NobodyAnswered => Err(Refusal::NobodyAnswered { seeds }),
                    JoinEnd::TurnedAway(reason) => Err(Refusal::TurnedAway(reason)),
                };
                actions.push(Action::Reply { ticket, answer });
            }
            membership::Output::LeaveDone => {
                let tickets = self.leaving.take().into_iter();
                actions.extend(tickets.map(|ticket| Action::Reply {
                    ticket,
                    answer: Ok(Answer::Left),
                }));
            }
            membership::Output::Note(notice) => {
                actions.push(Action::Notify(Notice::Membership(notice)));
            }
        }
    }

    fn on_fact(&mut self, fact: membership::Fact, next: &mut Vec<Work>) {
        match fact {
            membership::Fact::Joined(member) => {
                let (peer, address) = (member.peer(), member.address);
                let node = peer.node;
                if node != self.me.node {
                    next.push(Work::Links(links::Input::Known { node, address }));
                }
                // The death of an earlier life ended replication; its connection may already be the
                // new life's.
                next.push(Work::Raft(match self.links.active(node) {
                    Some(_) => raft::Input::PeerUp { node },
                    None => raft::Input::PeerKnown { node },
                }));
                next.push(Work::Health(health::Input::Joined { peer, address }));
                next.push(Work::Gossip(gossip::Input::Joined(peer)));
                let is_witness = member.is_witness;
                next.push(Work::Raft(raft::Input::Witness { node, is_witness }));
                let alive = failover::Input::Alive { peer, is_witness };
                next.push(Work::Failover(alive));
                let zone = member.zone.clone();
                let elector = electorate::Member {
                    node,
                    zone,
                    is_witness,
                };
                next.push(Work::Electorate(electorate::Input::Alive(elector)));
                let zone = member.zone;
                let target = balance::Target {
                    peer,
                    address,
                    zone,
                    suspected: false,
                };
                // No request goes to a witness.
                next.extend((!is_witness).then_some(Work::Balance(balance::Input::Alive(target))));
            }
            membership::Fact::Suspected { peer, evidence: _ } => {
                let suspected = true;
                next.push(Work::Balance(balance::Input::Suspected { peer, suspected }));
            }
            membership::Fact::Refuted { peer } => {
                let suspected = false;
                next.push(Work::Balance(balance::Input::Suspected { peer, suspected }));
            }
            membership::Fact::Died { peer, evidence: _ } => self.on_gone(peer, false, next),
            membership::Fact::Left { peer } => self.on_gone(peer, true, next),
            membership::Fact::Moved { peer, address } => {
                let node = peer.node;
                next.push(Work::Health(health::Input::Moved { node, address }));
                next.push(Work::Links(links::Input::Known { node, address }));
                next.push(Work::Balance(balance::Input::Moved { peer, address }));
            }
        }
    }

    fn on_gone(&self, peer: Peer, left: bool, next: &mut Vec<Work>) {
        let node = peer.node;
        next.push(Work::Electorate(electorate::Input::Gone { node, left }));
        next.push(Work::Raft(raft::Input::PeerDown { node, dead: true }));
        next.push(Work::Health(health::Input::Gone { peer, left }));
        next.push(Work::Gossip(gossip::Input::Gone(peer)));
        next.push(Work::Failover(failover::Input::Gone(peer)));
        next.push(Work::Balance(balance::Input::Gone(peer)));
        next.push(Work::Links(links::Input::Gone { node }));
    }

    fn on_transferred(
        &mut self,
        outcome: Result<NodeId, raft::TransferRefused>,
        actions: &mut Vec<Action>,
    ) {
        let answer = match outcome {
            Ok(to) => Ok(Answer::Transferred { to }),
            Err(refused) => Err(Refusal::Transfer(refused)),
        };
        let tickets = self.transferring.take().into_iter();
        actions.extend(tickets.map(|ticket| Action::Reply {
            ticket,
            answer: answer.clone(),
        }));
    }

    fn on_raft(
        &mut self,
        now: Time,
        output: raft::Output,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match output {
            raft::Output::Send { to, message } => next.push(send(to, Message::Raft(message))),
            raft::Output::Promise { to, message } => {
                // A peer repeats what it is not answered, so its answer may be lost; a node's
                // promises to itself may not, and are bounded by what it may have uncommitted.
                if to == self.me.node || self.gate.len() < HELD_MAX {
                    self.gate.hold(Held::Promise { to, message });
                    next.push(Work::Release);
                }
            }
            raft::Output::Persist(record) => {
                let (lsn, record) = (self.gate.write(), Record::Raft(record));
                actions.push(Action::Persist { lsn, record });
            }
            raft::Output::Committed(entry) => self.on_committed(&entry, next, actions),
            raft::Output::SnapshotDue { index } => next.push(Work::Compact { index }),
            raft::Output::Assembled {
                from,
                round,
                snapshot,
            } => self.on_assembled(from, round, snapshot, next, actions),
            raft::Output::Rejected { data, why } => {
                next.extend(log::rejected(&data, why).map(Work::Control));
            }
            // Not before what was committed in the same step is applied.
            raft::Output::Readable { ticket, index } => next.push(Work::Read { ticket, index }),
            raft::Output::ReadRefused { ticket, why } => self.deny_read(ticket, why, actions),
            raft::Output::ChangeRefused { data, why } => {
                if let Ok(envelope) = codec::decode::<Envelope>(&data) {
                    let refused = control::Refused::Voters(why);
                    next.push(Work::Control(control::Input::Refused { envelope, refused }));
                }
            }
            raft::Output::Voters(voters) => {
                let all: BTreeSet<NodeId> = voters.iter().collect();
                actions.push(Action::Notify(Notice::Voters(voters.clone())));
                next.push(Work::Links(links::Input::Keep(all.clone())));
                next.push(Work::Failover(failover::Input::Voters(all)));
                next.push(Work::Electorate(electorate::Input::Voters(voters)));
                next.push(Work::Bar);
            }
            raft::Output::VoteUnwanted { token } => next.extend(self.give_up_vote(now, token)),
            raft::Output::Transferred(outcome) => self.on_transferred(outcome, actions),
            raft::Output::Changed(standing) => {
                actions.push(Action::Notify(Notice::Leadership(standing)));
                next.push(Work::Control(control::Input::Leader(standing.leader)));
                if standing.role != raft::Role::Leader {
                    next.push(Work::Failover(failover::Input::Following));
                    next.push(Work::Electorate(electorate::Input::Following));
                }
            }
            raft::Output::Note(notice) => actions.push(Action::Notify(Notice::Raft(notice))),
        }
    }
}

fn on_links(output: links::Output, next: &mut Vec<Work>, actions: &mut Vec<Action>) {
    match output {
        links::Output::Up {
            peer,
            address,
            dialed,
        } => {
            actions.push(Action::Notify(Notice::LinkUp { peer, address }));
            let up = membership::Input::LinkUp {
                peer,
                address,
                dialed,
            };
            next.push(Work::Health(health::Input::Up(peer.node)));
            next.push(Work::Membership(up));
            next.push(Work::Raft(raft::Input::PeerUp { node: peer.node }));
        }
        links::Output::Down { peer } => {
            actions.push(Action::Notify(Notice::LinkDown { peer }));
            let node = peer.node;
            next.push(Work::Health(health::Input::Down(node)));
            next.push(Work::Membership(membership::Input::LinkDown { node }));
            next.push(Work::Raft(raft::Input::PeerDown { node, dead: false }));
        }
        links::Output::Dial { address, expected } => {
            actions.push(Action::Dial { address, expected });
        }
        links::Output::Hangup { link } => actions.push(Action::Hangup { link }),
        links::Output::Send { link, to, message } => actions.push(over(link, to, message)),
        links::Output::Dropped { to, messages } => {
            actions.push(Action::Notify(Notice::OutboxDropped { to, messages }));
        }
    }
}

/// A command that the leader wants in the log for the cluster's own sake.
fn order(command: control::Command) -> Work {
    Work::Control(control::Input::Order(command))
}

/// Sends over this very connection.
pub(super) fn over(link: LinkId, to: NodeId, message: Message) -> Action {
    Action::Send {
        link,
        to,
        priority: message.priority(),
        message,
    }
}

pub(super) fn send(to: NodeId, message: Message) -> Work {
    Work::Links(links::Input::Send { to, message })
}
