//! The replicated control state and the proposals on their way to it.

mod command;
mod message;

pub use command::{Command, Effect, Envelope, KEY_MAX, Outcome, Refused, VALUE_MAX};
pub use message::{Answer, Forward, Message};
use serde::{Deserialize, Serialize};

use crate::id::{Epoch, Peer};
use crate::payload::Payload;

/// A role in the control state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoleState {
    /// The epoch in force: the log index of the last grant or release.
    pub epoch: Epoch,
    /// Who holds it.
    pub holder: Option<Peer>,
}

/// A replicated register.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register {
    /// How often it was written.
    pub version: u64,
    /// The epoch it was last written under.
    pub epoch: Epoch,
    /// What was last written.
    pub value: Payload,
}
