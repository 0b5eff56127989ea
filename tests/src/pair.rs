//! Two nodes whose hosts talk, each a cluster of its own and on the runtime that a test names.

use std::net::SocketAddr;

use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterNetworkManager, Config, Error, MessagePriority, NodeId, OutgoingStream,
};
use tempfile::TempDir;

use crate::cluster::{Site, soon};

/// The node that dials.
pub const A: NodeId = NodeId(1);
/// The other one.
pub const B: NodeId = NodeId(2);

/// Both of them.
pub struct Pair<S: Seam, T: Seam> {
    /// Dials.
    pub a: ClusterNetworkManager<S>,
    /// Is dialled.
    pub b: ClusterNetworkManager<T>,
    /// Where `b` is reached.
    pub address: SocketAddr,
    site: Site,
    adjust: fn(&mut Config),
    _directory: TempDir,
}

impl<S: Seam, T: Seam> Pair<S, T> {
    /// Both, started.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn new() -> Pair<S, T> {
        Pair::adjusted(|_| {}).await
    }

    /// Both, started, `a` with another configuration.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn adjusted(adjust: fn(&mut Config)) -> Pair<S, T> {
        let directory = tempfile::tempdir().expect("a directory");
        let site = Site::new(directory.path());
        let a = dialer(&site, adjust).await;
        let b = site.started(2, 1).await;
        Pair {
            address: b.local_addr().expect("it listens"),
            a,
            b,
            site,
            adjust,
            _directory: directory,
        }
    }

    /// `a` ends, and starts again from its disk.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_a(&mut self) {
        self.a.shutdown().await;
        self.a = dialer(&self.site, self.adjust).await;
    }

    /// The same of `b`, at another address.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart_b(&mut self) {
        self.b.shutdown().await;
        self.b = self.site.started(2, 1).await;
        self.address = self.b.local_addr().expect("it listens");
    }

    /// A message from `a` to `b`.
    ///
    /// # Errors
    /// What `a` says.
    pub async fn send(&self, priority: MessagePriority, body: Vec<u8>) -> Result<(), Error> {
        let sent = self.a.send_message_as(B, self.address, priority, body);
        soon(&S::default(), "send", sent).await
    }

    /// A stream from `a` to `b`.
    ///
    /// # Errors
    /// What `a` says.
    pub async fn open(&self) -> Result<OutgoingStream, Error> {
        let opened = self.a.open_stream(B, self.address, MessagePriority::Low);
        soon(&S::default(), "open", opened).await
    }

    /// The next message at `b`.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn next(&self) -> Vec<u8> {
        let messages = self.b.messages();
        let next = soon(&T::default(), "message", messages.next()).await;
        next.expect("it runs").payload.to_vec()
    }

    /// Stops both.
    pub async fn end(self) {
        self.a.shutdown().await;
        self.b.shutdown().await;
    }
}

/// Its own address leads nowhere: only it dials.
async fn dialer<S: Seam>(site: &Site, adjust: fn(&mut Config)) -> ClusterNetworkManager<S> {
    let node = site.node::<S>(1, 1).configure(adjust);
    let node = node
        .advertise(([127, 0, 0, 1], 1).into())
        .build()
        .await
        .expect("a node");
    node.start().await.expect("it starts");
    node
}

/// Runs tests of a [`Pair`] on tokio, on smol, and from each to the other.
#[macro_export]
macro_rules! conforms {
    ($($test:ident,)+) => {
        $(
            mod $test {
                use quorate_smol::SmolSeam;
                use quorate_tokio::seam::TokioSeam;

                #[tokio::test(flavor = "multi_thread")]
                async fn on_tokio() {
                    super::$test::<TokioSeam, TokioSeam>().await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn on_smol() {
                    super::$test::<SmolSeam, SmolSeam>().await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn tokio_to_smol() {
                    super::$test::<TokioSeam, SmolSeam>().await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn smol_to_tokio() {
                    super::$test::<SmolSeam, TokioSeam>().await;
                }
            }
        )+
    };
}
