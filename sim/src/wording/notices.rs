//! Notices in words: what changed, and why.

use quorate_core::gossip;
use quorate_core::id::NodeId;
use quorate_core::membership::{self, Fact};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Cause};

/// A change of state and its cause; the cause may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What changed.
    pub what: String,
    /// Why.
    pub why: String,
}

fn change(what: String, why: String) -> Change {
    Change { what, why }
}

/// A notice as a change with its cause; `from` is who told the node, if anyone did.
#[must_use]
pub fn notice(notice: &Notice, from: Option<NodeId>) -> Change {
    let none = String::new;
    match notice {
        Notice::Started { incarnation } => {
            change(format!("may speak, incarnation {incarnation}"), none())
        }
        Notice::Member(fact) => of_fact(fact, from),
        Notice::Membership(membership::Notice::Refuting {
            accuser,
            incarnation,
        }) => change(
            format!("refutes, incarnation {incarnation}"),
            accused_by(*accuser),
        ),
        Notice::Membership(membership::Notice::OnProbation { accuser }) => change(
            "dead too often, waits before it returns".to_string(),
            accused_by(*accuser),
        ),
        Notice::Membership(membership::Notice::PeerFault { from, fault }) => change(
            format!("membership: {from} broke a rule"),
            format!("{fault:?}"),
        ),
        Notice::View(view) => of_view(view),
        Notice::Membership(membership::Notice::TurnedAway { by, reason }) => {
            change(format!("turned away by {by}"), reason.to_string())
        }
        Notice::Removed { node, at } => change(format!("{node} is removed by entry {at}"), none()),
        Notice::LevelRaised { level } => change(format!("{level} is in force"), none()),
        Notice::Unfit { node, unfit } => change(format!("turns {node} away"), unfit.to_string()),
        Notice::Leadership(standing) => match standing.leader {
            Some(leader) => change(format!("term {} leader is {leader}", standing.term), none()),
            None => change(format!("term {} knows no leader", standing.term), none()),
        },
        Notice::Voters(voters) => change(format!("voters {voters}"), none()),
        Notice::Raft(notice) => of_raft_notice(notice),
        Notice::Partition(status) => change("partition status".to_string(), format!("{status:?}")),
        Notice::State(fact) => of_state(fact),
        Notice::GossipFault { from, fault } => {
            change(format!("gossip: {from} broke a rule"), format!("{fault:?}"))
        }
        Notice::RoleChanged {
            role,
            holder,
            epoch,
        } => {
            let holder = holder.map_or("nobody".to_string(), |holder| holder.to_string());
            change(format!("{role} is held by {holder} under {epoch}"), none())
        }
        Notice::LinkUp { peer, .. } => change(format!("connected to {peer}"), none()),
        Notice::LinkDown { peer } => change(format!("disconnected from {peer}"), none()),
        Notice::UnknownEntry { index, error } => {
            change(format!("skips entry {index}"), error.to_string())
        }
        Notice::UnreadableSnapshot { from, index, error } => change(
            format!("cannot read the snapshot of {index} from {from}"),
            error.to_string(),
        ),
        Notice::DiskStalled => change("disk stalled".to_string(), none()),
        Notice::OutboxDropped { to, messages } => {
            let why = "no connection in time, or too many".to_string();
            change(format!("gave up {messages} messages to {to}"), why)
        }
    }
}

fn of_view(view: &membership::View) -> Change {
    let (joined, left, died) = (view.joined.len(), view.left.len(), view.died.len());
    change(
        format!("view {} of {} members", view.number, view.size),
        format!("{joined} joined, {left} left, {died} died"),
    )
}

fn accused_by(accuser: Option<NodeId>) -> String {
    accuser.map_or(String::new(), |by| format!("accused by {by}"))
}

/// A notice of consensus.
fn of_raft_notice(notice: &raft::Notice) -> Change {
    let none = String::new;
    match notice {
        raft::Notice::RoleChanged {
            from,
            to,
            term,
            cause: why,
        } => change(format!("term {term} {from:?}→{to:?}"), cause(*why)),
        raft::Notice::ElectionRepeated {
            term,
            attempts,
            granted,
            refused,
        } => change(
            format!("term {term} is not won"),
            format!("attempt {attempts}: {granted} for, {refused} against, the others silent"),
        ),
        raft::Notice::Removed { term } => change(
            format!("term {term} resigns"),
            "it is no voter any more".to_string(),
        ),
        raft::Notice::TransferBegun { to, why } => {
            change(format!("hands over to {to}"), format!("{why:?}"))
        }
        raft::Notice::TransferEnded { to, outcome } => match outcome {
            Ok(()) => change(format!("has handed over to {to}"), none()),
            Err(refused) => change(format!("did not hand over to {to}"), refused.to_string()),
        },
        raft::Notice::SnapshotTaken { index, bytes } => {
            change(format!("snapshot of {index}, {bytes} bytes"), none())
        }
        raft::Notice::SnapshotInstalled { from, index, bytes } => change(
            format!("installs the snapshot of {index}, {bytes} bytes"),
            format!("{from} does not keep the log before it"),
        ),
        raft::Notice::Rebuilding { leader } => change(
            format!("asks {leader} to take its old vote"),
            "its disk was lost".to_string(),
        ),
        raft::Notice::Rebuilt { at } => change(
            "is rebuilt, and may vote again".to_string(),
            format!("entry {at} took its old vote"),
        ),
        raft::Notice::PeerFault { from, fault } => {
            change(format!("raft: {from} broke a rule"), format!("{fault:?}"))
        }
    }
}

/// A change of what nodes write about themselves.
fn of_state(fact: &gossip::Fact) -> Change {
    let none = String::new;
    match fact {
        gossip::Fact::Changed {
            owner,
            key,
            version,
            value,
        } => {
            let what = value.as_ref().map_or("deleted", |_| "written");
            change(
                format!("{key} of {owner} is {what}, version {version}"),
                none(),
            )
        }
        gossip::Fact::Forgotten { owner } => {
            change(format!("the state of {owner} is dropped"), none())
        }
    }
}

fn of_fact(fact: &Fact, from: Option<NodeId>) -> Change {
    let heard = |why: String| match (from, why.as_str()) {
        (Some(from), "") => format!("heard from {from}"),
        (Some(from), why) => format!("{why}, heard from {from}"),
        (None, _) => why,
    };
    match fact {
        Fact::Joined(member) => change(
            format!("sees {} alive", member.peer()),
            heard(String::new()),
        ),
        Fact::Suspected { peer, evidence } => change(
            format!("suspects {peer}"),
            heard(format!("accused by {}", evidence.accuser)),
        ),
        Fact::Refuted { peer } => {
            change(format!("trusts {peer} again"), heard("refuted".to_string()))
        }
        Fact::Died { peer, evidence } => {
            let why = format!("accused by {}, not refuted", evidence.accuser);
            change(format!("holds {peer} dead"), heard(why))
        }
        Fact::Left { peer } => change(format!("saw {peer} leave"), heard(String::new())),
        Fact::Moved { peer, address } => {
            change(format!("finds {peer} at {address}"), heard(String::new()))
        }
    }
}

fn cause(cause: Cause) -> String {
    match cause {
        Cause::Silence(span) => format!("no heartbeat {} ms", span.as_millis()),
        Cause::LeaderDown => "the leader's connection broke, or it is dead".to_string(),
        Cause::LeaderResigned => "the leader resigned".to_string(),
        Cause::PreVotesWon => "a majority would vote".to_string(),
        Cause::VotesWon => "a majority voted".to_string(),
        Cause::ElectionLost => "a majority refused, or time was over".to_string(),
        Cause::HigherTerm(term) => format!("heard of term {term}"),
        Cause::LeaderFound(leader) => format!("{leader} leads"),
        Cause::QuorumLost => "no majority answered".to_string(),
        Cause::VoterAdded => "the log makes it a voter".to_string(),
        Cause::VoterRemoved => "the log makes it a learner".to_string(),
        Cause::HandedOver => "the leader called it to take over".to_string(),
        Cause::DiskStalled => "its disk stalls and nobody took over".to_string(),
    }
}
