//! The log is cut short: the state takes the place of its beginning (Raft thesis §5.1).
//!
//! A snapshot is due after so many bytes of entries, counted from the last one, and never within a
//! change of the voters. What has no more bytes than the entries it replaces at most doubles what
//! is written. Its records end with the entries behind it, which stand on disk already: so they say
//! everything by themselves, and a log on disk may begin with them.
//!
//! In memory the log is kept from the snapshot before on, so that a follower that lags a little
//! catches up by entries.

use alloc::vec::Vec;

use super::{Entry, Notice, Output, Raft, Record, Snapshot};
use crate::id::LogIndex;
use crate::mutant::Mutant;
use crate::payload::Payload;

/// Bytes of a snapshot, or of entries, in one record.
const RECORD_BYTES: usize = 1 << 20;

/// What an entry takes beside its command.
const ENTRY_BYTES: usize = 32;

/// Bytes of an entry, about.
pub(super) fn size_of(entry: &Entry) -> usize {
    size_of_data(entry.data.len())
}

/// Bytes of an entry with so long a command.
pub(super) fn size_of_data(bytes: usize) -> usize {
    bytes.saturating_add(ENTRY_BYTES)
}

impl Raft {
    /// After an entry was handed out: whether the state is to be written down now.
    pub(super) fn ask_for_snapshot(&mut self, out: &mut Vec<Output>) {
        let last = self.snapshot.as_ref().map_or(0, |it| it.state().len());
        let is_long = self.grown >= self.config.snapshot_bytes.max(last);
        if is_long && !self.is_due && !self.log.voters_at(self.commit).1.is_joint() {
            self.is_due = true;
            self.grown = 0;
            out.push(Output::SnapshotDue { index: self.commit });
        }
    }

    /// The state is written down.
    pub(super) fn on_compact(&mut self, index: LogIndex, state: Payload, out: &mut Vec<Output>) {
        self.is_due = false;
        let last = self
            .snapshot
            .as_ref()
            .map_or(LogIndex(0), |it| it.meta().index);
        let term = self.log.term_at(index).filter(|_| index <= self.commit);
        let (Some(term), true) = (term, index > last) else {
            return;
        };
        let voters = match self.planted.is(Mutant::SnapshotOfLaterVoters) {
            true => self.voters.now().clone(),
            false => self.log.voters_at(index).1.now().clone(),
        };
        let snapshot = Snapshot::new(index, term, voters, state);
        self.stats.snapshots_taken += 1;
        let bytes = snapshot.meta().len;
        out.push(Output::Note(Notice::SnapshotTaken { index, bytes }));
        self.persist_snapshot(&snapshot, out);
        self.snapshot = Some(snapshot);
        // Only what the snapshot before this one stands for.
        self.log.drop_up_to(last);
    }

    /// Makes a snapshot durable, and with it all that the records before it say of the log.
    pub(super) fn persist_snapshot(&self, snapshot: &Snapshot, out: &mut Vec<Output>) {
        let parts = snapshot.parts(RECORD_BYTES);
        out.extend(parts.map(|part| Output::Persist(Record::Snapshot(part))));
        // The records before go with this one's last: it must be said again before that.
        let token = self.rebuild.map(|rebuild| rebuild.token);
        out.extend(token.map(|token| Output::Persist(Record::Rebuild { token })));
        let mut next = snapshot.meta().index.next();
        loop {
            let entries = self.log.batch(next, usize::MAX, RECORD_BYTES);
            next = entries.last().map_or(next, |entry| entry.index.next());
            let is_last = next > self.log.last_index();
            out.push(Output::Persist(Record::Kept { entries, is_last }));
            if is_last {
                return;
            }
        }
    }
}
