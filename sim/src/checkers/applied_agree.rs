//! State machine safety: no two nodes apply different entries at one index (Raft thesis §3.6.3,
//! figure 3.2). A node that applies again after a restart must apply the same.

use quorate_core::control::Envelope;
use quorate_core::id::{ClientId, LogIndex, NodeId, RequestId};
use quorate_core::raft::Entry;
use quorate_core::wire::codec;

use crate::trace::digest;

/// What was applied at each index, from 1.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    applied: Vec<Applied>,
}

#[derive(Clone, Debug)]
struct Applied {
    digest: u64,
    request: Option<(ClientId, RequestId)>,
}

impl Checker {
    /// A node applied an entry; true when it is the first to apply at this index.
    ///
    /// # Errors
    /// Another entry was applied there, or an earlier one never was.
    pub fn applied(&mut self, node: NodeId, entry: &Entry) -> Result<bool, String> {
        let digest = digest(entry);
        let index = usize::try_from(entry.index.0).unwrap_or(usize::MAX);
        match index
            .checked_sub(1)
            .map(|slot| (slot, self.applied.get(slot)))
        {
            Some((_, Some(first))) if first.digest == digest => Ok(false),
            Some((_, Some(_))) => Err(format!(
                "{node} applied another entry at {} (term {}) than the first to apply there",
                entry.index, entry.term
            )),
            Some((slot, None)) if slot == self.applied.len() => {
                let envelope = codec::decode::<Envelope>(&entry.data).ok();
                let request = envelope.map(|it| (it.client, it.request));
                self.applied.push(Applied { digest, request });
                Ok(true)
            }
            Some((_, None)) | None => Err(format!("{node} applied {} out of order", entry.index)),
        }
    }

    /// The request that was applied at `index`, if one was.
    #[must_use]
    pub fn request(&self, index: LogIndex) -> Option<(ClientId, RequestId)> {
        let slot = usize::try_from(index.0.checked_sub(1)?).ok()?;
        self.applied.get(slot)?.request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::{LogIndex, Term};
    use quorate_core::payload::Payload;

    fn entry(index: u64, data: &[u8]) -> Entry {
        Entry {
            index: LogIndex(index),
            term: Term(1),
            data: Payload::copy_from(data),
            voters: None,
        }
    }

    #[test]
    fn one_index_one_entry_and_no_gaps() {
        let mut checker = Checker::default();
        assert_eq!(checker.applied(NodeId(1), &entry(1, b"a")), Ok(true));
        assert_eq!(checker.applied(NodeId(2), &entry(1, b"a")), Ok(false));
        assert_eq!(checker.applied(NodeId(2), &entry(2, b"b")), Ok(true));
        assert!(checker.applied(NodeId(1), &entry(2, b"c")).is_err());
        assert!(checker.applied(NodeId(1), &entry(4, b"d")).is_err());
        assert!(checker.applied(NodeId(1), &entry(0, b"d")).is_err());
    }
}
