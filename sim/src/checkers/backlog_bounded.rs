//! What a leader has taken and not committed is bounded: without a majority behind it nothing of it
//! is committed, and clients do not stop asking.

use quorate_core::id::NodeId;

use super::Verdict;

/// What is uncommitted at a leader as it appends a command, that command included.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// How many entries.
    pub entries: usize,
    /// The bytes of their commands.
    pub bytes: usize,
}

/// A leader has appended a command; `times` the bounds are for such commands.
///
/// # Errors
/// It had to refuse it.
pub fn check(node: NodeId, it: Backlog, (entries, bytes): (usize, usize), times: usize) -> Verdict {
    let fits = it.entries <= entries * times && it.bytes <= bytes * times;
    if it.entries == 1 || fits {
        return Ok(());
    }
    let Backlog { entries, bytes } = it;
    Err(format!(
        "{node} takes a command with which {entries} entries of {bytes} bytes are uncommitted"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_is_refused_and_a_lone_large_one_is_not() {
        let check = |entries, bytes, times| {
            check(NodeId(1), Backlog { entries, bytes }, (4, 100), times).is_ok()
        };
        assert!(check(4, 100, 1));
        assert!(check(1, 999, 1));
        assert!(!check(5, 100, 1));
        assert!(!check(2, 101, 1));
        assert!(check(8, 200, 2));
        assert!(!check(8, 201, 2));
    }
}
