//! The hosts' own messages: now and then each process sends a few of different classes to everyone
//! it is connected to, the least urgent first. In a large cluster the processes take turns.

use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::{Outgoing, Priority};

use super::{World, slot};

/// In the order of submission.
const CLASSES: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::Critical];

/// So many connections carry them at a time: all of a cluster of a dozen nodes.
const BATCHES_MAX: usize = 200;

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
        let (ends, now): (Vec<_>, _) = (ends.collect(), Time(self.now - process.born));
        for (conn, end) in &ends {
            self.send_batch(now, *conn, *end);
        }
        ends.len()
    }

    fn send_batch(&mut self, now: Time, conn: usize, end: usize) {
        let Some(state) = self.conns[conn].as_mut().filter(|conn| conn.ends[end].open) else {
            return;
        };
        let checker = self.checkers.link_delivers.entry((conn, end)).or_default();
        for class in CLASSES {
            let body = Payload::copy_from(&self.now.to_le_bytes());
            let link = &mut state.ends[end].link;
            if let Ok(number) = link.submit(now, class, Outgoing::Message { body }) {
                checker.submitted(self.now, class, number);
            }
        }
        self.touched.push((conn, end));
    }

    pub(super) fn on_message(&mut self, conn: usize, end: usize, priority: Priority, number: u64) {
        let sender = self
            .checkers
            .link_delivers
            .entry((conn, 1 - end))
            .or_default();
        let verdict = sender.delivered(priority, number);
        self.demand("link_delivers", verdict);
    }

    pub(super) fn on_acked(&mut self, conn: usize, end: usize, priority: Priority, number: u64) {
        let own = self.checkers.link_delivers.entry((conn, end)).or_default();
        let verdict = own.acknowledged(priority, number);
        self.demand("link_delivers", verdict);
    }
}
