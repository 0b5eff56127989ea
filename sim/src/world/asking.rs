//! The commands that a plan gives to nodes, and what they answer.

use std::net::SocketAddr;

use quorate_core::control;
use quorate_core::id::{Epoch, NodeId, Peer, RoleName, Ticket};
use quorate_core::level::Level;
use quorate_core::node::{Answer, Command, Refusal};
use quorate_core::payload::Payload;
use quorate_core::voters::VoterChange;

use super::World;
use super::host::Condition;
use crate::marks::Mark;
use crate::plan::Question;

/// The tickets of a plan's commands: this, and the number of the fault.
const TICKETS: u64 = 0xffff << 48;

/// What became of a command of the plan.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The moment it was given at.
    pub(super) asked_at: u64,
    /// It was done, or refused with these words.
    pub(super) answer: Result<(), String>,
}

impl World {
    pub(super) fn ask(&mut self, index: usize, question: &Question, fault: usize) {
        if self.hosts[index].process.is_none() {
            let answer = Err("the process does not run".to_string());
            return self.told(fault, answer);
        }
        if let Question::Grant(role, ..) | Question::Release(role, _) = question {
            self.checkers.roles_stay.asked(&self.role_of(role));
        }
        let ticket = Ticket(TICKETS | fault as u64);
        let command = self.command_of(index, question);
        self.command(index, ticket, command);
    }

    fn command_of(&self, index: usize, question: &Question) -> Command {
        let propose = |command| Command::Propose {
            request: None,
            command,
        };
        let change = |change| propose(control::Command::ChangeVoters(change));
        let bytes = |text: &str| Payload::copy_from(text.as_bytes());
        match question {
            Question::Leave => Command::Leave,
            Question::Transfer(to) => Command::TransferLeadership { to: to.map(NodeId) },
            Question::AddVoter(node) => change(VoterChange::add(NodeId(*node))),
            Question::RemoveVoter(node) => change(VoterChange::remove(NodeId(*node))),
            Question::Members => Command::Members,
            Question::Status => Command::Status,
            Question::Role(role) => Command::Role {
                role: self.role_of(role),
            },
            Question::Grant(role, to, epoch) => {
                let role = self.role_of(role);
                propose(control::Command::GrantRole {
                    expected: self.epoch_asked(index, &role, *epoch),
                    holder: self.life_known_to(index, NodeId(*to)),
                    role,
                })
            }
            Question::Release(role, epoch) => {
                let role = self.role_of(role);
                propose(control::Command::ReleaseRole {
                    expected: self.epoch_asked(index, &role, *epoch),
                    role,
                })
            }
            Question::Read(key) => Command::Read { key: key.clone() },
            Question::Write(key, value) => propose(control::Command::Write {
                role: self.primary.clone(),
                epoch: self.epoch_seen_by(index),
                key: key.clone(),
                value: bytes(value),
            }),
            Question::RaiseLevel(to) => propose(control::Command::RaiseLevel { to: Level(*to) }),
            Question::Barrier => propose(control::Command::Barrier),
            Question::SetState(key, value) => Command::SetState {
                key: key.clone(),
                value: bytes(value),
            },
            Question::DeleteState(key) => Command::DeleteState { key: key.clone() },
            Question::ReadState(prefix) => Command::ReadState {
                of: None,
                prefix: prefix.clone(),
            },
        }
    }

    fn role_of(&self, role: &str) -> RoleName {
        RoleName::new(role).unwrap_or_else(|_| self.primary.clone())
    }

    /// The epoch that was named, or else the one that a node knows.
    fn epoch_asked(&self, index: usize, role: &RoleName, named: Option<u64>) -> Epoch {
        named.map_or_else(|| self.epoch_known_to(index, role), Epoch)
    }

    /// Under which a role is held, as far as a node knows.
    pub(super) fn epoch_known_to(&self, index: usize, role: &RoleName) -> Epoch {
        let process = self.hosts[index].process.as_ref();
        let known = process.and_then(|it| it.node.view().control().state().role(role));
        known.map_or(Epoch(0), |role| role.epoch)
    }

    /// The life of another node that a node knows, or its first.
    fn life_known_to(&self, index: usize, node: NodeId) -> Peer {
        let process = self.hosts[index].process.as_ref();
        let known = process.and_then(|it| it.node.view().membership().member(node));
        known.map_or(Peer { node, boot: 1 }, |member| member.peer())
    }

    /// An answer; true if it was to a command of the plan.
    pub(super) fn on_told(
        &mut self,
        index: usize,
        ticket: Ticket,
        answer: &Result<Answer, Refusal>,
    ) -> bool {
        if ticket.0 & TICKETS != TICKETS {
            return false;
        }
        let said = match answer {
            Ok(Answer::Applied { outcome, .. }) => match outcome {
                Ok(_) => Ok(()),
                Err(refused) => Err(refused.to_string()),
            },
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal.to_string()),
        };
        if let Ok(Answer::Left) = answer {
            self.leave(index);
        }
        let fault = usize::try_from(ticket.0 & !TICKETS).unwrap_or(usize::MAX);
        self.told(fault, said);
        true
    }

    fn told(&mut self, fault: usize, answer: Result<(), String>) {
        self.mark_raise(fault, answer.is_ok());
        let Some(strike) = self.plan.faults.get(fault) else {
            return;
        };
        let asked_at = strike.at.ns();
        self.answers.push(Told { asked_at, answer });
    }

    /// The process that has left ends at the end of this step.
    fn leave(&mut self, index: usize) {
        self.marks.hit(Mark::Departure);
        self.hosts[index].condition = Condition::Gone;
    }

    /// A node is started for the first time, or again after it left.
    pub(super) fn join(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        if let Condition::Absent | Condition::Gone = host.condition {
            host.condition = Condition::Fine;
            let life = host.life;
            self.on_restart(index, life);
        }
    }

    /// A machine gets a new address.
    pub(super) fn move_host(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.moves = host.moves.saturating_add(1);
        if let Ok(config) = crate::scenario::config(&self.plan, host.id.0, host.moves) {
            host.config = config;
        }
    }

    /// Whether a host listens there.
    pub(super) fn is_at(&self, index: usize, address: SocketAddr) -> bool {
        self.hosts[index].config.address == address
    }
}
