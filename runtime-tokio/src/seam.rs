//! The seam on tokio: tasks, time and blocking work; sockets are in `net`.

mod datagrams;
mod net;
mod socket;
mod work;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use quorate_runtime::core::time::Time;
pub use quorate_runtime::seam::{Reader, Seam, Writer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

pub use self::datagrams::Datagrams;
pub use self::net::{TokioReader, TokioWriter};

/// The seam on tokio.
#[derive(Clone, Copy, Debug)]
pub struct TokioSeam {
    started: Instant,
}

impl Default for TokioSeam {
    fn default() -> TokioSeam {
        TokioSeam {
            started: Instant::now(),
        }
    }
}

impl Seam for TokioSeam {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Reader = TokioReader;
    type Writer = TokioWriter;
    type Datagrams = Datagrams;

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        net::connect(address).await
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        net::listen(address).await
    }

    fn local_addr(&self, listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        net::accept(listener).await
    }

    fn split(&self, stream: TcpStream) -> (TokioReader, TokioWriter) {
        net::split(stream)
    }

    fn datagrams(&self, socket: UdpSocket) -> io::Result<Datagrams> {
        Datagrams::new(socket)
    }

    async fn receive_from(
        &self,
        socket: &Datagrams,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        socket.receive_from(buffer).await
    }

    async fn send_to(&self, socket: &Datagrams, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        socket.send_to(bytes, to).await
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }

    async fn sleep(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        work::blocking(work).await
    }
}
