//! What one machine makes of one belief.

use super::*;

#[test]
fn nothing_is_sent_before_the_start() {
    let mut machine = machine(1, 1);
    let seeds = [address(2)].to_vec();
    let up = Input::LinkUp {
        peer: peer(3, 1),
        address: address(3),
        dialed: false,
    };
    let ping = Message::Ping(Ping {
        probe: 1,
        updates: Vec::new(),
    });
    let inputs = [
        Input::Join { seeds },
        up,
        received(3, ping),
        gossip(3, [update(1, 4, State::Dead)].to_vec()),
        Input::Tick,
    ];
    for input in inputs {
        assert_eq!(step(&mut machine, Time(5), input), []);
    }
    let out = step(&mut machine, Time(9), Input::Started);
    assert_eq!(
        out.last(),
        Some(&Output::Dial {
            address: address(2)
        })
    );
    assert!(matches!(sent(&out)[..], [(3, Message::Join(_))]), "{out:?}");
}

#[test]
fn a_join_of_nobody_or_of_oneself_is_answered_at_once() {
    for seeds in [Vec::new(), [address(1)].to_vec()] {
        let mut machine = machine(1, 1);
        step(&mut machine, Time(0), Input::Started);
        let out = step(&mut machine, Time(0), Input::Join { seeds });
        assert_eq!(out, [Output::Joined(JoinEnd::Welcomed)]);
        assert_eq!(machine.deadline(), None);
    }
}

/// The state held of boot 1, the boot and state told, the facts.
fn transitions() -> Vec<(State, u64, State, Vec<Fact>)> {
    let died = |boot| Fact::Died {
        peer: peer(2, boot),
        evidence: two_words(),
    };
    let suspected = |boot| Fact::Suspected {
        peer: peer(2, boot),
        evidence: Evidence::of(NodeId(3)),
    };
    let left = |boot| Fact::Left {
        peer: peer(2, boot),
    };
    let joined = |boot: u64| {
        Fact::Joined(Member {
            node: NodeId(2),
            incarnation: Incarnation::of_boot(boot),
            state: State::Alive,
            address: address(2),
            zone: None,
            is_witness: false,
            levels: LevelRange::FIRST,
        })
    };
    use State::{Alive, Dead, Left, Suspect};
    [
        (Alive, 1, Alive, Vec::new()),
        (Alive, 1, Suspect, [suspected(1)].to_vec()),
        (Alive, 1, Dead, [died(1)].to_vec()),
        (Alive, 1, Left, [left(1)].to_vec()),
        (Alive, 2, Alive, [left(1), joined(2)].to_vec()),
        (
            Alive,
            2,
            Suspect,
            [left(1), joined(2), suspected(2)].to_vec(),
        ),
        (Alive, 2, Dead, [left(1)].to_vec()),
        (Alive, 2, Left, [left(1)].to_vec()),
        (Suspect, 1, Alive, Vec::new()),
        (Suspect, 1, Suspect, Vec::new()),
        (Suspect, 1, Dead, [died(1)].to_vec()),
        (Suspect, 1, Left, [left(1)].to_vec()),
        (Suspect, 2, Alive, [left(1), joined(2)].to_vec()),
        (Dead, 1, Alive, Vec::new()),
        (Dead, 1, Suspect, Vec::new()),
        (Dead, 1, Left, Vec::new()),
        (Dead, 2, Alive, [joined(2)].to_vec()),
        (Dead, 2, Suspect, [joined(2), suspected(2)].to_vec()),
        (Dead, 2, Left, Vec::new()),
        (Left, 1, Alive, Vec::new()),
        (Left, 1, Dead, Vec::new()),
        (Left, 2, Alive, [joined(2)].to_vec()),
    ]
    .to_vec()
}

#[test]
fn facts_of_every_transition() {
    for (held, boot, told, expected) in transitions() {
        let mut machine = knowing(&[2, 3]);
        step(
            &mut machine,
            Time(1),
            gossip(3, [believed(2, 1, held)].to_vec()),
        );
        let told_again = || gossip(3, [believed(2, boot, told)].to_vec());
        let out = step(&mut machine, Time(2), told_again());
        assert_eq!(
            facts(&out),
            expected,
            "{held:?} then {told:?} of boot {boot}"
        );
        let again = step(&mut machine, Time(3), told_again());
        assert_eq!(facts(&again), [], "a replay says nothing new");
    }
}

#[test]
fn a_refutation_clears_a_suspicion_and_may_bring_a_new_address() {
    let mut machine = knowing(&[2, 3]);
    step(
        &mut machine,
        Time(1),
        gossip(3, [update(2, 1, State::Suspect)].to_vec()),
    );
    let mut refuting = update(2, 1, State::Alive);
    refuting.incarnation = refuting.incarnation.above(refuting.incarnation);
    refuting.address = address(9);
    let out = step(&mut machine, Time(2), gossip(3, [refuting].to_vec()));
    let moved = Fact::Moved {
        peer: peer(2, 1),
        address: address(9),
    };
    let refuted = Fact::Refuted { peer: peer(2, 1) };
    assert_eq!(facts(&out), [refuted, moved]);
}

#[test]
fn a_replayed_alive_does_not_resurrect_and_a_higher_one_does() {
    let mut machine = knowing(&[2, 3]);
    step(
        &mut machine,
        Time(1),
        gossip(3, [believed(2, 1, State::Dead)].to_vec()),
    );
    step(
        &mut machine,
        Time(2),
        gossip(2, [update(2, 1, State::Alive)].to_vec()),
    );
    assert_eq!(
        machine.member(NodeId(2)).map(|m| m.state),
        Some(State::Dead)
    );
    let mut higher = update(2, 1, State::Alive);
    higher.incarnation.0 += 1;
    step(&mut machine, Time(3), gossip(2, [higher].to_vec()));
    assert_eq!(
        machine.member(NodeId(2)).map(|m| m.state),
        Some(State::Alive)
    );
}

#[test]
fn a_death_in_an_exchange_is_an_accusation_and_a_leave_stays_one() {
    let exchange = |updates| {
        received(
            3,
            Message::Welcome(Welcome {
                updates,
                more: false,
            }),
        )
    };
    let mut machine = knowing(&[2, 3, 4, 5]);
    let mut third = update(4, 2, State::Dead);
    third.evidence = Some(Evidence::of(NodeId(4)));
    let updates = [update(2, 1, State::Dead), third, update(5, 1, State::Left)].to_vec();
    let out = step(&mut machine, Time(1), exchange(updates));
    let expected = [
        Fact::Suspected {
            peer: peer(2, 1),
            evidence: Evidence::of(NodeId(3)),
        },
        Fact::Left { peer: peer(4, 1) },
        Fact::Left { peer: peer(5, 1) },
    ];
    assert_eq!(facts(&out), expected);
    assert_eq!(
        machine.member(NodeId(4)).map(|m| m.state),
        Some(State::Dead)
    );
}

#[test]
fn accusations_of_this_node_are_refuted_above_them_but_not_while_leaving() {
    let mut machine = knowing(&[2, 3]);
    let mut accusation = update(1, 1, State::Suspect);
    accusation.evidence = Some(Evidence::of(NodeId(3)));
    for state in [State::Suspect, State::Dead, State::Left] {
        accusation.state = state;
        accusation.incarnation = Incarnation(machine.incarnation().0 + 4);
        let out = step(
            &mut machine,
            Time(1),
            gossip(2, [accusation.clone()].to_vec()),
        );
        let raised = Incarnation(accusation.incarnation.0 + 1);
        assert_eq!(machine.incarnation(), raised);
        let note = Notice::Refuting {
            accuser: Some(NodeId(3)),
            incarnation: raised,
        };
        assert!(out.contains(&Output::Note(note)));
        let [(2, Message::Gossip(answer))] = &sent(&out)[..] else {
            panic!("{out:?}");
        };
        assert_eq!(
            (answer.updates[0].incarnation, answer.updates[0].state),
            (raised, State::Alive)
        );
    }
    let before = machine.incarnation();
    let stale = step(
        &mut machine,
        Time(2),
        gossip(3, [update(1, 1, State::Suspect)].to_vec()),
    );
    assert_eq!((machine.incarnation(), sent(&stale).len()), (before, 1));
    step(&mut machine, Time(3), Input::Leave);
    accusation.incarnation = before;
    assert_eq!(
        step(&mut machine, Time(4), gossip(2, [accusation].to_vec())),
        []
    );
    assert_eq!(machine.incarnation(), before);
    assert_eq!(
        machine.member(NodeId(1)).map(|m| m.state),
        Some(State::Left)
    );
}

#[test]
fn the_end_of_incarnations_cannot_be_used_against_anyone() {
    let mut machine = knowing(&[2, 3]);
    for node in [1, 2] {
        let mut last = update(node, 1, State::Dead);
        last.incarnation = Incarnation(u64::MAX);
        assert_eq!(step(&mut machine, Time(1), gossip(3, [last].to_vec())), []);
    }
}

#[test]
fn two_who_hold_each_other_dead_reconcile_in_three_messages() {
    let mut net = Net::joined(2);
    let now = net.now;
    for (observer, other) in [(1, 2), (2, 1)] {
        let machine = net.nodes.get_mut(&NodeId(observer)).unwrap();
        step(
            machine,
            now,
            gossip(3, [believed(other, 1, State::Dead)].to_vec()),
        );
        net.told.remove(&(NodeId(observer), NodeId(other)));
    }
    let before = net.messages;
    net.send(
        NodeId(1),
        NodeId(2),
        Message::Gossip(Gossip {
            updates: Vec::new(),
        }),
    );
    net.run(Duration::from_millis(50));
    net.assert_all_alive(2);
    assert!(
        net.messages - before <= 8,
        "{} messages",
        net.messages - before
    );
}
