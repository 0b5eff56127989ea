//! A session hands each message of the host over once, in the order of its class and before it
//! acknowledges it, over any number of connections; and of messages that wait together the most
//! urgent first. A connection never accuses an honest other end.

use std::collections::VecDeque;

use quorate_core::transport::Priority;

use super::Verdict;

/// A message on its way, as it was handed over.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Those of one batch wait together; none once another connection carries on.
    batch: Option<u64>,
    priority: Priority,
    number: u64,
}

/// One direction of one session.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    on_its_way: VecDeque<Sent>,
}

impl Checker {
    /// The host has handed over a message; those of one batch wait together, and with nothing else
    /// that could make it the turn of the least urgent.
    pub fn submitted(&mut self, batch: Option<u64>, priority: Priority, number: u64) {
        self.on_its_way.push_back(Sent {
            batch,
            priority,
            number,
        });
    }

    /// Another connection carries on: what the earlier one still brings may come in between.
    pub fn resumed(&mut self) {
        for sent in &mut self.on_its_way {
            sent.batch = None;
        }
    }

    /// The other end's host has received it.
    ///
    /// # Errors
    /// Another one was due.
    pub fn delivered(&mut self, priority: Priority, number: u64) -> Verdict {
        let of_its_class = |sent: &Sent| sent.priority == priority;
        let first = self.on_its_way.iter().position(of_its_class);
        let due = first.map(|at| self.on_its_way[at].number);
        if due != Some(number) {
            return Err(format!(
                "a connection delivers message {number} of {priority:?}, due was {due:?}"
            ));
        }
        let sent = first.and_then(|at| self.on_its_way.remove(at));
        let batch = sent.and_then(|sent| sent.batch);
        let is_passed_over =
            |other: &&Sent| batch.is_some() && other.batch == batch && other.priority < priority;
        if let Some(urgent) = self.on_its_way.iter().find(is_passed_over) {
            return Err(format!(
                "a connection delivers message {number} of {priority:?} before the more urgent \
                 message {} of {:?}",
                urgent.number, urgent.priority
            ));
        }
        Ok(())
    }

    /// The sender's host was told that all up to `number` have arrived.
    ///
    /// # Errors
    /// They have not.
    pub fn acknowledged(&self, priority: Priority, number: u64) -> Verdict {
        let early = |sent: &&Sent| sent.priority == priority && sent.number <= number;
        if let Some(sent) = self.on_its_way.iter().find(early) {
            return Err(format!(
                "a connection acknowledges message {} of {priority:?}, which is not delivered",
                sent.number
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Critical, Low};

    #[test]
    fn what_is_out_of_order_doubled_or_acknowledged_early_is_refused() {
        let mut checker = Checker::default();
        checker.submitted(Some(1), Low, 1);
        checker.submitted(Some(1), Critical, 1);
        checker.submitted(Some(2), Critical, 4);
        assert!(checker.clone().delivered(Low, 1).is_err(), "not urgent");
        assert!(checker.clone().delivered(Critical, 4).is_err(), "a gap");
        assert!(checker.acknowledged(Critical, 1).is_err());
        for (priority, number) in [(Critical, 1), (Low, 1), (Critical, 4)] {
            assert_eq!(checker.delivered(priority, number), Ok(()));
            assert_eq!(checker.acknowledged(priority, number), Ok(()));
            assert!(checker.delivered(priority, number).is_err(), "doubled");
        }
    }

    #[test]
    fn another_connection_may_change_the_order_between_classes_only() {
        let mut checker = Checker::default();
        for (priority, number) in [(Low, 1), (Low, 2), (Critical, 1)] {
            checker.submitted(Some(1), priority, number);
        }
        checker.resumed();
        assert!(checker.clone().delivered(Low, 2).is_err());
        for (priority, number) in [(Low, 1), (Critical, 1), (Low, 2)] {
            assert_eq!(checker.delivered(priority, number), Ok(()));
        }
    }
}
