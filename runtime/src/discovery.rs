//! Finding a cluster without knowing an address: names that are resolved again and again, and
//! announcements on a LAN.
//!
//! Both are sources of addresses, each under a number of its own. What a source knows now replaces
//! what it knew before, and the core dials it as it dials any seed: for ever, with backoff, and
//! with mutual TLS. So a wrong or forged address costs a refused dial.
//!
//! * I1: a name that does not resolve, or an interface that is not there, stops nothing: it is
//!   tried again for ever.
//! * I2: pauses are drawn from the node's seed, so that nodes that start together do not ask
//!   together.

mod announcement;
mod multicast;
mod names;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use quorate_core::node::{Command, Problem};
use quorate_core::seed::{Seed, Stream};
use serde::{Deserialize, Deserializer};

use crate::driver::Mail;
use crate::seam::Seam;
use crate::shell::Shell;

/// The source of what is heard on the LAN; names are numbered from 1.
const LAN: u32 = 0;

/// Where a cluster may be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Names of members, or of a service that stands for several of them.
    pub seeds: Vec<SeedName>,
    /// Time between two looks at a name that resolved, give or take half of it; 1 s to 1 h. Shorter
    /// finds moved members sooner and asks the name server more.
    pub refresh: Duration,
    /// Announcements on the LAN, if wanted.
    pub multicast: Option<Multicast>,
}

impl Default for Discovery {
    /// Nowhere; names, once there are some, are looked at every 30 s.
    fn default() -> Discovery {
        Discovery {
            seeds: Vec::new(),
            refresh: Duration::from_secs(30),
            multicast: None,
        }
    }
}

/// Announcements on the LAN: each node says now and then on which port it listens, and dials
/// whoever it hears of. Nothing secret is said, and nothing that is heard is believed: it is
/// dialled, and TLS decides.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Multicast {
    /// The group and port of the announcements; equal on all nodes. IPv4.
    pub group: SocketAddr,
    /// The address of the interface to use; by default the system chooses.
    pub interface: Option<Ipv4Addr>,
    /// Time between two announcements, give or take half of it; 100 ms to 1 h.
    #[serde(deserialize_with = "crate::config::duration")]
    pub interval: Duration,
}

impl Default for Multicast {
    fn default() -> Multicast {
        Multicast {
            group: (Ipv4Addr::new(239, 255, 81, 84), 7946).into(),
            interface: None,
            interval: Duration::from_secs(5),
        }
    }
}

impl Discovery {
    /// What is out of its bounds.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut within = |key, span: Duration, least: Duration| {
            let most = Duration::from_secs(3600);
            if !(least..=most).contains(&span) {
                let what = format!("{span:?} is outside {least:?} to {most:?}");
                problems.push(Problem { key, what });
            }
        };
        within("discovery.refresh", self.refresh, Duration::from_secs(1));
        if let Some(multicast) = &self.multicast {
            let least = Duration::from_millis(100);
            within("discovery.multicast.interval", multicast.interval, least);
            let is_group = multicast.group.is_ipv4() && multicast.group.ip().is_multicast();
            if !is_group || multicast.group.port() == 0 {
                problems.push(Problem {
                    key: "discovery.multicast.group",
                    what: format!(
                        "{} is no IPv4 multicast address with a port, such as 239.255.81.84:7946",
                        multicast.group
                    ),
                });
            }
        }
        problems
    }
}

/// A host and a port, such as `db-0.example.org:7000`, `[2001:db8::7]:7000` or `10.0.0.7:7000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeedName {
    host: String,
    port: u16,
}

impl SeedName {
    /// The host: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for SeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The text is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no seed: write a host and a port, like \"db-0.example.org:7000\"")]
pub struct SeedNameError {
    text: String,
}

impl FromStr for SeedName {
    type Err = SeedNameError;

    fn from_str(text: &str) -> Result<SeedName, SeedNameError> {
        let malformed = || SeedNameError {
            text: text.to_owned(),
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let port: u16 = port.parse().map_err(|_| malformed())?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_address = bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok());
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = !host.is_empty() && host.len() <= 253 && host.bytes().all(is_letter);
        if port == 0 || !(is_address || is_name) {
            return Err(malformed());
        }
        let host = bare.unwrap_or(host).to_owned();
        Ok(SeedName { host, port })
    }
}

impl<'de> Deserialize<'de> for SeedName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SeedName, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What turns a host and a port into addresses. It may block.
pub(crate) type Resolver = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The operating system's resolver.
pub(crate) fn system_resolver() -> Resolver {
    Arc::new(|host, port| {
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))?;
        Ok(found.collect())
    })
}

/// Sets the sources going. `port` is where this node listens.
pub(crate) fn launch<S: Seam>(
    shell: &Arc<Shell<S>>,
    discovery: Discovery,
    resolver: &Resolver,
    seed: &Seed,
    port: u16,
) {
    let refresh = discovery.refresh;
    for (number, name) in (1..).zip(discovery.seeds) {
        let random = seed.part(u64::from(number)).stream(Stream::Discovery);
        let look = names::Look {
            shell: shell.clone(),
            resolver: resolver.clone(),
            source: number,
            name,
            refresh,
        };
        shell.spawn(look.run(random));
    }
    if let Some(settings) = discovery.multicast {
        let random = seed.part(u64::from(LAN)).stream(Stream::Discovery);
        shell.spawn(multicast::run(shell.clone(), settings, random, port));
    }
}

/// Tells the node what a source knows now; false when the node is over.
async fn tell<S: Seam>(shell: &Shell<S>, source: u32, addresses: Vec<SocketAddr>) -> bool {
    let (answer, answered) = async_channel::bounded(1);
    let command = Command::Discovered { source, addresses };
    let is_sent = shell.mailbox.send(Mail::Command { command, answer }).await;
    is_sent.is_ok() && answered.recv().await.is_ok()
}

#[cfg(test)]
mod tests;
