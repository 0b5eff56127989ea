//! Persist before send: what promises something leaves only when what it promises is durable (Raft
//! thesis §3.8; a vote, a request for votes and an acknowledgement are promises), and a process
//! speaks only when its own start is.

use quorate_core::id::{LogIndex, NodeId, Term};

use super::Verdict;
use super::ledger::Ledger;

/// A node of life `boot` sends anything at all.
///
/// # Errors
/// Its start is not durable.
pub fn speaks(ledger: &Ledger, node: NodeId, boot: u64) -> Verdict {
    if ledger.boot(node) >= boot {
        return Ok(());
    }
    Err(format!("{node} speaks before its start {boot} is durable"))
}

/// A node shows that it voted: it answers a candidate, asks for votes itself, or leads.
///
/// # Errors
/// Another vote, or none, is durable.
pub fn votes(ledger: &Ledger, node: NodeId, term: Term, to: NodeId) -> Verdict {
    // A vote of a term that is over was durable once and is overwritten by now.
    let (durable, vote) = ledger.vote(node);
    if durable > term || (durable, vote) == (term, Some(to)) {
        return Ok(());
    }
    Err(format!(
        "{node} shows its vote for {to} in term {term} before it is durable"
    ))
}

/// A node acknowledges, in `term`, everything up to `index`.
///
/// # Errors
/// Something of that is not durable.
pub fn acknowledges(ledger: &Ledger, node: NodeId, term: Term, index: LogIndex) -> Verdict {
    if !ledger.lacks(node, term, index) {
        return Ok(());
    }
    Err(format!(
        "{node} acknowledges entries up to {index} in term {term} before they are durable"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::durable::Record;
    use quorate_core::id::Lsn;
    use quorate_core::payload::Payload;
    use quorate_core::raft::{self, Entry};

    #[test]
    fn a_promise_before_its_record_is_refused_and_one_after_it_is_not() {
        let (mut ledger, node, to, term) = (Ledger::default(), NodeId(1), NodeId(2), Term(3));
        let entries = vec![Entry {
            term,
            index: LogIndex(1),
            data: Payload::default(),
            voters: None,
        }];
        let vote = Some(to);
        let records = [
            Record::Boot { boot: 1 },
            Record::Raft(raft::Record::HardState { term, vote }),
            Record::Raft(raft::Record::Append { entries }),
        ];
        for (record, lsn) in records.iter().zip(1..) {
            ledger.wrote(node, Lsn(lsn), term, record);
        }
        let all = |ledger: &Ledger| {
            [
                speaks(ledger, node, 1),
                votes(ledger, node, term, to),
                acknowledges(ledger, node, term, LogIndex(1)),
            ]
        };
        assert!(all(&ledger).iter().all(Result::is_err));
        ledger.synced(node, Lsn(2));
        assert_eq!(
            all(&ledger).map(|verdict| verdict.is_ok()),
            [true, true, false]
        );
        ledger.synced(node, Lsn(3));
        assert!(all(&ledger).iter().all(Result::is_ok));
        assert!(votes(&ledger, node, term, NodeId(3)).is_err());
    }
}
