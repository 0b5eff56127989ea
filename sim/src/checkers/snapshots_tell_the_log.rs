//! A snapshot stands for the log up to its index, and for nothing else (Raft thesis §5): it names
//! the term of its last entry and the voters as of there, and all snapshots of one index are equal.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::{LogIndex, NodeId, Term};
use quorate_core::raft::{Entry, SnapshotMeta};
use quorate_core::voters::Voters;

use super::Verdict;

/// The log as it was applied, in short, and the snapshots of it.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// The terms of the entries, from the first one.
    terms: Vec<Term>,
    /// The voters that entries establish.
    voters: BTreeMap<LogIndex, Voters>,
    snapshots: BTreeMap<LogIndex, (NodeId, SnapshotMeta)>,
}

impl Checker {
    /// These vote before the log says anything.
    pub fn begins(&mut self, voters: BTreeSet<NodeId>) {
        self.voters.insert(LogIndex(0), Voters::of(voters));
    }

    /// The next entry is applied for the first time.
    pub fn applied(&mut self, entry: &Entry) {
        self.terms.push(entry.term);
        if let Some(voters) = &entry.voters {
            self.voters.insert(entry.index, voters.clone());
        }
    }

    /// A node has taken a snapshot, or installed it.
    ///
    /// # Errors
    /// It is not what the log, or another snapshot of the same index, says.
    pub fn holds(&mut self, node: NodeId, snapshot: &SnapshotMeta) -> Verdict {
        let index = snapshot.index;
        let slot = usize::try_from(index.0.saturating_sub(1)).unwrap_or(usize::MAX);
        if self.terms.get(slot) != Some(&snapshot.term) {
            return Err(format!(
                "{node} has a snapshot of {index} in {}, which nobody has applied",
                snapshot.term
            ));
        }
        let voters = self.voters.range(..=index).next_back();
        let told = Voters::of(snapshot.voters.clone());
        if voters.is_none_or(|(_, voters)| *voters != told) {
            return Err(format!(
                "{node} has a snapshot of {index} with the voters {told}, the log says otherwise"
            ));
        }
        let first = self.snapshots.entry(index);
        let (other, first) = first.or_insert_with(|| (node, snapshot.clone()));
        match first == snapshot {
            true => Ok(()),
            false => Err(format!(
                "{node} and {other} have different snapshots of {index}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::payload::Payload;
    use quorate_core::raft::Snapshot;

    fn some(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    fn snapshot(index: u64, term: u64, voters: &[u64], state: &[u8]) -> SnapshotMeta {
        let state = Payload::copy_from(state);
        let snapshot = Snapshot::new(LogIndex(index), Term(term), some(voters), state);
        snapshot.meta().clone()
    }

    #[test]
    fn another_term_other_voters_and_another_state_are_refused() {
        let mut checker = Checker::default();
        checker.begins(some(&[1, 2, 3]));
        for index in 1..=5 {
            checker.applied(&Entry {
                term: Term(2),
                index: LogIndex(index),
                data: Payload::default(),
                voters: (index == 4).then(|| Voters::of(some(&[1, 2]))),
            });
        }
        let mut holds = |node, snapshot| checker.holds(NodeId(node), &snapshot).is_ok();
        assert!(holds(1, snapshot(3, 2, &[1, 2, 3], b"a")));
        assert!(holds(2, snapshot(3, 2, &[1, 2, 3], b"a")));
        assert!(!holds(2, snapshot(3, 2, &[1, 2, 3], b"b")), "another state");
        assert!(holds(2, snapshot(4, 2, &[1, 2], b"b")));
        assert!(!holds(2, snapshot(5, 2, &[1, 2, 3], b"b")), "older voters");
        assert!(!holds(2, snapshot(2, 2, &[1, 2], b"b")), "later voters");
        assert!(!holds(2, snapshot(2, 1, &[1, 2, 3], b"b")), "another term");
        assert!(!holds(2, snapshot(6, 2, &[1, 2], b"b")), "not applied");
    }
}
