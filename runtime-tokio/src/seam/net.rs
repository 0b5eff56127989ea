//! TCP on tokio. Stays inside what tokio's simulated twin offers: `io::split` instead of owned
//! halves.

use std::io;
use std::net::SocketAddr;

use quorate_runtime::seam::{Reader, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::socket;

/// The receiving half of a socket.
#[derive(Debug)]
pub struct TokioReader(ReadHalf<TcpStream>);

/// The sending half of a socket.
#[derive(Debug)]
pub struct TokioWriter(WriteHalf<TcpStream>);

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

pub(super) fn split(stream: TcpStream) -> (TokioReader, TokioWriter) {
    let (reader, writer) = tokio::io::split(stream);
    (TokioReader(reader), TokioWriter(writer))
}

impl Reader for TokioReader {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }
}

impl Writer for TokioWriter {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
