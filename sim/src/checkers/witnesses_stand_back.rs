//! A witness holds nothing to serve with: no role is placed on it, and it does not lead on while a
//! voter that is none follows it, is connected, and holds durably what is committed.

use std::collections::BTreeMap;

use quorate_core::id::{NodeId, Peer, RoleName};

use super::Verdict;

/// An heir is seen at the next heartbeat and has an election timeout to take over; a disk may stand
/// still for some seconds meanwhile.
pub const BOUND_NS: u64 = 10_000_000_000;

/// Since when which witness has led beside an heir.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    since: BTreeMap<NodeId, (NodeId, u64)>,
}

impl Checker {
    /// A role that no host asked for has come to a holder.
    ///
    /// # Errors
    /// The holder is a witness.
    pub fn placed(&self, role: &RoleName, holder: Peer, is_witness: bool) -> Verdict {
        match is_witness {
            true => Err(format!("{role} is placed on {holder}, a witness")),
            false => Ok(()),
        }
    }

    /// At `now`, who could lead instead of a witness that does; nobody if it does not.
    ///
    /// # Errors
    /// The same heir has been there for too long.
    pub fn look(&mut self, now: u64, witness: NodeId, heirs: &[NodeId]) -> Verdict {
        let last = self.since.get(&witness).copied();
        let goes_on = last.filter(|(heir, _)| heirs.contains(heir));
        let first = heirs.first().map(|heir| (*heir, now));
        let Some((heir, since)) = goes_on.or(first) else {
            self.since.remove(&witness);
            return Ok(());
        };
        self.since.insert(witness, (heir, since));
        if now - since <= BOUND_NS {
            return Ok(());
        }
        let millis = (now - since) / 1_000_000;
        Err(format!(
            "{witness} is a witness and has led for {millis} ms beside {heir}, which could"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_may_lead_for_a_while_or_without_an_heir_and_holds_no_role() {
        let (mut checker, witness, heir) = (Checker::default(), NodeId(3), NodeId(1));
        assert_eq!(checker.look(0, witness, &[heir]), Ok(()));
        assert_eq!(checker.look(BOUND_NS, witness, &[NodeId(2), heir]), Ok(()));
        let mut alone = checker.clone();
        assert_eq!(alone.look(BOUND_NS + 1, witness, &[]), Ok(()));
        assert_eq!(alone.look(BOUND_NS + 2, witness, &[heir]), Ok(()));
        assert!(checker.look(BOUND_NS + 1, witness, &[heir]).is_err());
        let (role, node) = (RoleName::new("archive").unwrap(), witness);
        let holder = Peer { node, boot: 1 };
        assert_eq!(checker.placed(&role, holder, false), Ok(()));
        assert!(checker.placed(&role, holder, true).is_err());
    }
}
