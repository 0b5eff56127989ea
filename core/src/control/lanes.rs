//! Client numbers for proposals that the node numbers itself.
//!
//! The dedup table remembers one outcome per client, so a client must be serial. Concurrent
//! proposals of one node therefore travel in lanes: each lane is a client of its own, carries one
//! proposal at a time and is used again when that one has ended. The table then holds as many
//! clients per node as it has had proposals at a time, not one per proposal.

use alloc::vec::Vec;

use crate::id::{ClientId, RequestId};

/// The lanes of one process life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lanes {
    /// The upper 48 bits of this life's client numbers.
    base: u64,
    opened: u16,
    free: Vec<u16>,
    last_request: RequestId,
}

impl Lanes {
    const LANE_MASK: u64 = 0xffff;

    /// Lanes whose clients share the upper 48 bits of a random `word`.
    pub(super) fn new(word: u64) -> Lanes {
        let base = word & !Lanes::LANE_MASK;
        Lanes {
            base,
            opened: 0,
            free: Vec::new(),
            last_request: RequestId(0),
        }
    }

    /// A free lane and the next request number; `None` when 65 535 proposals are under way.
    pub(super) fn take(&mut self) -> Option<(ClientId, RequestId)> {
        let lane = match self.free.pop() {
            Some(lane) => lane,
            None => {
                self.opened = self.opened.checked_add(1)?;
                self.opened
            }
        };
        self.last_request = self.last_request.next();
        Some((ClientId(self.base | u64::from(lane)), self.last_request))
    }

    /// Gives a lane back; clients that are not lanes of this life are ignored.
    pub(super) fn give_back(&mut self, client: ClientId) {
        let lane = u16::try_from(client.0 & Lanes::LANE_MASK).unwrap_or(0);
        if client.0 & !Lanes::LANE_MASK == self.base && lane != 0 && lane <= self.opened {
            self.free.push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_reused_and_requests_grow() {
        let mut lanes = Lanes::new(u64::MAX);
        let (Some(a), Some(b)) = (lanes.take(), lanes.take()) else {
            panic!("lanes are free")
        };
        assert_ne!(a.0, b.0);
        lanes.give_back(a.0);
        lanes.give_back(ClientId(5));
        let c = lanes.take().unwrap();
        assert_eq!(c.0, a.0);
        assert!(c.1 > b.1 && b.1 > a.1);
    }

    #[test]
    fn lanes_run_out_instead_of_wrapping() {
        let mut lanes = Lanes::new(0);
        for _ in 0..u16::MAX {
            assert!(lanes.take().is_some());
        }
        assert_eq!(lanes.take(), None);
    }
}
