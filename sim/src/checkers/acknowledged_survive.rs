//! Durability: what was acknowledged stands in every log at the end (leader completeness, Raft
//! thesis §3.6.3, as a client sees it).

use std::collections::BTreeMap;

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

    /// Where acknowledged requests should stand and do not, in a node's committed entries.
    pub fn missing(
        &self,
        mut request: impl FnMut(LogIndex) -> Option<(ClientId, RequestId)>,
    ) -> impl Iterator<Item = LogIndex> {
        let all = self.acknowledged.iter();
        all.filter_map(move |(it, index)| (request(*index) != Some(*it)).then_some(*index))
    }

    /// The words for a missing one.
    #[must_use]
    pub fn lost(&self, node: NodeId, at: LogIndex) -> String {
        let mut all = self.acknowledged.iter();
        match all.find(|(_, index)| **index == at) {
            Some(((client, request), _)) => {
                format!("{node} lost {client} {request}, acknowledged at {at}")
            }
            None => format!("{node} lost what was acknowledged at {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_lost_or_doubled_write_is_refused_and_a_kept_one_is_not() {
        let (client, request) = (ClientId(1), RequestId(2));
        let mut checker = Checker::default();
        assert_eq!(checker.acknowledged(client, request, LogIndex(7)), Ok(()));
        assert_eq!(checker.acknowledged(client, request, LogIndex(7)), Ok(()));
        assert_eq!(checker.missing(|_| Some((client, request))).count(), 0);
        assert_eq!(checker.missing(|_| None).next(), Some(LogIndex(7)));
        assert!(checker.lost(NodeId(1), LogIndex(7)).contains("n1 lost"));
        let other = Some((client, RequestId(3)));
        assert_eq!(checker.missing(|_| other).count(), 1);
        assert!(checker.acknowledged(client, request, LogIndex(8)).is_err());
    }
}
