//! The hosts' own messages: now and then each process sends a few of different classes to everyone
//! it is connected to, the least urgent first.

use quorate_core::id::NodeId;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::transport::{Outgoing, Priority};

use super::{World, slot};

/// In the order of submission.
const CLASSES: [Priority; 3] = [Priority::Low, Priority::Normal, Priority::Critical];

impl World {
    pub(super) fn send_traffic(&mut self) {
        for host in 0..self.hosts.len() {
            let Some(process) = self.hosts[host].process.as_ref() else {
                continue;
            };
            if self.hosts[host].paused {
                continue;
            }
            let view = process.node.view();
            let links = (1..=self.plan.nodes).filter_map(|node| view.link(NodeId(node)));
            let ends = links.filter_map(|link| process.links.get(slot(link)).copied());
            let (ends, now): (Vec<_>, _) = (ends.collect(), Time(self.now - process.born));
            for (conn, end) in ends {
                self.send_batch(now, conn, end);
            }
        }
        self.flush_touched();
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
