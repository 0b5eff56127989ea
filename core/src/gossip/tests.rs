//! The machine as a whole: a few of them, a queue of messages between them, and stories. The merge
//! is held against a naive twin in `lattice`.

mod bounds;
mod exchange;
mod lattice;
mod lives;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::seed::{Seed, Stream};
use crate::wire::codec;

fn config() -> Config {
    Config {
        digest_interval: Duration::from_secs(5),
        news_interval: Duration::from_millis(200),
        news_fanout: 3,
        departed_retention: Duration::from_secs(60),
    }
}

fn peer(node: u64, boot: u64) -> Peer {
    let node = NodeId(node);
    Peer { node, boot }
}

fn value(text: &str) -> Payload {
    Payload::copy_from(text.as_bytes())
}

fn machine(me: Peer) -> Gossip {
    let seed = Seed::from_number(me.node.0).part(me.boot);
    Gossip::new(config(), me, seed.stream(Stream::Gossip))
}

/// Bytes of a message on the wire, without its frame.
fn length(message: &Message) -> usize {
    let mut bytes = Vec::new();
    match message {
        Message::Digest(message) => codec::encode(message, &mut bytes),
        Message::Branches(message) => codec::encode(message, &mut bytes),
        Message::Holdings(message) => codec::encode(message, &mut bytes),
        Message::Wants(message) => codec::encode(message, &mut bytes),
        Message::Delta(message) => codec::encode(message, &mut bytes),
        Message::News(message) => codec::encode(message, &mut bytes),
    }
    bytes.len()
}

/// Machines that hear each other at once, unless cut.
#[derive(Default)]
struct World {
    now: Time,
    nodes: BTreeMap<NodeId, Gossip>,
    queue: VecDeque<(NodeId, NodeId, Message)>,
    facts: Vec<(NodeId, Fact)>,
    faults: Vec<(NodeId, NodeId, PeerFault)>,
    cut: Vec<(NodeId, NodeId)>,
    /// Messages and bytes so far.
    sent: (u64, usize),
}

impl World {
    fn of(count: u64) -> World {
        let mut world = World::default();
        let peers: Vec<Peer> = (1..=count).map(|node| peer(node, 1)).collect();
        for me in &peers {
            world.nodes.insert(me.node, machine(*me));
            world.input(me.node, Input::Started);
            peers
                .iter()
                .for_each(|other| world.input(me.node, Input::Joined(*other)));
        }
        world
    }

    fn input(&mut self, node: NodeId, input: Input) {
        let mut out = Vec::new();
        let machine = self.nodes.get_mut(&node).unwrap();
        machine.step(self.now, input, &mut out);
        self.take(node, out);
    }

    fn everyone(&mut self, input: &Input) {
        let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
        nodes
            .into_iter()
            .for_each(|node| self.input(node, input.clone()));
    }

    fn take(&mut self, node: NodeId, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send { to, message } => {
                    self.sent = (self.sent.0 + 1, self.sent.1 + length(&message));
                    self.queue.push_back((node, to, message));
                }
                Output::Fact(fact) => self.facts.push((node, fact)),
                Output::PeerFault { from, fault } => self.faults.push((node, from, fault)),
            }
        }
    }

    fn set(&mut self, node: u64, key: &str, text: &str) -> Result<u64, StateRefused> {
        let (mut out, now) = (Vec::new(), self.now);
        let machine = self.nodes.get_mut(&NodeId(node)).unwrap();
        let set = machine.set(now, key.into(), value(text), &mut out);
        self.take(NodeId(node), out);
        set
    }

    fn delete(&mut self, node: u64, key: &str) -> Result<bool, StateRefused> {
        let (mut out, now) = (Vec::new(), self.now);
        let machine = self.nodes.get_mut(&NodeId(node)).unwrap();
        let deleted = machine.delete(now, key, &mut out);
        self.take(NodeId(node), out);
        deleted
    }

    fn settle(&mut self) {
        while let Some((from, to, message)) = self.queue.pop_front() {
            let is_cut = self.cut.contains(&(from, to)) || self.cut.contains(&(to, from));
            if !is_cut && self.nodes.contains_key(&to) {
                self.input(to, Input::Received { from, message });
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.settle();
        loop {
            let deadlines = self.nodes.values().filter_map(Gossip::deadline);
            let Some(next) = deadlines.map(|d| d.at).min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.everyone(&Input::Tick);
            self.settle();
        }
        self.now = end;
    }

    fn read(&self, at: u64, of: u64, key: &str) -> Option<String> {
        let machine = self.nodes.get(&NodeId(at))?;
        let mut entries = machine.entries(Some(NodeId(of)), key);
        let entry = entries.find(|entry| entry.key == key)?;
        Some(String::from_utf8(entry.value.to_vec()).unwrap())
    }

    fn agree(&self) -> bool {
        let mut digests = self.nodes.values().map(Gossip::digest);
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }
}

const ROUND: Duration = Duration::from_millis(7_500);
