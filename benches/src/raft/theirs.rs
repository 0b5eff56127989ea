//! raft-rs 0.7, driven as its documentation says, with ticks of a millisecond.
//!
//! Appends are batched and messages take a megabyte, without which the comparison would be unfair
//! to it. It draws its election timeouts from the system: they are drawn from the seed instead,
//! at the same moments.

use std::time::Duration;

use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;
use raft::eraftpb::{ConfState, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};
use slog::{Discard, Logger, o};

use super::machine::{IN_FLIGHT, MESSAGE_BYTES, Machine, Mail, Node, Setup};

const TICK: Duration = Duration::from_millis(1);

/// One node.
pub struct Theirs {
    node: RawNode<MemStorage>,
    next_tick: Time,
    timeout: (Duration, Duration),
    random: Random,
    /// Its timeout is drawn anew when one of these changes.
    drawn_for: (u64, StateRole),
}

fn name(node: Node) -> u64 {
    node as u64 + 1
}

fn ticks(span: Duration) -> usize {
    usize::try_from(span.as_millis()).expect("a short span")
}

impl Theirs {
    fn draw_timeout(&mut self) {
        let (low, high) = self.timeout;
        let longest = high.saturating_sub(TICK);
        let drawn = ticks(self.random.span(low, longest));
        self.node.raft.set_randomized_election_timeout(drawn);
        self.drawn_for = (self.node.raft.term, self.node.raft.state);
    }

    fn settle(&mut self) {
        if self.drawn_for != (self.node.raft.term, self.node.raft.state) {
            self.draw_timeout();
        }
    }
}

impl Machine for Theirs {
    type Message = Message;

    const NAME: &'static str = "raft-rs 0.7";

    fn new(node: Node, setup: &Setup) -> Theirs {
        let (low, high) = setup.timeout;
        let config = Config {
            id: name(node),
            election_tick: ticks(low),
            min_election_tick: ticks(low),
            max_election_tick: ticks(high),
            heartbeat_tick: ticks(setup.heartbeat),
            max_size_per_msg: MESSAGE_BYTES as u64,
            max_inflight_msgs: IN_FLIGHT,
            batch_append: true,
            pre_vote: setup.is_guarded,
            check_quorum: setup.is_guarded,
            ..Config::default()
        };
        let voters: Vec<u64> = (0..setup.nodes).map(name).collect();
        let storage = MemStorage::new_with_conf_state(ConfState::from((voters, vec![])));
        let logger = Logger::root(Discard, o!());
        let raw = RawNode::new(&config, storage, &logger).expect("the configuration is valid");
        let mut random = Seed::from_number(setup.seed)
            .part(name(node))
            .stream(Stream::Raft);
        let mut theirs = Theirs {
            node: raw,
            // Processes do not start at the same moment.
            next_tick: Time::ZERO + random.span(Duration::ZERO, TICK),
            timeout: setup.timeout,
            random,
            drawn_for: (0, StateRole::Follower),
        };
        theirs.draw_timeout();
        theirs
    }

    fn due(&self) -> Option<Time> {
        Some(self.next_tick)
    }

    fn tick(&mut self, now: Time) {
        while self.next_tick <= now {
            self.next_tick = self.next_tick + TICK;
            self.node.tick();
            self.settle();
        }
    }

    fn receive(&mut self, _now: Time, _from: Node, message: Message) {
        self.node.step(message).expect("the message is well formed");
        self.settle();
    }

    fn peer_down(&mut self, _now: Time, peer: Node) {
        self.node.report_unreachable(name(peer));
    }

    fn propose(&mut self, _now: Time, data: &[u8]) {
        self.node
            .propose(Vec::new(), data.to_vec())
            .expect("the leader takes it");
    }

    /// Rounds of their contract: persist, send, apply.
    fn flush(&mut self, mail: &mut Mail<Message>) {
        let node = &mut self.node;
        let mut send = |messages: Vec<Message>| {
            let place = |to: u64| usize::try_from(to).expect("a small number") - 1;
            mail.extend(messages.into_iter().map(|it| (place(it.to), it)));
        };
        while node.has_ready() {
            let mut ready = node.ready();
            send(ready.take_messages());
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
            send(ready.take_persisted_messages());
            let mut light = node.advance(ready);
            send(light.take_messages());
            std::hint::black_box(light.take_committed_entries());
            node.advance_apply();
        }
        self.settle();
    }

    fn leads(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn term(&self) -> u64 {
        self.node.raft.term
    }

    fn commit(&self) -> u64 {
        self.node.raft.raft_log.committed
    }
}
