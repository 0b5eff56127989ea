//! The readers reach the nodes, and the answers reach the readers.

use quorate_core::control::Register;
use quorate_core::id::{NodeId, Ticket};
use quorate_core::node::{Answer, Command, Refusal};
use quorate_core::raft::Unconfirmed;

use super::World;
use super::clients::CLOSING_NS;
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::readers::Asked;
use crate::workload::register_of;

impl World {
    pub(super) fn on_reader(&mut self, reader: usize, turn: u64) {
        let is_closing = self.now + CLOSING_NS > self.plan.end.ns();
        if is_closing || !self.readers.is_turn(reader, turn) {
            return;
        }
        let live = self.live();
        let clients = self.workload.len();
        if let Some(host) = self.readers.node_of(reader, &live).filter(|_| clients > 0) {
            let register = self.readers.choose(clients);
            let least = self.checkers.reads_are_linearizable.begins(register);
            let ticket = self.readers.ask(reader, register, least);
            let key = register_of(register);
            self.command(host, ticket, Command::ReadLatest { key });
        }
        // An answer may have come at once, and with it another turn.
        if self.readers.is_turn(reader, turn) {
            let turn = self.readers.next_turn(reader);
            let at = self.now + self.readers.lose_patience(reader);
            self.queue.push(at, Due::Reader { reader, turn });
        }
    }

    /// An answer; true if it was to a reader.
    pub(super) fn on_read(
        &mut self,
        host: usize,
        ticket: Ticket,
        answer: &Result<Answer, Refusal>,
    ) -> bool {
        let Some(asked) = self.readers.answered(ticket) else {
            return false;
        };
        let next = match answer {
            Ok(Answer::Register(register)) => {
                self.on_register(&asked, register.as_ref());
                let process = self.hosts[host].process.as_ref();
                let raft = process.map(|it| it.node.view().raft());
                if raft.is_some_and(|raft| raft.stats().leased_reads > 0) {
                    self.marks.hit(Mark::ReadByLease);
                }
                let leader = raft.and_then(|raft| raft.standing().leader);
                let leader = self.index_of(leader);
                if leader != Some(host) {
                    self.marks.hit(Mark::ReadElsewhere);
                }
                self.readers.after_answer(host, leader)
            }
            Err(Refusal::NotConfirmed { leader, why }) => {
                self.marks.hit(match why {
                    Unconfirmed::NoLeader | Unconfirmed::Crowded => Mark::ReadRefused,
                    Unconfirmed::LeaderChanged => Mark::ReadLostLeader,
                    Unconfirmed::ConnectionLost => Mark::ReadLostConnection,
                    Unconfirmed::ByLeader => Mark::ReadRefusedByLeader,
                    Unconfirmed::Late => Mark::ReadTooLate,
                    Unconfirmed::Level => Mark::ReadTooEarly,
                });
                self.index_of(*leader)
            }
            Err(Refusal::Stopping | Refusal::Pending) => None,
            Ok(_) | Err(_) => {
                let what = format!("{} gave a read {answer:?}", self.hosts[host].id);
                self.demand("reads_are_linearizable", Err(what));
                None
            }
        };
        // The turn after the one it asked in waits for an answer; a later one does not.
        if self.readers.is_turn(asked.reader, asked.turn)
            || self.readers.is_turn(asked.reader, asked.turn + 1)
        {
            self.readers.turn_to(asked.reader, next);
            let turn = self.readers.next_turn(asked.reader);
            let (reader, at) = (asked.reader, self.now + self.readers.pause());
            self.queue.push(at, Due::Reader { reader, turn });
        }
        true
    }

    fn index_of(&self, node: Option<NodeId>) -> Option<usize> {
        self.hosts.iter().position(|host| Some(host.id) == node)
    }

    fn on_register(&mut self, asked: &Asked, register: Option<&Register>) {
        let Asked {
            register: of,
            least,
            ..
        } = *asked;
        let bytes = register.map(|it| <[u8; 8]>::try_from(&*it.value));
        let value = match bytes {
            None => 0,
            Some(Ok(bytes)) => u64::from_le_bytes(bytes),
            Some(Err(_)) => u64::MAX,
        };
        let written = self.workload.requests(of);
        let checker = &mut self.checkers.reads_are_linearizable;
        let verdict = checker.read(of, least, value, written);
        self.totals.reads += 1;
        self.marks.hit(Mark::ReadConfirmed);
        self.demand("reads_are_linearizable", verdict);
    }
}
