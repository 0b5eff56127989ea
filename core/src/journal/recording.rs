//! Writing a recording: the start of a life, its steps, its end.
//!
//! ```text
//! "QUORLIFE"   then the format as u32
//! frame 0      MADE_BY   the version of the crate
//! frame 0      START     configuration, address, last lsn, seed, moment; how many frames follow
//! frame 0 …    DURABLE   what was durable, as records
//! frame n …    STEPS     fingerprint after them, then steps; n is the first one's number
//! frame n      END       why it ends
//! ```
//!
//! A step has two halves: [`Writer::before`] writes the event down, [`Writer::after`] its check,
//! the lowest sixteen bits of the fingerprint of all actions so far. A step whose second half never
//! came is the last of its frame, which is of the kind `UNANSWERED`: the node did not survive it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::event::{self, Address};
use super::{Fingerprint, Start};
use crate::durable::frame;
pub use crate::durable::frame::TooLong;
use crate::durable::{Durable, Record};
use crate::id::Lsn;
use crate::node::{Action, Config, Event};
use crate::raft::{self, Entry};
use crate::seed::Seed;
use crate::sum;
use crate::time::Time;
use crate::wire::codec;

/// The format this version writes and reads.
pub const FORMAT: u32 = 5;

pub(super) const MAGIC: [u8; 8] = *b"QUORLIFE";
/// The version of this crate.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

// What a frame is. The numbers are frozen.
pub(super) const MADE_BY: u8 = 0;
pub(super) const START: u8 = 1;
pub(super) const DURABLE: u8 = 2;
pub(super) const STEPS: u8 = 3;
pub(super) const UNANSWERED: u8 = 4;
pub(super) const END: u8 = 5;

/// What is durable is written in frames of about this many bytes.
const DURABLE_BYTES: usize = 1 << 20;
/// A frame of steps that has so many bytes takes no more of them.
const STEPS_BYTES: usize = 1 << 16;
/// What stands before the steps of a frame: the kind and the fingerprint.
pub(super) const STEPS_HEAD: usize = 1 + 8;
/// What stands before an event: moment u64, check u16, length u32.
pub(super) const STEP_HEAD: usize = 8 + 2 + 4;
/// Where in that the check stands.
const CHECK_AT: usize = 8;

/// Why a recording ends where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// The node was stopped.
    Stopped,
    /// The node halted: its disk failed, or its build does not know the feature level in force.
    Halted,
    /// The recording has reached its greatest length; the node lived on.
    Full,
    /// The recorder's disk was too slow; the node lived on.
    Behind,
    /// The next event does not fit into a frame; the node lived on.
    TooLong,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Stopped => "the node was stopped",
            End::Halted => "the node halted",
            End::Full => "the recording is full; the node lived on",
            End::Behind => "the recorder fell behind; the node lived on",
            End::TooLong => "the next event is too long for a recording; the node lived on",
        })
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = frame::FRAME_BYTES_MAX;
        write!(f, "{} bytes are more than a frame's {max}", self.len)
    }
}

impl core::error::Error for TooLong {}

/// The start of a life as it stands in its frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) config: Config,
    /// The configuration's address, with its scope.
    pub(super) address: Address,
    pub(super) last: Lsn,
    pub(super) seed: Seed,
    pub(super) now: Time,
    /// What the wall clock showed when the node's own clock showed zero, in nanoseconds since 1970.
    pub(super) unix_ns: Option<u64>,
    /// Frames of what was durable.
    pub(super) durable: u64,
}

/// Appends the beginning of a recording. `unix_ns` is what the wall clock showed when the node's
/// own clock showed zero, in nanoseconds since 1970: nothing the node ever sees, but what tells how
/// the recordings of several nodes lie beside each other.
///
/// # Errors
/// [`TooLong`] when an entry of the log does not fit into a frame; `bytes` is then of no use.
pub fn encode_start(
    start: &Start,
    unix_ns: Option<u64>,
    bytes: &mut Vec<u8>,
) -> Result<(), TooLong> {
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    put(0, MADE_BY, &String::from(VERSION), bytes)?;
    let durable = records_of(&start.durable);
    let config: &Config = &start.config;
    let address: SocketAddr = config.address;
    let head = Head {
        config: config.clone(),
        address: address.into(),
        last: start.last,
        seed: start.seed.clone(),
        now: start.now,
        unix_ns,
        durable: durable.len() as u64,
    };
    put(0, START, &head, bytes)?;
    for record in &durable {
        put(0, DURABLE, record, bytes)?;
    }
    Ok(())
}

/// Appends the end of a recording; `number` is that of the step that does not follow.
pub fn encode_end(number: u64, end: End, bytes: &mut Vec<u8>) {
    // An end is a few bytes.
    let _fits = put(number, END, &end, bytes);
}

fn put<T: Serialize>(number: u64, kind: u8, value: &T, bytes: &mut Vec<u8>) -> Result<(), TooLong> {
    let start = frame::open(number, bytes);
    bytes.push(kind);
    codec::encode(value, bytes);
    frame::check(start, bytes)?;
    frame::close(start, bytes, sum::xxh3);
    Ok(())
}

/// Records that amount to `durable`.
fn records_of(durable: &Durable) -> Vec<Record> {
    let (term, vote) = (durable.raft.term, durable.raft.vote);
    let mut records = Vec::from([
        Record::Boot { boot: durable.boot },
        Record::Raft(raft::Record::HardState { term, vote }),
    ]);
    let lost = durable.raft.rebuild;
    records.extend(lost.map(|token| Record::Raft(raft::Record::Rebuild { token })));
    if let Some(snapshot) = &durable.raft.snapshot {
        let parts = snapshot.parts(DURABLE_BYTES);
        records.extend(parts.map(|part| Record::Raft(raft::Record::Snapshot(part))));
    }
    let (mut entries, mut bytes) = (Vec::<Entry>::new(), 0);
    for entry in &durable.raft.log {
        bytes += entry.data.len() + size_of::<Entry>();
        entries.push(entry.clone());
        if bytes >= DURABLE_BYTES {
            let entries = core::mem::take(&mut entries);
            records.push(Record::Raft(raft::Record::Append { entries }));
            bytes = 0;
        }
    }
    if !entries.is_empty() {
        records.push(Record::Raft(raft::Record::Append { entries }));
    }
    records
}

/// Writes the steps of a life, one after the other, into a buffer that is taken from time to time.
#[derive(Clone, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    /// Where the frame begins that takes the next step.
    frame: Option<usize>,
    /// Where the step begins that the node is taking.
    step: Option<usize>,
    next: u64,
    fingerprint: Fingerprint,
    scratch: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer {
            bytes: Vec::new(),
            frame: None,
            step: None,
            next: 1,
            fingerprint: Fingerprint::default(),
            scratch: Vec::new(),
        }
    }
}

impl Writer {
    /// A writer of a life that has no step yet.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Writes down what the node is about to be stepped with.
    ///
    /// # Errors
    /// [`TooLong`] when the event does not fit into a frame. Nothing is written then, and the
    /// recording must end, since no later step can be replayed without this one.
    pub fn before(&mut self, now: Time, event: &Event) -> Result<(), TooLong> {
        self.give_up_step();
        self.scratch.clear();
        event::encode(event, &mut self.scratch);
        let len = STEP_HEAD + self.scratch.len();
        if STEPS_HEAD + len > frame::FRAME_BYTES_MAX {
            return Err(TooLong { len });
        }
        let taken = self.frame.map_or(0, |start| self.bytes.len() - start);
        if taken > 0 && taken + len > STEPS_BYTES {
            self.close_frame(STEPS);
        }
        if self.frame.is_none() {
            self.frame = Some(frame::open(self.next, &mut self.bytes));
            self.bytes.extend_from_slice(&[0; STEPS_HEAD]);
        }
        self.step = Some(self.bytes.len());
        self.bytes.extend_from_slice(&now.0.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        let event_len = u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&event_len.to_le_bytes());
        self.bytes.extend_from_slice(&self.scratch);
        self.next += 1;
        Ok(())
    }

    /// Writes down what the node made of it.
    pub fn after(&mut self, actions: &[Action]) {
        let Some(step) = self.step.take() else {
            return;
        };
        self.fingerprint.fold(actions, &mut self.scratch);
        let check = self.fingerprint.check().to_le_bytes();
        self.bytes[step + CHECK_AT..step + CHECK_AT + 2].copy_from_slice(&check);
    }

    /// The whole frames written since the last call. A step that the node has not returned from is
    /// among them, without a check.
    pub fn take(&mut self) -> Vec<u8> {
        self.give_up_step();
        self.close_frame(STEPS);
        let room = self.bytes.len();
        core::mem::replace(&mut self.bytes, Vec::with_capacity(room))
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes to take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The number of the next step; the first is 1.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    fn give_up_step(&mut self) {
        if self.step.take().is_some() {
            self.close_frame(UNANSWERED);
        }
    }

    fn close_frame(&mut self, kind: u8) {
        let Some(start) = self.frame.take() else {
            return;
        };
        let body = frame::body_mut(start, &mut self.bytes);
        body[0] = kind;
        body[1..STEPS_HEAD].copy_from_slice(&self.fingerprint.word().to_le_bytes());
        frame::close(start, &mut self.bytes, sum::xxh3);
    }
}
