//! The host's own messages and requests: from here to a connection, past the core.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::transport::Priority;

use super::ClusterNetworkManager;
use crate::error::Error;
use crate::link::{Connection, pump};
use crate::message::{Answered, Incoming, Reply};
use crate::seam::Seam;

/// How long a connection to a target may take to come up before a message is refused.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

impl<S: Seam> ClusterNetworkManager<S> {
    /// Sends bytes to the host of `target`, connecting to `address` if there is no connection yet.
    /// Resolves when the message is in the other host's inbox.
    ///
    /// # Errors
    /// [`Error::Disconnected`] when the connection broke first: the message may have arrived all
    /// the same.
    pub async fn send_message(
        &self,
        target: NodeId,
        address: SocketAddr,
        message: impl AsRef<[u8]> + Send,
    ) -> Result<(), Error> {
        self.send_message_as(target, address, Priority::default(), message)
            .await
    }

    /// [`send_message`](Self::send_message) in another class than `Normal`.
    ///
    /// # Errors
    /// As there.
    pub async fn send_message_as(
        &self,
        target: NodeId,
        address: SocketAddr,
        priority: Priority,
        message: impl AsRef<[u8]> + Send,
    ) -> Result<(), Error> {
        let payload = Payload::copy_from(message.as_ref());
        if target == self.inner.name.node {
            let from = target;
            let own = Incoming {
                from,
                priority,
                payload,
                reply: None,
            };
            return self
                .inner
                .inbox
                .offer(own)
                .map_err(|_| Error::Backlog { target });
        }
        let connection = self.connect(target, Some(address)).await?;
        let sent = connection.send_message(priority, payload);
        let confirmed = sent.map_err(|error| Error::of_submit(error, target))?;
        confirmed
            .recv()
            .await
            .map_err(|_| Error::Disconnected { target })
    }

    /// Asks the host of `target` and awaits its reply.
    ///
    /// # Errors
    /// [`Error`]: unreachable, busy, unanswered, or no reply within `timeout`.
    pub async fn request(
        &self,
        target: NodeId,
        payload: impl AsRef<[u8]> + Send,
        priority: Priority,
        timeout: Duration,
    ) -> Result<Payload, Error> {
        let payload = Payload::copy_from(payload.as_ref());
        let asked = self
            .inner
            .seam
            .within(timeout, self.call(target, payload, priority))
            .await;
        match asked.unwrap_or(Err(Error::Timeout { target, timeout }))? {
            Answered::Reply(reply) => Ok(reply),
            Answered::Busy => Err(Error::PeerBusy { target }),
            Answered::Unanswered => Err(Error::Unanswered { target }),
        }
    }

    async fn call(
        &self,
        target: NodeId,
        payload: Payload,
        priority: Priority,
    ) -> Result<Answered, Error> {
        if target == self.inner.name.node {
            let (answer, answered) = async_channel::bounded(1);
            let reply = Some(Reply::to_self(answer));
            let own = Incoming {
                from: target,
                priority,
                payload,
                reply,
            };
            if let Err(refused) = self.inner.inbox.offer(own) {
                drop(refused);
                return Ok(Answered::Busy);
            }
            return answered.recv().await.map_err(|_| self.fate());
        }
        let connection = self.connect(target, None).await?;
        let call = connection.send_request(priority, payload);
        let call = call.map_err(|error| Error::of_submit(error, target))?;
        call.answer().await.ok_or(Error::Disconnected { target })
    }

    /// A connection to `target`: the one there is, or a new one.
    async fn connect(
        &self,
        target: NodeId,
        address: Option<SocketAddr>,
    ) -> Result<Arc<Connection>, Error> {
        let shell = &self.running()?.shell;
        if let Some(connection) = shell.directory.get(target) {
            return Ok(connection);
        }
        if shell.mailbox.is_closed() {
            return Err(self.fate());
        }
        let known = || {
            let routes = shell.routes();
            routes
                .targets()
                .iter()
                .find(|known| known.peer.node == target)
                .map(|known| known.address)
        };
        let Some(address) = address.or_else(known) else {
            let reached = shell
                .seam
                .within(REACH_TIMEOUT, shell.directory.wait_for(target))
                .await;
            return reached.ok_or(Error::Unreachable {
                target,
                address: None,
            });
        };
        let (token, dial_over) = async_channel::bounded::<Infallible>(1);
        let dial = pump::dial(shell.clone(), address, Some(target), false);
        shell.spawn(async move {
            dial.await;
            drop(token);
        });
        let reached = async { Some(shell.directory.wait_for(target).await) };
        let failed = async {
            let _closed = dial_over.recv().await;
            // It may have failed as a duplicate of one that is up.
            shell.directory.get(target)
        };
        let reached = shell.seam.within(REACH_TIMEOUT, or(reached, failed)).await;
        reached.flatten().ok_or(Error::Unreachable {
            target,
            address: Some(address),
        })
    }
}
