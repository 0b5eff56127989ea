//! Durable bytes: an append-only log that a driver loads once and then only extends.
//!
//! The core judges and folds the log; a [`Disk`] just keeps bytes, so a simulator can replace it by
//! one that forgets, tears and stalls. I1: `append` completes only when its bytes survive a crash.
//! I2: after a failure of `append` the disk is not used again: what a failed sync left behind is
//! unknowable (fsyncgate), so there is no retry.

use std::fs::{File, OpenOptions, TryLockError};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_core::durable::Durable;
use quorate_core::durable::image::ImageError;
use quorate_core::durable::wal::{self, Corrupt};
use quorate_core::id::Lsn;

use crate::seam::Seam;

/// The file of the log inside the data directory.
pub const LOG_FILE: &str = "quorate.wal";

/// Work of a [`Disk`] under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// An append-only byte log.
pub trait Disk: Send + 'static {
    /// What to call it in messages, such as the path of a file.
    fn name(&self) -> PathBuf;

    /// Opens the log, creating it if there is none, and reads it whole.
    fn load(&mut self) -> Pending<'_, Vec<u8>>;

    /// Cuts the log to `len` bytes, durably.
    fn truncate(&mut self, len: u64) -> Pending<'_, ()>;

    /// Appends bytes and makes them durable.
    fn append(&mut self, bytes: Vec<u8>) -> Pending<'_, ()>;
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The log is damaged in its middle.
    #[error("{}: {corrupt}", file.display())]
    Corrupt {
        /// The log.
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

/// What a log holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) durable: Durable,
    pub(crate) last: Lsn,
    /// Bytes of a torn write that were cut off.
    pub(crate) torn: usize,
}

/// Loads a log: scans it, cuts off a torn tail, folds the records.
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
    let bytes = disk.load().await.map_err(failed)?;
    let scan = wal::scan(&bytes).map_err(|corrupt| DiskError::Corrupt {
        file: file.clone(),
        corrupt,
    })?;
    let torn = bytes.len().saturating_sub(scan.valid_len);
    if torn > 0 {
        disk.truncate(scan.valid_len as u64).await.map_err(failed)?;
    }
    let mut durable = Durable::default();
    let mut last = Lsn::default();
    for (lsn, record) in scan.records {
        durable.apply(record);
        last = lsn;
    }
    durable.state().map_err(|error| DiskError::Unreadable {
        file: file.clone(),
        error,
    })?;
    Ok(Loaded {
        durable,
        last,
        torn,
    })
}

/// A log in a file, with its system calls on the seam's blocking threads.
#[derive(Debug)]
pub struct FileDisk<S> {
    seam: S,
    directory: PathBuf,
    file: Arc<Mutex<Option<File>>>,
}

impl<S: Seam> FileDisk<S> {
    /// The log of a data directory; nothing is touched before it is loaded.
    #[must_use]
    pub fn new(seam: S, directory: PathBuf) -> FileDisk<S> {
        FileDisk {
            seam,
            directory,
            file: Arc::default(),
        }
    }

    fn with_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File) -> io::Result<T> + Send + 'static,
    ) -> Pending<'_, T> {
        let file = self.file.clone();
        Box::pin(async move {
            let work = move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                match file.as_mut() {
                    Some(file) => work(file),
                    None => Err(io::Error::other("the log is not open")),
                }
            };
            self.seam.blocking(work).await?
        })
    }
}

impl<S: Seam> Disk for FileDisk<S> {
    fn name(&self) -> PathBuf {
        self.directory.join(LOG_FILE)
    }

    fn load(&mut self) -> Pending<'_, Vec<u8>> {
        let (directory, slot) = (self.directory.clone(), self.file.clone());
        Box::pin(async move {
            let work = move || {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                // An earlier attempt of ours must not lock this one out.
                drop(slot.take());
                let (file, bytes) = open(&directory)?;
                *slot = Some(file);
                Ok(bytes)
            };
            self.seam.blocking(work).await?
        })
    }

    fn truncate(&mut self, len: u64) -> Pending<'_, ()> {
        self.with_file(move |file| {
            file.set_len(len)?;
            file.seek(SeekFrom::Start(len))?;
            file.sync_all()
        })
    }

    fn append(&mut self, bytes: Vec<u8>) -> Pending<'_, ()> {
        self.with_file(move |file| {
            file.write_all(&bytes)?;
            file.sync_data()
        })
    }
}

fn open(directory: &Path) -> io::Result<(File, Vec<u8>)> {
    let is_new_directory = !directory.exists();
    std::fs::create_dir_all(directory)?;
    if is_new_directory && let Some(parent) = directory.parent() {
        sync_directory(parent)?;
    }
    let path = directory.join(LOG_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
        TryLockError::Error(error) => error,
    })?;
    // The name must survive a crash as well as the bytes.
    sync_directory(directory)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((file, bytes))
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
