//! What the benchmarks ask of a consensus machine, so that one network runs both.
//!
//! The disk of both is done at once: a machine hands itself what waits for it.

use std::time::Duration;

use quorate_core::time::Time;

/// A node's place in its cluster.
pub type Node = usize;

/// What is to be sent, and to whom.
pub type Mail<M> = Vec<(Node, M)>;

/// Unanswered messages per follower.
pub const IN_FLIGHT: usize = 256;
/// Bytes of one message.
pub const MESSAGE_BYTES: usize = 1 << 20;

/// What the machines of a cluster are built from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// All of them vote.
    pub nodes: usize,
    /// Between two heartbeats of a leader.
    pub heartbeat: Duration,
    /// A follower waits so long for a leader, at least and at most.
    pub timeout: (Duration, Duration),
    /// Pre-vote and check-quorum, where they can be chosen: ours always has both.
    pub is_guarded: bool,
    /// What all draws come from.
    pub seed: u64,
}

impl Setup {
    /// Heartbeats of 50 ms, timeouts of 150 to 300 ms, guarded.
    pub fn lan(nodes: usize, seed: u64) -> Setup {
        Setup {
            nodes,
            heartbeat: Duration::from_millis(50),
            timeout: (Duration::from_millis(150), Duration::from_millis(300)),
            is_guarded: true,
            seed,
        }
    }
}

/// A machine.
pub trait Machine: Sized {
    /// What they say to each other.
    type Message;

    /// Who it is, in the figures.
    const NAME: &'static str;

    /// Starts with an empty log.
    fn new(node: Node, setup: &Setup) -> Self;

    /// When time must be told next.
    fn due(&self) -> Option<Time>;

    /// Time has passed.
    fn tick(&mut self, now: Time);

    /// A message arrives.
    fn receive(&mut self, now: Time, from: Node, message: Self::Message);

    /// A connection broke; not every machine can be told.
    fn peer_down(&mut self, now: Time, peer: Node);

    /// A leader appends a command.
    fn propose(&mut self, now: Time, data: &[u8]);

    /// What the inputs since the last call want sent.
    fn flush(&mut self, mail: &mut Mail<Self::Message>);

    /// Whether it leads.
    fn leads(&self) -> bool;

    /// Its term.
    fn term(&self) -> u64;

    /// How far its log is committed.
    fn commit(&self) -> u64;
}
