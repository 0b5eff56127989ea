//! Our machine, with a gate that opens at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use quorate_core::id::{LogIndex, NodeId};
use quorate_core::payload::Payload;
use quorate_core::raft::{Config, Input, Message, Output, Raft, Recovered, Role};
use quorate_core::seed::{Seed, Stream};
use quorate_core::time::Time;

use super::{ENTRY_BYTES, IN_FLIGHT, MESSAGE_BYTES, PROPOSALS};

struct Cluster {
    nodes: Vec<Raft>,
    queue: VecDeque<(usize, NodeId, Message)>,
    out: Vec<Output>,
    now: Time,
}

/// The time from the first proposal until the last is committed on the leader.
pub fn run(nodes: usize, batch: usize) -> Duration {
    let mut cluster = Cluster::new(nodes);
    let leader = cluster.elect();
    let data = Payload::from(vec![7; ENTRY_BYTES]);
    let first = cluster.nodes[leader].commit().0;
    let start = Instant::now();
    let mut proposed = 0;
    while proposed < PROPOSALS {
        for _ in 0..batch.min(usize::try_from(PROPOSALS - proposed).unwrap_or(batch)) {
            proposed += 1;
            cluster.step(leader, Input::Propose { data: data.clone() });
        }
        cluster.settle();
    }
    let took = start.elapsed();
    assert_eq!(cluster.nodes[leader].commit(), LogIndex(first + PROPOSALS));
    took
}

impl Cluster {
    fn new(nodes: usize) -> Cluster {
        let config = Config {
            heartbeat_interval: Duration::from_millis(50),
            learner_beats: 5,
            election_timeout_min: Duration::from_millis(150),
            election_timeout_max: Duration::from_millis(300),
            election_handicap: Duration::ZERO,
            entries_per_append_max: 4096,
            bytes_per_append_max: MESSAGE_BYTES,
            appends_in_flight_max: IN_FLIGHT,
            uncommitted_max: 1 << 20,
            uncommitted_bytes_max: 1 << 30,
            snapshot_bytes: 1 << 30,
        };
        let voters = || (1..=nodes as u64).map(NodeId).collect();
        let machine = |node: usize| {
            let node = NodeId(node as u64 + 1);
            let random = Seed::from_number(node.0).stream(Stream::Raft);
            Raft::recover(
                config.clone(),
                node,
                voters(),
                Recovered::default(),
                random,
                Time::ZERO,
            )
        };
        let nodes = (0..nodes).map(machine).collect();
        Cluster {
            nodes,
            queue: VecDeque::new(),
            out: Vec::new(),
            now: Time::ZERO,
        }
    }

    fn elect(&mut self) -> usize {
        loop {
            self.now = self.now + Duration::from_millis(1);
            for node in 0..self.nodes.len() {
                self.step(node, Input::Tick);
            }
            self.settle();
            let leads = |raft: &Raft| raft.standing().role == Role::Leader && raft.commit().0 > 0;
            if let Some(leader) = self.nodes.iter().position(leads) {
                return leader;
            }
        }
    }

    fn step(&mut self, node: usize, input: Input) {
        let mut out = std::mem::take(&mut self.out);
        self.nodes[node].step(self.now, input, &mut out);
        for output in out.drain(..) {
            match output {
                Output::Send { to, message } | Output::Promise { to, message } => {
                    let from = NodeId(node as u64 + 1);
                    self.queue
                        .push_back((usize::try_from(to.0).unwrap_or(1) - 1, from, message));
                }
                Output::Persist(record) => drop(std::hint::black_box(record)),
                Output::Committed(entry) => drop(std::hint::black_box(entry)),
                Output::Rejected { .. } => unreachable!("the bound is never reached"),
                // Nobody reads, changes the voters or hands over here.
                Output::Readable { .. }
                | Output::ReadRefused { .. }
                | Output::ChangeRefused { .. }
                | Output::Voters(_)
                | Output::SnapshotDue { .. }
                | Output::Assembled { .. }
                | Output::Transferred(_)
                | Output::Changed(_)
                | Output::Note(_) => {}
            }
        }
        self.out = out;
    }

    fn settle(&mut self) {
        while let Some((to, from, message)) = self.queue.pop_front() {
            self.step(to, Input::Received { from, message });
        }
    }
}
