//! What is under way in one session with a peer: who waits for an acknowledgement, the end of a
//! stream or a reply, and what has arrived in part. All of it ends with the session.

use std::collections::{BTreeMap, VecDeque};

use futures_channel::oneshot::{Receiver, Sender, channel};
use quorate_core::transport::{Priority, SubmitError};

use super::arriving::Arrivals;
use super::requests::Requests;

/// Which session with the peer, of those there were: what is held of another one, such as a stream
/// or a request to reply to, means nothing in this one, although the numbers be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era(u64);

/// What is under way.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) era: Era,
    /// Per class: who waits for the acknowledgement of which number.
    unacknowledged: [VecDeque<(u64, Sender<()>)>; Priority::ALL.len()],
    /// Who waits for the other host to have read all of which stream.
    unread: BTreeMap<u16, Sender<Result<(), SubmitError>>>,
    pub(super) requests: Requests,
    pub(super) arrivals: Arrivals,
}

impl Pending {
    pub(super) fn await_ack(&mut self, priority: Priority, number: u64) -> Receiver<()> {
        let (sender, receiver) = channel();
        self.unacknowledged[priority.index()].push_back((number, sender));
        receiver
    }

    /// The other host has everything of a class up to a number.
    pub(super) fn acknowledge(&mut self, priority: Priority, number: u64) {
        let waiting = &mut self.unacknowledged[priority.index()];
        while waiting.front().is_some_and(|(last, _)| *last <= number) {
            if let Some((_, sender)) = waiting.pop_front() {
                let _caller_gone = sender.send(());
            }
        }
    }

    /// Tells what becomes of a stream that was ended.
    pub(super) fn await_reader(&mut self, stream: u16) -> Receiver<Result<(), SubmitError>> {
        let (sender, receiver) = channel();
        self.unread.insert(stream, sender);
        receiver
    }

    /// The other host has read all of a stream, or refused it.
    pub(super) fn settle(&mut self, stream: u16, outcome: Result<(), SubmitError>) {
        if let Some(sender) = self.unread.remove(&stream) {
            let _caller_gone = sender.send(outcome);
        }
    }

    /// Whether somebody waits for a reader, although all may have arrived.
    pub(super) fn awaits_reader(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The session is over: their senders gone, all who wait learn it.
    pub(super) fn lose(&mut self) {
        self.era.0 += 1;
        self.unacknowledged = Default::default();
        self.unread.clear();
        self.requests.lose();
        self.arrivals = Arrivals::default();
    }
}
