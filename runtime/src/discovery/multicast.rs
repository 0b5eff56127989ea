//! Announcing this node on the LAN, and dialling whoever is heard there.
//!
//! * I1: an announcement leads to nothing but a dial of the host that sent it, with mutual TLS.
//! * I2: at most [`HEARD_MAX`] addresses are remembered, and at most [`NEW_MAX`] new ones are taken
//!   per announcement interval, so a flood of forged announcements costs a bounded number of
//!   refused dials.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use quorate_core::seed::Random;
use quorate_core::time::Time;
use socket2::{Domain, Protocol, Socket, Type};

use super::announcement::Announcement;
use super::{LAN, Multicast, tell};
use crate::seam::Seam;
use crate::shell::Shell;

/// Addresses remembered.
const HEARD_MAX: usize = 256;
/// New addresses taken per interval.
const NEW_MAX: usize = 16;
/// An address that was not heard for so many intervals is forgotten.
const SILENT_MAX: u32 = 5;
/// Longer than any announcement.
const BUFFER: usize = 512;
/// The pause before a socket that failed is opened again.
const REOPEN: Duration = Duration::from_secs(10);

/// Where announcements came from, and when last.
#[derive(Debug, Default)]
struct Heard {
    last: BTreeMap<SocketAddr, Time>,
    new: usize,
}

impl Heard {
    /// Takes an announcement's address; true when it was not known.
    fn take(&mut self, now: Time, address: SocketAddr) -> bool {
        if let Some(last) = self.last.get_mut(&address) {
            *last = now;
            return false;
        }
        let has_room = self.new < NEW_MAX && self.last.len() < HEARD_MAX;
        if has_room {
            self.new += 1;
            self.last.insert(address, now);
        }
        has_room
    }

    /// A new interval begins: forgets who is silent. True when someone was.
    fn turn(&mut self, now: Time, silence: Duration) -> bool {
        self.new = 0;
        let before = self.last.len();
        self.last.retain(|_, last| now.since(*last) < silence);
        self.last.len() < before
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.last.keys().copied().collect()
    }
}

enum Woken {
    Datagram(io::Result<(usize, SocketAddr)>),
    Due,
    Stopped,
}

/// Announces and listens until the node stops.
pub(super) async fn run<S: Seam>(
    shell: Arc<Shell<S>>,
    settings: Multicast,
    mut random: Random,
    port: u16,
) {
    loop {
        let Err(error) = serve(&shell, &settings, &mut random, port).await else {
            return;
        };
        let (node, group) = (shell.name.node, settings.group);
        tracing::warn!(%node, %group, %error, "multicast failed");
        let slept = async {
            shell.seam.sleep(REOPEN).await;
            false
        };
        let stopped = async {
            shell.stopped().await;
            true
        };
        if or(slept, stopped).await {
            return;
        }
    }
}

async fn serve<S: Seam>(
    shell: &Arc<Shell<S>>,
    settings: &Multicast,
    random: &mut Random,
    port: u16,
) -> io::Result<()> {
    let socket = shell.seam.datagrams(open(settings)?)?;
    let ours = Announcement {
        node: shell.name.node,
        cluster: shell.name.cluster.clone(),
        port,
    };
    let bytes = ours.encode();
    let interval = settings.interval;
    let (mut heard, mut buffer) = (Heard::default(), [0; BUFFER]);
    let mut due = shell.seam.now();
    loop {
        let received = async {
            let received = shell.seam.receive_from(&socket, &mut buffer).await;
            Woken::Datagram(received)
        };
        let is_due = async {
            shell.seam.sleep_until(due).await;
            Woken::Due
        };
        let stopped = async {
            shell.stopped().await;
            Woken::Stopped
        };
        let is_news = match or(stopped, or(is_due, received)).await {
            Woken::Stopped => return Ok(()),
            Woken::Due => {
                shell.seam.send_to(&socket, &bytes, settings.group).await?;
                let now = shell.seam.now();
                due = now + random.span(interval / 2, interval * 3 / 2);
                heard.turn(now, interval * SILENT_MAX)
            }
            Woken::Datagram(received) => {
                let (length, from) = received?;
                let theirs = Announcement::decode(&buffer[..length]);
                let theirs = theirs.filter(|it| it.cluster == ours.cluster && it.node != ours.node);
                theirs.is_some_and(|it| {
                    heard.take(shell.seam.now(), SocketAddr::new(from.ip(), it.port))
                })
            }
        };
        if is_news && !tell(shell, LAN, heard.addresses()).await {
            return Ok(());
        }
    }
}

/// A socket of the group; several nodes of one host may share the port.
fn open(settings: &Multicast) -> io::Result<UdpSocket> {
    let SocketAddr::V4(group) = settings.group else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let interface = settings.interface.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Bound to the group where the system can do that: then nothing else arrives.
    let bound = if cfg!(unix) {
        *group.ip()
    } else {
        Ipv4Addr::UNSPECIFIED
    };
    socket.bind(&SocketAddr::from((bound, group.port())).into())?;
    socket.join_multicast_v4(group.ip(), &interface)?;
    if settings.interface.is_some() {
        socket.set_multicast_if_v4(&interface)?;
    }
    // Two nodes of one host hear each other, and no router passes it on.
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(1)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[test]
    fn a_flood_is_bounded_and_the_silent_are_forgotten() {
        let mut heard = Heard::default();
        let (mut now, silence) = (Time::ZERO, Duration::from_secs(25));
        let taken = (1..=1000)
            .filter(|port| heard.take(now, address(*port)))
            .count();
        assert_eq!(taken, NEW_MAX);
        assert!(!heard.take(now, address(1)), "known already");
        for interval in 1..100_u16 {
            now = now + Duration::from_millis(1);
            assert!(!heard.turn(now, silence));
            for port in 1..=20 {
                heard.take(now, address(2000 + interval * 20 + port));
            }
        }
        assert_eq!(heard.addresses().len(), HEARD_MAX);
        heard.take(now + silence, address(1));
        assert!(heard.turn(now + silence, silence));
        assert_eq!(heard.addresses(), [address(1)]);
    }
}
