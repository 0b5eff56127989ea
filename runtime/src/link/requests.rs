//! Requests of this host that wait: until the reply comes, it is too late, or the session is lost.
//!
//! Whoever asks sets no timer of its own: one clock, the keeper's, watches the earliest deadline.

use std::collections::{BTreeMap, BTreeSet};

use futures_channel::oneshot::{Receiver, Sender, channel};
use quorate_core::time::Time;

use crate::message::Answered;

/// Requests without a reply.
#[derive(Debug, Default)]
pub(super) struct Requests {
    next: u64,
    waiting: BTreeMap<u64, (Time, Sender<Answered>)>,
    deadlines: BTreeSet<(Time, u64)>,
}

impl Requests {
    /// The id of the next one.
    pub(super) fn next_id(&self) -> u64 {
        self.next
    }

    /// It was sent.
    pub(super) fn add(&mut self, deadline: Time) -> Receiver<Answered> {
        let (sender, receiver) = channel();
        self.waiting.insert(self.next, (deadline, sender));
        self.deadlines.insert((deadline, self.next));
        self.next += 1;
        receiver
    }

    /// A reply has come. Nobody may wait for it any more.
    pub(super) fn answer(&mut self, id: u64, answered: Answered) {
        if let Some(sender) = self.take(id) {
            let _caller_gone = sender.send(answered);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self, id: u64) {
        drop(self.take(id));
    }

    /// When the first of them is too late.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Tells those that are too late.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((_, id)) = self.deadlines.first().filter(|(at, _)| *at <= now).copied() {
            self.answer(id, Answered::Late);
        }
    }

    /// No reply will come.
    pub(super) fn lose(&mut self) {
        self.waiting.clear();
        self.deadlines.clear();
    }

    fn take(&mut self, id: u64) -> Option<Sender<Answered>> {
        let (deadline, sender) = self.waiting.remove(&id)?;
        self.deadlines.remove(&(deadline, id));
        Some(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_learns_how_it_ended_and_none_is_kept() {
        let mut requests = Requests::default();
        let at = Time::from_millis;
        let (late, later) = (requests.next_id(), requests.next_id() + 1);
        let mut late_one = requests.add(at(20));
        let mut answered = requests.add(at(10));
        let mut lost = requests.add(at(30));
        let forgotten = requests.next_id();
        drop(requests.add(at(5)));
        requests.forget(forgotten);
        assert_eq!(requests.deadline(), Some(at(10)));
        requests.answer(later, Answered::Busy);
        assert_eq!(answered.try_recv(), Ok(Some(Answered::Busy)));
        requests.expire(at(19));
        assert_eq!(late_one.try_recv(), Ok(None), "{late} has a moment left");
        requests.expire(at(20));
        assert_eq!(late_one.try_recv(), Ok(Some(Answered::Late)));
        requests.answer(late, Answered::Unanswered);
        requests.lose();
        assert!(lost.try_recv().is_err());
        assert_eq!(requests.deadline(), None);
        assert!(requests.waiting.is_empty());
    }
}
