//! What kind of partition the rows of a cluster show: a pure function.
//!
//! The graph is given by what is missing in it, so the work grows with the members and the missing
//! pairs, not with all pairs.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// Pairs that a status names at most.
pub const PAIRS_MAX: usize = 64;

/// One node does not hear another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unheard {
    /// Who does not hear.
    pub listener: NodeId,
    /// Whom it does not hear.
    pub speaker: NodeId,
}

/// How the cluster hangs together, as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PartitionStatus {
    /// Everyone hears everyone.
    #[default]
    Whole,
    /// There are groups without a way between them. From one of them, the others may as well have
    /// crashed at once.
    Split {
        /// The groups, this node's own first; within a group by id.
        groups: Vec<Vec<NodeId>>,
    },
    /// Some hear others who do not hear them; the cluster hangs together.
    OneWay {
        /// Who does not hear whom, by id; at most [`PAIRS_MAX`].
        pairs: Vec<Unheard>,
    },
    /// Some pairs do not hear each other; the cluster hangs together through others.
    Bridged {
        /// The pairs, each once, by id; at most [`PAIRS_MAX`].
        pairs: Vec<Unheard>,
        /// The nodes in any such pair: they are reached by some only through others.
        indirect: Vec<NodeId>,
    },
}

/// Judges the graph of `live` members, of which `rows` tell whom they do not hear. Nodes in `lost`
/// were members and are taken for dead.
#[must_use]
pub fn judge<'a>(
    me: NodeId,
    live: &BTreeSet<NodeId>,
    rows: impl Iterator<Item = (NodeId, &'a BTreeSet<NodeId>)>,
    lost: &BTreeSet<NodeId>,
) -> PartitionStatus {
    let mut unheard: BTreeSet<Unheard> = BTreeSet::new();
    for (listener, row) in rows.filter(|(listener, _)| live.contains(listener)) {
        let speakers = row
            .iter()
            .filter(|speaker| live.contains(speaker) && **speaker != listener);
        unheard.extend(speakers.map(|speaker| Unheard {
            listener,
            speaker: *speaker,
        }));
    }
    let mut groups = components(me, live, &unheard);
    // One lost node is taken for a crash, unless it is half of the cluster.
    if lost.len() > 1 || !lost.is_empty() && lost.len() >= live.len() {
        groups.push(lost.iter().copied().collect());
    }
    if groups.len() > 1 {
        return PartitionStatus::Split { groups };
    }
    if unheard.is_empty() {
        return PartitionStatus::Whole;
    }
    let is_one_way = |pair: &&Unheard| !unheard.contains(&reversed(**pair));
    let one_way: Vec<Unheard> = unheard.iter().filter(is_one_way).copied().collect();
    if !one_way.is_empty() {
        let pairs = one_way.into_iter().take(PAIRS_MAX).collect();
        return PartitionStatus::OneWay { pairs };
    }
    let indirect: BTreeSet<NodeId> = unheard.iter().map(|pair| pair.listener).collect();
    let once = unheard.iter().filter(|pair| pair.listener < pair.speaker);
    PartitionStatus::Bridged {
        pairs: once.copied().take(PAIRS_MAX).collect(),
        indirect: indirect.into_iter().collect(),
    }
}

fn reversed(pair: Unheard) -> Unheard {
    Unheard {
        listener: pair.speaker,
        speaker: pair.listener,
    }
}

/// The groups within which everyone reaches everyone over pairs that hear each other, the group of
/// `me` first, the others by their lowest id.
fn components(
    me: NodeId,
    live: &BTreeSet<NodeId>,
    unheard: &BTreeSet<Unheard>,
) -> Vec<Vec<NodeId>> {
    let mut apart: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    for pair in unheard {
        apart.entry(pair.listener).or_default().insert(pair.speaker);
        apart.entry(pair.speaker).or_default().insert(pair.listener);
    }
    let (mut groups, mut left) = (Vec::new(), live.clone());
    let mut start = left.take(&me).or_else(|| left.pop_first());
    while let Some(first) = start {
        let (mut group, mut frontier) = (Vec::new(), Vec::from([first]));
        while let Some(node) = frontier.pop() {
            group.push(node);
            // Whoever is not apart from `node` is in its group; the others stay.
            let stays = apart.get(&node);
            let is_reached = |other: &NodeId| !stays.is_some_and(|stays| stays.contains(other));
            let reached: Vec<NodeId> = left.iter().copied().filter(is_reached).collect();
            left.retain(|other| !is_reached(other));
            frontier.extend(reached);
        }
        group.sort_unstable();
        groups.push(group);
        start = left.pop_first();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};

    type Rows = BTreeMap<NodeId, BTreeSet<NodeId>>;

    fn nodes(ids: &[u64]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    fn rows(missing: &[(u64, u64)]) -> Rows {
        let mut rows = Rows::new();
        for (listener, speaker) in missing {
            rows.entry(NodeId(*listener))
                .or_default()
                .insert(NodeId(*speaker));
        }
        rows
    }

    fn both(pairs: &[(u64, u64)]) -> Rows {
        let there = pairs.iter().copied();
        let back = pairs.iter().map(|(a, b)| (*b, *a));
        rows(&there.chain(back).collect::<Vec<_>>())
    }

    fn seen(me: u64, live: &[u64], rows: &Rows, lost: &[u64]) -> PartitionStatus {
        let live = nodes(live).into_iter().collect();
        let lost = nodes(lost).into_iter().collect();
        judge(
            NodeId(me),
            &live,
            rows.iter().map(|(node, row)| (*node, row)),
            &lost,
        )
    }

    fn pairs(of: &[(u64, u64)]) -> Vec<Unheard> {
        let pair = |(listener, speaker): &(u64, u64)| Unheard {
            listener: NodeId(*listener),
            speaker: NodeId(*speaker),
        };
        of.iter().map(pair).collect()
    }

    #[test]
    fn a_whole_cluster_and_one_crash_are_whole() {
        assert_eq!(seen(1, &[1, 2, 3], &rows(&[]), &[]), PartitionStatus::Whole);
        assert_eq!(
            seen(1, &[1, 2, 3], &rows(&[]), &[4]),
            PartitionStatus::Whole
        );
        // What is said of nobody, and by nobody, does not count.
        let noise = rows(&[(1, 9), (9, 1), (2, 2)]);
        assert_eq!(seen(1, &[1, 2, 3], &noise, &[]), PartitionStatus::Whole);
    }

    #[test]
    fn a_symmetric_split_is_seen_from_both_sides_and_before_anyone_is_dead() {
        let groups = |groups: &[&[u64]]| PartitionStatus::Split {
            groups: groups.iter().map(|group| nodes(group)).collect(),
        };
        assert_eq!(
            seen(3, &[1, 2, 3], &rows(&[]), &[4, 5]),
            groups(&[&[1, 2, 3], &[4, 5]])
        );
        assert_eq!(
            seen(4, &[4, 5], &rows(&[]), &[1, 2, 3]),
            groups(&[&[4, 5], &[1, 2, 3]])
        );
        assert_eq!(
            seen(2, &[2], &rows(&[]), &[1]),
            groups(&[&[2], &[1]]),
            "of two nodes"
        );
        let across = both(&[(1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5)]);
        let split = groups(&[&[4, 5], &[1, 2, 3]]);
        assert_eq!(seen(5, &[1, 2, 3, 4, 5], &across, &[]), split);
        // One side is enough: a pair is apart when either end hears nothing.
        let one_side = rows(&[(1, 4), (1, 5), (2, 4), (2, 5), (3, 4), (3, 5)]);
        assert_eq!(seen(5, &[1, 2, 3, 4, 5], &one_side, &[]), split);
    }

    #[test]
    fn one_way_links_name_the_deaf_end() {
        let status = PartitionStatus::OneWay {
            pairs: pairs(&[(2, 1)]),
        };
        assert_eq!(seen(3, &[1, 2, 3], &rows(&[(2, 1)]), &[]), status);
        // Beside a pair that is apart both ways, the one-way link is what is told.
        let mixed = rows(&[(2, 1), (3, 4), (4, 3)]);
        assert_eq!(seen(3, &[1, 2, 3, 4, 5], &mixed, &[]), status);
    }

    #[test]
    fn a_bridge_a_chain_and_a_hub_hang_together() {
        let bridged = |apart: &[(u64, u64)], indirect: &[u64]| PartitionStatus::Bridged {
            pairs: pairs(apart),
            indirect: nodes(indirect),
        };
        // Two and two, with 5 between them.
        let bridge = [(1, 3), (1, 4), (2, 3), (2, 4)];
        let live = [1, 2, 3, 4, 5];
        assert_eq!(
            seen(1, &live, &both(&bridge), &[]),
            bridged(&bridge, &[1, 2, 3, 4])
        );
        // 1 - 2 - 3 - 4.
        let chain = [(1, 3), (1, 4), (2, 4)];
        assert_eq!(
            seen(2, &[1, 2, 3, 4], &both(&chain), &[]),
            bridged(&chain, &[1, 2, 3, 4])
        );
        // Only 3 hears all.
        let hub = [(1, 2), (1, 4), (2, 4)];
        assert_eq!(
            seen(4, &[1, 2, 3, 4], &both(&hub), &[]),
            bridged(&hub, &[1, 2, 4])
        );
    }

    #[test]
    fn a_status_names_a_bounded_number_of_pairs() {
        let mut missing = Vec::new();
        (1..=50).for_each(|a| (51..=100).for_each(|b| missing.push((a, b))));
        let live: Vec<u64> = (1..=101).collect();
        let status = seen(101, &live, &both(&missing), &[]);
        let PartitionStatus::Bridged { pairs, indirect } = status else {
            panic!("{status:?}");
        };
        assert_eq!((pairs.len(), indirect.len()), (PAIRS_MAX, 100));
    }

    /// The naive twin: everyone takes over the lowest mark of those it hears and who hear it.
    #[test]
    fn components_agree_with_a_naive_twin() {
        let mut random = Seed::from_number(9).stream(Stream::Plan);
        for _ in 0..2_000 {
            let count = random.within(1..=9);
            let live: Vec<u64> = (1..=count).collect();
            let mut missing = Vec::new();
            for (a, b) in live.iter().flat_map(|a| live.iter().map(move |b| (*a, *b))) {
                if a != b && random.chance(350) {
                    missing.push((a, b));
                }
            }
            let apart = |a: u64, b: u64| missing.contains(&(a, b)) || missing.contains(&(b, a));
            let mut marks: BTreeMap<u64, u64> = live.iter().map(|node| (*node, *node)).collect();
            for _ in &live {
                for (a, b) in live.iter().flat_map(|a| live.iter().map(move |b| (*a, *b))) {
                    if !apart(a, b) {
                        let low = marks[&a].min(marks[&b]);
                        marks.insert(a, low);
                        marks.insert(b, low);
                    }
                }
            }
            let naive: BTreeSet<u64> = marks.values().copied().collect();
            let status = seen(1, &live, &rows(&missing), &[]);
            let groups = match &status {
                PartitionStatus::Split { groups } => groups.len(),
                PartitionStatus::Whole
                | PartitionStatus::OneWay { .. }
                | PartitionStatus::Bridged { .. } => 1,
            };
            assert_eq!(groups, naive.len(), "{status:?}");
            let in_order = missing.is_empty() == (status == PartitionStatus::Whole);
            assert!(in_order, "{status:?}");
        }
    }
}
