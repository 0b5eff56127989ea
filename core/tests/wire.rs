//! The bytes of version 1, frozen: one file of hex digits per message type and per kind of frame.
//!
//! A mismatch means that nodes of two builds would not understand each other. If that is intended,
//! it needs a new protocol version; only a new sample is written with `QUORATE_BLESS=1`.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

#[path = "wire/samples.rs"]
mod samples;

use std::fmt::Write as _;
use std::path::PathBuf;

use quorate_core::id::{ClusterId, NodeId, Peer};
use quorate_core::node;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::{
    Hello, Link, Outgoing, Priority, Session, Unacknowledged, VersionRange,
};
use quorate_core::wire::{DecodeError, Message, codec};

use self::samples::messages;

/// Compares `bytes` with the file of that name, or writes the file when blessing.
fn check_golden(name: &str, bytes: &[u8]) {
    let mut hex = String::new();
    for line in bytes.chunks(16) {
        for byte in line {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex.push('\n');
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/wire/v1/{name}.hex"));
    if std::env::var_os("QUORATE_BLESS").is_some() {
        std::fs::write(&file, &hex).unwrap();
    }
    let frozen = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{name}: {error}; the bytes are now\n{hex}"));
    assert_eq!(frozen, hex, "{name}: the bytes are now\n{hex}");
}

#[test]
fn messages_keep_their_bytes() {
    for (name, code, message) in messages() {
        let mut body = Vec::new();
        assert_eq!(message.encode(&mut body), code, "{name}");
        check_golden(&name, &body);
    }
}

#[test]
fn messages_survive_the_wire() {
    for (name, code, message) in messages() {
        let mut body = Vec::new();
        message.encode(&mut body);
        assert_eq!(Message::decode(code, &body), Ok(message), "{name}");
        for len in 0..body.len() {
            let cut = Message::decode(code, &body[..len]);
            assert_eq!(cut, Err(DecodeError::Malformed), "{name} cut to {len}");
        }
        body.push(0);
        let trailing = DecodeError::Trailing { len: 1 };
        assert_eq!(Message::decode(code, &body), Err(trailing), "{name}");
    }
}

fn hello(node: u64, address: &str) -> Hello {
    Hello {
        versions: VersionRange { min: 1, max: 1 },
        cluster: ClusterId::new("prod-a").unwrap(),
        peer: Peer {
            node: NodeId(node),
            boot: 0x0102_0304,
        },
        address: address.parse().unwrap(),
    }
}

/// One end of a connection.
struct End {
    link: Link,
    session: Session,
}

impl End {
    fn new(ours: Hello) -> End {
        let cluster = ours.cluster.clone();
        let config = node::Config::lan(cluster, ours.peer.node, ours.address).transport;
        End {
            link: Link::new(config.clone(), ours, None, Time::ZERO),
            session: Session::new(config),
        }
    }

    fn transmitted(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        let (session, mut memory) = (&mut self.session, Vec::new());
        let record = |record: &[u8]| wire.extend_from_slice(record);
        self.link.transmit(Time::ZERO, session, &mut memory, record);
        wire
    }

    /// How many outputs the bytes made.
    fn delivered(&mut self, bytes: &[u8]) -> usize {
        let (mut count, now) = (0, Time::ZERO);
        self.link
            .receive(now, bytes, &mut self.session, &mut |_| count += 1);
        count
    }
}

fn established_pair() -> (End, End) {
    let (mut a, mut b) = (
        End::new(hello(1, "10.0.0.1:7000")),
        End::new(hello(2, "10.0.0.2:7000")),
    );
    let (from_a, from_b) = (a.transmitted(), b.transmitted());
    a.delivered(&from_b);
    b.delivered(&from_a);
    let resume = b.transmitted();
    check_golden("frame-resume", &resume);
    b.delivered(&a.transmitted());
    a.delivered(&resume);
    // Each resumes once more, now that it knows the other's session.
    let (from_a, from_b) = (a.transmitted(), b.transmitted());
    a.delivered(&from_b);
    b.delivered(&from_a);
    (a, b)
}

#[test]
fn hellos_keep_their_bytes_and_are_what_the_codec_would_write() {
    for (name, address) in [("v4", "10.0.0.1:7000"), ("v6", "[2001:db8::1]:65535")] {
        let ours = hello(3, address);
        let frame = End::new(ours.clone()).transmitted();
        check_golden(&format!("frame-hello-{name}"), &frame);
        assert_eq!(codec::decode(&frame[16..]), Ok(ours.clone()));
        let mut other = End::new(hello(4, "10.0.0.4:1"));
        assert_eq!(other.delivered(&frame), 1);
        assert_eq!(other.link.peer(), Some(&ours));
    }
}

#[test]
fn frames_keep_their_bytes() {
    let (mut a, mut b) = established_pair();
    let (body, id) = (&b"body"[..], 0x1122_3344_5566_7788);
    let (none, deadline) = (None, Some(Time::from_millis(1500)));
    let unacknowledged = [
        (
            "node",
            Priority::Critical,
            Unacknowledged::Node {
                code: 0x22,
                body: Payload::copy_from(body),
            },
        ),
        (
            "datagram",
            Priority::High,
            Unacknowledged::Datagram {
                body: Payload::copy_from(body),
            },
        ),
    ];
    for (name, priority, frame) in unacknowledged {
        a.link.submit(priority, frame).unwrap();
        check_sample(name, &mut a, &mut b);
    }
    let message = |deadline| Outgoing::Message { body, deadline };
    let request = |deadline| Outgoing::Request { id, body, deadline };
    let numbered = [
        ("message", Priority::Low, message(none)),
        ("message-deadline", Priority::Low, message(deadline)),
        ("request", Priority::Normal, request(none)),
        ("request-deadline", Priority::Normal, request(deadline)),
        ("reply", Priority::High, Outgoing::Reply { id, body }),
    ];
    for (name, priority, outgoing) in numbered {
        a.session.submit(Time::ZERO, priority, outgoing).unwrap();
        check_sample(name, &mut a, &mut b);
        let acknowledgement = b.transmitted();
        if name == "message" {
            check_golden("frame-ack", &acknowledgement);
        }
        a.delivered(&acknowledgement);
    }
    b.link.tick(Time::from_millis(1000), &mut |_| {});
    check_golden("frame-keepalive", &b.transmitted());
    b.link.close();
    check_golden("frame-goodbye", &b.transmitted());
}

#[test]
fn frames_of_streams_keep_their_bytes() {
    let (mut a, mut b) = established_pair();
    let now = Time::ZERO;
    let stream = a.session.open_stream(now, Priority::Low, 4).unwrap();
    check_sample("data-open", &mut a, &mut b);
    assert_eq!(a.session.write_stream(now, stream, b"body"), Ok(4));
    check_sample("data", &mut a, &mut b);
    a.session.end_stream(now, stream, true).unwrap();
    check_sample("data-end", &mut a, &mut b);
    b.transmitted();
    b.session.consume_stream(now, stream, 20);
    check_golden("frame-credit-closed", &b.transmitted());
    let (body, deadline) = (&[7; 200_000][..], None);
    for _ in 0..11 {
        let long = Outgoing::Message { body, deadline };
        a.session.submit(now, Priority::Low, long).unwrap();
        while exchange(&mut a, &mut b) {}
    }
    b.session.consume(now, Priority::Low, 4 << 20);
    check_golden("frame-credit", &b.transmitted());
    a.session.tick(Time::from_millis(2000));
    a.session
        .submit(now, Priority::Low, Outgoing::Reply { id: 1, body })
        .unwrap();
    a.transmitted();
    a.session.tick(Time::from_millis(4000));
    let probe = a.transmitted();
    check_golden("frame-probe", &probe[..16]);
}

/// One record each way; false when neither had anything to say.
fn exchange(a: &mut End, b: &mut End) -> bool {
    let (from_a, from_b) = (a.transmitted(), b.transmitted());
    a.delivered(&from_b);
    b.delivered(&from_a);
    !from_a.is_empty() || !from_b.is_empty()
}

fn check_sample(name: &str, a: &mut End, b: &mut End) {
    let frame = a.transmitted();
    check_golden(&format!("frame-{name}"), &frame);
    b.delivered(&frame);
}

#[test]
fn every_golden_file_is_checked() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1");
    let frames = [
        "hello-v4",
        "hello-v6",
        "resume",
        "node",
        "datagram",
        "message",
        "message-deadline",
        "request",
        "request-deadline",
        "reply",
        "data-open",
        "data",
        "data-end",
        "credit",
        "credit-closed",
        "probe",
        "ack",
        "keepalive",
        "goodbye",
    ];
    let mut checked: Vec<String> = messages().into_iter().map(|sample| sample.0).collect();
    checked.extend(frames.iter().map(|frame| format!("frame-{frame}")));
    checked.sort();
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<String> = entries.map(|entry| name(entry.unwrap().path())).collect();
    found.sort();
    assert_eq!(found, checked);
}
