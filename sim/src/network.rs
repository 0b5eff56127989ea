//! The network between the nodes: which ways are open, how long they take, and the connections
//! over them.
//!
//! The model is TCP as a process sees it. Bytes arrive in order or not at all; a lost segment
//! delays all behind it; a cut way holds them until it heals or an end gives up; a process that
//! dies closes its ends, and the other ends learn that only over an open way, so that behind a cut
//! they stay half-open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use quorate_core::id::LinkId;
use quorate_core::seed::Random;
use quorate_core::transport::Link;

use crate::plan::{Change, Quality};

/// A retransmission comes after so long.
const RETRANSMIT_NS: u64 = 200_000_000;

/// Which ways are open and how segments fare on them.
#[derive(Clone, Debug)]
pub struct Ways {
    nodes: usize,
    /// One bit for each ordered pair of nodes.
    cut: Vec<u64>,
    changes: u64,
    /// The ways that open again when a fault ends, and which fault that is.
    holders: BTreeMap<(usize, usize), usize>,
    base: Quality,
    /// What differs from the base, later ones on top. Usually nothing does, and that is fast.
    layers: Vec<Layer>,
    /// The ways that hold everything back, and the fault that makes them.
    stalled: BTreeMap<(usize, usize), usize>,
    /// Until when a way with a bandwidth is busy.
    busy: BTreeMap<(usize, usize), u64>,
}

/// A change of some ways.
#[derive(Clone, Debug)]
struct Layer {
    /// The fault it belongs to; none if to the terrain, which nothing ends.
    fault: Option<usize>,
    /// The ways; all without it.
    pairs: Option<BTreeSet<(usize, usize)>>,
    change: Change,
}

impl Ways {
    /// All open.
    #[must_use]
    pub fn new(nodes: usize, base: Quality) -> Ways {
        Ways {
            nodes,
            cut: vec![0; (nodes * nodes).div_ceil(64)],
            changes: 0,
            holders: BTreeMap::new(),
            base,
            layers: Vec::new(),
            stalled: BTreeMap::new(),
            busy: BTreeMap::new(),
        }
    }

    /// Whether nothing gets from one node to another.
    #[must_use]
    pub fn is_cut(&self, from: usize, to: usize) -> bool {
        let (word, bit) = self.place(from, to);
        self.cut[word] & bit != 0
    }

    /// Cuts one way, for good or until a fault ends; a node always reaches itself.
    pub fn close(&mut self, from: usize, to: usize, until: Option<usize>) {
        if from == to {
            return;
        }
        let (word, bit) = self.place(from, to);
        self.changes += 1;
        self.cut[word] |= bit;
        match until {
            Some(fault) => self.holders.insert((from, to), fault),
            None => self.holders.remove(&(from, to)),
        };
    }

    /// Opens one way.
    pub fn open(&mut self, from: usize, to: usize) {
        let (word, bit) = self.place(from, to);
        self.changes += 1;
        self.cut[word] &= !bit;
        self.holders.remove(&(from, to));
        self.stalled.remove(&(from, to));
    }

    /// Opens every way.
    pub fn open_all(&mut self) {
        self.changes += 1;
        self.cut.fill(0);
        self.holders.clear();
    }

    /// A fault ends: the ways that it was the last to cut open, and its change is undone.
    pub fn end(&mut self, fault: usize) {
        let held = self.holders.iter().filter(|(_, by)| **by == fault);
        let held: Vec<(usize, usize)> = held.map(|(pair, _)| *pair).collect();
        held.into_iter().for_each(|(from, to)| self.open(from, to));
        self.layers.retain(|layer| layer.fault != Some(fault));
        self.stalled.retain(|_, by| *by != fault);
    }

    /// A fault holds everything back on a way until it ends.
    pub fn stall(&mut self, from: usize, to: usize, fault: usize) {
        self.stalled.insert((from, to), fault);
    }

    /// Whether a way holds everything back.
    #[must_use]
    pub fn is_stalled(&self, from: usize, to: usize) -> bool {
        !self.stalled.is_empty() && self.stalled.contains_key(&(from, to))
    }

    /// Nothing is held back any more.
    pub fn end_stalls(&mut self) {
        self.stalled.clear();
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

    /// Changes how segments fare on some ways, or on all; for ever, without a fault to end.
    pub fn change(
        &mut self,
        fault: Option<usize>,
        pairs: Option<BTreeSet<(usize, usize)>>,
        change: Change,
    ) {
        self.layers.push(Layer {
            fault,
            pairs,
            change,
        });
    }

    /// Ends all changes by faults on some ways, or on all.
    pub fn calm(&mut self, pairs: Option<&BTreeSet<(usize, usize)>>) {
        let Some(pairs) = pairs else {
            self.layers.retain(|layer| layer.fault.is_none());
            return;
        };
        let nodes = self.nodes;
        for layer in self.layers.iter_mut().filter(|it| it.fault.is_some()) {
            let all = || (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
            let left = layer.pairs.get_or_insert_with(|| all().collect());
            left.retain(|pair| !pairs.contains(pair));
        }
    }

    fn quality(&self, from: usize, to: usize) -> Quality {
        let is_here = |layer: &&Layer| {
            let pairs = layer.pairs.as_ref();
            pairs.is_none_or(|pairs| pairs.contains(&(from, to)))
        };
        let here = self.layers.iter().filter(is_here);
        here.fold(self.base, |quality, layer| quality.with(&layer.change))
    }

    /// When a segment of so many bytes that is sent now arrives.
    pub fn arrival(
        &mut self,
        now: u64,
        (from, to): (usize, usize),
        bytes: usize,
        random: &mut Random,
    ) -> u64 {
        let quality = match self.layers.is_empty() {
            true => self.base,
            false => self.quality(from, to),
        };
        let chance = |permille: u16, random: &mut Random| permille > 0 && random.chance(permille);
        let mut takes = random.within(quality.latency_min.ns()..=quality.latency_max.ns());
        if chance(quality.loss_permille, random) {
            takes += RETRANSMIT_NS;
        }
        if chance(quality.reordering_permille, random) {
            takes *= 2;
        }
        if chance(quality.spike_permille, random) {
            takes += quality.spike.ns();
        }
        let is_twice = chance(quality.duplication_permille, random);
        let mut leaves = now;
        if quality.bandwidth > 0 {
            let bytes = (bytes as u64).saturating_mul(1 + u64::from(is_twice));
            let on_air = u128::from(bytes) * 1_000_000_000 / u128::from(quality.bandwidth);
            let busy = self.busy.entry((from, to)).or_default();
            *busy = now.max(*busy) + u64::try_from(on_air).unwrap_or(u64::MAX / 4);
            leaves = *busy;
        }
        leaves + takes + quality.delay.ns()
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
    /// Bytes that were sent and have not arrived.
    pub bytes: usize,
    /// What is sent vanishes.
    pub is_dead: bool,
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
    /// Its machine vanished; nobody closed it.
    pub is_abandoned: bool,
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
    use crate::span::Span;
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

    fn ways() -> (Ways, Random) {
        let base = crate::plan::Plan::quiet("q", 1, 3).network;
        let random = Seed::from_number(1).stream(Stream::Network);
        (Ways::new(3, base), random)
    }

    #[test]
    fn cuts_have_a_direction_and_nobody_is_cut_from_itself() {
        let (mut ways, mut random) = ways();
        ways.close(0, 1, Some(7));
        ways.close(2, 2, None);
        assert!(ways.is_cut(0, 1) && !ways.is_cut(1, 0) && !ways.is_cut(2, 2));
        ways.close(1, 0, Some(8));
        ways.close(0, 1, Some(8));
        ways.end(7);
        assert!(ways.is_cut(0, 1), "the later fault still holds it");
        ways.end(8);
        assert!(!ways.is_cut(0, 1) && !ways.is_cut(1, 0));
        let arrival = ways.arrival(5, (0, 1), 9, &mut random) - 5;
        assert!((200_000..=1_000_000).contains(&arrival));
    }

    #[test]
    fn changes_lie_on_top_of_each_other_and_end_alone() {
        let (mut ways, mut random) = ways();
        let latency = |ms| Change {
            latency: Some((Span::from_ms(ms), Span::from_ms(ms))),
            ..Change::default()
        };
        let pair = Some(BTreeSet::from([(0, 1)]));
        ways.change(None, pair.clone(), latency(10));
        ways.change(Some(1), None, latency(20));
        ways.change(Some(2), pair.clone(), latency(30));
        let mut takes = |ways: &mut Ways, pair| ways.arrival(0, pair, 1, &mut random) / 1_000_000;
        assert_eq!(
            (takes(&mut ways, (0, 1)), takes(&mut ways, (1, 0))),
            (30, 20)
        );
        ways.end(2);
        assert_eq!(takes(&mut ways, (0, 1)), 20);
        ways.calm(pair.as_ref());
        assert_eq!(
            (takes(&mut ways, (0, 1)), takes(&mut ways, (1, 0))),
            (10, 20)
        );
        ways.calm(None);
        assert_eq!(
            (takes(&mut ways, (0, 1)), takes(&mut ways, (1, 0))),
            (10, 0)
        );
    }

    #[test]
    fn a_bandwidth_is_shared_and_a_copy_takes_its_part() {
        let (mut ways, mut random) = ways();
        let change = Change {
            latency: Some((Span::ZERO, Span::ZERO)),
            bandwidth: Some(1_000),
            ..Change::default()
        };
        ways.change(Some(1), None, change);
        assert_eq!(ways.arrival(0, (0, 1), 500, &mut random), 500_000_000);
        assert_eq!(ways.arrival(0, (0, 1), 500, &mut random), 1_000_000_000);
        assert_eq!(ways.arrival(0, (1, 0), 500, &mut random), 500_000_000);
        let change = Change {
            duplication_permille: Some(1_000),
            ..Change::default()
        };
        ways.change(Some(2), None, change);
        assert_eq!(ways.arrival(0, (1, 0), 500, &mut random), 1_500_000_000);
    }
}
