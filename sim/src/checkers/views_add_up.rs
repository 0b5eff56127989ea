//! The views a node tells, added up, are its live members: no change is told twice or left out, and
//! their numbers rise by one.

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer};
use quorate_core::membership::View;

use super::Verdict;

/// What each node has told so far, in its present life.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    told: BTreeMap<NodeId, Told>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    boot: u64,
    number: u64,
    members: BTreeMap<NodeId, Peer>,
}

impl Checker {
    /// A life of a node tells a view.
    ///
    /// # Errors
    /// It does not follow from the one before.
    pub fn tells(&mut self, by: Peer, view: &View) -> Verdict {
        let told = self.told.entry(by.node).or_default();
        if told.boot != by.boot {
            let members = BTreeMap::from([(by.node, by)]);
            *told = Told {
                boot: by.boot,
                number: 0,
                members,
            };
        }
        told.number += 1;
        let odd = |what: String| Err(format!("{by}, view {}: {what}", view.number));
        if view.number != told.number {
            return odd(format!("its number should be {}", told.number));
        }
        for gone in view.left.iter().chain(&view.died) {
            if told.members.remove(&gone.node) != Some(*gone) {
                return odd(format!("{gone} is gone and was no member"));
            }
        }
        for member in &view.joined {
            if told.members.insert(member.node, member.peer()).is_some() {
                return odd(format!("{} joined and was a member already", member.peer()));
            }
        }
        if told.members.len() as u64 != view.size {
            let (told, size) = (told.members.len(), view.size);
            return odd(format!(
                "its changes lead to {told} members, it says {size}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::Incarnation;
    use quorate_core::level::LevelRange;
    use quorate_core::membership::{Member, State};

    use super::*;

    fn peer(node: u64, boot: u64) -> Peer {
        let node = NodeId(node);
        Peer { node, boot }
    }

    fn joined(node: u64, boot: u64) -> Member {
        Member {
            node: NodeId(node),
            incarnation: Incarnation::of_boot(boot),
            state: State::Alive,
            address: ([127, 0, 0, 1], 7000).into(),
            zone: None,
            is_witness: false,
            levels: LevelRange::FIRST,
        }
    }

    fn view(number: u64, size: u64, came: &[(u64, u64)], died: &[Peer]) -> View {
        View {
            number,
            size,
            joined: came
                .iter()
                .map(|(node, boot)| joined(*node, *boot))
                .collect(),
            died: died.to_vec(),
            ..View::default()
        }
    }

    #[test]
    fn views_follow_from_each_other() {
        let mut checker = Checker::default();
        let me = peer(1, 1);
        assert_eq!(
            checker.tells(me, &view(1, 3, &[(2, 1), (3, 1)], &[])),
            Ok(())
        );
        let replaced = view(2, 3, &[(3, 2)], &[peer(3, 1)]);
        assert_eq!(checker.tells(me, &replaced), Ok(()));
        assert_eq!(checker.tells(me, &view(3, 2, &[], &[peer(2, 1)])), Ok(()));
        assert_eq!(
            checker.tells(peer(1, 2), &view(1, 2, &[(2, 1)], &[])),
            Ok(()),
            "a new life"
        );
    }

    #[test]
    fn views_that_do_not_add_up_are_refused() {
        let first = view(1, 2, &[(2, 1)], &[]);
        for wrong in [
            view(3, 3, &[(3, 1)], &[]),
            view(1, 3, &[(3, 1)], &[]),
            view(2, 3, &[], &[]),
            view(2, 2, &[(2, 1)], &[]),
            view(2, 1, &[], &[peer(2, 2)]),
            view(2, 2, &[], &[peer(3, 1)]),
        ] {
            let mut checker = Checker::default();
            assert_eq!(checker.tells(peer(1, 1), &first), Ok(()));
            assert!(checker.tells(peer(1, 1), &wrong).is_err(), "{wrong:?}");
        }
    }
}
