//! How what was apart becomes one cluster again.

use super::*;

#[test]
fn a_node_that_lost_its_memory_is_heard_again() {
    let mut net = Net::default();
    net.start(1, 7, &[]);
    net.start(2, 7, &[1]);
    net.run(SECOND * 5);
    net.crash(2);
    net.start(2, 1, &[1]);
    net.run(SECOND * 20);
    net.assert_all_alive(2);
    let seen = net.nodes[&NodeId(1)]
        .member(NodeId(2))
        .map(|m| m.incarnation);
    assert_eq!(seen, Some(net.nodes[&NodeId(2)].incarnation()));
}

#[test]
fn halves_that_declared_each_other_dead_merge_again() {
    for (count, apart) in [(2, 30), (3, 60), (4, 600), (8, 60), (9, 3_600)] {
        let mut net = Net::joined(count);
        let (left, right): (Vec<u64>, Vec<u64>) = (1..=count).partition(|n| *n <= count / 2);
        net.block(&left, &right);
        net.run(SECOND * apart);
        for (a, b) in left
            .iter()
            .flat_map(|a| right.iter().map(move |b| (*a, *b)))
        {
            assert_eq!(
                (net.state(a, b), net.state(b, a)),
                (Some(State::Dead), Some(State::Dead))
            );
        }
        net.blocked.clear();
        net.run(SECOND * 20);
        net.assert_all_alive(count);
        let healed = net.now;
        net.run(SECOND * 60);
        assert!(
            net.facts.iter().all(|(at, _, _)| *at < healed),
            "and then it is quiet"
        );
    }
}

#[test]
fn halves_merge_over_connections_that_never_broke() {
    let mut net = Net::joined(6);
    let pairs = |net: &mut Net| {
        for (a, b) in (1..=3).flat_map(|a| (4..=6).map(move |b| (NodeId(a), NodeId(b)))) {
            net.muted.insert((a, b));
            net.muted.insert((b, a));
        }
    };
    pairs(&mut net);
    net.run(SECOND * 120);
    assert_eq!(
        (net.state(1, 6), net.state(6, 1)),
        (Some(State::Dead), Some(State::Dead))
    );
    net.muted.clear();
    net.run(SECOND * 20);
    net.assert_all_alive(6);
}

#[test]
fn a_one_way_cut_and_a_bridge_end_as_one_cluster() {
    let mut net = Net::joined(5);
    // Nobody hears node 1, though it hears everyone; and 2 and 3 only meet through others.
    for other in (2..=5).map(NodeId) {
        net.muted.insert((NodeId(1), other));
    }
    net.block(&[2], &[3]);
    net.run(SECOND * 100);
    assert_eq!(net.state(4, 1), Some(State::Dead));
    assert_eq!(
        (net.state(4, 2), net.state(4, 3)),
        (Some(State::Alive), Some(State::Alive))
    );
    net.muted.clear();
    net.blocked.clear();
    net.run(SECOND * 20);
    net.assert_all_alive(5);
}

#[test]
fn a_node_left_alone_heals_whoever_comes_back() {
    let mut net = Net::joined(4);
    net.block(&[1], &[2, 3, 4]);
    net.run(SECOND * 60);
    assert!((2..=4).all(|n| net.state(1, n) == Some(State::Dead)));
    assert!(
        net.nodes[&NodeId(1)].deadline().is_some(),
        "it goes on trying"
    );
    let before = net.dials.len();
    net.run(SECOND * 80);
    let tries = net.dials[before..]
        .iter()
        .filter(|(_, who, _)| *who == NodeId(1))
        .count();
    assert!((16..=44).contains(&tries), "two per 4 to 8 s, not {tries}");
    net.blocked.clear();
    net.run(SECOND * 20);
    net.assert_all_alive(4);
}

#[test]
fn a_seed_that_comes_late_or_knows_nobody_is_found() {
    let mut net = Net::default();
    net.start(2, 1, &[1]);
    net.run(SECOND * 60);
    let refused: Vec<_> = net
        .answers
        .iter()
        .map(|(at, _, it)| (*at, it.clone()))
        .collect();
    assert_eq!(
        refused,
        [(
            Time::from_millis(10_000),
            Output::Joined(JoinEnd::NobodyAnswered)
        )]
    );
    net.start(1, 1, &[]);
    net.run(SECOND * 10);
    net.assert_all_alive(2);
    // The seed leaves for good manners, and its next life has no seeds of its own.
    net.step(NodeId(1), Input::Leave);
    net.run(SECOND * 5);
    net.crash(1);
    net.start(1, 2, &[]);
    net.run(SECOND * 10);
    net.assert_all_alive(2);
}

/// Random cuts, mutings, crashes, restarts and leaves; then all heals, and everyone agrees on who
/// is there.
#[test]
fn any_weather_ends_in_one_cluster() {
    for seed in 0..30 {
        let mut random = Seed::from_number(seed).stream(Stream::Plan);
        let count = random.within(2..=7);
        let mut net = Net::joined(count);
        let mut boots = [1; 8];
        net.rough = Some(Seed::from_number(seed).stream(Stream::Network));
        for _ in 0..random.within(3..=25) {
            weather(&mut net, &mut random, count, &mut boots);
            let calm = random.below(12_000);
            net.run(Duration::from_millis(calm));
        }
        net.blocked.clear();
        net.muted.clear();
        net.rough = None;
        for node in 1..=count {
            let machine = net.nodes.get(&NodeId(node));
            let stands = machine.is_some_and(|it| it.standing == Standing::Running);
            if machine.is_none() {
                boots[node as usize] += 1;
                net.start(node, boots[node as usize], &[seed_of(node)]);
            } else if !stands {
                let seeds = [address(seed_of(node))].to_vec();
                net.step(NodeId(node), Input::Join { seeds });
            }
        }
        net.run(SECOND * 40);
        net.assert_all_alive(count);
        for machine in net.nodes.values() {
            let told = |node| net.nodes[&node].incarnation();
            assert!(
                machine.members().all(|m| m.incarnation == told(m.node)),
                "seed {seed}"
            );
            assert!(machine.queue.is_empty(), "seed {seed}: it is quiet at last");
        }
        let faults = net
            .notes
            .iter()
            .filter(|(_, it)| matches!(it, Notice::PeerFault { .. }));
        assert_eq!(
            faults.count(),
            0,
            "seed {seed}: honest nodes commit no faults"
        );
    }
}

/// All but the first find the first: whoever left is not looked for, so lives that know nobody need
/// a common seed.
fn seed_of(node: u64) -> u64 {
    if node == 1 { 2 } else { 1 }
}

fn weather(net: &mut Net, random: &mut Random, count: u64, boots: &mut [u64; 8]) {
    let node = random.within(1..=count);
    let other = random.within(1..=count);
    let seed = seed_of(node);
    match random.below(9) {
        0 | 1 => {
            let (left, right): (Vec<u64>, Vec<u64>) = (1..=count).partition(|_| random.chance(500));
            net.block(&left, &right);
        }
        2 | 3 => {
            net.muted.insert((NodeId(node), NodeId(other)));
        }
        4 => net.blocked.clear(),
        5 => net.muted.clear(),
        6 => net.crash(node),
        7 if !net.nodes.contains_key(&NodeId(node)) => {
            boots[node as usize] += 1;
            net.start(node, boots[node as usize], &[seed]);
        }
        7 => net.break_link(NodeId(node), NodeId(other)),
        _ => net.step(NodeId(node), Input::Leave),
    }
}

/// What a name resolves to replaces what it resolved to before: members that moved are found, and
/// addresses that other processes may have by now are left alone.
#[test]
fn discovered_addresses_are_tried_until_their_source_takes_them_back() {
    let mut net = Net::default();
    net.start(1, 1, &[]);
    let found = |addresses: &[u64]| Input::Discovered {
        source: 7,
        addresses: addresses.iter().map(|node| address(*node)).collect(),
    };
    net.step(NodeId(1), found(&[1, 8, 9]));
    let at_once: Vec<_> = net.dials.iter().map(|(_, _, at)| *at).collect();
    assert_eq!(at_once, [address(8), address(9)], "never its own address");
    net.run(SECOND * 60);
    net.dials.clear();
    net.step(NodeId(1), found(&[2]));
    net.run(SECOND * 60);
    assert!(net.dials.len() > 4 && net.dials.iter().all(|(_, _, at)| *at == address(2)));
    net.start(2, 1, &[]);
    net.run(SECOND * 20);
    net.assert_all_alive(2);

    let flood: Vec<u64> = (100..5000).collect();
    net.step(NodeId(1), found(&flood));
    net.step(
        NodeId(1),
        Input::Discovered {
            source: 8,
            addresses: [address(3)].to_vec(),
        },
    );
    net.dials.clear();
    net.run(SECOND);
    assert!(
        net.dials.iter().all(|(_, _, at)| *at != address(3)),
        "the room is taken"
    );
    net.step(NodeId(1), found(&[]));
    net.dials.clear();
    net.run(SECOND * 60);
    assert_eq!(net.dials, [], "nobody is missing");
}
