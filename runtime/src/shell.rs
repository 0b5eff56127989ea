//! What the tasks of one node share.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use async_channel::{Receiver, Sender};
use event_listener::Event;
use quorate_core::balance::Snapshot;
use quorate_core::id::{LinkId, NodeId};
use quorate_core::metrics::Metrics;
use quorate_core::transport::{Config, Hello};

use crate::driver::Mail;
use crate::event::Announcer;
use crate::identity::Name;
use crate::inbox::Inbox;
use crate::link::directory::Directory;
use crate::link::door::Door;
use crate::link::peer::Peer;
use crate::link::{Clock, Connection, keeper};
use crate::seam::Seam;
use crate::tls::Settings;

/// What the tasks of one node share.
pub(crate) struct Shell<S: Seam> {
    pub(crate) seam: S,
    pub(crate) clock: Clock,
    pub(crate) name: Name,
    settings: RwLock<Settings>,
    pub(crate) transport: Config,
    pub(crate) mailbox: Sender<Mail>,
    pub(crate) inbox: Inbox,
    pub(crate) announcer: Announcer,
    pub(crate) directory: Directory,
    pub(crate) routes: RwLock<Arc<Snapshot>>,
    metrics: Mutex<Metrics>,
    /// How this life introduces itself; known once the node has started.
    pub(crate) hello: OnceLock<Hello>,
    /// Why the node halted, if it did.
    pub(crate) halted: OnceLock<String>,
    links: AtomicU64,
    /// Every connection whose tasks run, established or not.
    roster: Mutex<BTreeMap<LinkId, Arc<Connection>>>,
    pub(crate) door: Arc<Door>,
    is_stopping: AtomicBool,
    stopping: Event,
    /// Each task holds a clone; when all are gone, the tasks are over.
    task_token: Mutex<Option<Sender<Infallible>>>,
}

/// The parts of a [`Shell`] that come from outside.
pub(crate) struct ShellParts<S: Seam> {
    pub(crate) seam: S,
    pub(crate) name: Name,
    pub(crate) settings: Settings,
    pub(crate) transport: Config,
    pub(crate) mailbox: Sender<Mail>,
    pub(crate) inbox: Inbox,
    pub(crate) announcer: Announcer,
}

impl<S: Seam> Shell<S> {
    /// A shell, and what closes when its tasks are over.
    pub(crate) fn new(parts: ShellParts<S>) -> (Arc<Shell<S>>, Receiver<Infallible>) {
        let (token, tasks) = async_channel::bounded(1);
        let seam = parts.seam.clone();
        let door = Door::new(&parts.transport);
        let shell = Shell {
            seam: parts.seam,
            clock: Arc::new(move || seam.now()),
            name: parts.name,
            settings: RwLock::new(parts.settings),
            transport: parts.transport,
            mailbox: parts.mailbox,
            inbox: parts.inbox,
            announcer: parts.announcer,
            directory: Directory::default(),
            routes: RwLock::default(),
            metrics: Mutex::default(),
            hello: OnceLock::new(),
            halted: OnceLock::new(),
            links: AtomicU64::new(1),
            roster: Mutex::default(),
            door,
            is_stopping: AtomicBool::new(false),
            stopping: Event::new(),
            task_token: Mutex::new(Some(token)),
        };
        (Arc::new(shell), tasks)
    }

    /// A link id never used before in this process's life of the node.
    pub(crate) fn next_link(&self) -> LinkId {
        LinkId(self.links.fetch_add(1, Ordering::Relaxed))
    }

    /// The TLS settings in force.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Other settings, for connections from now on.
    pub(crate) fn set_settings(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Every connection whose tasks run.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.roster().values().cloned().collect()
    }

    /// The peer of that id, looked after from now on.
    pub(crate) fn peer(self: &Arc<Self>, node: NodeId) -> Arc<Peer> {
        let make = || {
            let (clock, inbox) = (self.clock.clone(), self.inbox.clone());
            Peer::new(node, &self.transport, clock, inbox)
        };
        let (peer, is_new) = self.directory.peer(node, make);
        if is_new {
            self.spawn(keeper::keep(self.clone(), peer.clone()));
        }
        peer
    }

    /// Where a node listens, as far as the routing table knows.
    pub(crate) fn address_of(&self, node: NodeId) -> Option<SocketAddr> {
        let routes = self.routes();
        let mut targets = routes.targets().iter();
        let known = targets.find(|known| known.peer.node == node)?;
        Some(known.address)
    }

    /// Runs a task that `stop` waits for; nothing after `stop`.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let token = self
            .task_token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(token) = token {
            self.seam.spawn(async move {
                task.await;
                drop(token);
            });
        }
    }

    /// Notes a connection, so that stopping the node ends it.
    pub(crate) fn enlist(&self, connection: &Arc<Connection>) {
        self.roster().insert(connection.id(), connection.clone());
        // Either `stop` saw it in the roster, or it is seen here that the node stops.
        if self.is_stopping.load(Ordering::SeqCst) {
            connection.close();
        }
    }

    pub(crate) fn strike_off(&self, link: LinkId) {
        self.roster().remove(&link);
    }

    fn roster(&self) -> MutexGuard<'_, BTreeMap<LinkId, Arc<Connection>>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all tasks to end, with a goodbye where there is time for it; none starts any more.
    pub(crate) fn stop(&self) {
        self.end_tasks(Connection::close);
    }

    /// Ends all tasks; nothing that is queued leaves any more.
    pub(crate) fn halt(&self) {
        self.end_tasks(Connection::cut_with_peer);
    }

    fn end_tasks(&self, end: impl Fn(&Connection)) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.stopping.notify(usize::MAX);
        // Cloned, so that nothing is called under the lock.
        let connections = self.connections();
        connections.iter().for_each(|connection| end(connection));
        drop(
            self.task_token
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Closes what hosts listen to and wait for: nothing will happen any more.
    pub(crate) fn fall_silent(&self) {
        for peer in self.directory.all() {
            peer.fail();
        }
        self.announcer.close();
        self.inbox.close();
    }

    /// Completes when the node stops.
    pub(crate) async fn stopped(&self) {
        let stopping = self.stopping.listen();
        if !self.is_stopping.load(Ordering::SeqCst) {
            stopping.await;
        }
    }

    pub(crate) fn routes(&self) -> Arc<Snapshot> {
        self.routes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The node's numbers as of its last round of steps.
    pub(crate) fn metrics(&self) -> Metrics {
        *self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish_metrics(&self, metrics: Metrics) {
        *self.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
    }

    pub(crate) fn publish(&self, routes: Arc<Snapshot>) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }
}
