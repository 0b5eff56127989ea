//! The control state in pieces, as a snapshot keeps it.
//!
//! * I1: the pieces of a state, in order, make an equal state.
//! * I2: pieces that no fold of a log can have left are refused: out of order, or beyond a bound.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::command::{KEY_MAX, VALUE_MAX};
use super::state::{
    CLIENTS_MAX, REGISTERS_MAX, REMOVED_MAX, ROLES_MAX, Register, Remembered, RoleState, State,
};
use crate::id::{ClientId, LogIndex, NodeId, RoleName};
use crate::level::Level;
use crate::mutant::Mutant;

/// One thing the state holds. New kinds come last here: what a piece is, is its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// A role.
    Role(RoleName, RoleState),
    /// A register.
    Register(String, Register),
    /// A client's last request and what became of it.
    Client(ClientId, Remembered),
    /// A node that is turned out, and by which entry.
    Removed(NodeId, LogIndex),
    /// The feature level in force, unless it is the first. It stands before all else, so that a
    /// build that does not know it finds that out before it meets what it cannot read.
    Level(Level),
}

impl State {
    /// All it holds, in an order that depends on nothing else.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let roles = self.roles.iter();
        let roles = roles.map(|(name, role)| Piece::Role(name.clone(), *role));
        let registers = self.registers.iter();
        let registers = registers.map(|(key, it)| Piece::Register(key.clone(), it.clone()));
        let forgets = self.planted.is(Mutant::SnapshotForgetsClients);
        let clients = self.clients.iter().filter(move |_| !forgets);
        let clients = clients.map(|(client, it)| Piece::Client(*client, it.clone()));
        let removed = self.removed.iter();
        let removed = removed.map(|(node, at)| Piece::Removed(*node, *at));
        let level = Some(self.level).filter(|level| *level > Level::FIRST);
        let level = level.into_iter().map(Piece::Level);
        let rest = registers.chain(clients).chain(removed);
        level.chain(roles).chain(rest)
    }

    /// A state that has applied the log up to `applied` and holds nothing yet.
    #[must_use]
    pub fn empty_at(applied: LogIndex) -> State {
        State {
            applied,
            ..State::default()
        }
    }

    /// Adds a piece; whether it can belong there (I2).
    #[must_use]
    pub fn add(&mut self, piece: Piece) -> bool {
        let applied = self.applied;
        match piece {
            Piece::Role(name, role) => {
                let is_new = self
                    .roles
                    .last_key_value()
                    .is_none_or(|(last, _)| *last < name);
                let fits = self.roles.len() < ROLES_MAX && role.epoch.0 <= applied.0;
                self.roles.insert(name, role);
                is_new && fits
            }
            Piece::Register(key, register) => {
                let is_new = self
                    .registers
                    .last_key_value()
                    .is_none_or(|(last, _)| *last < key);
                let fits = self.registers.len() < REGISTERS_MAX
                    && (1..=KEY_MAX).contains(&key.len())
                    && register.value.len() <= VALUE_MAX
                    && register.epoch.0 <= applied.0;
                self.registers.insert(key, register);
                is_new && fits
            }
            Piece::Client(client, last) => {
                let is_new = self
                    .clients
                    .last_key_value()
                    .is_none_or(|(last, _)| *last < client);
                let fits = self.clients.len() < CLIENTS_MAX && last.index <= applied;
                let is_alone = self.clients_by_age.insert((last.index, client));
                self.clients.insert(client, last);
                is_new && fits && is_alone
            }
            Piece::Removed(node, at) => {
                let is_new = self
                    .removed
                    .last_key_value()
                    .is_none_or(|(last, _)| *last < node);
                let fits = self.removed.len() < REMOVED_MAX && at <= applied;
                self.removed.insert(node, at);
                is_new && fits
            }
            Piece::Level(level) => {
                let is_first = *self == State::empty_at(applied) && level > Level::FIRST;
                self.level = level;
                is_first
            }
        }
    }
}
