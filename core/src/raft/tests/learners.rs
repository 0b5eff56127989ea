//! What those without a vote hear of the leader.

use alloc::vec::Vec;

use super::super::*;
use super::words::*;

fn receiver(output: &Output) -> Option<NodeId> {
    let Output::Send { to, .. } = output else {
        return None;
    };
    Some(*to)
}

#[test]
fn voters_hear_every_heartbeat_and_learners_take_turns() {
    let mut raft = leading();
    for learner in 4..=13 {
        do_step(&mut raft, 1000, Input::PeerUp { node: n(learner) });
    }
    let mut heard = Vec::new();
    for beat in 1..=5 {
        let out = do_step(&mut raft, 1000 + 50 * beat, Input::Tick);
        let told: Vec<NodeId> = out.iter().filter_map(receiver).collect();
        assert_eq!(
            told.len(),
            4,
            "two voters and two of ten learners: {told:?}"
        );
        heard.extend(told);
    }
    let times = |node: u64| heard.iter().filter(|to| **to == n(node)).count();
    assert_eq!((2..=3).map(times).collect::<Vec<_>>(), [5, 5]);
    assert!((4..=13).all(|learner| times(learner) == 1));
}

#[test]
fn a_learner_that_answers_late_hears_at_once_what_is_committed() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::PeerUp { node: n(4) });
    tell(&mut raft, 1002, 1, append_reply(1, 0, matched(1)));
    tell(&mut raft, 1002, 2, append_reply(1, 1, matched(1)));
    assert_eq!(raft.commit(), LogIndex(1));
    let told = |out: &[Output], node| {
        let is_told = |it: &&Output| {
            matches!(
                it,
                Output::Send { to, message: Message::Append(append) }
                    if *to == n(node) && append.commit == LogIndex(1)
            )
        };
        out.iter().filter(is_told).count()
    };
    let out = tell(&mut raft, 1003, 4, append_reply(1, 1, matched(1)));
    assert_eq!(told(&out, 4), 1);
    let out = tell(&mut raft, 1003, 4, append_reply(1, 2, matched(1)));
    assert_eq!(told(&out, 4), 0, "it knows");
    let out = tell(&mut raft, 1003, 3, append_reply(1, 1, matched(1)));
    assert_eq!(told(&out, 3), 0, "the next heartbeat tells a voter");
}

#[test]
fn a_heartbeat_goes_to_a_bounded_number_of_learners() {
    let mut raft = leading();
    for learner in 4..=1003 {
        do_step(&mut raft, 1000, Input::PeerUp { node: n(learner) });
    }
    for beat in 1..=5 {
        let out = do_step(&mut raft, 1000 + 50 * beat, Input::Tick);
        let told = out.iter().filter_map(receiver).count();
        assert!(
            (12..=13).contains(&told),
            "two voters and ten learners: {told}"
        );
    }
}

/// No connection need have led to a learner: the leader makes one, and not all at a moment.
#[test]
fn a_leader_turns_to_those_it_has_not_met_one_by_one() {
    let mut raft = machine(1, Recovered::default());
    for node in [7, 8, 9] {
        do_step(&mut raft, 0, Input::PeerKnown { node: n(node) });
    }
    let dead = true;
    do_step(&mut raft, 0, Input::PeerDown { node: n(9), dead });
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    tell(&mut raft, 1000, 2, vote_reply(1, true));
    assert_eq!(raft.standing().role, Role::Leader);
    let mut met = Vec::new();
    for beat in 1..=4 {
        let out = do_step(&mut raft, 1000 + 50 * beat, Input::Tick);
        let told = out.iter().filter_map(receiver);
        let strangers = told.filter(|to| to.0 > 3 && !met.contains(to));
        let strangers: Vec<NodeId> = strangers.collect();
        assert!(strangers.len() <= 1, "{strangers:?}");
        met.extend(strangers);
    }
    assert_eq!(met, [n(7), n(8)]);
}

#[test]
fn an_idle_learner_is_asked_for_a_sign_of_life_before_it_becomes_a_voter() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::PeerUp { node: n(4) });
    for voter in [2, 3] {
        tell(&mut raft, 1002, voter, append_reply(1, 1, matched(1)));
    }
    let beats = |out: &[Output]| {
        let told = out.iter().filter_map(receiver);
        told.filter(|to| *to == n(4)).count()
    };
    let add = |raft: &mut Raft, at| {
        let (change, data) = (VoterChange::add(n(4)), data(7));
        do_step(raft, at, Input::Change { change, data })
    };
    let is_put_off = |it: &Output| {
        let why = Rejection::Courting;
        matches!(it, Output::Rejected { why: it, .. } if *it == why)
    };
    let out = add(&mut raft, 1010);
    assert_eq!((beats(&out), out.iter().any(is_put_off)), (1, true));
    let heard = (1..=4).map(|beat| beats(&do_step(&mut raft, 1010 + 50 * beat, Input::Tick)));
    assert_eq!(heard.sum::<usize>(), 4, "each heartbeat");

    let mut silent = raft.clone();
    let unreached = ChangeRefused::Unreached(n(4));
    let is_refused =
        |it: &Output| matches!(it, Output::ChangeRefused { why, .. } if *why == unreached);
    assert!(add(&mut silent, 1250).iter().any(is_refused));

    let round = 8;
    tell(&mut raft, 1240, 4, append_reply(1, round, matched(1)));
    for voter in [2, 3] {
        tell(&mut raft, 1240, voter, append_reply(1, round, matched(1)));
    }
    add(&mut raft, 1250);
    assert!(raft.voters().is_joint());
}
