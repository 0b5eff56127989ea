//! One authority and two nodes.

use quorate_runtime::Identity;
use quorate_runtime::tls::{Settings, provider};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

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
}
