//! Certificates for a demonstration, made on the fly. A real cluster brings its own.

use std::fs;
use std::io;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Writes `n<id>/ca.pem`, `n<id>/node.pem` and `n<id>/node.key` for each node below `directory`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn make(directory: &Path, cluster: &str, nodes: &[u64]) -> io::Result<()> {
    let authority = authority().map_err(io::Error::other)?;
    for node in nodes {
        let home = directory.join(format!("n{node}"));
        fs::create_dir_all(&home)?;
        let (certificate, key) = issue(&authority, cluster, *node).map_err(io::Error::other)?;
        fs::write(home.join("ca.pem"), authority.pem())?;
        fs::write(home.join("node.pem"), certificate)?;
        fs::write(home.join("node.key"), key)?;
    }
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "quorate demo authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    cluster: &str,
    node: u64,
) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![format!("n{node}.{cluster}.quorate")])?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
