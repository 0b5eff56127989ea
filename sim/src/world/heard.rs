//! What a node is about to hear, as far as a checker wants to know, and what it is before that.

use quorate_core::id::{Incarnation, LinkId, LogIndex, NodeId, Peer, Term, Ticket};
use quorate_core::membership::{self, State, Update};
use quorate_core::node::Event;
use quorate_core::raft::{self, Standing};
use quorate_core::wire::Message;

use super::{World, slot};
use crate::checkers::election_restriction::End;

/// What a step was about, as far as a checker wants to know.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    Append {
        from: NodeId,
        term: Term,
        matched: LogIndex,
        commit: LogIndex,
    },
    AppendReply(Term),
    PreVote(NodeId, End),
    Vote(NodeId, End),
    /// The same, from a candidate whom its leader called.
    CalledVote(NodeId, End),
    PingReq(NodeId, u64),
    RelayedAck,
    Up(LinkId, Peer, bool),
    Down(LinkId),
    Asked(Ticket),
    Other,
}

/// A node before its step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) heard: Heard,
    pub(super) standing: Standing,
    pub(super) commit: LogIndex,
    pub(super) last: LogIndex,
    pub(super) handed_over: u64,
    pub(super) incarnation: Incarnation,
    /// The highest incarnation of its own that it hears accused.
    pub(super) accused: Option<Incarnation>,
    /// A connection came up beside one to the same node.
    pub(super) has_another: bool,
}

impl World {
    /// Looks at a node that is about to hear of an event.
    pub(super) fn before(&self, index: usize, event: &Event) -> Option<Before> {
        let view = self.hosts[index].process.as_ref()?.node.view();
        let is_kept = matches!(event, Event::Received { link, .. } if view.is_at_door(*link));
        let (heard, accused) = match is_kept {
            true => (Heard::Other, None),
            false => (
                self.heard(index, event),
                accused(self.hosts[index].id, event),
            ),
        };
        let raft = view.raft();
        let has_another = matches!(heard, Heard::Up(_, peer, _) if view.link(peer.node).is_some());
        Some(Before {
            heard,
            standing: raft.standing(),
            commit: raft.commit(),
            last: raft.last_index(),
            handed_over: view.control().stats().handed_over,
            incarnation: view.membership().incarnation(),
            accused,
            has_another,
        })
    }

    fn heard(&self, index: usize, event: &Event) -> Heard {
        match event {
            Event::Received { link, message } => match self.other_end(index, *link) {
                Some(from) => heard_message(from, message),
                None => Heard::Other,
            },
            Event::LinkUp {
                link, peer, dialed, ..
            } => Heard::Up(*link, *peer, *dialed),
            Event::LinkDown { link } => Heard::Down(*link),
            Event::Command { ticket, .. } if *ticket != Ticket(0) => Heard::Asked(*ticket),
            Event::Command { .. }
            | Event::Tick
            | Event::DialFailed { .. }
            | Event::Persisted(_)
            | Event::DiskStalled => Heard::Other,
        }
    }

    fn other_end(&self, index: usize, link: LinkId) -> Option<NodeId> {
        let process = self.hosts[index].process.as_ref()?;
        let (conn, end) = *process.links.get(slot(link))?;
        let state = self.conns[conn].as_ref()?;
        Some(self.hosts[state.ends[1 - end].host].id)
    }
}

fn heard_message(from: NodeId, message: &Message) -> Heard {
    match message {
        Message::Raft(raft::Message::Append(append)) => Heard::Append {
            from,
            term: append.term,
            matched: LogIndex(append.prev_index.0 + append.entries.len() as u64),
            commit: append.commit,
        },
        // It stands for a log that is equal and committed up to its index.
        Message::Raft(raft::Message::InstallSnapshot(install)) => Heard::Append {
            from,
            term: install.term,
            matched: install.part.of.index,
            commit: install.part.of.index,
        },
        Message::Raft(raft::Message::AppendReply(reply)) => Heard::AppendReply(reply.term),
        Message::Raft(raft::Message::SnapshotReply(reply)) => Heard::AppendReply(reply.term),
        Message::Raft(raft::Message::PreVote(ask)) => {
            Heard::PreVote(from, (ask.last_term, ask.last_index))
        }
        Message::Raft(raft::Message::Vote(ask)) => {
            let end = (ask.last_term, ask.last_index);
            match ask.called {
                true => Heard::CalledVote(from, end),
                false => Heard::Vote(from, end),
            }
        }
        Message::Membership(membership::Message::PingReq(ask)) => Heard::PingReq(from, ask.probe),
        Message::Membership(membership::Message::Ack(ack)) if ack.alive != from => {
            Heard::RelayedAck
        }
        Message::Raft(_) | Message::Membership(_) | Message::Control(_) | Message::Gossip(_) => {
            Heard::Other
        }
    }
}

/// The highest incarnation of `me` that a message accuses.
fn accused(me: NodeId, event: &Event) -> Option<Incarnation> {
    let Event::Received {
        message: Message::Membership(message),
        ..
    } = event
    else {
        return None;
    };
    let updates = match message {
        membership::Message::Ping(ping) => &ping.updates,
        membership::Message::Ack(ack) => &ack.updates,
        membership::Message::PingReq(request) => &request.updates,
        membership::Message::Nack(_) | membership::Message::TurnedAway(_) => return None,
        membership::Message::Join(join) => &join.updates,
        membership::Message::Welcome(welcome) => &welcome.updates,
        membership::Message::Gossip(gossip) => &gossip.updates,
        membership::Message::Sync(sync) => &sync.updates,
        membership::Message::Differ(differ) => &differ.updates,
    };
    let accuses = |update: &&Update| update.node == me && update.state != State::Alive;
    let accused = updates.iter().filter(accuses);
    accused.map(|update| update.incarnation).max()
}
