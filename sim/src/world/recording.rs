//! Keeping the record of the world.

use quorate_core::id::NodeId;

use super::World;
use crate::record::{Record, Spell, Way, What};

impl World {
    /// Keeps the record from now on.
    pub fn keep_record(&mut self) {
        let record = Record::new(self.plan.mutant.as_deref());
        self.record = Some(Box::new(record));
        self.cut_seen = vec![false; self.hosts.len() * self.hosts.len()];
    }

    /// Takes the record away.
    pub fn take_record(&mut self) -> Option<Record> {
        self.record.take().map(|mut record| {
            record.end_ns = self.now;
            *record
        })
    }

    /// Notes what lies on the machines and between them, after something was due and has happened.
    pub fn note_conditions(&mut self) {
        let Some(record) = self.record.as_deref_mut() else {
            return;
        };
        for host in &self.hosts {
            record.spell(self.now, host.id, Spell::Pause, host.paused);
            record.spell(self.now, host.id, Spell::SlowDisk, host.slow_sync_ns > 0);
        }
        if self.ways.changes() == self.changes_seen {
            return;
        }
        self.changes_seen = self.ways.changes();
        let nodes = self.hosts.len();
        for (pair, seen) in self.cut_seen.iter_mut().enumerate() {
            let (from, to) = (pair / nodes, pair % nodes);
            let is_cut = self.ways.is_cut(from, to);
            if std::mem::replace(seen, is_cut) != is_cut {
                record.way(Way {
                    at_ns: self.now,
                    from: self.hosts[from].id,
                    to: self.hosts[to].id,
                    is_cut,
                });
            }
        }
    }

    pub(super) fn note(&mut self, node: Option<NodeId>, what: What) {
        if let Some(record) = &mut self.record {
            record.noted(self.now, node, what);
        }
    }

    pub(super) fn note_fault(&mut self, index: usize) {
        let Some(strike) = self
            .plan
            .faults
            .get(index)
            .filter(|_| self.record.is_some())
        else {
            return;
        };
        let strike = strike.clone();
        let found = strike.fault.names().into_iter();
        let found = found.filter_map(|who| self.resolve(who));
        let hits = found.map(|index| self.hosts[index].id).collect();
        let struck = What::Struck {
            index,
            strike,
            hits,
        };
        self.note(None, struck);
    }
}
