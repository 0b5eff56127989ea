//! Hello, order, keep-alive, goodbye.

use alloc::vec;
use alloc::vec::Vec;

use super::super::frame::{HEADER_LEN, Header, Kind};
use super::super::*;
use super::rig::*;
use crate::id::{ClusterId, NodeId};
use crate::seed::{Seed, Stream};

fn heard_from(theirs: Hello, expected: Option<NodeId>) -> Vec<Told> {
    let mut end = End::new(1);
    end.link = Link::new(config(), hello(1, 1), expected, NOW);
    let mut other = End::new(2);
    other.link = Link::new(config(), theirs, None, NOW);
    let told = end.hear(&other.wire());
    if matches!(told[0], Told::Closed(_)) {
        assert_eq!((end.link.peer(), end.link.deadline()), (None, None));
    }
    told
}

#[test]
fn the_hello_is_checked() {
    let other = ClusterId::new("prod-b").unwrap();
    let new = VersionRange { min: 2, max: 9 };
    let wrong_node = |expected, found| CloseReason::WrongNode {
        expected: NodeId(expected),
        found: NodeId(found),
    };
    let foreign = CloseReason::WrongCluster {
        ours: hello(1, 1).cluster,
        theirs: other.clone(),
    };
    let futuristic = CloseReason::WrongVersion {
        ours: VersionRange::OURS,
        theirs: new,
    };
    let (mut foreigner, mut newcomer) = (hello(2, 1), hello(2, 1));
    foreigner.cluster = other;
    newcomer.versions = new;
    let cases = [
        (None, foreigner, foreign),
        (None, newcomer, futuristic),
        (Some(NodeId(3)), hello(2, 1), wrong_node(3, 2)),
        (None, hello(1, 1), wrong_node(1, 1)),
        (Some(NodeId(1)), hello(1, 1), wrong_node(1, 1)),
    ];
    for (expected, theirs, reason) in cases {
        assert_eq!(heard_from(theirs, expected), [Told::Closed(reason)]);
    }
    assert_eq!(
        heard_from(hello(2, 1), Some(NodeId(2))),
        [Told::Established(2)]
    );
}

#[test]
fn the_next_version_and_this_one_speak_this_one() {
    let mut newer = hello(2, 1);
    newer.versions = VersionRange { min: 1, max: 2 };
    let mut b = End::new(2);
    b.link = Link::new(config(), newer, None, NOW);
    let (mut a, mut b) = introduced(End::new(1), b);
    a.send(Priority::Low, b"old").unwrap();
    b.send(Priority::Low, b"new").unwrap();
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert_eq!(
        (messages(&at_a), messages(&at_b)),
        (vec!["new".into()], vec!["old".into()])
    );
}

#[test]
fn what_waited_before_the_version_was_known_speaks_it() {
    let later = VersionRange { min: 2, max: 2 };
    let end = |node| {
        let mut hello = hello(node, 1);
        hello.versions = later;
        let mut end = End::new(node);
        end.link = Link::new(config(), hello, None, NOW);
        end.send(Priority::Normal, b"first").unwrap();
        end.send(Priority::Normal, b"second").unwrap();
        end
    };
    let (mut a, mut b) = (end(1), end(2));
    let (at_a, _) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_a), ["first", "second"]);
}

#[test]
fn a_hello_that_is_none_is_a_fault() {
    let good = End::new(2).wire();
    let spoken = VersionRange { min: 7, max: 7 };
    let mut bytes = good.clone();
    bytes[0] = 7;
    let reason = CloseReason::WrongVersion {
        ours: VersionRange::OURS,
        theirs: spoken,
    };
    assert_eq!(End::new(1).hear(&bytes), [Told::Closed(reason)]);
    for len in 0..good.len() - HEADER_LEN {
        let mut bytes = good[..HEADER_LEN + len].to_vec();
        bytes[4] = u8::try_from(len).unwrap();
        assert_eq!(End::new(1).hear(&bytes), closed(LinkFault::Malformed));
    }
    for (at, what) in [(18, "cluster length"), (26, "cluster"), (48, "family")] {
        let mut bytes = good.clone();
        bytes[at] = 0xFF;
        let told = End::new(1).hear(&bytes);
        assert_eq!(told, closed(LinkFault::Malformed), "{what}");
    }
}

#[test]
fn frames_wait_for_the_hello_and_numbered_ones_for_the_resumption() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    a.node(Priority::Low, 9, 1);
    assert_eq!(a.send(Priority::Low, b"hi"), Ok(1));
    assert_eq!(b.hear(&a.wire()), [Told::Established(1)]);
    let from_b = b.wire();
    let hello_len = End::new(2).wire().len();
    assert_eq!(a.hear(&from_b[..hello_len]), [Told::Established(2)]);
    assert_eq!(b.hear(&a.wire()), [Told::Resumed, Told::Node(9, 1)]);
    assert_eq!(a.hear(&from_b[hello_len..]), [Told::Resumed]);
    assert_eq!(messages(&b.hear(&a.wire())), ["hi"]);
}

/// Everything an end says in a conversation with every kind of frame, and the end that hears it.
fn conversation() -> (Vec<u8>, End) {
    let (mut a, mut b) = (End::new(1), End::new(2));
    b.send(Priority::High, b"ask me").unwrap();
    let listener = b.clone();
    let mut said = Vec::new();
    a.node(Priority::Critical, 4, 40_000);
    a.send(Priority::Low, &[b'x'; 18_000]).unwrap();
    a.send(Priority::Low, b"").unwrap();
    let (id, body, deadline) = (77, &b"ask"[..], Some(Time::from_millis(1500)));
    let request = Outgoing::Request { id, body, deadline };
    a.session.submit(NOW, Priority::Normal, request).unwrap();
    let reply = Outgoing::Reply { id, body };
    a.session.submit(NOW, Priority::High, reply).unwrap();
    let stream = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    a.session.write_stream(NOW, stream, &[1; 100]).unwrap();
    let body = Payload::copy_from(b"fire");
    let datagram = Unacknowledged::Datagram { body };
    a.link.submit(Priority::Normal, datagram).unwrap();
    for _ in 0..8 {
        let from_a = a.wire();
        said.extend(&from_a);
        b.hear(&from_a);
        let from_b = b.wire();
        a.hear(&from_b);
    }
    a.link.close();
    said.extend(a.wire());
    (said, listener)
}

#[test]
fn pieces_do_not_matter() {
    let (said, listener) = conversation();
    let hello_len = End::new(1).wire().len();
    let listen = |piece: &mut dyn FnMut() -> usize| {
        let (mut end, mut told) = (listener.clone(), Vec::new());
        // The listener speaks as soon as it may, so that what is acknowledged was sent.
        for mut rest in [
            &said[..hello_len + HEADER_LEN + 56],
            &said[hello_len + HEADER_LEN + 56..],
        ] {
            while !rest.is_empty() {
                let (bytes, after) = rest.split_at(piece().min(rest.len()));
                told.extend(end.hear(bytes));
                rest = after;
            }
            end.wire();
        }
        (told, end)
    };
    let whole = listen(&mut || usize::MAX);
    assert_eq!(whole.0.len(), 12);
    assert_eq!(whole.0.last(), Some(&Told::Closed(CloseReason::Goodbye)));
    let mut random = Seed::from_number(2).stream(Stream::Network);
    for round in 0..100 {
        let longest = if round == 0 {
            1
        } else {
            1 + random.index(20_000)
        };
        let pieces = listen(&mut || 1 + random.index(longest));
        assert_eq!(pieces, whole, "pieces up to {longest}");
    }
}

#[test]
fn deadlines_are_understood_by_another_clock() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    b.now = Time::from_millis(500_000);
    b.link = Link::new(config(), hello(2, 1), None, b.now);
    (a, b) = introduced(a, b);
    let (id, body, deadline) = (1, &b""[..], Some(Time::from_millis(1250)));
    let request = Outgoing::Request { id, body, deadline };
    a.session.submit(NOW, Priority::High, request).unwrap();
    let (_, at_b) = talk(&mut a, &mut b);
    let there = Some(Time::from_millis(500_250));
    assert_eq!(at_b, [Told::Request(1, there, vec![])]);
}

#[test]
fn silence_is_broken_and_noticed() {
    let (mut a, _) = pair();
    let keepalive = Header::bare(1, Kind::Keepalive).encode().to_vec();
    let at = |millis, a: &mut End| {
        a.now = Time::from_millis(millis);
        (a.tick(), a.wire())
    };
    assert_eq!(a.due(), Some(2000));
    assert_eq!(at(1999, &mut a), (vec![], vec![]));
    assert_eq!(at(2000, &mut a), (vec![], keepalive.clone()));
    a.node(Priority::Low, 1, 1);
    assert_eq!(at(2500, &mut a).1.len(), 17);
    assert_eq!(a.due(), Some(3500), "a frame is as good as a keep-alive");
    a.now = Time::from_millis(3400);
    a.hear(&keepalive[..3]);
    assert_eq!(at(3500, &mut a), (vec![], keepalive.clone()));
    assert_eq!(at(4500, &mut a), (vec![], keepalive.clone()));
    assert_eq!(at(5500, &mut a), (vec![], keepalive));
    assert_eq!(a.due(), Some(6400));
    let idle = vec![Told::Closed(CloseReason::Idle)];
    assert_eq!(at(9000, &mut a), (idle, vec![]));
    assert_eq!(a.due(), None);
}

#[test]
fn an_idle_connection_grows_quiet_and_says_so() {
    let patient = Config {
        keepalive_interval_max: Duration::from_secs(4),
        idle_timeout: Duration::from_secs(60),
        ..config()
    };
    let (mut a, mut b) = introduced(End::of(patient, 1), End::new(2));
    let mut signs = Vec::new();
    for _ in 0..5 {
        let due = a.due().unwrap();
        (a.now, b.now) = (Time::from_millis(due), Time::from_millis(due));
        assert_eq!(
            b.tick(),
            [],
            "it was told to be patient for longer than its idle timeout"
        );
        assert_eq!(a.tick(), []);
        assert_eq!(b.hear(&a.wire()), []);
        signs.push(due);
    }
    assert_eq!(signs, [2000, 4000, 8000, 12_000, 16_000]);
    a.node(Priority::Low, 1, 1);
    b.hear(&a.wire());
    assert_eq!(a.due(), Some(18_000), "one word halves the pause");
    a.node(Priority::Low, 1, 1);
    b.hear(&a.wire());
    assert_eq!(a.due(), Some(17_000), "traffic restores the usual one");
    b.now = Time::from_millis(19_000);
    assert_eq!(b.tick(), [Told::Closed(CloseReason::Idle)]);
}

#[test]
fn a_keepalive_waits_for_the_socket_without_waking() {
    let (mut a, _) = pair();
    a.now = Time::from_millis(2000);
    a.tick();
    assert!(a.link.wants_transmit(&a.session));
    assert_eq!(a.due(), Some(4000), "only the idle timeout remains");
}

#[test]
fn a_silent_stranger_is_hung_up() {
    let mut end = End::new(1);
    end.wire();
    end.hear(&End::new(2).wire()[..20]);
    assert_eq!(end.due(), Some(6000));
    end.now = Time::from_millis(6000);
    assert_eq!(end.tick(), [Told::Closed(CloseReason::HelloTimeout)]);
    end.now = Time::from_millis(7000);
    assert_eq!((end.tick(), end.wire()), (vec![], vec![]));
}

#[test]
fn a_goodbye_follows_what_was_accepted() {
    let (mut a, mut b) = pair();
    a.node(Priority::Low, 6, 1);
    for _ in 0..3 {
        a.send(Priority::Low, &[b'a'; 15_000]).unwrap();
    }
    a.node(Priority::Low, 8, 20_000);
    a.link.close();
    a.link.close();
    let (code, body) = (7, Payload::copy_from(b""));
    let late = a
        .link
        .submit(Priority::Low, Unacknowledged::Node { code, body });
    assert_eq!(late, Err(SubmitError::Closed));
    b.send(Priority::Low, b"crossing").unwrap();
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b).len(), 3);
    let nodes = [Told::Node(6, 1), Told::Node(8, 20_000)];
    assert!(nodes.iter().all(|node| at_b.contains(node)));
    assert_eq!(at_b.last(), Some(&Told::Closed(CloseReason::Goodbye)));
    assert_eq!(messages(&at_a), ["crossing"], "we still listen");
    assert!(
        !a.link.wants_transmit(&a.session),
        "but nothing follows a goodbye"
    );
}

#[test]
fn a_closed_link_is_inert() {
    let (mut a, mut b) = pair();
    a.node(Priority::Low, 6, 1);
    let stray = a.wire();
    b.hear(&Header::bare(1, Kind::Goodbye).encode());
    let before = b.clone();
    assert_eq!(b.hear(&stray), []);
    b.now = Time::from_millis(99_000);
    assert_eq!((b.tick(), b.wire()), (vec![], vec![]));
    assert!(b.link.deadline().is_none());
    b.now = before.now;
    assert_eq!(b, before);
}

#[test]
fn acknowledgements_alone_are_told_from_those_with_company() {
    let (mut a, mut b) = pair();
    a.send(Priority::Normal, b"one").unwrap();
    assert!(
        !a.link.wants_only_to_acknowledge(&a.session),
        "a message waits"
    );
    b.hear(&a.wire());
    assert!(b.link.wants_only_to_acknowledge(&b.session));
    b.send(Priority::Normal, b"answer").unwrap();
    assert!(!b.link.wants_only_to_acknowledge(&b.session));
    let both = b.record();
    assert!(b.record().is_empty(), "one record for both");
    assert_eq!(a.hear(&both)[0], Told::Acked(Priority::Normal, 1));
    assert!(a.link.wants_only_to_acknowledge(&a.session));
    a.link.close();
    assert!(
        !a.link.wants_only_to_acknowledge(&a.session),
        "a goodbye too"
    );
}
