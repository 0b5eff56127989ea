//! A way between two nodes that can be cut: it passes bytes on, and drops what is under way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Passes connections on to one address. Its threads end with the sockets.
pub struct Proxy {
    address: SocketAddr,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// A way to `target`.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let kept = sockets.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(here), Ok(there)) = (stream, TcpStream::connect(target)) else {
                    return;
                };
                let halves = [(&here, &there), (&there, &here)];
                for (from, to) in halves {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                        return;
                    };
                    thread::spawn(move || pass_on(from, to));
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend([here, there]);
            }
        });
        Proxy { address, sockets }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections that pass through it; how many there were.
    #[must_use]
    pub fn cut(&self) -> usize {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sockets.len() / 2;
        for socket in sockets.drain(..) {
            let _over_already = socket.shutdown(Shutdown::Both);
        }
        count
    }
}

/// In small pieces, so that a cut finds some of them on either side.
fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 1000];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _over_already = to.shutdown(Shutdown::Both);
}
