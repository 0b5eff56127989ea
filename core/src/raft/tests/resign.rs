//! A leader that resigns says so, and what others make of it.

use alloc::vec::Vec;

use super::super::*;
use super::words::*;
use super::world::World;
use crate::seed::{Seed, Stream};
use crate::voters::VoterChange;

fn resigned(term: u64) -> Message {
    resigned_to(0, term)
}

fn resigned_to(place: u32, term: u64) -> Message {
    let term = Term(term);
    Message::Resigned(Resigned { term, place })
}

/// Node 3 hears node 1, which leads term 2, at 1000 ms.
fn following(config: Config) -> Raft {
    let voters = (1..=3).map(n).collect();
    let random = Seed::from_number(3).stream(Stream::Raft);
    let past = Recovered::default();
    let mut raft = Raft::recover(config, n(3), voters, past, random, Time::ZERO);
    tell(&mut raft, 1000, 1, append(2, (0, 0), 0, &[2]));
    raft
}

fn is_word(output: &Output) -> bool {
    let Output::Send { message, .. } = output else {
        return false;
    };
    matches!(message, Message::Resigned(_))
}

fn asks_at(raft: &Raft) -> Time {
    raft.deadline().unwrap().at
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

#[test]
fn a_leader_without_a_majority_tells_all_voters_that_it_resigns() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::PeerUp { node: n(4) });
    tell(&mut raft, 1000, 3, append_reply(1, 2, matched(1)));
    let before = do_step(&mut raft, 1299, Input::Tick);
    assert!(!before.iter().any(is_word));
    let mut out = do_step(&mut raft, 1300, Input::Tick);
    out.retain(is_word);
    let (first, second) = (resigned_to(0, 1), resigned_to(1, 1));
    assert_eq!(out, [send(3, first), send(2, second)], "3 holds more");
    assert_eq!(raft.standing().role, Role::Follower);
    assert_eq!(raft.standing().term, Term(1));
}

#[test]
fn a_stalled_leader_that_nobody_succeeds_says_so_too() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::DiskStalled);
    tell(&mut raft, 1200, 3, append_reply(1, 2, matched(1)));
    let mut out = do_step(&mut raft, 1300, Input::Tick);
    out.retain(is_word);
    let (first, second) = (resigned_to(0, 1), resigned_to(1, 1));
    assert_eq!(out, [send(3, first), send(2, second)]);
}

#[test]
fn a_removed_leader_without_an_heir_says_so_too() {
    let mut raft = leading();
    let matched_by = |raft: &mut Raft, nodes: &[u64], index| {
        let mut out = Vec::new();
        for node in nodes {
            let round = u64::from(*node != 1);
            out.extend(tell(
                raft,
                1000,
                *node,
                append_reply(1, round, matched(index)),
            ));
        }
        out
    };
    matched_by(&mut raft, &[1, 2, 3], 1);
    let (change, data) = (VoterChange::remove(n(1)), data(1));
    do_step(&mut raft, 1000, Input::Change { change, data });
    matched_by(&mut raft, &[1, 2, 3], 2);
    do_step(&mut raft, 1000, propose([super::words::data(2)]));
    assert_eq!(raft.last_index(), LogIndex(4), "nobody else holds all");
    let mut out = matched_by(&mut raft, &[2, 3], 3);
    out.retain(is_word);
    assert_eq!(
        out,
        [send(2, resigned_to(0, 1)), send(3, resigned_to(1, 1))]
    );
    assert_ne!(raft.standing().role, Role::Leader);
}

#[test]
fn whose_leader_resigns_asks_soon_and_helps_others() {
    let mut raft = following(config());
    assert!(asks_at(&raft) >= at(1150));
    let refused = send(2, pre_vote_reply(2, false));
    assert_eq!(tell(&mut raft, 1010, 2, pre_vote(3, (1, 2))), [refused]);
    let out = tell(&mut raft, 1010, 1, resigned(2));
    let (term, role, leader) = (Term(2), Role::Follower, None);
    assert_eq!(out, [Output::Changed(Standing { term, role, leader })]);
    assert!(asks_at(&raft) <= at(1060));
    let mut second = following(config());
    tell(&mut second, 1010, 1, resigned_to(1, 2));
    assert!((at(1060)..=at(1110)).contains(&asks_at(&second)));
    let granted = send(2, pre_vote_reply(3, true));
    assert_eq!(tell(&mut raft, 1010, 2, pre_vote(3, (1, 2))), [granted]);
    // It need not wait for others.
    let out = do_step(&mut raft, 1060, Input::Tick);
    let cause = Cause::LeaderResigned;
    let (from, to) = (Role::Follower, Role::PreCandidate);
    let note = Notice::RoleChanged {
        from,
        to,
        term,
        cause,
    };
    assert!(out.contains(&Output::Note(note)), "{out:?}");
    // What was on its way from the old leader is taken as ever.
    let mut raft = following(config());
    tell(&mut raft, 1010, 1, resigned(2));
    tell(&mut raft, 1011, 1, append(2, (1, 2), 1, &[]));
    assert_eq!(raft.standing().leader, Some(n(1)));
    assert!(asks_at(&raft) >= at(1161));
}

#[test]
fn a_word_that_is_late_or_not_the_leaders_does_nothing() {
    let untouched = following(config());
    for (from, term) in [(1, 1), (1, 3), (2, 2), (3, 2)] {
        let mut raft = untouched.clone();
        assert_eq!(tell(&mut raft, 1010, from, resigned(term)), []);
        assert_eq!(raft, untouched, "from {from} of term {term}");
    }
    let mut raft = untouched.clone();
    tell(&mut raft, 1010, 1, resigned(2));
    let told = raft.clone();
    assert_eq!(tell(&mut raft, 1010, 1, resigned(2)), []);
    assert_eq!(raft, told, "a second time");
    // A leader, and a node whose next leader is elected.
    let mut raft = leading();
    for from in [1, 2] {
        assert_eq!(tell(&mut raft, 1010, from, resigned(1)), []);
    }
    assert_eq!(raft.standing().role, Role::Leader);
    let mut raft = untouched;
    tell(&mut raft, 1010, 2, append(3, (1, 2), 0, &[]));
    assert_eq!(tell(&mut raft, 1011, 1, resigned(2)), []);
    assert_eq!(raft.standing().leader, Some(n(2)));
}

/// It never waits longer than it would have, and a promise for a lease holds.
#[test]
fn the_word_lengthens_no_wait_and_breaks_no_lease() {
    let mut raft = following(config());
    let due = asks_at(&raft);
    let just_before = due.0 / 1_000_000;
    tell(&mut raft, just_before, 1, resigned_to(u32::MAX, 2));
    assert!(asks_at(&raft) <= due);
    let trusting = Config {
        lease_drift_ppm: 100_000,
        ..config()
    };
    let mut raft = following(trusting);
    tell(&mut raft, 1010, 1, resigned(2));
    assert!(asks_at(&raft) >= at(1150));
    let out = tell(&mut raft, 1149, 2, vote(3, (1, 2)));
    assert_eq!(out, [send(2, vote_reply(2, false))]);
    let out = tell(&mut raft, 1150, 2, vote(3, (1, 2)));
    assert!(out.contains(&promise(2, vote_reply(3, true))));
}

/// A learner elects nobody, but its reads and proposals need not wait for that leader.
#[test]
fn a_learner_forgets_the_leader_too() {
    let mut raft = machine(4, Recovered::default());
    tell(&mut raft, 1000, 1, append(2, (0, 0), 0, &[2]));
    tell(&mut raft, 1010, 1, resigned(2));
    assert_eq!(raft.standing().leader, None);
    assert_eq!(raft.deadline(), None);
}

#[test]
fn a_deaf_leader_costs_its_own_patience_and_no_election_timeout() {
    let mut quick = 0;
    for seed in 0..20 {
        let mut world = World::new(3, 0, 600 + seed);
        let leader = world.elect();
        let others: Vec<NodeId> = world
            .names()
            .into_iter()
            .filter(|it| *it != leader)
            .collect();
        others.iter().for_each(|other| world.cut(other.0, leader.0));
        let took = world.run_until(1000 * MS, |w| w.leader().is_some_and(|it| it != leader));
        quick += u32::from(took <= (300 + 50 + 20) * MS);
    }
    assert!(quick >= 19, "{quick} of 20");
}
