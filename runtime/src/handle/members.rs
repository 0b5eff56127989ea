//! Who is in the cluster: joining, leaving, and turning others in and out.

use std::net::SocketAddr;

use quorate_core::control::{self, Effect};
use quorate_core::id::{LogIndex, NodeId};
use quorate_core::membership::{Member, State};
use quorate_core::node::{Answer, Command, Refusal};

use super::{Applied, ClusterNetworkManager};
use crate::error::Error;
use crate::seam::Seam;

impl<S: Seam> ClusterNetworkManager<S> {
    /// Reaches a cluster through the addresses of some of its members, and goes on trying in the
    /// background.
    ///
    /// # Errors
    /// [`Error::Refused`] when none answered within `membership.join_timeout`.
    pub async fn join_cluster(&self, seeds: Vec<SocketAddr>) -> Result<(), Error> {
        let Answer::Joined = self.ask(Command::Join { seeds }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(())
    }

    /// Brings a node into the cluster: dials it until it is a member, and introduces it to all. If
    /// it was removed before, that is taken back first, through the control log.
    ///
    /// The node must run, with a certificate of the same cluster. Both ends may also find each
    /// other by `join_cluster`; this is for when the newcomer does not know where the cluster is.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody answers within `membership.join_timeout` (the address is
    /// dialled on), or another node answers there.
    pub async fn add_node(&self, node: NodeId, address: SocketAddr) -> Result<Member, Error> {
        let add = Command::AddNode { node, address };
        let mut answer = self.ask(add.clone()).await;
        if let Err(Error::Refused(Refusal::Removed { .. })) = answer {
            decided(self.propose(control::Command::AdmitNode { node }).await?)?;
            answer = self.ask(add).await;
        }
        let Answer::Added(member) = answer? else {
            return Err(Error::WrongAnswer);
        };
        Ok(member)
    }

    /// Turns a node out of the cluster, alive or dead, by an entry of the control log. Returns when
    /// the entry is applied. A voter first loses its vote (`electorate` sees to it); then every
    /// node holds it to have left, ends its connections and turns it away until `add_node`.
    ///
    /// The node itself goes on running, alone: it hears why with
    /// [`ClusterEvent::TurnedAway`](crate::ClusterEvent::TurnedAway).
    ///
    /// # Errors
    /// [`Error::NotDecided`] when it votes and `electorate.target` is 0; [`Error::Refused`] when
    /// there is no quorum to decide it.
    pub async fn remove_node(&self, node: NodeId) -> Result<LogIndex, Error> {
        let remove = control::Command::RemoveNode { node };
        let Effect::Removed { at } = decided(self.propose(remove).await?)? else {
            return Err(Error::WrongAnswer);
        };
        Ok(at)
    }

    /// Every node this one knows of, itself and the dead included.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn get_cluster_members(&self) -> Result<Vec<Member>, Error> {
        let Answer::Members(members) = self.ask(Command::Members).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(members)
    }

    /// The members that are believed to be alive: suspects are not among them, until they refute.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn get_alive_members(&self) -> Result<Vec<Member>, Error> {
        let mut members = self.get_cluster_members().await?;
        members.retain(|member| member.state == State::Alive);
        Ok(members)
    }

    /// Tells the cluster that this node leaves for good, so that nobody suspects it. The node then
    /// still runs, without being a member: call [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// [`Error`] when the node is not running, or leaves already.
    pub async fn leave(&self) -> Result<(), Error> {
        let Answer::Left = self.ask(Command::Leave).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(())
    }
}

/// What a command did, where one that did nothing is a failure.
pub(super) fn decided(applied: Applied) -> Result<Effect, Error> {
    applied.outcome.map_err(Error::NotDecided)
}
