//! How far an exploration goes.

use std::collections::BTreeSet;

use quorate_core::id::NodeId;
use quorate_core::raft::Recovered;
use quorate_core::voters::VoterChange;

/// Within these bounds everything is explored.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Nobody campaigns for a term above it.
    pub(crate) term_max: u64,
    /// Timeouts of elections and leaders; `None` for any number.
    pub(crate) timeouts: Option<u8>,
    /// Whether a follower may lose faith in its leader before its own election timeout. It grants
    /// what it also grants when it times out itself, so this adds little that is new.
    pub(crate) doubts: bool,
    /// Crashes, of any nodes.
    pub(crate) crashes: u8,
    /// Commands proposed, besides the empty entry each leader begins with.
    pub(crate) proposals: u8,
    /// Changes of the voters, from the first `voters` nodes to the last as many.
    pub(crate) changes: u8,
    /// The first so many nodes vote; the others are learners.
    pub(crate) voters: usize,
    /// Heartbeats.
    pub(crate) heartbeats: u8,
    /// Connections that break and come up again under a leader.
    pub(crate) relinks: u8,
    /// Entries in one message.
    pub(crate) entries_per_append_max: usize,
    /// What each node starts from.
    pub(crate) pasts: Vec<Recovered>,
    #[cfg(feature = "mutants")]
    pub(crate) mutant: Option<quorate_core::mutant::Mutant>,
}

impl Bounds {
    /// New nodes, and no budget for anything but elections.
    pub(crate) fn terms(nodes: usize, term_max: u64) -> Bounds {
        Bounds {
            term_max,
            timeouts: None,
            doubts: false,
            crashes: 0,
            proposals: 0,
            changes: 0,
            voters: nodes,
            heartbeats: 0,
            relinks: 0,
            entries_per_append_max: 8,
            pasts: vec![Recovered::default(); nodes],
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The change of the voters: from the first nodes to the last as many.
    pub(crate) fn change(&self) -> VoterChange {
        let nodes = self.pasts.len() as u64;
        let set = |nodes: core::ops::RangeInclusive<u64>| nodes.map(NodeId).collect();
        let voters = self.voters as u64;
        let (add, remove): (BTreeSet<NodeId>, BTreeSet<NodeId>) =
            (set(nodes - voters + 1..=nodes), set(1..=nodes - voters));
        VoterChange { add, remove }
    }

    /// Whether the nodes differ in nothing but their numbers.
    pub(crate) fn are_alike(&self) -> bool {
        let all_vote = self.voters == self.pasts.len() && self.changes == 0;
        all_vote && self.pasts.windows(2).all(|pair| pair[0] == pair[1])
    }
}
