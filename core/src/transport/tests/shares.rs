//! Who goes first, how far, and what stands in the way.

use alloc::vec;
use alloc::vec::Vec;

use super::super::*;
use super::rig::*;

fn large() -> Config {
    Config {
        queue_bytes_max: 8 << 20,
        credit_bytes: 8 << 20,
        message_bytes_max: 8 << 20,
        ..config()
    }
}

fn large_pair() -> (End, End) {
    introduced(End::of(large(), 1), End::of(large(), 2))
}

fn classes(told: &[Told]) -> Vec<Priority> {
    let class = |told: &Told| {
        if let Told::Message(class, ..) = told {
            return Some(*class);
        }
        None
    };
    told.iter().filter_map(class).collect()
}

#[test]
fn a_higher_class_waits_for_one_record_at_most() {
    let (mut a, mut b) = large_pair();
    for _ in 0..100 {
        a.send(Priority::Low, &[1; 10_000]).unwrap();
    }
    let first = a.record();
    assert!((10_000..=SEGMENT_BYTES).contains(&first.len()));
    a.send(Priority::High, b"high").unwrap();
    a.send(Priority::Critical, b"critical").unwrap();
    a.node(Priority::Critical, 1, 3);
    let next = a.record();
    b.hear(&first);
    let told = b.hear(&next);
    assert_eq!(told[0], Told::Node(1, 3));
    assert_eq!(classes(&told)[..2], [Priority::Critical, Priority::High]);
}

#[test]
fn low_waits_for_acknowledgements_and_critical_does_not() {
    let (mut a, mut b) = large_pair();
    for _ in 0..100 {
        a.send(Priority::Low, &[1; 16_000]).unwrap();
    }
    let bulk = a.wire();
    assert!((100_000..400_000).contains(&bulk.len()), "{}", bulk.len());
    assert!(!a.link.wants_transmit(&a.session), "the window is full");
    a.send(Priority::Normal, &[2; 16_000]).unwrap();
    a.send(Priority::High, &[3; 16_000]).unwrap();
    a.send(Priority::Critical, &[4; 16_000]).unwrap();
    let mut told = b.hear(&bulk);
    told.extend(b.hear(&a.wire()));
    let expected = [Priority::Critical, Priority::High, Priority::Normal];
    assert_eq!(classes(&told)[classes(&told).len() - 3..], expected);
    let (_, rest) = talk(&mut a, &mut b);
    assert_eq!(classes(&told).len() + classes(&rest).len(), 103);
}

#[test]
fn low_has_a_share_when_all_are_busy() {
    let (mut a, mut b) = large_pair();
    for _ in 0..8 {
        a.send(Priority::Low, &[1; 10_000]).unwrap();
    }
    let mut order = Vec::new();
    for _ in 0..100 {
        while a.session.owed() < 60 {
            a.send(Priority::Critical, &[2; 10_000]).unwrap();
        }
        order.extend(classes(&b.hear(&a.record())));
        let acknowledged = b.wire();
        a.hear(&acknowledged);
    }
    let low = order.iter().filter(|class| **class == Priority::Low);
    assert!((3..=5).contains(&low.count()), "a sixteenth of the bytes");
    let run = |class: &&Priority| **class == Priority::Critical;
    assert!(order.iter().take_while(run).count() >= 15);
}

#[test]
fn acknowledgements_are_cumulative_per_class() {
    let (mut a, mut b) = pair();
    for (class, number) in [(Priority::Low, 1), (Priority::Low, 2), (Priority::High, 1)] {
        assert_eq!(a.send(class, b"12345"), Ok(number));
    }
    let from_a = a.wire();
    assert_eq!(b.hear(&from_a).len(), 3);
    let acked = |priority, number| Told::Acked(priority, number);
    let expected = [acked(Priority::High, 1), acked(Priority::Low, 2)];
    assert_eq!(a.hear(&b.wire()), expected);
    assert!(!b.link.wants_transmit(&b.session), "said once");
    a.send(Priority::Low, b"12345").unwrap();
    b.hear(&a.wire());
    assert_eq!(a.hear(&b.wire()), [acked(Priority::Low, 3)]);
    assert_eq!(a.session.deadline(), None, "nothing is owed");
}

#[test]
fn what_cannot_be_queued_is_refused() {
    let mut a = End::new(1);
    let max = 20_000;
    let too_large = SubmitError::TooLarge { len: 20_001, max };
    assert_eq!(a.send(Priority::Low, &[0; 20_001]), Err(too_large));
    let full = Err(SubmitError::Full);
    for number in [2, 4] {
        let submitted = a.send(Priority::Low, &[0; 20_000]);
        assert_eq!(submitted, Ok(number), "two frames each");
    }
    assert_eq!(a.send(Priority::Low, &[0; 20_000]), full, "the queue");
    assert_eq!(
        a.send(Priority::Normal, &[0; 20_000]),
        Ok(2),
        "each class its own"
    );
    let mut b = End::new(2);
    b.takes = false;
    let (mut a, mut b) = introduced(a, b);
    for number in 5..=6 {
        assert_eq!(a.send(Priority::Low, &[0; 15_000]), Ok(number));
        talk(&mut a, &mut b);
    }
    assert_eq!(
        a.send(Priority::Low, &[0; 15_000]),
        full,
        "nobody takes them"
    );
    assert_eq!(a.send(Priority::Critical, &[0; 15_000]), Ok(1));
    b.take_all();
    let (at_a, _) = talk(&mut a, &mut b);
    assert!(at_a.contains(&Told::Room));
    assert_eq!(a.send(Priority::Low, &[0; 15_000]), Ok(7));
}

#[test]
fn a_slow_reader_holds_up_its_own_class_only() {
    let (mut a, mut b) = pair();
    b.takes = false;
    while a.send(Priority::Low, &[0; 5_000]).is_ok() {
        talk(&mut a, &mut b);
    }
    let held: usize = b.owed.iter().map(|(_, _, cost)| cost).sum();
    assert!((70_000..=80_000).contains(&held), "{held}");
    a.send(Priority::Normal, b"still").unwrap();
    let stream = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    assert_eq!(a.session.write_stream(NOW, stream, &[0; 10]), Ok(10));
    let (_, at_b) = talk(&mut a, &mut b);
    assert_eq!(messages(&at_b), ["still"]);
    assert!(at_b.contains(&Told::Data(stream, 10)));
}

#[test]
fn long_messages_arrive_whole() {
    let (mut a, mut b) = large_pair();
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let number = a.send(Priority::Normal, &body).unwrap();
    a.send(Priority::Normal, b"after").unwrap();
    a.node(Priority::Normal, 9, 1 << 20);
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert!(at_b.contains(&Told::Message(Priority::Normal, number, body)));
    assert!(at_b.contains(&Told::Node(9, 1 << 20)));
    assert!(at_a.contains(&Told::Acked(Priority::Normal, number + 1)));
    let stats = a.session.stats();
    assert_eq!(stats.frames_sent, number + 1);
    assert_eq!(stats.queue_delay[2].count(), number + 1);
    assert_eq!(vec![stats.retries, stats.dropped], [0, 0]);
}
