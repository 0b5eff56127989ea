//! Whatever a host sends ends in exactly one way, and soon once all is healed: it is delivered, it
//! failed for a reason, or it is said to be unknown. Nothing is lost without a word.

use std::collections::BTreeMap;

use quorate_core::id::Peer;
use serde::Serialize;

use super::Verdict;

/// So long after the heal, or after it was begun, everything that is small has ended.
const PATIENCE_NS: u64 = 25_000_000_000;

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is acknowledged.
    Delivered,
    /// The reply has come.
    Answered,
    /// The deadline has come first.
    Late,
    /// The sender has given it up.
    Cancelled,
    /// There was no room for too long.
    Full,
    /// Too many streams were open.
    TooManyStreams,
    /// The other end did not want it.
    Refused,
    /// There is no session with the other end.
    Unreachable,
    /// The session was lost: it may have arrived.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 9] = [
        Outcome::Delivered,
        Outcome::Answered,
        Outcome::Late,
        Outcome::Cancelled,
        Outcome::Full,
        Outcome::TooManyStreams,
        Outcome::Refused,
        Outcome::Unreachable,
        Outcome::Unknown,
    ];
}

#[derive(Clone, Copy, Debug)]
struct Open {
    sender: Peer,
    since: u64,
    /// It is so large that it may take so much longer.
    longer: u64,
}

/// All sends that have not ended.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    open: BTreeMap<u64, Open>,
    /// How many ended in each way.
    ended: BTreeMap<Outcome, u64>,
}

impl Checker {
    /// A life sends something, so large that it may take so much longer than others.
    pub fn begun(&mut self, id: u64, sender: Peer, now: u64, longer: u64) {
        let open = Open {
            sender,
            since: now,
            longer,
        };
        self.open.insert(id, open);
    }

    /// The host is told how it ended.
    ///
    /// # Errors
    /// It has ended before.
    pub fn ended(&mut self, id: u64, outcome: Outcome) -> Verdict {
        if self.open.remove(&id).is_none() {
            return Err(format!("send {id} ends a second time, as {outcome:?}"));
        }
        *self.ended.entry(outcome).or_default() += 1;
        Ok(())
    }

    /// A life is over: nobody waits for what it sent.
    pub fn gone(&mut self, life: Peer) {
        self.open.retain(|_, open| open.sender != life);
    }

    /// How many ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.ended.get(&outcome).copied().unwrap_or(0)
    }

    /// Some time has passed, the last of it without faults since `healed`.
    ///
    /// # Errors
    /// Something should have ended long ago.
    pub fn look(&self, now: u64, healed: u64) -> Verdict {
        let is_late =
            |open: &Open| now.saturating_sub(open.since.max(healed)) > PATIENCE_NS + open.longer;
        let Some((id, open)) = self.open.iter().find(|(_, open)| is_late(open)) else {
            return Ok(());
        };
        let (since, sender) = (open.since / 1_000_000, open.sender.node);
        Err(format!(
            "send {id} of {sender}, begun at {since} ms, has not ended"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::NodeId;

    const LIFE: Peer = Peer {
        node: NodeId(1),
        boot: 1,
    };

    #[test]
    fn an_end_in_time_is_accepted_once() {
        let mut checker = Checker::default();
        checker.begun(1, LIFE, 5, 0);
        assert_eq!(checker.look(PATIENCE_NS + 9, 10), Ok(()));
        assert_eq!(checker.ended(1, Outcome::Unknown), Ok(()));
        assert_eq!(checker.look(PATIENCE_NS * 2, 10), Ok(()));
        assert_eq!(checker.count(Outcome::Unknown), 1);
        assert!(checker.ended(1, Outcome::Delivered).is_err());
    }

    #[test]
    fn what_never_ends_is_refused_unless_its_sender_is_gone() {
        let mut checker = Checker::default();
        checker.begun(1, LIFE, 20, 0);
        assert!(checker.look(PATIENCE_NS + 21, 10).is_err());
        checker.begun(1, LIFE, 20, 9);
        assert_eq!(checker.look(PATIENCE_NS + 21, 10), Ok(()));
        assert!(checker.look(PATIENCE_NS + 30, 10).is_err());
        checker.gone(LIFE);
        assert_eq!(checker.look(PATIENCE_NS + 21, 10), Ok(()));
    }
}
