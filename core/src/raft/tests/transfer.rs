//! Stories of the office handed over (Raft thesis §3.10).

use super::super::*;
use super::stories::{has_cause, others};
use super::words::{
    MS, append, append_reply, do_step, leading, machine, matched, n, send, tell, vote_reply,
};
use super::world::{Disk, World};
use crate::id::LogIndex;

fn transfer(world: &mut World, node: NodeId, to: Option<NodeId>) {
    world.step(node, Input::Transfer { to });
}

#[test]
fn a_transfer_takes_two_round_trips_and_no_election_timeout() {
    let mut world = World::new(3, 0, 31);
    let leader = world.elect();
    let heir = others(&world, leader)[0];
    world.propose(leader, 1);
    transfer(&mut world, leader, Some(heir));
    world.propose(leader, 2);
    assert_eq!(world.nodes[&leader].rejected, 1, "no proposals meanwhile");
    let took = world.run_until(100 * MS, |w| w.leader() == Some(heir));
    assert!(took <= 8 * MS, "{took:?}");
    assert_eq!(world.nodes[&leader].transfers, [Ok(heir)]);
    assert_eq!(world.term(), Term(2));
    let is_called = |notice: &Notice| has_cause(notice, Cause::HandedOver);
    assert!(world.nodes[&heir].notices.iter().any(is_called));
    world.run(60 * MS);
    assert!(world.has_committed(heir, 1));
    world.expect_commit(3, 100 * MS);
}

#[test]
fn the_heir_is_called_only_when_it_holds_everything() {
    let mut world = World::new(3, 0, 32);
    let leader = world.elect();
    let heir = others(&world, leader)[0];
    world.nodes.get_mut(&heir).unwrap().disk = Disk::Hung;
    world.propose(leader, 1);
    world.run(20 * MS);
    transfer(&mut world, leader, Some(heir));
    world.run(100 * MS);
    assert_eq!(
        world.leader(),
        Some(leader),
        "the entry is not durable there"
    );
    world.nodes.get_mut(&heir).unwrap().disk = Disk::Within(MS);
    world.sync(heir);
    world.run_until(100 * MS, |w| w.leader() == Some(heir));
}

#[test]
fn without_a_name_the_best_prepared_voter_is_chosen() {
    let mut world = World::new(3, 0, 33);
    let leader = world.elect();
    let [late, heir] = others(&world, leader)[..] else {
        unreachable!()
    };
    world.cuts.insert((leader, late));
    world.propose(leader, 1);
    world.run(10 * MS);
    world.cuts.clear();
    transfer(&mut world, leader, None);
    world.run_until(100 * MS, |w| w.leader() == Some(heir));
}

#[test]
fn a_target_that_dies_costs_one_election_timeout() {
    let mut world = World::new(3, 0, 34);
    let leader = world.elect();
    let heir = others(&world, leader)[0];
    world.crash(heir, 0);
    transfer(&mut world, leader, Some(heir));
    world.run(310 * MS);
    let outcome = [Err(TransferRefused::TimedOut)];
    assert_eq!(world.nodes[&leader].transfers, outcome);
    assert_eq!(world.leader(), Some(leader));
    world.expect_commit(1, 100 * MS);
}

#[test]
fn a_transfer_is_refused_with_its_reason() {
    let mut world = World::new(3, 1, 35);
    world.connect_all();
    let leader = world.elect();
    let [follower, other, learner] = others(&world, leader)[..] else {
        unreachable!()
    };
    world.cuts.insert((leader, follower));
    world.propose(leader, 1);
    let asked = [
        Some(leader),
        Some(learner),
        Some(n(9)),
        Some(follower),
        Some(other),
    ];
    asked
        .into_iter()
        .for_each(|to| transfer(&mut world, leader, to));
    let refused = [
        Err(TransferRefused::AlreadyLeads),
        Err(TransferRefused::Learner),
        Err(TransferRefused::Unknown),
        Err(TransferRefused::Pending { to: follower }),
    ];
    assert_eq!(world.nodes[&leader].transfers, refused);
    transfer(&mut world, other, Some(other));
    let leader = Some(leader);
    let not_leader = Err(TransferRefused::NotLeader { leader });
    assert_eq!(world.nodes[&other].transfers, [not_leader]);
    let mut alone = World::new(1, 0, 36);
    alone.run(MS);
    transfer(&mut alone, n(1), None);
    let nobody = Err(TransferRefused::NobodyHeard);
    assert_eq!(alone.nodes[&n(1)].transfers, [nobody]);
}

#[test]
fn only_the_leader_one_follows_can_call() {
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 1, 2, append(4, (0, 0), 0, &[]));
    let call = |term| Message::TimeoutNow(TimeoutNow { term: Term(term) });
    assert_eq!(tell(&mut raft, 2, 3, call(4)), [], "another node");
    assert_eq!(tell(&mut raft, 3, 2, call(3)), [], "an old term");
    assert_eq!(tell(&mut raft, 4, 2, call(5)), [], "an unknown term");
    let out = tell(&mut raft, 5, 2, call(4));
    assert_eq!(raft.standing().role, Role::Candidate);
    let called = Message::Vote(Vote {
        term: Term(5),
        last_index: LogIndex(0),
        last_term: Term(0),
        called: true,
    });
    let to = n(3);
    assert!(out.contains(&Output::Promise {
        to,
        message: called
    }));
}

#[test]
fn a_called_candidate_is_heard_by_those_who_hear_the_leader() {
    let mut raft = machine(1, Recovered::default());
    tell(&mut raft, 1, 2, append(4, (0, 0), 0, &[]));
    let ask = |called| {
        Message::Vote(Vote {
            term: Term(5),
            last_index: LogIndex(0),
            last_term: Term(0),
            called,
        })
    };
    assert_eq!(
        tell(&mut raft, 2, 3, ask(false)),
        [send(3, vote_reply(4, false))]
    );
    let out = tell(&mut raft, 3, 3, ask(true));
    let yes = vote_reply(5, true);
    assert_eq!(
        out.last(),
        Some(&Output::Promise {
            to: n(3),
            message: yes
        })
    );
    let mut raft = leading();
    tell(&mut raft, 1001, 2, ask(true));
    assert_eq!(raft.standing().role, Role::Follower);
}

/// A leader that cannot write must not hold its office.
#[test]
fn a_leader_whose_disk_stalls_hands_over() {
    let mut world = World::new(3, 0, 37);
    let leader = world.elect();
    world.nodes.get_mut(&leader).unwrap().disk = Disk::Hung;
    world.propose(leader, 1);
    world.run(20 * MS);
    world.step(leader, Input::DiskStalled);
    let took = world.run_until(300 * MS, |w| w.leader().is_some_and(|it| it != leader));
    assert!(took <= 10 * MS, "{took:?}");
    assert_eq!(world.nodes[&leader].transfers, [], "nobody had asked");
    world.expect_commit(2, 100 * MS);
}

#[test]
fn a_stalled_leader_without_an_heir_resigns_within_one_timeout() {
    let mut world = World::new(3, 0, 38);
    let leader = world.elect();
    for node in world.names() {
        world.nodes.get_mut(&node).unwrap().disk = Disk::Hung;
    }
    world.propose(leader, 1);
    world.step(leader, Input::DiskStalled);
    world.run(301 * MS);
    let is_stalled = |notice: &Notice| has_cause(notice, Cause::DiskStalled);
    assert!(world.nodes[&leader].notices.iter().any(is_stalled));
    assert_eq!(world.raft(leader).standing().role, Role::Follower);
    // Nobody else is better: a single voter leads on.
    let mut alone = World::new(1, 0, 39);
    alone.run(MS);
    alone.step(n(1), Input::DiskStalled);
    alone.run(1000 * MS);
    assert_eq!(alone.leader(), Some(n(1)));
}

#[test]
fn a_handicap_lets_others_win_unless_their_logs_are_older() {
    let mut won = 0;
    for seed in 0..20 {
        let mut world = World::with_handicap(n(1), 300 * MS, 200 + seed);
        won += u32::from(world.elect() == n(1));
    }
    assert_eq!(won, 0, "it waits for the others");
    let mut world = World::with_handicap(n(1), 300 * MS, 40);
    let leader = world.elect();
    let other = others(&world, leader).into_iter().find(|it| *it != n(1));
    let other = other.unwrap();
    world.isolate(other);
    world.propose(leader, 1);
    world.run(20 * MS);
    world.cuts.clear();
    world.crash(leader, 0);
    world.run_until(1200 * MS, |w| w.leader() == Some(n(1)));
}

#[test]
fn elections_that_repeat_say_why() {
    let mut world = World::new(3, 0, 41);
    let leader = world.elect();
    let lonely = others(&world, leader)[0];
    world.isolate(lonely);
    world.run(core::time::Duration::from_secs(60));
    let told = world.nodes[&lonely]
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::ElectionRepeated {
                attempts,
                granted,
                refused,
                ..
            } => Some((*attempts, *granted, *refused)),
            Notice::RoleChanged { .. }
            | Notice::TransferBegun { .. }
            | Notice::TransferEnded { .. }
            | Notice::Removed { .. }
            | Notice::SnapshotTaken { .. }
            | Notice::SnapshotInstalled { .. }
            | Notice::Rebuilding { .. }
            | Notice::Rebuilt { .. }
            | Notice::PeerFault { .. } => None,
        });
    let told: alloc::vec::Vec<_> = told.collect();
    assert_eq!(told[..3], [(1, 1, 0), (2, 1, 0), (4, 1, 0)]);
    assert!(told.len() < 12, "{told:?}");
}

#[test]
fn a_tick_ends_a_transfer_on_time() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::Transfer { to: Some(n(2)) });
    let due = raft.deadline().unwrap();
    assert!(due.at <= crate::time::Time::from_millis(1300));
    let out = do_step(&mut raft, 1300, Input::Tick);
    let over = Output::Transferred(Err(TransferRefused::TimedOut));
    assert!(out.contains(&over) || raft.standing().role == Role::Follower);
}

#[test]
fn an_heir_that_was_away_is_called_when_it_has_told_anew_what_it_holds() {
    let mut raft = leading();
    do_step(&mut raft, 1000, Input::PeerUp { node: n(2) });
    tell(&mut raft, 1001, 2, append_reply(1, 2, matched(1)));
    let is_call = |it: &Output| {
        let Output::Send { message, .. } = it else {
            return false;
        };
        matches!(message, Message::TimeoutNow(_))
    };
    let (node, dead) = (n(2), false);
    do_step(&mut raft, 1002, Input::PeerDown { node, dead });
    let out = do_step(&mut raft, 1003, Input::Transfer { to: Some(node) });
    assert!(!out.iter().any(is_call), "its next life may have lost it");
    let out = do_step(&mut raft, 1004, Input::PeerUp { node });
    assert!(!out.iter().any(is_call));
    let question = |it: &Output| {
        let Output::Send { message, .. } = it else {
            return None;
        };
        let Message::Append(append) = message else {
            return None;
        };
        Some(append.round)
    };
    let round = out.iter().find_map(question).expect("it is asked");
    let out = tell(&mut raft, 1005, 2, append_reply(1, round, matched(1)));
    assert!(out.iter().any(is_call));
}
