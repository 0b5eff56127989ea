//! What a node believes of another only rises: a higher incarnation, or within one alive, suspect,
//! dead, left (SWIM §4.2). The dead come back only by a word of their own. And nobody holds itself
//! dead.

use quorate_core::id::{Incarnation, NodeId};
use quorate_core::membership::State;

use super::Verdict;

/// What is believed of a member.
type Belief = (Incarnation, State);

/// The beliefs of every process: of each node, by number, of each member, by number.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    held: Vec<Vec<Option<Belief>>>,
}

impl Checker {
    /// A process has started, and believes nothing.
    pub fn started(&mut self, node: NodeId) {
        slot(&mut self.held, node).clear();
    }

    /// `believer` now believes this of a member.
    ///
    /// # Errors
    /// It believed more before.
    pub fn believes(&mut self, believer: NodeId, member: NodeId, belief: Belief) -> Verdict {
        if believer == member && matches!(belief.1, State::Suspect | State::Dead) {
            return Err(format!("{believer} holds itself {:?}", belief.1));
        }
        let held = slot(slot(&mut self.held, believer), member);
        match held.replace(belief) {
            Some(before) if before > belief => Err(format!(
                "{believer} held {member} {:?} at incarnation {} and now holds it {:?} at {}",
                before.1, before.0, belief.1, belief.0
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// The place of a node, whose numbers begin at 1 and have no large gaps.
fn slot<T: Clone + Default>(list: &mut Vec<T>, node: NodeId) -> &mut T {
    let slot = usize::try_from(node.0).unwrap_or(usize::MAX);
    if list.len() <= slot {
        list.resize(slot + 1, T::default());
    }
    &mut list[slot]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_belief_that_falls_is_refused_and_one_that_rises_is_not() {
        let (mut checker, me, it) = (Checker::default(), NodeId(1), NodeId(2));
        let one = Incarnation::of_boot(1);
        assert_eq!(checker.believes(me, it, (one, State::Suspect)), Ok(()));
        assert_eq!(checker.believes(me, it, (one, State::Dead)), Ok(()));
        assert_eq!(
            checker.believes(me, it, (one.above(one), State::Alive)),
            Ok(())
        );
        assert!(checker.believes(me, it, (one, State::Left)).is_err());
        checker.started(me);
        assert_eq!(checker.believes(me, it, (one, State::Dead)), Ok(()));
        assert!(checker.believes(me, it, (one, State::Alive)).is_err());
    }

    #[test]
    fn a_node_that_holds_itself_dead_is_refused() {
        let (mut checker, me, one) = (Checker::default(), NodeId(1), Incarnation::of_boot(1));
        assert_eq!(checker.believes(me, me, (one, State::Alive)), Ok(()));
        assert!(checker.believes(me, me, (one, State::Dead)).is_err());
    }
}
