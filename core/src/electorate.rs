//! The electorate: which nodes vote is kept as it should be, without anyone's help.
//!
//! The leader proposes changes of the voters through the control log, like everything else it
//! places: a voter that is dead for long enough is replaced by a live learner, learners become
//! voters until there are as many as there should be, and dead voters that nobody can replace are
//! let go when fewer voters stand more failures. The new voter comes from the zone with the fewest.
//!
//! * I1. One change at a time; it is proposed again only when it is over or `RETRY` has passed.
//! * I2. A change never lowers the number of voters that may fail, and never ends at an even number
//!   where it began at an odd one: the even voter adds a vote to win and nothing else. Except that
//!   a removed node loses its vote whatever that leaves, as long as another one votes.
//! * I3. Gossip is a hint: that a voter is dead costs it only its vote, by an entry in the log that
//!   the live majority must agree to.
//! * I4. A witness becomes a voter only as the last of a change, when no other live learner is left
//!   for that place; the number of voters is odd then, and most of them are live members that are
//!   no witnesses. Nor are voters let go where that would leave less than such a majority.
//!
//! Whether a learner holds enough of the log is judged by Raft, which refuses it until then.
//!
//! Deliberately absent: moving the votes of healthy nodes to spread them better over zones, and
//! letting healthy voters go when there are more than there should be.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::Command;
use crate::id::{NodeId, Zone};
use crate::time::{Deadline, Time, Timer, Wake};
use crate::voters::{VoterChange, Voters};

/// A change that is not over by then is proposed again.
const RETRY: Duration = Duration::from_secs(2);

/// A process that starts again takes leave of its last life first: whoever left has so long to come
/// back.
const RESTART: Duration = Duration::from_secs(1);

/// How the voters are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// So many nodes shall vote if there are as many; odd. With 0 the voters change only when the
    /// host asks for it.
    pub target: usize,
    /// A voter that is dead for so long is replaced. Shorter moves votes at each restart; longer
    /// leaves the cluster with less to spare.
    pub replace_after: Duration,
}

/// What the electorate is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// This node leads and has applied its own term's first entry.
    Leading,
    /// This node does not lead.
    Following,
    /// These are the voters.
    Voters(Voters),
    /// A node is a live member.
    Alive(Member),
    /// A node is no live member any more.
    Gone {
        /// The node.
        node: NodeId,
        /// It said so itself, and does not come back soon.
        left: bool,
    },
    /// These nodes are turned out of the cluster: they shall not vote.
    Removed(BTreeSet<NodeId>),
}

/// A live member, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// It holds no data of the application.
    pub is_witness: bool,
}

/// What the electorate wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Put a command through the log.
    Propose(Command),
}

/// The machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Electorate {
    config: Config,
    voters: Voters,
    live: BTreeMap<NodeId, Member>,
    /// From when on each voter that is gone may be replaced.
    gone: BTreeMap<NodeId, Time>,
    removed: BTreeSet<NodeId>,
    /// Since when this node leads: a voter it has not heard of is gone since then.
    leading: Option<Time>,
    proposed: Option<Time>,
    review: Timer,
}

impl Electorate {
    /// A machine that knows of no live member but this node.
    #[must_use]
    pub fn new(config: Config, me: Member, voters: Voters) -> Electorate {
        Electorate {
            config,
            voters,
            live: BTreeMap::from([(me.node, me)]),
            gone: BTreeMap::new(),
            removed: BTreeSet::new(),
            leading: None,
            proposed: None,
            review: Timer::stopped(),
        }
    }

    /// The one verb.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => {
                if !self.review.fire(now) {
                    return;
                }
            }
            Input::Leading => {
                self.leading.get_or_insert(now);
            }
            Input::Following => {
                self.leading = None;
                self.proposed = None;
            }
            Input::Voters(voters) => {
                self.gone.retain(|node, _| voters.contains(*node));
                self.voters = voters;
                self.proposed = None;
            }
            Input::Removed(removed) => self.removed = removed,
            Input::Alive(member) => {
                self.gone.remove(&member.node);
                self.live.insert(member.node, member);
            }
            Input::Gone { node, left } => {
                self.live.remove(&node);
                if self.voters.contains(node) {
                    let patience = match left {
                        true => RESTART,
                        false => self.config.replace_after,
                    };
                    self.gone.insert(node, now + patience);
                }
            }
        }
        self.keep(now, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.review.deadline(Wake::Electorate)
    }

    fn keep(&mut self, now: Time, out: &mut Vec<Output>) {
        self.review.stop();
        let Some(leading) = self.leading.filter(|_| self.config.target > 0) else {
            return;
        };
        if self.voters.is_joint() {
            return;
        }
        if let Some(proposed) = self.proposed.filter(|at| now.since(*at) < RETRY) {
            self.review.set(proposed + RETRY);
            return;
        }
        let (dead, next_death) = self.dead(now, leading);
        if let Some(change) = self.change(&dead) {
            self.proposed = Some(now);
            self.review.set(now + RETRY);
            out.push(Output::Propose(Command::ChangeVoters(change)));
        } else if let Some(at) = next_death {
            self.review.set(at);
        }
    }

    /// The voters that are gone for long enough, and when the next one will be.
    fn dead(&self, now: Time, leading: Time) -> (BTreeSet<NodeId>, Option<Time>) {
        let (mut dead, mut next) = (BTreeSet::new(), None);
        let voters = self.voters.now().iter();
        for node in voters.filter(|node| !self.is_fit(**node)) {
            let until = match self.gone.get(node) {
                _ if self.removed.contains(node) => now,
                Some(until) => *until,
                None => leading + self.config.replace_after,
            };
            if until <= now {
                dead.insert(*node);
            } else {
                next = Some(next.map_or(until, |next: Time| next.min(until)));
            }
        }
        (dead, next)
    }

    /// Whether a node may vote, or go on voting.
    fn is_fit(&self, node: NodeId) -> bool {
        self.live.contains_key(&node) && !self.removed.contains(&node)
    }

    /// The change that is due, if any (I2).
    fn change(&self, dead: &BTreeSet<NodeId>) -> Option<VoterChange> {
        let count = self.voters.now().len();
        let spare_count = self.spares().count();
        if !dead.is_empty() && spare_count > 0 {
            let swap = self.swap(dead, dead.len().min(spare_count));
            if !swap.add.is_empty() {
                return Some(swap);
            }
        }
        let outcasts: BTreeSet<NodeId> = dead.intersection(&self.removed).copied().collect();
        if !outcasts.is_empty() && outcasts.len() < count {
            // The host wants them gone, also where that costs an even number.
            let add = BTreeSet::new();
            return Some(VoterChange {
                add,
                remove: outcasts,
            });
        }
        if !dead.is_empty() {
            // With fewer voters, as many are needed less: 5 of which 2 are dead stand no further
            // failure, the other 3 stand one.
            let surplus = if count.is_multiple_of(2) { 1 } else { 2 };
            let leaves_enough = count >= surplus + 2 && dead.len() >= surplus;
            let fewer = VoterChange {
                add: BTreeSet::new(),
                remove: dead.iter().copied().take(surplus).collect(),
            };
            let leaves_enough = leaves_enough && self.is_well_composed(&fewer);
            return leaves_enough.then_some(fewer);
        }
        let wanted = if count.is_multiple_of(2) { 1 } else { 2 };
        let grows = spare_count >= wanted && count + wanted <= self.config.target;
        let growth = grows.then(|| self.swap(&BTreeSet::new(), wanted));
        growth.filter(|growth| growth.add.len() == wanted)
    }

    /// Whether most voters are live members that hold data, if there is any witness among them
    /// (I4).
    fn is_well_composed(&self, change: &VoterChange) -> bool {
        let kept = self.voters.now().difference(&change.remove);
        let after: Vec<&NodeId> = kept.chain(&change.add).collect();
        let is_witness = |node: &&&NodeId| self.live.get(**node).is_some_and(|it| it.is_witness);
        let witnesses = after.iter().filter(is_witness).count();
        let live = after.iter().filter(|node| self.live.contains_key(**node));
        let holders = live.count() - witnesses;
        witnesses == 0 || 2 * holders > after.len()
    }

    /// So many live learners in the place of as many of the dead, or beside the voters.
    fn swap(&self, dead: &BTreeSet<NodeId>, count: usize) -> VoterChange {
        let mut add = BTreeSet::new();
        for _ in 0..count {
            add.extend(self.next_voter(dead, &add));
        }
        let change_to = |add: BTreeSet<NodeId>| {
            let remove = dead.iter().copied().take(add.len()).collect();
            VoterChange { add, remove }
        };
        let change = change_to(add);
        let Some(witness) = self.witness_for(&change, count) else {
            return change;
        };
        let mut with_witness = change.add.clone();
        with_witness.insert(witness);
        let with_witness = change_to(with_witness);
        let voters = self.voters.now().len() + with_witness.add.len() - with_witness.remove.len();
        match !voters.is_multiple_of(2) && self.is_well_composed(&with_witness) {
            true => with_witness,
            false => change,
        }
    }

    /// A live witness without a vote, if those that hold data leave a place (I4).
    fn witness_for(&self, change: &VoterChange, count: usize) -> Option<NodeId> {
        let mut witnesses = self.spares().filter(|member| member.is_witness);
        let is_free = change.add.len() < count;
        witnesses.next().filter(|_| is_free).map(|it| it.node)
    }

    /// Live learners that may vote.
    fn spares(&self) -> impl Iterator<Item = &Member> {
        let learners = self.live.values();
        learners.filter(|it| !self.voters.contains(it.node) && self.is_fit(it.node))
    }

    /// The learner that is no witness whose zone has the fewest votes, the lowest id among equals.
    fn next_voter(&self, dead: &BTreeSet<NodeId>, chosen: &BTreeSet<NodeId>) -> Option<NodeId> {
        let votes_in = |zone: &Option<Zone>| {
            let kept = self.voters.now().difference(dead).chain(chosen);
            kept.filter(|node| self.live.get(node).map(|it| &it.zone) == Some(zone))
                .count()
        };
        let spares = self.spares();
        let spares = spares.filter(|it| !it.is_witness && !chosen.contains(&it.node));
        let best = spares.min_by_key(|it| (votes_in(&it.zone), it.node));
        best.map(|it| it.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    fn electorate(voters: &[u64], target: usize) -> Electorate {
        let config = Config {
            target,
            replace_after: Duration::from_secs(30),
        };
        let me = Member {
            node: NodeId(1),
            zone: None,
            is_witness: false,
        };
        Electorate::new(config, me, Voters::of(set(voters)))
    }

    fn step(machine: &mut Electorate, secs: u64, input: Input) -> Option<VoterChange> {
        let mut out = Vec::new();
        machine.step(Time::from_millis(secs * 1000), input, &mut out);
        match &out[..] {
            [] => None,
            [Output::Propose(Command::ChangeVoters(change))] => Some(change.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn alive(node: u64, zone: Option<&str>) -> Input {
        let (node, zone) = (NodeId(node), zone.map(|zone| Zone::new(zone).unwrap()));
        Input::Alive(Member {
            node,
            zone,
            is_witness: false,
        })
    }

    fn witness(node: u64) -> Input {
        Input::Alive(Member {
            node: NodeId(node),
            zone: None,
            is_witness: true,
        })
    }

    fn gone(node: u64, left: bool) -> Input {
        let node = NodeId(node);
        Input::Gone { node, left }
    }

    fn change(remove: &[u64], add: &[u64]) -> Option<VoterChange> {
        let (add, remove) = (set(add), set(remove));
        Some(VoterChange { add, remove })
    }

    #[test]
    fn a_dead_voter_is_replaced_after_its_time_and_a_leaver_soon() {
        let mut machine = electorate(&[1, 2, 3], 3);
        (2..=4).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        assert_eq!(step(&mut machine, 1, Input::Leading), None);
        assert_eq!(step(&mut machine, 2, gone(3, false)), None);
        let due = machine.deadline().map(|due| due.at);
        assert_eq!(due, Some(Time::from_millis(32_000)));
        assert_eq!(step(&mut machine, 32, Input::Tick), change(&[3], &[4]));
        assert_eq!(
            step(&mut machine, 33, alive(5, None)),
            None,
            "one at a time"
        );
        assert_eq!(
            step(&mut machine, 34, Input::Tick),
            change(&[3], &[4]),
            "again"
        );
        let joint = Voters::of(set(&[1, 2, 3])).changing_to(set(&[1, 2, 4]));
        assert_eq!(step(&mut machine, 35, Input::Voters(joint.clone())), None);
        assert_eq!(step(&mut machine, 36, Input::Voters(joint.settled())), None);
        assert_eq!(step(&mut machine, 37, gone(2, true)), None);
        assert_eq!(step(&mut machine, 38, Input::Tick), change(&[2], &[5]));
    }

    #[test]
    fn a_process_that_starts_again_leaves_its_last_life_and_keeps_its_vote() {
        let mut machine = electorate(&[1, 2, 3], 3);
        (2..=4).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, Input::Leading);
        assert_eq!(step(&mut machine, 2, gone(3, true)), None);
        assert_eq!(step(&mut machine, 2, alive(3, None)), None);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_voter_that_comes_back_in_time_keeps_its_vote() {
        let mut machine = electorate(&[1, 2, 3], 3);
        (2..=4).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, Input::Leading);
        step(&mut machine, 2, gone(3, false));
        assert_eq!(step(&mut machine, 31, alive(3, None)), None);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn learners_become_voters_in_pairs() {
        let mut machine = electorate(&[1, 2, 3], 5);
        (2..=3).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, Input::Leading);
        assert_eq!(
            step(&mut machine, 2, alive(4, None)),
            None,
            "four is no better"
        );
        assert_eq!(step(&mut machine, 3, alive(5, None)), change(&[], &[4, 5]));
        let mut machine = electorate(&[1, 2], 5);
        step(&mut machine, 0, alive(2, None));
        step(&mut machine, 1, Input::Leading);
        assert_eq!(step(&mut machine, 2, alive(3, None)), change(&[], &[3]));
        let mut manual = electorate(&[1], 0);
        step(&mut manual, 1, Input::Leading);
        (2..=3).for_each(|node| assert_eq!(step(&mut manual, 2, alive(node, None)), None));
    }

    #[test]
    fn a_witness_votes_only_in_the_last_place_of_an_odd_number() {
        let mut two = electorate(&[1, 2], 3);
        step(&mut two, 0, alive(2, None));
        step(&mut two, 0, witness(3));
        let mut with_another = two.clone();
        assert_eq!(step(&mut two, 1, Input::Leading), change(&[], &[3]));
        step(&mut with_another, 0, alive(4, None));
        let chosen = step(&mut with_another, 1, Input::Leading);
        assert_eq!(chosen, change(&[], &[4]), "one that holds data is better");
        let mut alone = electorate(&[1], 3);
        step(&mut alone, 0, witness(2));
        step(&mut alone, 0, witness(3));
        let chosen = step(&mut alone, 1, Input::Leading);
        assert_eq!(chosen, None, "two of three would be witnesses");
        let chosen = step(&mut alone, 2, alive(4, None));
        assert_eq!(chosen, change(&[], &[2, 4]));
    }

    #[test]
    fn witnesses_never_become_the_majority() {
        let mut machine = electorate(&[1, 2, 3], 3);
        step(&mut machine, 0, alive(2, None));
        step(&mut machine, 0, witness(3));
        step(&mut machine, 0, witness(4));
        step(&mut machine, 1, Input::Leading);
        step(&mut machine, 2, gone(2, false));
        assert_eq!(step(&mut machine, 32, Input::Tick), None);
        step(&mut machine, 33, alive(2, None));
        step(&mut machine, 34, gone(3, false));
        let chosen = step(&mut machine, 64, Input::Tick);
        assert_eq!(chosen, change(&[3], &[4]), "a witness for a witness");
        let mut five = electorate(&[1, 2, 3, 4, 5], 5);
        (2..=3).for_each(|node| drop(step(&mut five, 0, alive(node, None))));
        (4..=5).for_each(|node| drop(step(&mut five, 0, witness(node))));
        step(&mut five, 1, Input::Leading);
        (2..=3).for_each(|node| drop(step(&mut five, 2, gone(node, false))));
        assert_eq!(step(&mut five, 32, Input::Tick), None, "one of three");
    }

    #[test]
    fn without_learners_the_dead_are_let_go_if_that_helps() {
        let mut machine = electorate(&[1, 2, 3, 4, 5], 5);
        (2..=5).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, Input::Leading);
        step(&mut machine, 2, gone(5, false));
        assert_eq!(
            step(&mut machine, 32, Input::Tick),
            None,
            "four stand no more"
        );
        step(&mut machine, 33, gone(4, false));
        assert_eq!(step(&mut machine, 63, Input::Tick), change(&[4, 5], &[]));
        let mut machine = electorate(&[1, 2, 3], 3);
        step(&mut machine, 0, alive(2, None));
        step(&mut machine, 1, Input::Leading);
        assert_eq!(step(&mut machine, 99, Input::Tick), None, "two stand none");
    }

    #[test]
    fn a_removed_voter_is_replaced_at_once_or_let_go_and_never_chosen() {
        let removed = |nodes: &[u64]| Input::Removed(set(nodes));
        let mut machine = electorate(&[1, 2, 3], 3);
        (2..=4).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, Input::Leading);
        assert_eq!(step(&mut machine, 2, removed(&[3])), change(&[3], &[4]));
        let mut machine = electorate(&[1, 2, 3], 5);
        (2..=5).for_each(|node| drop(step(&mut machine, 0, alive(node, None))));
        step(&mut machine, 1, removed(&[3, 4, 5]));
        assert_eq!(step(&mut machine, 2, Input::Leading), change(&[3], &[]));
        let mut alone = electorate(&[1], 3);
        step(&mut alone, 1, Input::Leading);
        assert_eq!(
            step(&mut alone, 2, removed(&[1])),
            None,
            "someone must vote"
        );
    }

    #[test]
    fn votes_spread_over_zones() {
        let mut machine = electorate(&[1, 2, 3], 3);
        let zones = [(2, "a"), (3, "b"), (4, "a"), (5, "c"), (6, "b")];
        for (node, zone) in zones {
            step(&mut machine, 0, alive(node, Some(zone)));
        }
        step(&mut machine, 1, Input::Leading);
        step(&mut machine, 2, gone(3, true));
        assert_eq!(step(&mut machine, 3, Input::Tick), change(&[3], &[5]));
    }

    #[test]
    fn a_leader_gives_voters_it_has_not_heard_of_their_time() {
        let mut machine = electorate(&[1, 2, 3], 3);
        step(&mut machine, 0, alive(2, None));
        step(&mut machine, 0, alive(4, None));
        assert_eq!(step(&mut machine, 10, Input::Leading), None);
        assert_eq!(step(&mut machine, 39, Input::Tick), None);
        assert_eq!(step(&mut machine, 40, Input::Tick), change(&[3], &[4]));
        step(&mut machine, 41, Input::Following);
        assert_eq!(machine.deadline(), None);
    }
}
