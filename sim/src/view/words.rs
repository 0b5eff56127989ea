//! What the page says of messages.

use quorate_core::raft::AppendOutcome;
use quorate_core::wire::Message;
use quorate_core::{control, gossip, membership, raft};

/// The kinds of messages: name and family. The page knows them by their place.
pub(super) const KINDS: [(&str, &str); 31] = [
    ("Ping", "membership"),
    ("Ack", "membership"),
    ("PingReq", "membership"),
    ("Nack", "membership"),
    ("Join", "membership"),
    ("Welcome", "membership"),
    ("Gossip", "membership"),
    ("PreVote", "election"),
    ("PreVoteReply", "election"),
    ("Vote", "election"),
    ("VoteReply", "election"),
    ("Append", "replication"),
    ("Heartbeat", "replication"),
    ("AppendReply", "replication"),
    ("Forward", "control"),
    ("Answer", "control"),
    ("TimeoutNow", "election"),
    ("Digest", "gossip"),
    ("Branches", "gossip"),
    ("Holdings", "gossip"),
    ("Wants", "gossip"),
    ("Delta", "gossip"),
    ("News", "gossip"),
    ("Sync", "membership"),
    ("Differ", "membership"),
    ("TurnedAway", "membership"),
    ("InstallSnapshot", "replication"),
    ("SnapshotReply", "replication"),
    ("ReadIndex", "replication"),
    ("ReadIndexReply", "replication"),
    ("Resigned", "election"),
];

/// A message in words.
pub(super) struct Spoken {
    pub(super) kind: u8,
    pub(super) is_folded: bool,
    pub(super) text: String,
}

fn spoken(kind: u8, is_folded: bool, text: String) -> Spoken {
    Spoken {
        kind,
        is_folded,
        text,
    }
}

pub(super) fn message(message: &Message) -> Spoken {
    match message {
        Message::Membership(message) => of_membership(message),
        Message::Raft(message) => of_raft(message),
        Message::Control(message) => of_control(message),
        Message::Gossip(message) => of_gossip(message),
    }
}

fn of_gossip(message: &gossip::Message) -> Spoken {
    use gossip::Message as M;
    let entries = |changes: &[gossip::Change]| {
        let count: usize = changes.iter().map(|change| change.entries.len()).sum();
        format!("{count} entries of {} owners", changes.len())
    };
    match message {
        M::Digest(m) => spoken(17, true, format!("{:016x}", m.root)),
        M::Branches(m) => spoken(18, false, format!("{} that differ", m.branches.len())),
        M::Holdings(m) => spoken(19, false, format!("of {} owners", m.owners.len())),
        M::Wants(m) => spoken(20, false, format!("of {} owners", m.owners.len())),
        M::Delta(m) => spoken(21, false, entries(&m.changes)),
        M::News(m) => spoken(22, false, entries(&m.changes)),
    }
}

fn of_membership(message: &membership::Message) -> Spoken {
    use membership::Message as M;
    let news = |updates: &Vec<membership::Update>| match updates.len() {
        0 => String::new(),
        count => format!(" +{count} news"),
    };
    match message {
        M::Ping(m) => spoken(0, true, format!("probe {}{}", m.probe, news(&m.updates))),
        M::Ack(m) => {
            let text = format!("probe {}, {} is alive", m.probe, m.alive);
            spoken(1, true, text + &news(&m.updates))
        }
        M::PingReq(m) => spoken(2, false, format!("probe {} for me", m.target)),
        M::Nack(m) => spoken(3, false, format!("probe {} got no answer", m.probe)),
        M::Join(m) => spoken(4, false, format!("{} beliefs", m.updates.len())),
        M::Welcome(m) => spoken(5, false, format!("{} beliefs", m.updates.len())),
        M::Gossip(m) => spoken(6, true, format!("{} news", m.updates.len())),
        M::Sync(m) => spoken(23, false, format!("our tables differ{}", news(&m.updates))),
        M::Differ(m) => spoken(24, false, format!("{} beliefs", m.updates.len())),
        M::TurnedAway(m) => spoken(25, false, m.reason.to_string()),
    }
}

fn of_raft(message: &raft::Message) -> Spoken {
    use raft::Message as M;
    let answer = |granted| if granted { "granted" } else { "refused" };
    let last = |term, index, last| format!("{term}, log ends at {index} of {last}");
    match message {
        M::PreVote(m) => spoken(7, false, last(m.term, m.last_index, m.last_term)),
        M::PreVoteReply(m) => spoken(8, false, format!("{} {}", m.term, answer(m.granted))),
        M::Vote(m) => spoken(9, false, last(m.term, m.last_index, m.last_term)),
        M::VoteReply(m) => spoken(10, false, format!("{} {}", m.term, answer(m.granted))),
        M::Append(m) => {
            let text = format!("{} after {}, commit {}", m.term, m.prev_index, m.commit);
            match m.entries.len() {
                0 => spoken(12, true, text),
                count => spoken(11, false, format!("{text}, {count} new")),
            }
        }
        M::AppendReply(m) => match m.outcome {
            AppendOutcome::Matched { index } => {
                spoken(13, true, format!("{} matched {index}", m.term))
            }
            AppendOutcome::Conflict { index, term } => {
                let text = format!("{} conflict, at most {index} of {term}", m.term);
                spoken(13, false, text)
            }
        },
        M::TimeoutNow(m) => spoken(16, false, format!("take over from {}", m.term)),
        M::InstallSnapshot(m) => {
            let (from, len) = (m.part.offset, m.part.bytes.len());
            let text = format!("{} of {}, {len} B from {from}", m.term, m.part.of.index);
            spoken(26, len == 0, text)
        }
        M::SnapshotReply(m) => {
            let text = format!("{} holds {} B of {}", m.term, m.held, m.index);
            spoken(27, false, text)
        }
        M::ReadIndex(m) => spoken(28, false, format!("read {}", m.number)),
        M::ReadIndexReply(m) => {
            let text = match m.index {
                Some(index) => format!("read {} must see {index}", m.number),
                None => format!("read {} refused", m.number),
            };
            spoken(29, false, text)
        }
        M::Resigned(m) => spoken(30, false, m.term.to_string()),
    }
}

fn of_control(message: &control::Message) -> Spoken {
    match message {
        control::Message::Forward(m) => {
            let (client, request) = (m.envelope.client, m.envelope.request);
            spoken(14, false, format!("{client} {request}"))
        }
        control::Message::Answer(m) => {
            let text = match &m.outcome {
                Ok(_) => format!("{} {} done at {}", m.client, m.request, m.index),
                Err(refused) => format!("{} {} refused: {refused}", m.client, m.request),
            };
            spoken(15, false, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::{LogIndex, Term};

    #[test]
    fn a_heartbeat_is_folded_and_new_entries_are_not() {
        let mut append = raft::Append {
            term: Term(4),
            round: 1,
            prev_index: LogIndex(9),
            prev_term: Term(3),
            commit: LogIndex(8),
            entries: Vec::new(),
        };
        let heartbeat = of_raft(&raft::Message::Append(append.clone()));
        assert_eq!(
            (KINDS[heartbeat.kind as usize].0, heartbeat.is_folded),
            ("Heartbeat", true)
        );
        append.entries.push(raft::Entry {
            term: Term(4),
            index: LogIndex(10),
            data: quorate_core::payload::Payload::default(),
            voters: None,
        });
        let entries = of_raft(&raft::Message::Append(append));
        assert_eq!(
            (KINDS[entries.kind as usize].0, entries.is_folded),
            ("Append", false)
        );
        assert!(entries.text.ends_with("1 new"), "{}", entries.text);
    }
}
