//! Recordings of real nodes, lived again and laid beside each other into one [`Record`].
//!
//! ```text
//! files ── life ──► lives, with every step's actions ── connections ──► which message is which
//!                                                              │
//!                    Record ◄── merge ◄── clock: one time line ┘
//! ```
//!
//! * I1: every step is taken by the shipping node and agrees with its recording; a recording that
//!   does not replay is an error and no part of a record.
//! * I2: a message is never received before it was sent, whatever the clocks say.
//!
//! Deliberately absent: repair of damaged recordings, and checkers. What is recorded happened.

mod clock;
mod connections;
mod life;
mod merge;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use quorate_core::id::{ClusterId, NodeId, Peer};
use quorate_core::journal::{Fingerprint, ReplayError, Tail};
use serde::Serialize;

use self::clock::Place;
use self::life::Life;
use crate::record::Record;
use crate::trace::Trace;
use crate::wording;

/// What the names of recordings end with.
const SUFFIX: &str = "recording";
/// What a recording begins with.
const MAGIC: &[u8] = b"QUORLIFE";

/// Recordings that were lived again.
#[derive(Clone, Debug)]
pub struct Flight {
    /// What happened, in one order.
    pub record: Record,
    /// The recordings, by node and life.
    pub tapes: Vec<Tape>,
    /// What the wall clock showed at the record's zero, in nanoseconds since 1970, if it is known.
    pub unix_ns: Option<u64>,
    /// How far the clocks drifted apart: no way to lay the lives beside each other explains all
    /// messages, and moments are wrong by so much at worst.
    pub drift_ns: u64,
}

/// One recording.
#[derive(Clone, Debug, Serialize)]
pub struct Tape {
    /// The file.
    pub file: PathBuf,
    /// Whose life it is, and which.
    #[serde(serialize_with = "as_text")]
    pub life: Peer,
    /// The version that made it.
    pub made_by: String,
    /// Steps.
    pub steps: u64,
    /// Of all actions.
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
    /// How it ends.
    #[serde(serialize_with = "tail_as_text")]
    pub tail: Tail,
    /// Where it lies on the common time line.
    #[serde(flatten)]
    pub place: Place,
}

/// Why recordings are not replayed.
#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// There is nothing to replay.
    #[error("no recording in {}: no file there ends with .{SUFFIX}", path.display())]
    Empty {
        /// Where.
        path: PathBuf,
    },
    /// It is no recording, or damaged, or was lived differently.
    #[error("{}: {error}{}", file.display(), instead.as_deref().unwrap_or(""))]
    Replay {
        /// The file.
        file: PathBuf,
        /// What and where.
        #[source]
        error: ReplayError,
        /// What the node did in place of what it did when it was recorded, in lines.
        instead: Option<String>,
    },
    /// Two files hold one life.
    #[error("{} and {} both hold the life {life}", files[0].display(), files[1].display())]
    Twice {
        /// The life.
        life: Peer,
        /// The files.
        files: [PathBuf; 2],
    },
    /// The nodes are of different clusters.
    #[error(
        "{} is of cluster \"{}\" and {} of cluster \"{}\": they have no common time line",
        files[0].display(), clusters[0], files[1].display(), clusters[1]
    )]
    Clusters {
        /// The files.
        files: [PathBuf; 2],
        /// Their clusters.
        clusters: [ClusterId; 2],
    },
}

impl FlightError {
    /// Whether a node did something else than when it was recorded: other code, or code that is
    /// not deterministic.
    #[must_use]
    pub fn is_nondeterminism(&self) -> bool {
        matches!(
            self,
            FlightError::Replay {
                error: ReplayError::Diverged { .. },
                ..
            }
        )
    }
}

/// Whether a path means recordings: a directory, or a file that is one or is named like one.
#[must_use]
pub fn is_meant_by(path: &Path) -> bool {
    let begins_like_one = || {
        let mut head = [0; MAGIC.len()];
        let read = std::fs::File::open(path)
            .and_then(|mut file| io::Read::read_exact(&mut file, &mut head));
        read.is_ok() && head == MAGIC
    };
    path.is_dir() || is_named_like_one(path) || begins_like_one()
}

fn is_named_like_one(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == SUFFIX)
}

/// Lives the recordings of files and directories again, and lays them beside each other.
///
/// # Errors
/// [`FlightError`].
pub fn read(paths: &[PathBuf]) -> Result<Flight, FlightError> {
    let mut lives = Vec::new();
    for file in files(paths)? {
        lives.push(Life::read(&file)?);
    }
    lives.sort_by_key(|life: &Life| life.peer);
    check(&lives)?;
    let connections = connections::pair(&lives);
    let matches = connections::matches(&lives, &connections);
    let line = clock::lay(&lives, &matches);
    let record = merge::merge(&lives, &connections, &matches, &line);
    let tapes = lives.iter().zip(&line.places);
    Ok(Flight {
        record,
        tapes: tapes.map(|(life, place)| life.tape(*place)).collect(),
        unix_ns: line.unix_ns,
        drift_ns: line.drift_ns,
    })
}

impl Flight {
    /// Of all recordings together.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut all = Trace::default();
        for tape in &self.tapes {
            all.note(tape.fingerprint.word(), &tape.life);
        }
        format!("{:016x}", all.hash())
    }

    /// The nodes, in words.
    #[must_use]
    pub fn nodes(&self) -> String {
        let nodes = self.record.nodes();
        let names: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
        names.join(" ")
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FlightError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error| FlightError::Unreadable {
            path: path.clone(),
            error,
        };
        let before = files.len();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_named_like_one(&file) {
                files.push(file);
            }
        }
        if files.len() == before {
            return Err(FlightError::Empty { path: path.clone() });
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Lives that can be laid beside each other: of one cluster, each once.
fn check(lives: &[Life]) -> Result<(), FlightError> {
    for pair in lives.windows(2) {
        let files = || [pair[0].file.clone(), pair[1].file.clone()];
        if pair[0].peer == pair[1].peer {
            return Err(FlightError::Twice {
                life: pair[0].peer,
                files: files(),
            });
        }
        let clusters = [&pair[0], &pair[1]].map(|life| life.start.config.cluster.clone());
        if clusters[0] != clusters[1] {
            return Err(FlightError::Clusters {
                files: files(),
                clusters,
            });
        }
    }
    Ok(())
}

fn as_text<S: serde::Serializer>(value: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn tail_as_text<S: serde::Serializer>(value: &Tail, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&wording::tail_of(*value))
}
