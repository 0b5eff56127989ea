//! One end of a connection and what it was told.

use std::collections::VecDeque;
use std::net::SocketAddr;

use quorate_core::id::{ClusterId, NodeId, Peer};
use quorate_core::node;
use quorate_core::time::Time;
use quorate_core::transport::{
    CloseReason, Config, Hello, Link, Outgoing, Output, Priority, Session, VersionRange,
};

/// What an end was told that a test has to judge.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// A message, in the order of its class.
    Message(Priority, Vec<u8>),
    /// The other host has everything of a class up to a number.
    Acked(Priority, u64),
    /// The session began anew.
    Lost,
    /// The connection is over.
    Closed(CloseReason),
}

/// A session, and a link that may carry it.
pub struct End {
    node: u64,
    config: Config,
    pub now: Time,
    pub link: Link,
    pub session: Session,
    /// What was told and not yet judged.
    pub told: Vec<Told>,
    /// What this end's host has not taken yet.
    untaken: VecDeque<(Priority, usize)>,
    is_closed: bool,
}

/// Small limits: they are reached sooner.
fn config() -> Config {
    let cluster = ClusterId::new("fuzz").expect("a name");
    let address = ([127, 0, 0, 1], 9).into();
    Config {
        message_bytes_max: 60_000,
        queue_bytes_max: 30_000,
        credit_bytes: 40_000,
        streams_max: 3,
        ..node::Config::lan(cluster, NodeId(1), address).transport
    }
}

fn link(config: &Config, node: u64, now: Time) -> Link {
    let address: SocketAddr = ([127, 0, 0, 1], 9).into();
    let hello = Hello {
        versions: VersionRange::OURS,
        cluster: ClusterId::new("fuzz").expect("a name"),
        peer: Peer {
            node: NodeId(node),
            boot: 1,
        },
        address,
    };
    Link::new(config.clone(), hello, None, now)
}

impl End {
    /// An end before its hello.
    pub fn new(node: u64) -> End {
        let (config, now) = (config(), Time::from_millis(1000));
        End {
            node,
            now,
            link: link(&config, node, now),
            session: Session::new(config.clone()),
            told: Vec::new(),
            untaken: VecDeque::new(),
            is_closed: false,
            config,
        }
    }

    /// Two ends that have found each other.
    pub fn pair() -> [End; 2] {
        let mut ends = [End::new(1), End::new(2)];
        for _ in 0..4 {
            let [a, b] = &mut ends;
            exchange(a, b);
            exchange(b, a);
        }
        ends
    }

    /// Another connection with the same session.
    pub fn reconnect(&mut self) {
        self.link = link(&self.config, self.node, self.now);
        self.is_closed = false;
    }

    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Hands over a message; its number if there is room.
    pub fn send(&mut self, class: Priority, body: &[u8]) -> Option<u64> {
        let deadline = None;
        let message = Outgoing::Message { body, deadline };
        self.session.submit(self.now, class, message).ok()
    }

    /// The next record that leaves; empty if none does. What is said to be wanted leaves.
    pub fn record(&mut self) -> Vec<u8> {
        let is_wanted = self.link.wants_transmit(&self.session);
        let (mut bytes, mut memory) = (Vec::new(), Vec::new());
        let (link, session) = (&mut self.link, &mut self.session);
        let keep = |record: &[u8]| bytes.extend_from_slice(record);
        let len = link.transmit(self.now, session, &mut memory, keep);
        assert_eq!(is_wanted, len > 0);
        assert_eq!(len, bytes.len());
        bytes
    }

    /// Takes bytes of the socket. Whatever they are, nothing is told after the end of a connection.
    pub fn receive(&mut self, bytes: &[u8]) {
        let (told, untaken) = (&mut self.told, &mut self.untaken);
        let is_closed = &mut self.is_closed;
        let mut take = |output: Output<'_>| {
            assert!(!*is_closed, "told after the end: {output:?}");
            match output {
                Output::Message {
                    priority,
                    body,
                    cost,
                    ..
                } => {
                    untaken.push_back((priority, cost));
                    told.push(Told::Message(priority, body.to_vec()));
                }
                Output::Request { priority, cost, .. } => untaken.push_back((priority, cost)),
                Output::Acked { priority, number } => told.push(Told::Acked(priority, number)),
                Output::Lost => {
                    untaken.clear();
                    told.push(Told::Lost);
                }
                Output::Closed(reason) => {
                    *is_closed = true;
                    told.push(Told::Closed(reason));
                }
                Output::Established(_)
                | Output::Resumed
                | Output::Node { .. }
                | Output::Datagram { .. }
                | Output::Reply { .. }
                | Output::StreamOpened { .. }
                | Output::StreamData { .. }
                | Output::StreamEnded { .. }
                | Output::StreamRefused { .. }
                | Output::StreamClosed { .. }
                | Output::Room => {}
            }
        };
        self.link
            .receive(self.now, bytes, &mut self.session, &mut take);
    }

    /// The host takes what has arrived first.
    pub fn take(&mut self) {
        if let Some((class, cost)) = self.untaken.pop_front() {
            self.session.consume(self.now, class, cost);
        }
    }

    /// Lets timers run.
    pub fn tick(&mut self) {
        let (told, is_closed) = (&mut self.told, &mut self.is_closed);
        self.link.tick(self.now, &mut |output| {
            if let Output::Closed(reason) = output {
                assert!(!*is_closed, "closed twice");
                *is_closed = true;
                told.push(Told::Closed(reason));
            }
        });
    }
}

/// Everything one end has to say reaches the other.
pub fn exchange(from: &mut End, to: &mut End) {
    loop {
        let record = from.record();
        if record.is_empty() {
            return;
        }
        to.receive(&record);
    }
}
