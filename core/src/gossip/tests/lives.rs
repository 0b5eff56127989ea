//! Lives that begin, depart and return, and what is deleted in them.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

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
