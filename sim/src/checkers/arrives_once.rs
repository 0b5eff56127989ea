//! What a host sends another arrives whole, once, and in the order of its kind and class, over any
//! number of connections and sessions; and what is acknowledged has arrived.

use std::collections::{BTreeMap, VecDeque};

use quorate_core::transport::Priority;

use super::Verdict;
use crate::world::Direction;

/// Who sends to whom: the sender and its life, the receiver.
pub type Way = (usize, u64, usize);

/// What is kept in order among itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// Messages and requests of a class.
    Plain(Priority),
    /// Replies of a class.
    Replies(Priority),
    /// The streams of one number, one after the other.
    Stream(u16),
}

/// A stream as its writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The number of the send.
    pub id: u64,
    /// Bytes it will have.
    pub len: usize,
}

/// All hosts' sends. They are numbered as they are made.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// Those without an outcome, and whether they have arrived.
    open: BTreeMap<u64, bool>,
    /// The last that arrived.
    last: BTreeMap<(Way, Flow), u64>,
    /// Streams that were opened, and of which nothing has arrived.
    opened: BTreeMap<(Direction, u16), VecDeque<Written>>,
}

impl Checker {
    /// A host sends something.
    pub fn sent(&mut self, id: u64) {
        self.open.insert(id, false);
    }

    /// It knows what became of it.
    pub fn settled(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// A stream was opened in one direction of a session.
    pub fn opened(&mut self, direction: Direction, stream: u16, written: Written) {
        let opened = self.opened.entry((direction, stream)).or_default();
        opened.push_back(written);
    }

    /// The other end is told of the next stream of that number.
    pub fn met(&mut self, direction: Direction, stream: u16) -> Option<Written> {
        let key = (direction, stream);
        let opened = self.opened.get_mut(&key)?;
        let met = opened.pop_front();
        if opened.is_empty() {
            self.opened.remove(&key);
        }
        met
    }

    /// The sessions of that way there were are over.
    pub fn lost(&mut self, way: Way) {
        self.opened
            .retain(|((from, boot, to, _), _), _| (*from, *boot, *to) != way);
    }

    /// The other host has all of it.
    ///
    /// # Errors
    /// It is not what was sent, or not its turn.
    pub fn arrived(&mut self, id: u64, way: Way, flow: Flow, is_whole: bool) -> Verdict {
        if !is_whole {
            return Err(format!("send {id} ({flow:?}) arrives with other bytes"));
        }
        let last = self.last.entry((way, flow)).or_default();
        if id <= *last {
            return Err(format!("send {id} ({flow:?}) arrives behind send {last}"));
        }
        *last = id;
        if let Some(has_arrived) = self.open.get_mut(&id) {
            *has_arrived = true;
        }
        Ok(())
    }

    /// The sender is told that it has arrived.
    ///
    /// # Errors
    /// It has not.
    pub fn acknowledged(&self, id: u64) -> Verdict {
        if self.open.get(&id) == Some(&false) {
            return Err(format!("send {id} is acknowledged and has not arrived"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = (0, 1, 2);
    const PLAIN: Flow = Flow::Plain(Priority::Low);

    #[test]
    fn what_arrives_whole_and_in_order_is_accepted() {
        let mut checker = Checker::default();
        (1..=4).for_each(|id| checker.sent(id));
        assert_eq!(checker.arrived(2, WAY, PLAIN, true), Ok(()));
        assert_eq!(
            checker.arrived(1, WAY, Flow::Replies(Priority::Low), true),
            Ok(())
        );
        assert_eq!(checker.arrived(4, WAY, PLAIN, true), Ok(()));
        assert_eq!(checker.acknowledged(2), Ok(()));
        checker.settled(3);
        assert_eq!(checker.acknowledged(3), Ok(()), "nobody waits for it");
    }

    #[test]
    fn what_is_doubled_out_of_order_broken_or_missing_is_refused() {
        let mut checker = Checker::default();
        (1..=3).for_each(|id| checker.sent(id));
        assert!(checker.acknowledged(1).is_err());
        assert!(checker.arrived(1, WAY, PLAIN, false).is_err());
        assert_eq!(checker.arrived(2, WAY, PLAIN, true), Ok(()));
        assert!(checker.arrived(2, WAY, PLAIN, true).is_err());
        assert!(checker.arrived(1, WAY, PLAIN, true).is_err());
    }

    #[test]
    fn streams_of_one_number_are_told_apart_until_their_session_is_over() {
        let (mut checker, direction) = (Checker::default(), (0, 1, 2, 7));
        let written = |id| Written { id, len: 9 };
        checker.opened(direction, 1, written(5));
        checker.opened(direction, 1, written(6));
        assert_eq!(checker.met(direction, 1), Some(written(5)));
        assert_eq!(checker.met((0, 1, 2, 8), 1), None);
        checker.lost(WAY);
        assert_eq!(checker.met(direction, 1), None);
    }
}
