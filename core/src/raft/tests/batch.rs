//! Several proposals in one step.

use alloc::vec::Vec;

use super::super::*;
use super::words::*;

/// A leader whom both others have answered; its first entry is committed.
fn replicating() -> Raft {
    let mut raft = leading();
    for from in [1, 2, 3] {
        let round = u64::from(from != 1);
        tell(&mut raft, 1000, from, append_reply(1, round, matched(1)));
    }
    assert_eq!(raft.commit(), LogIndex(1));
    raft
}

fn commands(numbers: core::ops::Range<u64>) -> Vec<Payload> {
    numbers.map(data).collect()
}

/// The indexes in each record.
fn records(out: &[Output]) -> Vec<Vec<u64>> {
    let indexes = |output: &Output| {
        let Output::Persist(Record::Append { entries }) = output else {
            return None;
        };
        Some(entries.iter().map(|it| it.index.0).collect())
    };
    out.iter().filter_map(indexes).collect()
}

/// The indexes in each message to a node.
fn messages(to: u64, out: &[Output]) -> Vec<Vec<u64>> {
    let indexes = |output: &Output| {
        let Output::Send {
            to: whom,
            message: Message::Append(append),
        } = output
        else {
            return None;
        };
        let indexes = append.entries.iter().map(|it| it.index.0);
        (*whom == n(to)).then(|| indexes.collect())
    };
    out.iter().filter_map(indexes).collect()
}

#[test]
fn proposals_of_one_step_share_a_record_a_promise_and_a_message_for_each() {
    let mut raft = replicating();
    let out = do_step(&mut raft, 1001, propose(commands(0..5)));
    let all = [[2, 3, 4, 5, 6]];
    assert_eq!(records(&out), all);
    assert_eq!(messages(2, &out), all);
    assert_eq!(messages(3, &out), all);
    let own = promise(1, append_reply(1, 0, matched(6)));
    assert!(out.contains(&own));
    assert_eq!(out.len(), 4);
    assert_eq!(raft.stats().proposed, 5);
    tell(&mut raft, 1002, 1, append_reply(1, 0, matched(6)));
    let out = tell(&mut raft, 1002, 2, append_reply(1, 4, matched(6)));
    let data = |output: Output| {
        let Output::Committed(entry) = output else {
            return None;
        };
        Some(entry.data)
    };
    let committed: Vec<Payload> = out.into_iter().filter_map(data).collect();
    assert_eq!(committed, commands(0..5));
}

#[test]
fn records_and_messages_of_a_long_batch_are_bounded() {
    let mut raft = replicating();
    let out = do_step(&mut raft, 1001, propose(commands(0..20)));
    let parts: Vec<Vec<u64>> = [2..10, 10..18, 18..22].map(Iterator::collect).into();
    assert_eq!(records(&out), parts);
    assert_eq!(messages(2, &out), parts);
    let own = promise(1, append_reply(1, 0, matched(21)));
    assert_eq!(out.iter().filter(|output| **output == own).count(), 1);
}

#[test]
fn what_a_batch_has_beyond_the_bound_is_refused_one_by_one() {
    let mut raft = replicating();
    let long = Payload::from(alloc::vec![7; 40 << 10]);
    let batch = [data(1), long.clone(), long.clone(), data(2)];
    let out = do_step(&mut raft, 1001, propose(batch));
    let refused = Output::Rejected {
        data: long,
        why: Rejection::Backlog,
    };
    assert_eq!(out.iter().filter(|output| **output == refused).count(), 1);
    assert_eq!(raft.last_index(), LogIndex(4), "the short one still fits");
    assert_eq!(raft.stats().crowded_out, 1);
}

#[test]
fn a_batch_that_comes_to_nothing_writes_nothing() {
    let mut raft = replicating();
    assert_eq!(do_step(&mut raft, 1001, propose([])), []);
    let mut follower = machine(1, Recovered::default());
    let out = do_step(&mut follower, 1, propose(commands(0..2)));
    let refused = |number| Output::Rejected {
        data: data(number),
        why: Rejection::NotLeading,
    };
    assert_eq!(out, [refused(0), refused(1)]);
}
