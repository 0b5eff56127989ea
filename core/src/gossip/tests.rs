//! The machine as a whole: a few of them, a queue of messages between them, and stories. The merge
//! is held against a naive twin in `lattice`.

mod lattice;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
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

#[test]
fn a_write_is_read_everywhere_and_news_needs_no_digest() {
    let mut world = World::of(20);
    world.run(ROUND);
    assert_eq!(world.set(3, "load", "high"), Ok(1));
    assert_eq!(
        world.set(3, "load", "high"),
        Ok(1),
        "nothing new is written"
    );
    world.run(Duration::from_secs(2));
    for node in 1..=20 {
        assert_eq!(
            world.read(node, 3, "load"),
            Some("high".into()),
            "at {node}"
        );
    }
    assert_eq!(world.delete(3, "load"), Ok(true));
    assert_eq!(world.delete(3, "load"), Ok(false));
    world.run(Duration::from_secs(2));
    assert!((1..=20).all(|node| world.read(node, 3, "load").is_none()));
    assert!(world.agree());
    let at_7 = world.facts.iter().filter(|(node, _)| *node == NodeId(7));
    let seen: Vec<(u64, bool)> = at_7
        .map(|(_, fact)| match fact {
            Fact::Changed { version, value, .. } => (*version, value.is_some()),
            Fact::Forgotten { .. } => panic!("nobody left"),
        })
        .collect();
    assert_eq!(seen, [(1, true), (2, false)]);
}

/// One word each way says that nothing differs, however much is stored.
#[test]
fn an_idle_exchange_is_one_small_message() {
    for count in [4, 64] {
        let mut world = World::of(count);
        for node in 1..=count {
            (0..10).for_each(|key| drop(world.set(node, &format!("key-{key}"), "some value")));
        }
        world.run(Duration::from_secs(60));
        assert!(world.agree());
        let before: u64 = world
            .nodes
            .values()
            .map(|node| node.stats().digests_sent)
            .sum();
        world.sent = (0, 0);
        world.run(Duration::from_secs(100));
        let after: u64 = world
            .nodes
            .values()
            .map(|node| node.stats().digests_sent)
            .sum();
        assert!(after - before >= count * 10, "{} exchanges", after - before);
        assert_eq!(world.sent, (after - before, (after - before) as usize * 8));
    }
}

/// One difference among many owners is found in a few small messages.
#[test]
fn a_difference_costs_what_differs() {
    let mut world = World::of(2);
    for other in 3..=1_000 {
        let change = Change {
            owner: peer(other, 1),
            floor: 0,
            entries: vec![Entry {
                key: "zone".into(),
                version: 1,
                value: Some(value("eu-1")),
            }],
        };
        for node in [1, 2] {
            world.input(NodeId(node), Input::Joined(peer(other, 1)));
            let news = News {
                changes: vec![change.clone()],
            };
            let (from, message) = (NodeId(other), Message::News(news));
            world.input(NodeId(node), Input::Received { from, message });
        }
    }
    world.queue.clear();
    assert!(world.agree());
    let newer = Change {
        owner: peer(500, 1),
        floor: 0,
        entries: vec![Entry {
            key: "zone".into(),
            version: 2,
            value: Some(value("eu-2")),
        }],
    };
    let message = Message::Delta(Delta {
        changes: vec![newer],
        more: false,
    });
    world.input(
        NodeId(1),
        Input::Received {
            from: NodeId(500),
            message,
        },
    );
    world.queue.clear();
    world.sent = (0, 0);
    let root = world.nodes[&NodeId(1)].digest();
    let message = Message::Digest(Digest { root });
    world.input(
        NodeId(2),
        Input::Received {
            from: NodeId(1),
            message,
        },
    );
    world.settle();
    assert!(world.agree());
    let (messages, bytes) = world.sent;
    assert!(
        messages <= 7 && bytes <= 800,
        "{messages} messages, {bytes} bytes"
    );
}

#[test]
fn a_newcomer_catches_up_within_a_period_whatever_is_stored() {
    let mut world = World::of(30);
    let long = "x".repeat(1_000);
    for node in 1..=30 {
        (0..12).for_each(|key| drop(world.set(node, &format!("key-{key}"), &long)));
    }
    world.run(Duration::from_secs(60));
    world.nodes.insert(NodeId(31), machine(peer(31, 1)));
    world.input(NodeId(31), Input::Started);
    (1..=30).for_each(|node| world.input(NodeId(31), Input::Joined(peer(node, 1))));
    world.everyone(&Input::Joined(peer(31, 1)));
    world.run(Duration::from_secs(3));
    assert!(world.agree());
    assert_eq!(world.nodes[&NodeId(31)].entries(None, "").count(), 360);
}

#[test]
fn halves_that_were_apart_agree_within_a_few_rounds() {
    let mut world = World::of(10);
    (1..=10).for_each(|node| drop(world.set(node, "k", "old")));
    world.run(ROUND);
    let across = |world: &mut World, apart: bool| {
        for (a, b) in (1..=5).flat_map(|a| (6..=10).map(move |b| (a, b))) {
            let input = |node| {
                if apart {
                    Input::Gone(peer(node, 1))
                } else {
                    Input::Joined(peer(node, 1))
                }
            };
            world.input(NodeId(a), input(b));
            world.input(NodeId(b), input(a));
            world.cut.push((NodeId(a), NodeId(b)));
        }
    };
    across(&mut world, true);
    world.set(2, "k", "new").unwrap();
    world.delete(7, "k").unwrap();
    world.run(Duration::from_secs(30));
    assert_eq!(
        world.read(9, 2, "k"),
        Some("old".into()),
        "still to be read"
    );
    world.run(Duration::from_secs(60));
    assert_eq!(world.read(9, 2, "k"), None, "forgotten");
    world.cut.clear();
    across(&mut world, false);
    world.cut.clear();
    world.run(ROUND * 3);
    assert!(world.agree());
    assert_eq!(world.read(9, 2, "k"), Some("new".into()));
    assert_eq!(world.read(1, 7, "k"), None);
}

#[test]
fn a_new_life_begins_with_nothing() {
    let mut world = World::of(5);
    world.set(2, "k", "first life").unwrap();
    world.run(ROUND);
    world.nodes.insert(NodeId(2), machine(peer(2, 2)));
    world.input(NodeId(2), Input::Started);
    for node in [1, 3, 4, 5] {
        world.input(NodeId(2), Input::Joined(peer(node, 1)));
        world.input(NodeId(node), Input::Gone(peer(2, 1)));
        world.input(NodeId(node), Input::Joined(peer(2, 2)));
        assert_eq!(world.read(node, 2, "k"), None);
    }
    let owner = peer(2, 1);
    assert!(
        world
            .facts
            .contains(&(NodeId(4), Fact::Forgotten { owner }))
    );
    // What someone still tells of the first life is not taken.
    let old = Change {
        owner,
        floor: 0,
        entries: vec![Entry {
            key: "k".into(),
            version: 9,
            value: None,
        }],
    };
    let message = Message::News(News { changes: vec![old] });
    world.input(
        NodeId(1),
        Input::Received {
            from: NodeId(3),
            message,
        },
    );
    assert_eq!(world.nodes[&NodeId(1)].stats().entries_untimely, 1);
    assert_eq!(world.set(2, "k", "second life"), Ok(1));
    world.run(ROUND);
    assert_eq!(world.read(5, 2, "k"), Some("second life".into()));
    assert!(world.agree());
}

#[test]
fn the_departed_are_forgotten_in_time_and_not_told_of() {
    let mut world = World::of(3);
    world.set(3, "k", "v").unwrap();
    world.run(ROUND);
    world.nodes.remove(&NodeId(3));
    world.everyone(&Input::Gone(peer(3, 1)));
    let machine = &world.nodes[&NodeId(1)];
    assert_eq!(machine.digest(), 0, "the dead are not compared");
    let entry = machine.entries(Some(NodeId(3)), "").next().unwrap();
    assert!(!entry.is_live);
    world.run(Duration::from_secs(59));
    assert!(world.read(1, 3, "k").is_some());
    world.run(Duration::from_secs(2));
    assert!(world.read(1, 3, "k").is_none());
    assert_eq!(world.nodes[&NodeId(1)].bytes(), 0);
    let owner = peer(3, 1);
    assert!(
        world
            .facts
            .contains(&(NodeId(1), Fact::Forgotten { owner }))
    );
}

#[test]
fn a_member_that_returns_in_time_has_lost_nothing() {
    let mut world = World::of(3);
    world.set(3, "k", "v").unwrap();
    world.run(ROUND);
    let digest = world.nodes[&NodeId(1)].digest();
    world.input(NodeId(1), Input::Gone(peer(3, 1)));
    world.input(NodeId(1), Input::Joined(peer(3, 1)));
    assert_eq!(world.nodes[&NodeId(1)].digest(), digest);
    assert!(
        !world
            .facts
            .iter()
            .any(|(_, fact)| matches!(fact, Fact::Forgotten { .. }))
    );
}

#[test]
fn many_deletions_end_in_a_reset_that_brings_nothing_back() {
    let mut world = World::of(4);
    world.set(1, "stays", "here").unwrap();
    world.cut = vec![
        (NodeId(1), NodeId(4)),
        (NodeId(2), NodeId(4)),
        (NodeId(3), NodeId(4)),
    ];
    // Node 4 hears nothing for a while, and keeps the first of the keys that are deleted.
    world.cut.clear();
    world.set(1, "key-0", "v").unwrap();
    world.run(ROUND);
    assert!(world.read(4, 1, "key-0").is_some());
    world.cut = vec![
        (NodeId(1), NodeId(4)),
        (NodeId(2), NodeId(4)),
        (NodeId(3), NodeId(4)),
    ];
    for key in 0..=TOMBSTONES_MAX {
        world.set(1, &format!("key-{key}"), "v").unwrap();
        world.delete(1, &format!("key-{key}")).unwrap();
    }
    assert_eq!(world.nodes[&NodeId(1)].stats().resets, 1);
    world.run(ROUND);
    world.cut.clear();
    world.run(ROUND * 2);
    assert!(world.agree());
    for node in 1..=4 {
        let left: Vec<String> = world.nodes[&NodeId(node)]
            .entries(None, "")
            .map(|entry| entry.key)
            .collect();
        assert_eq!(left, ["stays"], "at {node}");
    }
}

#[test]
fn the_bounds_hold_at_write_time_and_a_refusal_changes_nothing() {
    let mut world = World::of(1);
    let digest = world.nodes[&NodeId(1)].digest();
    for key in ["", "a\nb", &"k".repeat(KEY_BYTES_MAX + 1)] {
        assert_eq!(world.set(1, key, "v"), Err(StateRefused::Key));
    }
    assert_eq!(
        world.set(1, "quorate/unheard", "v"),
        Err(StateRefused::Reserved)
    );
    assert_eq!(
        world.delete(1, "quorate/unheard"),
        Err(StateRefused::Reserved)
    );
    let long = "v".repeat(VALUE_BYTES_MAX + 1);
    let refused = StateRefused::Value { len: long.len() };
    assert_eq!(world.set(1, "k", &long), Err(refused));
    assert_eq!(world.nodes[&NodeId(1)].digest(), digest);
    for key in 0..NODE_KEYS_MAX {
        world.set(1, &format!("k{key}"), "v").unwrap();
    }
    assert_eq!(world.set(1, "one-more", "v"), Err(StateRefused::NodeKeys));
    assert!(
        world.set(1, "k0", "another").is_ok(),
        "a key that is there may change"
    );
    let long = "v".repeat(VALUE_BYTES_MAX);
    let refused = (1..=4)
        .map(|key| world.set(1, &format!("k{key}"), &long))
        .find_map(Result::err);
    assert!(matches!(refused, Some(StateRefused::NodeBytes { .. })));
    assert!(refused.unwrap().to_string().contains("16384"));
}

/// Keys that were deleted do not keep new ones out.
#[test]
fn the_room_of_deleted_keys_is_found_again() {
    let mut world = World::of(2);
    let long = "v".repeat(VALUE_BYTES_MAX);
    for round in 0..40 {
        for key in 0..3 {
            let key = format!("{round}-{key}-{}", "k".repeat(100));
            world.set(1, &key, &long).unwrap();
            world.delete(1, &key).unwrap();
        }
    }
    world.set(1, "last", "v").unwrap();
    world.run(ROUND);
    assert!(world.agree() && world.nodes[&NodeId(2)].bytes() <= NODE_BYTES_MAX);
}

#[test]
fn a_forged_entry_is_overridden_by_its_owner() {
    let mut world = World::of(6);
    world.set(1, "k", "true").unwrap();
    world.set(1, "gone", "x").unwrap();
    world.delete(1, "gone").unwrap();
    world.run(ROUND);
    let lie = |floor, key: &str, version| {
        let entries = vec![Entry {
            key: key.into(),
            version,
            value: Some(value("a lie")),
        }];
        let changes = vec![Change {
            owner: peer(1, 1),
            floor,
            entries,
        }];
        Message::News(News { changes })
    };
    for (floor, key, version) in [
        (0, "gone", 3),
        (0, "k", 77),
        (0, "new", 1_000),
        (2_000, "k", 2_001),
    ] {
        let (from, message) = (NodeId(2), lie(floor, key, version));
        world.input(NodeId(3), Input::Received { from, message });
        world.run(ROUND * 2);
        assert!(world.agree(), "after {key}@{version}");
        for node in 1..=6 {
            assert_eq!(
                world.read(node, 1, "k"),
                Some("true".into()),
                "{key}@{version} at {node}"
            );
            assert_eq!(world.read(node, 1, "gone"), None);
            assert_eq!(world.read(node, 1, "new"), None);
        }
    }
    let faults = world
        .faults
        .iter()
        .filter(|(at, _, fault)| *at == NodeId(1) && *fault == PeerFault::ForgedEntry);
    assert!(faults.count() >= 4);
    // At the last version nothing is above the lie: the owner says so when it writes.
    let (from, message) = (NodeId(2), lie(0, "k", VERSION_MAX));
    world.input(NodeId(1), Input::Received { from, message });
    assert_eq!(world.read(1, 1, "k"), Some("true".into()));
    assert!(
        world.set(1, "other", "v").is_ok(),
        "the owner itself is not harmed"
    );
}

#[test]
fn the_last_version_is_refused_to_the_host() {
    let mut world = World::of(1);
    let top = Entry {
        key: "k".into(),
        version: VERSION_MAX,
        value: Some(value("v")),
    };
    let gossip = world.nodes.get_mut(&NodeId(1)).unwrap();
    gossip.store.merge(peer(1, 1), 0, vec![top]).unwrap();
    assert_eq!(world.set(1, "k", "w"), Err(StateRefused::VersionsExhausted));
    assert_eq!(world.delete(1, "k"), Err(StateRefused::VersionsExhausted));
}

#[test]
fn what_breaks_a_bound_is_refused_whole() {
    let entry = |key: &str, version, len| Entry {
        key: key.into(),
        version,
        value: Some(Payload::from(vec![0; len])),
    };
    let told = |entries: Vec<Entry>| {
        let changes = vec![Change {
            owner: peer(2, 1),
            floor: 0,
            entries,
        }];
        Message::News(News { changes })
    };
    let children = |depth, index, sums| {
        let of = Branch { depth, index };
        let branches = vec![Children {
            of,
            sums: vec![0; sums],
        }];
        Message::Branches(Branches { branches })
    };
    let holding = |words| Holding {
        owner: peer(2, 1),
        floor: 0,
        words: vec![1; words],
    };
    let listed = |branches, owners| Message::Holdings(Holdings { branches, owners });
    let place = Branch { depth: 1, index: 3 };
    let many = (0..=ENTRIES_MAX as u64)
        .map(|n| entry(&format!("k{n}"), n + 1, 0))
        .collect();
    for (message, fault) in [
        (told(vec![entry("", 1, 0)]), PeerFault::OutsideBounds),
        (told(vec![entry("a\u{1b}", 1, 0)]), PeerFault::OutsideBounds),
        (
            told(vec![entry(&"k".repeat(129), 1, 0)]),
            PeerFault::OutsideBounds,
        ),
        (
            told(vec![entry("k", 1, VALUE_BYTES_MAX + 1)]),
            PeerFault::OutsideBounds,
        ),
        (told(vec![entry("k", 0, 0)]), PeerFault::OutsideBounds),
        (
            told(vec![entry("k", u64::MAX, 0)]),
            PeerFault::OutsideBounds,
        ),
        (told(many), PeerFault::TooMany),
        (children(3, 0, 16), PeerFault::OutsideTree),
        (children(1, 16, 16), PeerFault::OutsideTree),
        (children(1, 0, 15), PeerFault::OutsideTree),
        (listed(vec![place; 65], vec![]), PeerFault::TooMany),
        (
            listed(vec![Branch { depth: 9, index: 0 }], vec![]),
            PeerFault::OutsideTree,
        ),
        (
            listed(vec![place], vec![holding(ENTRIES_MAX + 1)]),
            PeerFault::TooMany,
        ),
        (
            Message::Wants(Wants {
                owners: vec![holding(100); 30],
            }),
            PeerFault::TooMany,
        ),
    ] {
        let mut world = World::of(2);
        world.input(
            NodeId(1),
            Input::Received {
                from: NodeId(2),
                message,
            },
        );
        assert_eq!(world.faults, [(NodeId(1), NodeId(2), fault)]);
        assert_eq!((world.nodes[&NodeId(1)].bytes(), world.queue.len()), (0, 0));
        assert_eq!(world.nodes[&NodeId(1)].stats().faults, 1);
    }
}

#[test]
fn replays_and_strangers_change_nothing() {
    let mut world = World::of(3);
    world.set(2, "k", "v").unwrap();
    world.input(NodeId(2), Input::Tick);
    let replay = world
        .queue
        .iter()
        .find(|(_, to, _)| *to == NodeId(1))
        .unwrap()
        .clone();
    world.run(ROUND);
    let before = world.nodes[&NodeId(1)].digest();
    for _ in 0..100 {
        world.queue.push_back(replay.clone());
    }
    world.settle();
    assert_eq!(world.nodes[&NodeId(1)].digest(), before);
    assert!(world.nodes[&NodeId(1)].stats().entries_known >= 100);
    // What nobody has heard of as a member is not stored, whoever tells it.
    let changes = vec![Change {
        owner: peer(99, 1),
        floor: 5,
        entries: vec![],
    }];
    let message = Message::Delta(Delta {
        changes,
        more: true,
    });
    world.input(
        NodeId(1),
        Input::Received {
            from: NodeId(2),
            message,
        },
    );
    assert_eq!(world.nodes[&NodeId(1)].digest(), before);
    assert_eq!(
        world.queue.len(),
        0,
        "more is not asked for where nothing came"
    );
}

#[test]
fn who_leaves_falls_silent_and_speaks_again_when_it_returns() {
    let mut world = World::of(2);
    world.run(ROUND);
    world.input(NodeId(1), Input::Leaving);
    world.set(1, "k", "v").unwrap();
    world.sent = (0, 0);
    let message = Message::Digest(Digest { root: 1 });
    world.input(
        NodeId(1),
        Input::Received {
            from: NodeId(2),
            message,
        },
    );
    world.input(NodeId(1), Input::Tick);
    assert_eq!(
        (world.sent.0, world.nodes[&NodeId(1)].deadline()),
        (0, None)
    );
    world.input(NodeId(1), Input::Started);
    world.run(ROUND);
    assert_eq!(world.read(2, 1, "k"), Some("v".into()));
}

/// However much one owner writes, what others wrote gets through to a node that only exchanges.
#[test]
fn churn_does_not_starve_old_keys() {
    let mut world = World::of(8);
    (2..=8).for_each(|node| drop(world.set(node, "old", "v")));
    world.run(Duration::from_secs(30));
    world.nodes.insert(NodeId(9), machine(peer(9, 1)));
    world.input(NodeId(9), Input::Started);
    (1..=8).for_each(|node| world.input(NodeId(9), Input::Joined(peer(node, 1))));
    world.everyone(&Input::Joined(peer(9, 1)));
    let long = "x".repeat(1_500);
    for turn in 0..40 {
        for key in 0..10 {
            world
                .set(1, &format!("hot-{key}"), &format!("{turn} {long}"))
                .unwrap();
        }
        world.run(Duration::from_millis(250));
    }
    for node in 2..=8 {
        assert!(world.read(9, node, "old").is_some(), "of {node}");
    }
}
