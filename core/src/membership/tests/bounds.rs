//! What peers cannot make a machine do.

use super::*;

#[test]
fn wrong_messages_are_faults_and_change_nothing() {
    let mut machine = knowing(&[2, 3]);
    let too_many: Vec<Update> = (10..=266).map(|n| update(n, 1, State::Alive)).collect();
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
            fingerprint: 0,
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
        gossip(3, [believed(2, 1, State::Dead)].to_vec()),
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
        gossip(2, (61..=300).map(|n| update(n, 1, State::Alive)).collect()),
    );
    step(
        &mut machine,
        Time(0),
        gossip(2, (301..=500).map(|n| update(n, 1, State::Left)).collect()),
    );
    let join = Message::Join(Join {
        updates: [update(900, 1, State::Alive)].to_vec(),
        more: false,
    });
    let out = step(&mut machine, Time(0), received(900, join));
    let pages: Vec<(usize, u64, bool)> = sent(&out)
        .into_iter()
        .filter_map(|(to, message)| match message {
            Message::Welcome(page) if to == 900 => {
                Some((page.updates.len(), page.updates[0].node.0, page.more))
            }
            Message::Welcome(_)
            | Message::Ping(_)
            | Message::Ack(_)
            | Message::PingReq(_)
            | Message::Nack(_)
            | Message::Join(_)
            | Message::Gossip(_)
            | Message::Sync(_)
            | Message::Differ(_)
            | Message::TurnedAway(_) => None,
        })
        .collect();
    assert_eq!(pages, [(256, 1, true), (245, 257, false)]);
    let joins = |out: &[Output]| {
        let messages = sent(out);
        messages
            .iter()
            .filter(|(_, m)| matches!(m, Message::Join(_)))
            .count()
    };
    let period = lan().probe_interval;
    for (at, expected) in [(Time(1), 2), (Time(2), 0), (Time(1) + period, 2)] {
        let out = step(&mut machine, at, gossip(901, Vec::new()));
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
            let accuser = NodeId(random.below(7));
            let witnesses = (0..random.below(5)).map(NodeId).collect();
            let evidence = Evidence {
                accuser,
                witnesses,
                health: 0,
            };
            told.evidence = random.chance(500).then_some(evidence);
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
            fingerprint: random.below(2),
            updates,
        }),
        4 => Message::PingReq(PingReq {
            probe,
            target: NodeId(random.within(1..=7)),
            updates,
        }),
        5 => Message::Nack(Nack { probe }),
        6 => Message::Join(Join { updates, more }),
        7 if random.chance(300) => Message::Sync(Sync {
            parts: [0, random.word()].repeat([PARTS / 2, 3][random.index(2)]),
            updates,
        }),
        7 if random.chance(300) => Message::Differ(Differ {
            parts: random.word(),
            asks: random.chance(500),
            updates,
            more,
        }),
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
