//! Stories of reads that see everything acknowledged before (Raft thesis §6.4).

use super::super::*;
use super::stories::others;
use super::words::machine;
use super::words::{
    MS, append_reply, do_step, leading, matched, n, pre_vote_reply, tell, vote_reply,
};
use super::world::World;
use crate::id::Ticket;

fn read(world: &mut World, node: NodeId, ticket: u64) {
    let ticket = Ticket(ticket);
    world.step(node, Input::Read { ticket });
}

fn readable(ticket: u64, index: u64) -> Output {
    let (ticket, index) = (Ticket(ticket), LogIndex(index));
    Output::Readable { ticket, index }
}

/// The numbers of the leader's messages to a node.
fn rounds_to(out: &[Output], node: NodeId) -> impl Iterator<Item = u64> {
    out.iter().filter_map(move |output| {
        let Output::Send { to, message } = output else {
            return None;
        };
        let Message::Append(append) = message else {
            return None;
        };
        (*to == node).then_some(append.round)
    })
}

#[test]
fn a_read_costs_one_round_trip_and_none_with_a_single_voter() {
    let mut world = World::new(3, 0, 60);
    let leader = world.elect();
    world.propose(leader, 1);
    world.run(20 * MS);
    read(&mut world, leader, 7);
    assert_eq!(world.nodes[&leader].reads, []);
    let took = world.run_until(20 * MS, |w| !w.nodes[&leader].reads.is_empty());
    assert!(took <= 2 * MS, "{took:?}");
    assert_eq!(world.nodes[&leader].reads, [Ok((Ticket(7), LogIndex(2)))]);
    let mut alone = World::new(1, 0, 61);
    alone.run(MS);
    read(&mut alone, n(1), 8);
    assert_eq!(alone.nodes[&n(1)].reads, [Ok((Ticket(8), LogIndex(1)))]);
}

/// The old leader must not answer from what it knows (etcd issue 20418 had it answer).
#[test]
fn a_leader_that_was_replaced_unknowingly_confirms_nothing() {
    let mut world = World::new(3, 0, 62);
    let old = world.elect();
    world.run(40 * MS);
    world.isolate(old);
    for node in others(&world, old) {
        let down = Input::PeerDown {
            node: old,
            dead: true,
        };
        world.step(node, down);
    }
    world.run_until(280 * MS, |w| w.leader().is_some_and(|it| it != old));
    let is_unaware = world.raft(old).standing().role == Role::Leader;
    assert!(is_unaware, "else this tells nothing");
    read(&mut world, old, 7);
    world.run(400 * MS);
    assert_eq!(
        world.nodes[&old].reads,
        [Err(Ticket(7))],
        "refused when it resigns"
    );
}

#[test]
fn an_answer_that_was_on_its_way_confirms_nothing() {
    let mut raft = leading();
    let beat = raft.deadline().unwrap().at;
    let mut out = alloc::vec::Vec::new();
    raft.step(beat, Input::Tick, &mut out);
    let round_in = |out: &[Output]| rounds_to(out, n(2)).max();
    let before = round_in(&out).unwrap();
    tell(&mut raft, 1060, 2, append_reply(1, before, matched(1)));
    let at = 1070;
    let ticket = Ticket(7);
    let asked = do_step(&mut raft, at, Input::Read { ticket });
    let after = round_in(&asked).unwrap();
    assert!(after > before);
    let late = tell(&mut raft, at, 2, append_reply(1, before, matched(1)));
    assert!(!late.contains(&readable(7, 1)), "it was sent before");
    let out = tell(&mut raft, at, 2, append_reply(1, after, matched(1)));
    assert!(out.contains(&readable(7, 1)));
}

/// What its predecessor committed, a new leader knows only when its own first entry is committed.
#[test]
fn a_new_leader_answers_no_read_before_its_own_first_entry() {
    let mut raft = machine(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    let out = tell(&mut raft, 1000, 2, vote_reply(1, true));
    let first = rounds_to(&out, n(2)).max();
    let ticket = Ticket(7);
    assert_eq!(do_step(&mut raft, 1001, Input::Read { ticket }), []);
    tell(&mut raft, 1002, 1, append_reply(1, 0, matched(1)));
    let out = tell(
        &mut raft,
        1003,
        2,
        append_reply(1, first.unwrap(), matched(1)),
    );
    assert_eq!(raft.commit(), LogIndex(1));
    assert!(!out.contains(&readable(7, 1)), "it must still be asked for");
    let round = rounds_to(&out, n(3)).max().unwrap();
    let out = tell(&mut raft, 1004, 3, append_reply(1, round, matched(1)));
    assert!(out.contains(&readable(7, 1)));
}

#[test]
fn a_deposed_leader_refuses_what_waits() {
    let mut world = World::new(3, 0, 63);
    let leader = world.elect();
    world.isolate(leader);
    (2..5).for_each(|ticket| read(&mut world, leader, ticket));
    world.run(310 * MS);
    let refused: alloc::vec::Vec<_> = (2..5).map(|ticket| Err(Ticket(ticket))).collect();
    assert_eq!(world.nodes[&leader].reads, refused);
}

/// A majority that answers need not be able to write: its disks may stand still.
#[test]
fn a_read_is_refused_when_the_first_entry_takes_too_long() {
    let mut raft = machine(1, Recovered::default());
    do_step(&mut raft, 1000, Input::Tick);
    tell(&mut raft, 1000, 2, pre_vote_reply(1, true));
    tell(&mut raft, 1000, 1, vote_reply(1, true));
    let mut out = tell(&mut raft, 1000, 2, vote_reply(1, true));
    let ticket = Ticket(7);
    do_step(&mut raft, 1001, Input::Read { ticket });
    let why = Unconfirmed::Late;
    let refused = Output::ReadRefused { ticket, why };
    let longest = u64::try_from(raft.config.election_timeout_max.as_millis()).unwrap();
    let mut refused_at = None;
    for now in (1010..1000 + 6 * longest).step_by(10) {
        if let Some(round) = rounds_to(&out, n(2)).max() {
            tell(&mut raft, now, 2, append_reply(1, round, matched(0)));
        }
        out = do_step(&mut raft, now, Input::Tick);
        if out.contains(&refused) {
            assert_eq!(refused_at.replace(now), None, "it is answered once");
        }
    }
    assert_eq!(raft.standing().role, Role::Leader);
    let waited = refused_at.expect("it is answered") - 1001;
    assert!((4 * longest..=5 * longest).contains(&waited), "{waited} ms");
}
