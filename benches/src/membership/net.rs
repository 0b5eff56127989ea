//! The network of all contenders: a seeded event loop over machines, with latency, loss, deaf and
//! slow nodes, crashes and cuts.
//!
//! Each packet takes 0.2 to 1.0 ms, may overtake others, and is lost with a given chance, whatever
//! it carries. A dial takes two round trips (TCP, TLS 1.3) and fails only when the path is cut: the
//! kernel repeats what is lost. A machine that opens no connections is not asked to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;

use super::machine::{Event, Machine, Node, Out, Setup};

const LATENCY_MIN: Duration = Duration::from_micros(200);
const LATENCY_MAX: Duration = Duration::from_micros(1000);
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

enum Happening<T> {
    Packet { from: Node, bytes: Rc<[u8]> },
    Timer(T),
    LinkUp { other: Node, dialed: bool },
    DialFailed { other: Node },
}

struct Entry<T> {
    at: Time,
    sequence: u64,
    node: Node,
    what: Happening<T>,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    crashed: bool,
    /// Receives nothing.
    deaf: bool,
    /// Until then its packets in both directions wait.
    blocked_until: Time,
}

/// What was sent, and what machines announced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Packets sent.
    pub packets: u64,
    /// Bytes in them, without the headers of the network below.
    pub bytes: u64,
    /// Connections opened.
    pub dials: u64,
}

/// Machines on a network.
pub struct Net<M: Machine> {
    /// The moment.
    pub now: Time,
    /// What was sent so far.
    pub traffic: Traffic,
    /// What the machines announced: when, who, what.
    pub events: Vec<(Time, Node, Event)>,
    machines: Vec<M>,
    conditions: Vec<Condition>,
    queue: BinaryHeap<Reverse<Entry<M::Timer>>>,
    sequence: u64,
    random: Random,
    loss_permille: u16,
    /// True when packets from the first to the second vanish.
    cut: Option<fn(Node, Node) -> bool>,
    /// Machines that know everybody.
    complete: usize,
    out: Out<M::Timer>,
}

impl<M: Machine> Net<M> {
    /// `setup.size` machines that have not started.
    pub fn new(setup: &Setup) -> Net<M> {
        Net {
            now: Time::ZERO,
            traffic: Traffic::default(),
            events: Vec::new(),
            machines: (0..setup.size).map(|node| M::new(node, setup)).collect(),
            conditions: vec![Condition::default(); setup.size],
            queue: BinaryHeap::new(),
            sequence: 0,
            random: Seed::from_number(setup.seed).stream(Stream::Network),
            loss_permille: 0,
            cut: None,
            complete: 0,
            out: Out::default(),
        }
    }

    /// A cluster in which everyone knows everyone, as if it had run for a while.
    pub fn settled(setup: &Setup) -> Net<M> {
        let mut net = Net::new(setup);
        for node in 0..setup.size {
            net.preload(node, setup.size);
        }
        net.run(Duration::from_secs(20));
        net.events.clear();
        net
    }

    /// Tells a node of the first `size` members without a network.
    pub fn preload(&mut self, node: Node, size: usize) {
        self.with(node, |machine: &mut M, now, out| {
            machine.preload(now, size, out)
        });
    }

    /// How many nodes there are.
    pub fn size(&self) -> usize {
        self.machines.len()
    }

    /// Starts one node.
    pub fn start(&mut self, node: Node, seed: Option<Node>) {
        self.with(node, |machine: &mut M, now, out| {
            machine.start(now, seed, out)
        });
    }

    /// The node stops without a word.
    pub fn crash(&mut self, node: Node) {
        self.conditions[node].crashed = true;
    }

    /// Whether the node receives nothing.
    pub fn set_deaf(&mut self, node: Node, deaf: bool) {
        self.conditions[node].deaf = deaf;
    }

    /// The node's packets in both directions wait; its timers do not.
    pub fn block(&mut self, node: Node, span: Duration) {
        self.conditions[node].blocked_until = self.now + span;
    }

    /// The chance that a packet is lost.
    pub fn set_loss(&mut self, permille: u16) {
        self.loss_permille = permille;
    }

    /// Which packets vanish.
    pub fn set_cut(&mut self, cut: Option<fn(Node, Node) -> bool>) {
        self.cut = cut;
    }

    /// True when every machine that runs knows as many live members as there are.
    pub fn is_complete(&self) -> bool {
        self.complete == self.size()
    }

    /// Runs for a span.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.run_until(end, |_| false);
    }

    /// Runs until everyone knows everyone; the time it took, if it came to that.
    pub fn run_until_complete(&mut self, limit: Duration) -> Option<Duration> {
        let start = self.now;
        self.run_until(start + limit, Net::is_complete);
        self.is_complete().then(|| self.now.since(start))
    }

    /// Runs until `done`, at most until `end`.
    pub fn run_until(&mut self, end: Time, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let due = self
                .queue
                .peek()
                .is_some_and(|Reverse(next)| next.at <= end);
            let Some(Reverse(entry)) = due.then(|| self.queue.pop()).flatten() else {
                self.now = end;
                return;
            };
            self.now = self.now.max(entry.at);
            self.happen(entry);
        }
    }

    fn happen(&mut self, entry: Entry<M::Timer>) {
        let node = entry.node;
        let condition = self.conditions[node];
        if condition.crashed {
            return;
        }
        let is_outside = !matches!(entry.what, Happening::Timer(_));
        if is_outside && condition.blocked_until > self.now {
            self.post(condition.blocked_until, node, entry.what);
            return;
        }
        match entry.what {
            Happening::Packet { .. } if condition.deaf => {}
            Happening::Packet { from, bytes } => {
                self.with(node, |machine: &mut M, now, out| {
                    machine.receive(now, from, &bytes, out)
                });
            }
            Happening::Timer(timer) => {
                self.with(node, |machine: &mut M, now, out| {
                    machine.fire(now, timer, out)
                });
            }
            Happening::LinkUp { other, dialed } => {
                self.with(node, |machine: &mut M, now, out| {
                    machine.link_up(now, other, dialed, out)
                });
            }
            Happening::DialFailed { other } => {
                self.with(node, |machine: &mut M, now, out| {
                    machine.dial_failed(now, other, out)
                });
            }
        }
    }

    fn with(&mut self, node: Node, act: impl FnOnce(&mut M, Time, &mut Out<M::Timer>)) {
        let mut out = std::mem::take(&mut self.out);
        let machine = &mut self.machines[node];
        let size = self.conditions.len();
        let before = machine.live() == size;
        act(machine, self.now, &mut out);
        let after = machine.live() == size;
        self.complete = self.complete + usize::from(after) - usize::from(before);
        for (at, timer) in out.timers.drain(..) {
            self.post(at, node, Happening::Timer(timer));
        }
        for (to, bytes) in out.sends.drain(..) {
            self.send(node, to, bytes);
        }
        for other in out.dials.drain(..) {
            self.dial(node, other);
        }
        for event in out.events.drain(..) {
            self.events.push((self.now, node, event));
        }
        self.out = out;
    }

    fn send(&mut self, from: Node, to: Node, bytes: Rc<[u8]>) {
        self.traffic.packets += 1;
        self.traffic.bytes += bytes.len() as u64;
        let lost = self.random.chance(self.loss_permille);
        let departs = self.now.max(self.conditions[from].blocked_until);
        let at = departs + self.random.span(LATENCY_MIN, LATENCY_MAX);
        if lost || self.is_cut(from, to) || to >= self.machines.len() {
            return;
        }
        self.post(at, to, Happening::Packet { from, bytes });
    }

    fn dial(&mut self, from: Node, to: Node) {
        self.traffic.dials += 1;
        let cut = self.is_cut(from, to) || self.is_cut(to, from);
        let reachable = to < self.machines.len() && !cut && !self.conditions[to].crashed;
        if !reachable || self.conditions[from].deaf || self.conditions[to].deaf {
            self.post(
                self.now + DIAL_TIMEOUT,
                from,
                Happening::DialFailed { other: to },
            );
            return;
        }
        let trips = self.random.span(LATENCY_MIN * 4, LATENCY_MAX * 4);
        let (there, here) = (false, true);
        self.post(
            self.now + trips,
            from,
            Happening::LinkUp {
                other: to,
                dialed: here,
            },
        );
        self.post(
            self.now + trips,
            to,
            Happening::LinkUp {
                other: from,
                dialed: there,
            },
        );
    }

    fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cut.is_some_and(|cut| cut(from, to))
    }

    fn post(&mut self, at: Time, node: Node, what: Happening<M::Timer>) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.queue.push(Reverse(Entry {
            at,
            sequence,
            node,
            what,
        }));
    }
}
