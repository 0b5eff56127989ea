//! Log matching, the property all others rest on (Raft thesis §3.5, Fig. 3.2).

use alloc::vec::Vec;

use super::super::*;
use super::world::World;

impl World {
    /// Two logs that agree on a term at an index agree up to it.
    pub(super) fn check_log_matching(&self) {
        let logs: Vec<&Raft> = self
            .nodes
            .values()
            .filter_map(|s| s.raft.as_ref())
            .collect();
        for (nth, a) in logs.iter().enumerate() {
            for b in &logs[nth + 1..] {
                let mut must_equal = false;
                for index in (1..=a.last_index().min(b.last_index()).0)
                    .rev()
                    .map(LogIndex)
                {
                    let (Some(x), Some(y)) = (a.entry(index), b.entry(index)) else {
                        assert!(index <= a.base().max(b.base()), "a hole in the log");
                        break;
                    };
                    must_equal |= x.term == y.term;
                    assert!(!must_equal || x == y, "logs differ below an equal entry");
                }
            }
        }
    }
}
