//! One connection's framing, priorities, acknowledgements and keep-alive, as a pure machine.

use alloc::vec::Vec;

use super::{Config, Hello, Outgoing, Output, Priority, Stats, SubmitError};
use crate::id::NodeId;
use crate::time::{Deadline, Time};

/// The machine of one connection. The side that owns it moves its bytes: what [`Link::transmit`] appends goes to the
/// socket, what the socket yields goes to [`Link::receive`].
#[derive(Clone, Debug)]
pub struct Link {
    config: Config,
    ours: Hello,
    expected: Option<NodeId>,
    stats: Stats,
}

impl Link {
    /// A fresh connection; its hello is the first thing to transmit. `expected` is the node a certificate or a dial
    /// says the other end is.
    #[must_use]
    pub fn new(config: Config, ours: Hello, expected: Option<NodeId>, now: Time) -> Link {
        let _ = now;
        Link {
            config,
            ours,
            expected,
            stats: Stats::default(),
        }
    }

    /// Queues a frame. For `Message`, the number that a later [`Output::Acked`] covers; 0 for the rest.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was queued.
    pub fn submit(
        &mut self,
        now: Time,
        priority: Priority,
        outgoing: Outgoing,
    ) -> Result<u64, SubmitError> {
        let _ = (now, priority, outgoing);
        Err(SubmitError::Closed)
    }

    /// Appends at most about `budget` bytes of whole frames to `wire`, most urgent first; true if more is waiting.
    pub fn transmit(&mut self, now: Time, budget: usize, wire: &mut Vec<u8>) -> bool {
        let _ = (now, budget, wire);
        false
    }

    /// Takes bytes from the socket, in any pieces.
    pub fn receive(&mut self, now: Time, bytes: &[u8], out: &mut Vec<Output>) {
        let _ = (now, bytes, out);
    }

    /// Lets time pass: keep-alive, hello timeout, half-open detection.
    pub fn tick(&mut self, now: Time, out: &mut Vec<Output>) {
        let _ = (now, out);
    }

    /// Queues a goodbye; once it is transmitted the socket may be closed.
    pub fn close(&mut self) {}

    /// True when [`Link::transmit`] would append something.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        false
    }

    /// When to call [`Link::tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        None
    }

    /// The other end's hello, once established.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        None
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
