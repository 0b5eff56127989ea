//! Stories of several machines over a small network with a fixed latency. The network also checks,
//! for every observer, that the facts about each node alternate, and that no machine works more
//! than a handful of times per message.

mod bounds;
mod healing;
mod probing;
mod rules;
mod stories;
mod views;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;

use super::*;
use crate::level::LevelRange;
use crate::seed::{Seed, Stream};

const SECOND: Duration = Duration::from_secs(1);
const LATENCY: Duration = Duration::from_millis(1);

fn lan() -> Config {
    Config {
        probe_interval: Duration::from_secs(1),
        probe_timeout: Duration::from_millis(500),
        indirect_relays: 3,
        gossip_fanout: 3,
        gossip_interval: Duration::from_millis(200),
        suspicion_permille: 550,
        suspicion_stretch: 6,
        lifeguard: Lifeguard::default(),
        retransmit_factor: 4,
        rejoin_interval: Duration::from_secs(1),
        rejoin_interval_max: Duration::from_secs(8),
        join_timeout: Duration::from_secs(10),
        leave_timeout: Duration::from_secs(5),
        tombstones_max: 4096,
    }
}

fn address(node: u64) -> SocketAddr {
    let port = 7000 + u16::try_from(node).unwrap();
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

fn machine(node: u64, boot: u64) -> Membership {
    let me = Me {
        node: NodeId(node),
        address: address(node),
        zone: None,
        is_witness: false,
        levels: LevelRange::FIRST,
    };
    let random = Seed::from_number(node)
        .part(boot)
        .stream(Stream::Membership);
    Membership::new(lan(), me, Incarnation::of_boot(boot), random)
}

fn update(node: u64, boot: u64, state: State) -> Update {
    Update {
        node: NodeId(node),
        incarnation: Incarnation::of_boot(boot),
        state,
        address: address(node),
        zone: None,
        is_witness: false,
        levels: LevelRange::FIRST,
        evidence: None,
    }
}

/// What it takes to be believed dead.
fn two_words() -> Evidence {
    Evidence {
        accuser: NodeId(3),
        witnesses: [NodeId(4)].to_vec(),
        health: 0,
    }
}

/// An update that is believed at once, a death too.
fn believed(node: u64, boot: u64, state: State) -> Update {
    Update {
        evidence: (state == State::Dead).then(two_words),
        ..update(node, boot, state)
    }
}

fn step(machine: &mut Membership, now: Time, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    machine.step(now, input, &mut out);
    out
}

fn received(from: u64, message: Message) -> Input {
    let from = NodeId(from);
    Input::Received { from, message }
}

fn gossip(from: u64, updates: Vec<Update>) -> Input {
    received(from, Message::Gossip(Gossip { updates }))
}

fn facts(out: &[Output]) -> Vec<Fact> {
    let fact = |output: &Output| match output {
        Output::Fact(fact) => Some(fact.clone()),
        Output::Send { .. }
        | Output::Dial { .. }
        | Output::Joined(_)
        | Output::View(_)
        | Output::Unfit { .. }
        | Output::LeaveDone
        | Output::Note(_) => None,
    };
    out.iter().filter_map(fact).collect()
}

/// A started machine 1 that knows the given nodes, all in their first life, and has nothing to
/// tell.
pub(super) fn knowing(others: &[u64]) -> Membership {
    let mut machine = machine(1, 1);
    step(&mut machine, Time(0), Input::Started);
    let updates = others.iter().map(|n| update(*n, 1, State::Alive)).collect();
    step(&mut machine, Time(0), gossip(others[0], updates));
    machine.queue.clear();
    step(&mut machine, Time(0), Input::Tick);
    machine
}

fn peer(node: u64, boot: u64) -> Peer {
    let node = NodeId(node);
    Peer { node, boot }
}

pub(super) fn sent(out: &[Output]) -> Vec<(u64, Message)> {
    let sent = |output: &Output| match output {
        Output::Send { to, message } => Some((to.0, message.clone())),
        Output::Fact(_)
        | Output::Dial { .. }
        | Output::Joined(_)
        | Output::View(_)
        | Output::Unfit { .. }
        | Output::LeaveDone
        | Output::Note(_) => None,
    };
    out.iter().filter_map(sent).collect()
}

fn fault(out: &[Output]) -> Option<PeerFault> {
    let fault = |output: &Output| match output {
        Output::Note(Notice::PeerFault { fault, .. }) => Some(*fault),
        Output::Note(
            Notice::Refuting { .. } | Notice::OnProbation { .. } | Notice::TurnedAway { .. },
        )
        | Output::Send { .. }
        | Output::Fact(_)
        | Output::Dial { .. }
        | Output::Joined(_)
        | Output::View(_)
        | Output::Unfit { .. }
        | Output::LeaveDone => None,
    };
    out.iter().find_map(fault)
}

/// Steps a machine at its own deadlines up to `until`; all it sends, with the moment.
fn play(machine: &mut Membership, until: Time) -> Vec<(Time, u64, Message)> {
    let mut all = Vec::new();
    while let Some(due) = machine.deadline().filter(|due| due.at <= until) {
        let out = step(machine, due.at, Input::Tick);
        all.extend(
            sent(&out)
                .into_iter()
                .map(|(to, message)| (due.at, to, message)),
        );
    }
    all
}

/// What an observer was last told of a node: the boot it believes live, and whether that is
/// suspected.
type Told = BTreeMap<(NodeId, NodeId), (u64, bool)>;

#[derive(Default)]
struct Net {
    now: Time,
    nodes: BTreeMap<NodeId, Membership>,
    events: BTreeMap<(Time, u64), (NodeId, Input)>,
    sequence: u64,
    links: BTreeSet<(NodeId, NodeId)>,
    /// Unordered pairs that cannot reach each other.
    blocked: BTreeSet<(NodeId, NodeId)>,
    /// Messages from the first to the second vanish although the connection stays.
    muted: BTreeSet<(NodeId, NodeId)>,
    /// While set, messages are lost, doubled and overtake each other.
    rough: Option<Random>,
    facts: Vec<(Time, NodeId, Fact)>,
    views: Vec<(Time, NodeId, View)>,
    answers: Vec<(Time, NodeId, Output)>,
    notes: Vec<(NodeId, Notice)>,
    dials: Vec<(Time, NodeId, SocketAddr)>,
    told: Told,
    steps: u64,
    messages: u64,
}

fn pair(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    (a.min(b), a.max(b))
}

impl Net {
    /// `count` nodes that joined through node 1 and had time to meet.
    fn joined(count: u64) -> Net {
        let mut net = Net::default();
        for node in 1..=count {
            net.start(node, 1, if node == 1 { &[] } else { &[1] });
        }
        net.run(Duration::from_secs(10));
        net.assert_all_alive(count);
        net
    }

    fn start(&mut self, node: u64, boot: u64, seeds: &[u64]) {
        self.nodes.insert(NodeId(node), machine(node, boot));
        self.told
            .retain(|(observer, _), _| *observer != NodeId(node));
        self.step(NodeId(node), Input::Started);
        let seeds = seeds.iter().map(|seed| address(*seed)).collect();
        self.step(NodeId(node), Input::Join { seeds });
    }

    fn crash(&mut self, node: u64) {
        let node = NodeId(node);
        self.nodes.remove(&node);
        self.events.retain(|_, (to, _)| *to != node);
        let broken: Vec<_> = self
            .links
            .iter()
            .filter(|(a, b)| *a == node || *b == node)
            .collect();
        for (a, b) in broken.into_iter().copied().collect::<Vec<_>>() {
            self.break_link(a, b);
        }
    }

    fn break_link(&mut self, a: NodeId, b: NodeId) {
        if self.links.remove(&pair(a, b)) {
            self.post(a, 1, Input::LinkDown { node: b });
            self.post(b, 1, Input::LinkDown { node: a });
        }
    }

    fn block(&mut self, left: &[u64], right: &[u64]) {
        for a in left.iter().copied().map(NodeId) {
            for b in right.iter().copied().map(NodeId) {
                self.blocked.insert(pair(a, b));
                self.break_link(a, b);
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let event = self.events.keys().next().map(|(at, _)| *at);
            let due = self
                .nodes
                .iter()
                .filter_map(|(id, n)| Some((n.deadline()?.at, *id)))
                .min();
            let at = event.into_iter().chain(due.map(|(at, _)| at)).min();
            let Some(at) = at.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            match (event, due) {
                (Some(event), _) if event <= at => {
                    let (_, (node, input)) = self.events.pop_first().unwrap();
                    if self.nodes.contains_key(&node) {
                        self.step(node, input);
                    }
                }
                (_, Some((_, node))) => self.step(node, Input::Tick),
                (_, None) => break,
            }
        }
        self.now = end;
        assert!(
            self.steps < 1000 + 60 * (self.messages + 10),
            "a timer storm"
        );
    }

    fn step(&mut self, node: NodeId, input: Input) {
        self.steps += 1;
        let now = self.now;
        let Some(machine) = self.nodes.get_mut(&node) else {
            return;
        };
        let out = step(machine, now, input);
        let due = machine
            .deadline()
            .is_some_and(|deadline| deadline.at <= now);
        assert!(!due, "{node} leaves work undone at {now}");
        for output in out {
            self.take(node, output);
        }
    }

    fn take(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Send { to, message } => self.send(node, to, message),
            Output::Dial { address: at } => {
                self.dials.push((self.now, node, at));
                let found = self.nodes.keys().copied().find(|id| address(id.0) == at);
                if !found.is_some_and(|other| self.connect(node, other)) {
                    self.post(node, 1, Input::DialFailed { address: at });
                }
            }
            Output::Fact(fact) => {
                check(&mut self.told, node, &fact);
                self.facts.push((self.now, node, fact));
            }
            Output::Joined(_) | Output::LeaveDone => self.answers.push((self.now, node, output)),
            Output::View(view) => self.views.push((self.now, node, view)),
            Output::Unfit { node, unfit } => panic!("no level is told: {node}, {unfit}"),
            Output::Note(note) => self.notes.push((node, note)),
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        self.messages += 1;
        let fresh = !self.links.contains(&pair(from, to));
        if self.connect(from, to) && !self.muted.contains(&(from, to)) {
            let input = Input::Received { from, message };
            let Some(random) = self.rough.as_mut() else {
                self.post(to, if fresh { 2 } else { 1 }, input);
                return;
            };
            let copies = [0, 2, 1, 1, 1, 1, 1, 1][random.index(8)];
            for _ in 0..copies {
                let latencies = self
                    .rough
                    .as_mut()
                    .map_or(2, |random| random.within(2..=150));
                self.post(to, u32::try_from(latencies).unwrap(), input.clone());
            }
        }
    }

    /// True when the two are connected or can be.
    fn connect(&mut self, from: NodeId, to: NodeId) -> bool {
        let blocked = self.blocked.contains(&pair(from, to));
        let (Some(dialer), Some(other)) = (self.nodes.get(&from), self.nodes.get(&to)) else {
            return false;
        };
        if blocked || from == to {
            return false;
        }
        let boots = (dialer.incarnation().boot(), other.incarnation().boot());
        if self.links.insert(pair(from, to)) {
            for (at, peer, boot, dialed) in [(from, to, boots.1, true), (to, from, boots.0, false)]
            {
                let address = address(peer.0);
                let peer = Peer { node: peer, boot };
                let up = Input::LinkUp {
                    peer,
                    address,
                    dialed,
                };
                self.post(at, 1, up);
            }
        }
        true
    }

    fn post(&mut self, to: NodeId, latencies: u32, input: Input) {
        self.sequence += 1;
        let at = self.now + LATENCY * latencies;
        self.events.insert((at, self.sequence), (to, input));
    }

    fn state(&self, observer: u64, node: u64) -> Option<State> {
        let member = self.nodes.get(&NodeId(observer))?.member(NodeId(node))?;
        Some(member.state)
    }

    fn assert_all_alive(&self, count: u64) {
        let all: Vec<NodeId> = (1..=count).map(NodeId).collect();
        for (observer, machine) in &self.nodes {
            let alive = machine.members().filter(|m| m.state == State::Alive);
            let alive: Vec<NodeId> = alive.map(|m| m.node).collect();
            assert_eq!(alive, all, "as {observer} sees it at {}", self.now);
        }
    }

    /// When and what `observer` was told about `node` since `since`.
    fn about(&self, observer: u64, node: u64, since: Time) -> Vec<(Time, Fact)> {
        let mine = self.facts.iter().filter(|(at, who, fact)| {
            *at >= since && *who == NodeId(observer) && subject(fact).node == NodeId(node)
        });
        mine.map(|(at, _, fact)| (*at, fact.clone())).collect()
    }
}

fn subject(fact: &Fact) -> Peer {
    match fact {
        Fact::Joined(member) => member.peer(),
        Fact::Suspected { peer, .. }
        | Fact::Refuted { peer }
        | Fact::Died { peer, .. }
        | Fact::Left { peer }
        | Fact::Moved { peer, .. } => *peer,
    }
}

/// Facts alternate: nothing but `Joined` about a node that is not live, nothing about another life
/// than the live one.
fn check(told: &mut Told, observer: NodeId, fact: &Fact) {
    let peer = subject(fact);
    let key = (observer, peer.node);
    let live = told.get(&key).copied();
    let expected = |suspected| assert_eq!(live, Some((peer.boot, suspected)), "{fact:?}");
    match fact {
        Fact::Joined(member) => {
            assert_eq!(live, None, "{observer}: {fact:?}");
            assert_eq!(member.state, State::Alive);
            told.insert(key, (peer.boot, false));
        }
        Fact::Suspected { .. } => {
            expected(false);
            told.insert(key, (peer.boot, true));
        }
        Fact::Refuted { .. } => {
            expected(true);
            told.insert(key, (peer.boot, false));
        }
        Fact::Died { .. } | Fact::Left { .. } => {
            assert_eq!(live.map(|it| it.0), Some(peer.boot), "{observer}: {fact:?}");
            told.remove(&key);
        }
        Fact::Moved { .. } => assert!(live.is_some(), "{observer}: {fact:?}"),
    }
}
