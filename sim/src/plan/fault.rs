//! The kinds of faults, and of what mends them.

use super::{Change, Fate, Moment, Seat, Ways, Who};
use crate::span::Span;

/// What goes wrong, or is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing gets along these ways any more; what was under way is held until they heal.
    Cut(Ways),
    /// These ways open again.
    Heal(Ways),
    /// Groups that hear only themselves; a node in no group hears nobody.
    Partition(Vec<Vec<Seat>>),
    /// The quality of these ways changes.
    Network(Ways, Change),
    /// The quality of these ways is again what it was at the beginning.
    Calm(Ways),
    /// A process ends without a word.
    Crash {
        /// Which.
        who: Who,
        /// When exactly.
        moment: Moment,
        /// What its disk keeps.
        fate: Fate,
        /// Its machine is gone with it: the others' connections learn nothing, and new ones hang.
        silent: bool,
        /// Started again so long after it crashed.
        restart: Option<Span>,
    },
    /// A crashed process is started again; every one, if none is named.
    Restart(Option<Who>, Return),
    /// The connections along these ways are forgotten between their ends: what is sent over them
    /// vanishes, and nobody is told.
    HalfOpen(Ways),
    /// The connections along these ways break, at both ends.
    Reset(Ways),
    /// What is under way along these ways is held, and delivered at once in the end.
    Stall(Ways),
    /// A process stands still, then catches up with everything that came meanwhile.
    Pause(Who),
    /// A paused process goes on.
    Resume(Who),
    /// Each event costs a node so much time, and the next ones wait.
    SlowCpu(Who, Span),
    /// A node's clock runs so many millionths faster, or slower if negative.
    Drift(Who, i64),
    /// A node's clock jumps ahead.
    Jump(Who, Span),
    /// A node's syncs take so much longer.
    SlowDisk(Who, Span),
    /// No sync of a node completes.
    StallDisk(Who),
    /// A node's next sync fails; the node has halted for good then.
    FailDisk(Who),
    /// One bit of a node's log flips, somewhere before its last record.
    FlipBit(Who),
    /// A node is started for the first time, or again after it left.
    Join(Who),
    /// A node is asked something.
    Ask(Who, Question),
    /// These nodes run, their machines are well, and the ways between them are open and calm; what
    /// troubles the others stays. If they are a majority of the voters, they must go on.
    Mend(Vec<Who>),
}

/// How a process comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Return {
    /// What its disk has kept, if other than the crash said.
    pub fate: Option<Fate>,
    /// It listens at a new address.
    pub moved: bool,
    /// It is of the oldest build, which knows the first feature level only.
    pub older: bool,
}

/// What a node may be asked: the commands of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// To leave; its process ends when it has.
    Leave,
    /// To hand leadership over, to this node or to the best one.
    Transfer(Option<u64>),
    /// To make this node a voter.
    AddVoter(u64),
    /// To make this node a learner.
    RemoveVoter(u64),
    /// To raise the feature level to this one.
    RaiseLevel(u8),
    /// Whom it knows.
    Members,
    /// Its standing.
    Status,
    /// Who holds a role.
    Role(String),
    /// To give a role to this node, if it is still held under this epoch; without one, under the
    /// epoch that the asked node knows.
    Grant(String, u64, Option<u64>),
    /// To take a role from its holder, on the same condition.
    Release(String, Option<u64>),
    /// What a register holds.
    Read(String),
    /// To write a register under the role `primary`: the key and the value.
    Write(String, String),
    /// To put a command that changes nothing through the log.
    Barrier,
    /// To write a key of its own state.
    SetState(String, String),
    /// To delete a key of its own state.
    DeleteState(String),
    /// What nodes wrote about themselves, under keys that begin so.
    ReadState(String),
}

/// Whether a fault can end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It is over as soon as it has happened.
    Never,
    /// It lasts until it is mended, or for a while.
    Perhaps,
    /// It lasts for a while that must be said.
    Always,
}

impl Fault {
    /// Every way opens.
    #[must_use]
    pub fn heal_all() -> Fault {
        Fault::Heal(Ways::default())
    }

    /// Whether it can end by itself.
    #[must_use]
    pub fn lasting(&self) -> Lasting {
        match self {
            Fault::Cut(_)
            | Fault::Partition(_)
            | Fault::Network(..)
            | Fault::Pause(_)
            | Fault::SlowCpu(..)
            | Fault::Drift(..)
            | Fault::SlowDisk(..)
            | Fault::StallDisk(_) => Lasting::Perhaps,
            Fault::Stall(_) => Lasting::Always,
            Fault::Heal(_)
            | Fault::Calm(_)
            | Fault::Crash { .. }
            | Fault::Restart(..)
            | Fault::HalfOpen(_)
            | Fault::Reset(_)
            | Fault::Jump(..)
            | Fault::FailDisk(_)
            | Fault::FlipBit(_)
            | Fault::Join(_)
            | Fault::Ask(..)
            | Fault::Mend(_)
            | Fault::Resume(_) => Lasting::Never,
        }
    }

    /// Whether it mends something rather than breaks it.
    #[must_use]
    pub fn mends(&self) -> bool {
        match self {
            Fault::Heal(_)
            | Fault::Calm(_)
            | Fault::Restart(..)
            | Fault::Resume(_)
            | Fault::Join(_)
            | Fault::Ask(..)
            | Fault::Mend(_) => true,
            Fault::Cut(_)
            | Fault::Partition(_)
            | Fault::Network(..)
            | Fault::Crash { .. }
            | Fault::HalfOpen(_)
            | Fault::Reset(_)
            | Fault::Stall(_)
            | Fault::Pause(_)
            | Fault::SlowCpu(..)
            | Fault::Drift(..)
            | Fault::Jump(..)
            | Fault::SlowDisk(..)
            | Fault::StallDisk(_)
            | Fault::FailDisk(_)
            | Fault::FlipBit(_) => false,
        }
    }

    /// The nodes it names.
    #[must_use]
    pub fn names(&self) -> Vec<Who> {
        match self {
            Fault::Cut(ways)
            | Fault::Heal(ways)
            | Fault::Network(ways, _)
            | Fault::Calm(ways)
            | Fault::HalfOpen(ways)
            | Fault::Reset(ways)
            | Fault::Stall(ways) => ways.from.iter().chain(&ways.to).copied().collect(),
            Fault::Partition(groups) => {
                let seats = groups.iter().flatten();
                let one = |seat: &Seat| match seat {
                    Seat::One(who) => Some(*who),
                    Seat::Others(_) | Seat::Rest => None,
                };
                seats.filter_map(one).collect()
            }
            Fault::Crash { who, .. }
            | Fault::Pause(who)
            | Fault::Resume(who)
            | Fault::SlowCpu(who, _)
            | Fault::Drift(who, _)
            | Fault::Jump(who, _)
            | Fault::SlowDisk(who, _)
            | Fault::StallDisk(who)
            | Fault::FailDisk(who)
            | Fault::FlipBit(who)
            | Fault::Join(who)
            | Fault::Ask(who, _) => vec![*who],
            Fault::Restart(who, _) => who.iter().copied().collect(),
            Fault::Mend(core) => core.clone(),
        }
    }
}
