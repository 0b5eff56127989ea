//! One node: the shipping consensus machine behind the shipping gate, composed as the node composes
//! them, over a disk whose writes wait until they are completed.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use quorate_core::durable::gate::Gate;
use quorate_core::durable::{Durable, Record};
use quorate_core::id::{Lsn, NodeId, Term};
use quorate_core::raft::{self, Config, Entry, Input, Message, Output, Raft, Recovered, Role};
use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;

use crate::bounds::Bounds;
use crate::network::{Envelope, Letter};

/// The moment of everything but a timeout. Heartbeats, which wait for nothing, are due at it.
const NOW: Time = Time::ZERO;

/// The moment of a timeout: whatever is armed is due, whoever was heard has been silent too long. A
/// timer armed at it is due at it again, so no moment but these two, and the next nanosecond for
/// what was armed now, ever gets into a state.
const LATE: Time = Time(u64::MAX);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    pub(crate) raft: Raft,
    gate: Gate<(NodeId, Message)>,
    /// The promises to others behind the gate, each once: in a network that repeats everything, to
    /// hold one twice is to hold it once.
    promised: Vec<(NodeId, Message)>,
    /// Written, not yet durable.
    pub(crate) pending: VecDeque<(Lsn, Record)>,
    pub(crate) durable: Durable,
}

/// What a step of a machine shows to the world.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) sent: Vec<Envelope>,
    pub(crate) committed: Vec<Entry>,
}

/// What can happen to a machine.
#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) enum Happening {
    /// The timeout of its role: an election begins, a leader finds that nobody answered.
    Timeout,
    /// A leader's heartbeat is due.
    Heartbeat,
    /// The leader is doubted, which is also what a leader unheard for too long amounts to.
    Doubt,
    /// The connection to a node breaks and comes up again.
    Relink(NodeId),
    /// A client proposes.
    Propose(u8),
    /// The host asks for other voters.
    Change,
    /// A message arrives.
    Deliver(Letter),
    /// The oldest write becomes durable.
    Sync,
    /// The process dies with what is not durable, and starts again.
    Crash,
}

enum Work {
    Raft(Time, Input),
    Send(Envelope),
    Release,
}

fn random() -> Random {
    Seed::from_number(0).stream(Stream::Raft)
}

impl Machine {
    pub(crate) fn start(me: NodeId, bounds: &Bounds, past: Recovered) -> Machine {
        let config = Config {
            heartbeat_interval: Duration::ZERO,
            learner_beats: 5,
            election_timeout_min: Duration::from_nanos(1),
            election_timeout_max: Duration::from_nanos(1),
            election_handicap: Duration::ZERO,
            lease_drift_ppm: 0,
            entries_per_append_max: bounds.entries_per_append_max,
            bytes_per_append_max: 1024,
            appends_in_flight_max: 4,
            uncommitted_max: 64,
            uncommitted_bytes_max: 1 << 20,
            snapshot_bytes: 1 << 20,
        };
        let voters: BTreeSet<NodeId> = (1..).map(NodeId).take(bounds.voters).collect();
        let mut raft = Raft::recover(config, me, voters, past.clone(), random(), NOW);
        raft.forget_past(random());
        #[cfg(feature = "mutants")]
        if let Some(mutant) = bounds.mutant {
            raft.plant(mutant);
        }
        Machine {
            raft,
            gate: Gate::new(Lsn(0)),
            promised: Vec::new(),
            pending: VecDeque::new(),
            durable: Durable {
                boot: 1,
                raft: past,
            },
        }
    }

    /// What becomes of the machine. Of a crash only the durable is left, for another to start from.
    pub(crate) fn live(
        mut self,
        me: NodeId,
        bounds: &Bounds,
        happening: &Happening,
        effects: &mut Effects,
    ) -> Machine {
        let leader = self.raft.standing().leader;
        let work: Vec<Work> = match happening {
            Happening::Timeout => vec![Work::Raft(LATE, Input::Tick)],
            Happening::Heartbeat => vec![Work::Raft(NOW, Input::Tick)],
            Happening::Doubt => {
                let down = |node| Input::PeerDown { node, dead: false };
                leader
                    .map(|node| Work::Raft(NOW, down(node)))
                    .into_iter()
                    .collect()
            }
            Happening::Relink(node) => {
                let (node, dead) = (*node, false);
                vec![
                    Work::Raft(NOW, Input::PeerDown { node, dead }),
                    Work::Raft(NOW, Input::PeerUp { node }),
                ]
            }
            Happening::Change => {
                let data = vec![99].into();
                let change = bounds.change();
                vec![Work::Raft(NOW, Input::Change { change, data })]
            }
            Happening::Propose(number) => {
                let data = vec![*number].into();
                vec![Work::Raft(NOW, Input::Propose { data: vec![data] })]
            }
            Happening::Deliver(letter) => {
                let (from, message) = (letter.from, letter.message.clone());
                vec![Work::Raft(NOW, Input::Received { from, message })]
            }
            Happening::Sync => {
                if let Some((lsn, record)) = self.pending.pop_front() {
                    self.durable.apply(record);
                    self.gate.persisted(lsn);
                }
                vec![Work::Release]
            }
            Happening::Crash => Vec::new(),
        };
        self.cascade(me, work, effects);
        self.raft.forget_past(random());
        if self.pending.is_empty() && self.gate.is_empty() {
            // Only differences of record numbers matter, and none is left.
            self.gate = Gate::new(Lsn(0));
        }
        self
    }

    pub(crate) fn role(&self) -> Role {
        self.raft.standing().role
    }

    pub(crate) fn term(&self) -> Term {
        self.raft.standing().term
    }

    /// The log in memory.
    pub(crate) fn log(&self) -> impl DoubleEndedIterator<Item = &Entry> + Clone {
        let last = self.raft.last_index().0;
        (1..=last).filter_map(|i| self.raft.entry(quorate_core::id::LogIndex(i)))
    }

    /// Whether a vote is written and not durable.
    pub(crate) fn has_unsynced_vote(&self) -> bool {
        let is_vote = |(_, record): &(Lsn, Record)| match record {
            Record::Raft(raft::Record::HardState { vote, .. }) => vote.is_some(),
            Record::Raft(
                raft::Record::Append { .. }
                | raft::Record::Snapshot(_)
                | raft::Record::Kept { .. }
                | raft::Record::Rebuild { .. }
                | raft::Record::Rebuilt,
            )
            | Record::Boot { .. } => false,
        };
        self.pending.iter().any(is_vote)
    }

    /// Depth first, in order, as the node's own cascade.
    fn cascade(&mut self, me: NodeId, mut stack: Vec<Work>, effects: &mut Effects) {
        stack.reverse();
        while let Some(work) = stack.pop() {
            let mut next = Vec::new();
            match work {
                Work::Raft(now, input) => {
                    let mut out = Vec::new();
                    self.raft.step(now, input, &mut out);
                    for output in out {
                        self.on_output(me, output, &mut next, effects);
                    }
                }
                Work::Send(envelope) => effects.sent.push(envelope),
                Work::Release => {
                    while let Some((to, message)) = self.gate.release() {
                        self.promised
                            .retain(|held| (held.0, &held.1) != (to, &message));
                        next.push(match to == me {
                            true => Work::Raft(NOW, Input::Received { from: me, message }),
                            false => Work::Send(Envelope {
                                from: me,
                                to,
                                message,
                            }),
                        });
                    }
                }
            }
            stack.extend(next.into_iter().rev());
        }
    }

    fn on_output(
        &mut self,
        me: NodeId,
        output: Output,
        next: &mut Vec<Work>,
        effects: &mut Effects,
    ) {
        match output {
            Output::Send { to, message } => {
                next.push(Work::Send(Envelope {
                    from: me,
                    to,
                    message,
                }));
            }
            Output::Promise { to, message } => {
                let promise = (to, message);
                if to == me {
                    self.gate.hold(promise);
                } else if !self.promised.contains(&promise) {
                    self.promised.push(promise.clone());
                    self.gate.hold(promise);
                }
                next.push(Work::Release);
            }
            Output::Persist(record) => {
                let lsn = self.gate.write();
                self.pending.push_back((lsn, Record::Raft(record)));
            }
            Output::Committed(entry) => effects.committed.push(entry),
            Output::Rejected { .. }
            | Output::Transferred(_)
            | Output::ChangeRefused { .. }
            | Output::Readable { .. }
            | Output::ReadRefused { .. }
            | Output::Voters(_)
            | Output::VoteUnwanted { .. }
            | Output::SnapshotDue { .. }
            | Output::Assembled { .. }
            | Output::Changed(_)
            | Output::Note(_) => {}
        }
    }
}
