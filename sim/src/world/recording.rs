//! Keeping the record of the world, and looking into it.

use quorate_core::id::NodeId;
use quorate_core::node::View;

use super::World;
use crate::record::{Record, What};

impl World {
    /// Keeps the record from now on, up to so many happenings.
    pub fn keep_record(&mut self, room: Option<usize>) {
        self.record = Some(Box::new(Record::with_room(room)));
    }

    /// What was recorded so far.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// Takes the record away.
    pub fn take_record(&mut self) -> Option<Record> {
        self.record.take().map(|record| *record)
    }

    /// The state of a node's process; none while it is crashed.
    #[must_use]
    pub fn view(&self, node: NodeId) -> Option<View<'_>> {
        let host = self.hosts.iter().find(|host| host.id == node)?;
        Some(host.process.as_ref()?.node.view())
    }

    /// Whether the record is full: nothing may happen any more.
    pub(super) fn stands_still(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.is_full())
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
        self.note(
            None,
            What::Struck {
                index,
                strike,
                hits,
            },
        );
    }
}
