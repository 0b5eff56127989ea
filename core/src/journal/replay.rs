//! Reading a recording: the life it holds, lived again step by step.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::recording::{DURABLE, END, End, FORMAT, Head, MADE_BY, MAGIC, START, VERSION};
use super::steps::{Steps, Written};
use super::{Fingerprint, Start};
use crate::durable::frame::{self, Frame};
use crate::durable::{Durable, Record};
use crate::node::{Action, ConfigError, Event, Node};
use crate::sum;
use crate::time::Time;
use crate::wire::codec;

/// A life being lived again. Clones are independent: keep one to come back to its moment.
#[derive(Clone, Debug)]
pub struct Replay<'a> {
    bytes: &'a [u8],
    /// Where the next frame stands.
    offset: usize,
    /// What is left of the frame before it.
    frame: Option<Steps<'a>>,
    made_by: String,
    unix_ns: Option<u64>,
    start: Start,
    node: Node,
    fingerprint: Fingerprint,
    steps: u64,
    last: Option<(Time, Event)>,
    actions: Vec<Action>,
    scratch: Vec<u8>,
    tail: Option<Tail>,
    failed: Option<ReplayError>,
}

/// A step of a replayed life.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub now: Time,
    /// What happened to the node.
    pub event: &'a Event,
    /// What it wanted done.
    pub actions: &'a [Action],
    /// The node after it.
    pub node: &'a Node,
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tail {
    /// With a reason.
    Ended(End),
    /// Without: the process died, or is still running, or the file was cut.
    Cut {
        /// Bytes of a torn write that were ignored.
        torn: usize,
    },
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The version of the crate that made the recording.
    pub made_by: String,
    /// Steps.
    pub steps: u64,
    /// Of all actions.
    pub fingerprint: Fingerprint,
    /// How it ends.
    pub tail: Tail,
}

/// Why a recording is not replayed, or not further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// The bytes do not begin like a recording.
    NotARecording,
    /// It has a format of another version.
    OtherFormat {
        /// Which.
        format: u32,
    },
    /// It is cut or damaged in its start, without which nothing can be replayed.
    NoStart {
        /// Where, in bytes.
        offset: usize,
    },
    /// Its start is intact and not understood.
    UnknownStart {
        /// Where, in bytes.
        offset: usize,
        /// The version that made it.
        made_by: String,
    },
    /// The configuration in it is refused.
    Config {
        /// Why.
        error: ConfigError,
        /// The version that made it.
        made_by: String,
    },
    /// It is damaged where a torn write cannot explain it: steps after the damage are intact.
    Damaged {
        /// Where, in bytes.
        offset: usize,
        /// The step that should stand there.
        expected: u64,
    },
    /// A step is intact and not understood.
    UnknownStep {
        /// Where, in bytes.
        offset: usize,
        /// Which step.
        number: u64,
        /// The version that made it.
        made_by: String,
    },
    /// The node did not do what it did when it was recorded.
    Diverged {
        /// The step.
        at: u64,
        /// Its moment.
        now: Time,
        /// Where it stands, in bytes.
        offset: usize,
        /// The version that made the recording.
        made_by: String,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::NotARecording => f.write_str("not a recording"),
            ReplayError::OtherFormat { format } => {
                write!(
                    f,
                    "a recording of format {format}; this version reads {FORMAT}"
                )
            }
            ReplayError::NoStart { offset } => write!(
                f,
                "cut or damaged at byte {offset}, within the start of the life: nothing of it can \
                 be replayed"
            ),
            ReplayError::UnknownStart { offset, made_by } => write!(
                f,
                "the start at byte {offset} was written by version {made_by} and is not \
                 understood by {VERSION}"
            ),
            ReplayError::Config { error, made_by } => write!(
                f,
                "version {VERSION} refuses the configuration written by {made_by}: {error}"
            ),
            ReplayError::Damaged { offset, expected } => write!(
                f,
                "damaged at byte {offset} (step {expected}): no torn write explains it"
            ),
            ReplayError::UnknownStep {
                offset,
                number,
                made_by,
            } => write!(
                f,
                "step {number} at byte {offset} was written by version {made_by} and is not \
                 understood by {VERSION}"
            ),
            ReplayError::Diverged {
                at,
                now,
                offset,
                made_by,
            } => write!(
                f,
                "diverged at step {at} ({now}, byte {offset}): the node did something else when \
                 it was recorded, by version {made_by}; this is {VERSION}"
            ),
        }
    }
}

impl core::error::Error for ReplayError {}

/// Lives a recording again to its end; `each` sees every step that agrees with the recording, with
/// the node after it.
///
/// # Errors
/// [`ReplayError`]; the steps before it were seen by `each`.
pub fn replay_recording(
    bytes: &[u8],
    mut each: impl FnMut(Time, &Event, &[Action], &Node),
) -> Result<Replayed, ReplayError> {
    let mut replay = Replay::open(bytes)?;
    while let Some(step) = replay.step()? {
        each(step.now, step.event, step.actions, step.node);
    }
    Ok(Replayed {
        tail: replay.tail.unwrap_or(Tail::Cut { torn: 0 }),
        made_by: replay.made_by,
        steps: replay.steps,
        fingerprint: replay.fingerprint,
    })
}

impl<'a> Replay<'a> {
    /// Reads the start of a recording; the node stands before its first step.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn open(bytes: &'a [u8]) -> Result<Replay<'a>, ReplayError> {
        let (format, _) = bytes
            .strip_prefix(&MAGIC)
            .and_then(|rest| rest.split_first_chunk::<4>())
            .ok_or(ReplayError::NotARecording)?;
        let format = u32::from_le_bytes(*format);
        if format != FORMAT {
            return Err(ReplayError::OtherFormat { format });
        }
        let mut opening = Opening {
            bytes,
            offset: MAGIC.len() + 4,
            made_by: String::from("unknown"),
        };
        opening.made_by = opening.next::<String>(MADE_BY)?;
        let (start, unix_ns) = opening.start()?;
        let Opening {
            offset, made_by, ..
        } = opening;
        Ok(Replay {
            bytes,
            offset,
            frame: None,
            made_by,
            unix_ns,
            node: start.node(),
            start,
            fingerprint: Fingerprint::default(),
            steps: 0,
            last: None,
            actions: Vec::new(),
            scratch: Vec::new(),
            tail: None,
            failed: None,
        })
    }

    /// Steps the node with the next recorded event; `None` at the end of the recording.
    ///
    /// # Errors
    /// [`ReplayError`]; the same again when called again. After `Diverged`, [`last`](Self::last) is
    /// the step that did.
    pub fn step(&mut self) -> Result<Option<Step<'_>>, ReplayError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.advance() {
            Ok(true) => Ok(self.last()),
            Ok(false) => Ok(None),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The step taken last.
    #[must_use]
    pub fn last(&self) -> Option<Step<'_>> {
        let (now, event) = self.last.as_ref()?;
        Some(Step {
            number: self.steps,
            now: *now,
            event,
            actions: &self.actions,
            node: &self.node,
        })
    }

    /// Where the life begins.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// What the wall clock showed when the node's own clock showed zero, in nanoseconds since 1970.
    #[must_use]
    pub fn unix_ns(&self) -> Option<u64> {
        self.unix_ns
    }

    /// The version of the crate that made the recording.
    #[must_use]
    pub fn made_by(&self) -> &str {
        &self.made_by
    }

    /// The node as it stands.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Of all actions so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// How the recording ends, once it has ended.
    #[must_use]
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    fn advance(&mut self) -> Result<bool, ReplayError> {
        if self.tail.is_some() {
            return Ok(false);
        }
        if self.frame.is_none() && !self.next_frame()? {
            return Ok(false);
        }
        let Some(mut frame) = self.frame.take() else {
            return Ok(false);
        };
        let offset = self.offset - frame.len();
        let written = frame.next().ok_or_else(|| ReplayError::UnknownStep {
            offset,
            number: self.steps.saturating_add(1),
            made_by: self.made_by.clone(),
        })?;
        // What a check of sixteen bits has missed comes out at the end of its frame.
        let whole = match written.check {
            Some(_) => frame.is_answered().then_some(frame.fingerprint),
            None if self.fingerprint.word() != frame.fingerprint => Some(frame.fingerprint),
            None => None,
        };
        if frame.len() > 0 {
            self.frame = Some(frame);
        }
        self.live(offset, written, whole)
    }

    /// Opens the next frame of steps; false at the end of the recording.
    fn next_frame(&mut self) -> Result<bool, ReplayError> {
        let (rest, expected) = (self.rest(), self.steps.saturating_add(1));
        let damaged = ReplayError::Damaged {
            offset: self.offset,
            expected,
        };
        let Some(frame) = Frame::read(rest, sum::xxh3) else {
            if frame::has_intact_after(rest, expected, sum::xxh3) {
                return Err(damaged);
            }
            self.tail = Some(Tail::Cut { torn: rest.len() });
            return Ok(false);
        };
        if frame.number != expected {
            return Err(damaged);
        }
        if let Some((&END, why)) = frame.body.split_first()
            && let Ok(end) = codec::decode(why)
        {
            // Nothing is ever written behind an end.
            if rest.len() > frame.len() {
                return Err(damaged);
            }
            self.offset += frame.len();
            self.tail = Some(Tail::Ended(end));
            return Ok(false);
        }
        let Some(steps) = Steps::open(frame.body) else {
            return Err(ReplayError::UnknownStep {
                offset: self.offset,
                number: expected,
                made_by: self.made_by.clone(),
            });
        };
        self.offset += frame.len();
        self.frame = Some(steps);
        Ok(true)
    }

    /// Steps the node; `whole` is the fingerprint it must have then.
    fn live(
        &mut self,
        offset: usize,
        written: Written,
        whole: Option<u64>,
    ) -> Result<bool, ReplayError> {
        let Written { now, event, check } = written;
        self.steps += 1;
        self.actions.clear();
        self.last = Some((now, event.clone()));
        self.node.step(now, event, &mut self.actions);
        self.fingerprint.fold(&self.actions, &mut self.scratch);
        let is_alike = check.is_none_or(|check| check == self.fingerprint.check())
            && whole.is_none_or(|whole| whole == self.fingerprint.word());
        if is_alike {
            return Ok(true);
        }
        Err(ReplayError::Diverged {
            at: self.steps,
            now,
            offset,
            made_by: self.made_by.clone(),
        })
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.offset..).unwrap_or_default()
    }
}

/// The start of a recording being read.
struct Opening<'a> {
    bytes: &'a [u8],
    offset: usize,
    made_by: String,
}

impl Opening<'_> {
    fn start(&mut self) -> Result<(Start, Option<u64>), ReplayError> {
        let head: Head = self.next(START)?;
        let mut durable = Durable::default();
        for _ in 0..head.durable {
            durable.apply(self.next::<Record>(DURABLE)?);
        }
        durable.state().map_err(|_| ReplayError::UnknownStart {
            offset: self.offset,
            made_by: self.made_by.clone(),
        })?;
        let mut config = head.config;
        config.address = head.address.into();
        let config = config.validate().map_err(|error| ReplayError::Config {
            error,
            made_by: self.made_by.clone(),
        })?;
        let start = Start {
            config,
            durable,
            last: head.last,
            seed: head.seed,
            now: head.now,
        };
        Ok((start, head.unix_ns))
    }

    /// The next frame, which must be of the given kind.
    fn next<T: serde::de::DeserializeOwned>(&mut self, kind: u8) -> Result<T, ReplayError> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let frame = Frame::read(rest, sum::xxh3).ok_or(ReplayError::NoStart { offset })?;
        let unknown = || ReplayError::UnknownStart {
            offset,
            made_by: self.made_by.clone(),
        };
        let value = match frame.body.split_first() {
            Some((found, body)) if *found == kind && frame.number == 0 => {
                codec::decode(body).map_err(|_| unknown())?
            }
            Some(_) | None => return Err(unknown()),
        };
        self.offset += frame.len();
        Ok(value)
    }
}
