//! An entry is committed only when a majority of the voters holds it durably (Raft thesis §3.5,
//! §3.8; leader completeness, §3.6.3, rests on it).

use quorate_core::id::{LogIndex, NodeId, Term};

use quorate_core::voters::Voters;

use super::Verdict;
use super::elected_by_majority::sides;
use super::ledger::Ledger;

/// A node is the first to commit the entry at `index`, under these voters.
///
/// # Errors
/// Too few disks hold it.
pub fn check(ledger: &Ledger, voters: &Voters, index: LogIndex, term: Term) -> Verdict {
    let holds = |node: &&NodeId| ledger.held(**node, index, term);
    if sides(voters).all(|side| 2 * side.iter().filter(holds).count() > side.len()) {
        return Ok(());
    }
    let holders: Vec<NodeId> = voters.iter().filter(|node| holds(&node)).collect();
    Err(format!(
        "entry {index} of term {term} is committed, and of the voters {voters} hold it {holders:?}"
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
            voters: None,
        });
        ledger.started(NodeId(1), &found);
        ledger.started(NodeId(4), &found);
        let four = Voters::of((1..=4).map(NodeId).collect());
        let check = |ledger: &Ledger, term| check(ledger, &four, LogIndex(1), Term(term));
        assert!(check(&ledger, 2).is_err());
        ledger.started(NodeId(2), &found);
        assert_eq!(check(&ledger, 2), Ok(()));
        assert!(check(&ledger, 3).is_err(), "another entry");
    }
}
