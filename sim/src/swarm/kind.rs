//! The kinds of faults a plan is drawn from: every fault that a scenario can name.

/// A kind of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One way is cut, or a way and the way back.
    Cut,
    /// All ways to or from a node are cut.
    CutAll,
    /// Two groups that do not hear each other.
    Partition,
    /// The leader and some others against the rest.
    PartitionLeader,
    /// All ways open.
    HealAll,
    /// The whole network is late.
    Delay,
    /// Some ways lose, copy, reorder, hold up or throttle.
    Degrade,
    /// Connections are forgotten on the way.
    HalfOpen,
    /// Connections break at both ends.
    Reset,
    /// What is under way is held, then arrives at once.
    Stall,
    /// A process ends, and comes back.
    Crash,
    /// ... after it wrote some records.
    CrashAtPersist,
    /// ... in the middle of a vote.
    CrashAtVote,
    /// ... between a sync and what waited for it.
    CrashAtSync,
    /// A machine vanishes, and nobody is told.
    CrashSilently,
    /// A process comes back at another address.
    Move,
    /// A process stands still.
    Pause,
    /// A processor is slow.
    SlowCpu,
    /// A clock runs fast or slow.
    Drift,
    /// A clock jumps ahead.
    Jump,
    /// A disk is slow.
    SlowDisk,
    /// A disk completes no sync for a while.
    StallDisk,
    /// A disk fails for good.
    FailDisk,
    /// A bit of a log flips, and its process starts anew.
    FlipBit,
    /// A disk is lost, or a bit of a log flips, and its node is rebuilt from its peers.
    Rebuild,
    /// A node joins that was not there.
    Join,
    /// A node leaves, and perhaps comes back.
    Leave,
    /// The leader is asked to hand over.
    Transfer,
    /// The leader is asked to change the voters.
    Voters,
    /// Some node is asked something.
    Ask,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: &[Kind] = &[
        Kind::Cut,
        Kind::CutAll,
        Kind::Partition,
        Kind::PartitionLeader,
        Kind::HealAll,
        Kind::Delay,
        Kind::Degrade,
        Kind::HalfOpen,
        Kind::Reset,
        Kind::Stall,
        Kind::Crash,
        Kind::CrashAtPersist,
        Kind::CrashAtVote,
        Kind::CrashAtSync,
        Kind::CrashSilently,
        Kind::Move,
        Kind::Pause,
        Kind::SlowCpu,
        Kind::Drift,
        Kind::Jump,
        Kind::SlowDisk,
        Kind::StallDisk,
        Kind::FailDisk,
        Kind::FlipBit,
        Kind::Rebuild,
        Kind::Join,
        Kind::Leave,
        Kind::Transfer,
        Kind::Voters,
        Kind::Ask,
    ];
}
