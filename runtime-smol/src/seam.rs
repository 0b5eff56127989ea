//! The seam on smol: tasks, time and blocking work; sockets are in `net`.

mod datagrams;
mod net;
mod socket;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use quorate_runtime::core::time::Time;
pub use quorate_runtime::seam::{Reader, Seam, Writer};
use smol::future::FutureExt;
use smol::{Async, Timer};

pub use self::datagrams::Datagrams;
pub use self::net::{SmolReader, SmolWriter};

/// The seam on smol.
#[derive(Clone, Copy, Debug)]
pub struct SmolSeam {
    started: Instant,
}

impl Default for SmolSeam {
    fn default() -> SmolSeam {
        SmolSeam {
            started: Instant::now(),
        }
    }
}

impl Seam for SmolSeam {
    type Listener = Async<TcpListener>;
    type Stream = Async<TcpStream>;
    type Reader = SmolReader;
    type Writer = SmolWriter;
    type Datagrams = Datagrams;

    async fn connect(&self, address: SocketAddr) -> io::Result<Async<TcpStream>> {
        net::connect(address).await
    }

    async fn listen(&self, address: SocketAddr) -> io::Result<Async<TcpListener>> {
        net::listen(address)
    }

    fn local_addr(&self, listener: &Async<TcpListener>) -> io::Result<SocketAddr> {
        listener.get_ref().local_addr()
    }

    async fn accept(
        &self,
        listener: &Async<TcpListener>,
    ) -> io::Result<(Async<TcpStream>, SocketAddr)> {
        net::accept(listener).await
    }

    fn split(&self, stream: Async<TcpStream>) -> (SmolReader, SmolWriter) {
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
        smol::spawn(task).detach();
    }

    async fn sleep(&self, span: Duration) {
        Timer::after(span).await;
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        // A task of smol hands a panic on to whoever awaits it; here it becomes an error, as on
        // other runtimes.
        let done = AssertUnwindSafe(smol::unblock(work)).catch_unwind().await;
        done.map_err(|_| io::Error::other("blocking work panicked"))
    }
}
