//! What a search can be biased towards: the faults, clusters and clients that trouble one part of
//! the system most.

use clap::ValueEnum;
use quorate_core::seed::Random;

use super::kind::Kind;
use super::{ms, us};
use crate::plan::Plan;

/// Lost ways, pauses, machines that vanish, members that come and go.
const MEMBERSHIP: &[Kind] = &[
    Kind::Cut,
    Kind::CutAll,
    Kind::Partition,
    Kind::HealAll,
    Kind::Crash,
    Kind::CrashSilently,
    Kind::Move,
    Kind::Pause,
    Kind::Delay,
    Kind::Degrade,
    Kind::HalfOpen,
    Kind::SlowCpu,
    Kind::Drift,
    Kind::Jump,
    Kind::Join,
    Kind::Leave,
];
/// Leaders that fall, voters that change, disks that stand still.
const RAFT: &[Kind] = &[
    Kind::PartitionLeader,
    Kind::CutAll,
    Kind::HealAll,
    Kind::Crash,
    Kind::CrashAtPersist,
    Kind::CrashAtVote,
    Kind::Pause,
    Kind::SlowDisk,
    Kind::StallDisk,
    Kind::FailDisk,
    Kind::Rebuild,
    Kind::Drift,
    Kind::Jump,
    Kind::Transfer,
    Kind::Voters,
];
/// Whoever holds a role is lost, cut off, or leaves.
const FAILOVER: &[Kind] = &[
    Kind::PartitionLeader,
    Kind::CutAll,
    Kind::HealAll,
    Kind::Crash,
    Kind::CrashSilently,
    Kind::Pause,
    Kind::Transfer,
    Kind::Leave,
    Kind::Ask,
];
/// Connections at their worst.
const TRANSPORT: &[Kind] = &[
    Kind::Cut,
    Kind::CutAll,
    Kind::HealAll,
    Kind::Pause,
    Kind::Delay,
    Kind::Degrade,
    Kind::HalfOpen,
    Kind::Reset,
    Kind::Stall,
    Kind::SlowCpu,
    Kind::CrashSilently,
    Kind::Move,
];
/// Whatever a log must survive.
const DISK: &[Kind] = &[
    Kind::CrashAtPersist,
    Kind::CrashAtVote,
    Kind::CrashAtSync,
    Kind::SlowDisk,
    Kind::StallDisk,
    Kind::FailDisk,
    Kind::FlipBit,
    Kind::Rebuild,
];

/// A part of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Area {
    /// Failure detection, dissemination, healing: lost ways, pauses, sometimes many nodes.
    Membership,
    /// Elections and the log: crashes at every moment, leaders cut off, slow disks.
    Raft,
    /// Roles and fencing: leaders lost while many clients write, some under old epochs.
    Failover,
    /// Connections: bad networks, cuts, pauses, busy clients.
    Transport,
    /// What is durable: crashes around every record and sync.
    Disk,
}

impl Area {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Area::Membership => "membership",
            Area::Raft => "raft",
            Area::Failover => "failover",
            Area::Transport => "transport",
            Area::Disk => "disk",
        }
    }

    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            Area::Membership => MEMBERSHIP,
            Area::Raft => RAFT,
            Area::Failover => FAILOVER,
            Area::Transport => TRANSPORT,
            Area::Disk => DISK,
        }
    }

    pub(super) fn nodes(self, random: &mut Random) -> u64 {
        match self {
            Area::Membership if random.chance(50) => random.within(50..=100),
            Area::Membership => random.within(2..=7),
            Area::Raft | Area::Disk => [3, 3, 4, 5, 5][random.index(5)],
            Area::Failover => [3, 5][random.index(2)],
            Area::Transport => random.within(2..=4),
        }
    }

    /// Whether its nodes should keep little of the log.
    pub(super) const fn shortens_logs(self) -> bool {
        match self {
            Area::Raft | Area::Failover | Area::Disk => true,
            Area::Membership | Area::Transport => false,
        }
    }

    /// Whether one of its voters should sometimes be a witness.
    pub(super) const fn has_witnesses(self) -> bool {
        match self {
            Area::Raft | Area::Failover => true,
            Area::Membership | Area::Transport | Area::Disk => false,
        }
    }

    /// Whether hosts should send each other of everything they can.
    pub(super) const fn has_senders(self) -> bool {
        match self {
            Area::Transport => true,
            Area::Membership | Area::Raft | Area::Failover | Area::Disk => false,
        }
    }

    /// The clients, the network and the disks that suit it.
    pub(super) fn bend(self, plan: &mut Plan, random: &mut Random) {
        match self {
            Area::Membership => {
                plan.workload.interval = ms(1_000);
                plan.network.latency_max = us(random.within(1_000..=40_000));
                plan.network.loss_permille = permille(random, 50);
            }
            Area::Raft | Area::Disk => {
                plan.disk.sync_max = us(random.within(2_000..=60_000));
                plan.workload.interval = ms(random.within(20..=200));
            }
            Area::Failover => {
                (plan.workload.clients, plan.workload.zombies) = (4, 4);
                plan.workload.interval = ms(random.within(20..=100));
            }
            Area::Transport => {
                plan.network.latency_max = us(random.within(1_000..=30_000));
                plan.network.loss_permille = permille(random, 100);
                plan.network.reordering_permille = permille(random, 100);
                plan.workload.interval = ms(random.within(20..=100));
            }
        }
    }
}

fn permille(random: &mut Random, most: u64) -> u16 {
    u16::try_from(random.within(0..=most)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::expand_for;

    #[test]
    fn every_area_draws_its_own_plans_and_names_them() {
        for area in Area::value_variants() {
            let plan = expand_for(7, Some(*area));
            assert_eq!(plan, expand_for(7, Some(*area)));
            assert!(plan.name.starts_with(area.name()), "{}", plan.name);
            assert!((0..20).any(|seed| !expand_for(seed, Some(*area)).faults.is_empty()));
        }
        assert_eq!(expand_for(7, None), crate::swarm::expand(7));
    }
}
