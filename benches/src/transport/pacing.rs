//! A wire of a given rate without a network: the kernel paces what a socket sends.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// Lets a socket send so many bytes per second; `None`: as many as it can.
pub fn limit(socket: &impl AsRawFd, bytes_per_second: Option<u32>) {
    let Some(rate) = bytes_per_second else {
        return;
    };
    let len = size_of::<u32>() as libc::socklen_t;
    // SAFETY: the option's value is a u32 that lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            (&raw const rate).cast(),
            len,
        )
    };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Connects sockets that send so many bytes per second, for whoever wants a service for that.
#[derive(Clone, Copy)]
pub struct Connector {
    pub bytes_per_second: Option<u32>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let rate = self.bytes_per_second;
        Box::pin(async move {
            let (host, port) = (to.host().unwrap_or_default(), to.port_u16().unwrap_or(0));
            let socket = TcpStream::connect((host, port)).await?;
            socket.set_nodelay(true)?;
            limit(&socket, rate);
            Ok(TokioIo::new(socket))
        })
    }
}
