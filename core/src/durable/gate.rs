//! The gate: what promises something waits until what it promises is durable.

use alloc::collections::VecDeque;

use crate::id::Lsn;
use crate::mutant::{Mutant, Planted};

/// Numbers the records of the durable stream and holds items until everything recorded before them
/// is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate<T> {
    written: Lsn,
    durable: Lsn,
    held: VecDeque<(Lsn, T)>,
    pub(crate) planted: Planted,
}

impl<T> Gate<T> {
    /// A gate over a stream whose records up to `durable` survive.
    #[must_use]
    pub fn new(durable: Lsn) -> Gate<T> {
        Gate {
            written: durable,
            durable,
            held: VecDeque::new(),
            planted: Planted::default(),
        }
    }

    /// The number of the next record.
    pub fn write(&mut self) -> Lsn {
        self.written = self.written.next();
        self.written
    }

    /// Holds an item until all records written so far are durable.
    pub fn hold(&mut self, item: T) {
        self.held.push_back((self.written, item));
    }

    /// All records up to `lsn` are durable. A number beyond what was written is ignored.
    pub fn persisted(&mut self, lsn: Lsn) {
        if lsn <= self.written && lsn > self.durable {
            self.durable = lsn;
        }
    }

    /// The next item whose records are durable, in the order they were held.
    pub fn release(&mut self) -> Option<T> {
        let is_early = self.planted.is(Mutant::GateOpensEarly);
        let open = self
            .held
            .front()
            .is_some_and(|(lsn, _)| *lsn <= self.durable || is_early);
        if !open {
            return None;
        }
        self.held.pop_front().map(|(_, item)| item)
    }

    /// The last record written.
    #[must_use]
    pub fn written(&self) -> Lsn {
        self.written
    }

    /// The last record known to be durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Items waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_pass_only_when_everything_before_them_is_durable() {
        let mut gate = Gate::new(Lsn(0));
        gate.hold('a');
        assert_eq!(
            gate.release(),
            Some('a'),
            "nothing was written, nothing to wait for"
        );
        assert_eq!((gate.write(), gate.write()), (Lsn(1), Lsn(2)));
        gate.hold('b');
        gate.persisted(Lsn(1));
        assert_eq!(gate.release(), None);
        gate.persisted(Lsn(9));
        assert_eq!(
            gate.release(),
            None,
            "a completion of something never written is no completion"
        );
        gate.persisted(Lsn(2));
        gate.persisted(Lsn(1));
        assert_eq!((gate.release(), gate.release()), (Some('b'), None));
        assert_eq!((gate.durable(), gate.len()), (Lsn(2), 0));
    }
}
