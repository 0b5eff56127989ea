//! TCP on smol. A socket is tried once when it is asked and then awaited: its own futures would try
//! it, with a call to the system, whenever their task is woken for something else.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use quorate_runtime::seam::{Reader, Writer};
use smol::Async;

use super::socket;

/// The receiving half of a socket.
#[derive(Debug)]
pub struct SmolReader(Arc<Async<TcpStream>>);

/// The sending half of a socket.
#[derive(Debug)]
pub struct SmolWriter(Arc<Async<TcpStream>>);

pub(super) async fn connect(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let stream = Async::<TcpStream>::connect(address).await?;
    socket::tune(&stream)?;
    Ok(stream)
}

pub(super) fn listen(address: SocketAddr) -> io::Result<Async<TcpListener>> {
    Async::<TcpListener>::bind(address)
}

pub(super) async fn accept(
    listener: &Async<TcpListener>,
) -> io::Result<(Async<TcpStream>, SocketAddr)> {
    let (stream, address) = listener.accept().await?;
    // A peer that is gone again makes tuning fail; that is its matter, and reading will tell.
    let _gone_already = socket::tune(&stream);
    Ok((stream, address))
}

/// Both halves share the socket.
pub(super) fn split(stream: Async<TcpStream>) -> (SmolReader, SmolWriter) {
    let stream = Arc::new(stream);
    (SmolReader(stream.clone()), SmolWriter(stream))
}

impl Reader for SmolReader {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.get_ref().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                done => return done,
            }
            self.0.readable().await?;
        }
    }
}

impl Writer for SmolWriter {
    async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.0.get_ref().write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.writable().await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        self.0.get_ref().shutdown(Shutdown::Write)
    }
}
