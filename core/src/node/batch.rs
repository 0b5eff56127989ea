//! Proposals that a node is told of at one moment reach consensus together: in one record, and in
//! one message for each follower.
//!
//! While some wait the node is due, so whoever drives it ticks it once nothing else is ready. A
//! lone proposal waits for nobody, a crowd shares what it costs, and no timer says how long to wait
//! for a crowd.
//!
//! * I1. They reach consensus in the order in which they came, whatever else is proposed.
//! * I2. No more wait than one message takes.

use alloc::vec::Vec;

use crate::payload::Payload;
use crate::raft;
use crate::time::{Deadline, Time, Wake};

/// Commands that wait for the end of the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    commands: Vec<Payload>,
    bytes: usize,
}

impl Batch {
    /// Takes one more. All of them come out if no other one may wait with them (I2).
    pub(super) fn push(&mut self, data: Payload, bounds: &raft::Config) -> Option<raft::Input> {
        self.bytes = self.bytes.saturating_add(data.len());
        self.commands.push(data);
        let is_full = self.commands.len() >= bounds.entries_per_append_max
            || self.bytes >= bounds.bytes_per_append_max;
        is_full.then(|| self.take()).flatten()
    }

    /// All that wait, if any do.
    pub(super) fn take(&mut self) -> Option<raft::Input> {
        let Batch { commands: data, .. } = core::mem::take(self);
        (!data.is_empty()).then_some(raft::Input::Propose { data })
    }

    /// At once while some wait, whatever the clock says.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        let (at, why) = (Time::ZERO, Wake::Append);
        (!self.commands.is_empty()).then_some(Deadline { at, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ClusterId, NodeId};
    use crate::node::Config;

    fn bounds() -> raft::Config {
        let address = "127.0.0.1:1".parse().unwrap();
        let raft = Config::lan(ClusterId::new("test").unwrap(), NodeId(1), address).raft;
        raft::Config {
            entries_per_append_max: 3,
            bytes_per_append_max: 100,
            ..raft
        }
    }

    fn command(bytes: usize) -> Payload {
        Payload::from(alloc::vec![7; bytes])
    }

    #[test]
    fn some_wait_for_the_end_of_the_moment_and_no_more_than_fit_a_message() {
        let (mut batch, bounds) = (Batch::default(), bounds());
        let input = |sizes: &[usize]| {
            let data = sizes.iter().map(|bytes| command(*bytes)).collect();
            Some(raft::Input::Propose { data })
        };
        assert_eq!((batch.deadline(), batch.take()), (None, None));
        for bytes in [1, 2] {
            assert_eq!(batch.push(command(bytes), &bounds), None);
            assert_eq!(batch.deadline().map(|due| due.at), Some(Time::ZERO));
        }
        assert_eq!(batch.push(command(3), &bounds), input(&[1, 2, 3]));
        assert_eq!(batch.deadline(), None);
        assert_eq!(batch.push(command(99), &bounds), None);
        assert_eq!(batch.push(command(1), &bounds), input(&[99, 1]));
        assert_eq!(batch.push(command(5), &bounds), None, "counted anew");
        assert_eq!(batch.take(), input(&[5]));
        assert_eq!(batch.take(), None);
    }
}
