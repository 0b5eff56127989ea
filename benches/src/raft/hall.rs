//! A cluster without a network: what is sent is handed over in order, at once.

use std::time::Duration;

use quorate_core::time::Time;

use super::machine::{Machine, Mail, Node, Setup};

/// Machines and what is on its way between them.
pub struct Hall<M: Machine> {
    nodes: Vec<M>,
    inboxes: Vec<Mail<M::Message>>,
    mail: Mail<M::Message>,
    leader: Node,
    now: Time,
    /// Handed over so far.
    pub messages: u64,
}

impl<M: Machine> Hall<M> {
    /// A cluster with a leader whom everybody knows.
    pub fn led(nodes: usize) -> Hall<M> {
        let setup = Setup::lan(nodes, 1);
        let mut hall = Hall {
            nodes: (0..nodes).map(|node| M::new(node, &setup)).collect(),
            inboxes: (0..nodes).map(|_| Vec::new()).collect(),
            mail: Vec::new(),
            leader: 0,
            now: Time::ZERO,
            messages: 0,
        };
        while hall.nodes.iter().any(|node| node.commit() == 0) {
            hall.now = hall.now + Duration::from_millis(1);
            let now = hall.now;
            hall.nodes.iter_mut().for_each(|node| node.tick(now));
            hall.settle();
        }
        let leader = hall.nodes.iter().position(M::leads);
        hall.leader = leader.expect("somebody committed something");
        hall.messages = 0;
        hall
    }

    /// So many proposals, `batch` at a time, each batch until nothing is left to be said.
    pub fn propose(&mut self, count: u64, batch: usize, data: &[u8]) {
        let goal = self.nodes[self.leader].commit() + count;
        let mut left = count;
        while left > 0 {
            let now = left.min(batch as u64);
            left -= now;
            for _ in 0..now {
                self.nodes[self.leader].propose(self.now, data);
            }
            self.settle();
        }
        assert_eq!(self.nodes[self.leader].commit(), goal, "{}", M::NAME);
    }

    fn settle(&mut self) {
        let mut is_moving = true;
        while is_moving {
            is_moving = false;
            for node in 0..self.nodes.len() {
                let mut inbox = std::mem::take(&mut self.inboxes[node]);
                for (from, message) in inbox.drain(..) {
                    self.nodes[node].receive(self.now, from, message);
                }
                self.inboxes[node] = inbox;
                self.nodes[node].flush(&mut self.mail);
                is_moving |= !self.mail.is_empty();
                self.messages += self.mail.len() as u64;
                for (to, message) in self.mail.drain(..) {
                    self.inboxes[to].push((node, message));
                }
            }
        }
    }
}
