//! Routing: a snapshot of who may be asked, rebuilt on change, asked by any thread without a lock.
//!
//! [`Balance`] folds facts into a [`Snapshot`] and publishes it; [`Snapshot::pick`] is a pure
//! function of the table, the request and one word, so any choice can be repeated from a record of
//! the two. Round robin is a counter as the word.
//!
//! Hard filters (the holder of a role under its epoch) are never dropped. Soft ones (suspicion)
//! are: when nobody unsuspected is left, suspects are asked rather than nobody.
//!
//! Deliberately absent: loads, weights, localities, affinity.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::control::RoleState;
use crate::id::{Epoch, NodeId, Peer, RoleName, Zone};

/// A node that requests may go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The node and its life.
    pub peer: Peer,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// A soft reason not to ask it.
    pub suspected: bool,
}

/// What a request needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// Only the holder of this role will do: a hard filter.
    pub role: Option<RoleName>,
}

/// A chosen target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pick<'a> {
    /// Whom to ask.
    pub target: &'a Target,
    /// For a request to a role: the epoch the holder must still hold it under.
    pub epoch: Option<Epoch>,
}

/// An immutable routing table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// Live members by id, those without suspicion first.
    targets: Vec<Target>,
    unsuspected: usize,
    /// The place of each role's live holder among the targets, and the epoch it holds the role
    /// under.
    roles: BTreeMap<RoleName, (usize, Epoch)>,
}

impl Snapshot {
    /// Chooses a target, or `None` when nobody qualifies. Takes O(1) without a role, O(log roles)
    /// with one.
    #[must_use]
    pub fn pick(&self, request: &Request, word: u64) -> Option<Pick<'_>> {
        if let Some(role) = &request.role {
            let (place, epoch) = self.roles.get(role)?;
            return Some(Pick {
                target: self.targets.get(*place)?,
                epoch: Some(*epoch),
            });
        }
        let eligible = match self.unsuspected {
            0 => &self.targets[..],
            some => &self.targets[..some],
        };
        let slot = word.checked_rem(eligible.len() as u64)?;
        let target = eligible.get(usize::try_from(slot).ok()?)?;
        Some(Pick {
            target,
            epoch: None,
        })
    }

    /// Everyone a request may go to.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Where a node stands among the targets.
    fn place(&self, node: NodeId) -> Option<usize> {
        let (fine, suspected) = self.targets.split_at(self.unsuspected);
        let within = |part: &[Target]| part.binary_search_by_key(&node, |it| it.peer.node).ok();
        let behind = || within(suspected).map(|place| place + fine.len());
        within(fine).or_else(behind)
    }

    fn insert(&mut self, target: Target) {
        let key = |target: &Target| (target.suspected, target.peer.node);
        let place = (self.targets).partition_point(|other| key(other) < key(&target));
        self.unsuspected += usize::from(!target.suspected);
        self.targets.insert(place, target);
    }

    fn remove(&mut self, place: usize) {
        let target = self.targets.remove(place);
        self.unsuspected -= usize::from(!target.suspected);
    }
}

/// What balance is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A node is a live member.
    Alive(Target),
    /// It is suspected, or no longer.
    Suspected {
        /// Who.
        peer: Peer,
        /// Whether.
        suspected: bool,
    },
    /// It listens elsewhere now.
    Moved {
        /// Who.
        peer: Peer,
        /// Where.
        address: SocketAddr,
    },
    /// It is dead or has left.
    Gone(Peer),
    /// The log says so.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new state.
        state: RoleState,
    },
}

/// The machine that keeps the routing table. The table that was published last is changed in place
/// once nobody reads it any more, and copied before that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balance {
    table: Arc<Snapshot>,
    roles: BTreeMap<RoleName, (Peer, Epoch)>,
}

impl Balance {
    /// A machine that knows only the node it runs on.
    #[must_use]
    pub fn new(me: Target) -> Balance {
        let mut balance = Balance::default();
        balance.put(me);
        balance
    }

    /// The one verb; true when a new snapshot is due.
    pub fn step(&mut self, input: Input) -> bool {
        match input {
            Input::Alive(target) => self.put(target),
            Input::Suspected { peer, suspected } => self.change(peer, |target| {
                target.suspected = suspected;
            }),
            Input::Moved { peer, address } => self.change(peer, |target| {
                target.address = address;
            }),
            Input::Gone(peer) => {
                let known = self.table.place(peer.node);
                let known = known.filter(|place| self.table.targets[*place].peer == peer);
                known.is_some_and(|place| {
                    Arc::make_mut(&mut self.table).remove(place);
                    true
                })
            }
            Input::RoleChanged { role, state } => match state.holder {
                Some(holder) => {
                    let held = (holder, state.epoch);
                    self.roles.insert(role, held) != Some(held)
                }
                None => self.roles.remove(&role).is_some(),
            },
        }
    }

    /// The table as it stands.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        let table = Arc::make_mut(&mut self.table);
        table.version += 1;
        let placed = |(role, (holder, epoch)): (&RoleName, &(Peer, Epoch))| {
            let place = table.place(holder.node)?;
            let holds = table.targets[place].peer == *holder;
            holds.then(|| (role.clone(), (place, *epoch)))
        };
        table.roles = self.roles.iter().filter_map(placed).collect();
        Arc::clone(&self.table)
    }

    /// A target is this from now on. True if that is news.
    fn put(&mut self, target: Target) -> bool {
        let place = self.table.place(target.peer.node);
        if place.is_some_and(|place| self.table.targets[place] == target) {
            return false;
        }
        let table = Arc::make_mut(&mut self.table);
        if let Some(place) = place {
            table.remove(place);
        }
        table.insert(target);
        true
    }

    fn change(&mut self, peer: Peer, how: impl FnOnce(&mut Target)) -> bool {
        let place = self.table.place(peer.node);
        let known = place.and_then(|place| self.table.targets.get(place));
        let Some(mut target) = known.filter(|target| target.peer == peer).cloned() else {
            return false;
        };
        how(&mut target);
        self.put(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(node: u64) -> Target {
        let peer = Peer {
            node: NodeId(node),
            boot: 1,
        };
        let address = SocketAddr::from(([10, 0, 0, 1], 7000));
        Target {
            peer,
            address,
            zone: None,
            suspected: false,
        }
    }

    fn balance(n: u64) -> Balance {
        let mut balance = Balance::new(target(1));
        for node in 2..=n {
            assert!(balance.step(Input::Alive(target(node))));
        }
        balance
    }

    fn picked(snapshot: &Snapshot, word: u64) -> Option<u64> {
        snapshot
            .pick(&Request::default(), word)
            .map(|pick| pick.target.peer.node.0)
    }

    #[test]
    fn round_robin_asks_everyone_equally() {
        let snapshot = balance(3).snapshot();
        let order: Vec<_> = (0..6).map(|word| picked(&snapshot, word)).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 3].map(Some));
        assert!(picked(&snapshot, u64::MAX).is_some());
        assert_eq!(picked(&Snapshot::default(), 4), None);
    }

    #[test]
    fn suspects_are_asked_only_when_nobody_else_is_left() {
        let mut balance = balance(2);
        let suspect = |peer| Input::Suspected {
            peer,
            suspected: true,
        };
        assert!(balance.step(suspect(target(1).peer)) && !balance.step(suspect(target(1).peer)));
        assert_eq!(picked(&balance.snapshot(), 0), Some(2));
        assert!(balance.step(suspect(target(2).peer)));
        assert_eq!(picked(&balance.snapshot(), 0), Some(1), "fail open");
        assert!(
            !balance.step(suspect(Peer {
                node: NodeId(2),
                boot: 7
            })),
            "another life"
        );
    }

    #[test]
    fn a_role_is_a_hard_filter() {
        let mut balance = balance(3);
        let role = RoleName::new("primary").unwrap();
        let request = Request {
            role: Some(role.clone()),
        };
        assert_eq!(balance.snapshot().pick(&request, 0), None);
        let state = RoleState {
            epoch: Epoch(7),
            holder: Some(target(3).peer),
        };
        assert!(balance.step(Input::RoleChanged { role, state }));
        let snapshot = balance.snapshot();
        let pick = snapshot.pick(&request, 5).unwrap();
        assert_eq!(
            (pick.target.peer.node, pick.epoch),
            (NodeId(3), Some(Epoch(7)))
        );
        assert!(balance.step(Input::Gone(target(3).peer)));
        assert_eq!(
            balance.snapshot().pick(&request, 0),
            None,
            "never someone else"
        );
    }
}
