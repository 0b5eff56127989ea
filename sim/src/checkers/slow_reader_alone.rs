//! A reader that is slow holds up only what it should read: once all is healed, what other readers
//! on the same connection wait for is delivered in time and never fails for want of room.

use std::collections::BTreeMap;

use super::Verdict;
use super::arrives_once::{Flow, Way};
use super::sends_end::Outcome;

/// After the heal, or the start of one of the two, things may take so long to run smoothly.
pub const SETTLED_NS: u64 = 8_000_000_000;
/// Then a prompt reader has what was sent to it after so long.
const PATIENCE_NS: u64 = 12_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Sent {
    since: u64,
    way: Way,
    /// Unknown for a stream that is not open yet.
    flow: Option<Flow>,
}

/// What prompt readers wait for.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    sent: BTreeMap<u64, Sent>,
    /// When each host last started.
    started: BTreeMap<usize, u64>,
}

impl Checker {
    /// Something is sent while nothing is wrong.
    pub fn begun(&mut self, id: u64, now: u64, way: Way, flow: Option<Flow>) {
        let (from, _, to) = way;
        let is_new = |host: &usize| {
            let started = self.started.get(host);
            started.is_none_or(|at| now.saturating_sub(*at) < SETTLED_NS)
        };
        if !is_new(&from) && !is_new(&to) {
            let since = now;
            self.sent.insert(id, Sent { since, way, flow });
        }
    }

    /// A host has started.
    pub fn started(&mut self, host: usize, now: u64) {
        self.ended(host);
        self.started.insert(host, now);
    }

    /// A host has no process.
    pub fn ended(&mut self, host: usize) {
        self.started.remove(&host);
        self.sent
            .retain(|_, sent| sent.way.0 != host && sent.way.2 != host);
    }

    /// The reader of a class is slow: what it should read waits for it.
    pub fn slowed(&mut self, way: Way, flow: Flow) {
        self.sent
            .retain(|_, sent| (sent.way, sent.flow) != (way, Some(flow)));
    }

    /// The reader of one of them is slow, or does not want it.
    pub fn excused(&mut self, id: u64) {
        self.sent.remove(&id);
    }

    /// One of them has ended.
    ///
    /// # Errors
    /// It failed although nothing was wrong and its reader read.
    pub fn settled(&mut self, id: u64, outcome: Outcome) -> Verdict {
        let Some(sent) = self.sent.remove(&id) else {
            return Ok(());
        };
        match outcome {
            // Slow readers may hold all streams there can be.
            Outcome::Delivered
            | Outcome::Answered
            | Outcome::Cancelled
            | Outcome::Late
            | Outcome::Refused
            | Outcome::TooManyStreams
            | Outcome::Unreachable => Ok(()),
            Outcome::Full | Outcome::Unknown => Err(format!(
                "send {id} on {:?} ends as {outcome:?} though its reader reads",
                sent.way
            )),
        }
    }

    /// Some time has passed.
    ///
    /// # Errors
    /// Something has not arrived although its reader reads.
    pub fn look(&self, now: u64) -> Verdict {
        let is_late = |sent: &Sent| now.saturating_sub(sent.since) > PATIENCE_NS;
        let Some((id, sent)) = self.sent.iter().find(|(_, sent)| is_late(sent)) else {
            return Ok(());
        };
        let (way, since) = (sent.way, sent.since / 1_000_000);
        Err(format!(
            "send {id} on {way:?}, begun at {since} ms, is held up though its reader reads"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::transport::Priority;

    const WAY: Way = (0, 1, 2);
    const FLOW: Flow = Flow::Plain(Priority::Normal);
    const LATE: u64 = SETTLED_NS + PATIENCE_NS + 1;

    fn begun() -> Checker {
        let mut checker = Checker::default();
        checker.started(0, 0);
        checker.started(2, 0);
        checker.begun(1, SETTLED_NS, WAY, Some(FLOW));
        checker
    }

    #[test]
    fn what_its_own_reader_holds_up_is_accepted() {
        let mut checker = begun();
        checker.slowed(WAY, FLOW);
        assert_eq!(checker.look(LATE), Ok(()));
        let mut checker = begun();
        checker.excused(1);
        assert_eq!(checker.settled(1, Outcome::Full), Ok(()));
        let mut checker = begun();
        checker.ended(2);
        checker.begun(2, SETTLED_NS, WAY, Some(FLOW));
        assert_eq!(checker.look(LATE), Ok(()), "nobody is there");
    }

    #[test]
    fn what_another_reader_holds_up_is_refused() {
        let mut checker = begun();
        checker.slowed(WAY, Flow::Plain(Priority::Low));
        checker.slowed((2, 1, 0), FLOW);
        assert_eq!(checker.look(LATE - 1), Ok(()));
        assert!(checker.look(LATE).is_err());
        assert!(checker.settled(1, Outcome::Full).is_err());
    }
}
