//! The client: a node of its own without a vote, that sends a steady stream of commands to whoever
//! holds the role and counts what is acknowledged.
//!
//! Each worker writes its own register, one command at a time, and repeats a command under the same
//! request number until it is acknowledged. So at the end the version of its register must equal
//! the number of its commands: fewer means an acknowledged command was lost, more means one took
//! effect twice.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quorate_tokio::{ClusterNetworkManager, MessagePriority, NodeId, Request, control};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::child;
use crate::cluster::free_address;
use crate::report::millis;
use crate::talk::{Write, Written};

/// The client's node number; the voters are numbered from 1.
pub(crate) const NODE: u64 = 100;
/// Commands under way at a time.
const WORKERS: u64 = 8;
/// How long one attempt may take before it is repeated.
const ATTEMPT: Duration = Duration::from_millis(300);
/// The pause before a command is tried again.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a command is tried before the story is called failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has been acknowledged so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Commands.
    pub(crate) acknowledged: u64,
    /// The last one.
    pub(crate) last: Option<Instant>,
    /// The longest time between two.
    pub(crate) longest_gap: Duration,
}

/// What the registers say at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Audit {
    /// Commands acknowledged.
    pub(crate) acknowledged: u64,
    /// Of them, those that are not in the registers.
    pub(crate) lost: u64,
    /// Commands that took effect more than once.
    pub(crate) doubled: u64,
    /// The longest time without an acknowledgement.
    pub(crate) longest_gap_ms: u64,
}

/// Each ends with its number and how many of its commands were acknowledged.
type Workers = JoinSet<io::Result<(u64, u64)>>;

/// The client.
#[derive(Clone)]
pub(crate) struct Client {
    manager: ClusterNetworkManager,
    progress: watch::Sender<Progress>,
    stopping: std::sync::Arc<AtomicBool>,
    workers: std::sync::Arc<Mutex<Workers>>,
}

impl Client {
    /// Starts the client's node, on whatever port is free, and joins it to the cluster.
    ///
    /// # Errors
    /// When the node cannot be started.
    pub(crate) async fn start_node(
        directory: &Path,
        voters: u64,
        seeds: Vec<SocketAddr>,
    ) -> io::Result<Client> {
        let home = directory.join(format!("n{NODE}"));
        let manager = loop {
            match child::start(&home, free_address()?, voters, None).await {
                Ok(manager) => break manager,
                Err(child::Trouble::PortBusy) => {}
                Err(child::Trouble::Damaged(why) | child::Trouble::Other(why)) => {
                    return Err(io::Error::other(why));
                }
            }
        };
        manager
            .join_cluster(seeds)
            .await
            .map_err(io::Error::other)?;
        let progress = watch::Sender::new(Progress::default());
        Ok(Client {
            manager,
            progress,
            stopping: AtomicBool::new(false).into(),
            workers: Mutex::default().into(),
        })
    }

    /// Waits until the client knows who holds the role.
    ///
    /// # Errors
    /// When it does not get to know it within `patience`.
    pub(crate) async fn ready(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        while self.holder().is_none() {
            if Instant::now() > deadline {
                return Err(late("the client knows who holds the role"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Lets the commands flow.
    pub(crate) fn start(&self) {
        let mut workers = self
            .workers
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        for worker in 1..=WORKERS {
            let client = self.clone();
            workers.spawn(async move { client.work(worker).await });
        }
    }

    /// What has been acknowledged so far.
    pub(crate) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// The moment of the first acknowledgement after `since` by another holder than `node`.
    ///
    /// # Errors
    /// When there is none for a minute.
    pub(crate) async fn served_by_another(&self, node: u64, since: Instant) -> io::Result<Instant> {
        let mut progress = self.progress.subscribe();
        let served = async {
            loop {
                let last = progress
                    .borrow_and_update()
                    .last
                    .filter(|last| *last > since);
                if let Some(last) = last
                    && self.holder().is_some_and(|holder| holder.0 != node)
                {
                    return last;
                }
                if progress.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let served = tokio::time::timeout(PATIENCE, served).await;
        served.map_err(|_| late("commands are acknowledged again"))
    }

    /// Ends the stream, then compares the registers with what was acknowledged.
    ///
    /// # Errors
    /// When a command was never acknowledged, or the registers cannot be read.
    pub(crate) async fn finish(&self) -> io::Result<Audit> {
        self.stopping.store(true, Ordering::Relaxed);
        let workers = {
            let mut workers = self
                .workers
                .lock()
                .unwrap_or_else(|poison| poison.into_inner());
            std::mem::take(&mut *workers)
        };
        let commands = workers
            .join_all()
            .await
            .into_iter()
            .collect::<io::Result<Vec<(u64, u64)>>>()?;
        // The barrier stands behind every acknowledged command in the log: once it is applied here,
        // so are they.
        self.manager
            .propose(control::Command::Barrier)
            .await
            .map_err(io::Error::other)?;
        let Progress {
            acknowledged,
            longest_gap,
            ..
        } = self.progress();
        let mut audit = Audit {
            acknowledged,
            lost: 0,
            doubled: 0,
            longest_gap_ms: millis(longest_gap),
        };
        let mut counted = 0;
        for (worker, commands) in commands {
            let register = self
                .manager
                .read(&key(worker))
                .await
                .map_err(io::Error::other)?;
            let version = register.map_or(0, |register| register.version);
            audit.lost += commands.saturating_sub(version);
            audit.doubled += version.saturating_sub(commands);
            counted += commands;
        }
        audit.lost += acknowledged.abs_diff(counted);
        Ok(audit)
    }

    /// Stops the client's node.
    pub(crate) async fn stop(&self) {
        self.manager.shutdown().await;
    }

    /// Who holds the role, as far as the client knows.
    pub(crate) fn holder(&self) -> Option<NodeId> {
        let request = Request {
            role: Some(child::primary()),
        };
        self.manager.route(&request).ok()
    }

    /// One worker: commands one after the other; its number, and how many were acknowledged.
    async fn work(&self, worker: u64) -> io::Result<(u64, u64)> {
        let mut request = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            request += 1;
            let (client, key, value) = (worker, key(worker), request.to_string());
            let write = Write {
                client,
                request,
                key,
                value,
            };
            let insist = tokio::time::timeout(PATIENCE, self.insist(&write)).await;
            insist.map_err(|_| late("a command is acknowledged"))??;
            self.count();
        }
        Ok((worker, request))
    }

    /// Repeats a command until it is acknowledged.
    async fn insist(&self, write: &Write) -> io::Result<()> {
        let payload = serde_json::to_vec(write)?;
        loop {
            if let Some(holder) = self.holder() {
                let asked = self
                    .manager
                    .request(holder, &payload, MessagePriority::Normal, ATTEMPT)
                    .await;
                let answer = asked
                    .ok()
                    .and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if let Some(Written::Acknowledged { .. }) = answer {
                    return Ok(());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn count(&self) {
        let now = Instant::now();
        self.progress.send_modify(|progress| {
            progress.acknowledged += 1;
            let gap = progress.last.map_or(Duration::ZERO, |last| now - last);
            progress.longest_gap = progress.longest_gap.max(gap);
            progress.last = Some(now);
        });
    }
}

fn key(worker: u64) -> String {
    format!("worker-{worker}")
}

fn late(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("waited too long until {what}"),
    )
}
