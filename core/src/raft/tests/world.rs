//! A small world for several machines: a network with cuts, loss, duplicates and delays, and disks
//! with a gate. It checks the safety properties of Raft (thesis Fig. 3.2) at every step.

mod story;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::super::*;
use super::words::{MS, config, fold, n};
use crate::seed::{Seed, Stream};
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    /// Every record is durable after this long at most.
    Within(Duration),
    /// Nothing becomes durable.
    Hung,
}

pub(super) struct Slot {
    pub(super) raft: Option<Raft>,
    pub(super) disk: Disk,
    pub(super) records: Vec<Record>,
    pub(super) durable: usize,
    pub(super) committed: Vec<Entry>,
    pub(super) notices: Vec<Notice>,
    pub(super) rejected: usize,
    pub(super) reads: Vec<Result<(Ticket, LogIndex), Ticket>>,
    pub(super) changes_refused: Vec<ChangeRefused>,
    pub(super) transfers: Vec<Result<NodeId, TransferRefused>>,
    /// The tokens under which its vote was to be taken.
    pub(super) unwanted: Vec<u64>,
    held: Vec<(usize, NodeId, Message)>,
    boot: u64,
}

enum Event {
    Deliver {
        from: NodeId,
        to: NodeId,
        boot: Option<u64>,
        message: Message,
    },
    Synced {
        node: NodeId,
        boot: u64,
        upto: usize,
    },
}

pub(super) struct World {
    pub(super) now: Time,
    config: Config,
    pub(super) nodes: BTreeMap<NodeId, Slot>,
    pub(super) cuts: BTreeSet<(NodeId, NodeId)>,
    pub(super) latency: (Duration, Duration),
    pub(super) loss: u16,
    pub(super) duplication: u16,
    /// Messages given to the network.
    pub(super) sent: u64,
    pub(super) entries_sent: u64,
    pub(super) random: Random,
    seed: Seed,
    voters: BTreeSet<NodeId>,
    queue: BTreeMap<(Time, u64), Event>,
    posted: u64,
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, Term), NodeId>,
    ledger: Vec<Entry>,
}

impl World {
    pub(super) fn new(voters: u64, learners: u64, seed: u64) -> World {
        let logs = (1..=voters + learners).map(|_| (Recovered::default(), Time::ZERO));
        World::recovered(voters, logs.collect(), seed)
    }

    /// New nodes that send so many entries in one message.
    pub(super) fn with_batches(voters: u64, learners: u64, seed: u64, entries: usize) -> World {
        let mut world = World::new(voters, learners, seed);
        world.config.entries_per_append_max = entries;
        for node in world.names() {
            world.start(node, Time::ZERO);
        }
        world
    }

    /// New nodes that write their state down after so many bytes of entries.
    pub(super) fn with_snapshots(voters: u64, learners: u64, seed: u64, bytes: usize) -> World {
        let mut world = World::new(voters, learners, seed);
        world.config.snapshot_bytes = bytes;
        for node in world.names() {
            world.start(node, Time::ZERO);
        }
        world
    }

    /// Three new voters, of which one waits longer than the others.
    pub(super) fn with_handicap(node: NodeId, handicap: Duration, seed: u64) -> World {
        let mut world = World::new(3, 0, seed);
        world.config.election_handicap = handicap;
        world.start(node, Time::ZERO);
        world.config.election_handicap = Duration::ZERO;
        world
    }

    /// Nodes with a past; each begins to wait for a leader at its own time.
    pub(super) fn recovered(voters: u64, pasts: Vec<(Recovered, Time)>, seed: u64) -> World {
        let seed = Seed::from_number(seed);
        let mut world = World {
            now: Time::ZERO,
            config: config(),
            nodes: BTreeMap::new(),
            cuts: BTreeSet::new(),
            latency: (MS, MS),
            loss: 0,
            duplication: 0,
            sent: 0,
            entries_sent: 0,
            random: seed.stream(Stream::Plan),
            seed,
            voters: (1..=voters).map(n).collect(),
            queue: BTreeMap::new(),
            posted: 0,
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            ledger: Vec::new(),
        };
        for (node, (past, at)) in (1..).map(n).zip(pasts) {
            let mut records = Vec::from([Record::HardState {
                term: past.term,
                vote: past.vote,
            }]);
            if !past.log.is_empty() {
                records.push(Record::Append {
                    entries: past.log.clone(),
                });
            }
            world.nodes.insert(
                node,
                Slot {
                    raft: None,
                    disk: Disk::Within(Duration::ZERO),
                    durable: records.len(),
                    records,
                    committed: Vec::new(),
                    notices: Vec::new(),
                    rejected: 0,
                    reads: Vec::new(),
                    changes_refused: Vec::new(),
                    transfers: Vec::new(),
                    unwanted: Vec::new(),
                    held: Vec::new(),
                    boot: 0,
                },
            );
            world.start(node, at);
        }
        world
    }

    pub(super) fn raft(&self, node: NodeId) -> &Raft {
        self.nodes[&node].raft.as_ref().unwrap()
    }

    pub(super) fn names(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub(super) fn is_up(&self, node: NodeId) -> bool {
        self.nodes[&node].raft.is_some()
    }

    fn slot(&mut self, node: NodeId) -> &mut Slot {
        self.nodes.get_mut(&node).unwrap()
    }

    fn start(&mut self, node: NodeId, at: Time) {
        let (voters, seed) = (self.voters.clone(), self.seed.clone());
        let config = self.config.clone();
        let recovered = fold(&self.nodes[&node].records);
        let committed = self.ledger[..usize::try_from(recovered.base().0).unwrap()].to_vec();
        let slot = self.slot(node);
        slot.boot += 1;
        slot.committed = committed;
        let random = seed.part(node.0 * 1000 + slot.boot).stream(Stream::Raft);
        let raft = Raft::recover(config, node, voters, recovered, random, at);
        slot.raft = Some(raft);
    }

    /// Kills a node; of what was not durable, the first `kept` records survive.
    pub(super) fn crash(&mut self, node: NodeId, kept: usize) {
        let slot = self.slot(node);
        slot.raft = None;
        slot.held.clear();
        slot.records
            .truncate(slot.durable.saturating_add(kept).min(slot.records.len()));
        slot.durable = slot.records.len();
    }

    /// A node that is down loses its disk, and is to be rebuilt.
    pub(super) fn lose_disk(&mut self, node: NodeId, token: u64) {
        let slot = self.slot(node);
        assert!(slot.raft.is_none());
        slot.records = Vec::from([Record::Rebuild { token }]);
        slot.durable = 1;
    }

    pub(super) fn restart(&mut self, node: NodeId) {
        let now = self.now;
        self.start(node, now);
        let peers = self.names();
        for peer in peers {
            if peer != node && self.is_up(peer) {
                self.step(node, Input::PeerUp { node: peer });
                self.step(peer, Input::PeerUp { node });
            }
        }
    }

    pub(super) fn connect_all(&mut self) {
        for a in self.names() {
            for b in self.names() {
                if a != b {
                    self.step(a, Input::PeerUp { node: b });
                }
            }
        }
    }

    pub(super) fn cut(&mut self, from: u64, to: u64) {
        self.cuts.insert((n(from), n(to)));
    }

    /// Cuts both ways between each pair.
    pub(super) fn split(&mut self, pairs: &[(u64, u64)]) {
        for (a, b) in pairs {
            self.cut(*a, *b);
            self.cut(*b, *a);
        }
    }

    pub(super) fn isolate(&mut self, node: NodeId) {
        for other in self.names() {
            self.cuts.insert((node, other));
            self.cuts.insert((other, node));
        }
    }

    pub(super) fn step(&mut self, node: NodeId, input: Input) {
        let now = self.now;
        let mut out = Vec::new();
        let Some(raft) = self.slot(node).raft.as_mut() else {
            return;
        };
        let (commit, term) = (raft.commit(), raft.standing().term);
        let is_tick = input == Input::Tick;
        raft.step(now, input, &mut out);
        assert!(raft.commit() >= commit && raft.commit() <= raft.last_index());
        assert!(raft.standing().term >= term);
        let (role, is_voter) = (raft.standing().role, raft.voters().contains(node));
        let is_voter = is_voter && !raft.is_rebuilding();
        assert!(!is_voter || role != Role::Learner, "a voter may campaign");
        let due = raft.deadline();
        assert!(
            !is_tick || due.is_none_or(|due| due.at > now),
            "a timer storm"
        );
        for output in out {
            self.absorb(node, output);
        }
    }

    fn absorb(&mut self, node: NodeId, output: Output) {
        match output {
            Output::Send { to, message } => self.post(node, to, message),
            Output::Promise { to, message } => {
                let slot = self.slot(node);
                if slot.durable == slot.records.len() {
                    self.release(node, to, message);
                } else {
                    slot.held.push((slot.records.len(), to, message));
                }
            }
            Output::Persist(record) => self.persist(node, record),
            Output::Committed(entry) => self.on_committed(node, entry),
            Output::SnapshotDue { index } => {
                assert_eq!(self.nodes[&node].committed.len() as u64, index.0);
                let state = self.state_at(index);
                self.step(node, Input::Compact { index, state });
            }
            Output::Assembled {
                from,
                round,
                snapshot,
            } => {
                let index = snapshot.meta().index;
                assert_eq!(*snapshot.state(), self.state_at(index));
                let applied = self.ledger[..usize::try_from(index.0).unwrap()].to_vec();
                self.slot(node).committed = applied;
                self.step(
                    node,
                    Input::Install {
                        from,
                        round,
                        snapshot,
                    },
                );
            }
            Output::Rejected { .. } => self.slot(node).rejected += 1,
            Output::ChangeRefused { data: _, why } => self.slot(node).changes_refused.push(why),
            Output::Voters(_) => {}
            Output::VoteUnwanted { token } => self.slot(node).unwanted.push(token),
            Output::Readable { ticket, index } => self.slot(node).reads.push(Ok((ticket, index))),
            Output::ReadRefused { ticket, why: _ } => self.slot(node).reads.push(Err(ticket)),
            Output::Transferred(outcome) => self.slot(node).transfers.push(outcome),
            Output::Changed(standing) => self.on_changed(node, standing),
            Output::Note(notice) => self.slot(node).notices.push(notice),
        }
    }

    /// What stands for the log up to `index`: every entry of it in short.
    pub(super) fn state_at(&self, index: LogIndex) -> Payload {
        let applied = &self.ledger[..usize::try_from(index.0).unwrap()];
        let short = |entry: &Entry| [entry.index.0, entry.term.0].map(u64::to_le_bytes);
        let words: Vec<[u8; 8]> = applied.iter().flat_map(short).collect();
        Payload::from(words.concat())
    }

    fn persist(&mut self, node: NodeId, record: Record) {
        let now = self.now;
        self.slot(node).records.push(record);
        let (upto, boot) = (self.slot(node).records.len(), self.slot(node).boot);
        let is_next = self.slot(node).durable + 1 == upto;
        match self.slot(node).disk {
            Disk::Hung => {}
            Disk::Within(Duration::ZERO) if is_next => {
                self.slot(node).durable = upto;
            }
            Disk::Within(span) => {
                let at = now + self.random.span(Duration::ZERO, span);
                self.enqueue(at, Event::Synced { node, boot, upto });
            }
        }
    }

    /// Everything written so far becomes durable.
    pub(super) fn sync(&mut self, node: NodeId) {
        let upto = self.slot(node).records.len();
        self.on_synced(node, upto);
    }

    fn on_synced(&mut self, node: NodeId, upto: usize) {
        let slot = self.slot(node);
        slot.durable = slot.durable.max(upto);
        let durable = slot.durable;
        let (open, held) = core::mem::take(&mut slot.held)
            .into_iter()
            .partition(|(needs, _, _)| *needs <= durable);
        slot.held = held;
        let open: Vec<(usize, NodeId, Message)> = open;
        for (_, to, message) in open {
            self.release(node, to, message);
        }
    }

    fn release(&mut self, node: NodeId, to: NodeId, message: Message) {
        if let Message::VoteReply(VoteReply {
            term,
            granted: true,
        }) = &message
        {
            let before = self.votes.insert((node, *term), to);
            assert!(
                before.is_none_or(|b| b == to),
                "{node} votes twice in {term}"
            );
        }
        if to == node {
            let boot = Some(self.slot(node).boot);
            let from = node;
            let (at, event) = (
                self.now,
                Event::Deliver {
                    from,
                    to,
                    boot,
                    message,
                },
            );
            self.enqueue(at, event);
        } else {
            self.post(node, to, message);
        }
    }

    fn post(&mut self, from: NodeId, to: NodeId, message: Message) {
        assert_ne!(from, to, "only a promise goes to oneself");
        self.sent += 1;
        if let Message::Append(append) = &message {
            self.entries_sent += append.entries.len() as u64;
        }
        if self.cuts.contains(&(from, to)) {
            return;
        }
        let copies = 1 + u32::from(self.random.chance(self.duplication));
        for _ in 0..copies {
            if !self.random.chance(self.loss) {
                let (low, high) = self.latency;
                let at = self.now + self.random.span(low, high);
                let message = message.clone();
                self.enqueue(
                    at,
                    Event::Deliver {
                        from,
                        to,
                        boot: None,
                        message,
                    },
                );
            }
        }
    }

    fn enqueue(&mut self, at: Time, event: Event) {
        self.posted += 1;
        self.queue.insert((at, self.posted), event);
    }

    fn on_committed(&mut self, node: NodeId, entry: Entry) {
        let slot = self.slot(node);
        slot.committed.push(entry.clone());
        let at = slot.committed.len();
        assert_eq!(entry.index.0, at as u64, "{node} commits out of order");
        match self.ledger.get(at - 1) {
            Some(known) => assert_eq!(*known, entry, "{node} commits something else"),
            None => self.ledger.push(entry),
        }
    }

    fn on_changed(&mut self, node: NodeId, standing: Standing) {
        if standing.role != Role::Leader {
            return;
        }
        let other = self.leaders.insert(standing.term, node);
        assert_eq!(other, None, "two leaderships in term {}", standing.term);
        for entry in &self.ledger {
            let raft = self.raft(node);
            if entry.index <= raft.base() {
                continue;
            }
            let held = raft.entry(entry.index);
            assert_eq!(held, Some(entry), "leader {node} lacks a committed entry");
        }
    }
}
