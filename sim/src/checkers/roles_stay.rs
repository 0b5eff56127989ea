//! Placement: a role has one grant under way at a time, is not granted again to who holds it, and a
//! role on any voter moves only off a life that has ended, that somebody has seen gone, or that
//! the leader has never heard of (fencing by epochs makes the move safe; this makes it rare).

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::{ClientId, Epoch, Peer, RequestId, RoleName, Term};

use super::Verdict;

/// A grant that is neither applied nor refused is repeated after so long.
pub const RETRY_NS: u64 = 1_000_000_000;

/// One attempt to grant: in which term, which role, off which epoch.
type Attempt = (Term, RoleName, Epoch);

/// A process numbers its own proposals as clients that share their upper bits.
const CLIENT_BITS: u32 = 16;

/// What was granted, and who was seen gone.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// The last attempt of a process, by its upper bits.
    attempts: BTreeMap<(u64, Attempt), u64>,
    /// What was appended once may be appended again by a later leader.
    requests: BTreeSet<(ClientId, RequestId)>,
    gone: BTreeSet<Peer>,
    holders: BTreeMap<RoleName, Peer>,
    /// Where these are is somebody else's wish as well.
    asked: BTreeSet<RoleName>,
}

impl Checker {
    /// A life of a node has ended, somebody holds it dead or has seen it leave, or a leader that
    /// had time to hear of it has not.
    pub fn gone(&mut self, peer: Peer) {
        self.gone.insert(peer);
    }

    /// A host wants this role somewhere, or nowhere: from now on it may move for no other reason.
    pub fn asked(&mut self, role: &RoleName) {
        self.asked.insert(role.clone());
    }

    /// A leader appends a grant, at this time of its own.
    ///
    /// # Errors
    /// Whoever proposed it has just proposed another one of the same role.
    pub fn appended(
        &mut self,
        attempt: Attempt,
        request: (ClientId, RequestId),
        now: u64,
    ) -> Verdict {
        if !self.requests.insert(request) || self.asked.contains(&attempt.1) {
            return Ok(());
        }
        let proposer = request.0.0 >> CLIENT_BITS;
        let last = self.attempts.insert((proposer, attempt.clone()), now);
        if last.is_none_or(|last| now.saturating_sub(last) >= RETRY_NS) {
            return Ok(());
        }
        let (term, role, epoch) = attempt;
        Err(format!(
            "{role} is granted off epoch {epoch} twice at a time in term {term}"
        ))
    }

    /// A role has come to a holder; `is_settled` if it lives on any voter.
    ///
    /// # Errors
    /// It had no reason to move.
    pub fn granted(&mut self, role: &RoleName, to: Peer, is_settled: bool) -> Verdict {
        match self.holders.insert(role.clone(), to) {
            Some(_) if self.asked.contains(role) => Ok(()),
            Some(before) if before == to => Err(format!("{role} is granted to {to} again")),
            Some(before) if is_settled && !self.gone.contains(&before) => Err(format!(
                "{role} moves from {before} to {to}, and nobody has seen {before} gone"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a host has had its wishes about where a role is.
    #[must_use]
    pub fn is_asked(&self, role: &RoleName) -> bool {
        self.asked.contains(role)
    }

    /// Who holds a role.
    #[must_use]
    pub fn holder(&self, role: &RoleName) -> Option<Peer> {
        self.holders.get(role).copied()
    }

    /// Nobody holds a role any more.
    pub fn released(&mut self, role: &RoleName) {
        self.holders.remove(role);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::NodeId;

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
        let mut asked = checker.clone();
        asked.asked(&role);
        assert_eq!(asked.granted(&role, peer(2), true), Ok(()));
        checker.gone(peer(1));
        assert_eq!(checker.granted(&role, peer(2), true), Ok(()));
        checker.released(&role);
        assert_eq!(checker.granted(&role, peer(3), true), Ok(()));
    }

    #[test]
    fn two_grants_at_a_time_are_refused_and_a_retry_is_not() {
        let (mut checker, role) = (Checker::default(), RoleName::new("archive").unwrap());
        let mut append = |request, now| {
            let attempt = (Term(1), role.clone(), Epoch(0));
            checker.appended(attempt, (ClientId(1), RequestId(request)), now)
        };
        assert_eq!(append(1, 0), Ok(()));
        assert_eq!(append(1, 1), Ok(()), "the same one, handed over again");
        assert!(append(2, RETRY_NS - 1).is_err());
        assert_eq!(append(3, 2 * RETRY_NS), Ok(()));
    }
}
