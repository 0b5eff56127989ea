//! Recordings: lives as bytes, lived again; cut, flipped and forged ones.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;

use std::net::SocketAddr;

use harness::{Cluster, address, primary};
use quorate_core::control;
use quorate_core::durable::Durable;
use quorate_core::id::{ClusterId, Epoch, LinkId, LogIndex, Lsn, NodeId, Peer, Term, Ticket};
use quorate_core::journal::{
    End, FRAME_BYTES_MAX, Journal, Replay, ReplayError, Start, Tail, TooLong, Writer, encode_end,
    encode_start, replay_recording,
};
use quorate_core::node::{Command, Config, Event};
use quorate_core::payload::Payload;
use quorate_core::raft::Entry;
use quorate_core::seed::Seed;
use quorate_core::time::Time;

fn start(seed: u64) -> Start {
    start_among(1, seed)
}

fn start_among(voters: u64, seed: u64) -> Start {
    let cluster = ClusterId::new("test").unwrap();
    let mut config = Config::lan(cluster, NodeId(1), address(1));
    config.voters = (1..=voters).map(NodeId).collect();
    Start {
        config: config.validate().unwrap(),
        durable: Durable::default(),
        last: Lsn(0),
        seed: Seed::from_number(seed),
        now: Time::from_millis(5),
    }
}

/// The life of a single voter that elects itself.
fn life(steps: u64) -> Journal {
    let mut events = vec![
        (Time::from_millis(5), Event::Tick),
        (Time::from_millis(6), Event::Persisted(Lsn(1))),
    ];
    for number in 2..steps {
        let now = Time::from_millis(5 + number * 100);
        let event = match number % 3 {
            0 => Event::Tick,
            1 => Event::Persisted(Lsn(number)),
            _ => Event::Command {
                ticket: Ticket(number),
                command: Command::Status,
            },
        };
        events.push((now, event));
    }
    let start = start(1);
    Journal { start, events }
}

/// A recording with a frame for each step, the length of its start, and where each of its frames
/// behind that ends.
fn recording(steps: u64) -> (Vec<u8>, usize, Vec<usize>) {
    let life = life(steps);
    let mut head = Vec::new();
    encode_start(&life.start, None, &mut head).unwrap();
    let (mut bytes, mut writer) = (head.clone(), Writer::new());
    let (mut node, mut actions) = (life.start.node(), Vec::new());
    for (now, event) in &life.events {
        writer.before(*now, event).unwrap();
        node.step(*now, event.clone(), &mut actions);
        writer.after(&actions);
        actions.clear();
        bytes.extend(writer.take());
    }
    encode_end(writer.next(), End::Stopped, &mut bytes);
    let (mut offset, mut ends) = (head.len(), Vec::new());
    while offset < bytes.len() {
        let len: [u8; 4] = bytes[offset..offset + 4].try_into().unwrap();
        offset += 16 + usize::try_from(u32::from_le_bytes(len)).unwrap();
        ends.push(offset);
    }
    assert_eq!(ends.len() as u64, steps + 1, "the steps and the end");
    (bytes, head.len(), ends)
}

#[test]
fn a_cluster_is_lived_again_from_its_bytes() {
    let mut cluster = Cluster::new(3, 9);
    for node in 2..=3 {
        let seeds = vec![address(1)];
        cluster.command(node, Command::Join { seeds });
    }
    let led = |cluster: &Cluster| {
        let leader = cluster.leader()?;
        let view = cluster.node(leader).view();
        view.control().state().role(&primary())?.holder?;
        Some(leader)
    };
    cluster.run_until(10_000, "a leader holds the role", |c| led(c).is_some());
    let leader = led(&cluster).unwrap();
    cluster.kill(leader);
    cluster.run_until(10_000, "another leads", |c| led(c).is_some());
    // This life starts from a log that is not empty.
    cluster.start(leader);
    let seeds = vec![address(leader % 3 + 1)];
    cluster.command(leader, Command::Join { seeds });
    cluster.run_for(10_000);
    for recorder in cluster.nodes.values() {
        let journal = recorder.journal();
        let bytes = journal.to_bytes().unwrap();
        let mut lived = Vec::new();
        let replayed = replay_recording(&bytes, |now, event, _, _| {
            lived.push((now, event.clone()));
        })
        .unwrap();
        assert!(lived.len() > 100);
        assert_eq!(lived, journal.events);
        assert_eq!(replayed.steps, lived.len() as u64);
        assert_eq!(replayed.fingerprint, recorder.fingerprint());
        assert_eq!(replayed.tail, Tail::Ended(End::Stopped));
        let mut replay = Replay::open(&bytes).unwrap();
        assert_eq!(replay.start(), &journal.start);
        while replay.step().unwrap().is_some() {}
        assert_eq!(replay.node(), recorder.node(), "down to its last timer");
    }
    let back = &cluster.nodes[&leader].journal().start.durable;
    assert!(back.boot == 1 && !back.raft.log.is_empty());
}

#[test]
fn every_cut_is_replayed_up_to_its_last_whole_step() {
    let (bytes, head, ends) = recording(40);
    for cut in 0..bytes.len() {
        let replayed = replay_recording(&bytes[..cut], |_, _, _, _| {});
        match cut {
            0..12 => assert_eq!(replayed, Err(ReplayError::NotARecording), "cut at {cut}"),
            _ if cut < head => assert!(
                matches!(replayed, Err(ReplayError::NoStart { offset }) if offset <= cut),
                "cut at {cut}: {replayed:?}"
            ),
            _ => {
                let whole = ends.iter().filter(|end| **end <= cut).count();
                let valid = whole.checked_sub(1).map_or(head, |last| ends[last]);
                let replayed = replayed.unwrap();
                let tail = Tail::Cut { torn: cut - valid };
                assert_eq!((replayed.steps, replayed.tail), (whole as u64, tail));
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_never_lived() {
    let (bytes, head, ends) = recording(20);
    for bit in 0..bytes.len() * 8 {
        let (mut flipped, at) = (bytes.clone(), bit / 8);
        flipped[at] ^= 1 << (bit % 8);
        let replayed = replay_recording(&flipped, |_, _, _, _| {});
        if at < head {
            let named = match &replayed {
                Err(ReplayError::NotARecording) => at < 8,
                Err(ReplayError::OtherFormat { .. }) => (8..12).contains(&at),
                Err(ReplayError::NoStart { offset }) => at >= 12 && *offset <= at,
                other => panic!("bit {bit}: {other:?}"),
            };
            assert!(named, "bit {bit}: {replayed:?}");
            continue;
        }
        let before = ends.iter().filter(|end| **end <= at).count();
        let offset = before.checked_sub(1).map_or(head, |last| ends[last]);
        if before < 20 {
            let expected = before as u64 + 1;
            let damaged = ReplayError::Damaged { offset, expected };
            assert_eq!(replayed, Err(damaged), "bit {bit}");
        } else {
            // The end may have been torn.
            let torn = bytes.len() - offset;
            let tail = replayed.map(|replayed| (replayed.steps, replayed.tail));
            assert_eq!(tail, Ok((20, Tail::Cut { torn })), "bit {bit}");
        }
    }
}

#[test]
fn frames_in_another_order_are_damage() {
    let (bytes, head, ends) = recording(6);
    let frame = |number: usize| bytes[ends[number - 2]..ends[number - 1]].to_vec();
    let first = &bytes[head..ends[0]];
    let with = |frames: &[&[u8]]| [&[&bytes[..head]], frames].concat().concat();
    let expected = |replayed| match replayed {
        Err(ReplayError::Damaged { expected, .. }) => expected,
        other => panic!("{other:?}"),
    };
    let lived = |bytes: &[u8]| replay_recording(bytes, |_, _, _, _| {});
    let repeated = with(&[first, first]);
    assert_eq!(expected(lived(&repeated)), 2);
    let skipped = with(&[first, &frame(3)]);
    assert_eq!(expected(lived(&skipped)), 2);
    let headless = with(&[&frame(2)]);
    assert_eq!(expected(lived(&headless)), 1);
    let mut behind_the_end = bytes.clone();
    behind_the_end.extend(frame(6));
    assert_eq!(expected(lived(&behind_the_end)), 7);
}

#[test]
fn a_life_that_was_another_diverges_where_it_differs() {
    let (peer, link) = (
        Peer {
            node: NodeId(2),
            boot: 1,
        },
        LinkId(1),
    );
    let up = Event::LinkUp {
        link,
        peer,
        address: address(2),
        dialed: false,
    };
    let mut life = life(2);
    life.start = start_among(3, 1);
    life.events.push((Time::from_millis(6), up));
    let ticks = (7..400).map(|millis| (Time::from_millis(millis), Event::Tick));
    life.events.extend(ticks);
    let other = start_among(3, 2);
    // Recorded with one seed, replayed with another.
    let (mut bytes, mut writer) = (Vec::new(), Writer::new());
    encode_start(&other, None, &mut bytes).unwrap();
    let (mut node, mut twin) = (life.start.node(), other.node());
    let (mut actions, mut theirs) = (Vec::new(), Vec::new());
    let mut differs = None;
    for (now, event) in &life.events {
        writer.before(*now, event).unwrap();
        node.step(*now, event.clone(), &mut actions);
        writer.after(&actions);
        twin.step(*now, event.clone(), &mut theirs);
        if actions != theirs && differs.is_none() {
            differs = Some((writer.next() - 1, *now, theirs.clone()));
        }
        actions.clear();
        theirs.clear();
    }
    bytes.extend(writer.take());
    let (at, moment, theirs) = differs.expect("the seeds draw other timeouts");
    let mut replay = Replay::open(&bytes).unwrap();
    let error = loop {
        match replay.step() {
            Ok(Some(step)) => assert!(step.number < at),
            Ok(None) => panic!("it did not diverge"),
            Err(error) => break error,
        }
    };
    let ReplayError::Diverged { at: step, now, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*step, *now), (at, moment));
    assert_eq!(
        replay.last().unwrap().actions,
        theirs,
        "what it did instead"
    );
    assert_eq!(replay.step().map(|step| step.is_some()), Err(error));
}

#[test]
fn a_step_the_node_did_not_survive_is_kept() {
    let life = life(10);
    let (mut bytes, mut writer) = (Vec::new(), Writer::new());
    encode_start(&life.start, None, &mut bytes).unwrap();
    let (mut node, mut actions) = (life.start.node(), Vec::new());
    for (now, event) in &life.events {
        writer.before(*now, event).unwrap();
        if writer.next() <= 10 {
            node.step(*now, event.clone(), &mut actions);
            writer.after(&actions);
            actions.clear();
        }
    }
    bytes.extend(writer.take());
    assert!(writer.is_empty());
    let mut last = None;
    let replayed = replay_recording(&bytes, |now, event, _, _| last = Some((now, event.clone())));
    let replayed = replayed.unwrap();
    assert_eq!((replayed.steps, replayed.tail), (10, Tail::Cut { torn: 0 }));
    assert_eq!(last, life.events.last().cloned());
}

#[test]
fn a_frame_of_many_steps_is_lived_as_one_step_after_the_other() {
    let life = life(5_000);
    let bytes = life.to_bytes().unwrap();
    let single = recording(5_000).0;
    assert!(bytes.len() * 3 < single.len() * 2, "{} bytes", bytes.len());
    let lived = |bytes: &[u8]| replay_recording(bytes, |_, _, _, _| {}).unwrap();
    assert_eq!(lived(&bytes), lived(&single));
    // A cut within a frame gives up the whole frame, and nothing before it.
    let cut = lived(&bytes[..bytes.len() - 40]);
    assert!((1_000..5_000).contains(&cut.steps), "{}", cut.steps);
}

#[test]
fn every_end_is_read() {
    for end in [
        End::Stopped,
        End::Halted,
        End::Full,
        End::Behind,
        End::TooLong,
    ] {
        let mut bytes = Vec::new();
        encode_start(&start(1), None, &mut bytes).unwrap();
        encode_end(1, end, &mut bytes);
        let replayed = replay_recording(&bytes, |_, _, _, _| {}).unwrap();
        assert_eq!((replayed.steps, replayed.tail), (0, Tail::Ended(end)));
    }
}

#[test]
fn an_event_too_long_for_a_frame_is_refused_and_leaves_no_trace() {
    let value = Payload::from(vec![7; FRAME_BYTES_MAX]);
    let command = control::Command::Write {
        role: primary(),
        epoch: Epoch(1),
        key: "k".into(),
        value,
    };
    let huge = Event::Command {
        ticket: Ticket(1),
        command: Command::Propose {
            request: None,
            command,
        },
    };
    let mut writer = Writer::new();
    writer.before(Time(1), &Event::Tick).unwrap();
    writer.after(&[]);
    let refused = writer.before(Time(2), &huge);
    assert!(matches!(refused, Err(TooLong { len }) if len > FRAME_BYTES_MAX));
    assert_eq!(writer.next(), 2);
    let kept = writer.take();
    let mut twin = Writer::new();
    twin.before(Time(1), &Event::Tick).unwrap();
    twin.after(&[]);
    assert_eq!(kept, twin.take());
}

#[test]
fn a_start_with_a_long_log_and_a_scoped_address_comes_back_whole() {
    let mut start = start(3);
    let mut config = Config::clone(&start.config);
    config.address = "[fe80::1%4]:7000".parse::<SocketAddr>().unwrap();
    start.config = config.validate().unwrap();
    start.durable.boot = 7;
    start.durable.raft.term = Term(5);
    start.durable.raft.vote = Some(NodeId(1));
    let entry = |index| Entry {
        term: Term(index / 10),
        index: LogIndex(index),
        data: Payload::from(vec![1; 600_000]),
        voters: None,
    };
    start.durable.raft.log = (1..=40).map(entry).collect();
    let mut bytes = Vec::new();
    encode_start(&start, Some(77), &mut bytes).unwrap();
    assert!(bytes.len() > FRAME_BYTES_MAX, "more than one frame holds");
    let replay = Replay::open(&bytes).unwrap();
    assert_eq!(replay.start(), &start);
    assert_eq!(replay.unix_ns(), Some(77));
    assert_eq!(replay.start().config.address, start.config.address);
    assert_eq!(replay.made_by(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_no_recording_is_said_to_be_none() {
    let noise = replay_recording(b"QUORLIFE\x01\0\0\0", |_, _, _, _| {});
    assert_eq!(noise, Err(ReplayError::OtherFormat { format: 1 }));
    for noise in [&b""[..], b"QUORLIFE", b"\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let replayed = replay_recording(noise, |_, _, _, _| {});
        assert_eq!(replayed, Err(ReplayError::NotARecording));
    }
}

#[test]
fn a_bookmark_leads_back_to_its_moment() {
    let (bytes, _, _) = recording(30);
    let mut replay = Replay::open(&bytes).unwrap();
    for _ in 0..10 {
        assert!(replay.step().unwrap().is_some());
    }
    let mut bookmark = replay.clone();
    let mut further = Vec::new();
    while let Some(step) = replay.step().unwrap() {
        further.push((step.number, step.actions.to_vec()));
    }
    assert_eq!(further.len(), 20);
    assert_ne!(bookmark.node(), replay.node());
    let mut again = Vec::new();
    while let Some(step) = bookmark.step().unwrap() {
        again.push((step.number, step.actions.to_vec()));
    }
    assert_eq!(again, further);
    assert_eq!(bookmark.fingerprint(), replay.fingerprint());
}
