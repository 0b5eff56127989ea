//! Datagrams on tokio; the simulation has none.

use std::io;
use std::net::{SocketAddr, UdpSocket};

/// A socket of datagrams.
#[cfg(not(madsim))]
#[derive(Debug)]
pub struct Datagrams(tokio::net::UdpSocket);

#[cfg(not(madsim))]
impl Datagrams {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Datagrams> {
        tokio::net::UdpSocket::from_std(socket).map(Datagrams)
    }

    pub(super) async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer).await
    }

    pub(super) async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.send_to(bytes, to).await.map(drop)
    }
}

/// Never made: a simulated host cannot take over a socket of the system.
#[cfg(madsim)]
#[derive(Debug)]
pub struct Datagrams(std::convert::Infallible);

#[cfg(madsim)]
impl Datagrams {
    pub(super) fn new(_socket: UdpSocket) -> io::Result<Datagrams> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) async fn receive_from(&self, _buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self.0 {}
    }

    pub(super) async fn send_to(&self, _bytes: &[u8], _to: SocketAddr) -> io::Result<()> {
        match self.0 {}
    }
}
