//! No timer storms: a node is stepped a bounded number of times in a second. A machine that is due
//! for ever, or two that wake each other, break no other property.

use super::Verdict;

/// Steps of one node in one second.
pub const STEPS_MAX: u64 = 5_000;

/// Steps in the present second, by node.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    nodes: Vec<(u64, u64)>,
}

impl Checker {
    /// The node of this index was stepped.
    ///
    /// # Errors
    /// Once too often in this second.
    pub fn stepped(&mut self, now: u64, host: usize) -> Verdict {
        if self.nodes.len() <= host {
            self.nodes.resize(host + 1, (0, 0));
        }
        let (second, steps) = &mut self.nodes[host];
        if *second != now / 1_000_000_000 {
            (*second, *steps) = (now / 1_000_000_000, 0);
        }
        *steps += 1;
        if *steps <= STEPS_MAX {
            return Ok(());
        }
        Err(format!(
            "n{} was stepped more than {STEPS_MAX} times in second {second}",
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
            for _ in 0..STEPS_MAX {
                assert_eq!(checker.stepped(second * 1_000_000_000, 0), Ok(()));
            }
        }
        assert_eq!(checker.stepped(59_000_000_000, 1), Ok(()));
        assert!(checker.stepped(59_999_999_999, 0).is_err());
    }
}
