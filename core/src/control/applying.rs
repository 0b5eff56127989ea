//! What the log, or a snapshot in its place, does to the state, and who is told.

use alloc::vec::Vec;

use super::state::{Applied, State};
use super::{Answer, Control, Effect, Ending, Envelope, Key, Message, Outcome, Output, Refused};
use crate::id::LogIndex;

impl Control {
    pub(super) fn on_committed(
        &mut self,
        index: LogIndex,
        envelope: &Envelope,
        out: &mut Vec<Output>,
    ) {
        let Applied {
            index,
            outcome,
            role,
        } = self.state.apply(index, envelope);
        self.stats.applied += 1;
        self.stats.refused += u64::from(outcome.is_err());
        if let Some((role, state)) = role {
            out.push(Output::RoleChanged { role, state });
        }
        if matches!(outcome, Ok(Effect::Removed { .. } | Effect::Admitted)) {
            out.push(Output::RemovedChanged);
        }
        if outcome == Ok(Effect::LevelRaised) {
            out.push(Output::LevelRaised(self.state.level()));
        }
        self.answer((envelope.client, envelope.request), index, outcome, out);
    }

    /// What was applied on the way there was not seen: roles may have changed hands, and own
    /// proposals may have taken effect.
    pub(super) fn on_restored(&mut self, state: State, out: &mut Vec<Output>) {
        let before = core::mem::replace(&mut self.state, state);
        self.state.planted = self.planted;
        for (role, state) in self.state.roles() {
            if before.role(role) != Some(*state) {
                let (role, state) = (role.clone(), *state);
                out.push(Output::RoleChanged { role, state });
            }
        }
        if before.removed() != self.state.removed() {
            out.push(Output::RemovedChanged);
        }
        if before.level() != self.state.level() {
            out.push(Output::LevelRaised(self.state.level()));
        }
        let keys: Vec<Key> = self.waiting.keys().copied().collect();
        for key in keys {
            if let Some((index, outcome)) = self.remembered(key) {
                self.end(key, &Ending::Applied { index, outcome }, out);
            }
        }
    }

    pub(super) fn on_refused(
        &mut self,
        envelope: &Envelope,
        refused: Refused,
        out: &mut Vec<Output>,
    ) {
        let key = (envelope.client, envelope.request);
        self.answer(key, LogIndex(0), Err(refused), out);
    }

    /// What the leader says became of an own proposal. That it did not append it is the end only of
    /// a proposal that no other leader can have appended: one that was handed over once.
    pub(super) fn on_told(
        &mut self,
        key: Key,
        index: LogIndex,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        if outcome != Err(Refused::Backlog) {
            return self.end(key, &Ending::Applied { index, outcome }, out);
        }
        if self.waiting.get(&key).is_some_and(|it| it.tries == 1) {
            self.end(key, &Ending::Busy, out);
        }
    }

    /// Tells whoever waits for it, here and elsewhere.
    pub(super) fn answer(
        &mut self,
        key: Key,
        index: LogIndex,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let (client, request) = key;
        if let Some(to) = self.forwarded.remove(&key)
            && to != self.me
        {
            let answer = Answer {
                client,
                request,
                index,
                outcome: outcome.clone(),
            };
            out.push(Output::Send {
                to,
                message: Message::Answer(answer),
            });
        }
        self.on_told(key, index, outcome, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Command, Config, Input, RoleState};
    use crate::id::{ClientId, Epoch, NodeId, Peer, RequestId, RoleName, Ticket};
    use crate::seed::{Seed, Stream};
    use crate::time::Time;
    use core::time::Duration;

    #[test]
    fn a_restored_state_tells_of_its_roles_and_answers_what_it_knows_of() {
        let config = Config {
            forward_interval: Duration::from_millis(250),
            proposal_timeout: Duration::from_secs(10),
            proposals_max: 2,
        };
        let random = Seed::from_number(1).stream(Stream::Control);
        let mut control = Control::new(config, NodeId(1), State::default(), random);
        let mut step = |input| {
            let mut out = Vec::new();
            control.step(Time::ZERO, input, &mut out);
            out
        };
        let key = |client| (ClientId(client), RequestId(1));
        for client in [7, 8] {
            step(Input::Propose {
                ticket: Ticket(client),
                request: Some(key(client)),
                command: Command::Barrier,
            });
        }
        let mut state = State::default();
        let role = RoleName::new("primary").unwrap();
        let holder = Peer {
            node: NodeId(2),
            boot: 1,
        };
        let grant = Command::GrantRole {
            role: role.clone(),
            holder,
            expected: Epoch(0),
        };
        for (index, client, command) in [(1, 9, grant), (2, 7, Command::Barrier)] {
            let (client, request) = key(client);
            let envelope = Envelope {
                client,
                request,
                command,
            };
            state.apply(LogIndex(index), &envelope);
        }
        let granted = RoleState {
            epoch: Epoch(1),
            holder: Some(holder),
        };
        let told = Output::RoleChanged {
            role,
            state: granted,
        };
        let outcome = Ok(Effect::Passed);
        let ending = Ending::Applied {
            index: LogIndex(2),
            outcome,
        };
        let answered = Output::Reply {
            ticket: Ticket(7),
            ending,
        };
        assert_eq!(step(Input::Restored(state.clone())), [told, answered]);
        assert_eq!(step(Input::Restored(state)), [], "nothing new");
    }
}
