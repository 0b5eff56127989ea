//! The flight recorder: every life of a node in a file of its own, to be lived again offline.
//!
//! The driver writes each event and a fingerprint of what the node made of it into a buffer; once
//! a round the buffer goes to a task that writes what has gathered to the file, a few dozen times a
//! second at most.
//!
//! * I1: a recorder never slows or stops its node. What it cannot do in time or in its bounds, it
//!   leaves: the recording ends there, with the reason in it and a warning in the log.
//! * I2: a recording has no gap: it is a life from its start up to some step.
//! * I3: the recordings of a node hold at most `bytes_max * lives_max` bytes.
//!
//! Deliberately absent: syncs. A recording survives the death of its process, not that of its
//! machine.

mod tape;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_channel::{Receiver, Sender};
use quorate_core::id::NodeId;
use quorate_core::journal::{End, ReplayError, Replayed, Start, Writer, replay_recording};
use quorate_core::node::{Action, Event, Node, Problem};
use quorate_core::time::Time;

use self::tape::Tape;
pub use self::tape::recordings;
use crate::seam::Seam;

/// The directory of recordings inside the home directory, unless another is named.
pub const RECORDINGS_DIRECTORY: &str = "recordings";

/// Bytes that may wait for the recorder's disk; more, and the recording ends.
const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes written at once.
const WRITE_BYTES: usize = 1024 * 1024;
/// What gathers in so long is written together: each write is a trip to a thread for blocking work,
/// which costs more than all the rest.
const GATHER: Duration = Duration::from_millis(20);

/// What to record, and how much of it to keep. A recording holds what the control log holds, the
/// values of registers included, and no keys or certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Where the recordings are: files `n<node>-<number>.recording`, one for each life. Made if it
    /// does not exist.
    pub directory: PathBuf,
    /// The length of one recording, 64 KiB to 16 GiB. A life that outgrows it is not recorded
    /// further: only with its beginning can it be lived again.
    pub bytes_max: u64,
    /// The lives kept, 1 to 1000, the current one included. The oldest are deleted when a life
    /// begins.
    pub lives_max: u32,
}

impl Recording {
    /// Four lives of 256 MiB each in `directory`.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Recording {
        Recording {
            directory: directory.into(),
            bytes_max: 256 * 1024 * 1024,
            lives_max: 4,
        }
    }

    /// What is out of its bounds.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(64 * 1024..=16 * 1024 * 1024 * 1024).contains(&self.bytes_max) {
            problems.push(Problem {
                key: "recorder.bytes_max",
                what: format!("{} is not within 64 KiB and 16 GiB", self.bytes_max),
            });
        }
        if !(1..=1000).contains(&self.lives_max) {
            problems.push(Problem {
                key: "recorder.lives_max",
                what: format!("{} is not within 1 and 1000", self.lives_max),
            });
        }
        problems
    }
}

/// Why a file of recordings is not replayed, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// It is no recording, damaged, or tells of another node than this build's.
    #[error("{}: {error}", file.display())]
    Replay {
        /// The file.
        file: PathBuf,
        /// What and where.
        #[source]
        error: ReplayError,
    },
}

/// Lives the recording of a file again; `each` sees every step, with the node after it. Blocks, and
/// holds the whole file in memory.
///
/// # Errors
/// [`RecordingError`].
pub fn replay_file(
    file: &Path,
    each: impl FnMut(Time, &Event, &[Action], &Node),
) -> Result<Replayed, RecordingError> {
    let bytes = std::fs::read(file).map_err(|error| RecordingError::Unreadable {
        file: file.to_owned(),
        error,
    })?;
    replay_recording(&bytes, each).map_err(|error| RecordingError::Replay {
        file: file.to_owned(),
        error,
    })
}

/// Whole frames on their way to the file, as the driver handed them over.
#[derive(Debug)]
struct Batch {
    bytes: Vec<u8>,
    /// The number of the step after them.
    next: u64,
    /// Nothing follows, and why.
    end: Option<End>,
}

/// Batches that are written together.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    /// Where each batch ends in them, and the number of the step after it: the file may be cut at
    /// any of these places.
    cuts: Vec<(usize, u64)>,
    /// Nothing follows, and why.
    end: Option<End>,
}

impl Gathered {
    fn add(&mut self, batch: Batch) {
        self.bytes.extend_from_slice(&batch.bytes);
        self.cuts.push((self.bytes.len(), batch.next));
        self.end = batch.end;
    }

    fn is_enough(&self) -> bool {
        self.end.is_some() || self.bytes.len() >= WRITE_BYTES
    }
}

/// The driver's end of the recorder.
pub(crate) struct Recorder {
    lane: Option<Lane>,
}

struct Lane {
    node: NodeId,
    writer: Writer,
    queue: Sender<Batch>,
    /// Bytes in the queue and being written.
    waiting: Arc<AtomicUsize>,
    /// The number of the step after the last one handed over.
    next: u64,
}

/// Sets a recorder going, if one is wanted, and says when its task is over.
pub(crate) fn launch<S: Seam>(
    seam: &S,
    recording: Option<Recording>,
    start: Start,
) -> (Recorder, Receiver<Infallible>) {
    let (token, over) = async_channel::bounded(1);
    let Some(recording) = recording else {
        return (Recorder { lane: None }, over);
    };
    // Bounded by `waiting`.
    let (queue, batches) = async_channel::unbounded();
    let waiting = Arc::new(AtomicUsize::new(0));
    let lane = Lane {
        node: start.config.node,
        writer: Writer::new(),
        queue,
        waiting: waiting.clone(),
        next: 1,
    };
    let tape = Opening {
        unix_ns: unix_ns_at_zero(seam.now()),
        recording,
        start,
    };
    let writing = write(seam.clone(), tape, batches, waiting);
    seam.spawn(async move {
        writing.await;
        drop(token);
    });
    (Recorder { lane: Some(lane) }, over)
}

/// What the wall clock showed when the node's own clock, which shows `now`, showed zero.
fn unix_ns_at_zero(now: Time) -> Option<u64> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let unix_ns = u64::try_from(unix.as_nanos()).ok()?;
    unix_ns.checked_sub(now.as_nanos())
}

impl Recorder {
    /// Writes down what the node is about to be stepped with.
    pub(crate) fn before(&mut self, now: Time, event: &Event) {
        let Some(lane) = &mut self.lane else {
            return;
        };
        if let Err(error) = lane.writer.before(now, event) {
            tracing::warn!(node = %lane.node, %error, "the recording ends: an event is too long");
            self.end(End::TooLong);
        }
    }

    /// Writes down what the node made of it.
    pub(crate) fn after(&mut self, actions: &[Action]) {
        if let Some(lane) = &mut self.lane {
            lane.writer.after(actions);
        }
    }

    /// Gives what is written down to the file.
    pub(crate) fn hand_over(&mut self) {
        let goes_on = self.lane.as_mut().is_none_or(Lane::hand_over);
        if !goes_on {
            self.lane = None;
        }
    }

    /// Ends the recording here.
    pub(crate) fn end(&mut self, end: End) {
        self.hand_over();
        if let Some(lane) = self.lane.take() {
            lane.send(Vec::new(), lane.next, Some(end));
        }
    }
}

/// What is written down gets to the file also when the node panics: that above all.
impl Drop for Recorder {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Lane {
    /// False when the recording has ended.
    fn hand_over(&mut self) -> bool {
        if self.writer.is_empty() {
            return true;
        }
        let (bytes, next) = (self.writer.take(), self.writer.next());
        let len = bytes.len();
        let waiting = self.waiting.fetch_add(len, Ordering::Relaxed);
        if waiting.saturating_add(len) > QUEUE_BYTES_MAX {
            tracing::warn!(node = %self.node, waiting, "the recording ends: its disk is too slow");
            self.send(Vec::new(), self.next, Some(End::Behind));
            return false;
        }
        self.next = next;
        self.send(bytes, next, None)
    }

    fn send(&self, bytes: Vec<u8>, next: u64, end: Option<End>) -> bool {
        // A closed queue means that the task gave up, and has said why.
        self.queue.try_send(Batch { bytes, next, end }).is_ok()
    }
}

/// What a recording begins with.
struct Opening {
    recording: Recording,
    start: Start,
    unix_ns: Option<u64>,
}

/// Writes a life to its file until it ends or does not fit any more.
async fn write<S: Seam>(
    seam: S,
    opening: Opening,
    queue: Receiver<Batch>,
    waiting: Arc<AtomicUsize>,
) {
    let (node, directory) = (
        opening.start.config.node,
        opening.recording.directory.clone(),
    );
    let given_up = |error: io::Error, what: &str| {
        queue.close();
        let directory = directory.display();
        tracing::warn!(%node, %directory, %error, "{what}");
    };
    let opened = seam
        .blocking(move || Tape::begin(&opening.recording, &opening.start, opening.unix_ns))
        .await
        .flatten();
    let mut tape = match opened {
        Ok(tape) => tape,
        Err(error) => return given_up(error, "this life is not recorded"),
    };
    tracing::info!(%node, file = %tape.path().display(), "recording");
    while let Ok(first) = queue.recv().await {
        let mut gathered = Gathered::default();
        gathered.add(first);
        if !gathered.is_enough() {
            seam.sleep(GATHER).await;
        }
        while !gathered.is_enough()
            && let Ok(more) = queue.try_recv()
        {
            gathered.add(more);
        }
        let len = gathered.bytes.len();
        let work = move || {
            let ended = tape.write(&gathered);
            ended.map(|ended| (tape, ended))
        };
        let ended = match seam.blocking(work).await.flatten() {
            Ok((back, ended)) => {
                tape = back;
                ended
            }
            Err(error) => return given_up(error, "the recording ends: it cannot be written"),
        };
        waiting.fetch_sub(len, Ordering::Relaxed);
        match ended {
            Some(End::Full) => {
                queue.close();
                let file = tape.path().display();
                tracing::warn!(%node, %file, "the recording is full and ends; the node goes on");
                return;
            }
            Some(End::Stopped | End::Halted | End::Behind | End::TooLong) => return,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
