//! What one machine does with one input.

use super::*;

/// A started machine 1 that knows the given nodes, all in their first life, and has nothing to
/// tell.
fn knowing(others: &[u64]) -> Membership {
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

fn sent(out: &[Output]) -> Vec<(u64, Message)> {
    let sent = |output: &Output| match output {
        Output::Send { to, message } => Some((to.0, message.clone())),
        Output::Fact(_)
        | Output::Dial { .. }
        | Output::Joined(_)
        | Output::LeaveDone
        | Output::Note(_) => None,
    };
    out.iter().filter_map(sent).collect()
}

fn fault(out: &[Output]) -> Option<PeerFault> {
    let fault = |output: &Output| match output {
        Output::Note(Notice::PeerFault { fault, .. }) => Some(*fault),
        Output::Note(Notice::Refuting { .. })
        | Output::Send { .. }
        | Output::Fact(_)
        | Output::Dial { .. }
        | Output::Joined(_)
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
        assert_eq!(out, [Output::Joined(true)]);
        assert_eq!(machine.deadline(), None);
    }
}

#[test]
fn facts_of_every_transition() {
    let died = |boot| Fact::Died {
        peer: peer(2, boot),
        accuser: NodeId(3),
    };
    let suspected = |boot| Fact::Suspected {
        peer: peer(2, boot),
        accuser: NodeId(3),
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
        })
    };
    let refuted = Fact::Refuted { peer: peer(2, 1) };
    use State::{Alive, Dead, Left, Suspect};
    // The state held of boot 1, the boot and state told, the facts.
    let table = [
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
    ];
    for (held, boot, told, expected) in table {
        let mut machine = knowing(&[2, 3]);
        step(
            &mut machine,
            Time(1),
            gossip(3, [update(2, 1, held)].to_vec()),
        );
        let out = step(
            &mut machine,
            Time(2),
            gossip(3, [update(2, boot, told)].to_vec()),
        );
        assert_eq!(
            facts(&out),
            expected,
            "{held:?} then {told:?} of boot {boot}"
        );
        let again = step(
            &mut machine,
            Time(3),
            gossip(3, [update(2, boot, told)].to_vec()),
        );
        assert_eq!(facts(&again), [], "a replay says nothing new");
    }
    let mut machine = knowing(&[2, 3]);
    step(
        &mut machine,
        Time(1),
        gossip(3, [update(2, 1, Suspect)].to_vec()),
    );
    let mut refuting = update(2, 1, Alive);
    refuting.incarnation = refuting.incarnation.above(refuting.incarnation);
    refuting.address = address(9);
    let out = step(&mut machine, Time(2), gossip(3, [refuting].to_vec()));
    let moved = Fact::Moved {
        peer: peer(2, 1),
        address: address(9),
    };
    assert_eq!(facts(&out), [refuted, moved]);
}

#[test]
fn a_replayed_alive_does_not_resurrect_and_a_higher_one_does() {
    let mut machine = knowing(&[2, 3]);
    step(
        &mut machine,
        Time(1),
        gossip(3, [update(2, 1, State::Dead)].to_vec()),
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
    third.accuser = Some(NodeId(4));
    let updates = [update(2, 1, State::Dead), third, update(5, 1, State::Left)].to_vec();
    let out = step(&mut machine, Time(1), exchange(updates));
    let accuser = NodeId(3);
    let expected = [
        Fact::Suspected {
            peer: peer(2, 1),
            accuser,
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
    accusation.accuser = Some(NodeId(3));
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
fn wrong_messages_are_faults_and_change_nothing() {
    let mut machine = knowing(&[2, 3]);
    let too_many: Vec<Update> = (10..=74).map(|n| update(n, 1, State::Alive)).collect();
    assert_eq!(too_many.len(), UPDATES_MAX + 1);
    let messages = [
        Message::Gossip(Gossip {
            updates: too_many.clone(),
        }),
        Message::Join(Join {
            updates: too_many,
            more: false,
        }),
    ];
    for message in messages {
        let out = step(&mut machine, Time(1), received(2, message));
        assert_eq!(
            (fault(&out), out.len()),
            (Some(PeerFault::TooManyUpdates), 1)
        );
    }
    for probe in [0, 7, u64::MAX] {
        let ack = Message::Ack(Ack {
            probe,
            alive: NodeId(2),
            incarnation: Incarnation::of_boot(1),
            updates: Vec::new(),
        });
        let nack = Message::Nack(Nack { probe });
        for message in [ack, nack] {
            let out = step(&mut machine, Time(2), received(2, message));
            assert_eq!(
                (fault(&out), out.len()),
                (Some(PeerFault::UnexpectedAck), 1)
            );
        }
    }
    assert_eq!(machine.members().count(), 3);
}

#[test]
fn only_the_target_or_a_relay_may_answer_a_probe() {
    let mut machine = knowing(&[2]);
    let pinged = play(&mut machine, Time::from_millis(1_000));
    let [(at, 2, Message::Ping(ping))] = &pinged[..] else {
        panic!("{pinged:?}");
    };
    let ack = |alive| {
        Message::Ack(Ack {
            probe: ping.probe,
            alive: NodeId(alive),
            incarnation: Incarnation::of_boot(1),
            updates: Vec::new(),
        })
    };
    for (from, alive) in [(2, 3), (3, 3), (3, 2)] {
        let out = step(&mut machine, *at, received(from, ack(alive)));
        assert_eq!(fault(&out), Some(PeerFault::UnexpectedAck));
    }
    assert_eq!(fault(&step(&mut machine, *at, received(2, ack(2)))), None);
    assert_eq!(machine.stats().acks, 1);
    assert_eq!(
        fault(&step(&mut machine, *at, received(2, ack(2)))),
        None,
        "only a repetition"
    );
    assert_eq!(machine.stats().acks, 1);
}

#[test]
fn an_unanswered_probe_asks_relays_then_accuses_at_the_end_of_its_period() {
    let mut machine = knowing(&[2]);
    let first = play(&mut machine, Time::from_millis(1_000));
    let began = first[0].0;
    let others = (3..=9).map(|n| update(n, 1, State::Alive)).collect();
    step(&mut machine, began, gossip(2, others));
    let rest = play(&mut machine, began + Duration::from_millis(999));
    let asked: Vec<_> = rest
        .iter()
        .filter_map(|(at, to, message)| match message {
            Message::PingReq(request) => Some((at.since(began), *to, request.target)),
            Message::Ping(_)
            | Message::Ack(_)
            | Message::Nack(_)
            | Message::Join(_)
            | Message::Welcome(_)
            | Message::Gossip(_) => None,
        })
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|(after, to, target)| {
        *after == lan().probe_timeout && *to != 2 && *target == NodeId(2)
    }));
    assert_eq!(
        machine.member(NodeId(2)).map(|m| m.state),
        Some(State::Alive)
    );
    let out = step(&mut machine, began + lan().probe_interval, Input::Tick);
    let fact = Fact::Suspected {
        peer: peer(2, 1),
        accuser: NodeId(1),
    };
    assert_eq!(facts(&out), [fact]);
    assert_eq!(machine.stats().failed_pings, 1);
}

#[test]
fn a_suspect_hears_of_it_on_its_ping() {
    let mut machine = knowing(&[2]);
    step(
        &mut machine,
        Time(1),
        gossip(3, [update(2, 1, State::Suspect)].to_vec()),
    );
    machine.queue.clear();
    let pinged = play(&mut machine, Time::from_millis(1_000));
    let (_, 2, Message::Ping(ping)) = &pinged[0] else {
        panic!("{pinged:?}");
    };
    let about: Vec<_> = ping
        .updates
        .iter()
        .map(|it| (it.node.0, it.state))
        .collect();
    assert_eq!(about, [(2, State::Suspect)]);
}

#[test]
fn a_relay_forwards_the_ack_or_says_no_in_time() {
    let request = |probe| {
        let target = NodeId(2);
        let updates = Vec::new();
        Message::PingReq(PingReq {
            probe,
            target,
            updates,
        })
    };
    let mut machine = knowing(&[2, 3]);
    let out = step(&mut machine, Time(0), received(3, request(41)));
    let [(2, Message::Ping(ping))] = &sent(&out)[..] else {
        panic!("{out:?}");
    };
    let ack = |probe| {
        Message::Ack(Ack {
            probe,
            alive: NodeId(2),
            incarnation: Incarnation::of_boot(1),
            updates: Vec::new(),
        })
    };
    let out = step(&mut machine, Time(0), received(2, ack(ping.probe)));
    assert_eq!(sent(&out), [(3, ack(41))]);
    step(&mut machine, Time(0), received(3, request(42)));
    step(&mut machine, Time(0), received(3, request(43)));
    assert_eq!(
        machine.relays.deadline().map(|d| d.at),
        Some(Time::from_millis(400))
    );
    let out = step(&mut machine, Time::from_millis(400), Input::Tick);
    let nacks: Vec<_> = sent(&out).into_iter().filter(|(to, _)| *to == 3).collect();
    assert_eq!(
        nacks,
        [(3, Message::Nack(Nack { probe: 43 }))],
        "one errand per requester"
    );
    assert_eq!(machine.relays.deadline(), None);
}

#[test]
fn relays_and_early_links_are_bounded() {
    let mut machine = knowing(&[2]);
    let mut refused = 0;
    for requester in 100..1_100 {
        let request = Message::PingReq(PingReq {
            probe: 1,
            target: NodeId(2),
            updates: Vec::new(),
        });
        let out = step(&mut machine, Time(0), received(requester, request));
        refused += usize::from(
            sent(&out)
                .iter()
                .any(|(_, m)| matches!(m, Message::Nack(_))),
        );
    }
    assert_eq!(refused, 1_000 - 256);
}

#[test]
fn the_queue_and_the_table_stay_bounded_under_churn() {
    let mut machine = knowing(&[2, 3]);
    machine.config.tombstones_max = 100;
    let states = [State::Alive, State::Suspect, State::Dead, State::Left];
    let mut random = Seed::from_number(4).stream(Stream::Plan);
    for boot in 0..10_000 {
        let node = random.within(10..=209);
        let told = update(node, 2 + boot / 100, states[random.index(4)]);
        step(&mut machine, Time(1), gossip(3, [told].to_vec()));
    }
    let waiting = machine.queue.take(usize::MAX, 1).len();
    assert!(waiting <= 202, "{waiting} updates are waiting");
    assert!(machine.members().count() <= 203);
}

#[test]
fn more_members_than_the_maximum_are_a_fault() {
    let mut machine = knowing(&[2, 3]);
    let ids: Vec<u64> = (10..10 + MEMBERS_MAX as u64).collect();
    let mut faults = 0;
    for ids in ids.chunks(UPDATES_MAX) {
        let updates = ids.iter().map(|n| {
            let mut update = update(0, 1, State::Alive);
            update.node = NodeId(*n);
            update
        });
        let out = step(&mut machine, Time(1), gossip(3, updates.collect()));
        faults += usize::from(fault(&out) == Some(PeerFault::TooManyMembers));
    }
    assert_eq!((machine.members().count(), faults), (MEMBERS_MAX, 1));
    step(
        &mut machine,
        Time(2),
        gossip(3, [update(2, 1, State::Dead)].to_vec()),
    );
    let out = step(
        &mut machine,
        Time(2),
        gossip(3, [update(7, 1, State::Alive)].to_vec()),
    );
    assert_eq!(
        (fault(&out), machine.member(NodeId(2))),
        (None, None),
        "the dead make room"
    );
}

#[test]
fn an_exchange_is_paged_and_a_stranger_is_asked_once_per_period() {
    let others: Vec<u64> = (2..=60).collect();
    let mut machine = knowing(&others);
    step(
        &mut machine,
        Time(0),
        gossip(2, (61..=100).map(|n| update(n, 1, State::Alive)).collect()),
    );
    step(
        &mut machine,
        Time(0),
        gossip(2, (101..=140).map(|n| update(n, 1, State::Left)).collect()),
    );
    let join = Message::Join(Join {
        updates: [update(200, 1, State::Alive)].to_vec(),
        more: false,
    });
    let out = step(&mut machine, Time(0), received(200, join));
    let pages: Vec<(usize, u64, bool)> = sent(&out)
        .into_iter()
        .filter_map(|(to, message)| match message {
            Message::Welcome(page) if to == 200 => {
                Some((page.updates.len(), page.updates[0].node.0, page.more))
            }
            Message::Welcome(_)
            | Message::Ping(_)
            | Message::Ack(_)
            | Message::PingReq(_)
            | Message::Nack(_)
            | Message::Join(_)
            | Message::Gossip(_) => None,
        })
        .collect();
    assert_eq!(pages, [(64, 1, true), (64, 65, true), (13, 129, false)]);
    let joins = |out: &[Output]| {
        let messages = sent(out);
        messages
            .iter()
            .filter(|(_, m)| matches!(m, Message::Join(_)))
            .count()
    };
    let period = lan().probe_interval;
    for (at, expected) in [(Time(1), 3), (Time(2), 0), (Time(1) + period, 3)] {
        let out = step(&mut machine, at, gossip(300, Vec::new()));
        assert_eq!(joins(&out), expected, "at {at}");
    }
}

/// Whatever peers say in whatever order: no panic, facts that alternate, and nothing left undone.
#[test]
fn any_input_is_taken() {
    for seed in 0..40 {
        let mut random = Seed::from_number(seed).stream(Stream::Plan);
        let mut machine = machine(1, 2);
        let mut told = Told::default();
        let mut now = Time(0);
        for _ in 0..400 {
            let late = random.index(4) == 0;
            now = now + Duration::from_millis(random.below(if late { 4_000 } else { 200 }));
            let input = any_input(&mut random);
            let out = step(&mut machine, now, input);
            facts(&out)
                .iter()
                .for_each(|fact| check(&mut told, NodeId(1), fact));
            assert!(machine.deadline().is_none_or(|due| due.at > now));
            for member in machine.members().filter(|member| member.node != NodeId(1)) {
                let key = (NodeId(1), member.node);
                let expected = member
                    .state
                    .is_live()
                    .then_some((member.incarnation.boot(), member.state == State::Suspect));
                assert_eq!(
                    told.get(&key).copied(),
                    expected,
                    "the facts tell the table"
                );
            }
        }
    }
}

fn any_input(random: &mut Random) -> Input {
    let states = [State::Alive, State::Suspect, State::Dead, State::Left];
    let updates: Vec<Update> = (0..random.below(4))
        .map(|_| {
            let mut told = update(random.within(1..=6), 1, states[random.index(4)]);
            let edge = [0, u64::MAX, u64::MAX - 1][random.index(3)];
            let usual = random.within(1..=3) << 24 | random.below(3);
            told.incarnation = Incarnation(if random.chance(10) { edge } else { usual });
            told.accuser = [None, Some(NodeId(random.below(7)))][random.index(2)];
            told.address = address(random.within(1..=8));
            told
        })
        .collect();
    let node = NodeId(random.within(1..=7));
    let probe = (2 << 24) + random.below(40);
    let more = random.chance(300);
    let message = match random.below(14) {
        0 | 1 => Message::Ping(Ping { probe, updates }),
        2 | 3 => Message::Ack(Ack {
            probe,
            alive: NodeId(random.within(1..=7)),
            incarnation: Incarnation(random.within(1..=3) << 24),
            updates,
        }),
        4 => Message::PingReq(PingReq {
            probe,
            target: NodeId(random.within(1..=7)),
            updates,
        }),
        5 => Message::Nack(Nack { probe }),
        6 => Message::Join(Join { updates, more }),
        7 => Message::Welcome(Welcome { updates, more }),
        8 => {
            let at = address(random.within(1..=8));
            let peer = Peer { node, boot: 1 };
            let dialed = random.chance(500);
            return Input::LinkUp {
                peer,
                address: at,
                dialed,
            };
        }
        9 => return Input::LinkDown { node },
        10 => return Input::Tick,
        11 if random.chance(200) => return Input::Leave,
        11 => return Input::Started,
        12 => {
            let seeds = (0..random.below(3)).map(|n| address(n + 1)).collect();
            return Input::Join { seeds };
        }
        _ => Message::Gossip(Gossip { updates }),
    };
    Input::Received {
        from: node,
        message,
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
            gossip(3, [update(other, 1, State::Dead)].to_vec()),
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
