//! The feature level in force: who may raise it, who cannot work under it, what waits for it.

use alloc::vec::Vec;

use super::cascade::Work;
use super::{Action, Node, Refusal};
use crate::control::{self, Envelope};
use crate::id::{ClientId, RequestId};
use crate::level::{Level, LevelRange, RaiseRefused, Unfit};
use crate::membership;
use crate::mutant::Mutant;
use crate::notice::Notice;
use crate::payload::Payload;
use crate::raft::Unconfirmed;
use crate::wire::codec;

/// What the first leader of a new cluster writes into its first entry, which is empty otherwise:
/// the cluster begins at the newest level of its founder.
pub(super) fn founding(levels: LevelRange) -> Payload {
    if levels.max == Level::FIRST {
        return Payload::default();
    }
    let envelope = Envelope {
        client: ClientId(0),
        request: RequestId(0),
        command: control::Command::RaiseLevel { to: levels.max },
    };
    let mut bytes = Vec::new();
    codec::encode(&envelope, &mut bytes);
    Payload::from(bytes)
}

impl Node {
    /// Why the level must not be raised so far, as the leader sees it. A node that is dead counts
    /// while it votes: it may come back as it was.
    pub(super) fn judge_raise(&self, to: Level) -> Option<RaiseRefused> {
        let level = self.control.state().level();
        if to <= level {
            return Some(RaiseRefused::InForce(level));
        }
        if !self.config.levels.contains(to) {
            return Some(RaiseRefused::Unknown(self.config.levels));
        }
        if self.planted.is(Mutant::RaisesLevelUnasked) {
            return None;
        }
        let voters = self.raft.voters();
        let mut all = voters.iter();
        if let Some(unmet) = all.find(|node| self.membership.member(*node).is_none()) {
            return Some(RaiseRefused::Untold(unmet));
        }
        let mut members = self.membership.members();
        let counts = |it: &membership::Member| it.state.is_live() || voters.contains(it.node);
        let old = members.find(|it| counts(it) && !it.levels.contains(to))?;
        let (node, knows) = (old.node, old.levels);
        Some(RaiseRefused::Unsupported { node, knows })
    }

    /// Why an entry cannot be applied by this build: it raises the level beyond what it knows.
    pub(super) fn unfit_for(&self, envelope: Option<&Envelope>) -> Option<Unfit> {
        let control::Command::RaiseLevel { to } = &envelope?.command else {
            return None;
        };
        let is_raised = *to > self.control.state().level();
        let unfit = self.config.levels.unfit_for(*to);
        unfit.filter(|_| is_raised && !self.planted.is(Mutant::AppliesUnknownLevel))
    }

    /// Nothing is right after this: the process must end.
    pub(super) fn halt(&mut self, unfit: Unfit, actions: &mut Vec<Action>) {
        self.halted = Some(unfit);
        actions.push(Action::Halt(unfit));
    }

    pub(super) fn on_level_raised(
        &self,
        level: Level,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Notify(Notice::LevelRaised { level }));
        next.push(Work::Membership(membership::Input::Level(level)));
    }

    /// Why a read must wait for the level that brings it: an older leader is never asked what it
    /// does not understand.
    pub(super) fn read_too_early(&self) -> Option<Refusal> {
        let leader = self.raft.standing().leader;
        let asks = leader.is_some_and(|leader| leader != self.me.node);
        let is_known = self.control.state().level() >= Level::FORWARDED_READS
            || self.planted.is(Mutant::ForwardsReadsEarly);
        let why = Unconfirmed::Level;
        (asks && !is_known).then_some(Refusal::NotConfirmed { leader, why })
    }
}
