//! Nobody but its owner writes a node's state: every entry that anyone holds was written so by its
//! owner, in that life, under that version; and a version stands for one write.

use std::collections::BTreeMap;

use quorate_core::gossip::{Change, Entry};
use quorate_core::id::{NodeId, Peer};

use super::Verdict;

/// All writes of all owners.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    written: BTreeMap<(Peer, u64), Entry>,
    floors: BTreeMap<Peer, u64>,
}

impl Checker {
    /// What an owner holds of itself right after it wrote, or tells others in its own name.
    ///
    /// # Errors
    /// It wrote something else under that version before.
    pub fn wrote(&mut self, own: &Change) -> Verdict {
        let floor = self.floors.entry(own.owner).or_default();
        *floor = own.floor.max(*floor);
        for entry in &own.entries {
            let place = (own.owner, entry.version);
            if *self.written.entry(place).or_insert_with(|| entry.clone()) != *entry {
                let (owner, version) = place;
                return Err(format!("{owner} wrote twice under version {version}"));
            }
        }
        Ok(())
    }

    /// What a node holds of everyone.
    ///
    /// # Errors
    /// Something of it was never written so.
    pub fn holds(&self, holder: NodeId, held: &[Change]) -> Verdict {
        for change in held {
            let owner = change.owner;
            if change.floor > self.floors.get(&owner).copied().unwrap_or(0) {
                let floor = change.floor;
                return Err(format!(
                    "{holder} holds {owner} at floor {floor}, which it never set"
                ));
            }
            let forged = |entry: &&Entry| self.written.get(&(owner, entry.version)) != Some(entry);
            if let Some(Entry { key, version, .. }) = change.entries.iter().find(forged) {
                return Err(format!(
                    "{holder} holds {key} of {owner} at version {version}, which it never wrote"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(version: u64, key: &str) -> Change {
        let entry = Entry {
            key: key.into(),
            version,
            value: None,
        };
        Change {
            owner: Peer {
                node: NodeId(1),
                boot: 1,
            },
            floor: 0,
            entries: vec![entry],
        }
    }

    #[test]
    fn what_is_told_late_lowers_no_floor_and_stands_for_itself() {
        let (mut checker, mut reset) = (Checker::default(), change(5, "a"));
        reset.floor = 4;
        assert_eq!(checker.wrote(&reset), Ok(()));
        assert_eq!(checker.wrote(&change(2, "b")), Ok(()));
        assert_eq!(checker.holds(NodeId(2), &[reset, change(2, "b")]), Ok(()));
        assert!(checker.wrote(&change(5, "b")).is_err(), "told otherwise");
    }

    #[test]
    fn what_was_written_may_be_held_and_nothing_else() {
        let mut checker = Checker::default();
        assert_eq!(checker.wrote(&change(1, "a")), Ok(()));
        assert_eq!(checker.wrote(&change(2, "b")), Ok(()));
        assert!(checker.wrote(&change(2, "c")).is_err());
        let held = [change(1, "a"), change(2, "b")];
        assert_eq!(checker.holds(NodeId(2), &held), Ok(()));
        assert!(checker.holds(NodeId(2), &[change(3, "b")]).is_err());
        assert!(checker.holds(NodeId(2), &[change(2, "a")]).is_err());
        let mut raised = change(1, "a");
        raised.floor = 1;
        assert!(checker.holds(NodeId(2), &[raised]).is_err());
    }
}
