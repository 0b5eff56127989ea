//! The control plane: the replicated state, and the proposals on their way to it.
//!
//! Each node keeps a book of the proposals it waits for: its own, answered under their tickets, and
//! on the leader those that others forwarded. An own proposal is handed to the leader, again and
//! again until it is answered: by the leader's `Answer`, or by this node applying the entry itself.
//! The dedup table in the state makes the repetitions harmless, so a change of leader neither loses
//! nor doubles a command.
//!
//! * I1: every proposal is answered exactly once: applied, or `Unknown` after its timeout.
//! * I2: an answer tells what the log says, never that something was merely appended.
//!
//! Deliberately absent: reads through the log.

mod applying;
mod command;
mod lanes;
mod message;
mod orders;
mod piece;
mod state;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

pub use command::{Command, Effect, Envelope, KEY_MAX, Outcome, Refused, VALUE_MAX};
pub use message::{Answer, Forward, Message};
pub use piece::Piece;
use serde::{Deserialize, Serialize};
pub use state::{
    Applied, CLIENTS_MAX, REGISTERS_MAX, REMOVED_MAX, ROLES_MAX, Register, Remembered, RoleState,
    State,
};

use crate::id::{ClientId, LogIndex, NodeId, RequestId, RoleName, Ticket};
use crate::level::Level;
use crate::mutant::{Mutant, Planted};
use crate::seed::Random;
use crate::time::{Deadline, Time, Timer, Timers, Wake};
use lanes::Lanes;

/// Forwarded proposals a leader works on at a time; beyond that it stays silent and is asked again.
const FORWARDED_MAX: usize = 16 * 1024;

/// The knobs of proposals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A proposal without an answer is handed to the leader again after this long.
    pub forward_interval: Duration,
    /// A proposal without an answer after this long is answered with "unknown"; it may still take
    /// effect.
    pub proposal_timeout: Duration,
    /// Proposals of this node that may wait at a time.
    pub proposals_max: usize,
}

/// What the control plane is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// This node wants a command in the log.
    Propose {
        /// Under which the answer goes out.
        ticket: Ticket,
        /// The client and request of a host that retries by itself; otherwise this machine numbers
        /// it.
        request: Option<(ClientId, RequestId)>,
        /// The command.
        command: Command,
    },
    /// The leader wants this in the log for the cluster's own sake. Nobody is answered, and with
    /// the leader's office it is forgotten.
    Order(Command),
    /// A message of another node.
    Received {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: Message,
    },
    /// Who leads, as far as is known.
    Leader(Option<NodeId>),
    /// Raft could not append this now; whoever proposed it asks again.
    NotAppended(Envelope),
    /// Raft judged this and will not append it.
    Refused {
        /// What was proposed.
        envelope: Envelope,
        /// Why not.
        refused: Refused,
    },
    /// A snapshot of the leader takes the place of the state.
    Restored(State),
    /// The next entry is committed; `None` for one without a command.
    Committed {
        /// Its place.
        index: LogIndex,
        /// The command.
        envelope: Option<Envelope>,
    },
}

/// What the control plane wants done, and the facts it has established.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Append to the log; this node believes to lead. May come to nothing.
    Append(Envelope),
    /// Send to a node; may be lost.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Answer a proposal of this node.
    Reply {
        /// Its ticket.
        ticket: Ticket,
        /// How it ended.
        ending: Ending,
    },
    /// A role changed hands.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new state.
        state: RoleState,
    },
    /// Other nodes than before are turned out.
    RemovedChanged,
    /// This feature level is in force from here on.
    LevelRaised(Level),
}

/// How a proposal ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It stands in the log.
    Applied {
        /// Where.
        index: LogIndex,
        /// What it did.
        outcome: Outcome,
    },
    /// No answer in time; it may still take effect.
    Unknown,
    /// Too many proposals wait, here or at the leader; it has no effect.
    Busy,
}

/// A request as the dedup table names it.
type Key = (ClientId, RequestId);

/// Counters; plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Proposals of this node.
    pub proposed: u64,
    /// Times a proposal was handed to a leader.
    pub handed_over: u64,
    /// Proposals answered with "unknown".
    pub unknown: u64,
    /// Commands applied.
    pub applied: u64,
    /// Commands refused by the state, stale epochs among them.
    pub refused: u64,
}

/// A proposal of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    /// Whom to answer; nobody, if it is an order.
    tickets: Vec<Ticket>,
    envelope: Envelope,
    /// Times it was handed to a leader.
    tries: u64,
}

impl Waiting {
    fn is_order(&self) -> bool {
        self.tickets.is_empty()
    }
}

/// The control machine of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    config: Config,
    me: NodeId,
    leader: Option<NodeId>,
    state: State,
    lanes: Lanes,
    waiting: BTreeMap<Key, Waiting>,
    give_up: Timers<Key>,
    hand_over: Timer,
    /// What this leader has appended and not yet applied, and whom to answer.
    forwarded: BTreeMap<Key, NodeId>,
    stats: Stats,
    planted: Planted,
}

impl Control {
    /// A machine with the state of a snapshot, or with an empty one: the log behind it fills it.
    /// `random` separates this life's proposals from all others'.
    #[must_use]
    pub fn new(config: Config, me: NodeId, state: State, mut random: Random) -> Control {
        Control {
            config,
            me,
            leader: None,
            state,
            lanes: Lanes::new(random.word()),
            waiting: BTreeMap::new(),
            give_up: Timers::default(),
            hand_over: Timer::stopped(),
            forwarded: BTreeMap::new(),
            stats: Stats::default(),
            planted: Planted::default(),
        }
    }

    /// Plants a bug here and in the state.
    #[cfg(feature = "mutants")]
    pub(crate) fn plant(&mut self, planted: Planted) {
        self.planted = planted;
        self.state.planted = planted;
    }

    /// The one verb.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Tick => self.on_tick(now, out),
            Input::Propose {
                ticket,
                request,
                command,
            } => {
                self.on_propose(now, ticket, request, command, out);
            }
            Input::Order(command) => self.on_order(now, command, out),
            Input::Received {
                from,
                message: Message::Forward(forward),
            } => {
                self.on_forward(from, forward, out);
            }
            Input::Received {
                from: _,
                message: Message::Answer(answer),
            } => {
                let key = (answer.client, answer.request);
                self.on_told(key, answer.index, answer.outcome, out);
            }
            Input::NotAppended(envelope) => {
                self.forwarded.remove(&(envelope.client, envelope.request));
            }
            Input::Refused { envelope, refused } => self.on_refused(&envelope, refused, out),
            Input::Leader(leader) => self.on_leader(now, leader, out),
            Input::Restored(state) => self.on_restored(state, out),
            Input::Committed {
                index,
                envelope: None,
            } => self.state.skip(index),
            Input::Committed {
                index,
                envelope: Some(envelope),
            } => {
                self.on_committed(index, &envelope, out);
            }
        }
    }

    /// When to be stepped next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        Deadline::earliest(
            self.give_up.deadline(Wake::Proposal),
            self.hand_over.deadline(Wake::Proposal),
        )
    }

    /// The replicated state, as far as this node has applied the log.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(key) = self.give_up.fire(now) {
            self.stats.unknown += 1;
            self.end(key, &Ending::Unknown, out);
        }
        if self.hand_over.fire(now) {
            self.hand_over_all(now, out);
        }
    }

    fn on_propose(
        &mut self,
        now: Time,
        ticket: Ticket,
        request: Option<Key>,
        command: Command,
        out: &mut Vec<Output>,
    ) {
        self.stats.proposed += 1;
        if let Some((index, outcome)) = request.and_then(|key| self.remembered(key)) {
            let ending = Ending::Applied { index, outcome };
            return out.push(Output::Reply { ticket, ending });
        }
        let repeated = request.and_then(|key| self.waiting.get_mut(&key));
        if let Some(waiting) = repeated {
            if waiting.tickets.len() < self.config.proposals_max {
                waiting.tickets.push(ticket);
            } else {
                out.push(Output::Reply {
                    ticket,
                    ending: Ending::Busy,
                });
            }
            return;
        }
        self.propose(now, alloc::vec![ticket], request, command, out);
    }

    /// Enters a proposal into the book and hands it over.
    fn propose(
        &mut self,
        now: Time,
        tickets: Vec<Ticket>,
        request: Option<Key>,
        command: Command,
        out: &mut Vec<Output>,
    ) {
        let room = self.waiting.len() < self.config.proposals_max;
        let key = if room {
            request.or_else(|| self.lanes.take())
        } else {
            None
        };
        let Some(key) = key else {
            let busy = |ticket| Output::Reply {
                ticket,
                ending: Ending::Busy,
            };
            return out.extend(tickets.into_iter().map(busy));
        };
        self.give_up.set(key, now + self.config.proposal_timeout);
        if !self.hand_over.is_set() {
            self.hand_over.set(now + self.config.forward_interval);
        }
        let envelope = Envelope {
            client: key.0,
            request: key.1,
            command,
        };
        let waiting = Waiting {
            tickets,
            envelope: envelope.clone(),
            tries: u64::from(self.leader.is_some()),
        };
        self.waiting.insert(key, waiting);
        self.hand_over_one(&envelope, out);
    }

    /// Only a leader appends; whoever asked the wrong node asks again.
    fn on_forward(&mut self, from: NodeId, forward: Forward, out: &mut Vec<Output>) {
        if self.leader != Some(self.me) {
            return;
        }
        let key = (forward.envelope.client, forward.envelope.request);
        if let Some((index, outcome)) = self.remembered(key) {
            self.forwarded.insert(key, from);
            return self.answer(key, index, outcome, out);
        }
        let room = self.forwarded.len() < FORWARDED_MAX;
        // A repetition while the first is still in flight must not be appended again.
        if room && self.forwarded.insert(key, from).is_none() {
            if self.planted.is(Mutant::AnswersWhenAppended) {
                out.push(self.premature_answer(from, key));
            }
            out.push(Output::Append(forward.envelope));
        }
    }

    /// What is done already need not be appended again, and a change of the voters must not be: it
    /// would take effect before the dedup table is asked.
    fn remembered(&self, (client, request): Key) -> Option<(LogIndex, Outcome)> {
        if self.planted.is(Mutant::NoDedup) {
            return None;
        }
        let (index, outcome) = self.state.remembered(client, request)?;
        Some((index, outcome.clone()))
    }

    /// What the mutant `answers-when-appended` hopes for.
    fn premature_answer(&self, to: NodeId, (client, request): Key) -> Output {
        let index = self.state.applied().next();
        let outcome = Ok(Effect::Written { version: 1 });
        let answer = Answer {
            client,
            request,
            index,
            outcome,
        };
        let message = Message::Answer(answer);
        Output::Send { to, message }
    }

    fn on_leader(&mut self, now: Time, leader: Option<NodeId>, out: &mut Vec<Output>) {
        if self.leader == leader {
            return;
        }
        self.leader = leader;
        self.forwarded.clear();
        self.forget_orders(leader, out);
        if leader.is_some() {
            self.hand_over_all(now, out);
        }
    }

    fn end(&mut self, key: Key, ending: &Ending, out: &mut Vec<Output>) {
        let Some(waiting) = self.waiting.remove(&key) else {
            return;
        };
        self.give_up.stop(&key);
        self.lanes.give_back(key.0);
        if *ending == Ending::Unknown && self.planted.is(Mutant::GivesUpSilently) {
            return;
        }
        let times = if self.planted.is(Mutant::AnswersTwice) {
            2
        } else {
            1
        };
        let tickets = waiting.tickets.into_iter();
        for ticket in tickets.flat_map(|ticket| core::iter::repeat_n(ticket, times)) {
            out.push(Output::Reply {
                ticket,
                ending: ending.clone(),
            });
        }
        if self.waiting.is_empty() {
            self.hand_over.stop();
        }
    }

    /// Repeats every unanswered proposal to the leader. A leader does not repeat to itself what it
    /// has appended: its entries commit, or it stops leading and the next leader is asked.
    fn hand_over_all(&mut self, now: Time, out: &mut Vec<Output>) {
        let mut book = core::mem::take(&mut self.waiting);
        for waiting in book.values_mut() {
            waiting.tries += u64::from(self.leader.is_some());
            self.hand_over_one(&waiting.envelope, out);
        }
        self.waiting = book;
        if !self.waiting.is_empty() {
            self.hand_over.set(now + self.config.forward_interval);
        }
    }

    fn hand_over_one(&mut self, envelope: &Envelope, out: &mut Vec<Output>) {
        let Some(leader) = self.leader else { return };
        self.stats.handed_over += 1;
        if leader != self.me {
            let message = Message::Forward(Forward {
                envelope: envelope.clone(),
            });
            out.push(Output::Send {
                to: leader,
                message,
            });
            return;
        }
        let key = (envelope.client, envelope.request);
        if self.forwarded.insert(key, self.me).is_none() {
            out.push(Output::Append(envelope.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, Peer};
    use crate::seed::{Seed, Stream};

    pub(super) const ME: NodeId = NodeId(1);
    pub(super) const OTHER: NodeId = NodeId(2);

    pub(super) fn control() -> Control {
        let config = Config {
            forward_interval: Duration::from_millis(100),
            proposal_timeout: Duration::from_secs(1),
            proposals_max: 2,
        };
        let random = Seed::from_number(1).stream(Stream::Control);
        Control::new(config, ME, State::default(), random)
    }

    pub(super) fn step(control: &mut Control, millis: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        control.step(Time::from_millis(millis), input, &mut out);
        out
    }

    fn envelope(request: u64) -> Envelope {
        let (client, request) = (ClientId(9), RequestId(request));
        Envelope {
            client,
            request,
            command: Command::Barrier,
        }
    }

    fn propose(ticket: u64, request: u64) -> Input {
        let Envelope {
            client,
            request,
            command,
        } = envelope(request);
        Input::Propose {
            ticket: Ticket(ticket),
            request: Some((client, request)),
            command,
        }
    }

    fn forward_to(to: NodeId, request: u64) -> Output {
        let message = Message::Forward(Forward {
            envelope: envelope(request),
        });
        Output::Send { to, message }
    }

    fn committed(index: u64, request: u64) -> Input {
        Input::Committed {
            index: LogIndex(index),
            envelope: Some(envelope(request)),
        }
    }

    fn reply(ticket: u64, ending: Ending) -> Output {
        Output::Reply {
            ticket: Ticket(ticket),
            ending,
        }
    }

    fn passed(index: u64) -> Ending {
        Ending::Applied {
            index: LogIndex(index),
            outcome: Ok(Effect::Passed),
        }
    }

    #[test]
    fn a_proposal_waits_for_a_leader_and_follows_it() {
        let mut control = control();
        assert_eq!(step(&mut control, 0, propose(1, 1)), []);
        let third = NodeId(3);
        assert_eq!(
            step(&mut control, 5, Input::Leader(Some(OTHER))),
            [forward_to(OTHER, 1)]
        );
        assert_eq!(step(&mut control, 6, Input::Leader(None)), []);
        assert_eq!(
            step(&mut control, 7, Input::Leader(Some(third))),
            [forward_to(third, 1)]
        );
        assert_eq!(
            step(&mut control, 107, Input::Tick),
            [forward_to(third, 1)],
            "until answered"
        );
        let out = step(&mut control, 110, committed(4, 1));
        assert_eq!(out, [reply(1, passed(4))], "answered by the log itself");
        assert_eq!(control.deadline(), None);
    }

    #[test]
    fn the_leader_appends_a_repeated_forward_once_and_answers_it() {
        let mut control = control();
        step(&mut control, 0, Input::Leader(Some(ME)));
        let forward = |request| Input::Received {
            from: OTHER,
            message: Message::Forward(Forward {
                envelope: envelope(request),
            }),
        };
        assert_eq!(
            step(&mut control, 1, forward(1)),
            [Output::Append(envelope(1))]
        );
        assert_eq!(step(&mut control, 2, forward(1)), []);
        let answer = Answer {
            client: ClientId(9),
            request: RequestId(1),
            index: LogIndex(3),
            outcome: Ok(Effect::Passed),
        };
        let message = Message::Answer(answer);
        let answered = [Output::Send { to: OTHER, message }];
        assert_eq!(step(&mut control, 3, committed(3, 1)), answered);
        let again = step(&mut control, 4, forward(1));
        assert_eq!(again, answered, "what is done is not appended again");
        step(&mut control, 4, forward(2));
        assert_eq!(step(&mut control, 5, Input::NotAppended(envelope(2))), []);
        assert_eq!(
            step(&mut control, 6, forward(2)),
            [Output::Append(envelope(2))],
            "asked again"
        );
    }

    #[test]
    fn a_follower_does_not_append_what_is_forwarded_to_it() {
        let mut control = control();
        step(&mut control, 0, Input::Leader(Some(OTHER)));
        let message = Message::Forward(Forward {
            envelope: envelope(1),
        });
        assert_eq!(
            step(
                &mut control,
                1,
                Input::Received {
                    from: NodeId(3),
                    message
                }
            ),
            []
        );
    }

    #[test]
    fn silence_ends_as_unknown_and_crowds_are_refused() {
        let mut control = control();
        step(&mut control, 0, propose(1, 1));
        step(&mut control, 0, propose(2, 2));
        assert_eq!(
            step(&mut control, 1, propose(3, 3)),
            [reply(3, Ending::Busy)]
        );
        assert_eq!(
            step(&mut control, 2, propose(4, 2)),
            [],
            "a repetition joins the first"
        );
        let out = step(&mut control, 1000, Input::Tick);
        let unknown = |ticket| reply(ticket, Ending::Unknown);
        assert_eq!(out, [unknown(1), unknown(2), unknown(4)]);
        assert_eq!(
            step(&mut control, 1001, committed(1, 1)),
            [],
            "answered exactly once"
        );
    }

    #[test]
    fn what_a_full_leader_turns_away_is_busy_unless_another_may_have_taken_it() {
        let refused = Refused::Backlog;
        let full = |request| Input::Refused {
            envelope: envelope(request),
            refused: refused.clone(),
        };
        let told = |request| {
            let answer = Answer {
                client: ClientId(9),
                request: RequestId(request),
                index: LogIndex(0),
                outcome: Err(refused.clone()),
            };
            Message::Answer(answer)
        };
        let mut leader = control();
        step(&mut leader, 0, Input::Leader(Some(ME)));
        step(&mut leader, 1, propose(1, 1));
        assert_eq!(step(&mut leader, 1, full(1)), [reply(1, Ending::Busy)]);
        let forward = Message::Forward(Forward {
            envelope: envelope(2),
        });
        let (from, message) = (OTHER, forward);
        step(&mut leader, 2, Input::Received { from, message });
        let (to, message) = (OTHER, told(2));
        assert_eq!(
            step(&mut leader, 2, full(2)),
            [Output::Send { to, message }]
        );

        let mut follower = control();
        step(&mut follower, 0, Input::Leader(Some(OTHER)));
        step(&mut follower, 1, propose(1, 1));
        step(&mut follower, 1, propose(2, 2));
        let (from, message) = (OTHER, told(1));
        let out = step(&mut follower, 2, Input::Received { from, message });
        assert_eq!(out, [reply(1, Ending::Busy)]);
        let from = NodeId(3);
        step(&mut follower, 3, Input::Leader(Some(from)));
        let message = told(2);
        let out = step(&mut follower, 4, Input::Received { from, message });
        assert_eq!(out, [], "the first leader may have appended it");
        let out = step(&mut follower, 5, committed(7, 2));
        assert_eq!(out, [reply(2, passed(7))]);
    }

    #[test]
    fn unnumbered_proposals_travel_side_by_side() {
        let mut control = control();
        step(&mut control, 0, Input::Leader(Some(ME)));
        let mut appended = Vec::new();
        for ticket in 1..=2 {
            let command = Command::Barrier;
            let input = Input::Propose {
                ticket: Ticket(ticket),
                request: None,
                command,
            };
            let out = step(&mut control, 1, input);
            let [Output::Append(envelope)] = &out[..] else {
                panic!("{out:?}")
            };
            appended.push(envelope.clone());
        }
        // The later one is applied first, and neither supersedes the other.
        for (index, ticket) in [(1, 2), (2, 1)] {
            let envelope = appended.pop();
            let out = step(
                &mut control,
                2,
                Input::Committed {
                    index: LogIndex(index),
                    envelope,
                },
            );
            assert_eq!(out, [reply(ticket, passed(index))]);
        }
    }

    #[test]
    fn a_granted_role_is_a_fact() {
        let mut control = control();
        let role = RoleName::new("primary").unwrap();
        let holder = Peer { node: ME, boot: 1 };
        let command = Command::GrantRole {
            role: role.clone(),
            holder,
            expected: Epoch(0),
        };
        let envelope = Envelope {
            client: ClientId(1),
            request: RequestId(1),
            command,
        };
        let input = Input::Committed {
            index: LogIndex(2),
            envelope: Some(envelope),
        };
        let state = RoleState {
            epoch: Epoch(2),
            holder: Some(holder),
        };
        assert_eq!(
            step(&mut control, 0, input),
            [Output::RoleChanged { role, state }]
        );
    }
}
