//! One machine, message by message.

use alloc::vec::Vec;

use super::super::*;
use super::words::*;
use crate::time::Time;

#[test]
fn a_candidate_leads_only_after_its_own_vote_came_back() {
    let mut raft = machine(1, Recovered::default());
    let out = do_step(&mut raft, 1000, Input::Tick);
    assert!(out.contains(&send(2, pre_vote(1, (0, 0)))));
    assert_eq!(raft.standing().term, Term(0), "a pre-vote changes nothing");
    let out = tell(&mut raft, 1001, 3, pre_vote_reply(1, true));
    let requests = [
        promise(2, vote(1, (0, 0))),
        promise(3, vote(1, (0, 0))),
        promise(1, vote_reply(1, true)),
    ];
    assert_eq!(out[0], hard_state(1, Some(1)), "before anything else");
    assert_eq!(out[out.len() - 3..], requests);
    tell(&mut raft, 1002, 2, vote_reply(1, true));
    tell(&mut raft, 1002, 3, vote_reply(1, true));
    assert_eq!(raft.standing().role, Role::Candidate);
    tell(&mut raft, 1003, 1, vote_reply(1, true));
    assert_eq!(raft.standing().role, Role::Leader);
}

#[test]
fn a_candidate_with_a_stalled_disk_takes_no_further_term() {
    let mut raft = machine(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1001, 3, pre_vote_reply(1, true));
    for at in [2000, 3000, 4000] {
        assert_eq!(do_step(&mut raft, at, Input::Tick), []);
        assert!(raft.deadline().unwrap().at > Time::from_millis(at));
    }
    tell(&mut raft, 4001, 1, vote_reply(1, true));
    let out = do_step(&mut raft, 5000, Input::Tick);
    assert!(out.contains(&send(2, pre_vote(2, (0, 0)))));
}

#[test]
fn a_pre_candidate_that_votes_gives_up_its_own_attempt() {
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 1, 2, append(4, (0, 0), 0, &[]));
    do_step(&mut raft, 1000, Input::Tick);
    assert_eq!(raft.standing().role, Role::PreCandidate);
    let out = tell(&mut raft, 1001, 3, vote(4, (0, 0)));
    assert_eq!(out.last(), Some(&promise(3, vote_reply(4, true))));
    assert_eq!(raft.standing().role, Role::Follower);
    tell(&mut raft, 1002, 2, pre_vote_reply(5, true));
    assert_eq!(raft.standing().term, Term(4));
}

#[test]
fn a_lost_election_waits_anew_and_a_higher_term_is_taken() {
    let mut raft = machine(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1001, 2, pre_vote_reply(0, false));
    assert_eq!(raft.standing().role, Role::PreCandidate);
    tell(&mut raft, 1001, 3, pre_vote_reply(0, false));
    assert_eq!(raft.standing().role, Role::Follower);
    let due = raft.deadline().unwrap().at;
    assert!(due >= Time::from_millis(1001) + 150 * MS && due <= Time::from_millis(1301));
    do_step(&mut raft, 1500, Input::Tick);
    let out = tell(&mut raft, 1501, 2, pre_vote_reply(8, false));
    assert_eq!(out[0], hard_state(8, None));
    assert_eq!(raft.standing().term, Term(8));
    tell(&mut raft, 1502, 3, vote_reply(9, false));
    assert_eq!(raft.standing().term, Term(9));
}

#[test]
fn a_vote_goes_to_one_candidate_with_a_log_at_least_as_long() {
    let past = Recovered {
        term: Term(3),
        vote: None,
        log: entries(1, &[1, 3]),
        ..Recovered::default()
    };
    // (request, granted, term after)
    let table = [
        (vote(2, (9, 9)), false, 3),
        (vote(3, (2, 3)), true, 3),
        (vote(4, (1, 3)), false, 4),
        (vote(4, (9, 2)), false, 4),
        (vote(4, (2, 3)), true, 4),
        (vote(9, (1, 4)), true, 9),
    ];
    for (request, granted, term) in table {
        let mut raft = machine(1, past.clone());
        let out = tell(&mut raft, 10, 2, request.clone());
        let reply = vote_reply(term, granted);
        let expected = match granted {
            true => promise(2, reply),
            false => send(2, reply),
        };
        assert_eq!(out.last(), Some(&expected), "{request:?}");
        if granted {
            assert!(out.contains(&hard_state(term, Some(2))));
            let again = tell(&mut raft, 11, 2, request.clone());
            assert_eq!(again, [promise(2, vote_reply(term, true))]);
            let other = tell(&mut raft, 12, 3, vote(term, (9, 9)));
            assert_eq!(other, [send(3, vote_reply(term, false))]);
        }
    }
}

#[test]
fn a_fresh_leader_is_not_voted_out_until_it_is_reported_down() {
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 100, 2, append(1, (0, 0), 0, &[1]));
    let stale = send(3, vote_reply(1, false));
    assert_eq!(tell(&mut raft, 200, 3, vote(7, (5, 5))), [stale]);
    let refusal = send(3, pre_vote_reply(1, false));
    assert_eq!(tell(&mut raft, 200, 3, pre_vote(7, (5, 5))), [refusal]);
    let before = raft.deadline().unwrap().at;
    let down = Input::PeerDown {
        node: n(2),
        dead: false,
    };
    assert_eq!(do_step(&mut raft, 200, down), []);
    let after = raft.deadline().unwrap().at;
    assert!(after < before && after <= Time::from_millis(250));
    let consent = send(3, pre_vote_reply(7, true));
    assert_eq!(tell(&mut raft, 201, 3, pre_vote(7, (5, 5))), [consent]);
    let out = tell(&mut raft, 202, 3, vote(7, (5, 5)));
    assert_eq!(out.last(), Some(&promise(3, vote_reply(7, true))));
    // Silence alone does it, too.
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 100, 2, append(1, (0, 0), 0, &[1]));
    let out = tell(&mut raft, 250, 3, vote(7, (5, 5)));
    assert_eq!(out.last(), Some(&promise(3, vote_reply(7, true))));
}

#[test]
fn a_duplicate_or_older_append_removes_nothing_and_is_promised_again() {
    let mut raft = machine(1, Recovered::default());
    let long = append(1, (0, 0), 0, &[1, 1, 1]);
    let out = tell(&mut raft, 1, 2, long.clone());
    let record = Record::Append {
        entries: entries(1, &[1, 1, 1]),
    };
    assert!(out.contains(&Output::Persist(record)));
    let again = tell(&mut raft, 2, 2, long);
    assert_eq!(again, [promise(2, append_reply(1, 9, matched(3)))]);
    let older = tell(&mut raft, 3, 2, append(1, (0, 0), 0, &[1]));
    assert_eq!(older, [promise(2, append_reply(1, 9, matched(1)))]);
    assert_eq!(raft.last_index(), LogIndex(3));
    let beat = tell(&mut raft, 4, 2, append(1, (2, 1), 9, &[]));
    assert_eq!(
        beat.last(),
        Some(&promise(2, append_reply(1, 9, matched(2))))
    );
    assert_eq!(raft.commit(), LogIndex(2), "not beyond what is known equal");
}

#[test]
fn a_conflict_skips_a_term_and_only_new_entries_are_written() {
    let past = Recovered {
        term: Term(4),
        vote: None,
        log: entries(1, &[1, 2, 2, 3, 3]),
        ..Recovered::default()
    };
    // (prev, hint)
    let table = [
        ((9, 4), conflict(5, 3)),
        ((9, 2), conflict(3, 2)),
        ((5, 2), conflict(3, 2)),
        ((5, 4), conflict(4, 3)),
        ((3, 1), conflict(1, 1)),
    ];
    for (prev, hint) in table {
        let mut raft = machine(1, past.clone());
        let out = tell(&mut raft, 1, 2, append(5, prev, 0, &[5]));
        assert_eq!(out.last(), Some(&send(2, append_reply(5, 9, hint))));
    }
    let mut raft = machine(1, past);
    let out = tell(&mut raft, 1, 2, append(5, (2, 2), 0, &[2, 4, 4]));
    let record = Record::Append {
        entries: entries(4, &[4, 4]),
    };
    assert!(out.contains(&Output::Persist(record)));
    assert_eq!(raft.last_index(), LogIndex(5));
}

#[test]
fn an_append_of_a_lower_term_is_told_the_term() {
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 1, 2, vote(6, (0, 0)));
    let out = tell(&mut raft, 2, 3, append(5, (0, 0), 0, &[5]));
    assert_eq!(out, [send(3, append_reply(6, 9, conflict(0, 0)))]);
    let mut raft = leading();
    tell(&mut raft, 1010, 3, append_reply(6, 9, conflict(0, 0)));
    assert_eq!(raft.standing().role, Role::Follower);
    assert_eq!(raft.standing().term, Term(6));
}

#[test]
fn what_breaks_a_rule_is_reported_and_ignored() {
    use PeerFault::{ConflictingLeader, GapInEntries, ImpossibleMatch};
    let gap = |broken: Vec<Entry>| {
        Message::Append(Append {
            term: Term(3),
            round: 1,
            prev_index: LogIndex(1),
            prev_term: Term(1),
            commit: LogIndex(0),
            entries: broken,
        })
    };
    let follower_table = [
        (1, append(9, (0, 0), 0, &[]), ConflictingLeader),
        (2, gap(entries(3, &[2])), GapInEntries),
        (2, gap(entries(2, &[2, 1])), GapInEntries),
        (2, gap(entries(2, &[4])), GapInEntries),
        (2, append(3, (0, 1), 0, &[]), GapInEntries),
        (2, append(3, (1, 0), 0, &[]), GapInEntries),
        (3, append(2, (0, 0), 0, &[]), ConflictingLeader),
        (2, append(2, (1, 2), 0, &[]), ConflictingLeader),
        (2, append(3, (0, 0), 0, &[3]), ConflictingLeader),
    ];
    let mut follower = machine(1, Recovered::default());
    tell(&mut follower, 1, 2, append(2, (0, 0), 1, &[1, 2]));
    for (from, message, fault) in follower_table {
        let before = follower.clone();
        let out = tell(&mut follower, 2, from, message.clone());
        assert_eq!(out, faulty(from, fault), "{message:?}");
        assert_eq!(follower, before);
    }
    for answer in [pre_vote_reply(9, false), vote_reply(9, false)] {
        let before = follower.clone();
        assert_eq!(tell(&mut follower, 2, 4, answer), [], "of no voter");
        assert_eq!(follower, before);
    }
    let leader_table = [
        (2, append(1, (0, 0), 0, &[]), ConflictingLeader),
        (2, append_reply(1, 1, matched(2)), ImpossibleMatch),
        (2, append_reply(1, 99, matched(1)), ImpossibleMatch),
        (3, append_reply(1, 99, conflict(0, 0)), ImpossibleMatch),
    ];
    let mut leader = leading();
    for (from, message, fault) in leader_table {
        let before = leader.clone();
        let out = tell(&mut leader, 1001, from, message.clone());
        assert_eq!(out, faulty(from, fault), "{message:?}");
        assert_eq!(leader, before);
    }
}

/// Thesis Fig. 3.7: the old entry sits on a majority, and a voter with a newer last term might
/// still win.
#[test]
fn an_old_entry_on_a_majority_is_committed_only_below_one_of_this_term() {
    let past = Recovered {
        term: Term(3),
        vote: None,
        log: entries(1, &[1, 2]),
        ..Recovered::default()
    };
    let mut raft = machine(1, past);
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(4, true));
    tell(&mut raft, 1000, 1, vote_reply(4, true));
    tell(&mut raft, 1000, 2, vote_reply(4, true));
    for from in [1, 2, 3] {
        tell(&mut raft, 1001, from, append_reply(4, 1, matched(2)));
        assert_eq!(raft.commit(), LogIndex(0));
    }
    tell(&mut raft, 1002, 2, append_reply(4, 1, matched(3)));
    assert_eq!(raft.commit(), LogIndex(0));
    let out = tell(&mut raft, 1003, 1, append_reply(4, 0, matched(3)));
    assert_eq!(raft.commit(), LogIndex(3));
    let is_commit = |output: &&Output| matches!(output, Output::Committed(_));
    assert_eq!(out.iter().filter(is_commit).count(), 3);
}

#[test]
fn an_acknowledgement_of_an_earlier_leadership_counts_for_nothing() {
    let mut raft = leading();
    do_step(&mut raft, 1001, propose([data(1)]));
    tell(&mut raft, 1002, 2, append_reply(5, 1, conflict(0, 0)));
    do_step(&mut raft, 2000, Input::Tick);
    tell(&mut raft, 2000, 3, pre_vote_reply(6, true));
    tell(&mut raft, 2000, 1, vote_reply(6, true));
    tell(&mut raft, 2000, 3, vote_reply(6, true));
    assert_eq!(raft.standing().role, Role::Leader);
    for from in [1, 2, 3] {
        assert_eq!(
            tell(&mut raft, 2001, from, append_reply(1, 1, matched(2))),
            []
        );
    }
    assert_eq!(raft.commit(), LogIndex(0));
}

#[test]
fn numbers_at_their_end_do_not_overflow() {
    let top = u64::MAX;
    let mut raft = machine(1, Recovered::default());
    let out = tell(&mut raft, 1, 2, vote(top, (top, top)));
    assert_eq!(out.last(), Some(&promise(2, vote_reply(top, true))));
    for at in [1000, 2000, 3000] {
        assert_eq!(do_step(&mut raft, at, Input::Tick), [], "no further term");
        assert!(raft.deadline().unwrap().at > Time::from_millis(at));
    }
    tell(&mut raft, 3001, 3, pre_vote(top, (top, top)));
    tell(&mut raft, 3001, 3, pre_vote_reply(top, true));
    let far = Message::Append(Append {
        term: Term(top),
        round: top,
        prev_index: LogIndex(top),
        prev_term: Term(top),
        commit: LogIndex(top),
        entries: entries(1, &[1]),
    });
    assert_eq!(
        tell(&mut raft, 3002, 2, far),
        faulty(2, PeerFault::GapInEntries)
    );
    tell(&mut raft, 3003, 2, append(top, (top - 1, top), top, &[]));
    assert_eq!(raft.commit(), LogIndex(0));
    let mut raft = leading();
    tell(&mut raft, 1001, 2, append_reply(1, 1, conflict(top, top)));
    assert_eq!(raft.standing().role, Role::Leader);
}

#[test]
fn batches_are_bounded_by_number_and_bytes() {
    let mut raft = leading();
    tell(&mut raft, 1001, 2, append_reply(1, 1, matched(1)));
    for _ in 0..3 {
        let data = Payload::copy_from(&[0; 600]);
        do_step(&mut raft, 1002, propose([data]));
    }
    for number in 0..20 {
        let input = propose([data(number)]);
        do_step(&mut raft, 1002, input);
    }
    let sizes = |out: &[Output]| -> Vec<usize> {
        let size = |output: &Output| {
            let Output::Send { to, message } = output else {
                return None;
            };
            let Message::Append(append) = message else {
                return None;
            };
            (*to == n(3)).then_some(append.entries.len())
        };
        out.iter().filter_map(size).collect()
    };
    let out = tell(&mut raft, 1003, 3, append_reply(1, 2, matched(1)));
    assert_eq!(sizes(&out), [1, 1, 8, 8], "the window holds four messages");
    let out = tell(&mut raft, 1003, 3, append_reply(1, 2, conflict(0, 0)));
    assert!(sizes(&out).is_empty(), "the answer is older than the match");
}

#[test]
fn what_waits_is_bounded_in_bytes_and_the_protocol_has_its_way() {
    let mut raft = leading();
    let put = |raft: &mut Raft, bytes, is_vital| {
        let data = Payload::from(alloc::vec![7; bytes]);
        let before = raft.last_index();
        do_step(
            raft,
            1001,
            match is_vital {
                true => Input::ProposeVital { data },
                false => propose([data]),
            },
        );
        raft.last_index() > before
    };
    tell(&mut raft, 1001, 1, append_reply(1, 0, matched(1)));
    tell(&mut raft, 1001, 2, append_reply(1, 1, matched(1)));
    assert!(
        put(&mut raft, 1 << 20, false),
        "a large one while nothing waits"
    );
    assert!(!put(&mut raft, 1, false));
    assert!(!put(&mut raft, 1, true), "twice the bound is a bound");
    tell(&mut raft, 1002, 1, append_reply(1, 0, matched(2)));
    tell(&mut raft, 1002, 2, append_reply(1, 3, matched(2)));
    assert_eq!(raft.commit(), LogIndex(2));
    assert!(put(&mut raft, 40 << 10, false));
    assert!(!put(&mut raft, 30 << 10, false));
    assert!(put(&mut raft, 30 << 10, true));
    let data = data(9);
    let out = do_step(&mut raft, 1003, propose([data.clone()]));
    let why = Rejection::Backlog;
    assert_eq!(out, [Output::Rejected { data, why }]);
    assert_eq!(raft.stats().crowded_out, 4);
    // A change of the voters is not crowded out.
    tell(&mut raft, 1003, 3, append_reply(1, 1, matched(1)));
    let change = VoterChange {
        add: BTreeSet::new(),
        remove: BTreeSet::from([n(3)]),
    };
    let data = super::words::data(10);
    do_step(&mut raft, 1004, Input::Change { change, data });
    assert!(raft.voters().is_joint());
    assert!(!put(&mut raft, 1, false));
}

#[test]
fn a_new_leader_counts_what_its_predecessor_left_uncommitted() {
    let long = Entry {
        data: Payload::from(alloc::vec![7; 64 << 10]),
        ..entries(1, &[1]).remove(0)
    };
    let past = Recovered {
        term: Term(1),
        log: Vec::from([long]),
        ..Recovered::default()
    };
    let mut raft = machine(1, past);
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(2, true));
    tell(&mut raft, 1000, 1, vote_reply(2, true));
    tell(&mut raft, 1000, 2, vote_reply(2, true));
    assert_eq!(raft.last_index(), LogIndex(2), "its own first entry stands");
    let (data, why) = (data(1), Rejection::Backlog);
    let out = do_step(&mut raft, 1001, propose([data.clone()]));
    assert_eq!(out, [Output::Rejected { data, why }]);
    tell(&mut raft, 1002, 1, append_reply(2, 0, matched(2)));
    tell(&mut raft, 1002, 2, append_reply(2, 1, matched(2)));
    do_step(&mut raft, 1003, propose([super::words::data(1)]));
    assert_eq!(raft.last_index(), LogIndex(3));
}

/// Each planted bug does what its name says, and only that.
#[cfg(feature = "mutants")]
#[test]
fn planted_bugs_show() {
    let mut raft = machine(1, Recovered::default());
    raft.plant(Mutant::VoteBeforeDurable);
    let out = tell(&mut raft, 1, 2, vote(1, (0, 0)));
    assert_eq!(out.last(), Some(&send(2, vote_reply(1, true))));

    let mut raft = machine(1, Recovered::default());
    raft.plant(Mutant::VoteNotPersisted);
    let out = tell(&mut raft, 1, 2, vote(1, (0, 0)));
    assert!(out.contains(&hard_state(1, None)) && !out.contains(&hard_state(1, Some(2))));

    let mut raft = leading();
    raft.plant(Mutant::NoQuorumCheck);
    do_step(&mut raft, 9000, Input::Tick);
    assert_eq!(raft.standing().role, Role::Leader);
    assert!(raft.deadline().unwrap().at > Time::from_millis(9000));

    let past = Recovered {
        term: Term(3),
        vote: None,
        log: entries(1, &[1, 2]),
        ..Recovered::default()
    };
    let mut raft = machine(1, past);
    raft.plant(Mutant::CommitOldTerm);
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(4, true));
    tell(&mut raft, 1000, 1, vote_reply(4, true));
    tell(&mut raft, 1000, 2, vote_reply(4, true));
    tell(&mut raft, 1001, 2, append_reply(4, 1, matched(2)));
    tell(&mut raft, 1001, 3, append_reply(4, 1, matched(2)));
    assert_eq!(raft.commit(), LogIndex(2));
}
