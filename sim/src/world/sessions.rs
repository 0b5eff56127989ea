//! The sessions of the hosts over the connections between them: what a connection tells, which
//! connection carries on, and what happens when there is no progress.

use quorate_core::transport::{CloseReason, Hello, Output, Priority, Session, Stall};
use quorate_core::wire::Message;

use super::traffic::Tie;
use super::{Direction, World};
use crate::sends;

/// What a connection told, kept for after the call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Resumed,
    Lost,
    Letter(Letter),
    News(News),
}

/// What a connection tells the node, as long as it is open.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    Established(Hello),
    Node(Result<Message, String>),
    Closed(CloseReason),
    /// What no host of the simulation sends.
    Unasked,
}

/// What a session brings the host, whatever becomes of the connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Letter {
    /// A message, with its number, or a request. Which send it is, if a sender's, and whether it is
    /// as it was sent.
    Message {
        priority: Priority,
        number: Option<u64>,
        request: Option<u64>,
        send: Option<(u64, bool)>,
        cost: usize,
    },
    Reply {
        request: u64,
        send: Option<(u64, bool)>,
    },
    Acked {
        priority: Priority,
        number: u64,
    },
    Opened {
        stream: u16,
        is_long: bool,
    },
    Data {
        stream: u16,
        bytes: Vec<u8>,
        cost: usize,
    },
    Ended {
        stream: u16,
        is_complete: bool,
    },
    Refused {
        stream: u16,
    },
    Closed {
        stream: u16,
    },
    Room,
}

/// Keeps what concerns the world.
pub(super) fn keep(output: Output<'_>) -> Heard {
    match output {
        Output::Established(hello) => Heard::News(News::Established(hello)),
        Output::Resumed => Heard::Resumed,
        Output::Lost => Heard::Lost,
        Output::Node { code, body } => {
            let decoded = Message::decode(code, body);
            let decoded = decoded.map_err(|error| format!("type {code}: {error}"));
            Heard::News(News::Node(decoded))
        }
        Output::Closed(reason) => Heard::News(News::Closed(reason)),
        Output::Message { .. }
        | Output::Request { .. }
        | Output::Reply { .. }
        | Output::Acked { .. }
        | Output::StreamOpened { .. }
        | Output::StreamData { .. }
        | Output::StreamEnded { .. }
        | Output::StreamRefused { .. }
        | Output::StreamClosed { .. }
        | Output::Room
        | Output::Datagram { .. } => {
            letter(output).map_or(Heard::News(News::Unasked), Heard::Letter)
        }
    }
}

fn letter(output: Output<'_>) -> Option<Letter> {
    Some(match output {
        Output::Message {
            priority,
            number,
            body,
            cost,
            ..
        } => Letter::Message {
            priority,
            number: Some(number),
            request: None,
            send: sends::read(body),
            cost,
        },
        Output::Request {
            priority,
            id,
            body,
            cost,
            ..
        } => Letter::Message {
            priority,
            number: None,
            request: Some(id),
            send: sends::read(body),
            cost,
        },
        Output::Reply { id, body } => Letter::Reply {
            request: id,
            send: sends::read(body),
        },
        Output::Acked { priority, number } => Letter::Acked { priority, number },
        Output::StreamOpened { stream, total, .. } => Letter::Opened {
            stream,
            is_long: total > 0,
        },
        Output::StreamData { stream, body, cost } => Letter::Data {
            stream,
            bytes: body.to_vec(),
            cost,
        },
        Output::StreamEnded {
            stream,
            is_complete,
        } => Letter::Ended {
            stream,
            is_complete,
        },
        Output::StreamRefused { stream } => Letter::Refused { stream },
        Output::StreamClosed { stream } => Letter::Closed { stream },
        Output::Room => Letter::Room,
        Output::Established(_)
        | Output::Resumed
        | Output::Lost
        | Output::Node { .. }
        | Output::Datagram { .. }
        | Output::Closed(_) => return None,
    })
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

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &Session)> {
        let all = self.by_host.iter().enumerate();
        all.filter_map(|(host, session)| Some((host, session.as_deref()?)))
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
        let (from, _, to, _) = outward;
        self.checkers.critical_first.remove(&(from, to));
        if is_lost {
            self.on_mail_lost(from, to);
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
                let directions = self.directions_of(host, peer, tie);
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
                Stall::Failed { .. } => self.on_mail_lost(host, peer),
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

    pub(super) fn redial(&mut self, host: usize, peer: usize) {
        let other = &self.hosts[peer];
        let (address, id) = (other.config.address, other.id);
        self.dial(host, address, Some(id));
    }

    /// The connection that carries the session of a host with another one.
    pub(super) fn carrier(&self, host: usize, peer: usize) -> Option<(usize, usize)> {
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
