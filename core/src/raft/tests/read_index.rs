//! Stories of reads at nodes that do not lead (Raft thesis §6.4).

use alloc::vec::Vec;

use super::super::*;
use super::stories::others;
use super::words::{MS, append, do_step, machine, n, tell};
use super::world::World;

const LEADER: u64 = 2;

/// Node 1 follows node 2 in term 1 and has committed so many entries.
fn following(commit: u64) -> Raft {
    let mut raft = machine(1, Recovered::default());
    let terms: Vec<u64> = (0..commit).map(|_| 1).collect();
    tell(&mut raft, 10, LEADER, append(1, (0, 0), commit, &terms));
    assert_eq!(raft.standing().leader, Some(n(LEADER)));
    assert_eq!(raft.commit(), LogIndex(commit));
    raft
}

/// The question that a read leads to.
fn ask(raft: &mut Raft, at: u64, ticket: u64) -> ReadIndex {
    let ticket = Ticket(ticket);
    let out = do_step(raft, at, Input::Read { ticket });
    let [Output::Send { to, message }] = &out[..] else {
        panic!("{out:?}")
    };
    let Message::ReadIndex(ask) = message else {
        panic!("{message:?}")
    };
    assert_eq!(*to, n(LEADER));
    *ask
}

fn told(ask: ReadIndex, index: Option<u64>) -> Message {
    let ReadIndex { life, number } = ask;
    let index = index.map(LogIndex);
    Message::ReadIndexReply(ReadIndexReply {
        life,
        number,
        index,
    })
}

fn readable(ticket: u64, index: u64) -> Output {
    let (ticket, index) = (Ticket(ticket), LogIndex(index));
    Output::Readable { ticket, index }
}

fn refused(ticket: u64, why: Unconfirmed) -> Output {
    let ticket = Ticket(ticket);
    Output::ReadRefused { ticket, why }
}

/// The answers to reads among the outputs.
fn answers(out: Vec<Output>) -> Vec<Output> {
    let is_answer =
        |it: &Output| matches!(it, Output::Readable { .. } | Output::ReadRefused { .. });
    out.into_iter().filter(is_answer).collect()
}

fn read(world: &mut World, node: NodeId, ticket: u64) {
    let ticket = Ticket(ticket);
    world.step(node, Input::Read { ticket });
}

#[test]
fn followers_and_learners_read_what_the_leader_has_committed() {
    let mut world = World::new(3, 1, 70);
    world.connect_all();
    let leader = world.elect();
    world.propose(leader, 1);
    world.run(300 * MS);
    for node in others(&world, leader) {
        read(&mut world, node, 7);
        assert_eq!(world.nodes[&node].reads, []);
        let took = world.run_until(50 * MS, |w| !w.nodes[&node].reads.is_empty());
        assert!(took <= 4 * MS, "{node}: {took:?}");
        assert_eq!(world.nodes[&node].reads, [Ok((Ticket(7), LogIndex(2)))]);
        assert_eq!(world.raft(node).stats().reads_asked, 1);
    }
}

#[test]
fn a_read_waits_until_as_much_is_committed_here() {
    let mut raft = following(2);
    let first = ask(&mut raft, 20, 7);
    let second = ask(&mut raft, 21, 8);
    assert_eq!(tell(&mut raft, 22, LEADER, told(first, Some(4))), []);
    let out = tell(&mut raft, 23, LEADER, told(second, Some(2)));
    assert_eq!(out, [readable(8, 2)], "it need not wait for the other");
    let out = tell(&mut raft, 24, LEADER, append(1, (2, 1), 3, &[1, 1]));
    assert_eq!(answers(out), []);
    let out = tell(&mut raft, 25, LEADER, append(1, (4, 1), 4, &[]));
    assert_eq!(answers(out), [readable(7, 4)]);
    let again = tell(&mut raft, 26, LEADER, told(first, Some(4)));
    assert_eq!(again, [], "answered once");
}

#[test]
fn an_answer_confirms_no_other_read_and_none_of_another_life() {
    let mut raft = following(1);
    let first = ask(&mut raft, 20, 7);
    let (node, dead) = (n(LEADER), false);
    let out = do_step(&mut raft, 21, Input::PeerDown { node, dead });
    assert_eq!(out, [refused(7, Unconfirmed::ConnectionLost)]);
    let second = ask(&mut raft, 22, 8);
    assert_eq!(tell(&mut raft, 23, LEADER, told(first, Some(1))), []);
    let life = second.life ^ 1;
    let earlier = ReadIndex { life, ..second };
    assert_eq!(tell(&mut raft, 24, LEADER, told(earlier, Some(1))), []);
    let stranger = tell(&mut raft, 25, 3, told(second, Some(1)));
    assert_eq!(stranger, [], "it was not asked");
    let out = tell(&mut raft, 26, LEADER, told(second, Some(1)));
    assert_eq!(out, [readable(8, 1)]);

    let mut world = World::new(3, 0, 71);
    let leader = world.elect();
    let node = others(&world, leader)[0];
    let life = |world: &World| world.raft(node).questions.clone();
    read(&mut world, node, 1);
    let before = life(&world);
    world.crash(node, 0);
    world.restart(node);
    world.run(100 * MS);
    read(&mut world, node, 1);
    assert_ne!(life(&world), before, "a new life asks under another number");
}

#[test]
fn a_read_ends_with_the_leader_it_was_asked_of_unless_it_is_confirmed() {
    for is_confirmed in [false, true] {
        let mut raft = following(1);
        let question = ask(&mut raft, 20, 7);
        if is_confirmed {
            assert_eq!(tell(&mut raft, 21, LEADER, told(question, Some(2))), []);
        }
        let out = tell(&mut raft, 22, 3, append(2, (1, 1), 1, &[1]));
        let out = answers(out);
        if is_confirmed {
            assert_eq!(out, []);
            let out = tell(&mut raft, 23, 3, append(2, (2, 1), 2, &[]));
            assert_eq!(answers(out), [readable(7, 2)]);
        } else {
            assert_eq!(out, [refused(7, Unconfirmed::LeaderChanged)]);
            let late = tell(&mut raft, 23, LEADER, told(question, Some(1)));
            assert_eq!(late, [], "of the old leader");
        }
    }
}

#[test]
fn a_read_ends_with_the_connection_or_by_the_leaders_refusal() {
    let mut raft = following(1);
    ask(&mut raft, 20, 7);
    let (node, dead) = (n(3), false);
    assert_eq!(do_step(&mut raft, 21, Input::PeerDown { node, dead }), []);
    let node = n(LEADER);
    let out = do_step(&mut raft, 22, Input::PeerDown { node, dead });
    assert_eq!(out, [refused(7, Unconfirmed::ConnectionLost)]);
    let question = ask(&mut raft, 23, 8);
    let out = tell(&mut raft, 24, LEADER, told(question, None));
    assert_eq!(out, [refused(8, Unconfirmed::ByLeader)]);
}

#[test]
fn what_takes_too_long_is_refused_confirmed_or_not() {
    let mut raft = following(1);
    let question = ask(&mut raft, 20, 7);
    ask(&mut raft, 50, 8);
    tell(&mut raft, 60, LEADER, told(question, Some(9)));
    let mut late = Vec::new();
    for at in (70..1400).step_by(10) {
        // The leader beats, and commits nothing more.
        tell(&mut raft, at, LEADER, append(1, (1, 1), 1, &[]));
        let out = answers(do_step(&mut raft, at, Input::Tick)).into_iter();
        late.extend(out.map(|answer| (at, answer)));
    }
    let why = Unconfirmed::Late;
    assert_eq!(late, [(1220, refused(7, why)), (1250, refused(8, why))]);
}

#[test]
fn without_a_leader_or_room_a_read_is_refused_at_once() {
    let mut raft = machine(1, Recovered::default());
    let ticket = Ticket(1);
    let out = do_step(&mut raft, 10, Input::Read { ticket });
    assert_eq!(out, [refused(1, Unconfirmed::NoLeader)]);
    let mut raft = following(1);
    for ticket in 0..4096 {
        ask(&mut raft, 20, ticket);
    }
    let ticket = Ticket(4096);
    let out = do_step(&mut raft, 20, Input::Read { ticket });
    assert_eq!(out, [refused(4096, Unconfirmed::Crowded)]);
}

/// Whoever is asked and does not lead says so at once; a leader that is deposed, when it is.
#[test]
fn whoever_cannot_confirm_says_so() {
    let mut raft = following(1);
    let (life, number) = (5, 6);
    let question = ReadIndex { life, number };
    let out = tell(&mut raft, 20, 3, Message::ReadIndex(question));
    let message = told(question, None);
    let to = n(3);
    assert_eq!(out, [Output::Send { to, message }]);

    let mut world = World::new(5, 0, 72);
    let leader = world.elect();
    world.run(20 * MS);
    let all = others(&world, leader);
    // The leader is asked, and hears no majority from then on.
    for node in &all[1..] {
        world.split(&[(leader.0, node.0)]);
    }
    read(&mut world, all[0], 1);
    world.run(600 * MS);
    assert_eq!(world.nodes[&all[0]].reads, [Err(Ticket(1))]);
}
