//! The clients reach the nodes, and the answers reach the clients.

use quorate_core::control::{Effect, Refused};
use quorate_core::id::{Epoch, LogIndex, RequestId, Ticket};
use quorate_core::node::{Answer, Command, Event, Refusal};

use super::World;
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::workload::{Ending, TIMEOUT_NS};

/// No client begins or repeats anything so long before the end of a run.
pub(super) const CLOSING_NS: u64 = 3_000_000_000;

impl World {
    pub(super) fn on_client(&mut self, client: usize, turn: u64) {
        // The last writes must have time to reach every node before the last check.
        let is_closing = self.now + CLOSING_NS > self.plan.end.ns();
        if is_closing || !self.workload.is_turn(client, turn) {
            return;
        }
        let live = self.live();
        if let Some(host) = self.workload.choose(&live) {
            let epoch = self.epoch_seen_by(host);
            if let Some((ticket, command)) = self.workload.ask(client, epoch, self.now) {
                self.command(host, ticket, command);
            }
        }
        // An answer may have come at once, and with it another turn.
        if self.workload.is_turn(client, turn) {
            let turn = self.workload.next_turn(client);
            self.queue
                .push(self.now + TIMEOUT_NS, Due::Client { client, turn });
        }
    }

    /// The nodes that can be asked.
    pub(super) fn live(&self) -> Vec<usize> {
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(_, host)| host.is_up())
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn epoch_seen_by(&self, host: usize) -> Epoch {
        self.epoch_known_to(host, &self.primary)
    }

    pub(super) fn command(&mut self, host: usize, ticket: Ticket, command: Command) {
        if self.hosts[host].paused {
            self.hosts[host].commands.push((ticket, command));
        } else {
            self.step(host, Event::Command { ticket, command });
        }
    }

    pub(super) fn on_reply(
        &mut self,
        host: usize,
        ticket: Ticket,
        answer: Result<Answer, Refusal>,
    ) {
        if self.on_told(host, ticket, &answer) || self.on_read(host, ticket, &answer) {
            return;
        }
        let Some(asked) = self.workload.asked(ticket) else {
            return;
        };
        let client_id = asked.id;
        let ending = match answer {
            Ok(Answer::Applied {
                index,
                outcome: Ok(Effect::Written { .. }),
            }) => {
                self.on_acknowledged(asked.id, asked.request, index, asked.begun);
                let checker = &mut self.checkers.reads_are_linearizable;
                checker.written(asked.client, asked.request.0);
                Ending::Done
            }
            Ok(Answer::Applied {
                outcome: Err(Refused::StaleEpoch { .. }),
                ..
            }) => {
                self.totals.stale_refused += 1;
                self.marks.hit(Mark::StaleEpochRefused);
                self.checkers.core_goes_on.decided(asked.begun);
                Ending::Stale
            }
            Ok(Answer::Applied {
                outcome: Err(_), ..
            }) => Ending::Done,
            Err(Refusal::Busy) => {
                self.marks.hit(Mark::ProposalCrowdedOut);
                Ending::Again
            }
            Err(Refusal::Unknown | Refusal::Stopping | Refusal::Pending) => Ending::Again,
            Ok(_)
            | Err(
                Refusal::NobodyAnswered { .. }
                | Refusal::Invalid(_)
                | Refusal::State(_)
                | Refusal::Transfer(_)
                | Refusal::TurnedAway(_)
                | Refusal::Removed { .. }
                | Refusal::OtherNode { .. }
                | Refusal::NotConfirmed { .. },
            ) => {
                let id = self.hosts[host].id;
                let what = format!("{id} gave {client_id} an answer that fits no write");
                return self.demand("acknowledged_survive", Err(what));
            }
        };
        let wait = self.workload.answered(asked.client, ending);
        let turn = self.workload.next_turn(asked.client);
        self.queue.push(
            self.now + wait,
            Due::Client {
                client: asked.client,
                turn,
            },
        );
    }

    fn on_acknowledged(
        &mut self,
        client: quorate_core::id::ClientId,
        request: RequestId,
        index: LogIndex,
        begun: u64,
    ) {
        let verdict = self
            .checkers
            .acknowledged_survive
            .acknowledged(client, request, index);
        self.demand("acknowledged_survive", verdict);
        let verdict = self
            .checkers
            .no_stale_epoch_write
            .acknowledged(index, client, request);
        self.demand("no_stale_epoch_write", verdict);
        self.checkers.core_goes_on.decided(begun);
        if let Some(heal) = self.plan.heal.filter(|heal| begun >= heal.ns()) {
            self.checkers.progress.acknowledged(self.now - heal.ns());
        }
        self.totals.gap(self.now);
    }
}
