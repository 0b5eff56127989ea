//! One authority and two nodes, in every form that a contender wants.

use std::sync::Arc;

use quorate_runtime::Identity;
use quorate_runtime::tls::{Settings, provider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The papers of one node.
pub struct Paper {
    pub ca: String,
    pub certificate: String,
    pub key: String,
}

/// The papers of both.
pub struct Papers {
    pub nodes: [Paper; 2],
}

impl Papers {
    pub fn new() -> Papers {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let nodes = [1, 2].map(|node| {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new([name(node)]).expect("a name");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            Paper {
                ca: issuer.pem(),
                certificate: certificate.pem(),
                key: key.serialize_pem(),
            }
        });
        Papers { nodes }
    }
}

/// The name of a node.
pub fn name(node: u64) -> String {
    format!("n{node}.bench.quorate")
}

impl Paper {
    pub fn identity(&self) -> Identity {
        let parts = (&self.ca, &self.certificate, &self.key);
        Identity::from_pem(parts.0.as_bytes(), parts.1.as_bytes(), parts.2.as_bytes())
            .expect("in order")
    }

    pub fn settings(&self) -> Settings {
        Settings::new(&self.identity(), provider()).expect("usable")
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca.as_bytes()).expect("a certificate");
        roots.add(ca).expect("an authority");
        Arc::new(roots)
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes());
        (vec![chain.expect("a certificate")], key.expect("a key"))
    }

    /// For those who take rustls as it comes.
    pub fn client(&self, protocol: &[u8]) -> ClientConfig {
        let (chain, key) = self.chain();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .expect("in order");
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    }

    pub fn server(&self, protocol: &[u8]) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let (chain, key) = self.chain();
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(chain, key)
            .expect("in order");
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    }
}
