//! Everything nodes say to each other, in one union, and its bytes.

pub mod codec;

use alloc::vec::Vec;

pub use codec::DecodeError;

use crate::transport::Priority;
use crate::{control, membership, raft};

/// A message of the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Liveness and dissemination.
    Membership(membership::Message),
    /// Consensus.
    Raft(raft::Message),
    /// Proposals.
    Control(control::Message),
}

impl Message {
    /// The class it travels in.
    #[must_use]
    pub fn priority(&self) -> Priority {
        Priority::Critical
    }

    /// Appends the encoded message to `body` and returns its type code.
    pub fn encode(&self, body: &mut Vec<u8>) -> u8 {
        let _ = body;
        0
    }

    /// Decodes a message of the given type.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the bytes are not exactly one such message.
    pub fn decode(code: u8, body: &[u8]) -> Result<Message, DecodeError> {
        let _ = body;
        Err(DecodeError::UnknownType { code })
    }
}
