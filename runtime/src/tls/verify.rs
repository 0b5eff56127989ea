//! Who may be at the other end: a chain to our authorities that is valid now, and a name in our
//! cluster.
//!
//! The same rule on both sides. Which *node* of the cluster it is gets compared later, by whoever
//! expects one.

use std::sync::Arc;

use quorate_core::id::{ClusterId, NodeId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate;
use crate::identity::{Admission, Identity, NameProblem, name_of};

/// A certificate that our authorities vouch for, and that still names nobody of our cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameRefused {
    #[error(transparent)]
    Unnamed(NameProblem),
    #[error("cluster id mismatch (ours \"{ours}\", theirs \"{theirs}\")")]
    Cluster { ours: ClusterId, theirs: ClusterId },
    #[error("{0} is not on the list of nodes that are let in")]
    NotAllowed(NodeId),
    #[error("the certificate with serial number {0} is revoked")]
    Revoked(String),
}

/// The rule.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    cluster: ClusterId,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
    admission: Admission,
}

impl PeerVerifier {
    pub(super) fn new(
        identity: &Identity,
        provider: &Arc<CryptoProvider>,
    ) -> Result<PeerVerifier, Error> {
        let roots = identity.roots.clone();
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(PeerVerifier {
            cluster: identity.name().cluster.clone(),
            roots,
            clients,
            algorithms: provider.signature_verification_algorithms,
            admission: identity.admission.clone(),
        })
    }

    /// Would a peer with our own settings accept this chain, whichever side it is on?
    pub(super) fn check_chain(&self, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        let Some((own, intermediates)) = chain.split_first() else {
            return Err(Error::NoCertificatesPresented);
        };
        let now = DefaultTimeProvider
            .current_time()
            .ok_or(Error::FailedToGetCurrentTime)?;
        self.verify_client_cert(own, intermediates, now)?;
        self.verify_as_server(own, intermediates, now)
    }

    fn verify_as_server(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        self.verify_name(end_entity)
    }

    fn verify_name(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let serial = certificate::serial(certificate).unwrap_or_default();
        let refused = match name_of(certificate) {
            Ok(name) if name.cluster != self.cluster => NameRefused::Cluster {
                ours: self.cluster.clone(),
                theirs: name.cluster,
            },
            Ok(name) if !self.admission.allows(name.node) => NameRefused::NotAllowed(name.node),
            Ok(_) if self.admission.is_revoked(&serial) => NameRefused::Revoked(serial),
            Ok(_) => return Ok(()),
            Err(problem) => NameRefused::Unnamed(problem),
        };
        Err(CertificateError::Other(OtherError(Arc::new(refused))).into())
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_as_server(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .clients
            .verify_client_cert(end_entity, intermediates, now)?;
        self.verify_name(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
