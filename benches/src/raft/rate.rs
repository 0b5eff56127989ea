//! Proposals per second in memory, and what each costs in messages and allocations.

use std::time::{Duration, Instant};

use super::hall::Hall;
use super::machine::Machine;
use super::ours::Ours;
use super::theirs::Theirs;
use super::{Effort, PEER};
use crate::contest::{Figure, Goal, Paired, compare};

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

    fn play<M: Machine>(&self) -> Duration {
        let mut hall = Hall::<M>::led(self.nodes);
        let data = vec![7; self.bytes];
        let start = Instant::now();
        hall.propose(self.proposals(), self.batch, &data);
        start.elapsed()
    }

    /// Messages and allocations per proposal.
    fn cost<M: Machine>(&self) -> (f64, f64) {
        let mut hall = Hall::<M>::led(self.nodes);
        let data = vec![7; self.bytes];
        let count = self.proposals();
        let counted = allocation_counter::measure(|| hall.propose(count, self.batch, &data));
        let per_proposal = |number: u64| number as f64 / count as f64;
        (
            per_proposal(hall.messages),
            per_proposal(counted.count_total),
        )
    }
}

/// Proposals per second.
pub fn rates(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    for case in Case::all() {
        let figure = compare(
            ("raft", case.name(), PEER),
            case.proposals(),
            effort.rounds,
            || case.play::<Ours>(),
            || case.play::<Theirs>(),
        );
        show(match (case.nodes, case.batch, case.bytes) {
            (3, 1 | 512, 256) => figure.with_goal(Goal::Ratio(1.3)),
            _ => figure,
        });
    }
}

/// Messages and allocations per proposal, which are the same in every run.
pub fn costs(_: &Effort, show: &mut dyn FnMut(Figure)) {
    for case in Case::all() {
        let (ours, theirs) = (case.cost::<Ours>(), case.cost::<Theirs>());
        let figure = |what: &str, pair| {
            let case = format!("{}, {what} per proposal", case.name());
            Paired::new("raft", case, "", PEER).fewer_is_better(&[pair])
        };
        if case.nodes > 1 && case.bytes == 256 {
            let messages = figure("messages", (ours.0, theirs.0));
            show(match (case.nodes, case.batch) {
                (3, 1) => messages.with_goal(Goal::AtMost(6.0)),
                _ => messages,
            });
        }
        if case.bytes == 256 {
            show(figure("allocations", (ours.1, theirs.1)));
        }
    }
}
