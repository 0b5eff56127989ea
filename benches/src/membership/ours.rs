//! Our machine on the network: its own frames, driven by its own deadline.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use quorate_core::id::{ClusterId, Incarnation, NodeId, Peer};
use quorate_core::level::LevelRange;
use quorate_core::membership::{
    self, Fact, Input, Lifeguard, Me, Membership, Message, Output, Ping, State, UPDATES_MAX,
    Update, Welcome,
};
use quorate_core::node::Config;
use quorate_core::seed::{Seed, Stream};
use quorate_core::time::Time;
use quorate_core::wire;

use super::machine::{Detector, Event, Machine, Node, Out, Setup};

/// The header of a frame: its type, its class, its length.
const HEADER_BYTES: usize = 16;

/// One node.
pub struct Ours {
    machine: Membership,
    live: usize,
    /// The earliest tick that is on its way.
    tick_at: Option<Time>,
    outputs: Vec<Output>,
}

fn node_id(node: Node) -> NodeId {
    NodeId(node as u64 + 1)
}

fn number(node: NodeId) -> Node {
    node.0 as Node - 1
}

fn address(node: Node) -> SocketAddr {
    let ip = Ipv4Addr::from(0x0a00_0000 + u32::try_from(node).expect("a small number"));
    SocketAddr::from((ip, 7000))
}

fn node_at(address: SocketAddr) -> Node {
    match address {
        SocketAddr::V4(address) => (address.ip().to_bits() - 0x0a00_0000) as Node,
        SocketAddr::V6(_) => unreachable!("all addresses are made here"),
    }
}

fn config(detector: Detector) -> membership::Config {
    let cluster = ClusterId::new("bench").expect("a name");
    let mut config = Config::lan(cluster, NodeId(1), address(0)).membership;
    if let Detector::Paper {
        health,
        dogpile,
        buddy,
        nacks,
    } = detector
    {
        // Lifeguard §V: α = 5, β = 6, S = 8.
        config.suspicion_permille = 5000;
        config.suspicion_stretch = 6;
        config.lifeguard = Lifeguard {
            health_max: if health { 8 } else { 0 },
            dogpile,
            buddy,
            nacks,
        };
    }
    config
}

impl Ours {
    fn step(&mut self, now: Time, input: Input, out: &mut Out<()>) {
        let mut outputs = std::mem::take(&mut self.outputs);
        self.machine.step(now, input, &mut outputs);
        for output in outputs.drain(..) {
            self.take(output, out);
        }
        self.outputs = outputs;
        let Some(due) = self.machine.deadline() else {
            return;
        };
        if self.tick_at.is_none_or(|at| due.at < at) {
            self.tick_at = Some(due.at);
            out.timers.push((due.at, ()));
        }
    }

    fn take(&mut self, output: Output, out: &mut Out<()>) {
        match output {
            Output::Send { to, message } => {
                out.sends.push((number(to), frame(message)));
            }
            Output::Dial { address } => out.dials.push(node_at(address)),
            Output::Fact(fact) => self.announce(&fact, out),
            Output::View(_) => out.events.push(Event::View),
            Output::Joined(_) | Output::Unfit { .. } | Output::LeaveDone | Output::Note(_) => {}
        }
    }

    fn announce(&mut self, fact: &Fact, out: &mut Out<()>) {
        let event = match fact {
            Fact::Joined(member) => {
                self.live += 1;
                Event::Joined(number(member.node))
            }
            Fact::Died { peer, .. } => {
                self.live -= 1;
                Event::Died(number(peer.node))
            }
            Fact::Left { .. } => {
                self.live -= 1;
                return;
            }
            Fact::Suspected { peer, .. } => Event::Suspected(number(peer.node)),
            Fact::Refuted { .. } | Fact::Moved { .. } => return,
        };
        out.events.push(event);
    }
}

impl Machine for Ours {
    type Timer = ();

    const NAME: &'static str = "quorate";

    fn new(node: Node, setup: &Setup) -> Ours {
        let me = Me {
            node: node_id(node),
            address: address(node),
            zone: None,
            is_witness: false,
            levels: LevelRange::FIRST,
        };
        let random = Seed::from_number(setup.seed)
            .part(node as u64)
            .stream(Stream::Membership);
        let config = config(setup.detector);
        let machine = Membership::new(config, me, Incarnation::of_boot(1), random);
        Ours {
            machine,
            live: 1,
            tick_at: None,
            outputs: Vec::new(),
        }
    }

    fn start(&mut self, now: Time, seed: Option<Node>, out: &mut Out<()>) {
        self.step(now, Input::Started, out);
        let seeds = seed.into_iter().map(address).collect();
        self.step(now, Input::Join { seeds }, out);
    }

    /// As a newcomer is told by its seed.
    fn preload(&mut self, now: Time, size: usize, out: &mut Out<()>) {
        self.step(now, Input::Started, out);
        let me = number(self.machine.members().next().expect("itself").node);
        let teller = usize::from(me == 0);
        self.link_up(now, teller, true, out);
        let updates: Vec<Update> = (0..size).map(alive).collect();
        for page in updates.chunks(UPDATES_MAX) {
            let (updates, more) = (page.to_vec(), true);
            let message = Message::Welcome(Welcome { updates, more });
            let from = node_id(teller);
            self.step(now, Input::Received { from, message }, out);
        }
        out.sends.clear();
        out.events.clear();
    }

    fn receive(&mut self, now: Time, from: Node, packet: &[u8], out: &mut Out<()>) {
        let from = node_id(from);
        let decoded = wire::Message::decode(packet[0], &packet[HEADER_BYTES..]);
        let Ok(wire::Message::Membership(message)) = decoded else {
            unreachable!("the network damages nothing");
        };
        self.step(now, Input::Received { from, message }, out);
    }

    fn fire(&mut self, now: Time, (): (), out: &mut Out<()>) {
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick_at = None;
        }
        self.step(now, Input::Tick, out);
    }

    fn link_up(&mut self, now: Time, other: Node, dialed: bool, out: &mut Out<()>) {
        let peer = Peer {
            node: node_id(other),
            boot: 1,
        };
        let address = address(other);
        let up = Input::LinkUp {
            peer,
            address,
            dialed,
        };
        self.step(now, up, out);
    }

    fn dial_failed(&mut self, now: Time, other: Node, out: &mut Out<()>) {
        let address = address(other);
        self.step(now, Input::DialFailed { address }, out);
    }

    fn live(&self) -> usize {
        self.live
    }
}

/// One node whose peers are not simulated: each ping is answered as a peer with the same table
/// would, and a ping arrives about every second. In a simulation of N nodes the N tables push each
/// other out of the caches, which no process in production does.
pub struct Alone {
    node: Ours,
    twin: Ours,
    size: usize,
    now: Time,
    /// Time spent in the node.
    pub spent: Duration,
}

impl Alone {
    /// In a cluster of that size.
    pub fn new(setup: &Setup) -> Alone {
        let build = |node| {
            let mut machine = Ours::new(node, setup);
            machine.preload(Time::ZERO, setup.size, &mut Out::default());
            machine
        };
        Alone {
            node: build(0),
            twin: build(1),
            size: setup.size,
            now: Time::ZERO,
            spent: Duration::ZERO,
        }
    }

    /// Lives for a span.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut visit = self.now;
        let mut visitor = 1;
        while let Some(due) = self
            .node
            .machine
            .deadline()
            .filter(|due| due.at.min(visit) <= end)
        {
            if visit < due.at {
                self.now = visit;
                visit = visit + Duration::from_secs(1);
                visitor = visitor % (self.size - 1) + 1;
                let (probe, updates) = (visit.0, Vec::new());
                let ping = frame(Message::Ping(Ping { probe, updates }));
                drop(self.receive(visitor, &ping));
                continue;
            }
            self.now = due.at;
            let mut out = Out::default();
            let began = Instant::now();
            self.node.fire(due.at, (), &mut out);
            self.spent += began.elapsed();
            for (to, packet) in out.sends {
                if let Some(answer) = self.answer(to, &packet) {
                    self.now = self.now + Duration::from_micros(600);
                    self.receive(to, &answer);
                }
            }
        }
    }

    fn receive(&mut self, from: Node, packet: &[u8]) -> Out<()> {
        let mut out = Out::default();
        let began = Instant::now();
        self.node.receive(self.now, from, packet, &mut out);
        self.spent += began.elapsed();
        out
    }

    /// What a peer would say to a ping.
    fn answer(&mut self, peer: Node, packet: &[u8]) -> Option<Rc<[u8]>> {
        let mut out = Out::default();
        self.twin.receive(self.now, 0, packet, &mut out);
        let (_, answer) = out.sends.into_iter().next()?;
        let decoded = wire::Message::decode(answer[0], &answer[HEADER_BYTES..]);
        let Ok(wire::Message::Membership(Message::Ack(mut ack))) = decoded else {
            return None;
        };
        ack.alive = node_id(peer);
        Some(frame(Message::Ack(ack)))
    }
}

fn frame(message: Message) -> Rc<[u8]> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[0] = wire::Message::Membership(message).encode(&mut bytes);
    Rc::from(bytes)
}

fn alive(node: Node) -> Update {
    Update {
        node: node_id(node),
        incarnation: Incarnation::of_boot(1),
        state: State::Alive,
        address: address(node),
        zone: None,
        is_witness: false,
        levels: LevelRange::FIRST,
        evidence: None,
    }
}
