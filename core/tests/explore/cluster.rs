//! The model: every state a cluster can get into within the bounds, and every step between them.

use std::sync::Arc;

use quorate_core::id::{NodeId, Term};
use quorate_core::raft::{Entry, Message, Recovered, Role};
use stateright::{Model, Property};

use crate::machine::{Effects, Happening, Machine};
use crate::memo::Memo;
use crate::network::{Envelope, Inbox, Letter};
use crate::properties;
use crate::shared::Shared;

/// Within these bounds everything is explored.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Nobody campaigns for a term above it.
    pub term_max: u64,
    /// Crashes, of any nodes.
    pub crashes: u8,
    /// Commands proposed, besides the empty entry each leader begins with.
    pub proposals: u8,
    /// Heartbeats.
    pub heartbeats: u8,
    /// Connections that break and come up again under a leader.
    pub relinks: u8,
    /// What each node starts from.
    pub pasts: Vec<Recovered>,
    #[cfg(feature = "mutants")]
    pub mutant: Option<quorate_core::raft::Mutant>,
}

impl Bounds {
    /// New nodes, and no budget for anything but elections.
    pub fn terms(nodes: usize, term_max: u64) -> Bounds {
        Bounds {
            term_max,
            crashes: 0,
            proposals: 0,
            heartbeats: 0,
            relinks: 0,
            pasts: vec![Recovered::default(); nodes],
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    fn are_alike(&self) -> bool {
        self.pasts.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// An entry that was committed, with the term of whoever said so first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chosen {
    pub entry: Entry,
    pub by: Term,
}

#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Cluster {
    pub nodes: Vec<Shared<Machine>>,
    pub inboxes: Vec<Inbox>,
    /// What was ever committed by anyone.
    pub ledger: Vec<Chosen>,
    /// Two nodes committed different entries at one index, or one left out an index.
    pub disagreed: bool,
    /// A crash lost a vote that was written.
    pub lost_a_vote: bool,
    crashes: u8,
    proposals: u8,
    heartbeats: u8,
    relinks: u8,
    /// Nodes are alike until they move: the next one to move for the first time is, without loss of
    /// generality, the one with the next number.
    moved: usize,
}

#[derive(Clone, PartialEq)]
pub struct Action {
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
pub struct Explorer {
    pub bounds: Bounds,
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
            Happening::Heartbeat => self.heartbeats -= 1,
            Happening::Relink(_) => self.relinks -= 1,
            Happening::Timeout
            | Happening::Doubt
            | Happening::Deliver(_)
            | Happening::Sync => {}
        }
    }

    fn commit(&mut self, entry: Entry, by: Term) {
        let at = usize::try_from(entry.index.0).unwrap() - 1;
        match self.ledger.get(at) {
            Some(chosen) => self.disagreed |= chosen.entry != entry,
            None if at == self.ledger.len() => self.ledger.push(Chosen { entry, by }),
            None => self.disagreed = true,
        }
    }

    pub fn letters(&self) -> impl Iterator<Item = &Envelope> {
        self.inboxes.iter().flat_map(Inbox::letters).map(|letter: &Letter| &**letter)
    }
}

fn name(node: usize) -> NodeId {
    NodeId(node as u64 + 1)
}

fn position(node: NodeId) -> usize {
    usize::try_from(node.0).unwrap() - 1
}

impl Explorer {
    pub fn new(bounds: Bounds) -> Explorer {
        let (steps, reactions) = (Memo::default(), Memo::default());
        Explorer { bounds, steps, reactions }
    }

    fn step(&self, node: usize, machine: &Shared<Machine>, happening: &Happening) -> Arc<Step> {
        let key = match happening {
            Happening::Deliver(letter) => letter.digest(),
            other => Shared::new(other.clone()).digest(),
        };
        self.steps.get((machine.digest(), key), || {
            let mut after = Machine::clone(machine);
            let mut effects = Effects::default();
            after.live(name(node), happening.clone(), &mut effects);
            let by = after.term();
            let after = self.bounds.planted(after);
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
            let reactions = self.reactions(node, &state.nodes[node], &state.inboxes[node]);
            for letter in &reactions.answers {
                let to = position(letter.to);
                if state.inboxes[to].put(letter.clone()) && !stirred.contains(&to) {
                    stirred.push(to);
                }
            }
        }
    }

    fn actions_of(&self, state: &Cluster, node: usize, actions: &mut Vec<Action>) {
        let machine = &state.nodes[node];
        let mut offer = |happening| actions.push(Action { node, happening });
        let is_leader = machine.role() == Role::Leader;
        let may_campaign = machine.term().0 < self.bounds.term_max;
        if is_leader || may_campaign {
            offer(Happening::Timeout);
        }
        // Whether a leader is heard decides only about terms above this node's.
        if !is_leader && may_campaign && machine.raft.standing().leader.is_some() {
            offer(Happening::Doubt);
        }
        if !machine.pending.is_empty() {
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
            let machine = Machine::start(name(node), count as u64, past.clone());
            Shared::new(bounds.planted(machine))
        };
        Vec::from([Cluster {
            nodes: bounds.pasts.iter().enumerate().map(start).collect(),
            inboxes: vec![Inbox::default(); count],
            ledger: Vec::new(),
            disagreed: false,
            lost_a_vote: false,
            crashes: bounds.crashes,
            proposals: bounds.proposals,
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
        if let Some(machine) = &step.machine {
            next.nodes[node] = machine.clone();
            stirred.push(node);
        }
        for letter in &step.sent {
            let to = position(letter.to);
            if next.inboxes[to].put(letter.clone()) && !stirred.contains(&to) {
                stirred.push(to);
            }
        }
        if stirred.is_empty() {
            return None;
        }
        self.settle(&mut next, stirred);
        for entry in &step.committed {
            next.commit(entry.clone(), step.by);
        }
        next.lost_a_vote |= happening == Happening::Crash && machine.has_unsynced_vote();
        next.spend(&happening);
        next.moved = last.moved.max(node + 1);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Explorer>> {
        properties::all()
    }
}

impl Bounds {
    #[cfg(feature = "mutants")]
    fn planted(&self, mut machine: Machine) -> Machine {
        if let Some(mutant) = self.mutant {
            machine.raft.plant(mutant);
        }
        machine
    }

    #[cfg(not(feature = "mutants"))]
    fn planted(&self, machine: Machine) -> Machine {
        machine
    }
}

/// The leadership that a message proves.
pub fn leader_in(envelope: &Envelope) -> Option<(Term, NodeId)> {
    match &envelope.message {
        Message::Append(append) => Some((append.term, envelope.from)),
        Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Vote(_)
        | Message::VoteReply(_)
        | Message::AppendReply(_) => None,
    }
}

/// The vote that a message proves: who, in which term, for whom. A candidate has voted for itself.
pub fn vote_in(envelope: &Envelope) -> Option<(NodeId, Term, NodeId)> {
    let Envelope { from, to, message } = envelope;
    match message {
        Message::Vote(vote) => Some((*from, vote.term, *from)),
        Message::VoteReply(reply) => reply.granted.then_some((*from, reply.term, *to)),
        Message::PreVote(_)
        | Message::PreVoteReply(_)
        | Message::Append(_)
        | Message::AppendReply(_) => None,
    }
}
