//! Dialling, moving bytes, closing.

use std::net::SocketAddr;

use quorate_core::id::{LinkId, NodeId};
use quorate_core::node::Event;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::{Hello, Link, Priority, Session, Unacknowledged, VersionRange};
use quorate_core::wire::Message;

use super::host::{host_at, plant_link, plant_session};
use super::sessions::keep;
use super::traffic::Tie;
use super::{NEVER, World, slot};
use crate::engine::des::Due;
use crate::network::{Conn, End, Pipe, Segment};

/// A dial across a cut hangs for so long before it fails.
const DIAL_TIMEOUT_NS: u64 = 1_000_000_000;
/// The opening of a connection that is held by a stall tries again after so long.
const LOOK_AGAIN_NS: u64 = 20_000_000;
/// Bytes handed to the network at a time.
const BUDGET: usize = 64 * 1024;
/// A socket takes no more while so many bytes are on their way.
const SOCKET_BYTES: usize = 256 * 1024;

impl World {
    pub(super) fn dial(&mut self, from: usize, address: SocketAddr, expected: Option<NodeId>) {
        let life = self.hosts[from].life;
        let to = host_at(address).filter(|to| *to < self.hosts.len());
        let way = (from, to.unwrap_or(from));
        let at = self.ways.arrival(self.now, way, 0, &mut self.network);
        let Some(process) = self.hosts[from].process.as_mut() else {
            return;
        };
        process.dials.push((address, expected));
        let dial = process.dials.len() - 1;
        self.queue.push(at, Due::Opened { from, life, dial });
    }

    /// The opening of a connection is where it was sent, or would be.
    pub(super) fn on_opened(&mut self, from: usize, life: u64, dial: usize) {
        if !self.is_life(from, life) {
            return;
        }
        let Some(process) = self.hosts[from].process.as_ref() else {
            return;
        };
        let (address, expected) = process.dials[dial];
        let target = host_at(address).filter(|target| *target < self.hosts.len());
        let is_stalled =
            |to: usize| self.ways.is_stalled(from, to) || self.ways.is_stalled(to, from);
        if target.is_some_and(is_stalled) {
            let at = self.now + LOOK_AGAIN_NS;
            return self.queue.push(at, Due::Opened { from, life, dial });
        }
        let answers = |to: &usize| {
            let is_cut = self.ways.is_cut(from, *to) || self.ways.is_cut(*to, from);
            self.is_at(*to, address) && !is_cut && !self.hosts[*to].is_silent
        };
        let Some(to) = target.filter(answers) else {
            let at = self.now + DIAL_TIMEOUT_NS;
            return self.queue.push(
                at,
                Due::DialFailed {
                    host: from,
                    life,
                    dial,
                },
            );
        };
        if !self.hosts[to].is_up() {
            let at = self
                .ways
                .arrival(self.now, (to, from), 0, &mut self.network);
            return self.queue.push(
                at,
                Due::DialFailed {
                    host: from,
                    life,
                    dial,
                },
            );
        }
        let conn = self.conns.len();
        let ends = [
            self.new_end(from, (conn, 0), to, Some(address), expected),
            self.new_end(to, (conn, 1), from, None, None),
        ];
        let pipes = [Pipe::default(), Pipe::default()];
        self.conns.push(Some(Box::new(Conn { ends, pipes })));
        for end in 0..2 {
            self.flush(conn, end);
            self.arm_link(conn, end);
        }
    }

    fn new_end(
        &mut self,
        host: usize,
        (conn, end): (usize, usize),
        other: usize,
        dialed: Option<SocketAddr>,
        expected: Option<NodeId>,
    ) -> End {
        let host_state = &mut self.hosts[host];
        let config = &host_state.config;
        let (cluster, address) = (config.cluster.clone(), config.address);
        let transport = config.transport.clone();
        let mut now = Time::ZERO;
        let mut peer = quorate_core::id::Peer {
            node: host_state.id,
            boot: 0,
        };
        let mut link_id = LinkId(0);
        if let Some(process) = host_state.process.as_mut() {
            now = process.clock.at(self.now);
            peer = process.node.view().me();
            link_id = LinkId(process.links.len() as u64);
            process.links.push((conn, end));
            // The simulated certificate says who is at the other end.
            process.sessions.begin(other, || {
                let mut session = Session::new(transport.clone());
                plant_session(&mut session, self.plan.mutant.as_deref());
                session
            });
        }
        let hello = Hello {
            versions: VersionRange::OURS,
            cluster,
            peer,
            address,
        };
        let mut link = Link::new(transport, hello, expected, now);
        plant_link(&mut link, self.plan.mutant.as_deref());
        End {
            host,
            link_id,
            link,
            open: true,
            up: false,
            dialed,
            armed: NEVER,
            is_abandoned: false,
        }
    }

    pub(super) fn on_dial_failed(&mut self, host: usize, life: u64, dial: usize) {
        if !self.is_life(host, life) {
            return;
        }
        let Some(process) = self.hosts[host].process.as_ref() else {
            return;
        };
        let (address, _) = process.dials[dial];
        self.step(host, Event::DialFailed { address });
    }

    pub(super) fn submit(
        &mut self,
        host: usize,
        link: LinkId,
        priority: Priority,
        message: &Message,
    ) {
        let Some(process) = self.hosts[host].process.as_ref() else {
            return;
        };
        let Some(&(conn, end)) = process.links.get(slot(link)) else {
            return;
        };
        let Some(state) = self.conns[conn].as_mut().filter(|conn| conn.ends[end].open) else {
            return;
        };
        self.scratch.clear();
        let code = message.encode(&mut self.scratch);
        let body = Payload::copy_from(&self.scratch);
        // What a full queue refuses is lost, as the contract of `Send` allows.
        let sent = state.ends[end]
            .link
            .submit(priority, Unacknowledged::Node { code, body });
        self.totals.messages += u64::from(sent.is_ok());
        if let (Err(_), Some(record)) = (&sent, &mut self.record) {
            record.refused((conn, end), message);
        }
        if !self.touched.contains(&(conn, end)) {
            self.touched.push((conn, end));
        }
    }

    /// Sends what the last step has submitted.
    pub(super) fn flush_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for (conn, end) in touched.drain(..) {
            self.flush(conn, end);
        }
        self.touched = touched;
    }

    /// Sends what an end has to send, as far as its socket takes it.
    pub(super) fn flush(&mut self, conn: usize, end: usize) {
        loop {
            let Some(state) = self.conns[conn].as_mut() else {
                return;
            };
            let peer = state.ends[1 - end].host;
            let room = SOCKET_BYTES.saturating_sub(state.pipes[end].bytes);
            let from = &mut state.ends[end];
            let host = from.host;
            let Some(process) = self.hosts[host].process.as_mut() else {
                return;
            };
            let Some(session) = process.sessions.get_mut(peer).filter(|_| from.open) else {
                return;
            };
            let now = process.clock.at(self.now);
            let (mut bytes, mut wrong) = (Vec::new(), Ok(()));
            let checker = self.checkers.critical_first.get_mut(&(host, peer));
            let mut checker = checker.filter(|_| from.link.carries(session));
            let mut has_more = room > 0;
            while has_more && bytes.len() < BUDGET.min(room) {
                let record = |record: &[u8]| {
                    bytes.extend_from_slice(record);
                    if let Some(checker) = &mut checker {
                        wrong = checker.left(record);
                    }
                };
                has_more = from.link.transmit(now, session, &mut self.scratch, record) > 0
                    && from.link.wants_transmit(session)
                    && wrong.is_ok();
            }
            if bytes.is_empty() {
                return;
            }
            state.pipes[end].bytes += bytes.len();
            self.demand("critical_first", wrong);
            self.send_segment(conn, end, Segment::Bytes(bytes));
            if !has_more {
                return;
            }
        }
    }

    pub(super) fn send_segment(&mut self, conn: usize, end: usize, segment: Segment) {
        let Some(state) = self.conns[conn]
            .as_mut()
            .filter(|it| !it.pipes[end].is_dead)
        else {
            return;
        };
        let way = (state.ends[end].host, state.ends[1 - end].host);
        let bytes = match &segment {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::Close => 0,
        };
        let at = self.ways.arrival(self.now, way, bytes, &mut self.network);
        let at = state.pipes[end].push(at, segment);
        self.queue.push(at, Due::Arrived { conn, end: 1 - end });
    }

    /// Hands over everything that has arrived at an end, unless the way is cut.
    pub(super) fn on_arrived(&mut self, conn: usize, end: usize) {
        loop {
            let Some(state) = self.conns[conn].as_mut() else {
                return;
            };
            let (from, to) = (state.ends[1 - end].host, state.ends[end].host);
            let pipe = &mut state.pipes[1 - end];
            let has_arrived = pipe.segments.front().is_some_and(|(at, _)| *at <= self.now);
            if !has_arrived || self.ways.is_cut(from, to) || self.ways.is_stalled(from, to) {
                return;
            }
            let Some((_, segment)) = pipe.segments.pop_front() else {
                return;
            };
            if let Segment::Bytes(bytes) = &segment {
                let was_full = pipe.bytes >= SOCKET_BYTES;
                pipe.bytes -= bytes.len();
                if was_full && pipe.bytes < SOCKET_BYTES {
                    let end = 1 - end;
                    self.queue.push(self.now, Due::Writable { conn, end });
                }
            }
            if !state.ends[end].open {
                self.refuse_stray(conn, end);
                continue;
            }
            match segment {
                Segment::Bytes(bytes) => self.on_bytes(conn, end, &bytes),
                Segment::Close => self.close_end(conn, end),
            }
        }
    }

    fn on_bytes(&mut self, conn: usize, end: usize, bytes: &[u8]) {
        let Some(state) = self.conns[conn].as_mut() else {
            return;
        };
        let peer = state.ends[1 - end].host;
        let to = &mut state.ends[end];
        let Some(process) = self.hosts[to.host].process.as_mut() else {
            return;
        };
        let Some(session) = process.sessions.get_mut(peer) else {
            return;
        };
        let now = process.clock.at(self.now);
        let before = Tie::of(session);
        let mut heard = Vec::new();
        to.link.receive(now, bytes, session, &mut |output| {
            heard.push(keep(output));
        });
        let ties = [before, Tie::of(session)];
        let host = to.host;
        self.on_heard(conn, end, ties, heard);
        self.flush(conn, end);
        if self.plan.workload.senders.is_some() {
            self.flush_to(host, peer);
        }
        self.arm_link(conn, end);
    }

    /// An end is closed by its process or by the other end; both sides get to know.
    pub(super) fn close_end(&mut self, conn: usize, end: usize) {
        self.send_segment(conn, end, Segment::Close);
        let Some(state) = self.conns[conn].as_mut() else {
            return;
        };
        let closed = &mut state.ends[end];
        closed.open = false;
        let (host, link, up, dialed) = (closed.host, closed.link_id, closed.up, closed.dialed);
        self.carry_over(conn, end);
        self.forget(conn);
        if up {
            self.step(host, Event::LinkDown { link });
        } else if let Some(address) = dialed {
            self.step(host, Event::DialFailed { address });
        }
    }

    pub(super) fn forget(&mut self, conn: usize) {
        let is_over = |conn: &Conn| conn.ends.iter().all(|end| !end.open);
        if self.conns[conn].as_deref().is_some_and(is_over) {
            self.conns[conn] = None;
        }
    }

    pub(super) fn hang_up(&mut self, host: usize, link: LinkId) {
        let life = self.hosts[host].life;
        self.queue.push(self.now, Due::HungUp { host, life, link });
        let Some(process) = self.hosts[host].process.as_ref() else {
            return;
        };
        let Some(&(conn, end)) = process.links.get(slot(link)) else {
            return;
        };
        let Some(state) = self.conns[conn].as_mut().filter(|conn| conn.ends[end].open) else {
            return;
        };
        state.ends[end].link.close();
        self.carry_over(conn, end);
        self.flush(conn, end);
        self.send_segment(conn, end, Segment::Close);
        if let Some(state) = self.conns[conn].as_mut() {
            state.ends[end].open = false;
        }
        self.forget(conn);
    }

    /// A process has died: the kernel closes its ends.
    pub(super) fn close_ends_of(&mut self, links: &[(usize, usize)]) {
        for (conn, end) in links {
            let is_open = self.conns[*conn]
                .as_ref()
                .is_some_and(|conn| conn.ends[*end].open);
            if !is_open {
                continue;
            }
            self.send_segment(*conn, *end, Segment::Close);
            if let Some(state) = self.conns[*conn].as_mut() {
                state.ends[*end].open = false;
            }
            self.forget(*conn);
        }
    }

    pub(super) fn arm_link(&mut self, conn: usize, end: usize) {
        let Some(state) = self.conns[conn].as_mut() else {
            return;
        };
        let to = &mut state.ends[end];
        let Some(process) = self.hosts[to.host].process.as_ref() else {
            return;
        };
        let Some(deadline) = to.link.deadline().filter(|_| to.open) else {
            return;
        };
        let at = process.clock.when(deadline.at).max(self.now);
        if at < to.armed {
            to.armed = at;
            self.queue.push(at, Due::LinkTick { conn, end });
        }
    }

    pub(super) fn on_link_tick(&mut self, conn: usize, end: usize) {
        let Some(state) = self.conns[conn].as_mut().filter(|conn| conn.ends[end].open) else {
            return;
        };
        let to = &mut state.ends[end];
        if to.armed > self.now {
            return;
        }
        to.armed = NEVER;
        let Some(process) = self.hosts[to.host].process.as_ref() else {
            return;
        };
        let now = process.clock.at(self.now);
        if to
            .link
            .deadline()
            .is_some_and(|deadline| deadline.at <= now)
        {
            let mut heard = Vec::new();
            to.link.tick(now, &mut |output| heard.push(keep(output)));
            // No time that passes ends a session here.
            self.on_heard(conn, end, [Tie::default(); 2], heard);
            self.flush(conn, end);
        }
        self.arm_link(conn, end);
    }
}
