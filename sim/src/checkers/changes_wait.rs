//! The voters change one step at a time: a change begins only when the last one is over and
//! committed, and ends only when its joint state is committed (Raft thesis §4.3).

use quorate_core::id::{LogIndex, NodeId};
use quorate_core::voters::Voters;

use super::Verdict;

/// A leader that has committed up to `commit` appends `next`, after the entry at `last` (0 for the
/// first voters) which had established `voters`.
///
/// # Errors
/// Something is skipped or not waited for.
pub fn check(
    leader: NodeId,
    (last, voters): (LogIndex, &Voters),
    commit: LogIndex,
    next: &Voters,
) -> Verdict {
    if last > commit {
        return Err(format!(
            "{leader} makes {next} the voters while {voters} at {last} are not committed"
        ));
    }
    let follows = match next.is_joint() {
        true => !voters.is_joint() && next.before() == voters.now(),
        false => voters.is_joint() && next.now() == voters.now(),
    };
    match follows {
        true => Ok(()),
        false => Err(format!("{leader} makes {next} the voters after {voters}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_waits_for_the_one_before() {
        let some = |nodes: &[u64]| nodes.iter().copied().map(NodeId).collect();
        let (leader, old) = (NodeId(1), Voters::of(some(&[1, 2, 3])));
        let joint = old.changing_to(some(&[1, 4]));
        let first = |next: &Voters| check(leader, (LogIndex(0), &old), LogIndex(0), next);
        assert_eq!(first(&joint), Ok(()));
        assert!(first(&joint.settled()).is_err(), "without a joint state");
        let then =
            |commit, next: &Voters| check(leader, (LogIndex(5), &joint), LogIndex(commit), next);
        assert_eq!(then(5, &joint.settled()), Ok(()));
        assert!(then(4, &joint.settled()).is_err(), "too early");
        assert!(
            then(5, &joint.changing_to(some(&[2]))).is_err(),
            "overlapping"
        );
    }
}
