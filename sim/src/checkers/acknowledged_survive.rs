//! Durability: what was acknowledged stands in every log at the end (leader completeness, Raft
//! thesis §3.6.3, as a client sees it).

use std::collections::BTreeMap;

use quorate_core::control::Envelope;
use quorate_core::id::{ClientId, LogIndex, NodeId, RequestId};

use super::Verdict;

/// What was acknowledged, and where it stands.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    acknowledged: BTreeMap<(ClientId, RequestId), LogIndex>,
}

impl Checker {
    /// A client was told that its request took effect.
    ///
    /// # Errors
    /// It was told another place before.
    pub fn acknowledged(
        &mut self,
        client: ClientId,
        request: RequestId,
        index: LogIndex,
    ) -> Verdict {
        match *self.acknowledged.entry((client, request)).or_insert(index) {
            first if first == index => Ok(()),
            first => Err(format!(
                "{client} {request} took effect at {first} and at {index}"
            )),
        }
    }

    /// Distinct acknowledged requests.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Looks through a node's committed entries.
    ///
    /// # Errors
    /// One is missing.
    pub fn check(
        &self,
        node: NodeId,
        mut entry: impl FnMut(LogIndex) -> Option<Envelope>,
    ) -> Verdict {
        for ((client, request), index) in &self.acknowledged {
            let found = entry(*index);
            if found.is_none_or(|found| (found.client, found.request) != (*client, *request)) {
                return Err(format!(
                    "{node} lost {client} {request}, acknowledged at {index}"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::control::Command;

    #[test]
    fn a_lost_or_doubled_write_is_refused_and_a_kept_one_is_not() {
        let (client, request) = (ClientId(1), RequestId(2));
        let kept = Envelope {
            client,
            request,
            command: Command::Barrier,
        };
        let mut checker = Checker::default();
        assert_eq!(checker.acknowledged(client, request, LogIndex(7)), Ok(()));
        assert_eq!(checker.acknowledged(client, request, LogIndex(7)), Ok(()));
        assert_eq!(checker.check(NodeId(1), |_| Some(kept.clone())), Ok(()));
        assert!(checker.check(NodeId(1), |_| None).is_err());
        let other = Envelope {
            request: RequestId(3),
            ..kept.clone()
        };
        assert!(checker.check(NodeId(1), |_| Some(other.clone())).is_err());
        assert!(checker.acknowledged(client, request, LogIndex(8)).is_err());
    }
}
