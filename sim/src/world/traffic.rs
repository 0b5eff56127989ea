//! The hosts' own messages: now and then each process sends a few of different classes to everyone
//! it is connected to, the least urgent first. In a large cluster the processes take turns.

use quorate_core::time::Time;
use quorate_core::transport::{Outgoing, Priority, Session};

use super::{World, slot};

/// In the order of submission.
const CLASSES: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::Critical];

/// What they say: nothing.
const NO_SEND: [u8; 8] = [0; 8];

/// One direction between two lives: the sender and its life, the receiver, and which session of
/// the sender's life with it.
pub(crate) type Direction = (usize, u64, usize, u64);

/// So many connections carry them at a time: all of a cluster of a dozen nodes.
const BATCHES_MAX: usize = 200;

/// Which session it is, at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tie {
    ours: u64,
    /// The life of the other end and its session, once they are known.
    theirs: Option<(u64, u64)>,
}

impl Tie {
    pub(super) fn of(session: &Session) -> Tie {
        Tie {
            ours: session.id(),
            theirs: session.peer(),
        }
    }
}

impl World {
    pub(super) fn send_traffic(&mut self) {
        let hosts = self.hosts.len();
        let mut batches = 0;
        for _ in 0..hosts {
            let host = self.next_talker;
            self.next_talker = (host + 1) % hosts;
            batches += self.talk(host);
            if batches >= BATCHES_MAX {
                break;
            }
        }
        self.flush_touched();
    }

    /// A process sends over all its connections; how many there are.
    fn talk(&mut self, host: usize) -> usize {
        let Some(process) = self.hosts[host].process.as_ref() else {
            return 0;
        };
        if self.hosts[host].paused {
            return 0;
        }
        let links = process.node.view().links();
        let ends = links.filter_map(|(_, link)| process.links.get(slot(link)).copied());
        let (ends, now): (Vec<_>, _) = (ends.collect(), process.clock.at(self.now));
        for (conn, end) in &ends {
            self.send_batch(now, *conn, *end);
        }
        ends.len()
    }

    fn send_batch(&mut self, now: Time, conn: usize, end: usize) {
        let Some(state) = self.conns[conn].as_ref().filter(|conn| conn.ends[end].open) else {
            return;
        };
        let (from, to) = (state.ends[end].host, state.ends[1 - end].host);
        let Some(process) = self.hosts[from].process.as_mut() else {
            return;
        };
        let boot = process.node.view().me().boot;
        let Some(session) = process.sessions.get_mut(to) else {
            return;
        };
        let direction = (from, boot, to, session.id());
        let checker = self.checkers.link_delivers.entry(direction).or_default();
        // What senders send may take its turn in between.
        let batch = self.plan.workload.senders.is_none().then_some(self.now);
        for class in CLASSES {
            let (body, deadline) = (&NO_SEND[..], None);
            let message = Outgoing::Message { body, deadline };
            if let Ok(number) = session.submit(now, class, message) {
                checker.submitted(batch, class, number);
            }
        }
        self.touched.push((conn, end));
    }

    /// The direction in which a host sends, and the one in which it receives, by its session.
    pub(super) fn directions_of(
        &self,
        here: usize,
        there: usize,
        tie: Tie,
    ) -> Option<[Direction; 2]> {
        let boot = self.hosts[here].process.as_ref()?.node.view().me().boot;
        let (their_boot, theirs) = tie.theirs.unwrap_or_default();
        let out = (here, boot, there, tie.ours);
        Some([out, (there, their_boot, here, theirs)])
    }

    pub(super) fn on_message(&mut self, direction: Direction, priority: Priority, number: u64) {
        let sender = self.checkers.link_delivers.entry(direction).or_default();
        let verdict = sender.delivered(priority, number);
        self.demand("link_delivers", verdict);
    }

    pub(super) fn on_acked(&mut self, direction: Direction, priority: Priority, number: u64) {
        let own = self.checkers.link_delivers.entry(direction).or_default();
        let verdict = own.acknowledged(priority, number);
        self.demand("link_delivers", verdict);
    }
}
