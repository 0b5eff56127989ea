//! Calls in place of a network.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use openraft::EmptyNode;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, RemoteError};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

use super::{Raft, Types};

/// Who can be called, and how often somebody was.
#[derive(Clone, Default)]
pub struct Router(Arc<Inner>);

#[derive(Default)]
struct Inner {
    nodes: OnceLock<Vec<Raft>>,
    calls: AtomicU64,
}

impl Router {
    /// From now on these can be called, by their places.
    pub fn connect(&self, nodes: Vec<Raft>) {
        assert!(self.0.nodes.set(nodes).is_ok(), "connected once");
    }

    /// All of them.
    pub fn nodes(&self) -> &[Raft] {
        self.0.nodes.get().map_or(&[], Vec::as_slice)
    }

    /// Calls since this was asked last.
    pub fn take_calls(&self) -> u64 {
        self.0.calls.swap(0, Ordering::Relaxed)
    }
}

/// The way to one node.
pub struct Way {
    router: Router,
    to: u64,
}

impl Way {
    fn call(&self) -> &Raft {
        self.router.0.calls.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(self.to).expect("a small number");
        &self.router.nodes()[place]
    }
}

impl RaftNetworkFactory<Types> for Router {
    type Network = Way;

    async fn new_client(&mut self, to: u64, _: &EmptyNode) -> Way {
        let router = self.clone();
        Way { router, to }
    }
}

type Failed<E> = RPCError<u64, EmptyNode, E>;

impl RaftNetwork<Types> for Way {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed<RaftError<u64>>> {
        let answer = self.call().append_entries(request).await;
        answer.map_err(|error| RemoteError::new(self.to, error).into())
    }

    async fn install_snapshot(
        &mut self,
        _: InstallSnapshotRequest<Types>,
        _: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<RaftError<u64, InstallSnapshotError>>> {
        unreachable!("there are no snapshots")
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _: RPCOption,
    ) -> Result<VoteResponse<u64>, Failed<RaftError<u64>>> {
        let answer = self.call().vote(request).await;
        answer.map_err(|error| RemoteError::new(self.to, error).into())
    }
}
