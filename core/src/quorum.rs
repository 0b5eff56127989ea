//! Quorum arithmetic, alone in a leaf (Raft thesis §3.6.2, §4.3).
//!
//! Majorities only: a set of voters decides when more than half of it agrees. The empty set never
//! decides, so a node that knows no voters can neither elect nor commit.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, Zone};

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

/// When a cluster counts as able to serve, beside a majority of its voters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// At least so many nodes live, voters and others.
    pub nodes_min: usize,
    /// They live in at least so many zones; nodes without one count as one zone together.
    pub zones_min: usize,
}

/// One node in one zone: a majority of the voters is all that is asked for.
impl Default for Policy {
    fn default() -> Policy {
        Policy {
            nodes_min: 1,
            zones_min: 1,
        }
    }
}

/// What is missing for a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Shortfall {
    /// Too few voters live.
    Voters {
        /// How many do.
        live: usize,
        /// How many make a majority.
        needed: usize,
    },
    /// Too few nodes live.
    Nodes {
        /// How many do.
        live: usize,
        /// How many the policy asks for.
        needed: usize,
    },
    /// They live in too few zones.
    Zones {
        /// In how many they do.
        live: usize,
        /// How many the policy asks for.
        needed: usize,
    },
}

/// Judges the live nodes: what is missing, nothing for a quorum. Who lives is a hint; whether a
/// leader has a majority behind it is known to consensus alone.
#[must_use]
pub fn shortfalls(
    policy: &Policy,
    voters: &BTreeSet<NodeId>,
    live: impl Iterator<Item = (NodeId, Option<Zone>)>,
) -> Vec<Shortfall> {
    let (mut nodes, mut zones) = (BTreeSet::new(), BTreeSet::new());
    for (node, zone) in live {
        nodes.insert(node);
        zones.insert(zone);
    }
    let votes = voters.intersection(&nodes).count();
    let (nodes, zones) = (nodes.len(), zones.len());
    let missing = |live: usize, needed: usize| (live < needed).then_some((live, needed));
    let votes = missing(votes, majority(voters.len()));
    let nodes = missing(nodes, policy.nodes_min);
    let zones = missing(zones, policy.zones_min);
    let votes = votes.map(|(live, needed)| Shortfall::Voters { live, needed });
    let nodes = nodes.map(|(live, needed)| Shortfall::Nodes { live, needed });
    let zones = zones.map(|(live, needed)| Shortfall::Zones { live, needed });
    votes.into_iter().chain(nodes).chain(zones).collect()
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

    #[test]
    fn a_policy_names_everything_that_is_missing() {
        let zone = |name: &str| Zone::new(name).unwrap();
        let (a, b) = (zone("a"), zone("b"));
        let policy = |nodes_min, zones_min| Policy {
            nodes_min,
            zones_min,
        };
        let judge = |policy: Policy, live: &[(u64, Option<&Zone>)]| {
            let live = live
                .iter()
                .map(|(node, zone)| (NodeId(*node), zone.cloned()));
            shortfalls(&policy, &voters(5), live)
        };
        let three = [(1, Some(&a)), (2, Some(&b)), (3, None)];
        assert_eq!(judge(policy(3, 3), &three), []);
        let missing = [
            Shortfall::Nodes { live: 3, needed: 4 },
            Shortfall::Zones { live: 3, needed: 4 },
        ];
        assert_eq!(judge(policy(4, 4), &three), missing);
        // Learners are nodes, and no voters; whoever is told twice lives once.
        let others = [(1, Some(&a)), (1, Some(&a)), (8, Some(&a)), (9, Some(&a))];
        let missing = [
            Shortfall::Voters { live: 1, needed: 3 },
            Shortfall::Zones { live: 1, needed: 2 },
        ];
        assert_eq!(judge(policy(3, 2), &others), missing);
        let nobody = shortfalls(&policy(0, 0), &voters(0), [].into_iter());
        assert_eq!(nobody, [Shortfall::Voters { live: 0, needed: 1 }]);
    }
}
