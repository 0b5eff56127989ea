//! The connections to a peer: which are open, which carries the session, what they have counted.

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};

use quorate_core::id::LinkId;
use quorate_core::transport::Stats;

use super::super::Connection;
use super::Peer;

#[derive(Default)]
pub(super) struct Links {
    open: Vec<Arc<Connection>>,
    /// Where the peer was reached last.
    address: Option<SocketAddr>,
    /// Of those that have ended.
    past: Stats,
}

impl Peer {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it was reached last, whoever dialled.
    pub(in super::super) fn address(&self) -> Option<SocketAddr> {
        self.links().address
    }

    pub(crate) fn add(&self, connection: Arc<Connection>, address: SocketAddr) {
        let mut links = self.links();
        links.open.push(connection);
        links.address = Some(address);
        drop(links);
        self.make_room();
    }

    pub(crate) fn remove(&self, link: LinkId) {
        let mut links = self.links();
        let Some(at) = links.open.iter().position(|open| open.id() == link) else {
            return;
        };
        let connection = links.open.remove(at);
        let stats = connection.stats();
        links.past.bytes_sent += stats.bytes_sent;
        links.past.bytes_received += stats.bytes_received;
        links.past.frames_received += stats.frames_received;
    }

    /// Bytes over all connections so far.
    pub(crate) fn link_stats(&self) -> Stats {
        let links = self.links();
        let mut sum = links.past;
        for connection in &links.open {
            let stats = connection.stats();
            sum.bytes_sent += stats.bytes_sent;
            sum.bytes_received += stats.bytes_received;
            sum.frames_received += stats.frames_received;
        }
        sum
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.links().open.clone()
    }

    /// Whether there is a connection that is not about to end.
    pub(crate) fn is_connected(&self) -> bool {
        self.links().open.iter().any(|open| open.is_open())
    }

    /// The connection that carries the session.
    pub(in super::super) fn carrier(&self) -> Option<Arc<Connection>> {
        let mut connections = self.connections().into_iter();
        connections.find(|connection| connection.carries())
    }

    /// A connection ends: another one carries on, if there is one.
    pub(in super::super) fn carry_over(&self, ending: &Connection) {
        if !ending.carries() {
            return;
        }
        let connections = self.connections();
        let mut others = connections.iter().rev();
        others.find(|other| other.id() != ending.id() && other.carry());
    }
}
