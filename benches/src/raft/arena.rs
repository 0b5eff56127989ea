//! The network of all contenders in simulated time: a latency drawn for each message, messages of
//! one link in order, as TCP brings them, links that can be cut in one direction, and crashes.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_core::seed::{Random, Seed, Stream};
use quorate_core::time::Time;

use super::machine::{Machine, Mail, Node, Setup};

/// One way, shortest and longest.
pub type Latency = (Duration, Duration);

enum Letter<M> {
    Message {
        from: Node,
        message: M,
    },
    /// A connection broke.
    Down {
        peer: Node,
    },
}

/// By arrival and by number: for whom, and what.
type Letters<M> = BTreeMap<(Time, u64), (Node, Letter<M>)>;

/// Machines on a network.
pub struct Arena<M: Machine> {
    nodes: Vec<Option<M>>,
    letters: Letters<M::Message>,
    posted: u64,
    latency: Latency,
    /// Per sender and receiver: when the last message arrives, and whether the link is cut.
    links: Vec<Vec<(Time, bool)>>,
    random: Random,
    mail: Mail<M::Message>,
    /// Simulated.
    pub now: Time,
    /// Who sent to all others at once, in the last step.
    pub spoke: Option<Node>,
}

impl<M: Machine> Arena<M> {
    /// All start at once.
    pub fn new(setup: &Setup, latency: Latency) -> Arena<M> {
        let nodes = (0..setup.nodes).map(|node| Some(M::new(node, setup)));
        Arena {
            nodes: nodes.collect(),
            letters: BTreeMap::new(),
            posted: 0,
            latency,
            links: vec![vec![(Time::ZERO, false); setup.nodes]; setup.nodes],
            random: Seed::from_number(setup.seed).stream(Stream::Plan),
            mail: Vec::new(),
            now: Time::ZERO,
            spoke: None,
        }
    }

    /// Those that run.
    pub fn alive(&self) -> impl Iterator<Item = (Node, &M)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(node, machine)| Some((node, machine.as_ref()?)))
    }

    /// Who leads; in the highest term, if several do.
    pub fn leader(&self) -> Option<(Node, u64)> {
        let leaders = self.alive().filter(|(_, machine)| machine.leads());
        let terms = leaders.map(|(node, machine)| (node, machine.term()));
        terms.max_by_key(|(_, term)| *term)
    }

    /// The highest term.
    pub fn term(&self) -> u64 {
        self.alive().map(|(_, it)| it.term()).max().unwrap_or(0)
    }

    /// How far anybody's log is committed.
    pub fn commit(&self) -> u64 {
        self.alive().map(|(_, it)| it.commit()).max().unwrap_or(0)
    }

    /// What one sends to the other is lost from now on.
    pub fn cut(&mut self, from: Node, to: Node) {
        self.links[from][to].1 = true;
    }

    /// It arrives again.
    pub fn mend(&mut self, from: Node, to: Node) {
        self.links[from][to].1 = false;
    }

    /// Stops one without a word. What it sent is on its way; whoever is told of the end of its
    /// connections hears of it as late as of anything.
    pub fn crash(&mut self, node: Node, is_told: bool) {
        self.nodes[node] = None;
        if is_told {
            let survivors: Vec<Node> = self.alive().map(|(node, _)| node).collect();
            for to in survivors {
                self.post(node, to, Letter::Down { peer: node });
            }
        }
    }

    /// Every node that believes it leads gets a command.
    pub fn propose(&mut self, data: &[u8]) {
        for node in 0..self.nodes.len() {
            if let Some(machine) = self.nodes[node].as_mut().filter(|it| it.leads()) {
                machine.propose(self.now, data);
                self.send(node);
            }
        }
    }

    /// Goes on until then, or until something is reached; tells whether it is.
    pub fn run(&mut self, end: Time, is_reached: impl Fn(&Arena<M>) -> bool) -> bool {
        while !is_reached(self) {
            let due = self
                .alive()
                .filter_map(|(node, it)| Some((it.due()?, node)));
            let tick = due.min().filter(|(at, _)| *at <= end);
            let letter = self.letters.first_key_value();
            let letter = letter.map(|((at, _), _)| *at).filter(|at| *at <= end);
            match (letter, tick) {
                (Some(at), Some((due, node))) if due < at => self.tick(due, node),
                (Some(_), _) => self.deliver(),
                (None, Some((due, node))) => self.tick(due, node),
                (None, None) => {
                    self.now = self.now.max(end);
                    return false;
                }
            }
        }
        true
    }

    fn tick(&mut self, due: Time, node: Node) {
        self.now = self.now.max(due);
        if let Some(machine) = &mut self.nodes[node] {
            machine.tick(self.now);
        }
        self.send(node);
    }

    fn deliver(&mut self) {
        let Some(((at, _), (to, letter))) = self.letters.pop_first() else {
            return;
        };
        self.now = self.now.max(at);
        let Some(machine) = &mut self.nodes[to] else {
            return;
        };
        match letter {
            Letter::Message { from, message } => machine.receive(self.now, from, message),
            Letter::Down { peer } => machine.peer_down(self.now, peer),
        }
        self.send(to);
    }

    fn send(&mut self, from: Node) {
        let mut mail = std::mem::take(&mut self.mail);
        if let Some(machine) = &mut self.nodes[from] {
            machine.flush(&mut mail);
        }
        self.spoke = (mail.len() + 1 >= self.nodes.len()).then_some(from);
        for (to, message) in mail.drain(..) {
            self.post(from, to, Letter::Message { from, message });
        }
        self.mail = mail;
    }

    fn post(&mut self, from: Node, to: Node, letter: Letter<M::Message>) {
        let (low, high) = self.latency;
        let drawn = self.now + self.random.span(low, high);
        let (last, is_cut) = &mut self.links[from][to];
        if *is_cut {
            return;
        }
        *last = drawn.max(*last);
        self.posted += 1;
        self.letters.insert((*last, self.posted), (to, letter));
    }
}
