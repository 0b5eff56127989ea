//! Durable bytes: the segments of a log, which a driver loads once and then only writes on.
//!
//! The core judges and folds the log; a [`Disk`] just keeps bytes, so a simulator can replace it by
//! one that forgets, tears and stalls.
//!
//! * I1: `write` completes only when what it did survives a crash.
//! * I2: after a failure of `write` the disk is not used again: what a failed sync left behind is
//!   unknowable (fsyncgate), so there is no retry.

use std::fs::{File, OpenOptions, TryLockError};
use std::future::Future;
use std::io::{self, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_core::durable::image::ImageError;
use quorate_core::durable::segments::{self, Loaded, Segment, Write};
use quorate_core::durable::wal::Corrupt;
use quorate_core::id::Lsn;

use crate::seam::Seam;

/// The file that a running node locks in its data directory.
pub const LOCK_FILE: &str = "quorate.lock";

/// Where a rebuilt node keeps its damaged segments, in its data directory: with a number behind it.
pub const ASIDE_PREFIX: &str = "set-aside-";

/// A segment is allocated ahead in steps of so many bytes, so that a sync seldom has to make the
/// growth of a file durable beside its bytes.
const AHEAD_BYTES: u64 = 1 << 20;

/// Work of a [`Disk`] under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// The segments of a log. `docs/wal.md` says what stands in them.
pub trait Disk: Send + 'static {
    /// What to call it in messages, such as the path of a directory.
    fn name(&self) -> PathBuf;

    /// Reads all segments, in the order of their first records.
    fn load(&mut self) -> Pending<'_, Vec<Segment>>;

    /// Goes on writing the last segment at `len`; what stands behind is cut off, durably.
    fn resume(&mut self, len: u64) -> Pending<'_, ()>;

    /// Does what the core asks for, durably.
    fn write(&mut self, write: Write) -> Pending<'_, ()>;

    /// Takes the segments before this one, which a rebuilt node must not use any more, out of the
    /// log, durably and the oldest first. It may keep them elsewhere; by default they are removed.
    fn set_aside(&mut self, before: Lsn) -> Pending<'_, ()> {
        self.write(Write::Forget { before })
    }
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The log is damaged in its middle.
    #[error("{}: {corrupt}", file.display())]
    Corrupt {
        /// Where the log is.
        file: PathBuf,
        /// Where.
        corrupt: Corrupt,
    },
    /// It begins with a state that this version cannot read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The log.
        file: PathBuf,
        /// Why.
        error: ImageError,
    },
    /// It is not damaged: whoever remembers its promises is not rebuilt.
    #[error("{} holds a whole log: there is nothing to rebuild, start the node", file.display())]
    Whole {
        /// The log.
        file: PathBuf,
    },
    /// Another process uses it.
    #[error("{} is in use by another process", file.display())]
    InUse {
        /// The log.
        file: PathBuf,
    },
    /// The operating system says no.
    #[error("{}: {error}", file.display())]
    Io {
        /// The log.
        file: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Loads a log: judges and folds it, cuts off a torn tail.
pub(crate) async fn recover(disk: &mut dyn Disk) -> Result<Loaded, DiskError> {
    let file = disk.name();
    let failed = |error: io::Error| {
        let file = file.clone();
        if error.kind() == io::ErrorKind::ResourceBusy {
            DiskError::InUse { file }
        } else {
            DiskError::Io { file, error }
        }
    };
    let all = disk.load().await.map_err(failed)?;
    let loaded = segments::load(&all).map_err(|corrupt| DiskError::Corrupt {
        file: file.clone(),
        corrupt,
    })?;
    if let Some(open) = loaded.open {
        disk.resume(open as u64).await.map_err(failed)?;
    }
    loaded
        .durable
        .state()
        .map_err(|error| DiskError::Unreadable {
            file: file.clone(),
            error,
        })?;
    Ok(loaded)
}

/// Puts a log that makes its node be rebuilt from its peers in the place of a damaged or lost one.
/// A log that is whole stays.
pub(crate) async fn rebuild(disk: &mut dyn Disk, boot: u64, token: u64) -> Result<(), DiskError> {
    let file = disk.name();
    match recover(disk).await {
        Ok(loaded) if loaded.last > Lsn(0) => return Err(DiskError::Whole { file }),
        Ok(_) | Err(DiskError::Corrupt { .. }) => {}
        Err(other) => return Err(other),
    }
    let failed = |error| DiskError::Io {
        file: file.clone(),
        error,
    };
    let all = disk.load().await.map_err(failed)?;
    for write in segments::rebuild(&all, boot, token) {
        match write {
            Write::Forget { before } => disk.set_aside(before).await,
            write @ (Write::Begin { .. } | Write::Append(_)) => disk.write(write).await,
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// A log in files of a directory, with its system calls on the seam's blocking threads.
#[derive(Debug)]
pub struct FileDisk<S> {
    seam: S,
    directory: PathBuf,
    files: Arc<Mutex<Option<Files>>>,
}

impl<S: Seam> FileDisk<S> {
    /// The log of a data directory; nothing is touched before it is loaded.
    #[must_use]
    pub fn new(seam: S, directory: PathBuf) -> FileDisk<S> {
        FileDisk {
            seam,
            directory,
            files: Arc::default(),
        }
    }

    fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> Pending<'_, T> {
        let files = self.files.clone();
        Box::pin(async move {
            let work = move || {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                match files.as_mut() {
                    Some(files) => work(files),
                    None => Err(io::Error::other("the log is not open")),
                }
            };
            self.seam.blocking(work).await?
        })
    }
}

impl<S: Seam> Disk for FileDisk<S> {
    fn name(&self) -> PathBuf {
        self.directory.clone()
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        let (directory, slot) = (self.directory.clone(), self.files.clone());
        Box::pin(async move {
            let work = move || {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                // An earlier attempt of ours must not lock this one out.
                drop(slot.take());
                let files = slot.insert(Files::open(directory)?);
                files.read()
            };
            self.seam.blocking(work).await?
        })
    }

    fn resume(&mut self, len: u64) -> Pending<'_, ()> {
        self.with_files(move |files| files.resume(len))
    }

    fn write(&mut self, write: Write) -> Pending<'_, ()> {
        self.with_files(move |files| match write {
            Write::Begin { first, bytes } => files.begin(&Segment::name(first), &bytes),
            Write::Append(bytes) => files.append(&bytes),
            Write::Forget { before } => {
                files.take_out(&Segment::name(before), |file| std::fs::remove_file(file))
            }
        })
    }

    fn set_aside(&mut self, before: Lsn) -> Pending<'_, ()> {
        self.with_files(move |files| {
            let aside = files.make_aside()?;
            let keep = |file: &Path| {
                let name = file.file_name().unwrap_or_default();
                std::fs::rename(file, aside.join(name))
            };
            files.take_out(&Segment::name(before), keep)?;
            sync_directory(&aside)
        })
    }
}

/// An open log.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    /// Held as long as the log is used.
    _lock: File,
    /// The last segment, how much of it is written, and how much allocated.
    last: Option<(File, u64, u64)>,
}

impl Files {
    fn open(directory: PathBuf) -> io::Result<Files> {
        let is_new_directory = !directory.exists();
        std::fs::create_dir_all(&directory)?;
        if is_new_directory && let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        let lock = options().open(directory.join(LOCK_FILE))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
            TryLockError::Error(error) => error,
        })?;
        Ok(Files {
            directory,
            _lock: lock,
            last: None,
        })
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name().into_string().unwrap_or_default();
            if Segment::parse_name(&name).is_some() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self) -> io::Result<Vec<Segment>> {
        let mut all = Vec::new();
        for name in self.names()? {
            let bytes = std::fs::read(self.directory.join(&name))?;
            let first = Segment::parse_name(&name).unwrap_or_default();
            all.push(Segment { first, bytes });
        }
        Ok(all)
    }

    fn resume(&mut self, len: u64) -> io::Result<()> {
        let Some(name) = self.names()?.pop() else {
            return Err(io::Error::other("there is no segment to go on with"));
        };
        let mut file = options().open(self.directory.join(name))?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        file.sync_all()?;
        self.last = Some((file, len, len));
        Ok(())
    }

    fn begin(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = options().open(self.directory.join(name))?;
        file.set_len(0)?;
        self.last = Some((file, 0, 0));
        self.append(bytes)?;
        // The name must survive a crash as well as the bytes.
        sync_directory(&self.directory)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((file, written, allocated)) = &mut self.last else {
            return Err(io::Error::other("there is no segment to write to"));
        };
        let end = *written + bytes.len() as u64;
        if end > *allocated {
            // Zeros behind the records are no damage; see `docs/wal.md`.
            *allocated = end.next_multiple_of(AHEAD_BYTES);
            let ahead = usize::try_from(*allocated - end).map_err(io::Error::other)?;
            file.write_all(bytes)?;
            file.write_all(&vec![0; ahead])?;
            file.seek(SeekFrom::Start(end))?;
        } else {
            file.write_all(bytes)?;
        }
        *written = end;
        file.sync_data()
    }

    fn take_out(
        &self,
        before: &str,
        mut out: impl FnMut(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        // The oldest first: a crash leaves no gap.
        for name in self.names()? {
            if *name < *before {
                out(&self.directory.join(name))?;
            }
        }
        sync_directory(&self.directory)
    }

    /// A new directory for segments that are no part of the log any more.
    fn make_aside(&self) -> io::Result<PathBuf> {
        let mut all = (1_u32..).map(|nth| self.directory.join(format!("{ASIDE_PREFIX}{nth}")));
        loop {
            let Some(aside) = all.next() else {
                return Err(io::ErrorKind::AlreadyExists.into());
            };
            match std::fs::create_dir(&aside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| aside),
            }
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    File::open(directory)?.sync_all()
}

/// Other systems order a file's name with its bytes by themselves, and do not open directories.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
