//! From a setup to running tasks: bind, recover the log, make the node, set the driver going.

use std::convert::Infallible;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use async_channel::Receiver;
use quorate_core::durable::segments::{Loaded, Writer};
use quorate_core::journal::Start;
use quorate_core::node::{Config, ValidConfig};
use quorate_core::seed::Seed;

use super::{ClusterNetworkManager, Running};
use crate::discovery::{self, Discovery, Resolver};
use crate::disk::{self, Disk};
use crate::driver::{Driver, DriverParts, MAILBOX};
use crate::error::StartError;
use crate::journal;
use crate::recorder::{self, Recording};
use crate::seam::Seam;
use crate::shell::{Shell, ShellParts};
use crate::tls::Settings;

/// What is needed to start, and given up by starting.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) listen: SocketAddr,
    /// Where the others reach this node; by default where it listens.
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) settings: Settings,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) seed: Seed,
    pub(crate) recording: Option<Recording>,
    pub(crate) discovery: Discovery,
    pub(crate) resolver: Resolver,
}

/// What has to be there before the node is made.
pub(super) struct Prepared<L> {
    listener: L,
    listens_on: SocketAddr,
    config: ValidConfig,
    loaded: Loaded,
}

impl<S: Seam> ClusterNetworkManager<S> {
    pub(super) async fn prepare(
        &self,
        setup: &mut Setup,
    ) -> Result<Prepared<S::Listener>, StartError> {
        let (seam, address) = (&self.inner.seam, setup.listen);
        let failed = |error| StartError::Listen { address, error };
        let listener = seam.listen(address).await.map_err(failed)?;
        let listens_on = seam.local_addr(&listener).map_err(failed)?;
        let mut config = setup.config.clone();
        config.address = match setup.advertise {
            Some(address) => address,
            None => reachable(listens_on).ok_or(StartError::NoAddress {
                address: listens_on,
            })?,
        };
        let config = config.validate()?;
        let loaded = disk::recover(setup.disk.as_mut()).await?;
        if loaded.torn > 0 {
            let (node, bytes) = (self.inner.name.node, loaded.torn);
            tracing::warn!(%node, bytes, "cut off the torn end of the write-ahead log");
        }
        Ok(Prepared {
            listener,
            listens_on,
            config,
            loaded,
        })
    }

    /// Sets the tasks going; the answer comes when the node may speak.
    pub(super) fn launch(&self, setup: Setup, prepared: Prepared<S::Listener>) -> Receiver<()> {
        let Prepared {
            listener,
            listens_on,
            config,
            loaded,
        } = prepared;
        let (mailbox, mails) = async_channel::bounded(MAILBOX);
        let (handles_token, handles) = async_channel::bounded(1);
        let (journal_token, journal_over) = async_channel::bounded::<Infallible>(1);
        let (over_token, over) = async_channel::bounded::<Infallible>(1);
        let (started, has_started) = async_channel::bounded(1);
        // Bounded by what the core lets wait for the disk.
        let (journal, records) = async_channel::unbounded();
        let seam = &self.inner.seam;
        let (shell, tasks) = Shell::new(ShellParts {
            seam: seam.clone(),
            name: self.inner.name.clone(),
            settings: setup.settings,
            transport: config.transport.clone(),
            mailbox: mailbox.clone(),
            inbox: self.inner.inbox.clone(),
            announcer: self.inner.announcer.clone(),
        });
        let address = config.address;
        let (log, start_seed) = (Writer::after(&loaded), setup.seed.clone());
        let start = Start {
            config,
            durable: loaded.durable,
            last: loaded.last,
            seed: setup.seed,
            now: seam.now(),
        };
        let node = start.node();
        let (recorder, recorder_over) = recorder::launch(seam, setup.recording, start);
        let writing = journal::write(seam.clone(), setup.disk, records, mailbox);
        seam.spawn(async move {
            writing.await;
            drop(journal_token);
        });
        let (found, resolver) = (setup.discovery, setup.resolver);
        discovery::launch(&shell, found, &resolver, &start_seed, address.port());
        let parts = DriverParts {
            shell: shell.clone(),
            node,
            address,
            mailbox: mails,
            handles,
            tasks,
            journal,
            journal_over,
            recorder,
            recorder_over,
            listener: Some(listener),
            started,
        };
        let driver = Driver::new(parts, log);
        let running = Running {
            shell,
            listens_on,
            over,
            _handles: handles_token,
        };
        let _only_once = self.inner.running.set(running);
        seam.spawn(async move {
            driver.run().await;
            drop(over_token);
        });
        has_started
    }
}

/// Where others reach a listener. For one that listens on every interface: on the interface that
/// leads out, found by asking the system for the route to an address reserved for documentation;
/// nothing is sent there.
fn reachable(listener: SocketAddr) -> Option<SocketAddr> {
    if !listener.ip().is_unspecified() {
        return Some(listener);
    }
    let (any, far): (SocketAddr, SocketAddr) = if listener.is_ipv4() {
        (([0, 0, 0, 0], 0).into(), ([192, 0, 2, 1], 9).into())
    } else {
        let documentation = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1];
        ((Ipv6Addr::UNSPECIFIED, 0).into(), (documentation, 9).into())
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(far).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified() && !ip.is_loopback()).then(|| (ip, listener.port()).into())
}
