//! What one process has under way with each of the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_core::seed::Random;
use quorate_core::transport::Priority;

use crate::sends::Choice;

/// What all senders and readers share.
pub(in super::super) struct Letters {
    /// What senders send and how readers read.
    pub(in super::super) random: Random,
    /// Sends so far.
    pub(super) serial: u64,
    /// What checkers have seen and not said.
    pub(super) wrong: Vec<(&'static str, String)>,
}

impl Letters {
    pub(in super::super) fn new(random: Random) -> Letters {
        Letters {
            random,
            serial: 0,
            wrong: Vec::new(),
        }
    }
}

/// All of one process.
#[derive(Default)]
pub(in super::super) struct Mail {
    /// By the host at the other end.
    pub(super) desks: BTreeMap<usize, Desk>,
    pub(super) senders: Vec<Sender>,
    /// Large sends that have not ended.
    pub(super) large: BTreeSet<u64>,
}

/// One sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sender {
    /// How often it has sent.
    pub(super) sends: u64,
    /// What of its last send waits for room; it sends nothing new before.
    pub(super) waiting: u32,
}

/// What is under way with one other host.
#[derive(Default)]
pub(super) struct Desk {
    /// What there was no room for yet.
    pub(super) waiting: VecDeque<Parcel>,
    /// Per class, in the order of their frames: what is not acknowledged.
    pub(super) awaiting: [VecDeque<Awaiting>; Priority::ALL.len()],
    /// Requests without a reply, by the number of the send; until when each is awaited.
    pub(super) requests: BTreeMap<u64, u64>,
    /// There may be room for more.
    pub(super) is_work_due: bool,
    /// Streams that are being written.
    pub(super) outgoing: BTreeMap<u16, Outgoing>,
    /// Streams that were ended and not taken yet.
    pub(super) closing: BTreeMap<u16, u64>,
    /// Messages and requests that the reader has not taken, per class.
    pub(super) inboxes: [Inbox; Priority::ALL.len()],
    /// Streams that arrive.
    pub(super) incoming: BTreeMap<u16, Incoming>,
    /// Replies that there was no room for yet: their own number, the request's, their length.
    pub(super) replies: VecDeque<(u64, u64, usize)>,
    /// When it last dialled for want of a connection.
    pub(super) dialed: u64,
}

/// A send that waits for room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parcel {
    pub(super) id: u64,
    pub(super) choice: Choice,
    pub(super) since: u64,
    /// Whose it is.
    pub(super) sender: usize,
}

/// A send that waits for its acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaiting {
    /// Of its last frame.
    pub(super) number: u64,
    pub(super) id: u64,
    /// The acknowledgement is all it waits for.
    pub(super) ends: bool,
}

/// A stream that is being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub(super) id: u64,
    pub(super) len: usize,
    pub(super) written: usize,
    /// The writer gives up after so many bytes.
    pub(super) gives_up_at: Option<usize>,
}

/// What the reader of one class has not taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    /// Costs, and the number of a request.
    pub(super) items: VecDeque<(usize, Option<u64>)>,
    /// It reads again then.
    pub(super) closed_until: u64,
}

impl Inbox {
    pub(super) fn is_slow(&self, now: u64) -> bool {
        now < self.closed_until || !self.items.is_empty()
    }
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As it comes.
    Prompt,
    /// A little in each turn.
    Slow,
    /// Not before then.
    Late(u64),
    /// Not beyond so many bytes.
    Refuses(usize),
}

/// A stream that arrives.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    /// Which send it is, and its length, if its writer still knows it.
    pub(super) written: Option<(u64, usize)>,
    pub(super) arrived: usize,
    pub(super) pace: Pace,
    /// Costs of what was not read.
    pub(super) unread: VecDeque<usize>,
    pub(super) is_ended: bool,
}
