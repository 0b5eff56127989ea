//! The replicated state: a pure fold of committed commands with compare-and-set on epochs.
//!
//! Apply reads no clock and draws nothing, so every node that folds the same log holds the same
//! state and finds the same outcome for each entry.
//!
//! * I1: a role's epoch is the log index of its last grant or release; it only grows.
//! * I2: a write is accepted only under the epoch in force of its role, which must have a holder.
//! * I3: a request takes effect once: repeating the client's last request returns its remembered
//!   outcome.
//! * I4: the feature level only rises.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::command::{Command, Effect, Envelope, Outcome, Refused};
use crate::id::{ClientId, Epoch, LogIndex, NodeId, Peer, RequestId, RoleName};
use crate::level::{Level, RaiseRefused};
use crate::mutant::{Mutant, Planted};
use crate::payload::Payload;

/// Roles the state holds.
pub const ROLES_MAX: usize = 1024;
/// Registers the state holds.
pub const REGISTERS_MAX: usize = 4096;
/// Removed nodes the state holds.
pub const REMOVED_MAX: usize = 4096;
/// Clients whose last outcome is remembered; the one that has been silent longest in the log is
/// forgotten first.
pub const CLIENTS_MAX: usize = 4096;

/// A role in the control state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoleState {
    /// The epoch in force: the log index of the last grant or release.
    pub epoch: Epoch,
    /// Who holds it.
    pub holder: Option<Peer>,
}

/// A replicated register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register {
    /// How often it was written.
    pub version: u64,
    /// The epoch it was last written under.
    pub epoch: Epoch,
    /// What was last written.
    pub value: Payload,
}

/// The last request of a client and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Remembered {
    request: RequestId,
    pub(super) index: LogIndex,
    outcome: Outcome,
}

/// The fold of the log so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) applied: LogIndex,
    pub(super) roles: BTreeMap<RoleName, RoleState>,
    pub(super) registers: BTreeMap<String, Register>,
    pub(super) clients: BTreeMap<ClientId, Remembered>,
    /// Clients by the index of their last request: the first is forgotten first.
    pub(super) clients_by_age: BTreeSet<(LogIndex, ClientId)>,
    /// The nodes that are turned out, and by which entry.
    pub(super) removed: BTreeMap<NodeId, LogIndex>,
    pub(super) level: Level,
    pub(super) planted: Planted,
}

/// What applying one entry came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Applied {
    /// Where the command took effect: the entry's index, or for a retry the index of the first try.
    pub index: LogIndex,
    /// The outcome.
    pub outcome: Outcome,
    /// The role that changed hands, with its new state.
    pub role: Option<(RoleName, RoleState)>,
}

impl State {
    /// Skips an entry without a command.
    pub fn skip(&mut self, index: LogIndex) {
        self.applied = index;
    }

    /// Applies the command at `index`.
    pub fn apply(&mut self, index: LogIndex, envelope: &Envelope) -> Applied {
        self.applied = index;
        let known = self.clients.get(&envelope.client);
        if let Some(last) = known.filter(|_| !self.planted.is(Mutant::NoDedup)) {
            if last.request == envelope.request {
                return Applied {
                    index: last.index,
                    outcome: last.outcome.clone(),
                    role: None,
                };
            }
            if last.request > envelope.request {
                return Applied {
                    index,
                    outcome: Err(Refused::Superseded),
                    role: None,
                };
            }
        }
        let (outcome, role) = self.execute(index, &envelope.command);
        self.remember(envelope, index, outcome.clone());
        Applied {
            index,
            outcome,
            role,
        }
    }

    /// What became of a request, if it is its client's last one.
    #[must_use]
    pub fn remembered(&self, client: ClientId, request: RequestId) -> Option<(LogIndex, &Outcome)> {
        let last = self.clients.get(&client)?;
        (last.request == request).then_some((last.index, &last.outcome))
    }

    /// A role, if it was ever granted.
    #[must_use]
    pub fn role(&self, role: &RoleName) -> Option<RoleState> {
        self.roles.get(role).copied()
    }

    /// All roles ever granted.
    #[must_use]
    pub fn roles(&self) -> &BTreeMap<RoleName, RoleState> {
        &self.roles
    }

    /// A register, if it was ever written.
    #[must_use]
    pub fn register(&self, key: &str) -> Option<&Register> {
        self.registers.get(key)
    }

    /// All registers.
    #[must_use]
    pub fn registers(&self) -> &BTreeMap<String, Register> {
        &self.registers
    }

    /// The nodes that are turned out, and the entry that did it.
    #[must_use]
    pub fn removed(&self) -> &BTreeMap<NodeId, LogIndex> {
        &self.removed
    }

    /// The feature level in force.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    fn execute(
        &mut self,
        index: LogIndex,
        command: &Command,
    ) -> (Outcome, Option<(RoleName, RoleState)>) {
        let epoch = Epoch(index.0);
        if let Err(refused) = command.check() {
            return (Err(refused), None);
        }
        match command {
            Command::GrantRole {
                role,
                holder,
                expected,
            } => {
                let granted = RoleState {
                    epoch,
                    holder: Some(*holder),
                };
                match self.replace_role(role, *expected, granted) {
                    Ok(()) => (Ok(Effect::Granted { epoch }), Some((role.clone(), granted))),
                    Err(refused) => (Err(refused), None),
                }
            }
            Command::ReleaseRole { role, expected } => {
                let released = RoleState {
                    epoch,
                    holder: None,
                };
                if !self.roles.contains_key(role) {
                    return (Err(Refused::UnknownRole), None);
                }
                match self.replace_role(role, *expected, released) {
                    Ok(()) => (
                        Ok(Effect::Released { epoch }),
                        Some((role.clone(), released)),
                    ),
                    Err(refused) => (Err(refused), None),
                }
            }
            Command::Write {
                role,
                epoch,
                key,
                value,
            } => (self.write(role, *epoch, key, value), None),
            Command::ChangeVoters(_) | Command::ForceVoters(_) => (Ok(Effect::VotersChanged), None),
            Command::Barrier => (Ok(Effect::Passed), None),
            Command::RemoveNode { node } => (self.remove(index, *node), None),
            Command::AdmitNode { node } => {
                self.removed.remove(node);
                (Ok(Effect::Admitted), None)
            }
            Command::TakeVote { node: _ } => (Ok(Effect::VoteTaken), None),
            Command::RaiseLevel { to } => (self.raise(*to), None),
        }
    }

    fn replace_role(
        &mut self,
        role: &RoleName,
        expected: Epoch,
        new: RoleState,
    ) -> Result<(), Refused> {
        let current = self.roles.get(role).copied().unwrap_or_default();
        if current.epoch != expected && !self.planted.is(Mutant::GrantWithoutCompareAndSet) {
            return Err(stale(current));
        }
        if !self.roles.contains_key(role) && self.roles.len() >= ROLES_MAX {
            return Err(Refused::Full);
        }
        assert!(new.epoch > current.epoch, "I1: the log index grows");
        self.roles.insert(role.clone(), new);
        Ok(())
    }

    fn write(&mut self, role: &RoleName, epoch: Epoch, key: &str, value: &Payload) -> Outcome {
        let current = self.roles.get(role).copied().ok_or(Refused::UnknownRole)?;
        let is_other = current.epoch != epoch && !self.planted.is(Mutant::WriteWithoutEpochCheck);
        if is_other || current.holder.is_none() {
            return Err(stale(current));
        }
        if !self.registers.contains_key(key) && self.registers.len() >= REGISTERS_MAX {
            return Err(Refused::Full);
        }
        let register = self.registers.entry(key.into()).or_default();
        register.version += 1;
        register.epoch = epoch;
        register.value = value.clone();
        Ok(Effect::Written {
            version: register.version,
        })
    }

    fn remove(&mut self, index: LogIndex, node: NodeId) -> Outcome {
        if !self.removed.contains_key(&node) && self.removed.len() >= REMOVED_MAX {
            return Err(Refused::Full);
        }
        let at = *self.removed.entry(node).or_insert(index);
        Ok(Effect::Removed { at })
    }

    fn raise(&mut self, to: Level) -> Outcome {
        if to <= self.level {
            return Err(Refused::Level(RaiseRefused::InForce(self.level)));
        }
        self.level = to;
        Ok(Effect::LevelRaised)
    }

    fn remember(&mut self, envelope: &Envelope, index: LogIndex, outcome: Outcome) {
        let remembered = Remembered {
            request: envelope.request,
            index,
            outcome,
        };
        if let Some(last) = self.clients.insert(envelope.client, remembered) {
            self.clients_by_age.remove(&(last.index, envelope.client));
        }
        self.clients_by_age.insert((index, envelope.client));
        if self.clients.len() > CLIENTS_MAX
            && let Some((_, silent)) = self.clients_by_age.pop_first()
        {
            self.clients.remove(&silent);
        }
    }
}

fn stale(current: RoleState) -> Refused {
    Refused::StaleEpoch {
        current: current.epoch,
        holder: current.holder.map(|peer| peer.node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{KEY_MAX, VALUE_MAX};

    fn role() -> RoleName {
        RoleName::new("primary").unwrap()
    }

    fn peer(node: u64, boot: u64) -> Peer {
        Peer {
            node: NodeId(node),
            boot,
        }
    }

    struct Log {
        state: State,
        index: u64,
    }

    impl Log {
        fn new() -> Log {
            Log {
                state: State::default(),
                index: 0,
            }
        }

        /// Applies a command of a client of its own for each entry, so that nothing is a retry.
        fn append(&mut self, command: Command) -> Outcome {
            self.append_as(self.index + 1000, 1, command)
        }

        fn append_as(&mut self, client: u64, request: u64, command: Command) -> Outcome {
            self.index += 1;
            let (client, request) = (ClientId(client), RequestId(request));
            let envelope = Envelope {
                client,
                request,
                command,
            };
            self.state.apply(LogIndex(self.index), &envelope).outcome
        }
    }

    fn grant(holder: Peer, expected: u64) -> Command {
        Command::GrantRole {
            role: role(),
            holder,
            expected: Epoch(expected),
        }
    }

    fn write(epoch: u64, value: &[u8]) -> Command {
        let value = Payload::copy_from(value);
        Command::Write {
            role: role(),
            epoch: Epoch(epoch),
            key: "k".into(),
            value,
        }
    }

    #[test]
    fn an_old_epoch_is_fenced_the_moment_a_new_one_is_granted() {
        let mut log = Log::new();
        assert_eq!(log.append(write(1, b"early")), Err(Refused::UnknownRole));
        assert_eq!(
            log.append(grant(peer(1, 1), 0)),
            Ok(Effect::Granted { epoch: Epoch(2) })
        );
        assert_eq!(
            log.append(write(2, b"a")),
            Ok(Effect::Written { version: 1 })
        );
        assert_eq!(
            log.append(grant(peer(2, 1), 2)),
            Ok(Effect::Granted { epoch: Epoch(4) })
        );
        let refused = Refused::StaleEpoch {
            current: Epoch(4),
            holder: Some(NodeId(2)),
        };
        assert_eq!(log.append(write(2, b"zombie")), Err(refused.clone()));
        assert_eq!(
            log.append(grant(peer(3, 1), 2)),
            Err(refused),
            "compare-and-set"
        );
        assert_eq!(
            log.append(write(4, b"b")),
            Ok(Effect::Written { version: 2 })
        );
        assert_eq!(log.state.register("k").map(|r| r.epoch), Some(Epoch(4)));
    }

    #[test]
    fn a_released_role_accepts_no_write() {
        let mut log = Log::new();
        let release = |at| Command::ReleaseRole {
            role: role(),
            expected: Epoch(at),
        };
        assert_eq!(log.append(release(0)), Err(Refused::UnknownRole));
        assert!(log.append(grant(peer(1, 1), 0)).is_ok());
        assert_eq!(
            log.append(release(2)),
            Ok(Effect::Released { epoch: Epoch(3) })
        );
        let nobody = Refused::StaleEpoch {
            current: Epoch(3),
            holder: None,
        };
        assert_eq!(log.append(write(2, b"a")), Err(nobody.clone()));
        assert_eq!(log.append(write(3, b"a")), Err(nobody));
    }

    #[test]
    fn a_retry_takes_effect_once_and_an_older_request_not_at_all() {
        let mut log = Log::new();
        assert!(log.append(grant(peer(1, 1), 0)).is_ok());
        assert_eq!(
            log.append_as(7, 1, write(1, b"a")),
            Ok(Effect::Written { version: 1 })
        );
        assert_eq!(
            log.append_as(7, 1, write(1, b"a")),
            Ok(Effect::Written { version: 1 })
        );
        assert_eq!(
            log.append_as(7, 2, write(1, b"b")),
            Ok(Effect::Written { version: 2 })
        );
        assert_eq!(
            log.append_as(7, 1, write(1, b"a")),
            Err(Refused::Superseded)
        );
        assert_eq!(log.state.register("k").map(|r| r.version), Some(2));
    }

    #[test]
    fn memory_of_clients_is_bounded_and_forgets_the_longest_silent() {
        let mut log = Log::new();
        for client in 0..CLIENTS_MAX as u64 + 1 {
            assert!(log.append_as(client, 1, Command::Barrier).is_ok());
            assert!(log.append_as(0, client + 2, Command::Barrier).is_ok());
        }
        assert_eq!(log.state.clients.len(), CLIENTS_MAX);
        assert_eq!(log.state.clients_by_age.len(), CLIENTS_MAX);
        assert!(log.state.clients.contains_key(&ClientId(0)));
        assert!(!log.state.clients.contains_key(&ClientId(1)));
    }

    #[test]
    fn a_removal_keeps_its_first_entry_until_the_node_is_admitted() {
        let mut log = Log::new();
        let node = NodeId(9);
        let removed = |at| Ok(Effect::Removed { at: LogIndex(at) });
        assert_eq!(log.append(Command::RemoveNode { node }), removed(1));
        assert_eq!(log.append(Command::RemoveNode { node }), removed(1));
        let admit = log.append(Command::AdmitNode { node });
        assert_eq!(
            (admit, log.state.removed().len()),
            (Ok(Effect::Admitted), 0)
        );
        assert_eq!(log.append(Command::RemoveNode { node }), removed(4));
        for node in 1000..1000 + REMOVED_MAX as u64 - 1 {
            let node = NodeId(node);
            assert!(log.append(Command::RemoveNode { node }).is_ok());
        }
        let one_more = NodeId(1);
        assert_eq!(
            log.append(Command::RemoveNode { node: one_more }),
            Err(Refused::Full)
        );
        assert!(
            log.append(Command::RemoveNode { node }).is_ok(),
            "it is one already"
        );
    }

    #[test]
    fn bounds_are_refused() {
        let mut log = Log::new();
        assert!(log.append(grant(peer(1, 1), 0)).is_ok());
        let keyed = |key: String, len| Command::Write {
            role: role(),
            epoch: Epoch(1),
            key,
            value: Payload::from(alloc::vec![0; len]),
        };
        assert_eq!(log.append(keyed("".into(), 1)), Err(Refused::OutOfBounds));
        assert_eq!(
            log.append(keyed("k".repeat(KEY_MAX + 1), 1)),
            Err(Refused::OutOfBounds)
        );
        assert_eq!(
            log.append(keyed("k".into(), VALUE_MAX + 1)),
            Err(Refused::OutOfBounds)
        );
        assert!(log.append(keyed("k".repeat(KEY_MAX), VALUE_MAX)).is_ok());
    }

    #[test]
    fn the_level_rises_to_what_was_asked_and_never_falls() {
        let mut log = Log::new();
        let raise = |to| Command::RaiseLevel { to: Level(to) };
        let in_force = |level| Err(Refused::Level(RaiseRefused::InForce(Level(level))));
        assert_eq!(log.append(raise(1)), in_force(1));
        assert_eq!(log.append(raise(3)), Ok(Effect::LevelRaised));
        assert_eq!(log.append(raise(2)), in_force(3));
        assert_eq!(log.append(raise(3)), in_force(3));
        assert_eq!(log.state.level(), Level(3));
    }
}
