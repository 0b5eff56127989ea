//! Stories of a voter that has lost its disk.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::super::*;
use super::words::{
    MS, append, append_reply, conflict, data, do_step, machine, matched, n, pre_vote,
    pre_vote_reply, tell, vote, vote_reply,
};
use super::world::World;
use crate::time::Time;
use crate::voters::{VoterChange, Voters};

fn lost() -> Raft {
    let past = Recovered {
        rebuild: Some(77),
        ..Recovered::default()
    };
    machine(3, past)
}

fn take_vote(world: &mut World, leader: NodeId, node: NodeId) {
    let (add, remove) = (BTreeSet::new(), BTreeSet::from([node]));
    let (change, data) = (VoterChange { add, remove }, data(1000));
    world.step(leader, Input::Change { change, data });
    world.run(50 * MS);
    let at = world.raft(leader).commit();
    world.step(node, Input::VoteGone { at });
}

#[test]
fn it_answers_nothing_and_never_campaigns_before_its_vote_is_gone() {
    let mut raft = lost();
    assert_eq!(raft.standing().role, Role::Learner, "whatever the log says");
    assert_eq!(raft.deadline(), None);
    let deaf = [
        vote(5, (9, 4)),
        pre_vote(5, (9, 4)),
        vote_reply(5, true),
        pre_vote_reply(5, true),
        append_reply(0, 1, matched(3)),
        append_reply(0, 1, conflict(0, 0)),
        Message::TimeoutNow(TimeoutNow { term: Term(0) }),
    ];
    for message in deaf {
        assert_eq!(tell(&mut raft, 10, 1, message.clone()), [], "{message:?}");
    }
    assert_eq!(raft.standing().term, Term(0));
    let heard = tell(&mut raft, 20, 1, append(4, (0, 0), 0, &[4]));
    let is_said = |it: &Output| matches!(it, Output::Send { .. } | Output::Promise { .. });
    assert!(!heard.iter().any(is_said), "{heard:?}");
    assert!(heard.contains(&Output::VoteUnwanted { token: 77 }));
    assert_eq!(raft.standing().leader, Some(n(1)));
    assert_eq!(raft.last_index(), LogIndex(0), "nothing is taken either");
    do_step(&mut raft, 5_000, Input::Tick);
    assert_eq!(raft.standing().role, Role::Learner);
}

#[test]
fn a_leader_of_its_term_or_later_must_show_that_the_vote_is_gone() {
    let mut raft = lost();
    tell(&mut raft, 20, 1, append(4, (0, 0), 0, &[4]));
    let at = LogIndex(2);
    do_step(&mut raft, 25, Input::VoteGone { at });
    assert_eq!(tell(&mut raft, 30, 1, append(4, (0, 0), 1, &[4, 4])), []);
    assert_eq!(
        tell(&mut raft, 30, 2, append(3, (0, 0), 9, &[3])),
        [],
        "deposed"
    );
    let shown = tell(&mut raft, 40, 1, append(4, (9, 4), 9, &[]));
    let refusal = append_reply(4, 9, conflict(0, 0));
    let to = n(1);
    assert_eq!(
        shown,
        [Output::Send {
            to,
            message: refusal
        }]
    );
    // It takes entries now, and still gives no vote: its log does not hold the entry.
    tell(&mut raft, 50, 1, append(4, (0, 0), 9, &[4]));
    assert_eq!(tell(&mut raft, 900, 2, vote(5, (1, 4))), []);
    let taken = tell(&mut raft, 1000, 1, append(4, (1, 4), 9, &[4]));
    assert!(taken.contains(&Output::Persist(Record::Rebuilt)));
    assert!(!raft.is_rebuilding());
    let granted = tell(&mut raft, 2000, 2, vote(5, (2, 4)));
    let message = vote_reply(5, true);
    assert!(granted.contains(&Output::Promise { to: n(2), message }));
}

#[test]
fn a_snapshot_says_again_that_it_is_not_over() {
    let mut raft = lost();
    tell(&mut raft, 20, 1, append(4, (0, 0), 0, &[4]));
    let at = LogIndex(9);
    do_step(&mut raft, 25, Input::VoteGone { at });
    tell(&mut raft, 30, 1, append(4, (9, 4), 9, &[]));
    let install = |raft: &mut Raft, index| {
        let voters = (1..=3).map(n).collect();
        let snapshot = Snapshot::new(LogIndex(index), Term(4), voters, data(index));
        let (from, round) = (n(1), 3);
        let input = Input::Install {
            from,
            round,
            snapshot,
        };
        let mut records = Vec::new();
        for output in do_step(raft, 40, input) {
            if let Output::Persist(record) = output {
                records.push(record);
            }
        }
        records
    };
    let records = install(&mut raft, 5);
    let last = records.len() - 1;
    assert!(matches!(records[last], Record::Kept { is_last: true, .. }));
    assert_eq!(records[last - 1], Record::Rebuild { token: 77 });
    assert_eq!(super::words::fold(&records).rebuild, Some(77));
    let records = install(&mut raft, 9);
    assert_eq!(
        records.last(),
        Some(&Record::Rebuilt),
        "behind the snapshot"
    );
    assert_eq!(super::words::fold(&records).rebuild, None);
}

/// Node 3 has acknowledged what its leader committed with it, and the other voter lacks.
fn acknowledged_by_the_one_that_forgets() -> (World, NodeId, NodeId, NodeId) {
    let mut world = World::new(3, 0, 71);
    world.connect_all();
    let leader = world.elect();
    let [stale, loser] = super::stories::others(&world, leader)[..] else {
        unreachable!()
    };
    world.isolate(stale);
    world.propose(leader, 1);
    world.run(50 * MS);
    assert_eq!(world.raft(leader).commit(), LogIndex(2));
    world.crash(loser, 0);
    world.lose_disk(loser, 77);
    world.crash(leader, 0);
    world.cuts.clear();
    (world, leader, stale, loser)
}

#[test]
fn nobody_is_elected_by_a_voter_that_forgot_what_it_acknowledged() {
    let (mut world, leader, stale, loser) = acknowledged_by_the_one_that_forgets();
    world.restart(loser);
    world.run(5_000 * MS);
    assert_eq!(world.leader(), None, "the two that lack the entry");
    world.restart(leader);
    world.expect_commit(8, 3_000 * MS);
    assert_eq!(world.leader(), Some(leader), "only it holds the entry");
    assert_eq!(world.nodes[&loser].unwanted.first(), Some(&77));
    take_vote(&mut world, leader, loser);
    world.run(2_000 * MS);
    let rebuilt = world.raft(loser);
    assert!(!rebuilt.is_rebuilding());
    assert_eq!(rebuilt.last_index(), world.raft(leader).last_index());
    assert_eq!(rebuilt.standing().role, Role::Learner);
    let (change, data) = (VoterChange::add(loser), data(1001));
    world.step(leader, Input::Change { change, data });
    world.run(200 * MS);
    assert_eq!(
        *world.raft(stale).voters(),
        Voters::of((1..=3).map(n).collect())
    );
    world.crash(leader, 0);
    world.expect_commit(9, 3_000 * MS);
    assert_ne!(world.leader(), Some(leader), "it votes again");
}

#[test]
fn it_waits_through_restarts_and_is_over_once() {
    let (mut world, leader, _, loser) = acknowledged_by_the_one_that_forgets();
    world.restart(leader);
    world.restart(loser);
    world.elect();
    world.crash(loser, 0);
    world.restart(loser);
    world.run(200 * MS);
    assert!(world.raft(loser).is_rebuilding());
    take_vote(&mut world, leader, loser);
    world.run(1_000 * MS);
    world.crash(loser, 0);
    world.restart(loser);
    world.run(200 * MS);
    assert!(!world.raft(loser).is_rebuilding());
    assert_eq!(
        world.nodes[&loser]
            .notices
            .iter()
            .filter(is_rebuilt)
            .count(),
        1
    );
}

fn is_rebuilt(notice: &&Notice) -> bool {
    matches!(notice, Notice::Rebuilt { .. })
}

#[test]
fn a_majority_without_memory_decides_nothing() {
    let mut world = World::new(3, 0, 72);
    world.connect_all();
    let leader = world.elect();
    for (node, token) in super::stories::others(&world, leader).into_iter().zip(1..) {
        world.crash(node, 0);
        world.lose_disk(node, token);
        world.restart(node);
    }
    let before = world.raft(leader).commit();
    world.propose(leader, 1);
    world.run(5_000 * MS);
    assert_eq!(world.leader(), None);
    assert_eq!(world.raft(leader).commit(), before);
    assert!(world.now > Time::ZERO);
}
