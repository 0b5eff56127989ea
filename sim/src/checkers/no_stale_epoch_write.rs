//! Fencing: a write takes effect only under the epoch in force of its role, epochs only grow, and a
//! retried request takes effect once.
//!
//! A naive twin folds the applied log by itself: no tables of limited size, no index of ages. Every
//! node that has applied as much must hold what the twin holds.

use std::collections::BTreeMap;

use quorate_core::control::{Command, Envelope, State};
use quorate_core::id::{ClientId, Epoch, LogIndex, NodeId, Peer, RequestId, RoleName};

use super::Verdict;

/// The twin.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    applied: LogIndex,
    roles: BTreeMap<RoleName, (Epoch, Option<Peer>)>,
    /// Version and epoch of the last accepted write.
    registers: BTreeMap<String, (u64, Epoch)>,
    requests: BTreeMap<ClientId, RequestId>,
    /// Where each accepted write stands.
    written: BTreeMap<LogIndex, (ClientId, RequestId)>,
}

impl Checker {
    /// The next entry of the log, decoded; none if it carries no command.
    pub fn apply(&mut self, index: LogIndex, envelope: Option<&Envelope>) {
        self.applied = index;
        let Some(envelope) = envelope else { return };
        let last = self.requests.get(&envelope.client);
        if last.is_some_and(|last| *last >= envelope.request) {
            return;
        }
        self.requests.insert(envelope.client, envelope.request);
        match &envelope.command {
            Command::GrantRole {
                role,
                holder,
                expected,
            } => {
                self.hand_over(index, role, *expected, Some(*holder));
            }
            Command::ReleaseRole { role, expected } => {
                self.hand_over(index, role, *expected, None);
            }
            Command::Write {
                role, epoch, key, ..
            } => {
                let in_force = self.roles.get(role).copied().unwrap_or_default();
                if in_force.0 == *epoch && in_force.1.is_some() {
                    let register = self.registers.entry(key.clone()).or_default();
                    *register = (register.0 + 1, *epoch);
                    self.written
                        .insert(index, (envelope.client, envelope.request));
                }
            }
            Command::ChangeVoters(_)
            | Command::ForceVoters(_)
            | Command::Barrier
            | Command::RemoveNode { .. }
            | Command::AdmitNode { .. }
            | Command::TakeVote { .. }
            | Command::RaiseLevel { .. } => {}
        }
    }

    fn hand_over(&mut self, index: LogIndex, role: &RoleName, expected: Epoch, to: Option<Peer>) {
        let current = self.roles.get(role).copied().unwrap_or_default();
        let is_known = current.0 != Epoch(0);
        if current.0 == expected && (to.is_some() || is_known) {
            self.roles.insert(role.clone(), (Epoch(index.0), to));
        }
    }

    /// The epoch and the holder of a role.
    #[must_use]
    pub fn role(&self, role: &RoleName) -> (Epoch, Option<Peer>) {
        self.roles.get(role).copied().unwrap_or_default()
    }

    /// The last entry folded.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    /// Compares a node's state, if it has applied as much.
    ///
    /// # Errors
    /// It holds something else.
    pub fn compare(&self, node: NodeId, state: &State) -> Verdict {
        if state.applied() != self.applied {
            return Ok(());
        }
        let roles = state
            .roles()
            .iter()
            .map(|(name, role)| (name, (role.epoch, role.holder)));
        if !roles.eq(self.roles.iter().map(|(name, role)| (name, *role))) {
            return Err(format!(
                "{node} holds other roles at {} than the log says",
                self.applied
            ));
        }
        let registers = state.registers().iter();
        let registers = registers.map(|(key, register)| (key, (register.version, register.epoch)));
        if !registers.eq(self
            .registers
            .iter()
            .map(|(key, register)| (key, *register)))
        {
            return Err(format!(
                "{node} accepted a write at or before {} that the epochs in force forbid, or \
                 refused one that they allow",
                self.applied
            ));
        }
        Ok(())
    }

    /// A client was told that its write took effect at `index`.
    ///
    /// # Errors
    /// The log says that it did not.
    pub fn acknowledged(&self, index: LogIndex, client: ClientId, request: RequestId) -> Verdict {
        if self.written.get(&index) == Some(&(client, request)) {
            return Ok(());
        }
        Err(format!(
            "{client} was told that {request} took effect at {index}; the log denies it"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::payload::Payload;

    fn role() -> RoleName {
        RoleName::new("primary").unwrap()
    }

    fn grant(request: u64, node: u64, expected: u64) -> Envelope {
        let holder = Peer {
            node: NodeId(node),
            boot: 1,
        };
        let command = Command::GrantRole {
            role: role(),
            holder,
            expected: Epoch(expected),
        };
        Envelope {
            client: ClientId(9),
            request: RequestId(request),
            command,
        }
    }

    fn write(request: u64, epoch: u64) -> Envelope {
        let (key, value) = ("k".to_string(), Payload::default());
        let command = Command::Write {
            role: role(),
            epoch: Epoch(epoch),
            key,
            value,
        };
        Envelope {
            client: ClientId(1),
            request: RequestId(request),
            command,
        }
    }

    #[test]
    fn the_twin_agrees_with_the_state_and_notices_a_difference() {
        let log = [
            grant(1, 1, 0),
            write(1, 1),
            write(1, 1),
            grant(2, 2, 1),
            write(2, 1),
            write(3, 4),
        ];
        let (mut twin, mut state) = (Checker::default(), State::default());
        for (at, envelope) in log.iter().enumerate() {
            let index = LogIndex(at as u64 + 1);
            twin.apply(index, Some(envelope));
            state.apply(index, envelope);
            assert_eq!(twin.compare(NodeId(1), &state), Ok(()));
        }
        let acknowledged =
            |index, request| twin.acknowledged(LogIndex(index), ClientId(1), RequestId(request));
        assert_eq!((acknowledged(2, 1), acknowledged(6, 3)), (Ok(()), Ok(())));
        assert!(acknowledged(5, 2).is_err(), "it was fenced");
        assert!(acknowledged(3, 1).is_err(), "the first try counts");
        state.skip(LogIndex(7));
        twin.apply(LogIndex(7), Some(&write(4, 4)));
        assert!(twin.compare(NodeId(1), &state).is_err());
    }
}
