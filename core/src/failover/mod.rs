//! Placement of roles: grant those nobody holds, move those whose holder is gone.
//!
//! Only the Raft leader proposes, and only once its own term's first entry is applied: then its
//! view of the roles is at least as new as anything acknowledged before. Everything it proposes is
//! a compare-and-set on the role's epoch, so a leader that acts on an old view changes nothing.
//!
//! * I1: at most one proposal per role is under way; it is repeated only after `RETRY`.
//! * I2: a role moves off a holder only if that life of the node is dead, left, or — for
//!   [`Placement::Leader`] — if leadership moved. The old holder need not know: its epoch is
//!   refused from the grant on. A life this node has not heard of may be a live one: a leader that
//!   has just started knows nobody yet. So it is taken for gone only after `ACQUAINTANCE`.
//!
//! * I3: no role is placed on a witness, which holds nothing to serve it with. While one leads,
//!   a role of the leader stays where it is; one that a host puts on a witness moves off it.
//!
//! Deliberately absent: switchover, leases, candidates by lag or priority, maintenance.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::{Command, RoleState};
use crate::id::{NodeId, Peer, RoleName};
use crate::mutant::{Mutant, Planted};
use crate::time::{Deadline, Time, Timer, Wake};

/// A proposal that is neither applied nor refused by then is made again.
const RETRY: Duration = Duration::from_secs(1);

/// A leader that has never heard of a holder gives it so long to appear.
const ACQUAINTANCE: Duration = Duration::from_secs(5);

/// A role the cluster keeps placed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSpec {
    /// Its name.
    pub name: RoleName,
    /// Where it should live.
    pub placement: Placement,
}

/// Where a role should live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// With the Raft leader: moves as fast as an election.
    Leader,
    /// On any live voter: moves when its holder is declared dead, not when leadership moves.
    Voter,
}

/// What failover is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// This node leads and has applied its own term's first entry.
    Leading,
    /// This node does not lead.
    Following,
    /// These nodes vote from now on.
    Voters(BTreeSet<NodeId>),
    /// A life of a node is a live member.
    Alive {
        /// Which.
        peer: Peer,
        /// It holds no data of the application.
        is_witness: bool,
    },
    /// A life of a node is dead or has left.
    Gone(Peer),
    /// The log says so.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new state.
        state: RoleState,
    },
}

/// What failover wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Put a command through the log.
    Propose(Command),
}

/// The placement machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failover {
    me: Peer,
    voters: BTreeSet<NodeId>,
    specs: Vec<RoleSpec>,
    /// Since when this node leads.
    leading: Option<Time>,
    live: BTreeMap<NodeId, Peer>,
    /// Those of the live that are witnesses, this node among them if it is one.
    witnesses: BTreeSet<NodeId>,
    /// The last life of each voter that was seen to end.
    gone: BTreeMap<NodeId, Peer>,
    roles: BTreeMap<RoleName, RoleState>,
    under_way: BTreeMap<RoleName, Time>,
    review: Timer,
    pub(crate) planted: Planted,
}

impl Failover {
    /// A machine that knows of no live member but itself.
    #[must_use]
    pub fn new(
        me: Peer,
        is_witness: bool,
        voters: BTreeSet<NodeId>,
        specs: Vec<RoleSpec>,
    ) -> Failover {
        Failover {
            me,
            voters,
            specs,
            leading: None,
            live: BTreeMap::from([(me.node, me)]),
            witnesses: is_witness.then_some(me.node).into_iter().collect(),
            gone: BTreeMap::new(),
            roles: BTreeMap::new(),
            under_way: BTreeMap::new(),
            review: Timer::stopped(),
            planted: Planted::default(),
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
                self.review.stop();
            }
            Input::Voters(voters) => self.voters = voters,
            Input::Alive { peer, is_witness } => {
                self.live.insert(peer.node, peer);
                match is_witness {
                    true => self.witnesses.insert(peer.node),
                    false => self.witnesses.remove(&peer.node),
                };
            }
            Input::Gone(peer) => {
                if self.live.get(&peer.node) == Some(&peer) {
                    self.live.remove(&peer.node);
                }
                if self.voters.contains(&peer.node) {
                    self.gone.insert(peer.node, peer);
                }
            }
            Input::RoleChanged { role, state } => {
                self.under_way.remove(&role);
                self.roles.insert(role, state);
            }
        }
        self.place(now, out);
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.review.deadline(Wake::Placement)
    }

    fn place(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(since) = self.leading else {
            return;
        };
        let acquainted = since + ACQUAINTANCE;
        let mut review_at = None;
        self.under_way.retain(|_, since| now.since(*since) < RETRY);
        for spec in &self.specs {
            let state = self.roles.get(&spec.name).copied().unwrap_or_default();
            let is_under_way = self.under_way.contains_key(&spec.name)
                && !self.planted.is(Mutant::TwoGrantsUnderWay);
            if is_under_way || self.is_well_placed(spec, state) {
                continue;
            }
            if now < acquainted && self.is_holder_unknown(spec, state) {
                review_at = Some(acquainted);
                continue;
            }
            let Some(holder) = self.candidate(spec) else {
                continue;
            };
            self.under_way.insert(spec.name.clone(), now);
            let (role, expected) = (spec.name.clone(), state.epoch);
            out.push(Output::Propose(Command::GrantRole {
                role,
                holder,
                expected,
            }));
        }
        let retry_at = self.under_way.values().min().map(|oldest| *oldest + RETRY);
        match retry_at.into_iter().chain(review_at).min() {
            Some(at) => self.review.set(at),
            None => self.review.stop(),
        }
    }

    fn is_well_placed(&self, spec: &RoleSpec, state: RoleState) -> bool {
        let Some(holder) = state.holder else {
            return false;
        };
        match spec.placement {
            Placement::Leader => holder == self.me,
            Placement::Voter if self.planted.is(Mutant::MovesRoleOfLiveHolder) => false,
            Placement::Voter => {
                self.live.get(&holder.node) == Some(&holder) && self.may_hold(holder.node)
            }
        }
    }

    /// Whether the holder may live without this node's having heard of it yet.
    fn is_holder_unknown(&self, spec: &RoleSpec, state: RoleState) -> bool {
        let Some(holder) = state.holder else {
            return false;
        };
        let is_known_gone = [self.live.get(&holder.node), self.gone.get(&holder.node)]
            .into_iter()
            .flatten()
            .any(|peer| peer.boot >= holder.boot);
        match spec.placement {
            Placement::Leader => false,
            Placement::Voter if self.planted.is(Mutant::MovesRoleOfLiveHolder) => false,
            Placement::Voter => !is_known_gone,
        }
    }

    /// Whether roles may be placed on it (I3).
    fn may_hold(&self, node: NodeId) -> bool {
        !self.witnesses.contains(&node) || self.planted.is(Mutant::RoleOnWitness)
    }

    /// The live voter with the fewest roles, the lowest id among equals.
    fn candidate(&self, spec: &RoleSpec) -> Option<Peer> {
        if spec.placement == Placement::Leader {
            return Some(self.me).filter(|me| self.may_hold(me.node));
        }
        let load = |peer: &Peer| {
            self.roles
                .values()
                .filter(|r| r.holder == Some(*peer))
                .count()
        };
        let voters = self
            .live
            .values()
            .filter(|peer| self.voters.contains(&peer.node) && self.may_hold(peer.node));
        voters.min_by_key(|peer| (load(peer), peer.node)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Epoch;

    fn peer(node: u64, boot: u64) -> Peer {
        Peer {
            node: NodeId(node),
            boot,
        }
    }

    fn failover(placement: Placement) -> Failover {
        let specs = alloc::vec![RoleSpec {
            name: role(),
            placement
        }];
        Failover::new(peer(1, 1), false, (1..=3).map(NodeId).collect(), specs)
    }

    fn role() -> RoleName {
        RoleName::new("primary").unwrap()
    }

    fn step(machine: &mut Failover, millis: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        machine.step(Time::from_millis(millis), input, &mut out);
        out
    }

    fn alive(peer: Peer) -> Input {
        Input::Alive {
            peer,
            is_witness: false,
        }
    }

    fn granted(to: Peer, epoch: u64) -> Input {
        let state = RoleState {
            epoch: Epoch(epoch),
            holder: Some(to),
        };
        Input::RoleChanged {
            role: role(),
            state,
        }
    }

    fn grant(holder: Peer, expected: u64) -> Vec<Output> {
        let expected = Epoch(expected);
        alloc::vec![Output::Propose(Command::GrantRole {
            role: role(),
            holder,
            expected
        })]
    }

    #[test]
    fn a_role_moves_when_its_holder_dies_and_not_before() {
        let mut machine = failover(Placement::Voter);
        for node in 2..=3 {
            assert_eq!(step(&mut machine, 0, alive(peer(node, 1))), []);
        }
        assert_eq!(step(&mut machine, 0, granted(peer(2, 1), 5)), []);
        assert_eq!(step(&mut machine, 1, Input::Leading), []);
        assert_eq!(
            step(&mut machine, 2, Input::Gone(peer(2, 1))),
            grant(peer(1, 1), 5)
        );
        assert_eq!(
            step(&mut machine, 3, Input::Gone(peer(3, 1))),
            [],
            "one proposal at a time"
        );
        assert_eq!(
            step(&mut machine, 1002, Input::Tick),
            grant(peer(1, 1), 5),
            "repeated"
        );
        assert_eq!(step(&mut machine, 1003, granted(peer(1, 1), 9)), []);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_holder_nobody_has_heard_of_has_time_to_appear() {
        let mut machine = failover(Placement::Voter);
        step(&mut machine, 0, granted(peer(2, 3), 5));
        assert_eq!(step(&mut machine, 1, Input::Leading), []);
        assert_eq!(step(&mut machine, 2, Input::Gone(peer(2, 2))), []);
        let deadline = machine.deadline().map(|deadline| deadline.at);
        assert_eq!(deadline, Some(Time::from_millis(5001)));
        let mut met = machine.clone();
        assert_eq!(step(&mut met, 3, alive(peer(2, 3))), []);
        assert_eq!(met.deadline(), None);
        let gone = Input::Gone(peer(2, 3));
        assert_eq!(step(&mut met, 4, gone), grant(peer(1, 1), 5));
        let out = step(&mut machine, 5001, Input::Tick);
        assert_eq!(out, grant(peer(1, 1), 5), "it never came");
    }

    #[test]
    fn a_restarted_holder_has_lost_its_role() {
        let mut machine = failover(Placement::Voter);
        step(&mut machine, 0, alive(peer(2, 1)));
        step(&mut machine, 0, granted(peer(2, 1), 5));
        step(&mut machine, 0, Input::Leading);
        assert_eq!(
            step(&mut machine, 1, alive(peer(2, 2))),
            grant(peer(1, 1), 5)
        );
    }

    #[test]
    fn a_role_of_the_leader_follows_leadership() {
        let mut machine = failover(Placement::Leader);
        step(&mut machine, 0, granted(peer(2, 1), 5));
        assert_eq!(step(&mut machine, 1, Input::Leading), grant(peer(1, 1), 5));
        assert_eq!(step(&mut machine, 2, Input::Following), []);
        assert_eq!(machine.deadline(), None, "a follower places nothing");
    }

    #[test]
    fn no_role_is_placed_on_a_witness() {
        let mut machine = failover(Placement::Voter);
        for node in 2..=3 {
            let (peer, is_witness) = (peer(node, 1), node == 2);
            step(&mut machine, 0, Input::Alive { peer, is_witness });
        }
        step(&mut machine, 0, granted(peer(1, 1), 4));
        step(&mut machine, 0, granted(peer(3, 1), 5));
        assert_eq!(step(&mut machine, 1, Input::Leading), []);
        step(&mut machine, 2, Input::Voters([2, 3].map(NodeId).into()));
        assert_eq!(step(&mut machine, 3, Input::Gone(peer(3, 1))), []);
        let out = step(&mut machine, 4, alive(peer(3, 2)));
        assert_eq!(out, grant(peer(3, 2), 5), "it waited for one that may");
    }

    #[test]
    fn a_role_of_the_leader_stays_where_it_is_while_a_witness_leads() {
        let specs = alloc::vec![RoleSpec {
            name: role(),
            placement: Placement::Leader,
        }];
        let mut witness = Failover::new(peer(1, 1), true, [NodeId(1)].into(), specs);
        step(&mut witness, 0, granted(peer(2, 1), 5));
        assert_eq!(step(&mut witness, 1, Input::Leading), []);
        assert_eq!(step(&mut witness, 2, Input::Gone(peer(2, 1))), []);
    }

    #[test]
    fn roles_spread_over_the_live_voters() {
        let mut machine = failover(Placement::Voter);
        let second = RoleName::new("archive").unwrap();
        machine.specs.push(RoleSpec {
            name: second.clone(),
            placement: Placement::Voter,
        });
        step(&mut machine, 0, alive(peer(2, 1)));
        step(&mut machine, 0, alive(peer(9, 1)));
        step(&mut machine, 0, granted(peer(1, 1), 5));
        let out = step(&mut machine, 1, Input::Leading);
        let expected = Epoch(0);
        let holder = peer(2, 1);
        assert_eq!(
            out,
            [Output::Propose(Command::GrantRole {
                role: second,
                holder,
                expected
            })]
        );
    }
}
