//! The life of a connection: connect or accept, TLS handshake, hello, then bytes both ways until
//! one side ends it.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::{or, yield_now};
use quorate_core::id::{NodeId, Peer};
use quorate_core::transport::Link;
use quorate_core::wire::DecodeError;

use super::alarm::Alarm;
use super::door::{Pass, TurnedAway};
use super::intake::Intake;
use super::{Connection, News, Next, Over, keeper};
use crate::driver::Mail;
use crate::error::PeerRefusal;
use crate::event::ClusterEvent;
use crate::identity::name_of;
use crate::seam::{Reader, Seam, Writer};
use crate::shell::Shell;
use crate::tls::{Phase, Sealed, Session};

/// How long the goodbye may take to leave.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after the system refused to accept (such as: no more file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Which side opened a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// We did.
    Dialed {
        /// Who must answer, if known.
        expected: Option<NodeId>,
        /// The core asked for it and wants to know how it ends.
        is_solicited: bool,
    },
    /// They did.
    Accepted,
}

/// Accepts connections until the node stops.
pub(crate) async fn accept<S: Seam>(shell: Arc<Shell<S>>, listener: S::Listener) {
    loop {
        let accepted = async { Some(shell.seam.accept(&listener).await) };
        let stopped = async {
            shell.stopped().await;
            None
        };
        match or(accepted, stopped).await {
            None => return,
            Some(Ok((stream, address))) => admit(&shell, stream, address),
            Some(Err(error)) => {
                tracing::warn!(node = %shell.name.node, %error, "cannot accept a connection");
                shell.seam.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<S: Seam>(shell: &Arc<Shell<S>>, stream: S::Stream, address: SocketAddr) {
    match shell.door.admit(shell.seam.now(), address.ip()) {
        Ok(pass) => {
            let task = live(shell.clone(), stream, address, Origin::Accepted, Some(pass));
            shell.spawn(task);
        }
        Err(TurnedAway { reason, is_told }) if is_told => refuse(shell, address, reason),
        Err(_) => {}
    }
}

/// Connects, and serves the connection until it ends.
pub(crate) async fn dial<S: Seam>(
    shell: Arc<Shell<S>>,
    address: SocketAddr,
    expected: Option<NodeId>,
    is_solicited: bool,
) {
    let connecting = shell
        .seam
        .within(shell.transport.hello_timeout, shell.seam.connect(address));
    let connected = async {
        connecting
            .await
            .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    };
    let stopped = async {
        shell.stopped().await;
        Err(io::ErrorKind::Interrupted.into())
    };
    match or(connected, stopped).await {
        Ok(stream) => {
            let origin = Origin::Dialed {
                expected,
                is_solicited,
            };
            live(shell, stream, address, origin, None).await;
        }
        Err(error) => {
            tracing::debug!(node = %shell.name.node, %address, %error, "dial failed");
            if is_solicited {
                let _driver_gone = shell.mailbox.send(Mail::DialFailed { address }).await;
            }
        }
    }
}

async fn live<S: Seam>(
    shell: Arc<Shell<S>>,
    stream: S::Stream,
    address: SocketAddr,
    origin: Origin,
    pass: Option<Pass>,
) {
    let (mut reader, mut writer) = shell.seam.split(stream);
    let handshake = introduce(&shell, &mut reader, &mut writer, address, origin);
    let limit = shell.transport.hello_timeout;
    let limited = async {
        let late = || Err(Over::Refused(PeerRefusal::NoHandshake(limit)));
        shell
            .seam
            .within(limit, handshake)
            .await
            .unwrap_or_else(late)
    };
    let stopped = async {
        shell.stopped().await;
        Err(Over::Local)
    };
    let (connection, intake) = match or(limited, stopped).await {
        Ok(introduced) => introduced,
        Err(over) => return report(&shell, address, origin, None, over).await,
    };
    shell.enlist(&connection);
    let mut pump = Pump {
        shell: shell.clone(),
        connection,
        address,
        origin,
        pass,
        peer: None,
    };
    let over = pump.run(reader, intake, writer).await;
    pump.connection.cut();
    // The driver hears of it too; it may be over by now.
    pump.connection.peer().remove(pump.connection.id());
    shell.strike_off(pump.connection.id());
    if pump.peer.is_some() && !matches!(over, Over::Local) {
        keeper::hasten(&shell, pump.connection.peer());
    }
    report(
        &shell,
        address,
        origin,
        pump.peer.is_some().then_some(&pump.connection),
        over,
    )
    .await;
}

/// The TLS handshake, and who the certificate says it is.
async fn introduce<S: Seam>(
    shell: &Arc<Shell<S>>,
    reader: &mut S::Reader,
    writer: &mut S::Writer,
    address: SocketAddr,
    origin: Origin,
) -> Result<(Arc<Connection>, Intake), Over> {
    let session = match origin {
        Origin::Dialed { .. } => shell.settings().client(),
        Origin::Accepted => shell.settings().server(),
    };
    let mut session = session.map_err(refused)?;
    let (mut intake, mut out) = (Intake::default(), Sealed::default());
    loop {
        let shaken = session.handshake(intake.bytes(), &mut out);
        let written = writer.write_all(out.bytes()).await;
        out.clear();
        // Why the handshake failed says more than that its alert found nobody.
        let (taken, phase) = shaken.map_err(refused)?;
        intake.consume(taken);
        written.map_err(Over::Socket)?;
        match phase {
            Phase::Open => break,
            Phase::Handshaking => {}
            Phase::PeerClosed => return Err(Over::Peer),
        }
        let received = reader.read(intake.room()).await.map_err(Over::Socket)?;
        if received == 0 {
            return Err(Over::Peer);
        }
        intake.commit(received);
    }
    let found = who(shell, &session, origin).map_err(Over::Refused)?;
    let Some(hello) = shell.hello.get() else {
        return Err(Over::Local);
    };
    let now = shell.seam.now();
    let link = Link::new(shell.transport.clone(), hello.clone(), Some(found), now);
    let peer = shell.peer(found);
    let connection = Connection::new(shell.next_link(), peer, address, session, link);
    Ok((connection, intake))
}

fn refused(error: rustls::Error) -> Over {
    Over::Refused(PeerRefusal::of_tls(&error))
}

fn who<S: Seam>(
    shell: &Shell<S>,
    session: &Session,
    origin: Origin,
) -> Result<NodeId, PeerRefusal> {
    let Some(certificate) = session.peer_certificates().first() else {
        return Err(PeerRefusal::NoCertificate);
    };
    let name = name_of(certificate).map_err(PeerRefusal::NoName)?;
    if name.node == shell.name.node {
        return Err(PeerRefusal::OurOwnId { node: name.node });
    }
    match origin {
        Origin::Dialed {
            expected: Some(expected),
            ..
        } if expected != name.node => Err(PeerRefusal::WrongNode {
            expected,
            found: name.node,
        }),
        Origin::Dialed { .. } | Origin::Accepted => Ok(name.node),
    }
}

/// Tells the driver and the log how a connection ended.
async fn report<S: Seam>(
    shell: &Arc<Shell<S>>,
    address: SocketAddr,
    origin: Origin,
    established: Option<&Arc<Connection>>,
    over: Over,
) {
    let node = shell.name.node;
    match over {
        Over::Local => tracing::debug!(%node, %address, "connection closed"),
        Over::Peer => tracing::debug!(%node, %address, "connection closed by the peer"),
        Over::Socket(error) => tracing::debug!(%node, %address, %error, "connection failed"),
        Over::Refused(reason) => refuse(shell, address, reason),
    }
    let mail = match (established, origin) {
        (Some(connection), _) => Mail::LinkDown {
            link: connection.id(),
            node: connection.node(),
        },
        (
            None,
            Origin::Dialed {
                is_solicited: true, ..
            },
        ) => Mail::DialFailed { address },
        (
            None,
            Origin::Dialed {
                is_solicited: false,
                ..
            }
            | Origin::Accepted,
        ) => return,
    };
    let _driver_gone = shell.mailbox.send(mail).await;
}

pub(crate) fn refuse<S: Seam>(shell: &Shell<S>, address: SocketAddr, reason: PeerRefusal) {
    tracing::warn!(node = %shell.name.node, %address, %reason, "peer refused");
    shell.announcer.announce(
        shell.seam.now(),
        ClusterEvent::PeerRefused { address, reason },
    );
}

struct Pump<S: Seam> {
    shell: Arc<Shell<S>>,
    connection: Arc<Connection>,
    address: SocketAddr,
    origin: Origin,
    /// Of a connection that was accepted.
    pass: Option<Pass>,
    peer: Option<Peer>,
}

enum Woken {
    Read(io::Result<usize>),
    Due,
    Cut,
}

impl<S: Seam> Pump<S> {
    async fn run(&mut self, reader: S::Reader, intake: Intake, writer: S::Writer) -> Over {
        let shell = self.shell.clone();
        let connection = self.connection.clone();
        let mut writing = pin!(write_until_closed(&connection, writer));
        let reading = async { Err(self.read_until_over(reader, intake).await) };
        // What was accepted may need acknowledgements to leave, so that reading goes on meanwhile.
        let late = async {
            let ending = connection.on_ending();
            if connection.is_open() {
                ending.await;
            }
            shell.seam.sleep(GOODBYE_TIMEOUT).await;
            Ok(Ok(()))
        };
        let written = async { Ok(writing.as_mut().await) };
        let over = match or(reading, or(written, late)).await {
            Ok(Ok(())) => return Over::Local,
            Ok(Err(error)) => return Over::Socket(error),
            Err(over) => over,
        };
        // Whatever ended it, an alert or a goodbye may tell the peer, unless the stage says that
        // nothing goes out.
        connection.close();
        let _too_late = shell.seam.within(GOODBYE_TIMEOUT, writing).await;
        over
    }

    async fn read_until_over(&mut self, mut reader: S::Reader, mut intake: Intake) -> Over {
        let shell = self.shell.clone();
        let mut alarm = Alarm::new(&shell.seam);
        let connection = self.connection.clone();
        let mut cutting = pin!(connection.on_cut());
        let mut news = Vec::new();
        // The last flight of the handshake may have brought frames along.
        let taken = self.connection.receive(intake.bytes(), &mut news);
        intake.consume(taken);
        loop {
            for item in news.drain(..) {
                if let Some(over) = self.pass_on(item).await {
                    return over;
                }
            }
            let room = intake.room();
            let woken = self.wait(&mut reader, room, &mut alarm, cutting.as_mut());
            match woken.await {
                Woken::Read(Ok(0)) => return Over::Peer,
                Woken::Read(Ok(count)) => {
                    intake.commit(count);
                    let taken = self.connection.receive(intake.bytes(), &mut news);
                    intake.consume(taken);
                }
                Woken::Read(Err(error)) => return Over::Socket(error),
                Woken::Due => self.connection.tick(&mut news),
                Woken::Cut => return Over::Local,
            }
        }
    }

    async fn wait(
        &self,
        reader: &mut S::Reader,
        buffer: &mut [u8],
        alarm: &mut Alarm<'_, S>,
        cutting: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Woken {
        let deadline = self.connection.deadline();
        let read = async { Woken::Read(reader.read(buffer).await) };
        let due = async {
            alarm.until(deadline).await;
            Woken::Due
        };
        let cut = async {
            cutting.await;
            Woken::Cut
        };
        or(read, or(due, cut)).await
    }

    async fn pass_on(&mut self, news: News) -> Option<Over> {
        let mail = match news {
            News::Established(hello) => {
                if let Some(pass) = &mut self.pass {
                    pass.introduced();
                }
                self.peer = Some(hello.peer);
                let (address, dialed) = match self.origin {
                    Origin::Dialed { .. } => (self.address, true),
                    Origin::Accepted => (hello.address, false),
                };
                let connection = self.connection.clone();
                Mail::LinkUp {
                    connection,
                    peer: hello.peer,
                    address,
                    dialed,
                }
            }
            News::Node(Ok(message)) => Mail::Received {
                link: self.connection.id(),
                message,
            },
            // Of a later version. Who sent it lives without an answer.
            News::Node(Err(DecodeError::UnknownType { .. })) => return None,
            News::Node(Err(error)) => {
                return Some(Over::Refused(PeerRefusal::Undecodable(error)));
            }
            News::Untaken(incoming) => {
                drop(incoming);
                return None;
            }
            News::Over(over) => return Some(over),
        };
        self.shell
            .mailbox
            .send(mail)
            .await
            .err()
            .map(|_driver_gone| Over::Local)
    }
}

async fn write_until_closed<W: Writer>(connection: &Connection, mut writer: W) -> io::Result<()> {
    let mut out = Sealed::default();
    let mut has_lingered = false;
    loop {
        let writable = connection.peer().on_writable();
        let next = connection.transmit(&mut out, has_lingered);
        has_lingered = next == Next::Linger;
        if !out.is_empty() {
            writer.write_all(out.bytes()).await?;
            out.clear();
        }
        match next {
            Next::Write => {}
            Next::Linger => yield_now().await,
            Next::Wait => writable.await,
            Next::Finish => return writer.shutdown().await,
        }
    }
}
