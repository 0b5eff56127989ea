//! What nodes write about themselves, and how the cluster hangs together.

use quorate_core::gossip::StateEntry;
use quorate_core::health::PartitionStatus;
use quorate_core::id::NodeId;
use quorate_core::node::{Answer, Command, Quorum};
use quorate_core::payload::Payload;

use super::ClusterNetworkManager;
use crate::error::Error;
use crate::event::StateWatch;
use crate::seam::Seam;

impl<S: Seam> ClusterNetworkManager<S> {
    /// Writes a key of this node's own state, which every node of the cluster can read: its load
    /// class, its tags, the tables it serves. Known everywhere within a second or two. Not durable:
    /// a restarted node begins with nothing. The answer is the version of the write.
    ///
    /// # Errors
    /// [`Error::Refused`] with `Refusal::State` names the bound that the write would break.
    pub async fn set_state(&self, key: &str, value: impl AsRef<[u8]> + Send) -> Result<u64, Error> {
        let (key, value) = (key.to_owned(), Payload::copy_from(value.as_ref()));
        let Answer::StateSet { version } = self.ask(Command::SetState { key, value }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(version)
    }

    /// Deletes a key of this node's own state; whether there was one.
    ///
    /// # Errors
    /// As [`set_state`](Self::set_state).
    pub async fn delete_state(&self, key: &str) -> Result<bool, Error> {
        let key = key.to_owned();
        let Answer::StateDeleted { existed } = self.ask(Command::DeleteState { key }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(existed)
    }

    /// What one node wrote about itself, as far as it is known here. What a dead node wrote is kept
    /// for `gossip.departed_retention`.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn state_of(&self, node: NodeId) -> Result<Vec<StateEntry>, Error> {
        self.read_state(Some(node), "").await
    }

    /// What all nodes wrote under keys that begin so, by node and key.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn state(&self, prefix: &str) -> Result<Vec<StateEntry>, Error> {
        self.read_state(None, prefix).await
    }

    /// Every change, from now on, of a key that begins so, whoever's it is. A watcher that is too
    /// slow misses changes and is told; it never holds up the node. Read the
    /// [`state`](Self::state) after beginning to watch, and again when told of a miss.
    #[must_use]
    pub fn watch_state(&self, prefix: &str) -> StateWatch {
        StateWatch::new(self.subscribe_to_events(), prefix.to_owned())
    }

    /// How the cluster hangs together, as this node sees it.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn partition_status(&self) -> Result<PartitionStatus, Error> {
        let Answer::Partition(status) = self.ask(Command::Partition).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(status)
    }

    /// Whether the cluster can serve, and what is missing for it: a leader with a majority of the
    /// voters behind it, and as many nodes and zones as `quorum` of the configuration asks for.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn quorum(&self) -> Result<Quorum, Error> {
        let Answer::Quorum(quorum) = self.ask(Command::Quorum).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(quorum)
    }

    /// Whether the cluster can serve: [`quorum`](Self::quorum) in one word.
    ///
    /// # Errors
    /// [`Error`] when the node is not running.
    pub async fn has_quorum(&self) -> Result<bool, Error> {
        Ok(self.quorum().await?.has_quorum)
    }

    async fn read_state(&self, of: Option<NodeId>, prefix: &str) -> Result<Vec<StateEntry>, Error> {
        let prefix = prefix.to_owned();
        let Answer::State(entries) = self.ask(Command::ReadState { of, prefix }).await? else {
            return Err(Error::WrongAnswer);
        };
        Ok(entries)
    }
}
