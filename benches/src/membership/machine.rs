//! What a contender is to the network: a machine with packets, timers and a member list.

use std::rc::Rc;
use std::time::Duration;

use quorate_core::time::Time;

/// The number of a node in the network, from 0.
pub type Node = usize;

/// What a machine does in one step.
#[derive(Debug)]
pub struct Out<T> {
    /// Packets, as bytes.
    pub sends: Vec<(Node, Rc<[u8]>)>,
    /// Timers to be handed back later.
    pub timers: Vec<(Time, T)>,
    /// Connections to open.
    pub dials: Vec<Node>,
    /// What the machine says it found out.
    pub events: Vec<Event>,
}

impl<T> Default for Out<T> {
    fn default() -> Out<T> {
        Out {
            sends: Vec::new(),
            timers: Vec::new(),
            dials: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// A change of a member list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A probe of the node failed, or someone said so.
    Suspected(Node),
    /// It is declared dead.
    Died(Node),
    /// It is a live member again, or for the first time.
    Joined(Node),
    /// What came of several changes, as one.
    View,
}

/// How a machine is built.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The size of the cluster, for those who must be told.
    pub size: usize,
    /// Of its randomness.
    pub seed: u64,
    /// Which parts of Lifeguard work, and how patient it is.
    pub detector: Detector,
}

/// The knobs of Lifeguard's experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    /// The preset for a LAN.
    Lan,
    /// The parameters of the paper, with the given parts switched on.
    Paper {
        /// The local health multiplier.
        health: bool,
        /// Suspicion that shrinks with confirmations.
        dogpile: bool,
        /// Suspects hear of it on the next ping.
        buddy: bool,
        /// Relays say no.
        nacks: bool,
    },
}

/// A contender.
pub trait Machine: Sized {
    /// What its timers carry.
    type Timer;

    /// How it is called in the figures.
    const NAME: &'static str;

    /// A machine that knows itself alone.
    fn new(node: Node, setup: &Setup) -> Self;

    /// It begins, and reaches for the seed.
    fn start(&mut self, now: Time, seed: Option<Node>, out: &mut Out<Self::Timer>);

    /// It is told of all members without a network, and that is no news to anyone.
    fn preload(&mut self, now: Time, size: usize, out: &mut Out<Self::Timer>);

    /// A packet arrived.
    fn receive(&mut self, now: Time, from: Node, packet: &[u8], out: &mut Out<Self::Timer>);

    /// A timer is due.
    fn fire(&mut self, now: Time, timer: Self::Timer, out: &mut Out<Self::Timer>);

    /// A connection is up.
    fn link_up(&mut self, now: Time, other: Node, dialed: bool, out: &mut Out<Self::Timer>);

    /// A dial failed.
    fn dial_failed(&mut self, now: Time, other: Node, out: &mut Out<Self::Timer>);

    /// How many live members it knows, itself included.
    fn live(&self) -> usize;
}

/// CPU time of this thread, from the kernel's scheduler.
pub fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Resident bytes of this process.
pub fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0) * 4096
}
