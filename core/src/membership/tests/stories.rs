//! What a whole cluster goes through.

use super::*;

#[test]
fn five_join_through_one_seed_and_are_answered() {
    let net = Net::joined(5);
    let joined: Vec<_> = net
        .answers
        .iter()
        .map(|(_, node, it)| (node.0, it.clone()))
        .collect();
    assert_eq!(joined.len(), 5);
    assert!(
        joined
            .iter()
            .all(|(_, answer)| *answer == Output::Joined(JoinEnd::Welcomed))
    );
    assert!(
        net.answers
            .iter()
            .all(|(at, _, _)| *at <= Time::from_millis(10))
    );
    let last = net.facts.iter().map(|(at, _, _)| *at).max();
    assert!(
        last < Some(Time::from_millis(2_000)),
        "everyone knows everyone by {last:?}"
    );
    assert!(
        net.nodes
            .values()
            .all(|n| n.queue.is_empty() && !n.gossip_timer.is_set())
    );
    assert!(
        net.nodes.values().all(|n| n.rejoin.deadline().is_none()),
        "nobody is missing"
    );
}

#[test]
fn sixty_join_at_once() {
    let mut net = Net::default();
    for node in 1..=60 {
        net.start(node, 1, if node == 1 { &[] } else { &[1] });
    }
    net.run(SECOND * 5);
    net.assert_all_alive(60);
}

#[test]
fn ten_quiet_minutes_know_no_suspicion_and_two_messages_per_second() {
    let mut net = Net::joined(8);
    let before = net.messages;
    net.run(SECOND * 600);
    net.assert_all_alive(8);
    for machine in net.nodes.values() {
        let stats = machine.stats();
        assert_eq!((stats.suspicions, stats.failed_pings), (0, 0));
        assert!(
            stats.pings > 590 && stats.pings - stats.acks <= 1,
            "{stats:?}"
        );
        assert_eq!(stats.changes, 7);
    }
    let sent = net.messages - before;
    assert!(sent <= 600 * 8 * 2 + 16, "{sent} messages");
    assert_eq!(net.notes, []);
}

#[test]
fn a_crash_is_suspected_then_declared_everywhere_in_time() {
    for count in [2, 3, 5, 9] {
        let mut net = Net::joined(count);
        let crashed = net.now;
        net.crash(2);
        net.run(SECOND * 12);
        for observer in (1..=count).filter(|n| *n != 2) {
            let told = net.about(observer, 2, crashed);
            let peer = Peer {
                node: NodeId(2),
                boot: 1,
            };
            let [
                (at, Fact::Suspected { peer: suspect, .. }),
                (died, Fact::Died { peer: dead, .. }),
            ] = &told[..]
            else {
                panic!("{observer}: {told:?}");
            };
            assert_eq!((*suspect, *dead), (peer, peer));
            let span = died.since(*at);
            assert!(span >= SECOND && span <= SECOND * 3, "{span:?}");
            assert!(
                died.since(crashed) <= SECOND * 5,
                "{count}: {:?}",
                died.since(crashed)
            );
        }
    }
}

#[test]
fn a_silent_crash_without_broken_links_is_found_by_the_sweep() {
    let mut net = Net::joined(5);
    let crashed = net.now;
    for other in [1, 2, 4, 5].map(NodeId) {
        net.muted.insert((NodeId(3), other));
        net.muted.insert((other, NodeId(3)));
    }
    net.run(SECOND * 10);
    for observer in [1, 2, 4, 5] {
        assert_eq!(net.state(observer, 3), Some(State::Dead));
        let told = net.about(observer, 3, crashed);
        assert!(matches!(
            told[..],
            [(_, Fact::Suspected { .. }), (_, Fact::Died { .. })]
        ));
    }
}

#[test]
fn a_slow_member_refutes() {
    let mut net = Net::joined(5);
    let slow = net.now;
    for other in [1, 2, 4, 5].map(NodeId) {
        net.muted.insert((NodeId(3), other));
    }
    while !net
        .facts
        .iter()
        .any(|(_, _, fact)| matches!(fact, Fact::Suspected { .. }))
    {
        net.run(SECOND / 10);
    }
    net.muted.clear();
    net.run(SECOND * 10);
    net.assert_all_alive(5);
    assert!(
        !net.facts
            .iter()
            .any(|(_, _, fact)| matches!(fact, Fact::Died { .. }))
    );
    let suspecting = (1..=5)
        .filter(|n| !net.about(*n, 3, slow).is_empty())
        .count();
    assert!(suspecting > 0);
    for observer in [1, 2, 4, 5] {
        let told = net.about(observer, 3, slow);
        let refuted = matches!(
            told[..],
            [(_, Fact::Suspected { .. }), (_, Fact::Refuted { .. })]
        );
        assert!(told.is_empty() || refuted, "{told:?}");
    }
    let raised = net.nodes[&NodeId(3)].incarnation();
    assert!(raised > Incarnation::of_boot(1));
    let refuting = |(node, note): &(NodeId, Notice)| {
        *node == NodeId(3)
            && matches!(
                note,
                Notice::Refuting {
                    accuser: Some(_),
                    ..
                }
            )
    };
    assert!(net.notes.iter().any(refuting));
}

#[test]
fn relays_save_a_member_whose_direct_path_is_cut() {
    let mut net = Net::joined(5);
    for (a, b) in [(1, 2), (2, 1)] {
        net.muted.insert((NodeId(a), NodeId(b)));
    }
    net.run(SECOND * 120);
    net.assert_all_alive(5);
    assert!(
        net.nodes
            .values()
            .all(|machine| machine.stats().suspicions == 0)
    );
    assert_eq!(net.notes, []);
}

#[test]
fn a_graceful_leave_is_left_everywhere_and_never_dead() {
    let mut net = Net::joined(5);
    let leaving = net.now;
    net.step(NodeId(4), Input::Leave);
    net.run(SECOND);
    let answers: Vec<_> = net
        .answers
        .iter()
        .filter(|(at, _, _)| *at >= leaving)
        .collect();
    assert!(
        matches!(answers[..], [(_, NodeId(4), Output::LeaveDone)]),
        "{answers:?}"
    );
    net.run(SECOND * 30);
    for observer in [1, 2, 3, 5] {
        let told = net.about(observer, 4, leaving);
        assert!(matches!(told[..], [(_, Fact::Left { .. })]), "{told:?}");
        assert_eq!(net.state(observer, 4), Some(State::Left));
    }
    assert_eq!(net.nodes[&NodeId(4)].deadline(), None);
    assert!(
        net.dials
            .iter()
            .all(|(at, _, to)| *at < leaving || *to != address(4))
    );
}

#[test]
fn leave_then_join_in_one_process() {
    let mut net = Net::joined(4);
    net.step(NodeId(4), Input::Leave);
    net.run(SECOND * 20);
    assert_eq!(net.state(1, 4), Some(State::Left));
    let back = net.now;
    let seeds = [address(2)].to_vec();
    net.step(NodeId(4), Input::Join { seeds });
    net.run(SECOND * 10);
    net.assert_all_alive(4);
    let answers: Vec<_> = net
        .answers
        .iter()
        .filter(|(at, _, _)| *at >= back)
        .collect();
    assert!(
        matches!(
            answers[..],
            [(_, NodeId(4), Output::Joined(JoinEnd::Welcomed))]
        ),
        "{answers:?}"
    );
}

#[test]
fn a_leave_to_nobody_is_done_at_once_and_a_muted_one_at_its_timeout() {
    let mut net = Net::default();
    net.start(1, 1, &[]);
    net.step(NodeId(1), Input::Leave);
    assert_eq!(net.answers.last().map(|it| &it.2), Some(&Output::LeaveDone));
    let mut net = Net::joined(3);
    net.nodes
        .get_mut(&NodeId(1))
        .unwrap()
        .config
        .retransmit_factor = 1_000;
    let leaving = net.now;
    net.step(NodeId(1), Input::Leave);
    net.run(SECOND * 10);
    let done = net.answers.last().unwrap();
    assert_eq!(
        (done.0, &done.2),
        (leaving + lan().leave_timeout, &Output::LeaveDone)
    );
}

#[test]
fn a_restart_is_left_of_the_old_life_before_joined_of_the_new() {
    let mut net = Net::joined(5);
    net.crash(3);
    let restarted = net.now;
    net.start(3, 2, &[1]);
    net.run(SECOND * 10);
    net.assert_all_alive(5);
    for observer in [1, 2, 4, 5] {
        let told = net.about(observer, 3, restarted);
        let tail = &told[told.len() - 2..];
        let [(_, Fact::Left { peer }), (_, Fact::Joined(member))] = tail else {
            panic!("{observer}: {told:?}");
        };
        assert_eq!((peer.boot, member.peer().boot), (1, 2));
    }
}

#[test]
fn flapping_links_and_pauses_do_not_harm() {
    let mut net = Net::joined(5);
    let before: u64 = net.nodes.values().map(|n| n.stats().pings).sum();
    for _ in 0..1_000 {
        net.break_link(NodeId(1), NodeId(2));
        net.run(SECOND / 50);
    }
    net.assert_all_alive(5);
    let pings: u64 = net.nodes.values().map(|n| n.stats().pings).sum();
    assert!(
        pings - before <= 5 * 20 * 2,
        "{} probes in 20 s",
        pings - before
    );
    let each: Vec<u64> = net.nodes.values().map(|n| n.stats().suspicions).collect();
    assert_eq!(each, [0; 5]);
}

#[test]
fn a_paused_node_accuses_nobody_when_it_wakes() {
    let mut net = Net::joined(5);
    let paused = net.nodes.remove(&NodeId(3)).unwrap();
    net.run(SECOND * 20);
    assert_eq!(net.state(1, 3), Some(State::Dead));
    let woken = net.now;
    net.nodes.insert(NodeId(3), paused);
    net.run(SECOND * 20);
    net.assert_all_alive(5);
    let accused = |(at, _, fact): &&(Time, NodeId, Fact)| {
        let by_third = |evidence: &Evidence| evidence.accuser == NodeId(3);
        *at >= woken && matches!(fact, Fact::Suspected { evidence, .. } if by_third(evidence))
    };
    assert_eq!(net.facts.iter().find(accused), None);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = || {
        let mut net = Net::joined(6);
        net.crash(2);
        net.run(SECOND * 7);
        net.start(2, 2, &[3]);
        net.run(SECOND * 7);
        (net.facts, net.messages, net.nodes)
    };
    assert_eq!(story(), story());
}
