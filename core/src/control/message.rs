//! What nodes say to each other about proposals.

use serde::{Deserialize, Serialize};

use super::command::{Envelope, Outcome};
use crate::id::{ClientId, LogIndex, RequestId};

/// The messages of the control plane. Both may be lost: the proposer repeats `Forward` until it is
/// answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// "Please append this."
    Forward(Forward),
    /// "This is what became of it."
    Answer(Answer),
}

/// A proposal on its way to the leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forward {
    /// The proposal.
    pub envelope: Envelope,
}

/// The leader's answer, after it applied the entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Answer {
    /// Who asked.
    pub client: ClientId,
    /// Which request.
    pub request: RequestId,
    /// Where it stands in the log; 0 when the leader refused to append it.
    pub index: LogIndex,
    /// What it did.
    pub outcome: Outcome,
}
