//! The demo's processes: started, watched, killed and started again by their parent.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::talk::{Order, Report};

/// How often a node is started again because its port was taken in the meantime.
const PORTS_TRIED_MAX: usize = 20;

/// A byte in what is restated at the head of a segment, behind which there is a record always.
const HEAD_BYTE: usize = 26;

/// A report, by whom and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When.
    pub(crate) at: Instant,
    /// By which node.
    pub(crate) by: u64,
    /// What.
    pub(crate) report: Report,
}

/// The processes of the cluster.
pub(crate) struct Cluster {
    directory: PathBuf,
    voters: u64,
    record: Option<PathBuf>,
    processes: BTreeMap<u64, Process>,
    reports: mpsc::UnboundedReceiver<Seen>,
    report_to: mpsc::UnboundedSender<Seen>,
    ports_tried: usize,
}

struct Process {
    child: Option<Child>,
    orders: Option<ChildStdin>,
    address: SocketAddr,
}

impl Cluster {
    /// Starts `voters` processes of this very program, whose homes lie below `directory`. Their
    /// lives are recorded in `record`, if that is given.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub(crate) fn start(
        directory: &Path,
        voters: u64,
        record: Option<PathBuf>,
    ) -> io::Result<Cluster> {
        let (report_to, reports) = mpsc::unbounded_channel();
        let processes = (1..=voters).map(|node| Ok((node, Process::idle()?)));
        let processes = processes.collect::<io::Result<BTreeMap<_, _>>>()?;
        let directory = directory.to_path_buf();
        let ports_tried = 0;
        let mut cluster = Cluster {
            directory,
            voters,
            record,
            processes,
            reports,
            report_to,
            ports_tried,
        };
        for node in 1..=voters {
            cluster.spawn(node)?;
        }
        Ok(cluster)
    }

    /// Where the nodes listen.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.processes
            .values()
            .map(|process| process.address)
            .collect()
    }

    /// The operating system's number of a running node.
    pub(crate) fn pid(&self, node: u64) -> Option<u32> {
        self.processes.get(&node)?.child.as_ref()?.id()
    }

    /// `kill -9`; returns when the process is gone, with the moment before it was killed.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub(crate) async fn kill(&mut self, node: u64) -> io::Result<Instant> {
        let at = Instant::now();
        let Some(process) = self.processes.get_mut(&node) else {
            return Ok(at);
        };
        process.orders = None;
        if let Some(mut child) = process.child.take() {
            child.kill().await?;
        }
        Ok(at)
    }

    /// Starts a node again from what its disk holds.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(crate) fn restart(&mut self, node: u64) -> io::Result<()> {
        self.spawn(node)
    }

    /// Flips the bits of a byte of a killed node's log, in front of intact records.
    ///
    /// # Errors
    /// When its log cannot be read or written.
    pub(crate) fn damage(&self, node: u64) -> io::Result<()> {
        let data = self.directory.join(format!("n{node}")).join("data");
        let files = std::fs::read_dir(data)?.collect::<io::Result<Vec<_>>>()?;
        let segments = files.into_iter().map(|file| file.path());
        let mut segments = segments.filter(|file| file.extension() == Some(OsStr::new("wal")));
        let segment = segments.next().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = std::fs::read(&segment)?;
        let byte = bytes.get_mut(HEAD_BYTE).ok_or(io::ErrorKind::NotFound)?;
        *byte ^= 0xFF;
        std::fs::write(segment, bytes)
    }

    /// Starts a node with a damaged log: it is to be rebuilt from the others.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(crate) fn rebuild(&mut self, node: u64) -> io::Result<()> {
        self.spawn_with(node, &["--rebuild"])
    }

    /// Sends an order to a running node.
    ///
    /// # Errors
    /// When it does not run any more.
    pub(crate) async fn order(&mut self, node: u64, order: &Order) -> io::Result<()> {
        let process = self.processes.get_mut(&node);
        let Some(orders) = process.and_then(|process| process.orders.as_mut()) else {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the node does not run",
            ));
        };
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        orders.write_all(&line).await
    }

    /// The next report, or `None` when there is none until `deadline`.
    ///
    /// # Errors
    /// When a node failed, or cannot be started again on another port.
    pub(crate) async fn report(&mut self, deadline: Instant) -> io::Result<Option<Seen>> {
        loop {
            let next = tokio::time::timeout_at(deadline.into(), self.reports.recv()).await;
            let Ok(Some(seen)) = next else {
                return Ok(None);
            };
            match &seen.report {
                Report::PortBusy => self.move_to_another_port(seen.by)?,
                Report::Failed { why } => {
                    return Err(io::Error::other(format!("n{} failed: {why}", seen.by)));
                }
                Report::Started { .. }
                | Report::Votes
                | Report::Leader { .. }
                | Report::Joined { .. }
                | Report::Refused { .. }
                | Report::Suspected { .. }
                | Report::Died { .. }
                | Report::Role { .. }
                | Report::Wrote { .. } => return Ok(Some(seen)),
            }
        }
    }

    /// Stops everything.
    pub(crate) async fn stop(&mut self) {
        for process in self.processes.values_mut() {
            // The end of its orders ends a node in good order.
            process.orders = None;
        }
        for process in self.processes.values_mut() {
            let Some(mut child) = process.child.take() else {
                continue;
            };
            if tokio::time::timeout(Duration::from_secs(5), child.wait())
                .await
                .is_err()
            {
                let _ = child.kill().await;
            }
        }
    }

    fn move_to_another_port(&mut self, node: u64) -> io::Result<()> {
        self.ports_tried += 1;
        if self.ports_tried > PORTS_TRIED_MAX {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "no free port was found",
            ));
        }
        if let Some(process) = self.processes.get_mut(&node) {
            *process = Process::idle()?;
        }
        self.spawn(node)
    }

    fn spawn(&mut self, node: u64) -> io::Result<()> {
        self.spawn_with(node, &[])
    }

    fn spawn_with(&mut self, node: u64, more: &[&str]) -> io::Result<()> {
        let seeds: Vec<String> = self.addresses().iter().map(SocketAddr::to_string).collect();
        let home = self.directory.join(format!("n{node}"));
        let Some(process) = self.processes.get_mut(&node) else {
            return Ok(());
        };
        let mut command = Command::new(std::env::current_exe()?);
        let record = self.record.iter();
        let mut child = command
            .arg("node")
            .args(record.flat_map(|directory| [OsStr::new("--record"), directory.as_os_str()]))
            .arg("--home")
            .arg(home)
            .args(["--listen", &process.address.to_string()])
            .args(["--voters", &self.voters.to_string()])
            .args(["--seeds", &seeds.join(",")])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        process.orders = child.stdin.take();
        if let Some(stdout) = child.stdout.take() {
            let report_to = self.report_to.clone();
            let mut lines = BufReader::new(stdout).lines();
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    let at = Instant::now();
                    let Ok(report) = serde_json::from_str(&line) else {
                        continue;
                    };
                    if report_to
                        .send(Seen {
                            at,
                            by: node,
                            report,
                        })
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        process.child = Some(child);
        Ok(())
    }
}

impl Process {
    fn idle() -> io::Result<Process> {
        Ok(Process {
            child: None,
            orders: None,
            address: free_address()?,
        })
    }
}

/// An address nobody listens on right now. Somebody else may take it before we do: then another is
/// tried.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
