//! Placement: a role has one grant under way at a time, is not granted again to who holds it, and a
//! role on any voter moves only off a life that somebody has seen gone (fencing by epochs makes the
//! move safe; this makes it rare).

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::{ClientId, Epoch, NodeId, Peer, RequestId, RoleName, Term};

use super::Verdict;

/// A grant that is neither applied nor refused is repeated after so long.
pub const RETRY_NS: u64 = 1_000_000_000;

/// One attempt to grant: by whom, in which term, which role, off which epoch.
type Attempt = (NodeId, Term, RoleName, Epoch);

/// What was granted, and who was seen gone.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    attempts: BTreeMap<Attempt, ((ClientId, RequestId), u64)>,
    gone: BTreeSet<Peer>,
    holders: BTreeMap<RoleName, Peer>,
}

impl Checker {
    /// Somebody holds a life of a node dead, or has seen it leave.
    pub fn gone(&mut self, peer: Peer) {
        self.gone.insert(peer);
    }

    /// A leader appends a grant.
    ///
    /// # Errors
    /// It has just appended another one of the same role.
    pub fn appended(
        &mut self,
        attempt: Attempt,
        request: (ClientId, RequestId),
        now: u64,
    ) -> Verdict {
        let first = *self
            .attempts
            .entry(attempt.clone())
            .or_insert((request, now));
        if first.0 == request {
            return Ok(());
        }
        let verdict = (now - first.1 >= RETRY_NS).then_some(()).ok_or_else(|| {
            let (node, term, role, epoch) = &attempt;
            format!("{node} in term {term} grants {role} off epoch {epoch} twice at a time")
        });
        self.attempts.insert(attempt, (request, now));
        verdict
    }

    /// A role has come to a holder; `is_settled` if it lives on any voter.
    ///
    /// # Errors
    /// It had no reason to move.
    pub fn granted(&mut self, role: &RoleName, to: Peer, is_settled: bool) -> Verdict {
        match self.holders.insert(role.clone(), to) {
            Some(before) if before == to => Err(format!("{role} is granted to {to} again")),
            Some(before) if is_settled && !self.gone.contains(&before) => Err(format!(
                "{role} moves from {before} to {to}, and nobody has seen {before} gone"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Nobody holds a role any more.
    pub fn released(&mut self, role: &RoleName) {
        self.holders.remove(role);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(node: u64) -> Peer {
        let node = NodeId(node);
        Peer { node, boot: 1 }
    }

    #[test]
    fn a_move_off_a_live_holder_is_refused_and_one_off_a_dead_one_is_not() {
        let (mut checker, role) = (Checker::default(), RoleName::new("archive").unwrap());
        assert_eq!(checker.granted(&role, peer(1), true), Ok(()));
        assert!(checker.clone().granted(&role, peer(1), true).is_err());
        assert!(checker.clone().granted(&role, peer(2), true).is_err());
        assert_eq!(checker.clone().granted(&role, peer(2), false), Ok(()));
        checker.gone(peer(1));
        assert_eq!(checker.granted(&role, peer(2), true), Ok(()));
        checker.released(&role);
        assert_eq!(checker.granted(&role, peer(3), true), Ok(()));
    }

    #[test]
    fn two_grants_at_a_time_are_refused_and_a_retry_is_not() {
        let (mut checker, role) = (Checker::default(), RoleName::new("archive").unwrap());
        let mut append = |request, now| {
            let attempt = (NodeId(1), Term(1), role.clone(), Epoch(0));
            checker.appended(attempt, (ClientId(1), RequestId(request)), now)
        };
        assert_eq!(append(1, 0), Ok(()));
        assert_eq!(append(1, 1), Ok(()));
        assert!(append(2, RETRY_NS - 1).is_err());
        assert_eq!(append(3, 2 * RETRY_NS), Ok(()));
    }
}
