//! A stranger: a plain TLS client that is no node, for knocking at a node's door with whatever
//! certificate and bytes. It blocks; tests run it on a thread of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::cluster::PATIENCE;
use crate::pki::Papers;

/// A TLS connection to a node.
pub struct Stranger {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Stranger {
    /// Connects, showing `papers` if there are any. In TLS 1.3 a refusal of ours shows only when
    /// reading.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub fn connect(address: SocketAddr, papers: Option<&Papers>) -> io::Result<Stranger> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Gullible { provider }));
        let config = match papers {
            None => builder.with_no_client_auth(),
            Some(papers) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(papers.certificate.as_bytes()).collect();
                let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes());
                builder
                    .with_client_auth_cert(
                        chain.map_err(io::Error::other)?,
                        key.map_err(io::Error::other)?,
                    )
                    .map_err(io::Error::other)?
            }
        };
        let name = ServerName::try_from("stranger.quorate").map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(connection, socket);
        stream.flush()?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Stranger { stream })
    }

    /// Says something.
    ///
    /// # Errors
    /// When the node hung up.
    pub fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Hears out the node until it hangs up; true if it did within the tests' patience.
    #[must_use]
    pub fn is_hung_up_on(&mut self) -> bool {
        let mut heard = [0; 4096];
        loop {
            match self.stream.read(&mut heard) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    let kind = error.kind();
                    return kind != io::ErrorKind::WouldBlock && kind != io::ErrorKind::TimedOut;
                }
            }
        }
    }
}

/// Believes whatever a server says it is.
#[derive(Debug)]
struct Gullible {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
