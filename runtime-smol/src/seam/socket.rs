//! Socket options.

use std::io;

use smol::net::TcpStream;

/// Segments leave when they are written: the link gathers small frames by itself (Nagle's algorithm
/// would add a delay).
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}
