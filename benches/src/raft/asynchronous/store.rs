//! A log in memory, done at once, and a state machine that keeps nothing.

use std::fmt::Debug;
use std::io::Cursor;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage, RaftStateMachine, Snapshot};
use openraft::{
    EmptyNode, Entry, EntryPayload, LogId, OptionalSend, RaftLogReader, RaftSnapshotBuilder,
    SnapshotMeta, StorageError, StoredMembership, Vote,
};

use super::Types;

type Done<T> = Result<T, StorageError<u64>>;

/// Entries from index 0 on.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    vote: Option<Vote<u64>>,
    entries: Vec<Entry<Types>>,
}

impl Log {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("nobody panics over a log")
    }
}

fn place(index: u64) -> usize {
    usize::try_from(index).expect("a log in memory")
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Done<Vec<Entry<Types>>> {
        let kept = self.kept();
        let from = match range.start_bound() {
            Bound::Included(first) => place(*first),
            Bound::Excluded(before) => place(*before) + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => place(*last) + 1,
            Bound::Excluded(behind) => place(*behind),
            Bound::Unbounded => usize::MAX,
        };
        let to = to.min(kept.entries.len());
        Ok(kept.entries.get(from..to).unwrap_or_default().to_vec())
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> Done<LogState<Types>> {
        Ok(LogState {
            last_purged_log_id: None,
            last_log_id: self.kept().entries.last().map(|entry| entry.log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Done<()> {
        self.kept().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Done<Option<Vote<u64>>> {
        Ok(self.kept().vote)
    }

    async fn append<I>(&mut self, entries: I, flushed: LogFlushed<Types>) -> Done<()>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.kept().entries.extend(entries);
        flushed.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<u64>) -> Done<()> {
        self.kept().entries.truncate(place(from.index));
        Ok(())
    }

    async fn purge(&mut self, _: LogId<u64>) -> Done<()> {
        unreachable!("{NO_SNAPSHOTS}")
    }
}

const NO_SNAPSHOTS: &str = "there are no snapshots";

/// How far entries are applied.
#[derive(Default)]
pub struct Registers {
    applied: Option<LogId<u64>>,
    members: StoredMembership<u64, EmptyNode>,
}

impl RaftStateMachine<Types> for Registers {
    type SnapshotBuilder = NoSnapshots;

    async fn applied_state(
        &mut self,
    ) -> Done<(Option<LogId<u64>>, StoredMembership<u64, EmptyNode>)> {
        Ok((self.applied, self.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Done<Vec<()>>
    where
        I: IntoIterator<Item = Entry<Types>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        for entry in entries {
            self.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(data) => drop(std::hint::black_box(data)),
                EntryPayload::Membership(members) => {
                    self.members = StoredMembership::new(self.applied, members);
                }
            }
            answers.push(());
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshots {
        NoSnapshots
    }

    async fn begin_receiving_snapshot(&mut self) -> Done<Box<Cursor<Vec<u8>>>> {
        unreachable!("{NO_SNAPSHOTS}")
    }

    async fn install_snapshot(
        &mut self,
        _: &SnapshotMeta<u64, EmptyNode>,
        _: Box<Cursor<Vec<u8>>>,
    ) -> Done<()> {
        unreachable!("{NO_SNAPSHOTS}")
    }

    async fn get_current_snapshot(&mut self) -> Done<Option<Snapshot<Types>>> {
        Ok(None)
    }
}

/// Builds none.
pub struct NoSnapshots;

impl RaftSnapshotBuilder<Types> for NoSnapshots {
    async fn build_snapshot(&mut self) -> Done<Snapshot<Types>> {
        unreachable!("{NO_SNAPSHOTS}")
    }
}
