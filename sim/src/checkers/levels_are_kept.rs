//! The feature level keeps builds of two versions together: none acts under a level that it does
//! not know, a leader raises it only to what every voter knows, and what a level brings is used
//! only while it is in force.

use quorate_core::id::NodeId;
use quorate_core::level::{Level, LevelRange};

use super::Verdict;

/// A node acts under a level, as far as it has applied the log.
pub fn acts(node: NodeId, level: Level, knows: LevelRange) -> Verdict {
    match knows.contains(level) {
        true => Ok(()),
        false => Err(format!(
            "{node} acts under {level}; its build knows {knows}"
        )),
    }
}

/// A node halts, because it does not know a level.
pub fn halts(node: NodeId, level: Level, knows: LevelRange) -> Verdict {
    match knows.contains(level) {
        true => Err(format!(
            "{node} halts before {level}, which its build knows"
        )),
        false => Ok(()),
    }
}

/// A leader appends that the level shall be raised; `voters` with what their builds know.
pub fn raises(leader: NodeId, to: Level, voters: &[(NodeId, LevelRange)]) -> Verdict {
    let lacks = |(_, knows): &&(NodeId, LevelRange)| !knows.contains(to);
    match voters.iter().find(lacks) {
        None => Ok(()),
        Some((voter, knows)) => Err(format!(
            "{leader} raises the level to {to}; the build of {voter} knows {knows}"
        )),
    }
}

/// A node uses what a level brings.
pub fn uses(node: NodeId, brought_by: Level, in_force: Level) -> Verdict {
    match brought_by <= in_force {
        true => Ok(()),
        false => Err(format!(
            "{node} uses what {brought_by} brings under {in_force}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_those_who_know_it_and_its_uses_wait_for_it() {
        let (one, two) = (Level(1), Level(2));
        let (old, new) = (LevelRange::FIRST, LevelRange { min: one, max: two });
        let node = NodeId;
        assert_eq!(acts(node(1), one, old), Ok(()));
        assert_eq!(acts(node(1), two, new), Ok(()));
        assert!(acts(node(1), two, old).is_err());
        assert_eq!(halts(node(1), two, old), Ok(()));
        assert!(halts(node(1), two, new).is_err());
        assert_eq!(
            raises(node(1), two, &[(node(1), new), (node(2), new)]),
            Ok(())
        );
        assert!(raises(node(1), two, &[(node(1), new), (node(2), old)]).is_err());
        assert_eq!(uses(node(2), two, two), Ok(()));
        assert!(uses(node(2), two, one).is_err());
    }
}
