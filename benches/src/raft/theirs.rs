//! raft-rs 0.7, driven as its documentation says.

use std::time::{Duration, Instant};

use raft::eraftpb::{ConfState, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use slog::{Discard, Logger, o};

use super::{ENTRY_BYTES, IN_FLIGHT, MESSAGE_BYTES, PROPOSALS};

struct Cluster {
    nodes: Vec<RawNode<MemStorage>>,
}

/// The time from the first proposal until the last is committed on the leader.
pub fn run(nodes: usize, batch: usize) -> Duration {
    let mut cluster = Cluster::new(nodes);
    let leader = cluster.elect();
    let data = vec![7; ENTRY_BYTES];
    let first = cluster.nodes[leader].raft.raft_log.committed;
    let start = Instant::now();
    let mut proposed = 0;
    while proposed < PROPOSALS {
        for _ in 0..batch.min(usize::try_from(PROPOSALS - proposed).unwrap_or(batch)) {
            proposed += 1;
            cluster.nodes[leader]
                .propose(Vec::new(), data.clone())
                .expect("the leader takes it");
        }
        cluster.settle();
    }
    let took = start.elapsed();
    assert_eq!(
        cluster.nodes[leader].raft.raft_log.committed,
        first + PROPOSALS
    );
    took
}

impl Cluster {
    fn new(nodes: usize) -> Cluster {
        let logger = Logger::root(Discard, o!());
        let voters: Vec<u64> = (1..=nodes as u64).collect();
        let machine = |id: u64| {
            let config = Config {
                id,
                election_tick: 10,
                heartbeat_tick: 3,
                max_size_per_msg: MESSAGE_BYTES as u64,
                max_inflight_msgs: IN_FLIGHT,
                batch_append: true,
                pre_vote: true,
                check_quorum: true,
                ..Config::default()
            };
            let state = ConfState::from((voters.clone(), vec![]));
            let storage = MemStorage::new_with_conf_state(state);
            RawNode::new(&config, storage, &logger).expect("the configuration is valid")
        };
        Cluster {
            nodes: voters.iter().map(|id| machine(*id)).collect(),
        }
    }

    fn elect(&mut self) -> usize {
        self.nodes[0].campaign().expect("it may campaign");
        loop {
            self.settle();
            let leads = |node: &RawNode<MemStorage>| {
                node.raft.state == StateRole::Leader && node.raft.raft_log.committed > 0
            };
            if let Some(leader) = self.nodes.iter().position(leads) {
                return leader;
            }
            for node in &mut self.nodes {
                node.tick();
            }
        }
    }

    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for node in 0..self.nodes.len() {
                for message in ready(&mut self.nodes[node]) {
                    moved = true;
                    let to = usize::try_from(message.to).unwrap_or(1) - 1;
                    self.nodes[to]
                        .step(message)
                        .expect("the message is well formed");
                }
            }
        }
    }
}

/// One round of their contract: persist, send, apply.
fn ready(node: &mut RawNode<MemStorage>) -> Vec<Message> {
    let mut messages = Vec::new();
    while node.has_ready() {
        let mut ready = node.ready();
        messages.extend(ready.take_messages());
        std::hint::black_box(ready.take_committed_entries());
        let storage = node.store().clone();
        if !ready.entries().is_empty() {
            storage
                .wl()
                .append(ready.entries())
                .expect("the entries are contiguous");
        }
        if let Some(state) = ready.hs() {
            storage.wl().set_hardstate(state.clone());
        }
        messages.extend(ready.take_persisted_messages());
        let mut light = node.advance(ready);
        messages.extend(light.take_messages());
        std::hint::black_box(light.take_committed_entries());
        node.advance_apply();
    }
    messages
}
