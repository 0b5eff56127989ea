//! What can go wrong at the API: at the start, at a connection, in a call.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quorate_core::control;
use quorate_core::id::{ClusterId, NodeId};
use quorate_core::node::{ConfigError, Refusal};
use quorate_core::transport::{CloseReason, SubmitError};
use quorate_core::wire::DecodeError;
use rustls::CertificateError;

use crate::disk::DiskError;
use crate::identity::{IdentityError, Name, NameProblem};
use crate::tls::NameRefused;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no usable identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The configuration file cannot be used.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The configuration is wrong; all problems are listed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The node would listen on every interface and not know which of its addresses to tell the
    /// others.
    #[error(
        "listening on {address} does not say where the other nodes reach this one, and no route \
         leads out of this host: set `address` in quorate.toml, or `advertise` in the builder"
    )]
    NoAddress {
        /// The listening address.
        address: SocketAddr,
    },
    /// The write-ahead log cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// `start` was called before.
    #[error("the node was started before; make a new manager to start again")]
    AlreadyStarted,
    /// The disk failed while the node started, or the node's build does not know the feature level
    /// in force.
    #[error("the node halted while it started: {reason}")]
    Halted {
        /// What failed.
        reason: String,
    },
    /// The node was stopped while it started.
    #[error("the node was stopped while it started")]
    Stopped,
}

impl StartError {
    /// True when another process listens on the address already.
    #[must_use]
    pub fn is_port_in_use(&self) -> bool {
        matches!(self, StartError::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse)
    }
}

/// Why a new identity was not taken; the one in force stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The node is not running.
    #[error("the node is not started")]
    NotStarted,
    /// It is the identity of another node.
    #[error("the new certificate is for {found}, this node is {ours}")]
    WrongName {
        /// Who we are.
        ours: Name,
        /// Whom it is for.
        found: Name,
    },
    /// TLS cannot be set up with it.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why `quorate.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is not TOML, or does not have the shape of a configuration.
    #[error("{}: {what}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where and what.
        what: String,
    },
    /// It contradicts the certificate.
    #[error("{}: `{key}` says {file_says}, the certificate says {certificate_says}; \
        remove the key from the file",
        file.display())]
    Contradiction {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        file_says: String,
        /// The certificate's.
        certificate_says: String,
    },
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `start` was not called yet.
    #[error("the node is not started: call start() first")]
    NotStarted,
    /// The node was shut down.
    #[error("the node is stopped")]
    Stopped,
    /// The node halted because its disk failed, or because its build does not know the feature
    /// level in force; it will never acknowledge anything again.
    #[error("the node halted: {reason}")]
    Halted {
        /// What failed.
        reason: String,
    },
    /// The cluster refused, or did not answer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The control log decided that the command changes nothing.
    #[error("not done: {0}")]
    NotDecided(control::Refused),
    /// No node matches a request.
    #[error("no live node matches the request{}", of_role(role.as_deref()))]
    NoTarget {
        /// The role that nobody holds.
        role: Option<String>,
    },
    /// There is no connection to a node, and none could be made in time.
    #[error("{target} cannot be reached{}", at_address(*address))]
    Unreachable {
        /// The node.
        target: NodeId,
        /// Where it was tried.
        address: Option<SocketAddr>,
    },
    /// The connection broke for too long, or the other node started anew: it is unknown whether the
    /// message arrived.
    #[error(
        "the connection to {target} broke before it confirmed the message; it may have arrived"
    )]
    Disconnected {
        /// The node.
        target: NodeId,
    },
    /// Too many bytes to this node wait already.
    #[error("too much is waiting to be sent to {target}; slow down")]
    Backlog {
        /// The node.
        target: NodeId,
    },
    /// The message is too long.
    #[error(
        "a message of {len} bytes is too long, at most {max} are allowed \
         (transport.message_bytes_max)"
    )]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// So many streams are open already.
    #[error("{max} streams to {target} are open already (transport.streams_max)")]
    TooManyStreams {
        /// The node.
        target: NodeId,
        /// The limit.
        max: usize,
    },
    /// The other host wants no more of a stream, or has no room for it.
    #[error("{target} refused the stream")]
    StreamRefused {
        /// The node.
        target: NodeId,
    },
    /// No reply in time.
    #[error("{target} did not reply within {timeout:?}")]
    Timeout {
        /// The node.
        target: NodeId,
        /// The time given.
        timeout: Duration,
    },
    /// The other host has too many messages waiting.
    #[error("{target} is too busy to take the message")]
    PeerBusy {
        /// The node.
        target: NodeId,
    },
    /// The other host dropped the request without a reply.
    #[error("{target} did not answer the request")]
    Unanswered {
        /// The node.
        target: NodeId,
    },
    /// The core answered another question: a defect of this library.
    #[error("the node gave an answer to another question; please report this")]
    WrongAnswer,
}

impl Error {
    pub(crate) fn of_submit(error: SubmitError, target: NodeId) -> Error {
        match error {
            SubmitError::Full => Error::Backlog { target },
            SubmitError::TooLarge { len, max } => Error::TooLarge { len, max },
            SubmitError::TooManyStreams { max } => Error::TooManyStreams { target, max },
            SubmitError::NoStream => Error::StreamRefused { target },
            SubmitError::Closed => Error::Disconnected { target },
        }
    }
}

/// Why a peer was refused, or refused us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerRefusal {
    /// It presented no certificate.
    #[error("it presented no certificate")]
    NoCertificate,
    /// None of our authorities signed its certificate.
    #[error("its certificate is not signed by an authority of ours")]
    UnknownAuthority,
    /// Its certificate is not valid at this time.
    #[error("its certificate is not valid now: {0}")]
    NotValidNow(String),
    /// Its certificate does not name a node.
    #[error("its certificate names no node: {0}")]
    NoName(NameProblem),
    /// It belongs to another cluster.
    #[error("cluster id mismatch (ours \"{ours}\", theirs \"{theirs}\"). Reused address?")]
    WrongCluster {
        /// Ours.
        ours: ClusterId,
        /// Theirs.
        theirs: ClusterId,
    },
    /// It is not on the list of nodes that are let in.
    #[error("{node} is not on the list of nodes that are let in")]
    NotAllowed {
        /// Who it is.
        node: NodeId,
    },
    /// Its certificate is revoked.
    #[error("its certificate with serial number {serial} is revoked")]
    Revoked {
        /// In hex.
        serial: String,
    },
    /// It is another node than the one that was dialled, or than its certificate says.
    #[error("expected {expected}, found {found}. Reissue the certificate or fix the id")]
    WrongNode {
        /// Whom we expected.
        expected: NodeId,
        /// Who it is.
        found: NodeId,
    },
    /// It has our own id: this node reached itself, or two processes use one certificate.
    #[error(
        "it is {node}, which is this node: a seed that is ourselves, or a certificate used twice"
    )]
    OurOwnId {
        /// The id.
        node: NodeId,
    },
    /// It refused our certificate, or our handshake.
    #[error("it refused us: {alert}")]
    RefusedUs {
        /// Its alert.
        alert: String,
    },
    /// It does not speak TLS 1.3 as we do.
    #[error("TLS: {0}")]
    Tls(String),
    /// The TLS handshake took too long.
    #[error("no TLS handshake within {0:?}")]
    NoHandshake(Duration),
    /// It did not introduce itself in time.
    #[error("no hello in time")]
    NoHello,
    /// Too many connections have not shown who they are yet.
    #[error("{0} connections are waiting to be authenticated already (transport.handshakes_max)")]
    TooMany(usize),
    /// Too many connections of its address have not shown who they are yet.
    #[error(
        "{0} connections of its address are waiting to be authenticated already \
         (transport.handshakes_per_address_max)"
    )]
    TooManyHandshakesOfAddress(usize),
    /// Its address has too many connections.
    #[error(
        "{0} connections of its address are open already (transport.connections_per_address_max)"
    )]
    TooManyOfAddress(usize),
    /// It broke the protocol.
    #[error("{0}")]
    Protocol(CloseReason),
    /// It sent a message that does not decode.
    #[error("it sent a message that does not decode: {0}")]
    Undecodable(DecodeError),
}

impl PeerRefusal {
    pub(crate) fn of_tls(error: &rustls::Error) -> PeerRefusal {
        let other = || PeerRefusal::Tls(error.to_string());
        if let rustls::Error::InvalidCertificate(problem) = error {
            return PeerRefusal::of_certificate(problem).unwrap_or_else(other);
        }
        if let rustls::Error::AlertReceived(alert) = error {
            let alert = format!("{alert:?}");
            return PeerRefusal::RefusedUs { alert };
        }
        if *error == rustls::Error::NoCertificatesPresented {
            return PeerRefusal::NoCertificate;
        }
        other()
    }

    fn of_certificate(problem: &CertificateError) -> Option<PeerRefusal> {
        if let CertificateError::Other(refused) = problem {
            let refused = refused.0.downcast_ref::<NameRefused>()?;
            return Some(match refused.clone() {
                NameRefused::Unnamed(problem) => PeerRefusal::NoName(problem),
                NameRefused::Cluster { ours, theirs } => PeerRefusal::WrongCluster { ours, theirs },
                NameRefused::NotAllowed(node) => PeerRefusal::NotAllowed { node },
                NameRefused::Revoked(serial) => PeerRefusal::Revoked { serial },
            });
        }
        let is_foreign = matches!(
            problem,
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        );
        let is_out_of_time = matches!(
            problem,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        );
        if is_foreign {
            Some(PeerRefusal::UnknownAuthority)
        } else {
            is_out_of_time.then(|| PeerRefusal::NotValidNow(format!("{problem:?}")))
        }
    }

    pub(crate) fn of_close(reason: CloseReason) -> PeerRefusal {
        match reason {
            CloseReason::WrongCluster { ours, theirs } => {
                PeerRefusal::WrongCluster { ours, theirs }
            }
            CloseReason::WrongNode { expected, found } => {
                PeerRefusal::WrongNode { expected, found }
            }
            CloseReason::HelloTimeout => PeerRefusal::NoHello,
            reason @ (CloseReason::Goodbye
            | CloseReason::Idle
            | CloseReason::WrongVersion { .. }
            | CloseReason::Fault(_)) => PeerRefusal::Protocol(reason),
        }
    }
}

fn of_role(role: Option<&str>) -> String {
    role.map(|role| format!(" for role {role}"))
        .unwrap_or_default()
}

fn at_address(address: Option<SocketAddr>) -> String {
    address
        .map(|address| format!(" at {address}"))
        .unwrap_or_default()
}
