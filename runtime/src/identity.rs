//! Who this node is: a CA bundle, a certificate chain and a key, read from PEM.
//!
//! The certificate is the only source of the node's id and cluster: its subject alternative names
//! hold exactly one DNS name of the form `n<ID>.<cluster>.quorate`. So an id cannot be mistyped
//! into a configuration, and a process without the key cannot take it.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_core::error::NameError;
use quorate_core::id::{ClusterId, NodeId};
use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The file with the certificates of the authorities that peers may be signed by.
pub const CA_FILE: &str = "ca.pem";
/// The file with this node's certificate, followed by intermediates if there are any.
pub const CERTIFICATE_FILE: &str = "node.pem";
/// The file with this node's private key.
pub const KEY_FILE: &str = "node.key";

/// A node's proof of who it is.
pub struct Identity {
    name: Name,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) admission: Admission,
}

/// Who is let in of those our authorities vouch for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Everyone, if there is no list.
    allowed: Option<BTreeSet<NodeId>>,
    /// Serial numbers in hex, without leading zeros.
    revoked: BTreeSet<String>,
}

impl Admission {
    pub(crate) fn allows(&self, node: NodeId) -> bool {
        self.allowed
            .as_ref()
            .is_none_or(|list| list.contains(&node))
    }

    pub(crate) fn is_revoked(&self, serial: &str) -> bool {
        self.revoked.contains(serial)
    }
}

/// What a certificate says about its holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.quorate", self.node, self.cluster)
    }
}

/// Why a certificate does not name a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// It does not parse.
    #[error("the certificate does not parse: {0}")]
    Malformed(String),
    /// No subject alternative name ends in `.quorate`.
    #[error("no DNS name `n<ID>.<cluster>.quorate` among its subject alternative names {found:?}")]
    Missing {
        /// The DNS names there are.
        found: Vec<String>,
    },
    /// Several names end in `.quorate`.
    #[error("several names end in `.quorate`, so it is ambiguous who it is for: {found:?}")]
    Ambiguous {
        /// The names.
        found: Vec<String>,
    },
    /// The name has another form.
    #[error("`{found}` is not of the form `n<ID>.<cluster>.quorate`")]
    Form {
        /// The name.
        found: String,
    },
    /// The cluster part is not a cluster id.
    #[error("`{found}`: {error}")]
    Cluster {
        /// The name.
        found: String,
        /// What is wrong with it.
        error: NameError,
    },
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Files are not there.
    #[error("{}", explain_missing(directory, missing))]
    Missing {
        /// Where they should be.
        directory: PathBuf,
        /// Their names.
        missing: Vec<&'static str>,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file is not PEM, or lacks what it is for.
    #[error("{}: no usable {what}: {error}", file.display())]
    Pem {
        /// Which.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        error: pem::Error,
    },
    /// A certificate of the CA bundle cannot be a trust anchor.
    #[error("{}: not a CA certificate: {error}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
    /// The certificate does not name a node.
    #[error("{}: {problem}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: NameProblem,
    },
    /// The certificate and the key cannot be used together, or the authorities do not vouch for
    /// them.
    #[error("{} and {}: {error}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        error: rustls::Error,
    },
}

impl Identity {
    /// Reads `ca.pem`, `node.pem` and `node.key` of a directory. Blocks.
    ///
    /// # Errors
    /// [`IdentityError`] names the file; when some are missing, how to make them.
    pub fn load(directory: &Path) -> Result<Identity, IdentityError> {
        let missing: Vec<&'static str> = [CA_FILE, CERTIFICATE_FILE, KEY_FILE]
            .into_iter()
            .filter(|file| !directory.join(file).exists())
            .collect();
        if !missing.is_empty() {
            return Err(IdentityError::Missing {
                directory: directory.to_owned(),
                missing,
            });
        }
        let read = |name: &str| {
            let file = directory.join(name);
            std::fs::read(&file).map_err(|error| IdentityError::Unreadable { file, error })
        };
        Identity::parse(
            directory,
            &read(CA_FILE)?,
            &read(CERTIFICATE_FILE)?,
            &read(KEY_FILE)?,
        )
    }

    /// An identity from the contents of the three files.
    ///
    /// # Errors
    /// [`IdentityError`] names the file whose content is wrong.
    pub fn from_pem(ca: &[u8], chain: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        Identity::parse(Path::new(""), ca, chain, key)
    }

    fn parse(
        directory: &Path,
        ca: &[u8],
        chain: &[u8],
        key: &[u8],
    ) -> Result<Identity, IdentityError> {
        let mut roots = RootCertStore::empty();
        let file = directory.join(CA_FILE);
        for certificate in certificates(&file, ca)? {
            roots
                .add(certificate)
                .map_err(|error| IdentityError::Authority {
                    file: file.clone(),
                    error,
                })?;
        }
        let file = directory.join(CERTIFICATE_FILE);
        let chain = certificates(&file, chain)?;
        let Some(own) = chain.first() else {
            let error = pem::Error::NoItemsFound;
            return Err(IdentityError::Pem {
                file,
                what: "certificate",
                error,
            });
        };
        let name = name_of(own).map_err(|problem| IdentityError::Name { file, problem })?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| IdentityError::Pem {
            file: directory.join(KEY_FILE),
            what: "private key",
            error,
        })?;
        let identity = Identity {
            name,
            roots: Arc::new(roots),
            chain,
            key,
            admission: Admission::default(),
        };
        crate::tls::check(&identity).map_err(|error| IdentityError::Unusable {
            certificate: directory.join(CERTIFICATE_FILE),
            key: directory.join(KEY_FILE),
            error,
        })?;
        Ok(identity)
    }

    /// Lets in these nodes only, of all that the authorities vouch for.
    #[must_use]
    pub fn allow_only(mut self, nodes: impl IntoIterator<Item = NodeId>) -> Identity {
        self.admission.allowed = Some(nodes.into_iter().collect());
        self
    }

    /// Lets nobody in with a certificate of one of these serial numbers: hex, colons between the
    /// bytes or not.
    #[must_use]
    pub fn revoke<T: AsRef<str>>(mut self, serials: impl IntoIterator<Item = T>) -> Identity {
        let plain = |serial: T| {
            let digits = serial.as_ref().replace(':', "").to_ascii_lowercase();
            let digits = digits.trim_start_matches('0').to_owned();
            // Whole bytes.
            if digits.len() % 2 == 0 {
                digits
            } else {
                format!("0{digits}")
            }
        };
        self.admission
            .revoked
            .extend(serials.into_iter().map(plain));
        self
    }

    /// Who the certificate is for.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

/// Never shows the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("name", &self.name)
            .field("authorities", &self.roots.len())
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Whom a certificate is for, as its subject alternative names say.
///
/// # Errors
/// [`NameProblem`] when they do not name exactly one node.
pub(crate) fn name_of(certificate: &CertificateDer<'_>) -> Result<Name, NameProblem> {
    let parsed = webpki::EndEntityCert::try_from(certificate)
        .map_err(|error| NameProblem::Malformed(error.to_string()))?;
    let names: Vec<&str> = parsed.valid_dns_names().collect();
    let ours: Vec<&str> = names.iter().copied().filter(|name| is_ours(name)).collect();
    match ours.as_slice() {
        [] => Err(NameProblem::Missing {
            found: to_strings(&names),
        }),
        [name] => parse_name(name),
        _ => Err(NameProblem::Ambiguous {
            found: to_strings(&ours),
        }),
    }
}

fn is_ours(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".quorate")
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn parse_name(text: &str) -> Result<Name, NameProblem> {
    let form = || NameProblem::Form {
        found: text.to_owned(),
    };
    let rest = text.strip_suffix(".quorate").ok_or_else(form)?;
    let (node, cluster) = rest.split_once('.').ok_or_else(form)?;
    let digits = node.strip_prefix('n').ok_or_else(form)?;
    let number: u64 = digits.parse().map_err(|_| form())?;
    // One spelling per id: no sign, no leading zero.
    if number.to_string() != digits {
        return Err(form());
    }
    let cluster = ClusterId::new(cluster).map_err(|error| NameProblem::Cluster {
        found: text.to_owned(),
        error,
    })?;
    Ok(Name {
        node: NodeId(number),
        cluster,
    })
}

fn certificates(file: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let wrong = |error| IdentityError::Pem {
        file: file.to_owned(),
        what: "certificate",
        error,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(wrong)?;
    if found.is_empty() {
        return Err(wrong(pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn explain_missing(directory: &Path, missing: &[&str]) -> String {
    let (directory, missing) = (directory.display(), missing.join(", "));
    format!(
        "no identity in {directory}: missing {missing}.
Quorate speaks mutual TLS only, so each node needs three PEM files there, or in the directory that
QUORATE_HOME names:
  {CA_FILE}    the certificate of the authority that signs all nodes of the cluster
  {CERTIFICATE_FILE}  this node's certificate, with the DNS name n<ID>.<cluster>.quorate
  {KEY_FILE}  its private key
Make the authority once:
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \\
    -subj /CN=quorate-ca -keyout ca.key -out ca.pem
and then the node's own pair, here for node 1 of the cluster prod:
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \\
    -subj /CN=n1 -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE \\
    -addext subjectAltName=DNS:n1.prod.quorate -keyout node.key -out node.pem"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        let name = parse_name("n12.prod-a.quorate").expect("well formed");
        assert_eq!((name.node, name.cluster.as_str()), (NodeId(12), "prod-a"));
        assert_eq!(name.to_string(), "n12.prod-a.quorate");
        for wrong in [
            "n1.prod",
            "1.prod.quorate",
            "n.prod.quorate",
            "n01.prod.quorate",
            "n+1.prod.quorate",
            "n1.quorate",
            "n1.a.b.quorate",
            "n1.Prod.quorate",
            "n99999999999999999999.p.quorate",
            "*.prod.quorate",
        ] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn missing_files_are_explained() {
        let error = Identity::load(Path::new("does/not/exist")).expect_err("nothing there");
        let text = error.to_string();
        for part in [
            "does/not/exist",
            "ca.pem",
            "node.pem",
            "node.key",
            "n1.prod.quorate",
            "openssl",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
    }
}
