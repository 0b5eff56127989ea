//! What a host holds: [`ClusterNetworkManager`].
//!
//! A method that concerns the cluster is one command to the core and one line here. The host's own
//! messages go from here to a connection without passing through the core.

mod launch;
mod level;
mod members;
mod state;
mod traffic;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_channel::{Receiver, Sender};
use quorate_core::balance::{Request, Snapshot};
use quorate_core::control::{self, Outcome, Register, RoleState};
use quorate_core::id::{ClientId, Epoch, LogIndex, NodeId, Peer, RequestId, RoleName};
use quorate_core::node::{Answer, Command, Status};
use quorate_core::transport::Priority;
use rustls::crypto::CryptoProvider;

pub(crate) use self::launch::Setup;
use crate::builder::Builder;
use crate::driver::Mail;
use crate::error::{Error, ReloadError, StartError};
use crate::event::{Announcer, Events};
use crate::guard;
use crate::identity::{Identity, Name};
use crate::inbox::{Inbox, Messages};
use crate::seam::Seam;
use crate::shell::Shell;
use crate::tls::Settings;

/// One node of a cluster: the handle of its host. Clones are handles of the same node; when the
/// last one is dropped, the node stops.
pub struct ClusterNetworkManager<S: Seam> {
    inner: Arc<Inner<S>>,
}

/// A command of the control log and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place in the log.
    pub index: LogIndex,
    /// What it did, equal on every node.
    pub outcome: Outcome,
}

/// The node chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The node and its life.
    pub peer: Peer,
    /// Where it listens.
    pub address: SocketAddr,
    /// For a request to a role: the epoch of its holder.
    pub epoch: Option<Epoch>,
}

struct Inner<S: Seam> {
    seam: S,
    name: Name,
    provider: Arc<CryptoProvider>,
    announcer: Announcer,
    inbox: Inbox,
    messages: Messages,
    setup: Mutex<Option<Setup>>,
    running: OnceLock<Running<S>>,
    /// The round robin's counter.
    turn: AtomicU64,
}

struct Running<S: Seam> {
    shell: Arc<Shell<S>>,
    listens_on: SocketAddr,
    /// Closes when the node has stopped.
    over: Receiver<Infallible>,
    /// Its closing tells the driver that no handle is left.
    _handles: Sender<Infallible>,
}

impl<S: Seam> Clone for ClusterNetworkManager<S> {
    fn clone(&self) -> Self {
        ClusterNetworkManager {
            inner: self.inner.clone(),
        }
    }
}

impl<S: Seam> fmt::Debug for ClusterNetworkManager<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterNetworkManager")
            .field("name", &self.inner.name)
            .field("listens_on", &self.local_addr())
            .finish_non_exhaustive()
    }
}

impl<S: Seam> ClusterNetworkManager<S> {
    /// A node that will listen on `listen`, with its identity (`ca.pem`, `node.pem`, `node.key`),
    /// its configuration (`quorate.toml`, optional) and its data in the directory that
    /// `QUORATE_HOME` names, or in `./quorate`.
    ///
    /// # Errors
    /// [`StartError`]; without an identity it says which files to make and how.
    pub async fn new(listen: SocketAddr) -> Result<Self, StartError> {
        Self::builder(listen).build().await
    }

    /// A node that will listen on `listen`, with its other parts chosen one by one. Port 0 lets the
    /// system choose.
    #[must_use]
    pub fn builder(listen: SocketAddr) -> Builder<S> {
        Builder::new(S::default(), listen)
    }

    pub(crate) fn from_setup(
        seam: S,
        name: Name,
        provider: Arc<CryptoProvider>,
        setup: Setup,
    ) -> Self {
        let (inbox, messages) = crate::inbox::inbox();
        let inner = Inner {
            seam,
            name,
            provider,
            announcer: Announcer::new(),
            inbox,
            messages,
            setup: Mutex::new(Some(setup)),
            running: OnceLock::new(),
            turn: AtomicU64::new(0),
        };
        ClusterNetworkManager {
            inner: Arc::new(inner),
        }
    }

    /// Recovers the node from its log, binds its address and starts it. Returns when it may speak
    /// and accepts connections. A node that is alone in its `voters` is a cluster; others wait for
    /// `join_cluster` or to be joined.
    ///
    /// # Errors
    /// [`StartError`]. After an error other than `AlreadyStarted`, `start` may be called again.
    pub async fn start(&self) -> Result<(), StartError> {
        let taken = self.lock_setup().take();
        let Some(mut setup) = taken else {
            return Err(StartError::AlreadyStarted);
        };
        let prepared = match self.prepare(&mut setup).await {
            Ok(prepared) => prepared,
            Err(error) => {
                *self.lock_setup() = Some(setup);
                return Err(error);
            }
        };
        let started = self.launch(setup, prepared);
        started.recv().await.map_err(|_| match self.halted() {
            Some(reason) => StartError::Halted { reason },
            None => StartError::Stopped,
        })
    }

    /// The node's standing: term, role, leader, quorum, log.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn status(&self) -> Result<Status, Error> {
        let Answer::Status(status) = self.ask(Command::Status).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(status)
    }

    /// Who holds a role, as far as this node has applied the log; `None` when it was never granted.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn role(&self, role: &RoleName) -> Result<Option<RoleState>, Error> {
        let Answer::Role(state) = self.ask(Command::Role { role: role.clone() }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(state)
    }

    /// What a register holds, as far as this node has applied the log; `None` when it was never
    /// written.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn read(&self, key: &str) -> Result<Option<Register>, Error> {
        let Answer::Register(register) = self
            .ask(Command::Read {
                key: key.to_owned(),
            })
            .await?
        else {
            return Err(Error::WrongAnswer);
        };
        Ok(register)
    }

    /// What a register holds, with everything that was acknowledged anywhere before this call;
    /// `None` when it was never written. Any node can tell that knows a leader and is connected
    /// with it. At the leader it costs one round trip to a majority; elsewhere also one to the
    /// leader, and the wait until this node has applied what the leader had committed.
    ///
    /// # Errors
    /// [`Error::Refused`] with `Refusal::NotConfirmed` says why not: no leader is known, it
    /// changed, the connection to it broke, it took too long or too many reads wait. Nothing has
    /// happened: ask again.
    pub async fn read_latest(&self, key: &str) -> Result<Option<Register>, Error> {
        let key = key.to_owned();
        let Answer::Register(register) = self.ask(Command::ReadLatest { key }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(register)
    }

    /// Puts a command through the control log. It takes effect at most once.
    ///
    /// # Errors
    /// [`Error::Refused`] with `Refusal::Unknown` when there was no answer in time: it may or may
    /// not take effect. Use [`propose_as`](Self::propose_as) to be able to repeat it.
    pub async fn propose(&self, command: control::Command) -> Result<Applied, Error> {
        self.apply(Command::Propose {
            request: None,
            command,
        })
        .await
    }

    /// Puts a command through the control log under the host's own number: repeated with the same
    /// client and request, it takes effect once.
    ///
    /// # Errors
    /// As [`propose`](Self::propose).
    pub async fn propose_as(
        &self,
        client: ClientId,
        request: RequestId,
        command: control::Command,
    ) -> Result<Applied, Error> {
        self.apply(Command::Propose {
            request: Some((client, request)),
            command,
        })
        .await
    }

    /// Hands the office of leader over to the given voter, or to the best prepared one. Returns the
    /// new leader once it campaigns with this node's vote. Only the leader can.
    ///
    /// # Errors
    /// [`Error::Refused`] with `Refusal::Transfer` says why not; this node then leads on if it did.
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<NodeId, Error> {
        let Answer::Transferred { to } = self.ask(Command::TransferLeadership { to }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(to)
    }

    /// Chooses the node for a query: any live one, in turn. The text is not analysed yet, and the
    /// class does not influence the choice.
    ///
    /// # Errors
    /// [`Error::NoTarget`] when no node is known to be alive.
    pub async fn route_query(&self, sql: &str, priority: Priority) -> Result<NodeId, Error> {
        let _ = (sql, priority);
        self.route(&Request::default())
    }

    /// Chooses the node for a request, in turn among those that match.
    ///
    /// # Errors
    /// [`Error::NoTarget`] when none does.
    pub fn route(&self, request: &Request) -> Result<NodeId, Error> {
        self.pick(request).map(|chosen| chosen.peer.node)
    }

    /// Chooses the node for a request, with all that a guarded use needs: its life, its address,
    /// and for a role the epoch it must still hold the role under.
    ///
    /// # Errors
    /// [`Error::NoTarget`] when no node matches.
    pub fn pick(&self, request: &Request) -> Result<Chosen, Error> {
        let word = self.inner.turn.fetch_add(1, Ordering::Relaxed);
        let routes = self.routes()?;
        let Some(pick) = routes.pick(request, word) else {
            let role = request.role.as_ref().map(|role| role.as_str().to_owned());
            return Err(Error::NoTarget { role });
        };
        let (peer, address) = (pick.target.peer, pick.target.address);
        Ok(Chosen {
            peer,
            address,
            epoch: pick.epoch,
        })
    }

    /// The routing table in force.
    ///
    /// # Errors
    /// [`Error::NotStarted`].
    pub fn routes(&self) -> Result<Arc<Snapshot>, Error> {
        Ok(self.running()?.shell.routes())
    }

    /// Takes another certificate, key, authorities or lists into force, without a restart: from now
    /// on for new connections, and at once against those that are open. Connections whose other end
    /// would not be let in any more are ended. To change authorities, first give every node both
    /// the old and the new, then new certificates, then take the old authority away.
    ///
    /// # Errors
    /// [`ReloadError`]: everything stays as it was.
    pub fn reload_identity(&self, identity: &Identity) -> Result<(), ReloadError> {
        let running = self.running().map_err(|_| ReloadError::NotStarted)?;
        let (ours, found) = (&self.inner.name, identity.name());
        if ours != found {
            return Err(ReloadError::WrongName {
                ours: ours.clone(),
                found: found.clone(),
            });
        }
        let settings = Settings::new(identity, self.inner.provider.clone())?;
        running.shell.set_settings(settings);
        guard::turn_out(&running.shell);
        Ok(())
    }

    /// What other hosts send to this one. All receivers share one queue.
    #[must_use]
    pub fn messages(&self) -> Messages {
        self.inner.messages.clone()
    }

    /// What happens in the cluster from now on.
    #[must_use]
    pub fn subscribe_to_events(&self) -> Events {
        self.inner.announcer.subscribe()
    }

    /// Stops the node: says goodbye on every connection and lets the disk finish. Calling it again,
    /// or at once from several tasks, waits for the same end; on a node that was never started it
    /// does nothing.
    pub async fn shutdown(&self) {
        let Some(running) = self.inner.running.get() else {
            return;
        };
        let _already_stopped = running.shell.mailbox.send(Mail::Shutdown).await;
        let _closed = running.over.recv().await;
    }

    /// Where the node listens, once it is started.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.running.get().map(|running| running.listens_on)
    }

    /// Which life of which node this is. The life is 0 until the node has started.
    #[must_use]
    pub fn me(&self) -> Peer {
        let hello = self
            .inner
            .running
            .get()
            .and_then(|running| running.shell.hello.get());
        let unborn = Peer {
            node: self.inner.name.node,
            boot: 0,
        };
        hello.map_or(unborn, |hello| hello.peer)
    }

    /// Who this node is, as its certificate says.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.inner.name
    }
}

impl<S: Seam> ClusterNetworkManager<S> {
    fn lock_setup(&self) -> std::sync::MutexGuard<'_, Option<Setup>> {
        self.inner
            .setup
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Result<&Running<S>, Error> {
        self.inner.running.get().ok_or(Error::NotStarted)
    }

    /// Why nothing is answered any more.
    fn fate(&self) -> Error {
        match self.halted() {
            Some(reason) => Error::Halted { reason },
            None => Error::Stopped,
        }
    }

    fn halted(&self) -> Option<String> {
        self.inner.running.get()?.shell.halted.get().cloned()
    }

    async fn ask(&self, command: Command) -> Result<Answer, Error> {
        let (answer, answered) = async_channel::bounded(1);
        let mail = Mail::Command { command, answer };
        let running = self.running()?;
        running
            .shell
            .mailbox
            .send(mail)
            .await
            .map_err(|_| self.fate())?;
        let answer = answered.recv().await.map_err(|_| self.fate())?;
        Ok(answer?)
    }

    async fn apply(&self, command: Command) -> Result<Applied, Error> {
        let Answer::Applied { index, outcome } = self.ask(command).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(Applied { index, outcome })
    }
}
