//! Certificates made on the fly: an authority, and nodes it vouches for.

use std::fs;
use std::io;
use std::path::Path;

use quorate_runtime::{CA_FILE, CERTIFICATE_FILE, Identity, KEY_FILE};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// An authority that signs nodes.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// The three files of a node, as text.
#[derive(Clone)]
pub struct Papers {
    /// The authority's certificate.
    pub ca: String,
    /// The node's certificate.
    pub certificate: String,
    /// The node's key.
    pub key: String,
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// When the system has no randomness.
    #[must_use]
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Authority { issuer }
    }

    /// A certificate for the node `node` of `cluster`.
    #[must_use]
    pub fn papers(&self, node: u64, cluster: &str) -> Papers {
        self.papers_for(&[format!("n{node}.{cluster}.quorate")])
    }

    /// A certificate for whatever names.
    ///
    /// # Panics
    /// When a name is no DNS name.
    #[must_use]
    pub fn papers_for(&self, names: &[String]) -> Papers {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("DNS names");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Papers {
            ca: self.issuer.pem(),
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Papers {
    /// Writes the three files.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn write(&self, home: &Path) -> io::Result<()> {
        fs::create_dir_all(home)?;
        fs::write(home.join(CA_FILE), &self.ca)?;
        fs::write(home.join(CERTIFICATE_FILE), &self.certificate)?;
        fs::write(home.join(KEY_FILE), &self.key)
    }

    /// The identity they make.
    ///
    /// # Panics
    /// When they are not in order.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let parts = (
            self.ca.as_bytes(),
            self.certificate.as_bytes(),
            self.key.as_bytes(),
        );
        Identity::from_pem(parts.0, parts.1, parts.2).expect("papers in order")
    }
}
