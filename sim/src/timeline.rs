//! The story of a run, one line an event: `t=12.431s n3 term 4 Follower -> Candidate (Silence)`.

use std::fmt::{self, Arguments};

use quorate_core::id::NodeId;
use quorate_core::membership::{self, Fact};
use quorate_core::notice::Notice;
use quorate_core::raft;

/// The lines, if they are wanted.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    lines: Option<Vec<String>>,
}

impl Timeline {
    /// Keeps lines or not.
    #[must_use]
    pub fn new(wanted: bool) -> Timeline {
        Timeline {
            lines: wanted.then(Vec::new),
        }
    }

    /// Adds a line; costs nothing when none are wanted.
    pub fn line(&mut self, now: u64, node: Option<NodeId>, what: Arguments<'_>) {
        let Some(lines) = &mut self.lines else { return };
        let millis = now / 1_000_000;
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        lines.push(match node {
            Some(node) => format!("t={seconds}.{millis:03}s {node} {what}"),
            None => format!("t={seconds}.{millis:03}s -- {what}"),
        });
    }

    /// All lines.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// Tells a notice of a node.
pub fn notice(timeline: &mut Timeline, now: u64, node: NodeId, notice: &Notice) {
    timeline.line(now, Some(node), format_args!("{}", Told(notice)));
}

/// A notice in words.
#[must_use]
pub fn tell(notice: &Notice) -> String {
    Told(notice).to_string()
}

struct Told<'a>(&'a Notice);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Notice::Started { incarnation } => write!(f, "may speak, incarnation {incarnation}"),
            Notice::Member(fact) => tell_fact(fact, f),
            Notice::Membership(membership::Notice::Refuting { incarnation, .. }) => {
                write!(f, "refutes an accusation, incarnation {incarnation}")
            }
            Notice::Membership(membership::Notice::PeerFault { from, fault }) => {
                write!(f, "membership: {from} broke a rule ({fault:?})")
            }
            Notice::Leadership(standing) => match standing.leader {
                Some(leader) => write!(f, "term {} leader is {leader}", standing.term),
                None => write!(f, "term {} knows no leader", standing.term),
            },
            Notice::Raft(raft::Notice::RoleChanged {
                from,
                to,
                term,
                cause,
            }) => {
                write!(f, "term {term} {from:?} -> {to:?} ({cause:?})")
            }
            Notice::Raft(raft::Notice::PeerFault { from, fault }) => {
                write!(f, "raft: {from} broke a rule ({fault:?})")
            }
            Notice::RoleChanged {
                role,
                holder: Some(holder),
                epoch,
            } => {
                write!(f, "{role} is held by {holder} under {epoch}")
            }
            Notice::RoleChanged {
                role,
                holder: None,
                epoch,
            } => {
                write!(f, "{role} is held by nobody under {epoch}")
            }
            Notice::LinkUp { peer, .. } => write!(f, "connected to {peer}"),
            Notice::LinkDown { peer } => write!(f, "disconnected from {peer}"),
            Notice::UnknownEntry { index, error } => write!(f, "skips entry {index}: {error}"),
            Notice::DiskStalled => f.write_str("disk stalled"),
            Notice::OutboxDropped { to, messages } => {
                write!(f, "gave up {messages} messages to {to}")
            }
        }
    }
}

fn tell_fact(fact: &Fact, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match fact {
        Fact::Joined(member) => write!(f, "sees {} alive", member.peer()),
        Fact::Suspected { peer, accuser } => write!(f, "suspects {peer} (by {accuser})"),
        Fact::Refuted { peer } => write!(f, "trusts {peer} again"),
        Fact::Died { peer, accuser } => write!(f, "holds {peer} dead (by {accuser})"),
        Fact::Left { peer } => write!(f, "saw {peer} leave"),
        Fact::Moved { peer, address } => write!(f, "finds {peer} at {address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::Term;

    #[test]
    fn a_line_names_moment_node_and_cause() {
        let mut timeline = Timeline::new(true);
        let changed = Notice::Raft(raft::Notice::RoleChanged {
            from: raft::Role::Follower,
            to: raft::Role::PreCandidate,
            term: Term(4),
            cause: raft::Cause::LeaderDown,
        });
        notice(&mut timeline, 12_431_900_000, NodeId(3), &changed);
        let expected = "t=12.431s n3 term 4 Follower -> PreCandidate (LeaderDown)";
        assert_eq!(timeline.into_lines(), [expected]);
    }
}
