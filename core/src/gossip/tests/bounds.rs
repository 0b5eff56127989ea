//! What neither the host nor a peer can make a machine do.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

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
