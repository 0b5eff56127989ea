//! Certificates of a run. The simulated wall clock stands at some moment of about 2022; these are
//! valid then and now.

use std::collections::BTreeMap;

use quorate_runtime::{Identity, IdentityError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// The cluster of every run.
pub const CLUSTER: &str = "sim";

/// The files of one node.
#[derive(Clone, Debug)]
pub struct Papers {
    ca: String,
    chain: String,
    key: String,
}

impl Papers {
    /// What they prove.
    ///
    /// # Errors
    /// [`IdentityError`]; never, for papers issued here.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::from_pem(
            self.ca.as_bytes(),
            self.chain.as_bytes(),
            self.key.as_bytes(),
        )
    }
}

/// The papers of nodes 1 to `nodes`.
///
/// # Errors
/// When the system has no randomness.
pub fn issue(nodes: u64) -> Result<BTreeMap<u64, Papers>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let papers = |node: u64| {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![format!("n{node}.{CLUSTER}.quorate")])?;
        let chain = params.signed_by(&key, &authority)?.pem();
        Ok((
            node,
            Papers {
                ca: authority.pem(),
                chain,
                key: key.serialize_pem(),
            },
        ))
    };
    (1..=nodes).map(papers).collect()
}
