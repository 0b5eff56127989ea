//! Bad input: each fault has its name, and nothing a peer sends takes more memory than it is
//! granted.

use alloc::vec;
use alloc::vec::Vec;

use super::super::frame::{HEADER_LEN, Header, Kind};
use super::super::*;
use super::rig::*;
use crate::seed::{Random, Seed, Stream};

/// A frame as a stranger might make it.
fn raw(head: [u8; 4], len: u16, stream: u16, number: u64, body: &[u8]) -> Vec<u8> {
    let (len, stream, number) = (
        len.to_le_bytes(),
        stream.to_le_bytes(),
        number.to_le_bytes(),
    );
    [&head[..], &len, &stream, &number, body].concat()
}

#[test]
fn every_header_that_breaks_a_rule_has_its_fault() {
    use LinkFault::{BrokenSequence, ImpossibleAck, OutOfOrder, Oversized, UnknownFrame};
    let cases = [
        ([2, 2, 0, 1], 1, 0, 0, UnknownFrame, "another version"),
        ([1, 0, 0, 0], 1, 0, 0, UnknownFrame, "no such kind"),
        ([1, 14, 0, 0], 1, 0, 0, UnknownFrame, "no such kind"),
        ([1, 2, 4, 1], 1, 0, 0, UnknownFrame, "no such class"),
        (
            [1, 2, 0, 1],
            1,
            0,
            1,
            UnknownFrame,
            "a number without meaning",
        ),
        (
            [1, 5, 0, 1],
            1,
            0,
            1,
            UnknownFrame,
            "a code without meaning",
        ),
        (
            [1, 7, 1, 0],
            0,
            0,
            0,
            UnknownFrame,
            "a class without meaning",
        ),
        (
            [1, 3, 0, 0],
            1,
            9,
            1,
            UnknownFrame,
            "a stream without meaning",
        ),
        (
            [1, 6, 0x80, 0],
            0,
            0,
            1,
            UnknownFrame,
            "a continuation of nothing",
        ),
        ([1, 3, 0, 2], 1, 0, 1, UnknownFrame, "an unknown flag"),
        ([1, 11, 0, 3], 1, 1, 1, UnknownFrame, "two flags at once"),
        (
            [1, 3, 0, 0],
            16_369,
            0,
            1,
            Oversized,
            "a body beyond a segment",
        ),
        (
            [1, 3, 0, 0],
            u16::MAX,
            0,
            1,
            Oversized,
            "a body beyond reason",
        ),
        (
            [1, 6, 0, 0],
            1,
            0,
            1,
            Oversized,
            "an acknowledgement's body",
        ),
        ([1, 8, 0, 0], 1, 0, 0, Oversized, "a goodbye's body"),
        ([1, 12, 0, 0], 9, 0, 1, Oversized, "a credit's body"),
        ([1, 1, 0, 0], 1, 0, 0, OutOfOrder, "a second hello"),
        ([1, 3, 0, 0], 1, 0, 2, BrokenSequence, "a gap"),
        ([1, 3, 0, 0], 1, 0, u64::MAX, BrokenSequence, "a great gap"),
        ([1, 6, 0, 0], 0, 0, 1, ImpossibleAck, "what was never sent"),
    ];
    for (head, len, stream, number, fault, what) in cases {
        let (_, mut b) = pair();
        let told = b.hear(&raw(head, len, stream, number, &[0]));
        assert_eq!(told, closed(fault), "{what}");
    }
    let cases = [
        ([1, 3, 0, 0], 1, OutOfOrder, "a frame before the hello"),
        ([1, 8, 0, 0], 0, OutOfOrder, "a goodbye before the hello"),
        ([1, 1, 0, 0], 129, Oversized, "a hello beyond its limit"),
        ([1, 1, 1, 0], 50, UnknownFrame, "a hello with a class"),
    ];
    for (head, len, fault, what) in cases {
        let told = End::new(1).hear(&raw(head, len, 0, 0, &[0]));
        assert_eq!(told, closed(fault), "{what}");
    }
}

#[test]
fn every_body_that_breaks_a_rule_has_its_fault() {
    use LinkFault::{
        ImpossibleCredit, Malformed, OutOfOrder, Oversized, TooManyStreams, UnknownStream,
    };
    let word = |number: u64| number.to_le_bytes().to_vec();
    let open = |stream, number, total| raw([1, 11, 0, 1], 8, stream, number, &word(total));
    let credit = |code, stream, limit| raw([1, 12, 0, code], 8, stream, 1, &word(limit));
    let many = [1, 2, 3, 4].map(|id| open(id, u64::from(id), 0)).concat();
    let data = raw([1, 11, 0, 0], 1, 7, 1, &[0]);
    let elsewhere = [open(1, 1, 0), raw([1, 11, 1, 0], 1, 1, 1, &[0])].concat();
    let after_the_end = [open(1, 1, 0), raw([1, 11, 0, 2], 0, 1, 2, &[])].concat();
    let after_the_end = [after_the_end, raw([1, 11, 0, 0], 1, 1, 3, &[0])].concat();
    let cases = [
        (
            raw([1, 9, 0, 0], 55, 0, 0, &[1; 55]),
            Malformed,
            "half a resumption",
        ),
        (
            raw([1, 9, 0, 0], 56, 0, 0, &[0; 56]),
            Malformed,
            "session 0",
        ),
        (raw([1, 4, 0, 0], 7, 0, 1, &[0; 7]), Malformed, "half an id"),
        (
            raw([1, 3, 0, 1], 7, 0, 1, &[0; 7]),
            Malformed,
            "half a deadline",
        ),
        (
            raw([1, 11, 0, 1], 7, 1, 1, &[0; 7]),
            Malformed,
            "half a length",
        ),
        (
            open(1, 1, 100_001),
            Oversized,
            "a stream that announces too much",
        ),
        (open(0, 1, 0), UnknownStream, "stream 0"),
        (
            [open(2, 1, 0), open(2, 2, 0)].concat(),
            UnknownStream,
            "opened twice",
        ),
        (many, TooManyStreams, "a stream too many"),
        (data, UnknownStream, "data for none"),
        (elsewhere, UnknownStream, "data in another class"),
        (after_the_end, UnknownStream, "data after the end"),
        (credit(0, 5, 9), ImpossibleCredit, "credit for none"),
        (credit(0, 0, 79_999), ImpossibleCredit, "less than before"),
        (
            credit(4, 0, 90_000),
            ImpossibleCredit,
            "credit for no class",
        ),
        (
            raw([1, 12, 0, 0], 3, 0, 1, &[0; 3]),
            Malformed,
            "half a credit",
        ),
    ];
    for (bytes, fault, what) in cases {
        let (_, mut b) = pair();
        let told = b.hear(&bytes);
        assert_eq!(told.last(), closed(fault).last(), "{what}");
    }
    let (mut a, mut b) = (End::new(1), End::new(2));
    b.hear(&a.wire());
    let told = b.hear(&raw([1, 3, 0, 0], 1, 0, 1, &[0]));
    assert_eq!(told, closed(OutOfOrder), "a message before the resumption");
}

#[test]
fn credit_binds_whoever_sends() {
    let flood = |head: [u8; 4], stream, first| {
        let (_, mut b) = pair();
        b.takes = false;
        if stream > 0 {
            b.hear(&raw([1, 11, 3, 1], 8, stream, 1, &[0; 8]));
        }
        let mut heard = 0;
        for number in first.. {
            let told = b.hear(&raw(head, 10_000, stream, number, &[0; 10_000]));
            if told == closed(LinkFault::CreditExceeded) {
                return heard;
            }
            heard += 1;
        }
        heard
    };
    assert_eq!(flood([1, 3, 3, 0], 0, 1), 7, "messages");
    assert_eq!(flood([1, 4, 3, 0], 0, 1), 7, "requests");
    assert_eq!(flood([1, 11, 3, 0], 1, 2), 7, "a stream");
    // A message that never ends is no way around it, nor a reply that nobody asked for.
    assert_eq!(flood([1, 3, 0x83, 0], 0, 1), 7, "one long message");
    let (_, mut b) = pair();
    for number in 1..=10 {
        assert_eq!(
            b.hear(&raw([1, 5, 0x83, 0], 10_000, 0, number, &[0; 10_000])),
            []
        );
    }
    let told = b.hear(&raw([1, 5, 0x83, 0], 10_000, 0, 11, &[0; 10_000]));
    assert_eq!(told, closed(LinkFault::Oversized));
}

#[test]
fn a_message_is_not_continued_by_another() {
    let begin = raw([1, 3, 0x80, 0], 1, 0, 1, &[0]);
    for next in [
        raw([1, 4, 0, 0], 8, 0, 2, &[0; 8]),
        raw([1, 3, 0, 1], 8, 0, 2, &[0; 8]),
        raw([1, 11, 0, 1], 8, 1, 2, &[0; 8]),
        raw([1, 12, 0, 0], 8, 0, 2, &[0xFF; 8]),
    ] {
        let (_, mut b) = pair();
        assert_eq!(b.hear(&begin), []);
        assert_eq!(b.hear(&next), closed(LinkFault::BrokenSequence));
    }
}

#[test]
fn old_frames_again_are_counted_and_not_delivered() {
    let (_, mut b) = pair();
    let message_1 = raw([1, 3, 0, 0], 1, 0, 1, &[9]);
    assert_eq!(b.hear(&message_1).len(), 1);
    for _ in 0..3 {
        assert_eq!(b.hear(&message_1), []);
    }
    assert_eq!(b.session.stats().duplicates, 3);
}

#[test]
fn a_flood_of_probes_is_answered_once_per_transmission() {
    let (mut a, mut b) = pair();
    a.send(Priority::Low, b"x").unwrap();
    talk(&mut a, &mut b);
    let flood = Header::bare(1, Kind::Probe).encode().repeat(10_000);
    assert_eq!(b.hear(&flood), []);
    assert_eq!(b.wire().len(), HEADER_LEN);
}

#[test]
fn no_claim_is_buffered_for() {
    let (_, mut b) = pair();
    let header = raw([1, 2, 0, 1], 16_000, 0, 0, &[]);
    b.hear(&header);
    assert!(b.link.buffered() < 100, "a claim alone reserves nothing");
    for _ in 0..15_999 {
        assert_eq!(b.hear(&[1]), []);
    }
    assert!(b.link.buffered() <= 2 * SEGMENT_BYTES);
    assert_eq!(b.hear(&[1]), [Told::Node(1, 16_000)]);
    let (_, mut b) = pair();
    let header = raw([1, 2, 0, 1], 16_369, 0, 0, &[]);
    assert_eq!(b.hear(&header[..15]), []);
    assert_eq!(b.hear(&header[15..]), closed(LinkFault::Oversized));
    assert_eq!(b.link.buffered(), 0);
}

/// Bytes that often look like frames.
fn noise(random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; random.index(80)];
    for byte in &mut bytes {
        let bound = [2, 14, 256][random.index(3)];
        *byte = u8::try_from(random.below(bound)).unwrap();
    }
    bytes
}

/// An honest conversation with some bytes changed, dropped, doubled or moved.
fn damaged(random: &mut Random, honest: &[u8]) -> Vec<u8> {
    let mut bytes = honest.to_vec();
    for _ in 0..=random.index(3) {
        let at = random.index(bytes.len());
        let end = (at + 1 + random.index(40)).min(bytes.len());
        match random.index(4) {
            0 => bytes[at] ^= 1 << random.index(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.extend_from_within(at..end),
            _ => bytes[at..end].reverse(),
        }
        if bytes.is_empty() {
            return honest.to_vec();
        }
    }
    bytes
}

#[test]
fn any_bytes_are_survived() {
    let mut random = Seed::from_number(9).stream(Stream::Network);
    let (mut a, b) = pair();
    for class in Priority::ALL {
        a.send(class, &[1; 50]).unwrap();
        a.node(class, 1, 20);
    }
    let stream = a.session.open_stream(NOW, Priority::Low, 0).unwrap();
    a.session.write_stream(NOW, stream, &[0; 90]).unwrap();
    a.session.end_stream(NOW, stream, true).unwrap();
    let honest = a.wire();
    let (mut closed, mut survived) = (0, 0);
    for round in 0..4000 {
        let mut end = if round % 2 == 0 {
            b.clone()
        } else {
            End::new(2)
        };
        let mut told = if round % 3 == 0 {
            end.hear(&noise(&mut random))
        } else {
            end.hear(&damaged(&mut random, &honest))
        };
        told.extend(end.hear(&noise(&mut random)));
        let endings = told.iter().filter(|told| matches!(told, Told::Closed(_)));
        match endings.count() {
            0 => survived += 1,
            1 => {
                closed += 1;
                assert!(matches!(told.last(), Some(Told::Closed(_))));
                assert_eq!(end.hear(&honest), []);
            }
            more => panic!("closed {more} times"),
        }
        end.wire();
        assert!(end.link.buffered() <= 2 * SEGMENT_BYTES);
    }
    assert!(closed > 1000 && survived > 50, "{closed} {survived}");
}
