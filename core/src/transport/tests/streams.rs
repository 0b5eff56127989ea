//! Streams: many at once, each with its own credit.

use alloc::vec;
use alloc::vec::Vec;

use super::super::*;
use super::rig::*;

fn write(end: &mut End, stream: u16, len: usize) -> Result<usize, SubmitError> {
    end.session.write_stream(end.now, stream, &vec![5; len])
}

fn received(told: &[Told], stream: u16) -> usize {
    let len = |told: &Told| {
        if let Told::Data(of, len) = told
            && *of == stream
        {
            return *len;
        }
        0
    };
    told.iter().map(len).sum()
}

#[test]
fn a_stream_carries_what_is_longer_than_its_credit() {
    let (mut a, mut b) = pair();
    let id = a.session.open_stream(NOW, Priority::Low, 95_000).unwrap();
    let (mut left, mut told) = (95_000, Vec::new());
    while left > 0 {
        match write(&mut a, id, left) {
            Ok(taken) => left -= taken,
            Err(error) => assert_eq!(error, SubmitError::Full),
        }
        told.extend(talk(&mut a, &mut b).1);
    }
    let (class, number) = a.session.end_stream(NOW, id, true).unwrap();
    let (at_a, at_b) = talk(&mut a, &mut b);
    told.extend(at_b);
    assert_eq!(told[0], Told::Opened(id, 95_000));
    assert_eq!(received(&told, id), 95_000);
    assert!(told.contains(&Told::Ended(id, true)));
    assert!(at_a.contains(&Told::Acked(class, number)) && at_a.contains(&Told::Freed(id)));
    assert_eq!(
        (a.session.active_streams(), b.session.active_streams()),
        (0, 0)
    );
    assert_eq!(write(&mut a, id, 1), Err(SubmitError::NoStream));
    assert_eq!(
        a.session.end_stream(NOW, id, true),
        Err(SubmitError::NoStream)
    );
}

#[test]
fn a_stream_that_has_used_all_its_credit_can_still_end() {
    let (mut a, mut b) = pair();
    b.takes = false;
    let id = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    let mut told = Vec::new();
    while write(&mut a, id, 90_000).is_ok() {
        told.extend(talk(&mut a, &mut b).1);
    }
    a.session.end_stream(NOW, id, true).unwrap();
    told.extend(talk(&mut a, &mut b).1);
    assert_eq!(told.last(), Some(&Told::Ended(id, true)));
}

#[test]
fn a_writer_that_has_finished_is_told_that_it_was_refused() {
    let (mut a, mut b) = pair();
    b.takes = false;
    for is_before_the_end in [true, false] {
        let id = a.session.open_stream(NOW, Priority::Low, 10).unwrap();
        write(&mut a, id, 10).unwrap();
        b.hear(&a.wire());
        if is_before_the_end {
            b.session.refuse_stream(NOW, id);
        }
        a.session.end_stream(NOW, id, true).unwrap();
        b.hear(&a.wire());
        b.session.refuse_stream(NOW, id);
        b.take_all();
        let (at_a, _) = talk(&mut a, &mut b);
        let place = |wanted| at_a.iter().position(|told| *told == wanted);
        let (refused, freed) = (place(Told::Refused(id)), place(Told::Freed(id)));
        assert!(refused.is_some() && refused < freed, "{at_a:?}");
        b.session.refuse_stream(NOW, id);
        assert_eq!(talk(&mut a, &mut b).0, [], "all of it was taken");
    }
}

#[test]
fn a_stream_too_many_is_refused_until_one_is_taken() {
    let (mut a, mut b) = pair();
    b.takes = false;
    let open = |a: &mut End| a.session.open_stream(NOW, Priority::Normal, 0);
    let ids = [open(&mut a), open(&mut a), open(&mut a)];
    assert_eq!(ids, [Ok(1), Ok(2), Ok(3)]);
    let full = Err(SubmitError::TooManyStreams { max: 3 });
    assert_eq!(open(&mut a), full);
    write(&mut a, 2, 100).unwrap();
    a.session.end_stream(NOW, 2, true).unwrap();
    talk(&mut a, &mut b);
    assert_eq!(open(&mut a), full, "ended, and not taken");
    b.take_all();
    talk(&mut a, &mut b);
    assert_eq!(open(&mut a), Ok(2));
}

#[test]
fn one_slow_consumer_does_not_hold_the_others() {
    let (mut a, mut b) = pair();
    b.takes = false;
    let [slow, quick] = [1, 2].map(|_| a.session.open_stream(NOW, Priority::Low, 0).unwrap());
    let mut told = Vec::new();
    for _ in 0..20 {
        let _full_in_the_end = write(&mut a, slow, 20_000);
        let _full_at_times = write(&mut a, quick, 20_000);
        let (_, at_b) = talk(&mut a, &mut b);
        told.extend(at_b);
        let (taken, kept): (Vec<_>, Vec<_>) = b
            .owed
            .drain(..)
            .partition(|(_, stream, _)| *stream == quick);
        b.owed = kept;
        for (class, stream, cost) in taken {
            b.take(class, stream, cost);
        }
    }
    assert!(received(&told, slow) <= 80_000);
    assert!(
        received(&told, quick) >= 300_000,
        "{}",
        received(&told, quick)
    );
    let held: usize = b.owed.iter().map(|(_, _, cost)| cost).sum();
    assert!(held <= 80_000);
}

#[test]
fn either_end_may_give_a_stream_up() {
    let (mut a, mut b) = pair();
    let id = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    write(&mut a, id, 1000).unwrap();
    talk(&mut a, &mut b);
    b.session.refuse_stream(NOW, id);
    write(&mut a, id, 1000).unwrap();
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert_eq!(received(&at_b, id), 0, "what comes too late is thrown away");
    assert!(at_a.contains(&Told::Refused(id)));
    assert_eq!(write(&mut a, id, 1), Err(SubmitError::NoStream));
    let finished = a.session.end_stream(NOW, id, true);
    assert_eq!(finished, Err(SubmitError::NoStream));
    a.session.end_stream(NOW, id, false).unwrap();
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert!(at_b.contains(&Told::Ended(id, false)));
    assert!(at_a.contains(&Told::Freed(id)));
    let id = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    write(&mut a, id, 1000).unwrap();
    a.session.end_stream(NOW, id, false).unwrap();
    let (_, at_b) = talk(&mut a, &mut b);
    assert!(at_b.contains(&Told::Ended(id, false)));
}

#[test]
fn a_stream_goes_on_over_the_next_connection() {
    let (mut a, mut b) = pair();
    let id = a.session.open_stream(NOW, Priority::Normal, 0).unwrap();
    write(&mut a, id, 30_000).unwrap();
    let first = b.hear(&a.wire());
    write(&mut a, id, 10_000).unwrap();
    a.wire();
    a.reconnect(1, 1);
    b.reconnect(2, 1);
    a.session.end_stream(NOW, id, true).unwrap();
    let (_, second) = talk(&mut a, &mut b);
    assert_eq!(received(&first, id) + received(&second, id), 40_000);
    assert!(second.contains(&Told::Ended(id, true)));
    assert_eq!(a.session.active_streams() + b.session.active_streams(), 0);
}
