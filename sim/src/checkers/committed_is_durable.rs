//! An entry is committed only when a majority of the voters holds it durably (Raft thesis §3.5,
//! §3.8; leader completeness, §3.6.3, rests on it).

use quorate_core::id::{LogIndex, NodeId, Term};

use super::Verdict;
use super::ledger::Ledger;

/// A node is the first to commit the entry at `index`; the first `voters` nodes vote.
///
/// # Errors
/// Too few disks hold it.
pub fn check(ledger: &Ledger, voters: u64, index: LogIndex, term: Term) -> Verdict {
    let holds = |node: &u64| ledger.entry(NodeId(*node), index) == Some(term);
    let holders = (1..=voters).filter(holds).count() as u64;
    if 2 * holders > voters {
        return Ok(());
    }
    Err(format!(
        "entry {index} of term {term} is committed with {holders} of {voters} disks holding it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::durable::Durable;
    use quorate_core::payload::Payload;
    use quorate_core::raft::Entry;

    #[test]
    fn half_of_the_disks_is_refused_and_a_majority_is_not() {
        let mut ledger = Ledger::default();
        let mut found = Durable::default();
        found.raft.log.push(Entry {
            term: Term(2),
            index: LogIndex(1),
            data: Payload::default(),
        });
        ledger.started(NodeId(1), &found);
        ledger.started(NodeId(4), &found);
        let check = |ledger: &Ledger, term| check(ledger, 4, LogIndex(1), Term(term));
        assert!(check(&ledger, 2).is_err());
        ledger.started(NodeId(2), &found);
        assert_eq!(check(&ledger, 2), Ok(()));
        assert!(check(&ledger, 3).is_err(), "another entry");
    }
}
