//! Reads by a lease, and what a voter promises for it (Raft thesis §6.4.1).

use alloc::vec::Vec;

use super::super::*;
use super::words::*;
use crate::seed::{Seed, Stream};

/// A bound of a tenth: of 150 ms a leader counts on 122 ms.
fn trusting() -> Config {
    Config {
        lease_drift_ppm: 100_000,
        ..config()
    }
}

fn started(me: u64, past: Recovered) -> Raft {
    let voters = (1..=3).map(n).collect();
    let random = Seed::from_number(me).stream(Stream::Raft);
    Raft::recover(trusting(), n(me), voters, past, random, Time::ZERO)
}

/// Node 1 leads since 1000 ms, and its first entry is committed.
fn leading_with_leases() -> Raft {
    let mut raft = started(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    tell(&mut raft, 1000, 2, vote_reply(1, true));
    tell(&mut raft, 1001, 1, append_reply(1, 0, matched(1)));
    tell(&mut raft, 1001, 2, append_reply(1, 1, matched(1)));
    assert_eq!(raft.commit(), LogIndex(1));
    raft
}

fn is_answered(raft: &mut Raft, at: u64) -> bool {
    let ticket = Ticket(at);
    let out = do_step(raft, at, Input::Read { ticket });
    let index = raft.commit();
    out == [Output::Readable { ticket, index }]
}

#[test]
fn a_lease_counts_from_the_sending_of_what_a_majority_answered() {
    let mut raft = leading_with_leases();
    assert!(is_answered(&mut raft, 1100));
    assert!(is_answered(&mut raft, 1122));
    assert!(
        !is_answered(&mut raft, 1123),
        "a vote may be given from 1150 on"
    );
    let mut raft = leading_with_leases();
    let beats = do_step(&mut raft, 1050, Input::Tick);
    let rounds = beats.iter().filter_map(|output| {
        let Output::Send { to, message } = output else {
            return None;
        };
        let Message::Append(append) = message else {
            return None;
        };
        (*to == n(3)).then_some(append.round)
    });
    let round = rounds.max().unwrap();
    tell(&mut raft, 1110, 3, append_reply(1, round, matched(1)));
    assert!(is_answered(&mut raft, 1172), "sent at 1050");
    assert!(!is_answered(&mut raft, 1173));
    assert_eq!(raft.stats().leased_reads, 1);
}

#[test]
fn without_an_entry_of_its_own_or_after_calling_an_heir_there_is_no_lease() {
    let mut raft = started(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    tell(&mut raft, 1000, 2, vote_reply(1, true));
    assert!(!is_answered(&mut raft, 1001));
    let mut raft = leading_with_leases();
    let to = Some(n(2));
    let out = do_step(&mut raft, 1010, Input::Transfer { to });
    let call = Message::TimeoutNow(TimeoutNow { term: Term(1) });
    assert!(out.contains(&send(2, call)));
    assert!(!is_answered(&mut raft, 1011));
    // The call may still be on its way when the leader has given up.
    do_step(&mut raft, 1320, Input::Tick);
    tell(&mut raft, 1321, 2, append_reply(1, 3, matched(1)));
    assert!(!is_answered(&mut raft, 1322));
}

#[test]
fn a_voter_elects_nobody_for_as_long_as_a_leader_may_count_on_it() {
    let follower = || {
        let mut raft = started(2, Recovered::default());
        tell(&mut raft, 1000, 1, append(1, (0, 0), 0, &[1]));
        raft
    };
    let asks = |raft: &mut Raft, at, term| {
        let out = tell(raft, at, 3, vote(term, (1, 1)));
        out.contains(&promise(3, vote_reply(term, true)))
    };
    let down = Input::PeerDown {
        node: n(1),
        dead: true,
    };
    let mut raft = follower();
    do_step(&mut raft, 1010, down.clone());
    assert!(raft.deadline().unwrap().at >= Time::from_millis(1150));
    assert!(!asks(&mut raft, 1149, 2));
    assert_eq!(raft.standing().term, Term(1));
    assert!(asks(&mut raft, 1150, 2));
    // A higher term does not release it, only the leader's call does.
    let mut raft = follower();
    tell(&mut raft, 1010, 3, pre_vote_reply(7, false));
    assert_eq!(raft.standing().term, Term(7));
    assert!(!asks(&mut raft, 1020, 7));
    let mut raft = follower();
    let called = Message::Vote(Vote {
        term: Term(2),
        last_index: LogIndex(1),
        last_term: Term(1),
        called: true,
    });
    let out = tell(&mut raft, 1020, 3, called);
    assert!(out.contains(&promise(3, vote_reply(2, true))));
}

#[test]
fn a_voter_that_starts_waits_since_it_may_have_heard_a_leader() {
    let mut raft = started(2, Recovered::default());
    let out: Vec<Output> = tell(&mut raft, 149, 3, vote(1, (0, 0)));
    assert_eq!(out, [send(3, vote_reply(0, false))]);
    let out = tell(&mut raft, 150, 3, vote(1, (0, 0)));
    assert!(out.contains(&promise(3, vote_reply(1, true))));
}
