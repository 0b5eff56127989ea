//! What each node's disk holds, as the checkers that judge promises need it. Not a checker: an
//! account of records written, records synced, and what a start found.

use std::collections::{BTreeMap, VecDeque};

use quorate_core::durable::{Durable, Record};
use quorate_core::id::{LogIndex, Lsn, NodeId, Term};
use quorate_core::raft;

/// A record that no completed sync covers.
#[derive(Clone, Debug)]
struct Pending {
    lsn: Lsn,
    /// The node's term when it wrote the record.
    term: Term,
    record: Record,
}

/// One disk.
#[derive(Clone, Debug, Default)]
struct Disk {
    boot: u64,
    vote: (Term, Option<NodeId>),
    /// The last entry that a snapshot stands for.
    base: (LogIndex, Term),
    /// The entries behind it.
    log: Vec<Term>,
    pending: VecDeque<Pending>,
}

impl Disk {
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Boot { boot } => self.boot = *boot,
            Record::Raft(raft::Record::HardState { term, vote }) => self.vote = (*term, *vote),
            Record::Raft(raft::Record::Append { entries }) => {
                let first = entries.first().map_or(LogIndex(1), |entry| entry.index);
                self.log.truncate(self.slot(first));
                self.log.extend(entries.iter().map(|entry| entry.term));
            }
            Record::Raft(raft::Record::Snapshot(part)) => {
                if part.offset + part.bytes.len() as u64 == part.of.len {
                    self.take(part.of.index, part.of.term);
                }
            }
            Record::Raft(
                raft::Record::Kept { .. } | raft::Record::Rebuild { .. } | raft::Record::Rebuilt,
            ) => {}
        }
    }

    /// A snapshot is whole; what it stands for goes.
    fn take(&mut self, index: LogIndex, term: Term) {
        match self.entry(index) == Some(term) {
            true => drop(self.log.drain(..=self.slot(index))),
            false => self.log.clear(),
        }
        self.base = (index, term);
    }

    fn entry(&self, index: LogIndex) -> Option<Term> {
        match index == self.base.0 && index > LogIndex(0) {
            true => Some(self.base.1),
            false => self.log.get(self.slot(index)).copied(),
        }
    }

    fn covers(&self, index: LogIndex) -> bool {
        index <= self.base.0 || self.entry(index).is_some()
    }

    fn slot(&self, index: LogIndex) -> usize {
        let behind = index.0.checked_sub(self.base.0.0 + 1);
        behind.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX))
    }
}

/// All disks.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    disks: BTreeMap<NodeId, Disk>,
    /// What those that are being rebuilt have lost, each time under the token of the loss.
    lost: BTreeMap<NodeId, Vec<(u64, Disk)>>,
}

impl Ledger {
    /// A process has started and found this.
    pub fn started(&mut self, node: NodeId, found: &Durable) {
        let disk = Disk {
            boot: found.boot,
            vote: (found.raft.term, found.raft.vote),
            base: found
                .raft
                .snapshot
                .as_ref()
                .map_or_else(Default::default, |it| {
                    let meta = it.meta();
                    (meta.index, meta.term)
                }),
            log: found.raft.log.iter().map(|entry| entry.term).collect(),
            pending: VecDeque::new(),
        };
        let before = self.disks.insert(node, disk).unwrap_or_default();
        let Some(token) = found.raft.rebuild else {
            self.lost.remove(&node);
            return;
        };
        let lost = self.lost.entry(node).or_default();
        if lost.last().is_none_or(|(known, _)| *known != token) {
            lost.push((token, before));
        }
    }

    /// A process in `term` has written a record.
    pub fn wrote(&mut self, node: NodeId, lsn: Lsn, term: Term, record: &Record) {
        let record = record.clone();
        let pending = Pending { lsn, term, record };
        self.disk(node).pending.push_back(pending);
    }

    /// Everything up to `lsn` is durable.
    pub fn synced(&mut self, node: NodeId, lsn: Lsn) {
        let disk = self.disk(node);
        while disk.pending.front().is_some_and(|next| next.lsn <= lsn) {
            if let Some(next) = disk.pending.pop_front() {
                disk.apply(&next.record);
            }
        }
    }

    /// The last durable start.
    #[must_use]
    pub fn boot(&self, node: NodeId) -> u64 {
        self.disks.get(&node).map_or(0, |disk| disk.boot)
    }

    /// The durable term and vote.
    #[must_use]
    pub fn vote(&self, node: NodeId) -> (Term, Option<NodeId>) {
        self.disks
            .get(&node)
            .map_or_else(Default::default, |disk| disk.vote)
    }

    /// The term of the durable entry at `index`, if no snapshot stands for it.
    #[must_use]
    pub fn entry(&self, node: NodeId, index: LogIndex) -> Option<Term> {
        self.disks.get(&node)?.entry(index)
    }

    /// Whether the entry at `index` of this term is durable, or was on a disk that was lost after
    /// it was acknowledged: until that node is rebuilt, no majority does without those that have
    /// it.
    #[must_use]
    pub fn held(&self, node: NodeId, index: LogIndex, term: Term) -> bool {
        let lost = self.lost.get(&node).into_iter().flatten();
        let mut disks = lost.map(|(_, disk)| disk).chain(self.disks.get(&node));
        disks.any(|disk| disk.entry(index) == Some(term))
    }

    /// Whether the disk has the effect of the entry at `index`: itself, or a snapshot.
    #[must_use]
    pub fn holds(&self, node: NodeId, index: LogIndex) -> bool {
        self.disks.get(&node).is_some_and(|disk| disk.covers(index))
    }

    /// Whether the disk has that, or a disk had that was lost: until the node is rebuilt.
    #[must_use]
    pub fn had(&self, node: NodeId, index: LogIndex) -> bool {
        let mut lost = self.lost.get(&node).into_iter().flatten();
        self.holds(node, index) || lost.any(|(_, disk)| disk.covers(index))
    }

    /// Whether entries at or before `index`, written in `term` or earlier, are still unsynced.
    #[must_use]
    pub fn lacks(&self, node: NodeId, term: Term, index: LogIndex) -> bool {
        let Some(disk) = self.disks.get(&node) else {
            return false;
        };
        let touches = |pending: &Pending| match &pending.record {
            Record::Raft(raft::Record::Append { entries }) => {
                let first = entries.first().map(|entry| entry.index);
                pending.term <= term && first.is_some_and(|first| first <= index)
            }
            // One of the own log only repeats what stands there.
            Record::Raft(raft::Record::Snapshot(part)) => {
                let (last, is_known) = (part.of.index, disk.entry(part.of.index).is_some());
                pending.term <= term && last <= index && !is_known
            }
            Record::Boot { .. }
            | Record::Raft(
                raft::Record::HardState { .. }
                | raft::Record::Kept { .. }
                | raft::Record::Rebuild { .. }
                | raft::Record::Rebuilt,
            ) => false,
        };
        disk.pending.iter().any(touches)
    }

    fn disk(&mut self, node: NodeId) -> &mut Disk {
        self.disks.entry(node).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::payload::Payload;
    use quorate_core::raft::{Entry, Snapshot};
    use std::collections::BTreeSet;

    fn entries(term: u64, index: u64) -> Record {
        let (term, index, data) = (Term(term), LogIndex(index), Payload::default());
        let entries = vec![Entry {
            term,
            index,
            data,
            voters: None,
        }];
        Record::Raft(raft::Record::Append { entries })
    }

    #[test]
    fn a_record_counts_when_a_sync_covers_it_and_a_start_forgets_the_rest() {
        let (mut ledger, node) = (Ledger::default(), NodeId(1));
        ledger.wrote(node, Lsn(1), Term(1), &Record::Boot { boot: 1 });
        ledger.wrote(node, Lsn(2), Term(1), &entries(1, 1));
        ledger.synced(node, Lsn(1));
        assert_eq!(
            (ledger.boot(node), ledger.entry(node, LogIndex(1))),
            (1, None)
        );
        assert!(ledger.lacks(node, Term(1), LogIndex(1)));
        assert!(!ledger.lacks(node, Term(1), LogIndex(0)));
        ledger.synced(node, Lsn(2));
        assert_eq!(ledger.entry(node, LogIndex(1)), Some(Term(1)));
        ledger.wrote(node, Lsn(3), Term(2), &entries(2, 1));
        assert!(
            !ledger.lacks(node, Term(1), LogIndex(1)),
            "an older promise"
        );
        ledger.started(node, &Durable::default());
        assert_eq!(ledger.entry(node, LogIndex(1)), None);
        assert!(!ledger.lacks(node, Term(9), LogIndex(9)));
    }

    #[test]
    fn a_snapshot_counts_when_it_is_durable_and_stands_for_what_is_before_it() {
        let (mut ledger, node) = (Ledger::default(), NodeId(1));
        let (voters, state) = (BTreeSet::from([node]), Payload::copy_from(b"state"));
        let snapshot = Snapshot::new(LogIndex(5), Term(2), voters, state);
        ledger.wrote(node, Lsn(1), Term(1), &entries(1, 1));
        ledger.synced(node, Lsn(1));
        for (lsn, part) in (2..).zip(snapshot.parts(3)) {
            let record = Record::Raft(raft::Record::Snapshot(part));
            ledger.wrote(node, Lsn(lsn), Term(2), &record);
        }
        assert!(ledger.lacks(node, Term(2), LogIndex(5)));
        assert!(!ledger.lacks(node, Term(2), LogIndex(4)));
        ledger.synced(node, Lsn(2));
        assert_eq!(ledger.entry(node, LogIndex(5)), None, "half of it");
        ledger.synced(node, Lsn(3));
        assert!(!ledger.lacks(node, Term(2), LogIndex(5)));
        assert_eq!(ledger.entry(node, LogIndex(5)), Some(Term(2)));
        assert_eq!(ledger.entry(node, LogIndex(1)), None);
        ledger.wrote(node, Lsn(4), Term(2), &entries(2, 6));
        ledger.synced(node, Lsn(4));
        assert_eq!(ledger.entry(node, LogIndex(6)), Some(Term(2)));
    }
}
