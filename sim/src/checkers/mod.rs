//! What may never happen, one property per file.
//!
//! A checker sees the real machines from outside and keeps its own account; it shares no code with
//! what it checks. It answers `Err` with what it saw. Each has a test with a trace it must refuse
//! and one it must accept: a wrong checker is the commonest false alarm.

pub mod acknowledged_survive;
pub mod actions_per_step;
pub mod applied_agree;
pub mod event_rate;
pub mod leader_steps_down;
pub mod log_matching;
pub mod membership_converges;
pub mod no_stale_epoch_write;
pub mod one_leader_per_term;
pub mod one_vote_per_term;
pub mod progress;

use serde::Serialize;

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
    pub event_rate: event_rate::Checker,
}
