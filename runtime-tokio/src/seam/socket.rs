//! Socket options; none of them exists in the simulation.

use std::io;

use tokio::net::TcpStream;

/// Segments leave when they are written: the link gathers small frames by itself (Nagle's algorithm
/// would add a delay).
#[cfg(not(madsim))]
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// A simulated socket has no options.
#[cfg(madsim)]
pub(super) fn tune(_stream: &TcpStream) -> io::Result<()> {
    Ok(())
}
