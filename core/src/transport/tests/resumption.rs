//! Sessions over several connections.

use alloc::vec;
use alloc::vec::Vec;

use super::super::*;
use super::rig::*;
use crate::seed::{Random, Seed, Stream};

fn reconnected(a: &mut End, b: &mut End) -> (Vec<Told>, Vec<Told>) {
    a.reconnect(1, 1);
    b.reconnect(2, 1);
    talk(a, b)
}

#[test]
fn what_was_not_acknowledged_is_sent_again_and_delivered_once() {
    let (mut a, mut b) = pair();
    for text in ["one", "two", "three"] {
        a.send(Priority::Normal, text.as_bytes()).unwrap();
    }
    let arrived = b.hear(&a.wire());
    assert_eq!(messages(&arrived), ["one", "two", "three"]);
    a.send(Priority::Normal, b"four").unwrap();
    a.wire();
    a.send(Priority::Critical, b"five").unwrap();
    let (at_a, at_b) = reconnected(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["five", "four"]);
    // The resumption itself told what had arrived.
    let acked = |priority, number| Told::Acked(priority, number);
    assert_eq!(at_a[1], acked(Priority::Normal, 3));
    assert!(at_a.contains(&acked(Priority::Normal, 4)));
    assert_eq!(
        (a.session.stats().retries, b.session.stats().duplicates),
        (1, 0)
    );
    assert_eq!(a.session.owed(), 0);
}

#[test]
fn of_two_connections_the_later_carries_and_both_are_heard() {
    let (mut a, mut b) = pair();
    a.send(Priority::Low, b"one").unwrap();
    let on_its_way = a.wire();
    let (mut old_a, mut old_b) = (a.link.clone(), b.link.clone());
    let (_, at_b) = reconnected(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["one"]);
    assert!(!old_a.carries(&a.session) && a.link.carries(&a.session));
    // What the old connection still brings is known already.
    core::mem::swap(&mut b.link, &mut old_b);
    assert_eq!(b.hear(&on_its_way), []);
    assert_eq!(b.session.stats().duplicates, 1);
    // It takes over again when the later one ends.
    a.send(Priority::Low, b"two").unwrap();
    core::mem::swap(&mut a.link, &mut old_a);
    assert!(!a.link.wants_transmit(&a.session));
    assert!(a.link.carry(&mut a.session));
    let (_, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["two"]);
}

#[test]
fn when_the_carrier_is_said_goodbye_to_another_takes_over() {
    let (mut a, mut b) = pair();
    let (mut old_a, old_b) = (a.link.clone(), b.link.clone());
    reconnected(&mut a, &mut b);
    b.link.close();
    let told = a.hear(&b.wire());
    assert_eq!(told, [Told::Closed(CloseReason::Goodbye)]);
    assert!(
        a.link.carries(&a.session),
        "its owner knows whose turn it was"
    );
    a.send(Priority::Low, b"on").unwrap();
    assert_eq!(a.wire(), []);
    core::mem::swap(&mut a.link, &mut old_a);
    b.link = old_b;
    assert!(a.link.carry(&mut a.session) && !old_a.carry(&mut a.session));
    let (_, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["on"]);
}

#[test]
fn frames_for_a_session_that_is_over_do_not_count_for_the_next() {
    let (mut a, mut b) = pair();
    a.session.give_up();
    // On one connection A is heard late.
    a.reconnect(1, 1);
    b.reconnect(2, 1);
    b.hear(&a.wire());
    a.hear(&b.wire());
    let mut late = a.wire();
    let (slow_a, slow_b) = (a.link.clone(), b.link.clone());
    // On another one they agree, and A goes on over the slow one.
    reconnected(&mut a, &mut b);
    (a.link, b.link) = (slow_a, slow_b);
    assert_eq!(a.hear(&b.wire()), [Told::Resumed]);
    a.send(Priority::Low, b"late").unwrap();
    late.extend(a.wire());
    b.session.give_up();
    assert_eq!(messages(&b.hear(&late)), Vec::<&str>::new());
    let (at_a, _) = talk(&mut a, &mut b);
    assert_eq!(at_a, [Told::Lost, Told::Resumed]);
    a.send(Priority::Low, b"fresh").unwrap();
    let (_, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["fresh"]);
}

#[test]
fn a_peer_that_starts_again_begins_anew() {
    let (mut a, mut b) = pair();
    a.send(Priority::Low, b"unknown fate").unwrap();
    let stray = a.wire();
    b.session = Session::new(config());
    b.reconnect(2, 2);
    a.reconnect(1, 1);
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert_eq!(at_a, [Told::Established(2), Told::Lost, Told::Resumed]);
    assert_eq!(messages(&at_b), Vec::<&str>::new());
    assert_eq!(a.session.stats().dropped, 1);
    a.send(Priority::Low, b"fresh").unwrap();
    let (_, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["fresh"]);
    assert_eq!(b.hear(&stray), [], "the same number again");
    // With nothing under way, too: what has arrived may have been a request.
    b.session = Session::new(config());
    b.reconnect(2, 3);
    a.reconnect(1, 1);
    let (at_a, _) = talk(&mut a, &mut b);
    assert_eq!(at_a, [Told::Established(2), Told::Lost, Told::Resumed]);
}

#[test]
fn an_earlier_life_has_nothing_to_say() {
    let (mut a, mut b) = pair();
    a.session.submit(NOW, Priority::Low, message(b"x")).unwrap();
    let (mut late, old_link) = (b.clone(), a.link.clone());
    b.session = Session::new(config());
    b.reconnect(2, 2);
    a.reconnect(1, 1);
    talk(&mut a, &mut b);
    late.send(Priority::Low, b"ghost").unwrap();
    let ghost = late.wire();
    let new_link = core::mem::replace(&mut a.link, old_link);
    assert_eq!(a.hear(&ghost), []);
    assert!(!a.link.carry(&mut a.session));
    a.link = new_link;
    assert_eq!(talk(&mut a, &mut b), (vec![], vec![]));
}

fn message(body: &[u8]) -> Outgoing<'_> {
    let deadline = None;
    Outgoing::Message { body, deadline }
}

#[test]
fn without_progress_it_probes_then_reconnects_then_fails() {
    let (mut a, mut b) = pair();
    a.send(Priority::Normal, b"hello?").unwrap();
    a.wire();
    let due = |a: &End| a.session.deadline().unwrap().at.as_millis();
    assert_eq!(due(&a), 3000);
    assert_eq!(a.session.tick(Time::from_millis(2999)), None);
    a.now = Time::from_millis(3000);
    assert_eq!(a.session.tick(a.now), Some(Stall::Probe));
    let probe = a.wire();
    assert_eq!(probe.len(), 16);
    // Progress in between starts the count again.
    let mut lively = a.clone();
    let mut other = b.clone();
    other.send(Priority::Low, b"").unwrap();
    let (mut from_other, _) = (other.wire(), other.hear(&probe));
    from_other.extend(other.wire());
    lively.hear(&from_other);
    a.now = Time::from_millis(5000);
    assert_eq!(a.session.tick(a.now), Some(Stall::Reconnect));
    let mut saved = a.clone();
    a.now = Time::from_millis(7000);
    assert_eq!(a.session.tick(a.now), Some(Stall::Failed { frames: 1 }));
    assert_eq!((a.session.owed(), a.session.deadline()), (0, None));
    // Reconnected in time, nothing is lost.
    let (_, at_b) = reconnected(&mut saved, &mut b.clone());
    assert_eq!(messages(&at_b), ["hello?"]);
    assert_eq!(saved.session.deadline(), None);
    // Given up, both ends begin anew, and say so.
    b.send(Priority::Normal, b"unheard").unwrap();
    let (at_a, at_b) = reconnected(&mut a, &mut b);
    assert!(
        at_b.contains(&Told::Lost) && !at_a.contains(&Told::Lost),
        "{at_a:?} {at_b:?}"
    );
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut a, &mut b];
        ends[from].send(Priority::Normal, b"again").unwrap();
        let [a, b] = ends;
        let told = talk(a, b);
        assert_eq!(messages(if to == 0 { &told.0 } else { &told.1 }), ["again"]);
    }
}

#[test]
fn both_may_give_up_at_once() {
    let (mut a, mut b) = pair();
    for end in [&mut a, &mut b] {
        end.send(Priority::Low, b"x").unwrap();
        end.wire();
        for seconds in [3, 5, 7] {
            end.now = Time::from_millis(seconds * 1000);
            end.session.tick(end.now);
        }
        end.send(Priority::Low, b"y").unwrap();
    }
    let (at_a, at_b) = reconnected(&mut a, &mut b);
    assert_eq!(
        (messages(&at_a), messages(&at_b)),
        (vec!["y".into()], vec!["y".into()])
    );
}

#[test]
fn a_connection_that_was_overtaken_is_heard_out_and_ignored() {
    let (mut a, mut b) = (End::new(1), End::new(2));
    b.hear(&a.wire());
    a.hear(&b.wire());
    a.send(Priority::Low, b"x").unwrap();
    let late = a.wire();
    let mut overtaken = b.link.clone();
    a.session.give_up();
    a.send(Priority::Low, b"y").unwrap();
    let (_, at_b) = reconnected(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["y"]);
    core::mem::swap(&mut b.link, &mut overtaken);
    assert_eq!(b.hear(&late), [], "of a session that is over, and no fault");
    core::mem::swap(&mut b.link, &mut overtaken);
    a.send(Priority::Low, b"z").unwrap();
    assert_eq!(messages(&talk(&mut a, &mut b).1), ["z"]);
}

/// One direction's account: what was handed over, what arrived, what was acknowledged.
#[derive(Default)]
struct Account {
    sent: [Vec<u64>; 4],
    arrived: [usize; 4],
    acked: [u64; 4],
}

impl Account {
    fn note(&mut self, back: &mut Account, told: Vec<Told>) {
        for told in told {
            if let Told::Message(class, number, body) = &told {
                let class = class.index();
                let word = u64::from_le_bytes(body[..8].try_into().unwrap());
                let due = self.sent[class][self.arrived[class]];
                assert_eq!(due, word, "in order, once");
                assert!(*number > self.acked[class], "before it is acknowledged");
                self.arrived[class] += 1;
            }
            if let Told::Acked(class, number) = told {
                back.acked[class.index()] = number;
            }
            assert_ne!(told, Told::Lost, "a session that both keep is not lost");
            assert!(!matches!(told, Told::Closed(_)), "{told:?}");
        }
    }
}

/// A network that delays, cuts in pieces, and breaks connections with bytes under way.
#[test]
fn nothing_is_lost_or_doubled_over_any_number_of_connections() {
    for seed in 0..20 {
        let mut random = Seed::from_number(seed).stream(Stream::Network);
        let (mut a, mut b) = pair();
        let (mut to_a, mut to_b) = (Account::default(), Account::default());
        let (mut wire_a, mut wire_b) = (Vec::new(), Vec::new());
        for step in 0..3000u64 {
            chatter(&mut random, &mut a, &mut to_b, step);
            chatter(&mut random, &mut b, &mut to_a, step);
            if random.chance(500) {
                wire_a.extend(a.record());
            }
            if random.chance(500) {
                wire_b.extend(b.record());
            }
            let landing: Vec<u8> = wire_a.drain(..random.index(wire_a.len() + 1)).collect();
            to_b.note(&mut to_a, b.hear(&landing));
            let landing: Vec<u8> = wire_b.drain(..random.index(wire_b.len() + 1)).collect();
            to_a.note(&mut to_b, a.hear(&landing));
            if random.chance(10) {
                (wire_a, wire_b) = (Vec::new(), Vec::new());
                a.reconnect(1, 1);
                b.reconnect(2, 1);
            }
        }
        to_b.note(&mut to_a, b.hear(&wire_a));
        to_a.note(&mut to_b, a.hear(&wire_b));
        loop {
            let (from_a, from_b) = (a.wire(), b.wire());
            if from_a.is_empty() && from_b.is_empty() {
                break;
            }
            to_b.note(&mut to_a, b.hear(&from_a));
            to_a.note(&mut to_b, a.hear(&from_b));
        }
        for account in [&to_a, &to_b] {
            let arrived: Vec<usize> = account.sent.iter().map(Vec::len).collect();
            assert_eq!(account.arrived, arrived[..]);
            assert!(account.arrived.iter().all(|count| *count > 50));
        }
        assert_eq!((a.session.owed(), b.session.owed()), (0, 0));
        assert!(a.session.stats().retries > 0);
    }
}

fn chatter(random: &mut Random, end: &mut End, account: &mut Account, step: u64) {
    if random.chance(400) {
        let class = Priority::ALL[random.index(4)];
        let mut body = step.to_le_bytes().to_vec();
        body.resize(8 + random.index(3000), 7);
        if end.send(class, &body).is_ok() {
            account.sent[class.index()].push(step);
        }
    }
}
