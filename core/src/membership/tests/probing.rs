//! What one machine does about one probe.

use super::*;

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
            fingerprint: 0,
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
            | Message::Gossip(_)
            | Message::Sync(_)
            | Message::Differ(_)
            | Message::TurnedAway(_) => None,
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
        // Three silent relays speak against the accuser.
        evidence: Evidence {
            health: 3,
            ..Evidence::of(NodeId(1))
        },
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
            fingerprint: 0,
            updates: Vec::new(),
        })
    };
    let out = step(&mut machine, Time(0), received(2, ack(ping.probe)));
    let Message::Ack(mut relayed) = ack(41) else {
        unreachable!("made above");
    };
    relayed.fingerprint = machine.table.fingerprints().all();
    assert_eq!(sent(&out), [(3, Message::Ack(relayed))]);
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
fn an_ack_reveals_what_gossip_missed() {
    let answered = |incarnation: Incarnation| {
        let mut machine = knowing(&[2]);
        let pinged = play(&mut machine, Time::from_millis(1_000));
        let (at, 2, Message::Ping(ping)) = &pinged[0] else {
            panic!("{pinged:?}");
        };
        let ack = Message::Ack(Ack {
            probe: ping.probe,
            alive: NodeId(2),
            incarnation,
            fingerprint: 0,
            updates: Vec::new(),
        });
        let out = step(&mut machine, *at, received(2, ack));
        (sent(&out), machine.member(NodeId(2)).map(|m| m.incarnation))
    };
    let known = Incarnation::of_boot(1);
    assert_eq!(answered(known), (Vec::new(), Some(known)));
    let refuted = known.above(known);
    assert_eq!(
        answered(refuted),
        (Vec::new(), Some(refuted)),
        "the same life, later"
    );
    let (asked, held) = answered(Incarnation::of_boot(2));
    assert!(
        matches!(asked[..], [(2, Message::Join(_))]),
        "a life nobody told us of"
    );
    assert_eq!(held, Some(known));
    let (told, held) = answered(Incarnation::of_boot(0));
    let updates = [update(2, 1, State::Alive)].to_vec();
    assert_eq!(
        told,
        [(2, Message::Gossip(Gossip { updates }))],
        "a life behind itself"
    );
    assert_eq!(held, Some(known));
}
