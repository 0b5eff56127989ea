//! What the demo's processes say to each other: the parent and its children in lines of JSON over
//! pipes, the client and the holder of the role in requests over the cluster's own connections.

use serde::{Deserialize, Serialize};

/// What a child reports, one per line on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Report {
    /// It listens and has recovered its log.
    Started {
        /// Which start of the node this is.
        boot: u64,
    },
    /// The port was taken; it stops, to be started again on another.
    PortBusy,
    /// It cannot go on.
    Failed {
        /// Why.
        why: String,
    },
    /// It does not start from its log, which is given up for it to be rebuilt.
    Refused {
        /// Why.
        why: String,
    },
    /// It votes: its log says so, and no change of voters is under way.
    Votes,
    /// It knows who leads.
    Leader {
        /// Who, if anyone.
        node: Option<u64>,
        /// In which term.
        term: u64,
    },
    /// A member joined.
    Joined {
        /// Who.
        node: u64,
        /// In which life.
        boot: u64,
    },
    /// A member is suspected.
    Suspected {
        /// Who.
        node: u64,
        /// In which life.
        boot: u64,
    },
    /// A member was declared dead.
    Died {
        /// Who.
        node: u64,
        /// In which life.
        boot: u64,
    },
    /// A role changed hands.
    Role {
        /// The role.
        role: String,
        /// Its holder.
        holder: Option<u64>,
        /// Under which epoch.
        epoch: u64,
    },
    /// The answer to [`Order::WriteUnder`].
    Wrote {
        /// Whether the write was accepted.
        accepted: bool,
        /// What the log says of it.
        why: String,
    },
}

/// What the parent orders, one per line on a child's standard input. The end of the input ends the
/// child.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Try to write under this epoch, whoever holds the role now.
    WriteUnder {
        /// The epoch.
        epoch: u64,
    },
}

/// A client's request to the holder of the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Write {
    /// Who asks.
    pub(crate) client: u64,
    /// Which of its requests.
    pub(crate) request: u64,
    /// The register.
    pub(crate) key: String,
    /// Its new value.
    pub(crate) value: String,
}

/// The holder's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Written {
    /// Committed and applied; the register has been written so often.
    Acknowledged {
        /// How often.
        version: u64,
    },
    /// This node does not hold the role; that one may.
    Elsewhere {
        /// Who.
        holder: Option<u64>,
    },
    /// Not now: ask again with the same request.
    Again {
        /// Why.
        why: String,
    },
}
