//! A connection hands each message of the host over once, in the order of its class and before it
//! acknowledges it, and of messages that wait together the most urgent first. It never accuses an
//! honest other end.

use std::collections::VecDeque;

use quorate_core::transport::Priority;

use super::Verdict;

/// A message on its way, as it was handed over: the batch it belongs to, its class and number.
type Sent = (u64, Priority, u64);

/// One direction of one connection.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    on_its_way: VecDeque<Sent>,
    delivered: [u64; 4],
}

impl Checker {
    /// The host has handed over a message; those of one batch wait together.
    pub fn submitted(&mut self, batch: u64, priority: Priority, number: u64) {
        self.on_its_way.push_back((batch, priority, number));
    }

    /// The other end's host has received it.
    ///
    /// # Errors
    /// Another one was due.
    pub fn delivered(&mut self, priority: Priority, number: u64) -> Verdict {
        let batch = self.on_its_way.front().map(|(batch, ..)| *batch);
        let together = self.on_its_way.iter().filter(|(of, ..)| Some(*of) == batch);
        let due = together.map(|(_, class, number)| (*class, *number)).min();
        if due != Some((priority, number)) {
            return Err(format!(
                "a connection delivers message {number} of {priority:?}, due was {due:?}"
            ));
        }
        self.on_its_way
            .retain(|(_, class, of)| (*class, *of) != (priority, number));
        self.delivered[priority as usize] = number;
        Ok(())
    }

    /// The sender's host was told that all up to `number` have arrived.
    ///
    /// # Errors
    /// They have not.
    pub fn acknowledged(&self, priority: Priority, number: u64) -> Verdict {
        let delivered = self.delivered[priority as usize];
        if number <= delivered {
            return Ok(());
        }
        Err(format!(
            "a connection acknowledges message {number} of {priority:?}, delivered are {delivered}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Priority::{Critical, Low};

    #[test]
    fn what_is_out_of_order_doubled_or_acknowledged_early_is_refused() {
        let mut checker = Checker::default();
        checker.submitted(1, Low, 1);
        checker.submitted(1, Critical, 1);
        checker.submitted(2, Critical, 2);
        assert!(checker.clone().delivered(Low, 1).is_err(), "not urgent");
        assert!(checker.clone().delivered(Critical, 2).is_err(), "a gap");
        assert!(checker.acknowledged(Critical, 1).is_err());
        for (priority, number) in [(Critical, 1), (Low, 1), (Critical, 2)] {
            assert_eq!(checker.delivered(priority, number), Ok(()));
            assert_eq!(checker.acknowledged(priority, number), Ok(()));
            assert!(checker.delivered(priority, number).is_err(), "doubled");
        }
    }
}
