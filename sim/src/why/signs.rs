//! What a single happening shows.

use std::net::SocketAddr;

use quorate_core::id::{NodeId, Peer};
use quorate_core::membership::{self, Fact as MemberFact};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role};
use quorate_core::wire::Message;

use crate::record::Happening;

pub(super) fn is_suspicion(this: &Happening, of: Peer) -> bool {
    this.notices().any(|notice| {
        matches!(notice, Notice::Member(MemberFact::Suspected { peer, .. }) if *peer == of)
    })
}

pub(super) fn changes(this: &Happening, is: impl Fn(Role, Role) -> bool) -> bool {
    this.notices().any(|notice| {
        matches!(notice, Notice::Raft(raft::Notice::RoleChanged { from, to, .. }) if is(*from, *to))
    })
}

pub(super) fn received(this: &Happening) -> Option<&membership::Message> {
    match this.event()? {
        Event::Received {
            message: Message::Membership(message),
            ..
        } => Some(message),
        Event::Received { .. }
        | Event::Tick
        | Event::LinkUp { .. }
        | Event::LinkDown { .. }
        | Event::DialFailed { .. }
        | Event::Persisted(_)
        | Event::DiskStalled
        | Event::Command { .. } => None,
    }
}

pub(super) fn is_ack_of(this: &Happening, node: NodeId) -> bool {
    matches!(received(this), Some(membership::Message::Ack(ack)) if ack.alive == node)
}

pub(super) fn is_append(this: &Happening) -> bool {
    let event = this.event();
    matches!(
        event,
        Some(Event::Received {
            message: Message::Raft(raft::Message::Append(_)),
            ..
        })
    )
}

/// The number of the probe that a node was sent.
pub(super) fn ping_of(this: &Happening, target: NodeId) -> Option<u64> {
    this.actions().iter().find_map(|action| match action {
        Action::Send {
            to,
            message: Message::Membership(membership::Message::Ping(ping)),
            ..
        } => (*to == target).then_some(ping.probe),
        Action::Send { .. }
        | Action::Dial { .. }
        | Action::Hangup { .. }
        | Action::Persist { .. }
        | Action::Reply { .. }
        | Action::PublishRoutes(_)
        | Action::Notify(_)
        | Action::Halt(_) => None,
    })
}

/// The number of the probe for which relays were asked to probe a node.
pub(super) fn ask_of(this: &Happening, target: NodeId) -> Option<u64> {
    this.actions().iter().find_map(|action| match action {
        Action::Send {
            message: Message::Membership(membership::Message::PingReq(ask)),
            ..
        } => (ask.target == target).then_some(ask.probe),
        Action::Send { .. }
        | Action::Dial { .. }
        | Action::Hangup { .. }
        | Action::Persist { .. }
        | Action::Reply { .. }
        | Action::PublishRoutes(_)
        | Action::Notify(_)
        | Action::Halt(_) => None,
    })
}

/// Where a node listens, as somebody once saw.
pub(super) fn address_of(all: &[Happening], node: NodeId) -> Option<SocketAddr> {
    all.iter()
        .flat_map(Happening::notices)
        .find_map(|notice| match notice {
            Notice::Member(MemberFact::Joined(member)) => {
                (member.node == node).then_some(member.address)
            }
            Notice::Member(_)
            | Notice::Started { .. }
            | Notice::Membership(_)
            | Notice::View(_)
            | Notice::Leadership(_)
            | Notice::Raft(_)
            | Notice::Voters(_)
            | Notice::Partition(_)
            | Notice::State(_)
            | Notice::GossipFault { .. }
            | Notice::Removed { .. }
            | Notice::LevelRaised { .. }
            | Notice::Unfit { .. }
            | Notice::RoleChanged { .. }
            | Notice::LinkUp { .. }
            | Notice::LinkDown { .. }
            | Notice::UnknownEntry { .. }
            | Notice::UnreadableSnapshot { .. }
            | Notice::DiskStalled
            | Notice::OutboxDropped { .. } => None,
        })
}
