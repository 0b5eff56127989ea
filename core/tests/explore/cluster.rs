//! The model: every state a cluster can get into within the bounds, and every step between them.
//!
//! Three things make the space small without leaving anything out; each says why where it is done:
//! nodes are alike until they move ([`Cluster::moved`]), what a machine says without changing is
//! said at once ([`Explorer::settle`]), and without a crash to come writes need not wait
//! ([`syncs_at_once`]).

use std::sync::Arc;

use quorate_core::id::{NodeId, Term};
use quorate_core::raft::{Entry, Message, Recovered, Role};
use stateright::{Model, Property};

use crate::bounds::Bounds;
use crate::machine::{Effects, Happening, Machine};
use crate::memo::Memo;
use crate::network::{Envelope, Inbox, Letter};
use crate::properties;
use crate::shared::Shared;

/// An entry that was committed, with the term of whoever said so first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chosen {
    pub(crate) entry: Entry,
    pub(crate) by: Term,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Shared<Machine>>,
    pub(crate) inboxes: Vec<Inbox>,
    /// What was ever committed by anyone.
    pub(crate) ledger: Vec<Chosen>,
    /// Two nodes committed different entries at one index, or one left out an index.
    pub(crate) disagreed: bool,
    /// A crash lost a vote that was written.
    pub(crate) lost_a_vote: bool,
    timeouts: Option<u8>,
    crashes: u8,
    proposals: u8,
    changes: u8,
    heartbeats: u8,
    relinks: u8,
    /// Nodes are alike until they move: the next one to move for the first time is, without loss of
    /// generality, the one with the next number.
    moved: usize,
}

#[derive(Clone, PartialEq)]
pub(crate) struct Action {
    node: usize,
    happening: Happening,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "n{} {:?}", self.node + 1, self.happening)
    }
}

/// The model: bounds, and what was found out about single machines.
#[derive(Debug)]
pub(crate) struct Explorer {
    pub(crate) bounds: Bounds,
    steps: Memo<Step>,
    reactions: Memo<Reactions>,
}

/// What a happening does to a machine.
#[derive(Debug)]
struct Step {
    /// `None` if nothing.
    machine: Option<Shared<Machine>>,
    sent: Vec<Letter>,
    committed: Vec<Entry>,
    by: Term,
}

/// What the letters to a machine would do to it.
#[derive(Debug)]
struct Reactions {
    /// Those that would change it.
    moves: Vec<Letter>,
    /// What it would answer to the others.
    answers: Vec<Letter>,
}

impl Cluster {
    fn spend(&mut self, happening: &Happening) {
        match happening {
            Happening::Crash => self.crashes -= 1,
            Happening::Propose(_) => self.proposals -= 1,
            Happening::Change => self.changes -= 1,
            Happening::Heartbeat => self.heartbeats -= 1,
            Happening::Relink(_) => self.relinks -= 1,
            Happening::Timeout => self.timeouts = self.timeouts.map(|left| left - 1),
            Happening::Doubt | Happening::Deliver(_) | Happening::Sync => {}
        }
    }

    fn commit(&mut self, entry: Entry, by: Term) {
        let at = usize::try_from(entry.index.0).expect("small") - 1;
        match self.ledger.get(at) {
            Some(chosen) => self.disagreed |= chosen.entry != entry,
            None if at == self.ledger.len() => self.ledger.push(Chosen { entry, by }),
            None => self.disagreed = true,
        }
    }

    pub(crate) fn letters(&self) -> impl Iterator<Item = &Envelope> {
        self.inboxes
            .iter()
            .flat_map(Inbox::letters)
            .map(|letter: &Letter| &**letter)
    }
}

/// Whether the writes of a node complete at once: no crash can come any more, so only what waits
/// for a write matters, and to everyone but a leader, who counts its own acknowledgement, nothing
/// is lost by having it early.
fn syncs_at_once(state: &Cluster, node: usize) -> bool {
    state.crashes == 0 && state.nodes[node].role() != Role::Leader
}

fn stir(node: usize, stirred: &mut Vec<usize>) {
    if !stirred.contains(&node) {
        stirred.push(node);
    }
}

fn post(state: &mut Cluster, letters: &[Letter], stirred: &mut Vec<usize>) {
    for letter in letters {
        let to = position(letter.to);
        if state.inboxes[to].put(letter.clone()) {
            stir(to, stirred);
        }
    }
}

fn name(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

fn position(node: NodeId) -> usize {
    usize::try_from(node.0).expect("small") - 1
}

impl Explorer {
    pub(crate) fn new(bounds: Bounds) -> Explorer {
        let (steps, reactions) = (Memo::default(), Memo::default());
        Explorer {
            bounds,
            steps,
            reactions,
        }
    }

    fn step(&self, node: usize, machine: &Shared<Machine>, happening: &Happening) -> Arc<Step> {
        let key = match happening {
            Happening::Deliver(letter) => letter.digest(),
            Happening::Timeout
            | Happening::Heartbeat
            | Happening::Doubt
            | Happening::Relink(_)
            | Happening::Propose(_)
            | Happening::Change
            | Happening::Sync
            | Happening::Crash => Shared::new(happening.clone()).digest(),
        };
        self.steps.get((machine.digest(), key), || {
            let (me, mut effects) = (name(node), Effects::default());
            let after = if *happening == Happening::Crash {
                Machine::start(me, &self.bounds, machine.durable.raft.clone())
            } else {
                Machine::clone(machine).live(me, &self.bounds, happening, &mut effects)
            };
            let by = after.term();
            Step {
                machine: (after != **machine).then(|| Shared::new(after)),
                sent: effects.sent.into_iter().map(Shared::new).collect(),
                committed: effects.committed,
                by,
            }
        })
    }

    fn reactions(&self, node: usize, machine: &Shared<Machine>, inbox: &Inbox) -> Arc<Reactions> {
        self.reactions.get((machine.digest(), inbox.digest()), || {
            let (mut moves, mut answers) = (Vec::new(), Vec::new());
            for letter in inbox.letters() {
                let step = self.step(node, machine, &Happening::Deliver(letter.clone()));
                match step.machine {
                    Some(_) => moves.push(letter.clone()),
                    None => answers.extend(step.sent.iter().cloned()),
                }
            }
            Reactions { moves, answers }
        })
    }

    /// Sends at once whatever a machine would say without changing.
    ///
    /// A state with more letters can do all that the one with fewer can, and nothing else was
    /// changed; so nothing is lost by going there directly.
    fn settle(&self, state: &mut Cluster, mut stirred: Vec<usize>) {
        while let Some(node) = stirred.pop() {
            while !state.nodes[node].pending.is_empty() && syncs_at_once(state, node) {
                let step = self.step(node, &state.nodes[node], &Happening::Sync);
                self.take(state, node, &step, &mut stirred);
            }
            let reactions = self.reactions(node, &state.nodes[node], &state.inboxes[node]);
            post(state, &reactions.answers, &mut stirred);
        }
    }

    fn take(&self, state: &mut Cluster, node: usize, step: &Step, stirred: &mut Vec<usize>) {
        if let Some(machine) = &step.machine {
            state.nodes[node] = machine.clone();
            stir(node, stirred);
        }
        post(state, &step.sent, stirred);
        for entry in &step.committed {
            state.commit(entry.clone(), step.by);
        }
    }

    fn actions_of(&self, state: &Cluster, node: usize, actions: &mut Vec<Action>) {
        let machine = &state.nodes[node];
        let mut offer = |happening| actions.push(Action { node, happening });
        let is_leader = machine.role() == Role::Leader;
        let may_campaign = machine.term().0 < self.bounds.term_max;
        if (is_leader || may_campaign) && state.timeouts != Some(0) {
            offer(Happening::Timeout);
        }
        // Whether a leader is heard decides only about terms above this node's.
        if self.bounds.doubts
            && !is_leader
            && may_campaign
            && machine.raft.standing().leader.is_some()
        {
            offer(Happening::Doubt);
        }
        if !machine.pending.is_empty() && !syncs_at_once(state, node) {
            offer(Happening::Sync);
        }
        if state.crashes > 0 {
            offer(Happening::Crash);
        }
        if is_leader && state.heartbeats > 0 {
            offer(Happening::Heartbeat);
        }
        if is_leader && state.proposals > 0 {
            offer(Happening::Propose(state.proposals));
        }
        if is_leader && state.changes > 0 {
            offer(Happening::Change);
        }
        if is_leader && state.relinks > 0 {
            let others = (0..state.nodes.len()).filter(|other| *other != node);
            others.for_each(|other| offer(Happening::Relink(name(other))));
        }
        let reactions = self.reactions(node, machine, &state.inboxes[node]);
        let moves = reactions.moves.iter().cloned();
        moves.for_each(|letter| offer(Happening::Deliver(letter)));
    }
}

impl Model for Explorer {
    type State = Cluster;
    type Action = Action;

    fn init_states(&self) -> Vec<Cluster> {
        let bounds = &self.bounds;
        let count = bounds.pasts.len();
        let start = |(node, past): (usize, &Recovered)| {
            Shared::new(Machine::start(name(node), bounds, past.clone()))
        };
        Vec::from([Cluster {
            nodes: bounds.pasts.iter().enumerate().map(start).collect(),
            inboxes: vec![Inbox::default(); count],
            ledger: Vec::new(),
            disagreed: false,
            lost_a_vote: false,
            timeouts: bounds.timeouts,
            crashes: bounds.crashes,
            proposals: bounds.proposals,
            changes: bounds.changes,
            heartbeats: bounds.heartbeats,
            relinks: bounds.relinks,
            moved: if bounds.are_alike() { 0 } else { count },
        }])
    }

    fn actions(&self, state: &Cluster, actions: &mut Vec<Action>) {
        for node in 0..state.nodes.len().min(state.moved + 1) {
            self.actions_of(state, node, actions);
        }
    }

    fn next_state(&self, last: &Cluster, action: Action) -> Option<Cluster> {
        let Action { node, happening } = action;
        let machine = &last.nodes[node];
        let step = self.step(node, machine, &happening);
        let mut next = last.clone();
        let mut stirred = Vec::new();
        self.take(&mut next, node, &step, &mut stirred);
        if stirred.is_empty() {
            return None;
        }
        next.lost_a_vote |= happening == Happening::Crash && machine.has_unsynced_vote();
        next.spend(&happening);
        if happening == Happening::Crash {
            stirred = (0..next.nodes.len()).collect();
        }
        self.settle(&mut next, stirred);
        next.moved = last.moved.max(node + 1);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Explorer>> {
        properties::of(&self.bounds)
    }
}

/// The leadership that a message proves.
pub(crate) fn leader_in(envelope: &Envelope) -> Option<(Term, NodeId)> {
    match &envelope.message {
        Message::Append(append) => Some((append.term, envelope.from)),
        Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Vote(_)
        | Message::VoteReply(_)
        | Message::AppendReply(_)
        | Message::InstallSnapshot(_)
        | Message::SnapshotReply(_)
        | Message::ReadIndex(_)
        | Message::ReadIndexReply(_)
        | Message::Resigned(_)
        | Message::TimeoutNow(_) => None,
    }
}

/// The vote that a message proves: who, in which term, for whom. A candidate has voted for itself.
pub(crate) fn vote_in(envelope: &Envelope) -> Option<(NodeId, Term, NodeId)> {
    let Envelope { from, to, message } = envelope;
    match message {
        Message::Vote(vote) => Some((*from, vote.term, *from)),
        Message::VoteReply(reply) => reply.granted.then_some((*from, reply.term, *to)),
        Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Append(_)
        | Message::AppendReply(_)
        | Message::InstallSnapshot(_)
        | Message::SnapshotReply(_)
        | Message::ReadIndex(_)
        | Message::ReadIndexReply(_)
        | Message::Resigned(_)
        | Message::TimeoutNow(_) => None,
    }
}
