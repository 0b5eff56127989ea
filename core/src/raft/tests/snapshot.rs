//! The log is cut short, and those who need what is gone get the state instead.

use super::super::*;
use super::words::{MS, do_step, faulty, matched, n, propose, send, tell};
use super::words::{append, append_reply, config, fold, leading, promise};
use super::world::World;
use crate::seed::{Seed, Stream};
use crate::time::Time;

fn snapshot(index: u64, term: u64, len: usize) -> Snapshot {
    let voters = (1..=3).map(n).collect();
    let state = Payload::from(alloc::vec![7; len]);
    Snapshot::new(LogIndex(index), Term(term), voters, state)
}

fn install(term: u64, part: SnapshotPart) -> Message {
    let (term, round) = (Term(term), 9);
    Message::InstallSnapshot(InstallSnapshot { term, round, part })
}

fn held(term: u64, index: u64, held: u64) -> Message {
    Message::SnapshotReply(SnapshotReply {
        term: Term(term),
        round: 9,
        index: LogIndex(index),
        held,
    })
}

fn sent_part(output: &Output) -> Option<&InstallSnapshot> {
    if let Output::Send { message, .. } = output
        && let Message::InstallSnapshot(install) = message
    {
        return Some(install);
    }
    None
}

/// Node 2 of three, which has followed node 1 in term 2 up to entry 3, of which two are committed.
fn following() -> Raft {
    let voters = (1..=3).map(n).collect();
    let random = Seed::from_number(2).stream(Stream::Raft);
    let mut raft = Raft::recover(
        config(),
        n(2),
        voters,
        Recovered::default(),
        random,
        Time::ZERO,
    );
    tell(&mut raft, 1, 1, append(2, (0, 0), 2, &[1, 1, 2]));
    raft
}

#[test]
fn a_follower_that_lacks_what_is_gone_catches_up_by_the_state_and_the_entries_behind_it() {
    let mut world = World::with_snapshots(3, 0, 1, 400);
    world.connect_all();
    let leader = world.elect();
    let late = *world.names().iter().find(|it| **it != leader).unwrap();
    world.isolate(late);
    for number in 0..200 {
        world.propose(leader, number);
        world.run(2 * MS);
    }
    assert!(world.raft(leader).base() > LogIndex(100));
    world.cuts.clear();
    world.connect_all();
    world.run(400 * MS);
    assert!(world.has_committed(late, 199));
    assert_eq!(world.raft(late).stats().snapshots_installed, 1);
    // And so does a process that starts from its records alone.
    world.crash(late, 0);
    world.restart(late);
    assert!(world.raft(late).commit() > LogIndex(100));
    world.run(400 * MS);
    assert!(world.has_committed(late, 199));
}

#[test]
fn a_new_learner_joins_a_cluster_whose_log_is_cut_short() {
    let mut world = World::with_snapshots(3, 1, 5, 300);
    world.isolate(n(4));
    world.connect_all();
    let leader = world.elect();
    for number in 0..150 {
        world.propose(leader, number);
        world.run(2 * MS);
    }
    assert_eq!(world.raft(n(4)).last_index(), LogIndex(0));
    world.cuts.clear();
    world.connect_all();
    world.run(600 * MS);
    assert!(world.has_committed(n(4), 149));
    assert_eq!(world.raft(n(4)).standing().role, Role::Learner);
}

#[test]
fn the_log_in_memory_and_on_disk_stays_short() {
    let mut world = World::with_snapshots(1, 0, 3, 400);
    let leader = world.elect();
    for number in 0..2000 {
        world.propose(leader, number);
        world.run(MS);
    }
    let raft = world.raft(leader);
    let last = raft.snapshot().unwrap().meta().len;
    let kept = raft.last_index().0 - raft.base().0;
    // Two spans of the last snapshot's bytes at the most.
    assert!(
        kept * 40 <= 2 * last.max(400) + 400,
        "{kept} entries, {last} B"
    );
}

#[test]
fn parts_are_put_together_and_the_state_offered_once() {
    let mut raft = following();
    let whole = snapshot(9, 2, 10);
    let answer = tell(&mut raft, 2, 1, install(3, whole.part(0, 0)));
    assert!(answer.contains(&send(1, held(3, 9, 0))), "{answer:?}");
    assert_eq!(
        raft.standing().leader,
        Some(n(1)),
        "a part is a sign of life"
    );
    tell(&mut raft, 3, 1, install(3, whole.part(0, 4)));
    let skipped = tell(&mut raft, 3, 1, install(3, whole.part(8, 2)));
    assert_eq!(skipped, [send(1, held(3, 9, 4))]);
    tell(&mut raft, 4, 1, install(3, whole.part(4, 4)));
    // The next leader goes on where this one stops.
    let asked = tell(&mut raft, 5, 3, install(4, whole.part(0, 0)));
    assert!(asked.contains(&send(3, held(4, 9, 8))), "{asked:?}");
    let last = tell(&mut raft, 6, 3, install(4, whole.part(8, 4)));
    let offer = Output::Assembled {
        from: n(3),
        round: 9,
        snapshot: whole.clone(),
    };
    assert_eq!(last, [offer, send(3, held(4, 9, 10))]);
    let again = tell(&mut raft, 7, 3, install(4, whole.part(8, 4)));
    assert_eq!(again, [send(3, held(4, 9, 10))], "it could not be read");

    let (from, round, snapshot) = (n(3), 9, whole.clone());
    let out = do_step(
        &mut raft,
        8,
        Input::Install {
            from,
            round,
            snapshot,
        },
    );
    let is_record = |output: &&Output| matches!(output, Output::Persist(_));
    assert_eq!(
        out.iter().filter(is_record).count(),
        2,
        "the part, and the end"
    );
    assert_eq!(
        out.last(),
        Some(&promise(3, append_reply(4, 9, matched(9))))
    );
    assert_eq!(
        (raft.commit(), raft.last_index()),
        (LogIndex(9), LogIndex(9))
    );
    assert_eq!(raft.entry(LogIndex(3)), None, "what was there is gone");
    let next = tell(&mut raft, 9, 3, append(4, (9, 2), 10, &[4]));
    assert_eq!(
        next.last(),
        Some(&promise(3, append_reply(4, 9, matched(10))))
    );
    assert_eq!(raft.commit(), LogIndex(10));
}

#[test]
fn a_snapshot_of_what_is_here_already_changes_nothing() {
    let mut raft = following();
    let known = tell(&mut raft, 2, 1, install(2, snapshot(2, 1, 10).part(0, 4)));
    assert_eq!(known, [promise(1, append_reply(2, 9, matched(2)))]);
    let equal = tell(&mut raft, 2, 1, install(2, snapshot(3, 2, 10).part(0, 4)));
    assert_eq!(
        raft.commit(),
        LogIndex(3),
        "it shows that the entry is committed"
    );
    assert_eq!(
        equal.last(),
        Some(&promise(1, append_reply(2, 9, matched(3))))
    );
    assert!(raft.entry(LogIndex(1)).is_some());
}

#[test]
fn a_wrong_snapshot_is_a_fault_and_leaves_no_trace() {
    let mut raft = following();
    let mut impossible = snapshot(9, 2, 10).part(0, 4);
    impossible.of.voters.clear();
    let before = raft.clone();
    let wrong = faulty(1, PeerFault::WrongSnapshot);
    assert_eq!(tell(&mut raft, 2, 1, install(2, impossible)), wrong);
    let of_the_future = snapshot(9, 7, 10).part(0, 4);
    assert_eq!(tell(&mut raft, 2, 1, install(2, of_the_future)), wrong);
    let second = tell(&mut raft, 2, 3, install(2, snapshot(9, 2, 10).part(0, 4)));
    assert_eq!(second, faulty(3, PeerFault::ConflictingLeader));
    assert_eq!(raft, before);
    let mut damaged = snapshot(9, 2, 10).part(0, 10);
    damaged.bytes = Payload::from(alloc::vec![8; 10]);
    assert_eq!(tell(&mut raft, 2, 1, install(2, damaged)), wrong);
    let asked = tell(&mut raft, 2, 1, install(2, snapshot(9, 2, 10).part(0, 0)));
    assert_eq!(asked, [send(1, held(2, 9, 0))], "it begins again");
}

#[test]
fn a_claim_to_hold_more_of_a_snapshot_than_there_is_is_a_fault() {
    let mut raft = leading();
    tell(&mut raft, 1000, 2, append_reply(1, 1, matched(1)));
    for index in 2..=40 {
        let data = super::words::data(index);
        do_step(&mut raft, 1000, propose([data]));
        tell(&mut raft, 1000, 1, append_reply(1, 0, matched(index)));
        tell(&mut raft, 1000, 2, append_reply(1, 1, matched(index)));
    }
    for index in [LogIndex(20), LogIndex(39)] {
        let state = Payload::from(alloc::vec![7; 2000]);
        do_step(&mut raft, 1000, Input::Compact { index, state });
    }
    assert_eq!(raft.base(), LogIndex(20));
    let beat = do_step(&mut raft, 1060, Input::Tick);
    let asked = beat.iter().find_map(sent_part).unwrap().clone();
    assert!(asked.part.bytes.is_empty());
    let reply = |held| {
        Message::SnapshotReply(SnapshotReply {
            term: Term(1),
            round: asked.round,
            index: LogIndex(39),
            held,
        })
    };
    let wrong = tell(&mut raft, 1062, 3, reply(2001));
    assert_eq!(wrong, faulty(3, PeerFault::ImpossibleMatch));
    let parts = tell(&mut raft, 1062, 3, reply(100));
    assert_eq!(
        parts
            .iter()
            .filter_map(sent_part)
            .map(|it| it.part.bytes.len())
            .sum::<usize>(),
        1900
    );
    let done = tell(
        &mut raft,
        1063,
        3,
        append_reply(1, asked.round + 2, matched(39)),
    );
    assert!(matches!(
        &done[..],
        [Output::Send { message: Message::Append(it), .. }] if it.entries.len() == 1
    ));
}

#[test]
fn no_snapshot_is_taken_within_a_change_of_the_voters() {
    let mut world = World::with_snapshots(3, 2, 9, 64);
    world.connect_all();
    world.elect();
    for number in 0..40 {
        let leader = world.leader().unwrap();
        let change = match number % 2 {
            0 => VoterChange::add(n(4)),
            _ => VoterChange::replace(n(4), n(5)),
        };
        let data = super::words::data(10_000 + number);
        world.step(leader, Input::Change { change, data });
        world.propose(leader, number);
        world.run(15 * MS);
    }
    assert!(world.changes() > 1);
    for node in world.names() {
        let snapshots = world.nodes[&node].records.iter();
        let parts = snapshots.filter(|it| matches!(it, Record::Snapshot(_)));
        assert!(parts.count() > 5, "{node}");
        fold(&world.nodes[&node].records);
    }
}

/// etcd's `slow_follower_after_compaction`: the log is kept from the snapshot before on, so one
/// that lags a little needs no state.
#[test]
fn a_follower_that_lags_a_little_behind_a_snapshot_catches_up_by_entries() {
    let mut world = World::with_snapshots(3, 0, 11, 400);
    world.connect_all();
    let leader = world.elect();
    let slow = *world.names().iter().find(|it| **it != leader).unwrap();
    let mut number = 0;
    let mut go_on = |world: &mut World, until: u64| {
        while world.raft(leader).stats().snapshots_taken < until {
            world.propose(leader, number);
            number += 1;
            world.run(2 * MS);
        }
        number
    };
    go_on(&mut world, 2);
    world.run(100 * MS);
    world.isolate(slow);
    let last = go_on(&mut world, 3) - 1;
    let taken = world.raft(leader).snapshot().unwrap().meta().index;
    assert!(
        world.raft(slow).last_index() < taken,
        "it lacks what it stands for"
    );
    world.cuts.clear();
    world.connect_all();
    world.run(400 * MS);
    assert!(world.has_committed(slow, last));
    assert_eq!(world.raft(slow).stats().snapshots_installed, 0);
}
