//! TLS 1.3 as a machine of bytes: four calls over rustls' unbuffered API, and no socket.
//!
//! `handshake` and `open` take what the socket yielded, `seal` and `close` append what the socket should send. Whatever
//! TLS itself wants to say (handshake, alerts, key updates) is appended to the same output, in the order in which it
//! must be sent. Resumption and tickets are off: a resumed session would outlive the removal of its authority.
//! Deliberately absent: TLS 1.2, early data, a process-wide crypto provider.

mod verify;

use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, Error, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};

pub(crate) use self::verify::NameRefused;
use self::verify::PeerVerifier;
use crate::identity::Identity;

/// Room one record needs beyond its plain text: header, content type, tag, and some to spare.
const RECORD_OVERHEAD: usize = 64;
/// The plain text of a full record.
const RECORD_PLAIN: usize = 16 * 1024;

/// Both sides' settings.
#[derive(Clone)]
pub(crate) struct Settings {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// What became of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// More bytes are needed before anything can be sealed.
    Handshaking,
    /// Both directions are open.
    Open,
    /// The peer will send nothing more.
    PeerClosed,
}

/// One TLS connection.
pub(crate) struct Session {
    side: Side,
    /// Received and not yet understood; rustls wants to see the same bytes again until it takes them.
    incoming: Vec<u8>,
    /// Plain text that came with the last flight of the handshake.
    early: Vec<u8>,
    is_peer_closed: bool,
    /// Set once: a session that failed, or said its last word, is never asked again.
    end: Option<Error>,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What to do once records may be written.
enum Wish<'a> {
    Nothing,
    Seal(&'a [u8]),
    Close,
}

/// The default crypto provider; handed around, never installed.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Checks that key and certificate belong together and that the own authorities vouch for them, in both roles.
pub(crate) fn check(identity: &Identity) -> Result<(), Error> {
    let verifier = PeerVerifier::new(identity, &provider())?;
    verifier.check_own_chain(&identity.chain)?;
    Settings::new(identity, provider()).map(|_| ())
}

impl Settings {
    /// Settings that prove `identity` and accept the peers its authorities and cluster allow.
    pub(crate) fn new(identity: &Identity, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let verifier = Arc::new(PeerVerifier::new(identity, &provider)?);
        let versions = &[&rustls::version::TLS13];
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?;
        client.resumption = Resumption::disabled();
        client.enable_sni = false;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Settings {
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }

    /// The dialling side.
    pub(crate) fn client(&self) -> Result<Session, Error> {
        // The name is never sent nor compared: the verifier judges the node's own kind of name.
        let name = ServerName::try_from("peer.quorate")
            .map_err(|_| Error::General("the placeholder name is malformed".into()))?;
        let connection = UnbufferedClientConnection::new(self.client.clone(), name)?;
        Ok(Session::new(Side::Client(connection)))
    }

    /// The accepting side.
    pub(crate) fn server(&self) -> Result<Session, Error> {
        let connection = UnbufferedServerConnection::new(self.server.clone())?;
        Ok(Session::new(Side::Server(connection)))
    }
}

impl Session {
    fn new(side: Side) -> Session {
        Session {
            side,
            incoming: Vec::new(),
            early: Vec::new(),
            is_peer_closed: false,
            end: None,
        }
    }

    /// Takes received bytes (none at first) and appends what must be sent. Also after an error: then an alert.
    pub(crate) fn handshake(&mut self, received: &[u8], out: &mut Vec<u8>) -> Result<Phase, Error> {
        self.incoming.extend_from_slice(received);
        let mut early = std::mem::take(&mut self.early);
        let phase = self.pump(Wish::Nothing, out, &mut |plain| {
            early.extend_from_slice(plain)
        });
        self.early = early;
        phase
    }

    /// Takes received bytes and hands on the plain text in them.
    pub(crate) fn open(
        &mut self,
        received: &[u8],
        out: &mut Vec<u8>,
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<Phase, Error> {
        self.incoming.extend_from_slice(received);
        if !self.early.is_empty() {
            deliver(&std::mem::take(&mut self.early));
        }
        self.pump(Wish::Nothing, out, &mut deliver)
    }

    /// Appends `plain` as records. The handshake must be over.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.write(Wish::Seal(plain), out)
    }

    /// Appends the closing alert.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.write(Wish::Close, out)
    }

    /// The other end's certificate, once the handshake is over.
    pub(crate) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        let chain = match &self.side {
            Side::Client(connection) => connection.peer_certificates(),
            Side::Server(connection) => connection.peer_certificates(),
        };
        chain?.first()
    }

    fn write(&mut self, wish: Wish<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        // `open` leaves no complete record behind, so normally nothing is delivered here; if it is, `open` hands it on.
        let mut early = std::mem::take(&mut self.early);
        let phase = self.pump(wish, out, &mut |plain| early.extend_from_slice(plain));
        self.early = early;
        match phase? {
            Phase::Handshaking => Err(Error::HandshakeNotComplete),
            Phase::Open | Phase::PeerClosed => Ok(()),
        }
    }

    /// Runs rustls until it needs bytes or has done the wish.
    fn pump(
        &mut self,
        wish: Wish<'_>,
        out: &mut Vec<u8>,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<Phase, Error> {
        if let Some(error) = &self.end {
            return Err(error.clone());
        }
        let mut taken = 0;
        let phase = loop {
            let (discard, turn) = self
                .side
                .turn(&mut self.incoming[taken..], &wish, out, deliver);
            taken += discard;
            match turn {
                Turn::Again => {}
                Turn::PeerClosed => self.is_peer_closed = true,
                Turn::Stop(phase) => break phase,
                Turn::Failed(error) => {
                    self.fail(&error, &mut taken, out);
                    return Err(error);
                }
            }
        };
        self.incoming.drain(..taken);
        if matches!(wish, Wish::Close) {
            self.end = Some(Error::General("the session is closed".into()));
        }
        Ok(if self.is_peer_closed {
            Phase::PeerClosed
        } else {
            phase
        })
    }

    /// Fetches the alert that tells the peer why. Only as long as there is one: rustls must not see the offending bytes
    /// again.
    fn fail(&mut self, error: &Error, taken: &mut usize, out: &mut Vec<u8>) {
        self.end = Some(error.clone());
        while self.side.has_output() {
            let unread = &mut self.incoming[*taken..];
            let (discard, turn) = self.side.turn(unread, &Wish::Nothing, out, &mut |_late| {});
            *taken += discard;
            if !matches!(turn, Turn::Again) {
                break;
            }
        }
        self.incoming = Vec::new();
    }
}

impl Side {
    fn turn(
        &mut self,
        unread: &mut [u8],
        wish: &Wish<'_>,
        out: &mut Vec<u8>,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> (usize, Turn) {
        match self {
            Side::Client(c) => advance(c.process_tls_records(unread), wish, out, deliver),
            Side::Server(s) => advance(s.process_tls_records(unread), wish, out, deliver),
        }
    }

    fn has_output(&self) -> bool {
        match self {
            Side::Client(connection) => connection.wants_write(),
            Side::Server(connection) => connection.wants_write(),
        }
    }
}

enum Turn {
    Again,
    PeerClosed,
    Stop(Phase),
    Failed(Error),
}

fn advance<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: &Wish<'_>,
    out: &mut Vec<u8>,
    deliver: &mut dyn FnMut(&[u8]),
) -> (usize, Turn) {
    let mut discard = status.discard;
    let state = match status.state {
        Ok(state) => state,
        Err(error) => return (discard, Turn::Failed(error)),
    };
    let turn = match state {
        ConnectionState::ReadTraffic(mut traffic) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    deliver(record.payload);
                }
                Some(Err(error)) => break Turn::Failed(error),
                None => break Turn::Again,
            }
        },
        ConnectionState::EncodeTlsData(mut data) => {
            match append(out, RECORD_PLAIN, |room| {
                data.encode(room).map_err(encode_needs)
            }) {
                Ok(()) => Turn::Again,
                Err(error) => Turn::Failed(error),
            }
        }
        ConnectionState::TransmitTlsData(data) => {
            // The bytes are in `out`, which the caller sends before anything newer.
            data.done();
            Turn::Again
        }
        ConnectionState::PeerClosed => Turn::PeerClosed,
        ConnectionState::Closed => Turn::Stop(Phase::PeerClosed),
        ConnectionState::BlockedHandshake => Turn::Stop(Phase::Handshaking),
        ConnectionState::WriteTraffic(traffic) => match grant(traffic, wish, out) {
            Ok(()) => Turn::Stop(Phase::Open),
            Err(error) => Turn::Failed(error),
        },
        // Early data is off, and a state of a later version cannot be acted on.
        ConnectionState::ReadEarlyData(_) | _ => {
            Turn::Failed(Error::General("a TLS state that was not asked for".into()))
        }
    };
    (discard, turn)
}

fn grant<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    wish: &Wish<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    match wish {
        Wish::Nothing => Ok(()),
        Wish::Seal(plain) => {
            let records = plain.len() / RECORD_PLAIN + 1;
            append(out, plain.len() + records * RECORD_OVERHEAD, |room| {
                traffic.encrypt(plain, room).map_err(encrypt_needs)
            })
        }
        Wish::Close => append(out, RECORD_OVERHEAD, |room| {
            traffic.queue_close_notify(room).map_err(encrypt_needs)
        }),
    }
}

/// Lets `write` fill fresh room at the end of `out`; grows once if it asks for more.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Needs>,
) -> Result<(), Error> {
    let start = out.len();
    let mut room = room;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(Needs::Room(needed)) if needed > room => room = needed,
            Err(Needs::Room(_) | Needs::NewKeys) => {
                out.truncate(start);
                return Err(Error::EncryptError);
            }
        }
    }
}

enum Needs {
    Room(usize),
    NewKeys,
}

fn encode_needs(error: EncodeError) -> Needs {
    match error {
        EncodeError::InsufficientSize(size) => Needs::Room(size.required_size),
        EncodeError::AlreadyEncoded => Needs::NewKeys,
    }
}

fn encrypt_needs(error: EncryptError) -> Needs {
    match error {
        EncryptError::InsufficientSize(size) => Needs::Room(size.required_size),
        EncryptError::EncryptExhausted => Needs::NewKeys,
    }
}
