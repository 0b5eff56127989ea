//! A machine of the world: its disk stays when its process ends.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use quorate_core::id::{LogIndex, NodeId, RoleName, Ticket};
#[cfg(feature = "mutants")]
use quorate_core::mutant::Mutant;
use quorate_core::node::{Command, Node, ValidConfig};
use quorate_core::raft::Standing;
use quorate_core::seed::Seed;
use quorate_core::transport::{Link, Session};
use quorate_core::voters::Voters;

use super::clock::Clock;
use super::mail::Mail;
use super::sessions::Sessions;
use super::written::Written;
use crate::disk::Disk;
use crate::engine::des::Due;
use crate::plan::{Fate, Moment, Plan};
use crate::scenario;
use crate::span::Span;

const BEHIND_NS: u64 = 500_000_000;

/// A running process.
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) clock: Clock,
    pub(super) started: bool,
    /// The heap entry armed for the node's deadline.
    pub(super) armed: u64,
    /// Connection and end of each link, by the link's number.
    pub(super) links: Vec<(usize, usize)>,
    pub(super) sessions: Sessions,
    pub(super) mail: Mail,
    pub(super) dials: Vec<(SocketAddr, Option<NodeId>)>,
    pub(super) standing: Standing,
    /// The voters it goes by, as of its last step but the one being looked at.
    pub(super) voters: Voters,
    /// The last committed entry a checker has seen of this life.
    pub(super) seen: LogIndex,
    /// What this life has written behind that.
    pub(super) written: Written,
    /// The last snapshot a checker has seen of this life.
    pub(super) snapshot_seen: LogIndex,
    /// How often the node had written of its own state when a checker last saw it.
    pub(super) state_writes: u64,
    /// The digest of the state that a checker has seen last.
    pub(super) state_seen: Option<u64>,
    /// The state of the member list that a look has read.
    pub(super) members_seen: Option<u64>,
    /// The state of the member list that was the truth, and which truth.
    pub(super) agreed: Option<(u64, u64)>,
}

/// Whether a host can have a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It can.
    Fine,
    /// It has not joined yet.
    Absent,
    /// It has left.
    Gone,
    /// Its disk has failed.
    Halted,
    /// Its log is damaged.
    Corrupt,
}

/// A crash to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doom {
    pub(super) moment: Moment,
    pub(super) fate: Fate,
    pub(super) silent: bool,
    pub(super) restart: Option<Span>,
}

/// A machine: it keeps its disk when its process ends.
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) config: ValidConfig,
    pub(super) seed: Seed,
    pub(super) process: Option<Process>,
    pub(super) life: u64,
    /// It starts next from the oldest build.
    pub(super) is_older: bool,
    pub(super) disk: Disk,
    pub(super) doom: Option<Doom>,
    pub(super) paused: bool,
    /// By which fault.
    pub(super) paused_by: usize,
    pub(super) backlog: Vec<Due>,
    pub(super) commands: Vec<(Ticket, Command)>,
    pub(super) condition: Condition,
    /// How often it has got a new address.
    pub(super) moves: u8,
    /// Its machine is gone with its process: nobody is told anything.
    pub(super) is_silent: bool,
    /// What each event costs its process.
    pub(super) step_ns: u64,
    pub(super) cpu_slowed_by: usize,
    pub(super) busy_until: u64,
    /// What a slow process has not come to yet.
    pub(super) waiting: VecDeque<Due>,
    /// How many millionths faster its clock runs.
    pub(super) ppm: i64,
    pub(super) drifted_by: usize,
    /// No sync completes until then.
    pub(super) stalled_until: u64,
    pub(super) stalled_by: usize,
    pub(super) is_sync_held: bool,
    /// The next sync fails.
    pub(super) is_disk_failing: bool,
    /// A bit of its log is not what was written.
    pub(super) is_flipped: bool,
    pub(super) slow_sync_ns: u64,
    /// By which fault.
    pub(super) slowed_by: usize,
}

impl Host {
    /// Its process runs and may speak.
    pub(super) fn is_up(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.started)
    }

    /// What a slow process has not come to yet will keep it busy for so long that it lives in the
    /// past.
    pub(super) fn is_behind(&self) -> bool {
        self.step_ns.saturating_mul(self.waiting.len() as u64) > BEHIND_NS
    }
}

pub(super) fn host(plan: &Plan, seed: &Seed, node: u64) -> Host {
    let config = match scenario::config(plan, node, 0) {
        Ok(config) => config,
        Err(error) => panic!("a plan's configuration was checked when it was read: {error}"),
    };
    Host {
        id: NodeId(node),
        config,
        seed: seed.part(node),
        process: None,
        life: 0,
        is_older: false,
        disk: Disk::default(),
        doom: None,
        paused: false,
        paused_by: 0,
        backlog: Vec::new(),
        commands: Vec::new(),
        condition: if plan.is_there(node) {
            Condition::Fine
        } else {
            Condition::Absent
        },
        moves: 0,
        is_silent: false,
        step_ns: 0,
        cpu_slowed_by: 0,
        busy_until: 0,
        waiting: VecDeque::new(),
        ppm: 0,
        drifted_by: 0,
        stalled_until: 0,
        stalled_by: 0,
        is_sync_held: false,
        is_disk_failing: false,
        is_flipped: false,
        slow_sync_ns: 0,
        slowed_by: 0,
    }
}

/// The index of the host at an address, whether or not there is one.
pub(super) fn host_at(address: SocketAddr) -> Option<usize> {
    let IpAddr::V4(ip) = address.ip() else {
        return None;
    };
    let [net, a, b, c] = ip.octets();
    let node = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
    node.checked_sub(1).filter(|_| net >= scenario::NET)
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

#[cfg(feature = "mutants")]
pub(super) fn plant_session(session: &mut Session, mutant: Option<&str>) {
    if let Some(mutant) = mutant.and_then(Mutant::find) {
        session.plant(mutant);
    }
}

#[cfg(not(feature = "mutants"))]
pub(super) fn plant_session(session: &mut Session, mutant: Option<&str>) {
    let _ = (session, mutant);
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
            assert_eq!(host_at(scenario::address(node, 0)), Some(index));
        }
        assert_eq!(scenario::address(10_000, 0).to_string(), "10.0.39.16:7000");
        assert_eq!(host_at(SocketAddr::from(([10, 0, 0, 0], 7000))), None);
        assert_eq!(host_at(scenario::address(3, 2)), Some(2), "after two moves");
        assert_eq!(host_at(SocketAddr::from(([9, 0, 0, 1], 7000))), None);
    }
}
