//! Record and replay: a node is a pure function of its start and of the `(Time, Event)`s it was
//! stepped with.
//!
//! Whoever keeps both can live the node's life again, step by step, in any process on any machine,
//! and arrives at the same actions; or something is not deterministic, and the fingerprint says
//! from which step on. Two keepers exist:
//!
//! * in memory, for tests and the simulator: [`Recorder`] and [`Journal`];
//! * as bytes, for production: [`encode_start`], [`Writer`] and [`encode_end`] write a recording,
//!   [`Replay`] and [`replay_recording`] live it again. `docs/recording.md` has the format.
//!
//! Invariants of a recording:
//!
//! * I1: replay begins at the start of a life: no part of a recording can be replayed without all
//!   of it that came before. What bounds a recording ends it, and never forgets its beginning.
//! * I2: every event is written before the node is stepped with it, its check after: an event that
//!   the node did not survive is in the recording.
//! * I3: reading is total. A torn end is cut; damage with intact steps behind it is an error.
//! * I4: recorder and replayer fold the same bytes, made by frozen codecs: what differs is what the
//!   node did, and neither the platform nor the toolchain.
//!
//! Deliberately absent: files (a driver's business), and snapshots of a node's state to begin from.

mod event;
mod fingerprint;
mod life;
mod recording;
mod replay;
mod steps;

pub use crate::durable::frame::FRAME_BYTES_MAX;
pub use fingerprint::Fingerprint;
pub use life::{Journal, Recorder};
pub use recording::{End, FORMAT, TooLong, Writer, encode_end, encode_start};
pub use replay::{Replay, ReplayError, Replayed, Step, Tail, replay_recording};

use crate::durable::Durable;
use crate::id::Lsn;
use crate::node::{Node, ValidConfig};
use crate::seed::Seed;
use crate::time::Time;

/// What a node starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its configuration.
    pub config: ValidConfig,
    /// What was durable.
    pub durable: Durable,
    /// The number of the last durable record.
    pub last: Lsn,
    /// Its randomness.
    pub seed: Seed,
    /// When.
    pub now: Time,
}

impl Start {
    /// The node that starts here.
    #[must_use]
    pub fn node(&self) -> Node {
        let Start {
            config,
            durable,
            last,
            seed,
            now,
        } = self;
        Node::recover(config.clone(), durable.clone(), *last, seed, *now)
    }
}
