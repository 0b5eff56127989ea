//! Socket options.

use std::io;
use std::net::TcpStream;

use smol::Async;

/// Segments leave when they are written: the link gathers small frames by itself (Nagle's algorithm
/// would add a delay).
pub(super) fn tune(stream: &Async<TcpStream>) -> io::Result<()> {
    stream.get_ref().set_nodelay(true)
}
