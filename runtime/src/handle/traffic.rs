//! The host's own messages, requests and streams: from here to a session, past the core.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::Priority;

use super::{ClusterNetworkManager, Running};
use crate::error::Error;
use crate::link::peer::{Call, Peer};
use crate::link::pump;
use crate::message::{Answered, Incoming, Reply};
use crate::metrics::Metrics;
use crate::seam::Seam;
use crate::stream::OutgoingStream;

/// How long a connection to a target may take to come up before a message is refused.
const REACH_TIMEOUT: Duration = Duration::from_secs(5);

impl<S: Seam> ClusterNetworkManager<S> {
    /// Sends bytes to the host of `target`, connecting to `address` if there is no connection yet.
    /// Resolves when the message is in the other host's inbox; waits while the other host is
    /// behind.
    ///
    /// # Errors
    /// [`Error::PeerBusy`] when a long message found no room there. [`Error::Disconnected`] when
    /// the other node could not be reached again for `transport.attempts` times
    /// `transport.retry_interval`, or started anew: the message may have arrived all the same.
    pub async fn send_message(
        &self,
        target: NodeId,
        address: SocketAddr,
        message: impl AsRef<[u8]> + Send + Sync,
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
        message: impl AsRef<[u8]> + Send + Sync,
    ) -> Result<(), Error> {
        self.send_messages(target, address, priority, &[message])
            .await
    }

    /// Sends many messages in order, at less cost than one by one. Resolves when the last of them
    /// is in the other host's inbox.
    ///
    /// # Errors
    /// As [`send_message`](Self::send_message): any of them may have arrived.
    pub async fn send_messages(
        &self,
        target: NodeId,
        address: SocketAddr,
        priority: Priority,
        messages: &[impl AsRef<[u8]> + Sync],
    ) -> Result<(), Error> {
        if target == self.inner.name.node {
            return self.keep_messages(priority, messages);
        }
        let peer = self.connect(target, Some(address)).await?;
        let plain_bytes_max = peer.plain_bytes_max();
        let is_plain = |message: &_| AsRef::<[u8]>::as_ref(message).len() <= plain_bytes_max;
        let mut rest = messages;
        let mut confirmed = None;
        while !rest.is_empty() {
            let plain = rest.iter().take_while(|message| is_plain(message)).count();
            if plain == 0 {
                send_long(&peer, priority, rest[0].as_ref()).await?;
                rest = &rest[1..];
                continue;
            }
            let send = || peer.send_messages(priority, None, &rest[..plain]);
            let sent = peer.when_room(send).await;
            let (count, receiver) = sent.map_err(|error| Error::of_submit(error, target))?;
            rest = &rest[count..];
            confirmed = Some(receiver);
        }
        let Some(confirmed) = confirmed else {
            return Ok(());
        };
        confirmed.await.map_err(|_| Error::Disconnected { target })
    }

    /// Sends without waiting: not for room, and not for the message to arrive.
    ///
    /// # Errors
    /// [`Error::Backlog`] when there is no room, [`Error::Unreachable`] when there is no
    /// connection.
    pub fn try_send_message(
        &self,
        target: NodeId,
        priority: Priority,
        message: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let messages = [message];
        if target == self.inner.name.node {
            return self.keep_messages(priority, &messages);
        }
        let peer = self.running()?.shell.directory.connected(target);
        let peer = peer.ok_or(Error::Unreachable {
            target,
            address: None,
        })?;
        let sent = peer.send_messages(priority, None, &messages);
        sent.map(drop)
            .map_err(|error| Error::of_submit(error, target))
    }

    /// Sends bytes to the host of every other member that is believed to be alive, and says what
    /// became of each.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn broadcast_message(
        &self,
        message: impl AsRef<[u8]> + Send + Sync,
    ) -> Result<Vec<(NodeId, Result<(), Error>)>, Error> {
        let message = Payload::copy_from(message.as_ref());
        let shell = &self.running()?.shell;
        let (outcome, outcomes) = async_channel::unbounded();
        for member in self.get_alive_members().await? {
            let (target, address) = (member.node, member.address);
            if target == self.inner.name.node {
                continue;
            }
            let (manager, message, outcome) = (self.clone(), message.clone(), outcome.clone());
            shell.spawn(async move {
                let sent = manager.send_message(target, address, &*message).await;
                let _caller_gone = outcome.try_send((target, sent));
            });
        }
        drop(outcome);
        let mut told = Vec::new();
        while let Ok(one) = outcomes.recv().await {
            told.push(one);
        }
        told.sort_by_key(|(node, _)| *node);
        Ok(told)
    }

    /// Opens a stream to the host of `target`: bytes in order, at the pace of their reader, beside
    /// everything else that is sent there.
    ///
    /// # Errors
    /// [`Error::TooManyStreams`], or as [`send_message`](Self::send_message).
    pub async fn open_stream(
        &self,
        target: NodeId,
        address: SocketAddr,
        priority: Priority,
    ) -> Result<OutgoingStream, Error> {
        let peer = self.connect(target, Some(address)).await?;
        OutgoingStream::open(peer, priority, 0).await
    }

    /// What this node has counted since it started; all zero before.
    #[must_use]
    pub fn get_all_metrics(&self) -> Metrics {
        let mut sum = Metrics::default();
        let Ok(Running { shell, .. }) = self.running() else {
            return sum;
        };
        sum.node = shell.metrics();
        sum.turned_away = shell.door.turned_away();
        sum.certificate_left = shell.settings().validity_left();
        for peer in shell.directory.all() {
            let (session, streams) = peer.session_stats();
            let link = peer.link_stats();
            sum.messages_sent += session.frames_sent;
            sum.messages_received += session.frames_received;
            sum.retries += session.retries;
            sum.dropped += session.dropped;
            sum.active_streams += streams as u64;
            sum.bytes_sent += link.bytes_sent;
            sum.bytes_received += link.bytes_received;
            sum.connections += peer.connections().len() as u64;
            for (all, one) in sum.queue_delay.iter_mut().zip(&session.queue_delay) {
                *all = all.plus(one);
            }
        }
        sum
    }

    /// Asks the host of `target` and awaits its reply.
    ///
    /// # Errors
    /// [`Error`]: unreachable, busy, unanswered, or no reply within `timeout`.
    pub async fn request(
        &self,
        target: NodeId,
        payload: impl AsRef<[u8]> + Send + Sync,
        priority: Priority,
        timeout: Duration,
    ) -> Result<Payload, Error> {
        let (seam, payload) = (&self.inner.seam, payload.as_ref());
        let deadline = seam.now() + timeout;
        let late = Error::Timeout { target, timeout };
        let answered = if target == self.inner.name.node {
            let asked = self.call_self(priority, deadline, payload);
            seam.within(timeout, asked).await.ok_or(late.clone())??
        } else {
            let asked = self.call(target, priority, deadline, payload);
            let mut call = seam.within(timeout, asked).await.ok_or(late.clone())??;
            let answered = call.answer().await;
            answered.ok_or(Error::Disconnected { target })?
        };
        match answered {
            Answered::Reply(reply) => Ok(reply),
            Answered::Busy => Err(Error::PeerBusy { target }),
            Answered::Unanswered => Err(Error::Unanswered { target }),
            Answered::Late => Err(late),
        }
    }

    async fn call_self(
        &self,
        priority: Priority,
        deadline: Time,
        payload: &[u8],
    ) -> Result<Answered, Error> {
        let (answer, answered) = async_channel::bounded(1);
        let own = Incoming {
            deadline: Some(deadline),
            reply: Some(Reply::to_self(answer)),
            ..self.own_message(priority, payload)
        };
        if let Err(refused) = self.inner.inbox.offer(own) {
            drop(refused);
            return Ok(Answered::Busy);
        }
        answered.recv().await.map_err(|_| self.fate())
    }

    async fn call(
        &self,
        target: NodeId,
        priority: Priority,
        deadline: Time,
        payload: &[u8],
    ) -> Result<Call, Error> {
        let peer = self.connect(target, None).await?;
        let send = || peer.send_request(priority, deadline, payload);
        let sent = peer.when_room(send).await;
        sent.map_err(|error| Error::of_submit(error, target))
    }

    /// What this node sends to itself.
    fn keep_messages(
        &self,
        priority: Priority,
        messages: &[impl AsRef<[u8]>],
    ) -> Result<(), Error> {
        let target = self.inner.name.node;
        for message in messages {
            let own = self.own_message(priority, message.as_ref());
            let kept = self.inner.inbox.offer(own);
            kept.map_err(|_| Error::Backlog { target })?;
        }
        Ok(())
    }

    fn own_message(&self, priority: Priority, body: &[u8]) -> Incoming {
        Incoming {
            from: self.inner.name.node,
            priority,
            payload: Payload::copy_from(body),
            deadline: None,
            reply: None,
            cost: 0,
        }
    }

    /// The peer `target`, with a connection: the one there is, or a new one.
    async fn connect(
        &self,
        target: NodeId,
        address: Option<SocketAddr>,
    ) -> Result<Arc<Peer>, Error> {
        let shell = &self.running()?.shell;
        if let Some(peer) = shell.directory.connected(target) {
            return Ok(peer);
        }
        if shell.mailbox.is_closed() {
            return Err(self.fate());
        }
        let Some(address) = address.or_else(|| shell.address_of(target)) else {
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
            shell.directory.connected(target)
        };
        let reached = shell.seam.within(REACH_TIMEOUT, or(reached, failed)).await;
        reached.flatten().ok_or(Error::Unreachable {
            target,
            address: Some(address),
        })
    }
}

/// A message too long for one piece.
async fn send_long(peer: &Arc<Peer>, priority: Priority, body: &[u8]) -> Result<(), Error> {
    let target = peer.node();
    let sent = async {
        let mut stream = OutgoingStream::open(peer.clone(), priority, body.len() as u64).await?;
        stream.write(body).await?;
        stream.finish().await
    };
    sent.await.map_err(|error| {
        if error == (Error::StreamRefused { target }) {
            // The other end refuses a long message when it has no room for it.
            return Error::PeerBusy { target };
        }
        error
    })
}
