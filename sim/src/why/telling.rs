//! A piece of evidence in words: what happened, and of that, what makes it evidence.

use quorate_core::id::NodeId;
use quorate_core::membership::{self, Fact as MemberFact};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::raft;
use quorate_core::wire::Message;

use super::{Evidence, Fact};
use crate::record::Record;
use crate::wording;

pub(super) fn told(
    record: &Record,
    number: usize,
    part: &'static str,
    node: NodeId,
    fact: Fact,
) -> Evidence {
    let this = &record.all[number];
    let mut words = wording::happening(this);
    let from = matches!(this.event(), Some(Event::Received { .. })).then_some(this.peer);
    let concerns = |notice: &&Notice| concerns(notice, node) || fact == Fact::Leader;
    for notice in this.notices().filter(concerns) {
        let change = wording::notice(notice, from.flatten());
        words = match change.why.as_str() {
            "" => format!("{words}; {}", change.what),
            why => format!("{words}; {} ({why})", change.what),
        };
    }
    let sent = this
        .actions()
        .iter()
        .filter(|action| is_about(action, node, part));
    for action in sent.filter_map(wording::action) {
        words = format!("{words}; {action}");
    }
    Evidence {
        number,
        at_ns: this.at_ns,
        node: this.node.map_or(0, |node| node.0),
        part,
        words,
    }
}

fn concerns(notice: &Notice, node: NodeId) -> bool {
    match notice {
        Notice::Member(fact) => match fact {
            MemberFact::Joined(member) => member.node == node,
            MemberFact::Suspected { peer, .. }
            | MemberFact::Refuted { peer }
            | MemberFact::Died { peer, .. }
            | MemberFact::Left { peer }
            | MemberFact::Moved { peer, .. } => peer.node == node,
        },
        Notice::LinkUp { .. } | Notice::LinkDown { .. } => true,
        Notice::Removed { node: removed, .. } => *removed == node,
        Notice::Unfit { node: unfit, .. } => *unfit == node,
        Notice::Started { .. }
        | Notice::Membership(_)
        | Notice::View(_)
        | Notice::Leadership(_)
        | Notice::Raft(_)
        | Notice::Voters(_)
        | Notice::Partition(_)
        | Notice::State(_)
        | Notice::GossipFault { .. }
        | Notice::RoleChanged { .. }
        | Notice::LevelRaised { .. }
        | Notice::UnknownEntry { .. }
        | Notice::UnreadableSnapshot { .. }
        | Notice::DiskStalled
        | Notice::OutboxDropped { .. } => false,
    }
}

/// Whether an action is what makes a happening evidence of this part.
fn is_about(action: &Action, node: NodeId, part: &str) -> bool {
    let Action::Send { to, message, .. } = action else {
        return false;
    };
    match message {
        Message::Membership(membership::Message::Ping(_)) => {
            *to == node && ["probe", "relay's probe"].contains(&part)
        }
        Message::Membership(membership::Message::PingReq(ask)) => {
            ask.target == node && part == "relay asked"
        }
        Message::Raft(raft::Message::VoteReply(_)) => *to == node && part == "vote given",
        Message::Membership(_) | Message::Raft(_) | Message::Control(_) | Message::Gossip(_) => {
            false
        }
    }
}
