//! Certificates of a run. The simulated wall clock stands at some moment of about 2022; these are valid then and now.

use std::collections::BTreeMap;

use quorate_runtime::Identity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// The cluster of every run.
pub const CLUSTER: &str = "sim";

/// The identities of nodes 1 to `nodes`.
pub fn issue(nodes: u64) -> BTreeMap<u64, Identity> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let identity = |node: u64| {
        let key = KeyPair::generate().expect("a key");
        let name = format!("n{node}.{CLUSTER}.quorate");
        let params = CertificateParams::new(vec![name]).expect("a name");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let (ca, chain, key) = (authority.pem(), certificate.pem(), key.serialize_pem());
        let identity = Identity::from_pem(ca.as_bytes(), chain.as_bytes(), key.as_bytes());
        (node, identity.expect("the papers fit"))
    };
    (1..=nodes).map(identity).collect()
}
