//! One end of a connection: the link machine, TLS and a socket in one task, without locks.

use std::io;
use std::net::SocketAddr;

use quorate_core::id::{ClusterId, NodeId, Peer};
use quorate_core::node;
use quorate_core::time::Time;
use quorate_core::transport::{Hello, Link, Output, Session, VersionRange};
use quorate_runtime::tls::{self, Phase, Sealed};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use super::papers::Paper;
use super::{clock, pacing};

const READ_BYTES: usize = 128 * 1024;

pub struct End {
    socket: TcpStream,
    tls: tls::Session,
    link: Link,
    pub session: Session,
    out: Sealed,
    written: usize,
    record: Vec<u8>,
    intake: Vec<u8>,
    len: usize,
    has_lingered: bool,
}

impl End {
    /// Two ends that have shaken hands, not yet said hello.
    pub async fn accept(listener: TcpListener, paper: &Paper) -> End {
        let (socket, _) = listener.accept().await.expect("a connection");
        End::new(socket, paper.settings().server().expect("a session"), 2).await
    }

    pub async fn dial(address: SocketAddr, paper: &Paper, rate: Option<u32>) -> End {
        let socket = TcpStream::connect(address).await.expect("it listens");
        pacing::limit(&socket, rate);
        End::new(socket, paper.settings().client().expect("a session"), 1).await
    }

    async fn new(socket: TcpStream, tls: tls::Session, node: u64) -> End {
        socket.set_nodelay(true).expect("a socket");
        let cluster = ClusterId::new("bench").expect("a name");
        let address = ([127, 0, 0, 1], 9).into();
        let config = node::Config::lan(cluster.clone(), NodeId(node), address).transport;
        let hello = Hello {
            versions: VersionRange::OURS,
            cluster,
            peer: Peer {
                node: NodeId(node),
                boot: 1,
            },
            address,
        };
        let mut end = End {
            socket,
            tls,
            link: Link::new(config.clone(), hello, None, Time(clock())),
            session: Session::new(config),
            out: Sealed::default(),
            written: 0,
            record: Vec::new(),
            intake: vec![0; 2 * READ_BYTES],
            len: 0,
            has_lingered: false,
        };
        end.shake().await;
        end
    }

    async fn shake(&mut self) {
        loop {
            let bytes = &mut self.intake[..self.len];
            let (taken, phase) = self.tls.handshake(bytes, &mut self.out).expect("TLS");
            self.consume(taken);
            while !self.out.is_empty() {
                self.socket.writable().await.expect("a socket");
                self.write();
            }
            if phase == Phase::Open {
                return;
            }
            self.socket.readable().await.expect("a socket");
            self.read();
        }
    }

    fn consume(&mut self, count: usize) {
        self.intake.copy_within(count..self.len, 0);
        self.len -= count;
    }

    fn read(&mut self) -> usize {
        if self.intake.len() < self.len + READ_BYTES {
            self.intake.resize(self.len + READ_BYTES, 0);
        }
        match self.socket.try_read(&mut self.intake[self.len..]) {
            Ok(count) => {
                self.len += count;
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn write(&mut self) -> usize {
        if self.out.is_empty() {
            return 0;
        }
        match self.socket.try_write(&self.out.bytes()[self.written..]) {
            Ok(count) => {
                self.written += count;
                if self.written == self.out.len() {
                    self.out.clear();
                    self.written = 0;
                }
                count
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Moves what can be moved without waiting; false if that was nothing.
    pub fn turn(&mut self, told: &mut impl FnMut(Output<'_>, &mut u64)) -> bool {
        let now = Time(clock());
        let mut moved = 0;
        let received = self.read();
        if received > 0 {
            moved += received;
            let (link, session) = (&mut self.link, &mut self.session);
            let mut consumed = [0; 4];
            let opened = self
                .tls
                .open(&mut self.intake[..self.len], &mut self.out, |plain| {
                    link.receive(now, plain, session, &mut |output| {
                        if let Output::Message { priority, cost, .. }
                        | Output::Request { priority, cost, .. } = &output
                        {
                            consumed[priority.index()] += *cost;
                        }
                        told(output, &mut 0);
                    });
                });
            for (class, cost) in quorate_core::transport::Priority::ALL
                .into_iter()
                .zip(consumed)
            {
                if cost > 0 {
                    self.session.consume(now, class, cost);
                }
            }
            let (taken, _) = opened.expect("TLS");
            self.consume(taken);
        }
        // Acknowledgements wait once for what the caller makes of what it was told; it turns again.
        let may_linger = received > 0 && !self.has_lingered;
        self.has_lingered = may_linger && self.link.wants_only_to_acknowledge(&self.session);
        if !self.has_lingered {
            self.transmit(now);
        }
        moved += self.write();
        moved > 0
    }

    fn transmit(&mut self, now: Time) {
        if !self.out.is_empty() {
            return;
        }
        let budget = self.link.write_bytes();
        while self.out.len() < budget {
            let (tls, out) = (&mut self.tls, &mut self.out);
            let seal = |plain: &[u8]| tls.seal(plain, out).expect("open");
            let session = &mut self.session;
            if self.link.transmit(now, session, &mut self.record, seal) == 0 {
                return;
            }
        }
    }

    /// Waits until the socket lets something move.
    pub async fn wait(&mut self) {
        let interest = if self.out.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        self.socket.ready(interest).await.expect("a socket");
    }
}
