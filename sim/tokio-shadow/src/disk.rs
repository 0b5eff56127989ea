//! A disk in memory that survives its node: what is not synced when the node is killed is lost.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use madsim::time::sleep;
use quorate_runtime::{Disk, Pending, Segment, Write};

/// How long a sync takes.
const SYNC: Duration = Duration::from_millis(1);

/// What a node has made durable.
pub type Platter = Arc<Mutex<Vec<Segment>>>;

/// The disk of one life of a node.
#[derive(Debug)]
pub struct SimDisk {
    /// Whose it is.
    pub node: u64,
    /// What survives.
    pub platter: Platter,
}

impl SimDisk {
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Segment>) -> T) -> io::Result<T> {
        Ok(change(
            &mut self.platter.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Disk for SimDisk {
    fn name(&self) -> PathBuf {
        PathBuf::from(format!("disk of n{}", self.node))
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        Box::pin(async { self.change(|segments| segments.clone()) })
    }

    fn resume(&mut self, len: u64) -> Pending<'_, ()> {
        Box::pin(async move {
            let len = usize::try_from(len).map_err(io::Error::other)?;
            self.change(|segments| {
                if let Some(last) = segments.last_mut() {
                    last.bytes.truncate(len);
                }
            })
        })
    }

    fn write(&mut self, write: Write) -> Pending<'_, ()> {
        Box::pin(async move {
            sleep(SYNC).await;
            self.change(|segments| write.perform(segments))
        })
    }
}
