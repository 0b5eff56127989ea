//! The task that makes records durable: one write and one sync per batch, while the next batch
//! gathers (group commit).

use std::time::Duration;

use async_channel::{Receiver, Sender};
use quorate_core::durable::segments::Write;
use quorate_core::id::Lsn;

use crate::disk::{Disk, Pending};
use crate::driver::Mail;
use crate::seam::Seam;

/// A sync that takes longer is reported to the core, which then hands leadership over.
const STALL: Duration = Duration::from_millis(500);
/// Bytes written at once; more wait for the next sync.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Encoded records.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The number of the last record.
    pub(crate) last: Lsn,
    pub(crate) writes: Vec<Write>,
}

impl Batch {
    fn len(&self) -> usize {
        self.writes.iter().map(Write::len).sum()
    }
}

/// Writes batches until the queue is closed and empty, or the disk fails.
pub(crate) async fn write<S: Seam>(
    seam: S,
    mut disk: Box<dyn Disk>,
    queue: Receiver<Batch>,
    mailbox: Sender<Mail>,
) {
    while let Ok(mut batch) = queue.recv().await {
        while batch.len() < BATCH_BYTES_MAX
            && let Ok(next) = queue.try_recv()
        {
            Write::join(&mut batch.writes, next.writes);
            batch.last = next.last;
        }
        let mut work = perform(disk.as_mut(), batch.writes);
        let result = match seam.within(STALL, &mut work).await {
            Some(result) => result,
            None => {
                let _driver_gone = mailbox.send(Mail::DiskStalled).await;
                (&mut work).await
            }
        };
        drop(work);
        // A driver that is gone still wants what it queued to be written.
        match result {
            Ok(()) => {
                let _driver_gone = mailbox.send(Mail::Persisted(batch.last)).await;
            }
            Err(error) => {
                queue.close();
                let reason = format!("{}: {error}", disk.name().display());
                let _driver_gone = mailbox.send(Mail::DiskFailed { reason }).await;
                return;
            }
        }
    }
}

/// One write after the other, each durable before the next is begun.
fn perform(disk: &mut dyn Disk, writes: Vec<Write>) -> Pending<'_, ()> {
    Box::pin(async move {
        for write in writes {
            disk.write(write).await?;
        }
        Ok(())
    })
}
