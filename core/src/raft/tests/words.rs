//! Words the tests are written in: configurations, entries, messages and outputs in short.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::*;
use crate::seed::{Seed, Stream};
use crate::time::Time;

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) fn config() -> Config {
    Config {
        heartbeat_interval: 50 * MS,
        learner_beats: 5,
        election_timeout_min: 150 * MS,
        election_timeout_max: 300 * MS,
        election_handicap: Duration::ZERO,
        lease_drift_ppm: 0,
        entries_per_append_max: 8,
        bytes_per_append_max: 1024,
        appends_in_flight_max: 4,
        uncommitted_max: 64,
        uncommitted_bytes_max: 64 * 1024,
        snapshot_bytes: 1 << 20,
    }
}

pub(super) fn n(id: u64) -> NodeId {
    NodeId(id)
}

pub(super) fn data(number: u64) -> Payload {
    Payload::copy_from(&number.to_le_bytes())
}

pub(super) fn propose(data: impl Into<Vec<Payload>>) -> Input {
    Input::Propose { data: data.into() }
}

/// The fold of the records that survived.
pub(super) fn fold(records: &[Record]) -> Recovered {
    let mut state = Recovered::default();
    for record in records {
        if let Record::Append { entries } = record {
            let next = state.base().0 + state.log.len() as u64 + 1;
            assert!(entries[0].index.0 <= next, "a record leaves a gap");
        }
        state.apply(record.clone());
    }
    let highest = state.log.iter().map(|e| e.term).max().unwrap_or_default();
    assert!(
        highest <= state.term,
        "an entry is durable before its term is"
    );
    state
}

pub(super) fn machine(me: u64, recovered: Recovered) -> Raft {
    let voters = (1..=3).map(n).collect();
    let random = Seed::from_number(me).stream(Stream::Raft);
    Raft::recover(config(), n(me), voters, recovered, random, Time::ZERO)
}

pub(super) fn tell(raft: &mut Raft, at: u64, from: u64, message: Message) -> Vec<Output> {
    let mut out = Vec::new();
    let from = n(from);
    raft.step(
        Time::from_millis(at),
        Input::Received { from, message },
        &mut out,
    );
    out
}

pub(super) fn do_step(raft: &mut Raft, at: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    raft.step(Time::from_millis(at), input, &mut out);
    out
}

pub(super) fn entries(from: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(index, term): (u64, &u64)| Entry {
        term: Term(*term),
        index: LogIndex(index),
        data: data(index),
        voters: None,
    };
    (from..).zip(terms).map(entry).collect()
}

pub(super) fn append(term: u64, prev: (u64, u64), commit: u64, terms: &[u64]) -> Message {
    Message::Append(Append {
        term: Term(term),
        round: 9,
        prev_index: LogIndex(prev.0),
        prev_term: Term(prev.1),
        commit: LogIndex(commit),
        entries: entries(prev.0 + 1, terms),
    })
}

pub(super) fn vote(term: u64, last: (u64, u64)) -> Message {
    Message::Vote(Vote {
        term: Term(term),
        last_index: LogIndex(last.0),
        last_term: Term(last.1),
        called: false,
    })
}

pub(super) fn pre_vote(term: u64, last: (u64, u64)) -> Message {
    Message::PreVote(PreVote {
        term: Term(term),
        last_index: LogIndex(last.0),
        last_term: Term(last.1),
    })
}

pub(super) fn vote_reply(term: u64, granted: bool) -> Message {
    let term = Term(term);
    Message::VoteReply(VoteReply { term, granted })
}

pub(super) fn pre_vote_reply(term: u64, granted: bool) -> Message {
    let term = Term(term);
    Message::PreVoteReply(PreVoteReply { term, granted })
}

pub(super) fn append_reply(term: u64, round: u64, outcome: AppendOutcome) -> Message {
    Message::AppendReply(AppendReply {
        term: Term(term),
        round,
        outcome,
    })
}

pub(super) fn matched(index: u64) -> AppendOutcome {
    let index = LogIndex(index);
    AppendOutcome::Matched { index }
}

pub(super) fn conflict(index: u64, term: u64) -> AppendOutcome {
    AppendOutcome::Conflict {
        index: LogIndex(index),
        term: Term(term),
    }
}

pub(super) fn send(to: u64, message: Message) -> Output {
    let to = n(to);
    Output::Send { to, message }
}

pub(super) fn promise(to: u64, message: Message) -> Output {
    let to = n(to);
    Output::Promise { to, message }
}

pub(super) fn hard_state(term: u64, vote: Option<u64>) -> Output {
    Output::Persist(Record::HardState {
        term: Term(term),
        vote: vote.map(n),
    })
}

pub(super) fn faulty(from: u64, fault: PeerFault) -> Vec<Output> {
    let from = n(from);
    Vec::from([Output::Note(Notice::PeerFault { from, fault })])
}

/// Node 1 as leader of term 1 with a durable no-op at index 1, at 1000 ms.
pub(super) fn leading() -> Raft {
    let mut raft = machine(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    tell(&mut raft, 1000, 2, vote_reply(1, true));
    assert_eq!(raft.standing().role, Role::Leader);
    tell(&mut raft, 1000, 1, append_reply(1, 0, matched(1)));
    raft
}
