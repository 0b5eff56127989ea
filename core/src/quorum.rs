//! Quorum arithmetic, alone in a leaf (Raft thesis §3.6.2, §4.3).
//!
//! Majorities only: a set of voters decides when more than half of it agrees. The empty set never
//! decides, so a node that knows no voters can neither elect nor commit.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::id::NodeId;

/// The outcome of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A majority said yes.
    Won,
    /// A majority said no, or so many that yes cannot reach a majority.
    Lost,
    /// Still open.
    Pending,
}

/// The number of voters that make a majority of `voters`.
#[must_use]
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Counts a vote: `answer` tells what each voter said, `None` for silence.
#[must_use]
pub fn tally(voters: &BTreeSet<NodeId>, mut answer: impl FnMut(NodeId) -> Option<bool>) -> Verdict {
    let (mut yes, mut no) = (0, 0);
    for voter in voters {
        match answer(*voter) {
            Some(true) => yes += 1,
            Some(false) => no += 1,
            None => {}
        }
    }
    let needed = majority(voters.len());
    if yes >= needed {
        Verdict::Won
    } else if voters.len() - no < needed {
        Verdict::Lost
    } else {
        Verdict::Pending
    }
}

/// The highest value that a majority of `voters` has reached: of match indexes, the commit index.
#[must_use]
pub fn reached<T: Ord + Copy + Default>(
    voters: &BTreeSet<NodeId>,
    mut value: impl FnMut(NodeId) -> T,
) -> T {
    let mut values: Vec<T> = voters.iter().map(|voter| value(*voter)).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values
        .get(majority(values.len()) - 1)
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::LogIndex;
    use crate::seed::{Seed, Stream};

    fn voters(n: u64) -> BTreeSet<NodeId> {
        (1..=n).map(NodeId).collect()
    }

    /// The naive twin of `tally`: enumerates how the silent voters might still answer.
    fn naive_tally(n: usize, answers: &[Option<bool>]) -> Verdict {
        let silent = answers.iter().filter(|a| a.is_none()).count();
        let yes = answers.iter().filter(|a| **a == Some(true)).count();
        let wins = |extra: usize| 2 * (yes + extra) > n;
        match (wins(0), wins(silent)) {
            (true, _) => Verdict::Won,
            (false, true) => Verdict::Pending,
            (false, false) => Verdict::Lost,
        }
    }

    /// The naive twin of `reached`: tries every index from the top.
    fn naive_committed(held: &[u64]) -> u64 {
        let holders = |index: u64| held.iter().filter(|h| **h >= index).count();
        (0..=20)
            .rev()
            .find(|i| 2 * holders(*i) > held.len())
            .unwrap_or(0)
    }

    #[test]
    fn agrees_with_the_naive_twin() {
        let mut random = Seed::from_number(3).stream(Stream::Plan);
        for _ in 0..5_000 {
            let n = random.within(1..=9);
            let answers: Vec<Option<bool>> = (0..n)
                .map(|_| [None, Some(true), Some(false)][random.index(3)])
                .collect();
            let at = |node: NodeId| usize::try_from(node.0 - 1).unwrap();
            let set = voters(n);
            assert_eq!(
                tally(&set, |v| answers[at(v)]),
                naive_tally(set.len(), &answers)
            );
            let held: Vec<u64> = (0..n).map(|_| random.within(0..=20)).collect();
            let commit = reached(&set, |v| LogIndex(held[at(v)]));
            assert_eq!(commit.0, naive_committed(&held), "{held:?}");
        }
    }

    #[test]
    fn nobody_decides_without_voters() {
        assert_eq!(tally(&voters(0), |_| Some(true)), Verdict::Lost);
        assert_eq!(reached(&voters(0), |_| LogIndex(9)), LogIndex(0));
    }
}
