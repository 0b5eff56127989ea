//! The seam between Quorate and an async runtime: sockets, tasks, time, and a place for blocking
//! work.
//!
//! Everything above this file is written once, for every runtime and for the simulator. An adapter
//! implements [`Seam`] in a few hundred lines. Deliberately absent: channels, locks and `select`,
//! which do not depend on a runtime.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use futures_lite::future;
use quorate_core::time::Time;

/// What Quorate needs from an async runtime.
pub trait Seam: Clone + Default + Send + Sync + 'static {
    /// A listening socket.
    type Listener: Send + Sync + 'static;
    /// A connected socket.
    type Stream: Send + 'static;
    /// The receiving half of a socket.
    type Reader: Reader;
    /// The sending half of a socket.
    type Writer: Writer;

    /// A socket of datagrams.
    type Datagrams: Send + Sync + 'static;

    /// Connects to `address`.
    fn connect(&self, address: SocketAddr)
    -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Listens on `address`.
    fn listen(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Where a listener is bound, with the port the system chose.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self, listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// The next connection; cancel-safe.
    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// Splits a connection into its halves; dropping both closes it.
    fn split(&self, stream: Self::Stream) -> (Self::Reader, Self::Writer);

    /// Takes over a socket of datagrams that does not block.
    ///
    /// # Errors
    /// What the system says.
    fn datagrams(&self, socket: UdpSocket) -> io::Result<Self::Datagrams>;

    /// The next datagram: its length, at most the buffer's, and where it came from. Cancel-safe.
    fn receive_from(
        &self,
        socket: &Self::Datagrams,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> + Send;

    /// Sends a datagram.
    fn send_to(
        &self,
        socket: &Self::Datagrams,
        bytes: &[u8],
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Runs a task in the background.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Completes after `span`.
    fn sleep(&self, span: Duration) -> impl Future<Output = ()> + Send;

    /// The monotonic time since this seam was made.
    fn now(&self) -> Time;

    /// Runs blocking work where it does not hold up other tasks.
    ///
    /// # Errors
    /// When the work panicked or the runtime is shutting down.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send;

    /// Bytes for the seed, different at each start. They spread timers and choices and protect
    /// nothing, so the standard library's hash keys will do: it takes them from the operating
    /// system, or from the simulation.
    fn entropy(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (number, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_usize(number);
            chunk.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        bytes
    }

    /// Completes at `at`, at once if that is past.
    fn sleep_until(&self, at: Time) -> impl Future<Output = ()> + Send {
        self.sleep(at.since(self.now()))
    }

    /// The work's result, or `None` after `span`.
    fn within<T: Send>(
        &self,
        span: Duration,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Option<T>> + Send {
        async move {
            let work = async { Some(work.await) };
            let timer = async {
                self.sleep(span).await;
                None
            };
            future::or(work, timer).await
        }
    }
}

/// The receiving half of a socket.
pub trait Reader: Send + 'static {
    /// Reads some bytes; 0 at the end of the stream. Cancel-safe.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

/// The sending half of a socket.
pub trait Writer: Send + 'static {
    /// Writes all bytes and flushes them. Not cancel-safe: a stream whose write was abandoned is
    /// only good for closing.
    fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Tells the other end that nothing follows.
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}
