//! A log that is durable at once.

use std::io;
use std::path::PathBuf;

use quorate_tokio::{Disk, Pending, Segment, Write};

/// Its segments.
#[derive(Default)]
pub struct Memory(Vec<Segment>);

impl Disk for Memory {
    fn name(&self) -> PathBuf {
        "memory".into()
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        let segments = self.0.clone();
        Box::pin(async { Ok::<_, io::Error>(segments) })
    }

    fn resume(&mut self, len: u64) -> Pending<'_, ()> {
        if let Some(last) = self.0.last_mut() {
            last.bytes
                .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        }
        Box::pin(async { Ok(()) })
    }

    fn write(&mut self, write: Write) -> Pending<'_, ()> {
        write.perform(&mut self.0);
        Box::pin(async { Ok(()) })
    }
}
