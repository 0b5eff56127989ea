//! What goes wrong with connections beside cuts: they are forgotten on the way, broken at both
//! ends, held and let go at once, or left by a machine that is gone.

use std::collections::BTreeSet;

use super::World;
use crate::engine::des::Due;
use crate::marks::Mark;
use crate::network::{Conn, Segment};

impl World {
    /// A segment for a process that vanished with its machine: once the machine is back, it answers
    /// that it knows no such connection.
    pub(super) fn refuse_stray(&mut self, conn: usize, end: usize) {
        let Some(state) = self.conns[conn]
            .as_mut()
            .filter(|it| it.ends[end].is_abandoned)
        else {
            return;
        };
        if self.hosts[state.ends[end].host].process.is_some() {
            state.ends[end].is_abandoned = false;
            self.send_segment(conn, end, Segment::Close);
        }
    }

    /// A machine has vanished: its ends are gone and nobody is told.
    pub(super) fn abandon_ends_of(&mut self, links: &[(usize, usize)]) {
        self.marks.hit(Mark::SilentCrash);
        for (conn, end) in links {
            if let Some(state) = self.conns[*conn].as_mut().filter(|it| it.ends[*end].open) {
                state.ends[*end].open = false;
                state.ends[*end].is_abandoned = true;
            }
            self.forget(*conn);
        }
    }

    /// The connections along these ways, each with the end that sends along one of them.
    fn along(&self, pairs: &BTreeSet<(usize, usize)>) -> Vec<(usize, usize)> {
        let ends = |(conn, state): (usize, &Option<Box<Conn>>)| {
            let state = state.as_ref()?;
            let hosts = [state.ends[0].host, state.ends[1].host];
            let there = pairs.contains(&(hosts[0], hosts[1])).then_some((conn, 0));
            let back = pairs.contains(&(hosts[1], hosts[0])).then_some((conn, 1));
            Some(there.into_iter().chain(back))
        };
        self.conns
            .iter()
            .enumerate()
            .filter_map(ends)
            .flatten()
            .collect()
    }

    /// What is sent along these ways over the connections there are vanishes from now on.
    pub(super) fn half_open(&mut self, pairs: &BTreeSet<(usize, usize)>) {
        for (conn, end) in self.along(pairs) {
            if let Some(state) = self.conns[conn].as_mut() {
                state.pipes[end].is_dead = true;
                state.pipes[end].segments.clear();
            }
        }
    }

    /// The connections along these ways break: both ends find them closed.
    pub(super) fn reset(&mut self, pairs: &BTreeSet<(usize, usize)>) {
        let conns: BTreeSet<usize> = self
            .along(pairs)
            .into_iter()
            .map(|(conn, _)| conn)
            .collect();
        for conn in conns {
            self.marks.hit(Mark::ConnectionReset);
            for end in 0..2 {
                if let Some(state) = self.conns[conn].as_mut() {
                    state.pipes[1 - end].segments.clear();
                    state.pipes[1 - end]
                        .segments
                        .push_back((self.now, Segment::Close));
                    self.queue.push(self.now, Due::Arrived { conn, end });
                }
            }
        }
    }

    /// A stall is over: what it held arrives at once.
    pub(super) fn release_stalled(&mut self) {
        for conn in 0..self.conns.len() {
            for end in 0..2 {
                if self.conns[conn]
                    .as_ref()
                    .is_some_and(|it| !it.pipes[1 - end].segments.is_empty())
                {
                    self.queue.push(self.now, Due::Arrived { conn, end });
                }
            }
        }
    }

    /// A way has opened: what it held back comes after a retransmission.
    pub(super) fn release_held(&mut self) {
        for conn in 0..self.conns.len() {
            for end in 0..2 {
                let Some(state) = self.conns[conn].as_ref() else {
                    break;
                };
                let (from, to) = (state.ends[1 - end].host, state.ends[end].host);
                if state.pipes[1 - end].segments.is_empty() || self.ways.is_cut(from, to) {
                    continue;
                }
                let wait = self.network.within(1_000_000..=200_000_000);
                self.queue.push(self.now + wait, Due::Arrived { conn, end });
            }
        }
    }
}
