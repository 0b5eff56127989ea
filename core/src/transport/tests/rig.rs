//! Two ends and what each was told, with the bytes between them in the test's hands.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::{
    Config, Hello, Link, LinkFault, Outgoing, Output, Priority, Session, SubmitError,
    Unacknowledged, VersionRange,
};
use crate::id::{ClusterId, NodeId, Peer};
use crate::payload::Payload;
use crate::time::Time;
use crate::transport::CloseReason;

pub(super) const NOW: Time = Time::from_millis(1000);

pub(super) fn config() -> Config {
    Config {
        message_bytes_max: 100_000,
        queue_bytes_max: 60_000,
        credit_bytes: 80_000,
        streams_max: 3,
        retry_interval: Duration::from_secs(2),
        attempts: 3,
        hello_timeout: Duration::from_secs(5),
        keepalive_interval: Duration::from_secs(1),
        keepalive_interval_max: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(3),
        handshakes_max: 1,
        handshakes_per_address_max: 1,
        connections_per_address_max: 1,
    }
}

pub(super) fn hello(node: u64, boot: u64) -> Hello {
    Hello {
        versions: VersionRange::OURS,
        cluster: ClusterId::new("prod-a").unwrap(),
        peer: Peer {
            node: NodeId(node),
            boot,
        },
        address: "10.0.0.1:7000".parse().unwrap(),
    }
}

/// What an end was told, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Established(u64),
    Resumed,
    Lost,
    Node(u8, usize),
    Datagram(usize),
    Message(Priority, u64, Vec<u8>),
    Request(u64, Option<Time>, Vec<u8>),
    Reply(u64, Vec<u8>),
    Acked(Priority, u64),
    Opened(u16, u64),
    Data(u16, usize),
    Ended(u16, bool),
    Refused(u16),
    Freed(u16),
    Room,
    Closed(CloseReason),
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) link: Link,
    pub(super) session: Session,
    /// What its host takes at once, it does not owe.
    pub(super) takes: bool,
    pub(super) owed: Vec<(Priority, u16, usize)>,
    pub(super) now: Time,
}

impl End {
    pub(super) fn new(node: u64) -> End {
        End::of(config(), node)
    }

    pub(super) fn of(config: Config, node: u64) -> End {
        End {
            link: Link::new(config.clone(), hello(node, 1), None, NOW),
            session: Session::new(config),
            takes: true,
            owed: Vec::new(),
            now: NOW,
        }
    }

    /// The connection is gone; a new one with the same session.
    pub(super) fn reconnect(&mut self, node: u64, boot: u64) {
        self.link = Link::new(config(), hello(node, boot), None, self.now);
    }

    pub(super) fn send(&mut self, class: Priority, body: &[u8]) -> Result<u64, SubmitError> {
        let deadline = None;
        let outgoing = Outgoing::Message { body, deadline };
        self.session.submit(self.now, class, outgoing)
    }

    pub(super) fn node(&mut self, class: Priority, code: u8, len: usize) {
        let body = Payload::from(vec![code; len]);
        let frame = Unacknowledged::Node { code, body };
        self.link.submit(class, frame).unwrap();
    }

    /// The next record.
    pub(super) fn record(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let wanted = self.link.wants_transmit(&self.session);
        let (now, mut memory) = (self.now, Vec::new());
        let len = (self.link).transmit(now, &mut self.session, &mut memory, |record| {
            bytes.extend(record);
        });
        assert_eq!(wanted, len > 0, "it wants to transmit what it transmits");
        assert_eq!(len, bytes.len());
        bytes
    }

    /// Everything that may leave.
    pub(super) fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        loop {
            let record = self.record();
            if record.is_empty() {
                return wire;
            }
            wire.extend(record);
        }
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Told> {
        let (mut told, mut taken) = (Vec::new(), Vec::new());
        self.link
            .receive(self.now, bytes, &mut self.session, &mut |output| {
                let (what, cost) = keep(output);
                told.push(what);
                taken.extend(cost);
            });
        if self.takes {
            for (class, stream, cost) in taken {
                self.take(class, stream, cost);
            }
        } else {
            self.owed.extend(taken);
        }
        told
    }

    pub(super) fn take(&mut self, class: Priority, stream: u16, cost: usize) {
        if stream == 0 {
            self.session.consume(self.now, class, cost);
        } else {
            self.session.consume_stream(self.now, stream, cost);
        }
    }

    /// The host takes everything that it has not taken yet.
    pub(super) fn take_all(&mut self) {
        for (class, stream, cost) in core::mem::take(&mut self.owed) {
            self.take(class, stream, cost);
        }
    }

    pub(super) fn tick(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        self.link
            .tick(self.now, &mut |output| told.push(keep(output).0));
        told
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.link.deadline().map(|deadline| deadline.at.as_millis())
    }
}

type Cost = Option<(Priority, u16, usize)>;

fn keep(output: Output<'_>) -> (Told, Cost) {
    let mut owed = None;
    let told = match output {
        Output::Established(hello) => Told::Established(hello.peer.node.0),
        Output::Resumed => Told::Resumed,
        Output::Lost => Told::Lost,
        Output::Node { code, body } => Told::Node(code, body.len()),
        Output::Datagram { body, .. } => Told::Datagram(body.len()),
        Output::Message {
            priority,
            number,
            body,
            cost,
            ..
        } => {
            owed = Some((priority, 0, cost));
            Told::Message(priority, number, body.to_vec())
        }
        Output::Request {
            priority,
            id,
            deadline,
            body,
            cost,
        } => {
            owed = Some((priority, 0, cost));
            Told::Request(id, deadline, body.to_vec())
        }
        Output::Reply { id, body } => Told::Reply(id, body.to_vec()),
        Output::Acked { priority, number } => Told::Acked(priority, number),
        Output::StreamOpened { stream, total, .. } => Told::Opened(stream, total),
        Output::StreamData { stream, body, cost } => {
            owed = Some((Priority::Low, stream, cost));
            Told::Data(stream, body.len())
        }
        Output::StreamEnded {
            stream,
            is_complete,
        } => Told::Ended(stream, is_complete),
        Output::StreamRefused { stream } => Told::Refused(stream),
        Output::StreamClosed { stream } => Told::Freed(stream),
        Output::Room => Told::Room,
        Output::Closed(reason) => Told::Closed(reason),
    };
    (told, owed)
}

/// Hands everything over, both ways, until neither has anything to say.
pub(super) fn talk(a: &mut End, b: &mut End) -> (Vec<Told>, Vec<Told>) {
    let (mut at_a, mut at_b) = (Vec::new(), Vec::new());
    loop {
        let (from_a, from_b) = (a.wire(), b.wire());
        if from_a.is_empty() && from_b.is_empty() {
            return (at_a, at_b);
        }
        at_b.extend(b.hear(&from_a));
        at_a.extend(a.hear(&from_b));
    }
}

/// Two ends that have agreed.
pub(super) fn pair() -> (End, End) {
    introduced(End::new(1), End::new(2))
}

pub(super) fn introduced(mut a: End, mut b: End) -> (End, End) {
    let (at_a, at_b) = talk(&mut a, &mut b);
    assert_eq!(at_a[..2], [Told::Established(2), Told::Resumed]);
    assert_eq!(at_b[..2], [Told::Established(1), Told::Resumed]);
    (a, b)
}

pub(super) fn closed(fault: LinkFault) -> Vec<Told> {
    vec![Told::Closed(CloseReason::Fault(fault))]
}

/// The messages among what was told, as text.
pub(super) fn messages(told: &[Told]) -> Vec<String> {
    let text = |told: &Told| {
        if let Told::Message(_, _, body) = told {
            return Some(String::from_utf8(body.clone()).unwrap());
        }
        None
    };
    told.iter().filter_map(text).collect()
}
