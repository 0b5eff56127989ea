//! TLS 1.3 as a machine of bytes: four calls over rustls' unbuffered API, and no socket.
//!
//! `handshake` and `open` take what the socket yielded, `seal` and `close` append what the socket
//! should send. Whatever TLS itself wants to say (handshake, alerts, key updates) is appended to
//! the same output, in the order in which it must be sent. Resumption and tickets are off: a
//! resumed session would outlive the removal of its authority. Deliberately absent: TLS 1.2, early
//! data, a process-wide crypto provider.

mod certificate;
mod sealed;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, Error, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};

pub use self::sealed::Sealed;
pub(crate) use self::verify::NameRefused;
use self::verify::PeerVerifier;
use crate::identity::Identity;

/// Room one record needs beyond its plain text: header, content type, tag, and some to spare.
const RECORD_OVERHEAD: usize = 64;
/// The plain text of a full record.
const RECORD_PLAIN: usize = 16 * 1024;

/// Both sides' settings.
#[derive(Clone)]
pub struct Settings {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    verifier: Arc<PeerVerifier>,
    valid_until: Option<u64>,
}

/// What became of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// More bytes are needed before anything can be sealed.
    Handshaking,
    /// Both directions are open.
    Open,
    /// The peer will send nothing more.
    PeerClosed,
}

/// One TLS connection.
pub struct Session {
    side: Side,
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
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Checks that key and certificate belong together and that the own authorities vouch for them, in
/// both roles.
pub(crate) fn check(identity: &Identity) -> Result<(), Error> {
    let verifier = PeerVerifier::new(identity, &provider())?;
    verifier.check_chain(&identity.chain)?;
    Settings::new(identity, provider()).map(|_| ())
}

impl Settings {
    /// Settings that prove `identity` and accept the peers its authorities and cluster allow.
    ///
    /// # Errors
    /// When certificate, key and authorities do not go together.
    pub fn new(identity: &Identity, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
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
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Settings {
            client: Arc::new(client),
            server: Arc::new(server),
            verifier,
            valid_until: identity
                .chain
                .iter()
                .filter_map(|certificate| certificate::valid_until(certificate))
                .min(),
        })
    }

    /// Whether a peer that was let in before would be let in now.
    pub(crate) fn recheck(&self, chain: &[CertificateDer<'static>]) -> Result<(), Error> {
        self.verifier.check_chain(chain)
    }

    /// How long our own certificates are valid still; zero when they are not any more.
    pub(crate) fn validity_left(&self) -> Option<Duration> {
        let now = DefaultTimeProvider.current_time()?;
        let left = self.valid_until?.saturating_sub(now.as_secs());
        Some(Duration::from_secs(left))
    }

    /// The dialling side.
    ///
    /// # Errors
    /// When the provider has no randomness.
    pub fn client(&self) -> Result<Session, Error> {
        // The name is never sent nor compared: the verifier judges the node's own kind of name.
        let name = ServerName::try_from("peer.quorate")
            .map_err(|_| Error::General("the placeholder name is malformed".into()))?;
        let connection = UnbufferedClientConnection::new(self.client.clone(), name)?;
        Ok(Session::new(Side::Client(connection)))
    }

    /// The accepting side.
    ///
    /// # Errors
    /// When the provider has no randomness.
    pub fn server(&self) -> Result<Session, Error> {
        let connection = UnbufferedServerConnection::new(self.server.clone())?;
        Ok(Session::new(Side::Server(connection)))
    }
}

impl Session {
    fn new(side: Side) -> Session {
        Session {
            side,
            early: Vec::new(),
            is_peer_closed: false,
            end: None,
        }
    }

    /// Takes received bytes (none at first) and appends what must be sent. Also after an error:
    /// then an alert. Says how many bytes it took; the rest must come again, with more behind it.
    ///
    /// # Errors
    /// What TLS has against the other end.
    pub fn handshake(
        &mut self,
        received: &mut [u8],
        out: &mut Sealed,
    ) -> Result<(usize, Phase), Error> {
        let mut early = std::mem::take(&mut self.early);
        let taken = self.pump(received, &Wish::Nothing, out, &mut |plain| {
            early.extend_from_slice(plain);
        });
        self.early = early;
        taken
    }

    /// Opens received bytes where they lie and hands on the plain text in them. Says how many bytes
    /// it took; the rest must come again, with more behind it.
    ///
    /// # Errors
    /// What TLS has against the other end.
    pub fn open(
        &mut self,
        received: &mut [u8],
        out: &mut Sealed,
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<(usize, Phase), Error> {
        if !self.early.is_empty() {
            deliver(&std::mem::take(&mut self.early));
        }
        self.pump(received, &Wish::Nothing, out, &mut deliver)
    }

    /// Appends `plain` as records. The handshake must be over.
    ///
    /// # Errors
    /// When the handshake is not over, or the session is.
    pub fn seal(&mut self, plain: &[u8], out: &mut Sealed) -> Result<(), Error> {
        self.write(&Wish::Seal(plain), out)
    }

    /// Appends the closing alert.
    ///
    /// # Errors
    /// When the handshake is not over, or the session is.
    pub fn close(&mut self, out: &mut Sealed) -> Result<(), Error> {
        self.write(&Wish::Close, out)
    }

    /// The other end's certificates, its own first, once the handshake is over.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let chain = match &self.side {
            Side::Client(connection) => connection.peer_certificates(),
            Side::Server(connection) => connection.peer_certificates(),
        };
        chain.unwrap_or_default()
    }

    fn write(&mut self, wish: &Wish<'_>, out: &mut Sealed) -> Result<(), Error> {
        match self.pump(&mut [], wish, out, &mut |_nothing| {})? {
            (_, Phase::Handshaking) => Err(Error::HandshakeNotComplete),
            (_, Phase::Open | Phase::PeerClosed) => Ok(()),
        }
    }

    /// Runs rustls until it needs bytes or has done the wish.
    fn pump(
        &mut self,
        received: &mut [u8],
        wish: &Wish<'_>,
        out: &mut Sealed,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<(usize, Phase), Error> {
        if let Some(error) = &self.end {
            return Err(error.clone());
        }
        let mut taken = 0;
        let phase = loop {
            let unread = &mut received[taken..];
            let (discard, turn) = self.side.turn(unread, wish, out, deliver);
            taken += discard;
            match turn {
                Turn::Again => {}
                Turn::PeerClosed => self.is_peer_closed = true,
                Turn::Stop(phase) => break phase,
                Turn::Failed(error) => {
                    self.fail(&error, &mut received[taken..], out);
                    return Err(error);
                }
            }
        };
        if matches!(wish, Wish::Close) {
            self.end = Some(Error::General("the session is closed".into()));
        }
        let is_over = self.is_peer_closed;
        Ok((taken, if is_over { Phase::PeerClosed } else { phase }))
    }

    /// Fetches the alert that tells the peer why. Only as long as there is one: rustls must not see
    /// the offending bytes again.
    fn fail(&mut self, error: &Error, unread: &mut [u8], out: &mut Sealed) {
        self.end = Some(error.clone());
        let mut taken = 0;
        while self.side.has_output() {
            let rest = &mut unread[taken..];
            let (discard, turn) = self.side.turn(rest, &Wish::Nothing, out, &mut |_late| {});
            taken += discard;
            if !matches!(turn, Turn::Again) {
                break;
            }
        }
    }
}

impl Side {
    fn turn(
        &mut self,
        unread: &mut [u8],
        wish: &Wish<'_>,
        out: &mut Sealed,
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
    out: &mut Sealed,
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
    out: &mut Sealed,
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
    out: &mut Sealed,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Needs>,
) -> Result<(), Error> {
    let mut room = room;
    loop {
        match write(out.room(room)) {
            Ok(written) => {
                out.commit(written);
                return Ok(());
            }
            Err(Needs::Room(needed)) if needed > room => room = needed,
            Err(Needs::Room(_) | Needs::NewKeys) => return Err(Error::EncryptError),
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

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn issuer() -> Issuer {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
    }

    fn settings(issuer: &Issuer, name: &str) -> Settings {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, issuer).expect("signed");
        let (ca, chain, key) = (issuer.pem(), certificate.pem(), key.serialize_pem());
        let identity = Identity::from_pem(ca.as_bytes(), chain.as_bytes(), key.as_bytes());
        Settings::new(&identity.expect("in order"), provider()).expect("usable")
    }

    /// A session and the bytes it has not taken yet.
    struct Party {
        session: Session,
        unread: Vec<u8>,
        out: Sealed,
    }

    impl Party {
        fn new(session: Result<Session, Error>) -> Party {
            Party {
                session: session.expect("a session"),
                unread: Vec::new(),
                out: Sealed::default(),
            }
        }

        fn shake(&mut self, bytes: &[u8]) -> Result<Phase, Error> {
            self.unread.extend_from_slice(bytes);
            let (taken, phase) = self.session.handshake(&mut self.unread, &mut self.out)?;
            self.unread.drain(..taken);
            Ok(phase)
        }

        fn open(&mut self, bytes: &[u8]) -> (Vec<u8>, Result<Phase, Error>) {
            self.unread.extend_from_slice(bytes);
            let mut plain = Vec::new();
            let (unread, out) = (&mut self.unread, &mut self.out);
            let opened = self
                .session
                .open(unread, out, |part| plain.extend_from_slice(part));
            let phase = opened.map(|(taken, phase)| {
                self.unread.drain(..taken);
                phase
            });
            (plain, phase)
        }

        fn seal(&mut self, plain: &[u8]) -> Result<(), Error> {
            self.session.seal(plain, &mut self.out)
        }

        /// What it wants to send.
        fn said(&mut self) -> Vec<u8> {
            let bytes = self.out.bytes().to_vec();
            self.out.clear();
            bytes
        }
    }

    /// Hands every byte over in pieces of `piece`, until both sides are open or one failed.
    fn shake(
        client: &mut Party,
        server: &mut Party,
        piece: usize,
    ) -> (Result<Phase, Error>, Result<Phase, Error>) {
        let feed = |party: &mut Party, bytes: &[u8]| {
            let mut phase = party.shake(&[]);
            for part in bytes.chunks(piece) {
                if phase.is_ok() {
                    phase = party.shake(part);
                }
            }
            phase
        };
        let mut to_client = Vec::new();
        loop {
            let here = feed(client, &to_client);
            let there = feed(server, &client.said());
            to_client = server.said();
            let is_over = here.is_err() || there.is_err();
            if is_over || (here == Ok(Phase::Open) && there == Ok(Phase::Open)) {
                return (here, there);
            }
        }
    }

    fn pair(piece: usize) -> (Party, Party) {
        let issuer = issuer();
        let mut client = Party::new(settings(&issuer, "n1.test.quorate").client());
        let mut server = Party::new(settings(&issuer, "n2.test.quorate").server());
        assert_eq!(
            shake(&mut client, &mut server, piece),
            (Ok(Phase::Open), Ok(Phase::Open))
        );
        (client, server)
    }

    #[test]
    fn bytes_in_any_pieces_make_a_session() {
        for piece in [1, 7, 1000, usize::MAX] {
            let (mut client, mut server) = pair(piece);
            let plain: Vec<u8> = (0..100_000_u32)
                .map(|number| number.to_le_bytes()[0])
                .collect();
            client.seal(&plain).expect("open");
            let mut heard = Vec::new();
            for part in client.said().chunks(piece) {
                let (some, phase) = server.open(part);
                assert_eq!(phase, Ok(Phase::Open));
                heard.extend(some);
                // Sealing between two halves of a record disturbs neither direction.
                server.seal(b".").expect("open");
            }
            assert!(heard == plain, "pieces of {piece}");
        }
    }

    #[test]
    fn the_certificate_says_who_it_is() {
        let (client, server) = pair(usize::MAX);
        let name = |party: &Party| {
            let certificate = &party.session.peer_certificates()[0];
            crate::identity::name_of(certificate).expect("ours").node.0
        };
        assert_eq!((name(&client), name(&server)), (2, 1));
    }

    #[test]
    fn a_failed_session_says_why_once_and_is_never_asked_again() {
        let (mut client, mut server) = pair(usize::MAX);
        client.seal(b"hello").expect("open");
        let mut wire = client.said();
        let last = wire.len() - 1;
        wire[last] ^= 1;
        let (forged, failed) = server.open(&wire);
        assert_eq!((forged, failed), (vec![], Err(Error::DecryptError)));
        let alert = server.said();
        assert!(!alert.is_empty());
        assert!(server.seal(b"more").is_err());
        assert!(server.open(&wire).1.is_err());
        assert!(server.session.close(&mut server.out).is_err() && server.said().is_empty());
        assert!(matches!(
            client.open(&alert),
            (_, Err(Error::AlertReceived(_)))
        ));
    }

    #[test]
    fn a_close_ends_one_direction_for_the_peer() {
        let (mut client, mut server) = pair(usize::MAX);
        client.seal(b"last words").expect("open");
        client.session.close(&mut client.out).expect("open");
        assert_eq!(
            server.open(&client.said()),
            (b"last words".to_vec(), Ok(Phase::PeerClosed))
        );
    }

    #[test]
    fn another_cluster_is_refused_by_either_side() {
        let issuer = issuer();
        let ours = settings(&issuer, "n1.test.quorate");
        let theirs = settings(&issuer, "n2.elsewhere.quorate");
        let (mut client, mut server) = (Party::new(ours.client()), Party::new(theirs.server()));
        let (here, _) = shake(&mut client, &mut server, usize::MAX);
        let refusal = here.expect_err("refused");
        assert!(matches!(
            crate::PeerRefusal::of_tls(&refusal),
            crate::PeerRefusal::WrongCluster { .. }
        ));
    }
}
