//! What a run must come to, beside what no run may ever do.
//!
//! Deliberately absent: how it is found out; see `world::judge`.

use std::cmp::Ordering;

use serde::Serialize;

use crate::plan::Who;
use crate::span::Span;

/// One expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// What.
    pub claim: Claim,
    /// The event it follows: what was before does not count.
    pub since: Span,
    /// When it must hold.
    pub when: When,
}

/// When a claim must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At some moment, at the latest so long after the event it follows.
    Within(Span),
    /// At this moment of the run.
    By(Span),
    /// All the time from the event it follows to this moment.
    Until(Span),
}

/// What is claimed of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A number, since the beginning of the run.
    Count(Count, Compare, u64),
    /// The longest time between two acknowledged writes.
    Gap(Compare, Span),
    /// A node leads and a majority of the voters, which it can reach, follows it; that node, if one
    /// is named.
    Leader(Option<Who>),
    /// No node does.
    NoLeader,
    /// The node that led before the event does, and no other has led since.
    SameLeader,
    /// A node does that did not lead before the event.
    NewLeader,
    /// The members believe so of a node.
    Belief(Belief, Who, Observers),
    /// Nobody has come to believe so of a node, or of any node if none is named, since the event.
    Never(Belief, Option<Who>),
    /// Every running node holds exactly the running nodes alive, in their present lives.
    Converged,
    /// A node's process is in this state.
    Process(Process, Who),
    /// What was asked at the event has been done.
    Answered,
    /// It was refused; for a reason with these words in it, if some are given.
    Refused(Option<String>),
}

/// A number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// The highest term any node has been in.
    Terms,
    /// Terms that had a leader.
    Leaders,
    /// Distinct acknowledged writes.
    Acknowledged,
    /// Acknowledged writes that a running node has applied the log beyond and does not have.
    Lost,
    /// Writes refused for their epoch.
    Stale,
    /// Times a node came to suspect another.
    Suspicions,
    /// Times a node came to hold another dead.
    Deaths,
}

/// How two numbers must relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// At most.
    AtMost,
    /// At least.
    AtLeast,
    /// Less.
    Below,
    /// More.
    Above,
    /// Equal.
    Equal,
}

impl Compare {
    /// Whether they do.
    #[must_use]
    pub fn holds<T: Ord>(self, found: T, wanted: T) -> bool {
        let order = found.cmp(&wanted);
        match self {
            Compare::AtMost => order != Ordering::Greater,
            Compare::AtLeast => order != Ordering::Less,
            Compare::Below => order == Ordering::Less,
            Compare::Above => order == Ordering::Greater,
            Compare::Equal => order == Ordering::Equal,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Compare::AtMost => "<=",
            Compare::AtLeast => ">=",
            Compare::Below => "<",
            Compare::Above => ">",
            Compare::Equal => "=",
        }
    }
}

/// What a member may be believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// Alive, in its present life.
    Alive,
    /// Suspected.
    Suspected,
    /// Dead.
    Dead,
    /// Gone on its own accord.
    Left,
}

/// Who must believe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observers {
    /// Every other running node.
    Everywhere,
    /// At least one of them.
    Somewhere,
    /// That one.
    On(Who),
}

/// The state of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It runs.
    Running,
    /// It does not.
    Down,
    /// It has left on its own accord.
    Gone,
    /// It has halted for good because its disk failed.
    Halted,
    /// It refused to start because its log is damaged.
    Corrupt,
}

impl Process {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Process::Running => "running",
            Process::Down => "down",
            Process::Gone => "gone",
            Process::Halted => "halted",
            Process::Corrupt => "corrupt",
        }
    }
}

impl Expectation {
    /// When it must hold if nothing is said: a state at the end, what must not happen until then.
    #[must_use]
    pub fn unsaid(claim: &Claim, end: Span) -> When {
        match claim {
            Claim::SameLeader | Claim::Never(..) => When::Until(end),
            Claim::Count(..)
            | Claim::Gap(..)
            | Claim::Leader(_)
            | Claim::NoLeader
            | Claim::NewLeader
            | Claim::Belief(..)
            | Claim::Converged
            | Claim::Answered
            | Claim::Refused(_)
            | Claim::Process(..) => When::By(end),
        }
    }

    /// The last moment that matters.
    #[must_use]
    pub fn deadline(&self) -> Span {
        match self.when {
            When::Within(span) => self.since.plus(span),
            When::By(at) | When::Until(at) => at,
        }
    }

    /// A count at the end of a run.
    #[must_use]
    pub fn count(count: Count, compare: Compare, number: u64, end: Span) -> Expectation {
        Expectation {
            claim: Claim::Count(count, compare, number),
            since: Span::ZERO,
            when: When::By(end),
        }
    }
}
