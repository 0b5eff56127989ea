//! The sessions of the hosts over the connections between them: what a connection tells, which
//! connection carries on, and what happens when there is no progress.

use quorate_core::transport::{CloseReason, Hello, Output, Priority, Session, Stall};
use quorate_core::wire::Message;

use super::traffic::Tie;
use super::{Direction, World};

/// What a connection told, kept for after the call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Established(Hello),
    Resumed,
    Lost,
    Node(Result<Message, String>),
    Message(Priority, u64),
    Acked(Priority, u64),
    Closed(CloseReason),
    /// What no host of the simulation sends.
    Unasked,
    Nothing,
}

/// Keeps what concerns the world, and what the host has taken.
pub(super) fn keep(output: Output<'_>, taken: &mut Vec<(Priority, usize)>) -> Heard {
    match output {
        Output::Established(hello) => Heard::Established(hello),
        Output::Resumed => Heard::Resumed,
        Output::Lost => Heard::Lost,
        Output::Node { code, body } => {
            let decoded = Message::decode(code, body);
            Heard::Node(decoded.map_err(|error| format!("type {code}: {error}")))
        }
        Output::Message {
            priority,
            number,
            cost,
            ..
        } => {
            taken.push((priority, cost));
            Heard::Message(priority, number)
        }
        Output::Acked { priority, number } => Heard::Acked(priority, number),
        Output::Closed(reason) => Heard::Closed(reason),
        Output::Room => Heard::Nothing,
        Output::Datagram { .. }
        | Output::Request { .. }
        | Output::Reply { .. }
        | Output::StreamOpened { .. }
        | Output::StreamData { .. }
        | Output::StreamEnded { .. }
        | Output::StreamRefused { .. }
        | Output::StreamClosed { .. } => Heard::Unasked,
    }
}

/// The sessions of one process, by the host at the other end.
#[derive(Default)]
pub(super) struct Sessions {
    by_host: Vec<Option<Box<Session>>>,
}

impl Sessions {
    pub(super) fn get(&self, host: usize) -> Option<&Session> {
        self.by_host.get(host)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, host: usize) -> Option<&mut Session> {
        self.by_host.get_mut(host)?.as_deref_mut()
    }

    /// The session with a host begins, unless it has begun.
    pub(super) fn begin(&mut self, host: usize, session: impl FnOnce() -> Session) {
        if self.by_host.len() <= host {
            self.by_host.resize_with(host + 1, || None);
        }
        self.by_host[host].get_or_insert_with(|| Box::new(session()));
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Session)> {
        let all = self.by_host.iter_mut().enumerate();
        all.filter_map(|(host, session)| Some((host, session.as_deref_mut()?)))
    }
}

impl World {
    /// Two ends agree on their session over a connection, or on a new one.
    pub(super) fn on_joined(&mut self, directions: Option<[Direction; 2]>, is_lost: bool) {
        let Some([outward, _]) = directions else {
            return;
        };
        if is_lost {
            self.checkers.link_delivers.remove(&outward);
        } else if let Some(checker) = self.checkers.link_delivers.get_mut(&outward) {
            checker.resumed();
        }
    }

    /// A connection ends: the newest other one between the two carries on, if there is one.
    pub(super) fn carry_over(&mut self, conn: usize, end: usize) {
        let Some(state) = self.conns[conn].as_ref() else {
            return;
        };
        let (host, peer) = (state.ends[end].host, state.ends[1 - end].host);
        let Some(process) = self.hosts[host].process.as_mut() else {
            return;
        };
        let Some(session) = process.sessions.get_mut(peer) else {
            return;
        };
        if !state.ends[end].link.carries(session) {
            return;
        }
        let others = process.links.iter().rev().copied();
        for (other, at) in others.filter(|other| *other != (conn, end)) {
            let state = self.conns[other].as_mut();
            let Some(state) = state.filter(|state| state.ends[at].open) else {
                continue;
            };
            if state.ends[1 - at].host == peer && state.ends[at].link.carry(session) {
                let tie = Tie::of(session);
                let directions = self.directions(other, at, tie);
                self.on_joined(directions, false);
                return self.flush(other, at);
            }
        }
    }

    /// Lets the sessions' time pass: those without progress probe, reconnect, give up.
    pub(super) fn tick_sessions(&mut self, first: usize, part: usize) {
        let mut stalls = Vec::new();
        let hosts = self.hosts.len();
        for index in (first..first + part).map(|index| index % hosts) {
            let host = &mut self.hosts[index];
            let Some(process) = host.process.as_mut().filter(|_| !host.paused) else {
                continue;
            };
            let now = process.clock.at(self.now);
            for (peer, session) in process.sessions.iter_mut() {
                stalls.extend(session.tick(now).map(|stall| (index, peer, stall)));
            }
        }
        for (host, peer, stall) in stalls {
            match stall {
                Stall::Probe => self.probe(host, peer),
                Stall::Reconnect => self.reconnect(host, peer),
                // What it gave up belongs to a session that is over; the checkers know that by
                // its number.
                Stall::Failed { .. } => {}
            }
        }
    }

    fn probe(&mut self, host: usize, peer: usize) {
        match self.carrier(host, peer) {
            Some((conn, end)) => self.flush(conn, end),
            None => self.redial(host, peer),
        }
    }

    fn reconnect(&mut self, host: usize, peer: usize) {
        if let Some((conn, end)) = self.carrier(host, peer) {
            self.close_end(conn, end);
        }
        self.redial(host, peer);
    }

    fn redial(&mut self, host: usize, peer: usize) {
        let other = &self.hosts[peer];
        let (address, id) = (other.config.address, other.id);
        self.dial(host, address, Some(id));
    }

    /// The connection that carries the session of a host with another one.
    fn carrier(&self, host: usize, peer: usize) -> Option<(usize, usize)> {
        let process = self.hosts[host].process.as_ref()?;
        let session = process.sessions.get(peer)?;
        let carries = |(conn, end): &(usize, usize)| {
            let state = self.conns[*conn].as_ref();
            state.is_some_and(|state| {
                let (own, other) = (&state.ends[*end], &state.ends[1 - *end]);
                own.open && other.host == peer && own.link.carries(session)
            })
        };
        process.links.iter().rev().copied().find(carries)
    }
}
