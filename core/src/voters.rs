//! Who votes, and how that may change (Raft thesis §4).
//!
//! A change goes through a *joint* state in which the old voters and the new ones decide together:
//! a majority of each is needed. So at no moment can two disjoint groups both decide, whatever the
//! change is (thesis §4.3).

use alloc::collections::BTreeSet;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{LogIndex, NodeId};
use crate::quorum::{self, Verdict};

/// More voters make every commit and election slower, not safer.
pub const VOTERS_MAX: usize = 15;

/// The voters in force: one set, or during a change two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Voters {
    /// Those who vote, during a change those who will.
    now: BTreeSet<NodeId>,
    /// During a change: those who voted before. Otherwise empty.
    before: BTreeSet<NodeId>,
}

impl Voters {
    /// One set.
    #[must_use]
    pub const fn of(now: BTreeSet<NodeId>) -> Voters {
        let before = BTreeSet::new();
        Voters { now, before }
    }

    /// The change to other voters has begun.
    #[must_use]
    pub fn changing_to(&self, next: BTreeSet<NodeId>) -> Voters {
        Voters {
            now: next,
            before: self.now.clone(),
        }
    }

    /// The change is over.
    #[must_use]
    pub fn settled(&self) -> Voters {
        Voters::of(self.now.clone())
    }

    /// Whether a change is under way.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        !self.before.is_empty()
    }

    /// Those who vote once no change is under way.
    #[must_use]
    pub const fn now(&self) -> &BTreeSet<NodeId> {
        &self.now
    }

    /// During a change, those who voted before it.
    #[must_use]
    pub const fn before(&self) -> &BTreeSet<NodeId> {
        &self.before
    }

    /// Whether a node votes.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.now.contains(&node) || self.before.contains(&node)
    }

    /// Everyone who votes, each once, in order.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.now.union(&self.before).copied()
    }

    /// Whether this node alone decides.
    #[must_use]
    pub fn is_only(&self, node: NodeId) -> bool {
        self.iter().eq([node])
    }

    /// Counts a vote: both sides must be won.
    #[must_use]
    pub fn tally(&self, mut answer: impl FnMut(NodeId) -> Option<bool>) -> Verdict {
        let now = quorum::tally(&self.now, &mut answer);
        if !self.is_joint() {
            return now;
        }
        match (now, quorum::tally(&self.before, answer)) {
            (Verdict::Won, Verdict::Won) => Verdict::Won,
            (Verdict::Lost, _) | (_, Verdict::Lost) => Verdict::Lost,
            (Verdict::Won | Verdict::Pending, Verdict::Won | Verdict::Pending) => Verdict::Pending,
        }
    }

    /// The highest value that enough voters have reached.
    #[must_use]
    pub fn reached<T: Ord + Copy + Default>(&self, mut value: impl FnMut(NodeId) -> T) -> T {
        let now = quorum::reached(&self.now, &mut value);
        match self.is_joint() {
            true => now.min(quorum::reached(&self.before, value)),
            false => now,
        }
    }

    /// The highest index that enough voters hold durably.
    #[must_use]
    pub fn committed(&self, matched: impl FnMut(NodeId) -> LogIndex) -> LogIndex {
        self.reached(matched)
    }
}

impl fmt::Display for Voters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, set: &BTreeSet<NodeId>| {
            set.iter().enumerate().try_for_each(|(nth, node)| {
                let comma = if nth == 0 { "" } else { " " };
                write!(f, "{comma}{node}")
            })
        };
        if self.is_joint() {
            list(f, &self.before)?;
            f.write_str(" → ")?;
        }
        list(f, &self.now)
    }
}

/// A change of the voters: any number at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VoterChange {
    /// Nodes that shall vote.
    pub add: BTreeSet<NodeId>,
    /// Nodes that shall vote no more.
    pub remove: BTreeSet<NodeId>,
}

impl VoterChange {
    /// One more voter.
    #[must_use]
    pub fn add(node: NodeId) -> VoterChange {
        VoterChange {
            add: BTreeSet::from([node]),
            remove: BTreeSet::new(),
        }
    }

    /// One voter less.
    #[must_use]
    pub fn remove(node: NodeId) -> VoterChange {
        VoterChange {
            add: BTreeSet::new(),
            remove: BTreeSet::from([node]),
        }
    }

    /// One voter in another's place.
    #[must_use]
    pub fn replace(old: NodeId, new: NodeId) -> VoterChange {
        VoterChange {
            add: BTreeSet::from([new]),
            remove: BTreeSet::from([old]),
        }
    }

    /// The voters after the change.
    ///
    /// # Errors
    /// [`ChangeRefused`], as far as the sets alone tell.
    pub fn apply(&self, voters: &Voters) -> Result<BTreeSet<NodeId>, ChangeRefused> {
        if voters.is_joint() {
            return Err(ChangeRefused::Pending);
        }
        let kept = voters.now.difference(&self.remove);
        let next: BTreeSet<NodeId> = kept.chain(&self.add).copied().collect();
        if next.is_empty() {
            return Err(ChangeRefused::NobodyLeft);
        }
        if next.len() > VOTERS_MAX {
            return Err(ChangeRefused::TooMany);
        }
        if next == voters.now {
            return Err(ChangeRefused::AlreadySo);
        }
        Ok(next)
    }
}

/// Why the voters are not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChangeRefused {
    /// An earlier change is under way.
    Pending,
    /// Leadership is being handed over.
    HandingOver,
    /// Nothing would change.
    AlreadySo,
    /// Nobody would vote.
    NobodyLeft,
    /// More than [`VOTERS_MAX`] would vote.
    TooMany,
    /// The leader does not reach this node, which was to vote.
    Unreached(NodeId),
    /// This node, which was to vote, does not hold the log yet.
    Behind(NodeId),
    /// The leader has not heard a majority of those who would vote, so nothing would be decided any
    /// more; it can be forced.
    NoMajority,
}

impl fmt::Display for ChangeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeRefused::Pending => f.write_str("another change of the voters is under way"),
            ChangeRefused::HandingOver => f.write_str("leadership is being handed over"),
            ChangeRefused::AlreadySo => f.write_str("the voters are these already"),
            ChangeRefused::NobodyLeft => f.write_str("nobody would vote any more"),
            ChangeRefused::TooMany => write!(f, "more than {VOTERS_MAX} would vote"),
            ChangeRefused::Unreached(node) => {
                write!(f, "the leader does not reach {node}; join it first")
            }
            ChangeRefused::Behind(node) => {
                write!(
                    f,
                    "{node} does not hold the log yet; wait until it has caught up"
                )
            }
            ChangeRefused::NoMajority => f.write_str(
                "the leader does not reach a majority of those who would vote; start them, keep \
                 others, or force it",
            ),
        }
    }
}

impl core::error::Error for ChangeRefused {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;
    use crate::seed::{Random, Seed, Stream};

    fn some(random: &mut Random, max: usize) -> BTreeSet<NodeId> {
        let count = random.index(max + 1);
        (0..count).map(|_| NodeId(random.within(1..=6))).collect()
    }

    /// The naive twin: tries every way the silent could answer.
    fn naive_tally(voters: &Voters, answers: &[Option<bool>; 7]) -> Verdict {
        let silent: Vec<usize> = (1..7).filter(|at| answers[*at].is_none()).collect();
        let sides = [&voters.now, &voters.before];
        let wins = |filled: &[Option<bool>; 7]| {
            sides
                .iter()
                .take(1 + usize::from(voters.is_joint()))
                .all(|side| {
                    let at = |node: &NodeId| usize::try_from(node.0).unwrap();
                    2 * side.iter().filter(|n| filled[at(n)] == Some(true)).count() > side.len()
                })
        };
        let mut outcomes = BTreeSet::new();
        for mask in 0..1_u32 << silent.len() {
            let mut filled = *answers;
            for (bit, at) in silent.iter().enumerate() {
                filled[*at] = Some(mask >> bit & 1 == 1);
            }
            outcomes.insert(wins(&filled));
        }
        match (outcomes.contains(&true), outcomes.contains(&false)) {
            (true, true) => Verdict::Pending,
            (true, false) => Verdict::Won,
            (false, _) => Verdict::Lost,
        }
    }

    #[test]
    fn two_sets_decide_together_as_the_naive_twin_says() {
        let mut random = Seed::from_number(4).stream(Stream::Plan);
        for _ in 0..3_000 {
            let (now, before) = (some(&mut random, 5), some(&mut random, 5));
            let voters = Voters { now, before };
            let mut answers = [None; 7];
            for answer in &mut answers[1..] {
                *answer = [None, Some(true), Some(false)][random.index(3)];
            }
            let at = |node: NodeId| usize::try_from(node.0).unwrap();
            let verdict = voters.tally(|node| answers[at(node)]);
            // What was won stays won, so the early word must be one of all ways to go on, and
            // nobody who could still win may be called lost.
            let naive = naive_tally(&voters, &answers);
            match verdict {
                Verdict::Pending => assert_ne!(naive, Verdict::Won, "{voters} {answers:?}"),
                Verdict::Won | Verdict::Lost => assert_eq!(verdict, naive, "{voters} {answers:?}"),
            }
            let held: [u64; 7] = core::array::from_fn(|_| random.within(0..=9));
            let commit = voters.committed(|node| LogIndex(held[at(node)]));
            let holds = |index: u64| {
                let side = |side: &BTreeSet<NodeId>| {
                    2 * side.iter().filter(|n| held[at(**n)] >= index).count() > side.len()
                };
                side(&voters.now) && (!voters.is_joint() || side(&voters.before))
            };
            let naive = (0..=9).rev().find(|index| holds(*index)).unwrap_or(0);
            assert_eq!(commit.0, naive, "{voters} {held:?}");
        }
    }

    #[test]
    fn a_change_is_judged_and_read_aloud() {
        let set = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        let three = Voters::of(set(&[1, 2, 3]));
        let next = VoterChange::replace(NodeId(3), NodeId(4)).apply(&three);
        assert_eq!(next, Ok(set(&[1, 2, 4])));
        let joint = three.changing_to(set(&[1, 2, 4]));
        assert_eq!(joint.to_string(), "n1 n2 n3 → n1 n2 n4");
        assert_eq!(joint.settled().to_string(), "n1 n2 n4");
        let again = VoterChange::add(NodeId(3));
        assert_eq!(again.apply(&joint), Err(ChangeRefused::Pending));
        assert_eq!(again.apply(&three), Err(ChangeRefused::AlreadySo));
        let all = VoterChange {
            add: BTreeSet::new(),
            remove: set(&[1, 2, 3]),
        };
        assert_eq!(all.apply(&three), Err(ChangeRefused::NobodyLeft));
        let many = VoterChange {
            add: (1..=16).map(NodeId).collect(),
            remove: BTreeSet::new(),
        };
        assert_eq!(many.apply(&three), Err(ChangeRefused::TooMany));
    }
}
