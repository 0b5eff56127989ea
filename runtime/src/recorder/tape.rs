//! The file of one recording, and the files beside it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use quorate_core::id::NodeId;
use quorate_core::journal::{End, Start, encode_end, encode_start};

use super::{Gathered, Recording};

const SUFFIX: &str = ".recording";
/// Kept free for the frame that says why a recording ends.
const END_BYTES: u64 = 64;

/// A recording being written.
#[derive(Debug)]
pub(super) struct Tape {
    file: File,
    path: PathBuf,
    len: u64,
    bytes_max: u64,
    /// The number of the step that is written next.
    next: u64,
}

impl Tape {
    /// Makes room among the older lives and begins a new file. Blocks.
    pub(super) fn begin(
        recording: &Recording,
        start: &Start,
        unix_ns: Option<u64>,
    ) -> io::Result<Tape> {
        let mut bytes = Vec::new();
        encode_start(start, unix_ns, &mut bytes).map_err(io::Error::other)?;
        let len = bytes.len() as u64;
        if len + END_BYTES > recording.bytes_max {
            let message = format!(
                "the start alone, with the log as it stands, has {len} bytes; recorder.bytes_max \
                 is {}",
                recording.bytes_max
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let node = start.config.node;
        create_directory(&recording.directory)?;
        let number = make_room(recording, node)?;
        let path = recording
            .directory
            .join(format!("n{}-{number:06}{SUFFIX}", node.0));
        let mut file = create(&path)?;
        file.write_all(&bytes)?;
        Ok(Tape {
            file,
            path,
            len,
            bytes_max: recording.bytes_max,
            next: 1,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the batches that fit; the answer is the end, if this is it. Blocks.
    pub(super) fn write(&mut self, gathered: &Gathered) -> io::Result<Option<End>> {
        let room = self.bytes_max.saturating_sub(self.len + END_BYTES);
        let fitting = gathered
            .cuts
            .partition_point(|(len, _)| *len as u64 <= room);
        if let Some((len, next)) = fitting.checked_sub(1).map(|last| gathered.cuts[last]) {
            self.file.write_all(&gathered.bytes[..len])?;
            self.len += len as u64;
            self.next = next;
        }
        let end = if fitting < gathered.cuts.len() {
            Some(End::Full)
        } else {
            gathered.end
        };
        if let Some(why) = end {
            let mut bytes = Vec::new();
            encode_end(self.next, why, &mut bytes);
            self.file.write_all(&bytes)?;
        }
        Ok(end)
    }
}

/// The recordings of a directory, those of one node together, the oldest first. Blocks.
///
/// # Errors
/// What the system says.
pub fn recordings(directory: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(lives(directory)?
        .into_iter()
        .map(|life| life.path)
        .collect())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Life {
    node: u64,
    number: u64,
    path: PathBuf,
}

fn lives(directory: &Path) -> io::Result<Vec<Life>> {
    let mut lives = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((node, number)) = name.and_then(parse) {
            lives.push(Life { node, number, path });
        }
    }
    lives.sort();
    Ok(lives)
}

/// The node and the number in the name of a recording.
fn parse(name: &str) -> Option<(u64, u64)> {
    let (node, number) = name
        .strip_prefix('n')?
        .strip_suffix(SUFFIX)?
        .split_once('-')?;
    Some((node.parse().ok()?, number.parse().ok()?))
}

/// Deletes a node's oldest lives until one more keeps both bounds; the answer is its number.
fn make_room(recording: &Recording, node: NodeId) -> io::Result<u64> {
    let mut lives = lives(&recording.directory)?;
    lives.retain(|life| life.node == node.0);
    let number = lives.last().map_or(0, |life| life.number).saturating_add(1);
    let mut kept = Vec::new();
    for life in lives {
        let len = std::fs::metadata(&life.path)?.len();
        kept.push((life.path, len));
    }
    let mut total: u64 = kept.iter().map(|(_, len)| len).sum();
    let lives_max = u64::from(recording.lives_max);
    let bytes_max = recording.bytes_max.saturating_mul(lives_max - 1);
    let mut count = kept.len() as u64;
    for (path, len) in kept {
        if count < lives_max && total <= bytes_max {
            break;
        }
        std::fs::remove_file(path)?;
        total -= len;
        count -= 1;
    }
    Ok(number)
}

/// Recordings hold what registers hold: they are for the owner alone.
fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
