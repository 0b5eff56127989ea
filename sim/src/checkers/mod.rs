//! What may never happen, one property per file.
//!
//! A checker sees the real machines from outside and keeps its own account; it shares no code with
//! what it checks. It answers `Err` with what it saw. Each has a test with a trace it must refuse
//! and one it must accept: a wrong checker is the commonest false alarm.

pub mod able_core;
pub mod accused_refute;
pub mod acknowledged_survive;
pub mod actions_per_step;
pub mod answered_once;
pub mod applied_agree;
pub mod arrives_once;
pub mod backlog_bounded;
pub mod beliefs_rise;
pub mod changes_wait;
pub mod commit_is_earned;
pub mod committed_is_durable;
pub mod core_goes_on;
pub mod crash_is_noticed;
pub mod critical_first;
pub mod cut_is_seen;
pub mod duplicates_settle;
pub mod elected_by_majority;
pub mod election_restriction;
pub mod event_rate;
pub mod exchange_is_full;
pub mod heirs_are_called;
pub mod incarnation_is_own;
pub mod leader_is_kept;
pub mod leader_steps_down;
pub mod ledger;
pub mod levels_are_kept;
pub mod link_delivers;
pub mod link_memory_bounded;
pub mod log_matching;
pub mod membership_converges;
pub mod no_stale_epoch_write;
pub mod no_suspicion_without_faults;
pub mod one_leader_per_term;
pub mod one_vote_per_term;
pub mod outbox_bounded;
pub mod progress;
pub mod promises_wait;
pub mod reads_are_linearizable;
pub mod rebuilt_keep_still;
pub mod relay_answers;
pub mod removes_only_conflicts;
pub mod roles_stay;
pub mod sends_end;
pub mod slow_reader_alone;
pub mod snapshots_tell_the_log;
pub mod state_converges;
pub mod state_is_owned;
pub mod state_rises;
pub mod suspects_may_refute;
pub mod terms_are_obeyed;
pub mod views_add_up;
pub mod witnesses_stand_back;

use std::collections::BTreeMap;

use quorate_core::durable::Durable;
use quorate_core::id::{NodeId, Peer};
use serde::Serialize;

use crate::world::Direction;

/// The verdict of a checker on what it just saw.
pub type Verdict = Result<(), String>;

/// A property was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which property: the name of its checker.
    pub checker: &'static str,
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// What was seen.
    pub what: String,
}

/// All checkers of a run.
#[derive(Clone, Debug, Default)]
pub struct Checkers {
    /// See the module.
    pub one_leader_per_term: one_leader_per_term::Checker,
    /// See the module.
    pub one_vote_per_term: one_vote_per_term::Checker,
    /// See the module.
    pub log_matching: log_matching::Checker,
    /// See the module.
    pub applied_agree: applied_agree::Checker,
    /// See the module.
    pub no_stale_epoch_write: no_stale_epoch_write::Checker,
    /// See the module.
    pub acknowledged_survive: acknowledged_survive::Checker,
    /// See the module.
    pub leader_steps_down: leader_steps_down::Checker,
    /// See the module.
    pub membership_converges: membership_converges::Checker,
    /// See the module.
    pub progress: progress::Checker,
    /// See the module.
    pub core_goes_on: core_goes_on::Checker,
    /// See the module.
    pub event_rate: event_rate::Checker,
    /// See the module.
    pub answered_once: answered_once::Checker,
    /// See the module.
    pub beliefs_rise: beliefs_rise::Checker,
    /// See the module.
    pub crash_is_noticed: crash_is_noticed::Checker,
    /// See the module.
    pub cut_is_seen: cut_is_seen::Checker,
    /// See the module.
    pub duplicates_settle: duplicates_settle::Checker,
    /// See the module.
    pub elected_by_majority: elected_by_majority::Checker,
    /// See the module.
    pub heirs_are_called: heirs_are_called::Checker,
    /// See the module.
    pub incarnation_is_own: incarnation_is_own::Checker,
    /// See the module.
    pub leader_is_kept: leader_is_kept::Checker,
    /// See the module.
    pub reads_are_linearizable: reads_are_linearizable::Checker,
    /// See the module.
    pub relay_answers: relay_answers::Checker,
    /// See the module.
    pub removes_only_conflicts: removes_only_conflicts::Checker,
    /// See the module.
    pub rebuilt_keep_still: rebuilt_keep_still::Checker,
    /// See the module.
    pub roles_stay: roles_stay::Checker,
    /// See the module.
    pub suspects_may_refute: suspects_may_refute::Checker,
    /// See the module.
    pub views_add_up: views_add_up::Checker,
    /// See the module.
    pub witnesses_stand_back: witnesses_stand_back::Checker,
    /// See the module.
    pub snapshots_tell_the_log: snapshots_tell_the_log::Checker,
    /// See the module.
    pub state_converges: state_converges::Checker,
    /// See the module.
    pub state_is_owned: state_is_owned::Checker,
    /// See the module.
    pub state_rises: state_rises::Checker,
    /// See the module.
    pub ledger: ledger::Ledger,
    /// See the module: by sender and its life, receiver, and session.
    pub link_delivers: BTreeMap<Direction, link_delivers::Checker>,
    /// See the module.
    pub arrives_once: arrives_once::Checker,
    /// See the module: by sender and receiver.
    pub critical_first: BTreeMap<(usize, usize), critical_first::Checker>,
    /// See the module.
    pub sends_end: sends_end::Checker,
    /// See the module.
    pub slow_reader_alone: slow_reader_alone::Checker,
}

impl Checkers {
    /// A process has started from what its disk held.
    pub fn started(&mut self, node: NodeId, found: &Durable) {
        self.ledger.started(node, found);
        self.rebuilt_keep_still.started(node, found.raft.rebuild);
        self.removes_only_conflicts.started(node, &found.raft.log);
        self.beliefs_rise.started(node);
        self.state_rises.started(node);
        self.crash_is_noticed.started(node);
    }

    /// A process has ended.
    pub fn ended(&mut self, life: Peer) {
        let node = life.node;
        self.roles_stay.gone(life);
        self.sends_end.gone(life);
        self.leader_is_kept.doubts(node, None);
        self.relay_answers.excused(node, None);
        self.answered_once.ended(node);
        self.duplicates_settle.ended(node);
        self.crash_is_noticed.ended(node);
        self.core_goes_on.core.ended(node);
        self.progress.core.ended(node);
    }
}
