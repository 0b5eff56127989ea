//! What an exchange brings and what it costs.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

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
