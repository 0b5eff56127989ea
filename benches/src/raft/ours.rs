//! Our machine, with a gate that opens at once.

use std::collections::VecDeque;
use std::time::Duration;

use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::raft::{Config, Input, Message, Output, Raft, Recovered, Role};
use quorate_core::seed::{Seed, Stream};
use quorate_core::time::Time;

use super::machine::{IN_FLIGHT, MESSAGE_BYTES, Machine, Mail, Node, Setup};

/// One node.
pub struct Ours {
    me: NodeId,
    raft: Raft,
    out: Vec<Output>,
    mail: Mail<Message>,
    /// Its promises to itself.
    own: VecDeque<Message>,
    /// Proposed since the last flush, and when.
    proposed: (Time, Vec<Payload>),
}

fn name(node: Node) -> NodeId {
    NodeId(node as u64 + 1)
}

fn place(node: NodeId) -> Node {
    usize::try_from(node.0).expect("a small number") - 1
}

fn config(setup: &Setup) -> Config {
    let (election_timeout_min, election_timeout_max) = setup.timeout;
    Config {
        heartbeat_interval: setup.heartbeat,
        learner_beats: 5,
        election_timeout_min,
        election_timeout_max,
        election_handicap: Duration::ZERO,
        lease_drift_ppm: 0,
        entries_per_append_max: 4096,
        bytes_per_append_max: MESSAGE_BYTES,
        appends_in_flight_max: IN_FLIGHT,
        uncommitted_max: 1 << 20,
        uncommitted_bytes_max: 1 << 30,
        snapshot_bytes: 1 << 30,
    }
}

impl Ours {
    fn step(&mut self, now: Time, input: Input) {
        self.raft.step(now, input, &mut self.out);
        self.sort_out();
        while let Some(message) = self.own.pop_front() {
            let from = self.me;
            let input = Input::Received { from, message };
            self.raft.step(now, input, &mut self.out);
            self.sort_out();
        }
    }

    fn sort_out(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Send { to, message } | Output::Promise { to, message } => {
                    match to == self.me {
                        true => self.own.push_back(message),
                        false => self.mail.push((place(to), message)),
                    }
                }
                Output::Persist(record) => drop(std::hint::black_box(record)),
                Output::Committed(entry) => drop(std::hint::black_box(entry)),
                // A leader takes no proposals before it has committed something of its term. Nobody
                // reads, changes the voters or hands over here.
                Output::Rejected { .. }
                | Output::Readable { .. }
                | Output::ReadRefused { .. }
                | Output::ChangeRefused { .. }
                | Output::Voters(_)
                | Output::VoteUnwanted { .. }
                | Output::SnapshotDue { .. }
                | Output::Assembled { .. }
                | Output::Transferred(_)
                | Output::Changed(_)
                | Output::Note(_) => {}
            }
        }
    }
}

impl Machine for Ours {
    type Message = Message;

    const NAME: &'static str = "quorate";

    fn new(node: Node, setup: &Setup) -> Ours {
        let me = name(node);
        let random = Seed::from_number(setup.seed)
            .part(me.0)
            .stream(Stream::Raft);
        let voters = (0..setup.nodes).map(name).collect();
        let past = Recovered::default();
        let mut ours = Ours {
            me,
            raft: Raft::recover(config(setup), me, voters, past, random, Time::ZERO),
            out: Vec::new(),
            mail: Vec::new(),
            own: VecDeque::new(),
            proposed: (Time::ZERO, Vec::new()),
        };
        for node in (0..setup.nodes).map(name) {
            ours.step(Time::ZERO, Input::PeerUp { node });
        }
        ours
    }

    fn due(&self) -> Option<Time> {
        self.raft.deadline().map(|due| due.at)
    }

    fn tick(&mut self, now: Time) {
        self.step(now, Input::Tick);
    }

    fn receive(&mut self, now: Time, from: Node, message: Message) {
        let from = name(from);
        self.step(now, Input::Received { from, message });
    }

    fn peer_down(&mut self, now: Time, peer: Node) {
        let (node, dead) = (name(peer), false);
        self.step(now, Input::PeerDown { node, dead });
    }

    fn propose(&mut self, now: Time, data: &[u8]) {
        self.proposed.0 = now;
        self.proposed.1.push(Payload::copy_from(data));
    }

    /// As a node does it: what is proposed at one moment reaches the log together.
    fn flush(&mut self, mail: &mut Mail<Message>) {
        let (now, proposed) = &mut self.proposed;
        if !proposed.is_empty() {
            let (now, data) = (*now, std::mem::take(proposed));
            self.step(now, Input::Propose { data });
        }
        mail.append(&mut self.mail);
    }

    fn leads(&self) -> bool {
        self.raft.standing().role == Role::Leader
    }

    fn term(&self) -> u64 {
        self.raft.standing().term.0
    }

    fn commit(&self) -> u64 {
        self.raft.commit().0
    }
}
