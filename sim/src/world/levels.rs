//! Builds of two versions in one cluster. A host whose `levels` the plan narrows runs an older
//! build until its process ends: whoever starts it again starts the newest, unless the plan says
//! `older`. Its operator does, too, when the cluster has no place for the older one any more.

use quorate_core::control::{Command, Envelope};
use quorate_core::id::NodeId;
use quorate_core::level::{Level, LevelRange, Unfit};
use quorate_core::membership::{self, Reason};
use quorate_core::node::{Action, Config};
use quorate_core::notice::Notice;
use quorate_core::raft::Entry;
use quorate_core::wire::codec;

use super::World;
use super::host::Doom;
use crate::checkers::levels_are_kept;
use crate::marks::Mark;
use crate::plan::{Fate, Fault, Moment, Question, Strike};
use crate::span::Span;

/// An operator needs so long to start another build.
const UPGRADE: Span = Span::from_ms(1_000);

impl World {
    /// A process that starts again is of the newest build, or of the oldest.
    pub(super) fn choose_build(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let levels = match std::mem::take(&mut host.is_older) {
            true => LevelRange::FIRST,
            false if host.life == 0 => return,
            false => LevelRange::OURS,
        };
        if host.config.levels == levels {
            return;
        }
        let chosen = Config {
            levels,
            ..(*host.config).clone()
        };
        if let Ok(config) = chosen.validate() {
            host.config = config;
        }
    }

    /// A node cannot go on under the level in force; true, as its process ends.
    pub(super) fn on_unfit(&mut self, index: usize) -> bool {
        self.marks.hit(Mark::OldBuildStopped);
        let doom = &mut self.hosts[index].doom;
        *doom = Some(Doom {
            moment: Moment::Now,
            fate: Fate::Kept,
            silent: false,
            restart: Some(UPGRADE),
        });
        true
    }

    /// A node halts.
    pub(super) fn witness_halt(&mut self, index: usize, unfit: Unfit) {
        let host = &self.hosts[index];
        let verdict = levels_are_kept::halts(host.id, unfit.level, host.config.levels);
        self.demand("levels_are_kept", verdict);
    }

    /// Under which level a node acts after a step, unless it has halted.
    pub(super) fn witness_level(&mut self, index: usize, actions: &[Action]) {
        let halts = actions.iter().any(|it| matches!(it, Action::Halt(_)));
        if let Some(level) = self.level_of(index).filter(|_| !halts) {
            let host = &self.hosts[index];
            let verdict = levels_are_kept::acts(host.id, level, host.config.levels);
            self.demand("levels_are_kept", verdict);
        }
    }

    /// A node asks the leader what a read must see.
    pub(super) fn witness_forwarded_read(&mut self, index: usize) {
        if let Some(level) = self.level_of(index) {
            let id = self.hosts[index].id;
            let verdict = levels_are_kept::uses(id, Level::FORWARDED_READS, level);
            self.demand("levels_are_kept", verdict);
        }
    }

    /// A leader appends that the level shall be raised. It may not know yet that a voter has come
    /// back older than it was; the plan does.
    pub(super) fn witness_raise(&mut self, index: usize, entry: &Entry) {
        let envelope = codec::decode::<Envelope>(&entry.data).ok();
        let command = envelope.map(|envelope| envelope.command);
        let (Some(Command::RaiseLevel { to }), true) = (command, entry.index.0 > 1) else {
            return;
        };
        let is_older = |it: &Strike| matches!(it.fault, Fault::Restart(_, back) if back.older);
        if self.plan.faults.iter().any(is_older) {
            return;
        }
        let Some(process) = &self.hosts[index].process else {
            return;
        };
        let voters = process.node.view().raft().voters();
        let of = |node: NodeId| self.hosts.iter().find(|host| host.id == node);
        let known = voters.iter().filter_map(of);
        let known: Vec<_> = known.map(|host| (host.id, host.config.levels)).collect();
        let verdict = levels_are_kept::raises(self.hosts[index].id, to, &known);
        self.demand("levels_are_kept", verdict);
    }

    /// What became of a command of the plan to raise the level.
    pub(super) fn mark_raise(&mut self, fault: usize, is_done: bool) {
        let strike = self.plan.faults.get(fault).map(|strike| &strike.fault);
        if let Some(Fault::Ask(_, Question::RaiseLevel(_))) = strike {
            self.marks.hit(match is_done {
                true => Mark::LevelRaised,
                false => Mark::LevelRefused,
            });
        }
    }

    fn level_of(&self, index: usize) -> Option<Level> {
        let process = self.hosts[index].process.as_ref()?;
        Some(process.node.view().control().state().level())
    }
}

/// A member has said that this build has no place in the cluster.
pub(super) fn says_unfit(notice: &Notice) -> bool {
    let Notice::Membership(membership::Notice::TurnedAway { reason, .. }) = notice else {
        return false;
    };
    matches!(reason, Reason::Level(_))
}
