//! No timer storms: a node is stepped a bounded number of times in a second. A machine that is due
//! for ever, or two that wake each other, break no other property.

use super::Verdict;

/// Steps of one node in one second: some of its own, and some for each node it may hear from, as a
/// leader does that replicates writes to all of them.
#[must_use]
pub fn steps_max(nodes: u64) -> u64 {
    5_000 + 50 * nodes
}

/// Steps in the present second, by node.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    nodes: Vec<(u64, u64)>,
}

impl Checker {
    /// The node of this index, of a cluster of so many, was stepped.
    ///
    /// # Errors
    /// Once too often in this second.
    pub fn stepped(&mut self, now: u64, host: usize, nodes: u64) -> Verdict {
        if self.nodes.len() <= host {
            self.nodes.resize(host + 1, (0, 0));
        }
        let (second, steps) = &mut self.nodes[host];
        if *second != now / 1_000_000_000 {
            (*second, *steps) = (now / 1_000_000_000, 0);
        }
        *steps += 1;
        let max = steps_max(nodes);
        if *steps <= max {
            return Ok(());
        }
        Err(format!(
            "n{} was stepped more than {max} times in second {second}",
            host + 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_refused_and_a_busy_minute_is_not() {
        let mut checker = Checker::default();
        for second in 0..60 {
            for _ in 0..steps_max(3) {
                assert_eq!(checker.stepped(second * 1_000_000_000, 0, 3), Ok(()));
            }
        }
        assert_eq!(checker.stepped(59_000_000_000, 1, 3), Ok(()));
        assert!(checker.stepped(59_999_999_999, 0, 3).is_err());
    }
}
