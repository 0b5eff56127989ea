//! Proposals per second in memory, and what each costs in messages and allocations.
//!
//! Four take turns: our machine, raft-rs, openraft and our whole node. The machines are stepped by
//! one thread; openraft is tasks on all processors. Our node is the one that does what openraft
//! does, but for the runtime: it applies, and answers each client.

use std::time::Instant;

use super::asynchronous::{self, Cluster};
use super::hall::Hall;
use super::machine::Machine;
use super::node_hall::NodeHall;
use super::ours::Ours;
use super::theirs::Theirs;
use super::{Effort, PEER};
use crate::contest::{Contender, Figure, Goal, Measure, Paired, play_in_turns};

/// Proposals of one measurement, of small entries and of large ones.
const PROPOSALS: [u64; 2] = [20_000, 5_000];
const LARGE_BYTES: usize = 4096;

struct Case {
    nodes: usize,
    batch: usize,
    bytes: usize,
}

impl Case {
    /// Clusters of 1, 3 and 5, batches of 1, 64 and 512, entries of 0, 256 and 4096 bytes.
    fn all() -> impl Iterator<Item = Case> {
        let clusters = [1, 3, 5].into_iter();
        let loads = clusters.flat_map(|nodes| [1, 64, 512].map(|batch| (nodes, batch)));
        loads.flat_map(|(nodes, batch)| {
            [0, 256, LARGE_BYTES].map(|bytes| Case {
                nodes,
                batch,
                bytes,
            })
        })
    }

    fn name(&self) -> String {
        let Case {
            nodes,
            batch,
            bytes,
        } = self;
        format!("{nodes} nodes, batch {batch}, {bytes} B")
    }

    fn proposals(&self) -> u64 {
        PROPOSALS[usize::from(self.bytes >= LARGE_BYTES)]
    }

    /// Proposals per second of what runs them all.
    fn rate(&self, run: impl FnOnce(u64, usize, &[u8])) -> Vec<f64> {
        let (count, data) = (self.proposals(), vec![7; self.bytes]);
        let start = Instant::now();
        run(count, self.batch, &data);
        vec![count as f64 / start.elapsed().as_secs_f64()]
    }

    fn machine<'a, M: Machine>(&'a self, name: &'static str) -> Contender<'a> {
        let play = Box::new(|| {
            let mut hall = Hall::<M>::led(self.nodes);
            self.rate(|count, batch, data| hall.propose(count, batch, data))
        });
        Contender { name, play }
    }

    fn openraft(&self) -> Contender<'_> {
        let play = Box::new(|| {
            let cluster = Cluster::parallel(self.nodes);
            self.rate(|count, batch, data| cluster.propose(count, batch, data))
        });
        Contender {
            name: asynchronous::NAME,
            play,
        }
    }

    fn node(&self) -> Contender<'_> {
        let play = Box::new(|| {
            let mut hall = NodeHall::led(self.nodes);
            self.rate(|count, batch, data| hall.propose(count, batch, data))
        });
        Contender {
            name: "our node",
            play,
        }
    }

    /// Allocations per proposal of what runs them all on this thread.
    fn allocations(&self, run: impl FnOnce(u64, usize, &[u8])) -> f64 {
        let (count, data) = (self.proposals(), vec![7; self.bytes]);
        let counted = allocation_counter::measure(|| run(count, self.batch, &data));
        self.per_proposal(counted.count_total)
    }

    fn per_proposal(&self, number: u64) -> f64 {
        number as f64 / self.proposals() as f64
    }

    /// Messages and allocations per proposal.
    fn cost<M: Machine>(&self) -> (f64, f64) {
        let mut hall = Hall::<M>::led(self.nodes);
        let each = self.allocations(|count, batch, data| hall.propose(count, batch, data));
        (self.per_proposal(hall.messages), each)
    }

    fn cost_of_openraft(&self) -> (f64, f64) {
        let cluster = Cluster::on_this_thread(self.nodes);
        let each = self.allocations(|count, batch, data| cluster.propose(count, batch, data));
        (self.per_proposal(cluster.take_messages()), each)
    }

    fn cost_of_node(&self) -> (f64, f64) {
        let mut hall = NodeHall::led(self.nodes);
        let each = self.allocations(|count, batch, data| hall.propose(count, batch, data));
        (self.per_proposal(hall.messages), each)
    }
}

const RATE: [Measure; 1] = [Measure {
    what: "",
    unit: "1/s",
    is_more_better: true,
}];

/// Proposals per second.
pub fn rates(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    for case in Case::all() {
        let contenders = vec![
            case.machine::<Ours>(Ours::NAME),
            case.machine::<Theirs>(PEER),
            case.openraft(),
            case.node(),
        ];
        let board = play_in_turns(effort.rounds, contenders);
        for figure in board.compare("raft", &case.name(), &RATE, (0, 1)) {
            show(match (case.nodes, case.batch, case.bytes) {
                (3, 1 | 512, 256) => figure.with_goal(Goal::Ratio(1.3)),
                _ => figure,
            });
        }
        let figures = board.compare("raft", &case.name(), &RATE, (0, 2));
        figures.into_iter().for_each(&mut *show);
        let name = format!("{}, whole node", case.name());
        let figures = board.compare("raft", &name, &RATE, (3, 2));
        figures.into_iter().for_each(&mut *show);
    }
}

/// Messages and allocations per proposal, which are the same in every run but for openraft's: how
/// many of its clients meet in one message is up to the clock.
pub fn costs(_: &Effort, show: &mut dyn FnMut(Figure)) {
    for case in Case::all().filter(|case| case.bytes == 256) {
        let (ours, theirs) = (case.cost::<Ours>(), case.cost::<Theirs>());
        let (node, openraft) = (case.cost_of_node(), case.cost_of_openraft());
        let name = case.name();
        let whole = format!("{name}, whole node");
        let pairs = [
            (&name, PEER, ours, theirs),
            (&name, asynchronous::NAME, ours, openraft),
            (&whole, asynchronous::NAME, node, openraft),
        ];
        for (name, peer, ours, theirs) in pairs {
            let figure = |what: &str, pair| {
                let case = format!("{name}, {what} per proposal");
                Paired::new("raft", case, "", peer).fewer_is_better(&[pair])
            };
            if case.nodes > 1 {
                let messages = figure("messages", (ours.0, theirs.0));
                show(match (case.nodes, case.batch, peer) {
                    (3, 1, PEER) => messages.with_goal(Goal::AtMost(6.0)),
                    _ => messages,
                });
            }
            show(figure("allocations", (ours.1, theirs.1)));
        }
    }
}
