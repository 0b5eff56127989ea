//! A machine of the world: its disk stays when its process ends.

use std::net::{IpAddr, SocketAddr};

use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, LogIndex, NodeId, RoleName, Ticket};
#[cfg(feature = "mutants")]
use quorate_core::mutant::Mutant;
use quorate_core::node::{Command, Config, Node, ValidConfig};
use quorate_core::raft::Standing;
use quorate_core::seed::Seed;
use quorate_core::transport::Link;

use super::PRIMARY;
use crate::disk::Disk;
use crate::engine::des::Due;
use crate::plan::{Moment, Plan};

/// A running process.
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) born: u64,
    pub(super) started: bool,
    /// The heap entry armed for the node's deadline.
    pub(super) armed: u64,
    /// Connection and end of each link, by the link's number.
    pub(super) links: Vec<(usize, usize)>,
    pub(super) dials: Vec<(SocketAddr, Option<NodeId>)>,
    pub(super) standing: Standing,
    /// The last committed entry a checker has seen of this life.
    pub(super) seen: LogIndex,
    /// How often the node had written of its own state when a checker last saw it.
    pub(super) state_writes: u64,
    /// The digest of the state that a checker has seen last.
    pub(super) state_seen: Option<u64>,
    /// The state of the member list that a look has read.
    pub(super) members_seen: Option<u64>,
    /// The state of the member list that was the truth, and which truth.
    pub(super) agreed: Option<(u64, u64)>,
}

/// A crash to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doom {
    pub(super) moment: Moment,
    pub(super) torn: bool,
    pub(super) restart_after_ms: Option<u64>,
}

/// A machine: it keeps its disk when its process ends.
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) config: ValidConfig,
    pub(super) seed: Seed,
    pub(super) process: Option<Process>,
    pub(super) life: u64,
    pub(super) disk: Disk,
    pub(super) doom: Option<Doom>,
    pub(super) paused: bool,
    pub(super) pauses: u64,
    pub(super) backlog: Vec<Due>,
    pub(super) commands: Vec<(Ticket, Command)>,
    pub(super) slow_sync_ns: u64,
    pub(super) slow_spells: u64,
}

pub(super) fn host(plan: &Plan, seed: &Seed, node: u64) -> Host {
    let mut config = Config::lan(cluster(), NodeId(node), address_of(node));
    config.voters = (1..=plan.voters).map(NodeId).collect();
    config.roles = vec![
        RoleSpec {
            name: name(PRIMARY),
            placement: Placement::Leader,
        },
        RoleSpec {
            name: name("archive"),
            placement: Placement::Voter,
        },
    ];
    let config = match config.validate() {
        Ok(config) => config,
        Err(error) => panic!("the simulated configuration is valid: {error}"),
    };
    Host {
        id: NodeId(node),
        config,
        seed: seed.part(node),
        process: None,
        life: 0,
        disk: Disk::default(),
        doom: None,
        paused: false,
        pauses: 0,
        backlog: Vec::new(),
        commands: Vec::new(),
        slow_sync_ns: 0,
        slow_spells: 0,
    }
}

/// The number of a node makes up the lower three bytes of its address.
fn address_of(node: u64) -> SocketAddr {
    let [.., a, b, c] = node.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 7000))
}

/// The index of the host at an address, whether or not there is one.
pub(super) fn host_at(address: SocketAddr) -> Option<usize> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let [net, a, b, c] = ip.octets();
    let node = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    node.checked_sub(1).filter(|_| net == 10)
}

fn cluster() -> ClusterId {
    match ClusterId::new("sim") {
        Ok(cluster) => cluster,
        Err(error) => panic!("a constant: {error}"),
    }
}

pub(super) fn name(text: &str) -> RoleName {
    match RoleName::new(text) {
        Ok(name) => name,
        Err(error) => panic!("a constant: {error}"),
    }
}

#[cfg(feature = "mutants")]
pub(super) fn plant(node: &mut Node, mutant: Option<&str>) {
    if let Some(mutant) = mutant.and_then(Mutant::find) {
        node.plant(mutant);
    }
}

#[cfg(feature = "mutants")]
pub(super) fn plant_link(link: &mut Link, mutant: Option<&str>) {
    if let Some(mutant) = mutant.and_then(Mutant::find) {
        link.plant(mutant);
    }
}

#[cfg(not(feature = "mutants"))]
pub(super) fn plant_link(link: &mut Link, mutant: Option<&str>) {
    let _ = (link, mutant);
}

#[cfg(not(feature = "mutants"))]
pub(super) fn plant(node: &mut Node, mutant: Option<&str>) {
    let _ = (node, mutant);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_an_address_of_its_own() {
        for node in [1, 254, 255, 256, 257, 10_000] {
            let index = usize::try_from(node).unwrap() - 1;
            assert_eq!(host_at(address_of(node)), Some(index));
        }
        assert_eq!(address_of(10_000).to_string(), "10.0.39.16:7000");
        assert_eq!(host_at(SocketAddr::from(([10, 0, 0, 0], 7000))), None);
        assert_eq!(host_at(SocketAddr::from(([127, 0, 0, 1], 7000))), None);
    }
}
