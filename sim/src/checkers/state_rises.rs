//! What a node holds of a life only rises: the floor does, and the version of every key does, until
//! the floor covers it. So nothing deleted comes back, and nothing read is unread.

use std::collections::BTreeMap;

use quorate_core::gossip::Change;
use quorate_core::id::{NodeId, Peer};

use super::Verdict;

/// What was held of one life: its floor and the version of each key.
type Held = (u64, BTreeMap<String, u64>);

/// What every process held when it was last looked at.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    held: BTreeMap<NodeId, BTreeMap<Peer, Held>>,
}

impl Checker {
    /// A process has started, and holds nothing.
    pub fn started(&mut self, holder: NodeId) {
        self.held.remove(&holder);
    }

    /// What a node holds now; whose state is not among it was dropped.
    ///
    /// # Errors
    /// It held more before.
    pub fn holds(&mut self, holder: NodeId, held: &[Change]) -> Verdict {
        let now: BTreeMap<Peer, Held> = held
            .iter()
            .map(|change| {
                let versions = change.entries.iter().map(|e| (e.key.clone(), e.version));
                (change.owner, (change.floor, versions.collect()))
            })
            .collect();
        let before = self.held.insert(holder, now.clone()).unwrap_or_default();
        for (owner, (floor, keys)) in before {
            let Some((floor_now, keys_now)) = now.get(&owner) else {
                continue;
            };
            if *floor_now < floor {
                return Err(format!(
                    "{holder} held {owner} at floor {floor}, now at {floor_now}"
                ));
            }
            for (key, version) in keys {
                let version_now = keys_now.get(&key).copied().unwrap_or(*floor_now);
                if version_now < version {
                    return Err(format!(
                        "{holder} held {key} of {owner} at version {version}, now at {version_now}"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::gossip::Entry;

    fn change(floor: u64, entries: &[(&str, u64)]) -> Change {
        let entry = |(key, version): &(&str, u64)| Entry {
            key: (*key).to_owned(),
            version: *version,
            value: None,
        };
        Change {
            owner: Peer {
                node: NodeId(1),
                boot: 1,
            },
            floor,
            entries: entries.iter().map(entry).collect(),
        }
    }

    #[test]
    fn what_falls_is_refused_and_what_rises_is_not() {
        let (mut checker, me) = (Checker::default(), NodeId(2));
        assert_eq!(
            checker.holds(me, &[change(0, &[("a", 1), ("b", 2)])]),
            Ok(())
        );
        assert_eq!(
            checker.holds(me, &[change(0, &[("a", 3), ("b", 2)])]),
            Ok(())
        );
        assert_eq!(
            checker.holds(me, &[change(3, &[("b", 4)])]),
            Ok(()),
            "covered by the floor"
        );
        assert!(checker.holds(me, &[change(3, &[])]).is_err());
        assert!(checker.holds(me, &[change(2, &[])]).is_err());
        assert_eq!(checker.holds(me, &[]), Ok(()), "dropped");
        assert_eq!(checker.holds(me, &[change(0, &[("a", 1)])]), Ok(()));
        checker.started(me);
        assert_eq!(checker.holds(me, &[change(0, &[])]), Ok(()));
    }
}
