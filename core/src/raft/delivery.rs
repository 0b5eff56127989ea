//! A snapshot on its way to one follower.
//!
//! Several parts are on their way at a time. The follower says how much it holds; what it holds is
//! in order, so a part that was lost shows when it is asked afterwards and holds less than was
//! sent. Once some of it has arrived the snapshot stays the same even if the leader takes a newer
//! one, or a delivery that takes long would begin again and again.

use super::{Snapshot, SnapshotPart};
use crate::id::LogIndex;

/// Parts that may be on their way.
const PARTS_IN_FLIGHT: u64 = 8;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Delivery {
    snapshot: Snapshot,
    held: u64,
    /// Bytes sent; at least what is held.
    sent: u64,
    /// The last message with bytes.
    round: u64,
    /// The follower has said what it holds, over this connection.
    is_asked: bool,
}

impl Delivery {
    pub(super) fn of(snapshot: &Snapshot) -> Delivery {
        Delivery {
            snapshot: snapshot.clone(),
            held: 0,
            sent: 0,
            round: 0,
            is_asked: false,
        }
    }

    pub(super) fn index(&self) -> LogIndex {
        self.snapshot.meta().index
    }

    /// Some of it is there, or on its way.
    pub(super) fn is_begun(&self) -> bool {
        self.is_asked && self.sent > 0
    }

    /// The connection broke: the follower must be asked again.
    pub(super) fn on_down(&mut self) {
        self.is_asked = false;
    }

    /// Carries nothing: the answer tells how much has arrived.
    pub(super) fn question(&self) -> SnapshotPart {
        self.snapshot.part(self.held, 0)
    }

    /// False if more is claimed than there is.
    pub(super) fn on_held(&mut self, round: u64, held: u64) -> bool {
        if held > self.snapshot.meta().len {
            return false;
        }
        if round > self.round || !self.is_asked {
            // Asked after everything was sent: what is not there by now is lost.
            (self.held, self.sent) = (held, held);
        } else {
            self.held = self.held.max(held);
            self.sent = self.sent.max(self.held);
        }
        self.is_asked = true;
        true
    }

    pub(super) fn next_part(&mut self, round: u64, bytes: usize) -> Option<SnapshotPart> {
        let window = PARTS_IN_FLIGHT.saturating_mul(bytes as u64);
        let is_open = self.is_asked && self.sent < self.held.saturating_add(window);
        if !is_open || self.sent >= self.snapshot.meta().len {
            return None;
        }
        let part = self.snapshot.part(self.sent, bytes);
        self.sent = part.offset + part.bytes.len() as u64;
        self.round = round;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;
    use crate::id::{NodeId, Term};
    use crate::payload::Payload;

    fn delivery(len: usize) -> Delivery {
        let (voters, state) = (BTreeSet::from([NodeId(1)]), Payload::from(vec![7; len]));
        Delivery::of(&Snapshot::new(LogIndex(5), Term(1), voters, state))
    }

    fn offsets(delivery: &mut Delivery, rounds: &mut u64) -> Vec<u64> {
        let mut offsets = Vec::new();
        while let Some(part) = delivery.next_part(*rounds + 1, 10) {
            *rounds += 1;
            offsets.push(part.offset);
        }
        offsets
    }

    #[test]
    fn nothing_is_sent_before_it_is_known_what_is_there_then_a_window() {
        let (mut delivery, mut rounds) = (delivery(1000), 0);
        assert_eq!(offsets(&mut delivery, &mut rounds), []);
        assert!(delivery.on_held(0, 500), "an earlier attempt brought half");
        let first = offsets(&mut delivery, &mut rounds);
        assert_eq!(first, (50..58).map(|it| it * 10).collect::<Vec<_>>());
        assert!(delivery.on_held(1, 510));
        assert_eq!(offsets(&mut delivery, &mut rounds), [580]);
        assert!(!delivery.on_held(2, 1001), "more than there is");
    }

    #[test]
    fn what_is_lost_is_sent_again_once_a_later_answer_shows_it() {
        let (mut delivery, mut rounds) = (delivery(30), 0);
        assert!(delivery.on_held(0, 0));
        assert_eq!(offsets(&mut delivery, &mut rounds), [0, 10, 20]);
        assert!(delivery.on_held(1, 10));
        assert_eq!(offsets(&mut delivery, &mut rounds), []);
        assert!(
            delivery.on_held(rounds, 10),
            "not asked later: they may come"
        );
        assert_eq!(offsets(&mut delivery, &mut rounds), []);
        assert!(delivery.on_held(rounds + 1, 10));
        assert_eq!(offsets(&mut delivery, &mut rounds), [10, 20]);
    }
}
