//! A process starts: every subsystem begins with what is durable.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::admission::Admission;
use super::batch::Batch;
use super::claims::Claims;
use super::level;
use super::links::{self, Links};
use super::{Config, Node, ValidConfig};
use crate::balance::{self, Balance};
use crate::control::{self, Control};
use crate::durable::Durable;
use crate::durable::gate::Gate;
use crate::electorate::{self, Electorate};
use crate::failover::{self, Failover};
use crate::gossip::Gossip;
use crate::health::Health;
use crate::id::{Incarnation, Lsn, NodeId, Peer};
use crate::membership::{self, Membership};
use crate::mutant::Planted;
use crate::raft::{self, Raft};
use crate::seed::{Seed, Stream};
use crate::time::Time;

impl Node {
    /// Continues from what is durable; with nothing durable, starts for the first time. Cannot
    /// fail: the configuration is validated, and [`durable::wal::scan`](crate::durable::wal::scan)
    /// and [`Durable::state`] have judged the log. `last` is its last record, 0 when it is empty.
    ///
    /// # Panics
    /// When [`Durable::state`] is an error: what the node promised stands in there.
    #[must_use]
    pub fn recover(
        config: ValidConfig,
        durable: Durable,
        last: Lsn,
        seed: &Seed,
        now: Time,
    ) -> Node {
        let me = Peer {
            node: config.node,
            boot: durable.boot.saturating_add(1),
        };
        // One seed serves all lives of a node without repeating itself.
        let seed = seed.part(me.boot);
        let (address, zone) = (config.address, config.zone.clone());
        let membership = begin_membership(me, &config, &seed);
        let state = match durable.state() {
            Ok(state) => state,
            Err(error) => panic!("a node cannot start from this: {error}"),
        };
        let level = state.level();
        let raft = begin_raft(me, &config, durable.raft, &seed, now);
        let random = seed.stream(Stream::Control);
        let voters: BTreeSet<NodeId> = raft.voters().iter().collect();
        let electorate = Electorate::new(
            config.electorate.clone(),
            electorate::Member {
                node: me.node,
                zone,
                is_witness: config.witness,
            },
            raft.voters().clone(),
        );
        let roles = config.roles.clone();
        let mut failover = Failover::new(me, config.witness, voters.clone(), roles);
        let mut balance = begin_balance(me, &config);
        tell_roles(&state, now, &mut failover, &mut balance);
        Node {
            me,
            now,
            recorded: false,
            started: false,
            membership,
            health: Health::new(config.health.clone(), me.node, links::MESH_MAX),
            gossip: Gossip::new(config.gossip.clone(), me, seed.stream(Stream::Gossip)),
            raft,
            control: Control::new(config.control.clone(), me.node, state, random),
            electorate,
            failover,
            balance,
            routes_changed: true,
            links: Links::new(me.node, address, voters, seed.stream(Stream::Links)),
            claims: Claims::default(),
            admission: Admission::default(),
            gate: Gate::new(last),
            planted: Planted::default(),
            early: Vec::new(),
            joining: None,
            leaving: None,
            transferring: None,
            reading: BTreeMap::new(),
            batch: Batch::default(),
            asks_at: Some(Time::ZERO),
            halted: config.levels.unfit_for(level),
            config,
        }
    }
}

fn begin_membership(me: Peer, config: &Config, seed: &Seed) -> Membership {
    let myself = membership::Me {
        node: me.node,
        address: config.address,
        zone: config.zone.clone(),
        is_witness: config.witness,
        levels: config.levels,
    };
    let (incarnation, random) = (
        Incarnation::of_boot(me.boot),
        seed.stream(Stream::Membership),
    );
    Membership::new(config.membership.clone(), myself, incarnation, random)
}

fn begin_raft(me: Peer, config: &Config, durable: raft::Recovered, seed: &Seed, now: Time) -> Raft {
    let mut raft = Raft::recover(
        config.raft.clone(),
        me.node,
        config.voters.iter().copied().collect(),
        durable,
        seed.stream(Stream::Raft),
        now,
    );
    raft.found_with(level::founding(config.levels));
    if config.witness {
        let (node, is_witness) = (me.node, true);
        let witness = raft::Input::Witness { node, is_witness };
        // It only waits longer from now on.
        raft.step(now, witness, &mut Vec::new());
    }
    raft
}

/// No request goes to a witness.
fn begin_balance(me: Peer, config: &Config) -> Balance {
    match config.witness {
        true => Balance::default(),
        false => Balance::new(balance_target(me, config)),
    }
}

/// Those who place and use the roles begin with those of the state.
fn tell_roles(state: &control::State, now: Time, failover: &mut Failover, balance: &mut Balance) {
    for (role, state) in state.roles() {
        let (role, state) = (role.clone(), *state);
        let changed = failover::Input::RoleChanged {
            role: role.clone(),
            state,
        };
        balance.step(balance::Input::RoleChanged { role, state });
        // It does not lead, so it proposes nothing.
        failover.step(now, changed, &mut Vec::new());
    }
}

/// This node as one that requests may go to.
fn balance_target(me: Peer, config: &Config) -> balance::Target {
    balance::Target {
        peer: me,
        address: config.address,
        zone: config.zone.clone(),
        suspected: false,
    }
}
