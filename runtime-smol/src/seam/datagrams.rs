//! Datagrams on smol.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use smol::Async;

/// A socket of datagrams.
#[derive(Debug)]
pub struct Datagrams(Async<UdpSocket>);

impl Datagrams {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Datagrams> {
        Async::new(socket).map(Datagrams)
    }

    pub(super) async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer).await
    }

    pub(super) async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.send_to(bytes, to).await.map(drop)
    }
}
