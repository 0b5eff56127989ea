//! TCP on smol.

use std::io;
use std::net::SocketAddr;

use quorate_runtime::seam::{Reader, Writer};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

use super::socket;

/// The receiving half of a socket.
#[derive(Debug)]
pub struct SmolReader(TcpStream);

/// The sending half of a socket.
#[derive(Debug)]
pub struct SmolWriter(TcpStream);

pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    socket::tune(&stream)?;
    Ok(stream)
}

pub(super) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

pub(super) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    // A peer that is gone again makes tuning fail; that is its matter, and reading will tell.
    let _gone_already = socket::tune(&stream);
    Ok((stream, address))
}

/// A smol socket is shared by its clones.
pub(super) fn split(stream: TcpStream) -> (SmolReader, SmolWriter) {
    (SmolReader(stream.clone()), SmolWriter(stream))
}

impl Reader for SmolReader {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }
}

impl Writer for SmolWriter {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.0.close().await
    }
}
