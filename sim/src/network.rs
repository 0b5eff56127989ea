//! The network between the nodes: which ways are open, how long they take, and the connections
//! over them.
//!
//! The model is TCP as a process sees it. Bytes arrive in order or not at all; a lost segment
//! delays all behind it; a cut way holds them until it heals or an end gives up; a process that
//! dies closes its ends, and the other ends learn that only over an open way, so that behind a cut
//! they stay half-open.

use std::collections::VecDeque;
use std::net::SocketAddr;

use quorate_core::id::LinkId;
use quorate_core::seed::Random;
use quorate_core::transport::Link;

use crate::plan;

/// A retransmission comes after so long.
const RETRANSMIT_NS: u64 = 200_000_000;

/// Which ways are open and how long they take.
#[derive(Clone, Debug)]
pub struct Ways {
    nodes: usize,
    /// One bit for each ordered pair of nodes.
    cut: Vec<u64>,
    changes: u64,
    spec: plan::Network,
    extra_ns: u64,
}

impl Ways {
    /// All open.
    #[must_use]
    pub fn new(nodes: usize, spec: plan::Network) -> Ways {
        Ways {
            nodes,
            cut: vec![0; (nodes * nodes).div_ceil(64)],
            changes: 0,
            spec,
            extra_ns: 0,
        }
    }

    /// Whether nothing gets from one node to another.
    #[must_use]
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        let (word, bit) = self.place(from, to);
        self.cut[word] & bit != 0
    }

    /// Cuts or opens one way; a node always reaches itself.
    pub fn set_cut(&mut self, from: usize, to: usize, cut: bool) {
        let (word, bit) = self.place(from, to);
        self.changes += 1;
        if !cut {
            self.cut[word] &= !bit;
        } else if from != to {
            self.cut[word] |= bit;
        }
    }

    /// Opens every way.
    pub fn open_all(&mut self) {
        self.changes += 1;
        self.cut.fill(0);
    }

    fn place(&self, from: usize, to: usize) -> (usize, u64) {
        let pair = from * self.nodes + to;
        (pair / 64, 1 << (pair % 64))
    }

    /// How often ways were cut or opened.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Every way takes so much longer.
    pub fn set_extra(&mut self, extra_ns: u64) {
        self.extra_ns = extra_ns;
    }

    /// How long one segment takes.
    pub fn latency(&self, random: &mut Random) -> u64 {
        let (low, high) = (self.spec.latency_us_min, self.spec.latency_us_max);
        let nanos = random.within(low * 1_000..=high * 1_000);
        let lost = self.spec.loss_permille > 0 && random.chance(self.spec.loss_permille);
        nanos + self.extra_ns + if lost { RETRANSMIT_NS } else { 0 }
    }
}

/// What travels over a connection.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The other end is closed.
    Close,
}

/// One direction of a connection: arrival times and what arrives.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    /// What is on its way.
    pub segments: VecDeque<(u64, Segment)>,
    last_arrival: u64,
}

impl Pipe {
    /// Sends a segment that would need until `arrival`, behind everything sent before.
    pub fn push(&mut self, arrival: u64, segment: Segment) -> u64 {
        let arrival = arrival.max(self.last_arrival);
        self.last_arrival = arrival;
        self.segments.push_back((arrival, segment));
        arrival
    }
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct End {
    /// Whose end it is: the index of the host.
    pub host: usize,
    /// Its name there.
    pub link_id: LinkId,
    /// The machine.
    pub link: Link,
    /// The process holds it.
    pub open: bool,
    /// The node was told that it is up.
    pub up: bool,
    /// The address this end dialled.
    pub dialed: Option<SocketAddr>,
    /// The heap entry armed for the link's deadline.
    pub armed: u64,
}

/// A connection: two ends, and the direction that starts at each.
#[derive(Clone, Debug)]
pub struct Conn {
    /// The dialler's end, then the other.
    pub ends: [End; 2],
    /// What each end has sent.
    pub pipes: [Pipe; 2],
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::seed::{Seed, Stream};

    #[test]
    fn segments_arrive_in_order_however_long_each_takes() {
        let mut pipe = Pipe::default();
        assert_eq!(pipe.push(50, Segment::Bytes(vec![1])), 50);
        assert_eq!(
            pipe.push(20, Segment::Close),
            50,
            "the slow one holds up the fast one"
        );
        assert_eq!(pipe.push(60, Segment::Close), 60);
    }

    #[test]
    fn cuts_have_a_direction_and_nobody_is_cut_from_itself() {
        let spec = plan::Plan::quiet("q", 1, 3).network;
        let mut ways = Ways::new(3, spec);
        ways.set_cut(0, 1, true);
        ways.set_cut(2, 2, true);
        assert!(ways.is_cut(0, 1) && !ways.is_cut(1, 0) && !ways.is_cut(2, 2));
        ways.open_all();
        assert!(!ways.is_cut(0, 1));
        let mut random = Seed::from_number(1).stream(Stream::Network);
        assert!((200_000..=1_000_000).contains(&ways.latency(&mut random)));
    }
}
