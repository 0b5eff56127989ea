//! Files and bounds; whole nodes are recorded in the tests of the public API.

use std::net::SocketAddr;

use quorate_core::control;
use quorate_core::durable::Durable;
use quorate_core::id::{ClusterId, Epoch, LogIndex, Lsn, RoleName, Term, Ticket};
use quorate_core::journal::Tail;
use quorate_core::node::{Command, Config};
use quorate_core::payload::Payload;
use quorate_core::raft::Entry;
use quorate_core::seed::Seed;

use super::*;

const BYTES_MAX: u64 = 64 * 1024;

fn start(node: u64) -> Start {
    let address = SocketAddr::from(([127, 0, 0, 1], 7000));
    let cluster = ClusterId::new("test").expect("a name");
    let mut config = Config::lan(cluster, NodeId(node), address);
    config.voters = vec![NodeId(node)];
    Start {
        config: config.validate().expect("valid"),
        durable: Durable::default(),
        last: Lsn(0),
        seed: Seed::from_number(1),
        now: Time::ZERO,
    }
}

fn in_directory(directory: &Path, lives_max: u32) -> Recording {
    Recording {
        bytes_max: BYTES_MAX,
        lives_max,
        ..Recording::new(directory)
    }
}

/// A recorder whose queue nobody takes from.
fn stuck(start: &Start) -> (Recorder, Receiver<Batch>) {
    let (queue, batches) = async_channel::unbounded();
    let lane = Lane {
        node: start.config.node,
        writer: Writer::new(),
        queue,
        waiting: Arc::default(),
        next: 1,
    };
    (Recorder { lane: Some(lane) }, batches)
}

fn step(recorder: &mut Recorder, node: &mut Node, number: u64, event: Event) {
    let (now, mut actions) = (Time::from_millis(number), Vec::new());
    recorder.before(now, &event);
    node.step(now, event, &mut actions);
    recorder.after(&actions);
}

fn big(bytes: usize) -> Event {
    let command = control::Command::Write {
        role: RoleName::new("primary").expect("a name"),
        epoch: Epoch(1),
        key: "k".into(),
        value: Payload::from(vec![1; bytes]),
    };
    let command = Command::Propose {
        request: None,
        command,
    };
    let ticket = Ticket(1);
    Event::Command { ticket, command }
}

/// Writes what waits in the queue, all of it together, as the task does.
fn play(tape: &mut Tape, batches: &Receiver<Batch>) -> Option<End> {
    let mut gathered = Gathered::default();
    while let Ok(batch) = batches.try_recv() {
        gathered.add(batch);
    }
    tape.write(&gathered).expect("written")
}

fn names(directory: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
    let files = recordings(directory).expect("readable");
    files.into_iter().filter_map(name).collect()
}

#[test]
fn the_oldest_lives_give_way_and_nothing_else_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().join("made/on/the/way");
    let recording = in_directory(&directory, 3);
    for _ in 0..5 {
        Tape::begin(&recording, &start(1), None).expect("begun");
    }
    Tape::begin(&recording, &start(10), None).expect("begun");
    std::fs::write(directory.join("n1-notes.txt"), "kept").expect("written");
    let lives = |node, numbers: std::ops::RangeInclusive<u64>| {
        numbers.map(move |number| format!("n{node}-{number:06}.recording"))
    };
    let expected: Vec<_> = lives(1, 3..=5).chain(lives(10, 1..=1)).collect();
    assert_eq!(names(&directory), expected);
    // An old life of a greater length than allowed now counts as what it is.
    let path = directory.join("n1-000004.recording");
    let file = std::fs::OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(2 * BYTES_MAX))
        .expect("grown");
    Tape::begin(&recording, &start(1), None).expect("begun");
    let expected: Vec<_> = lives(1, 5..=6).chain(lives(10, 1..=1)).collect();
    assert_eq!(names(&directory), expected);
    assert!(directory.join("n1-notes.txt").exists());
}

#[cfg(unix)]
#[test]
fn recordings_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path().join("recordings");
    let tape = Tape::begin(&in_directory(&directory, 1), &start(1), None).expect("begun");
    let mode = |path: &Path| {
        let metadata = std::fs::metadata(path).expect("it exists");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode(&directory), mode(tape.path())), (0o700, 0o600));
}

#[test]
fn a_full_recording_says_so_and_keeps_its_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let mut tape = Tape::begin(&in_directory(directory.path(), 1), &start, None).expect("begun");
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    let mut taken = 0;
    let end = loop {
        taken += 1;
        step(&mut recorder, &mut node, taken, big(1000));
        recorder.hand_over();
        if let Some(end) = play(&mut tape, &batches) {
            break end;
        }
    };
    assert_eq!(end, End::Full);
    let len = std::fs::metadata(tape.path()).expect("it exists").len();
    assert!((BYTES_MAX - 2000..=BYTES_MAX).contains(&len), "{len} bytes");
    let replayed = replay_file(tape.path(), |_, _, _, _| {}).expect("whole");
    assert_eq!(replayed.tail, Tail::Ended(End::Full));
    assert_eq!(
        replayed.steps,
        taken - 1,
        "all but the one that did not fit"
    );
    // The task is gone, and the recorder rests.
    drop(batches);
    step(&mut recorder, &mut node, taken + 1, Event::Tick);
    recorder.hand_over();
    assert!(recorder.lane.is_none());
}

#[test]
fn of_what_is_gathered_as_much_is_kept_as_fits() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let mut tape = Tape::begin(&in_directory(directory.path(), 1), &start, None).expect("begun");
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    for number in 1..=2 * BYTES_MAX / 1000 {
        step(&mut recorder, &mut node, number, big(1000));
        recorder.hand_over();
    }
    assert_eq!(play(&mut tape, &batches), Some(End::Full));
    let len = std::fs::metadata(tape.path()).expect("it exists").len();
    assert!((BYTES_MAX - 2000..=BYTES_MAX).contains(&len), "{len} bytes");
    let replayed = replay_file(tape.path(), |_, _, _, _| {}).expect("whole");
    assert_eq!(replayed.tail, Tail::Ended(End::Full));
}

#[test]
fn a_log_that_is_too_long_is_refused_before_anything_is_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let recording = in_directory(directory.path(), 1);
    let mut start = start(1);
    Tape::begin(&recording, &start, None).expect("begun");
    start.durable.raft.log = vec![Entry {
        term: Term(1),
        index: LogIndex(1),
        data: Payload::from(vec![0; 64 * 1024]),
        voters: None,
    }];
    let refused = Tape::begin(&recording, &start, None).expect_err("too long");
    assert!(refused.to_string().contains("recorder.bytes_max"));
    assert_eq!(names(directory.path()), ["n1-000001.recording"]);
}

#[test]
fn a_recorder_that_falls_behind_ends_without_a_gap() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let recording = Recording::new(directory.path());
    let mut tape = Tape::begin(&recording, &start, None).expect("begun");
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    let mut taken = 0;
    while recorder.lane.is_some() {
        taken += 1;
        step(&mut recorder, &mut node, taken, big(1 << 20));
        recorder.hand_over();
        assert!(taken < 40, "the queue has no bound");
    }
    assert_eq!(taken, 32, "31 of a little over 1 MiB fit into 32 MiB");
    assert_eq!(play(&mut tape, &batches), Some(End::Behind));
    let replayed = replay_file(tape.path(), |_, _, _, _| {}).expect("whole");
    assert_eq!(
        (replayed.steps, replayed.tail),
        (taken - 1, Tail::Ended(End::Behind))
    );
}

#[test]
fn an_event_too_long_for_a_frame_ends_the_recording_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let mut tape = Tape::begin(&in_directory(directory.path(), 1), &start, None).expect("begun");
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    step(&mut recorder, &mut node, 1, Event::Tick);
    step(&mut recorder, &mut node, 2, big(16 << 20));
    assert_eq!(play(&mut tape, &batches), Some(End::TooLong));
    let replayed = replay_file(tape.path(), |_, _, _, _| {}).expect("whole");
    assert_eq!(
        (replayed.steps, replayed.tail),
        (1, Tail::Ended(End::TooLong))
    );
}

#[test]
fn what_a_node_did_not_survive_is_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let mut tape = Tape::begin(&in_directory(directory.path(), 1), &start, None).expect("begun");
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    step(&mut recorder, &mut node, 1, Event::Tick);
    recorder.before(Time::from_millis(2), &Event::DiskStalled);
    drop(recorder);
    assert_eq!(play(&mut tape, &batches), None);
    let mut last = None;
    let seen = |_: Time, event: &Event, _: &[Action], _: &Node| last = Some(event.clone());
    let replayed = replay_file(tape.path(), seen).expect("whole");
    assert_eq!((replayed.steps, replayed.tail), (2, Tail::Cut { torn: 0 }));
    assert_eq!(last, Some(Event::DiskStalled));
}

#[test]
fn damage_is_named_with_file_and_offset() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = start(1);
    let mut tape = Tape::begin(&in_directory(directory.path(), 1), &start, None).expect("begun");
    let offset = std::fs::metadata(tape.path()).expect("it exists").len();
    let (mut recorder, batches) = stuck(&start);
    let mut node = start.node();
    for number in 1..4 {
        step(&mut recorder, &mut node, number, Event::Tick);
    }
    recorder.end(End::Halted);
    assert_eq!(play(&mut tape, &batches), Some(End::Halted));
    let mut bytes = std::fs::read(tape.path()).expect("readable");
    bytes[usize::try_from(offset).expect("small") + 20] ^= 1;
    std::fs::write(tape.path(), bytes).expect("writable");
    let error = replay_file(tape.path(), |_, _, _, _| {}).expect_err("damaged");
    let (said, file) = (error.to_string(), tape.path().display().to_string());
    assert!(said.contains(&file), "{said}");
    assert!(
        said.contains(&format!("damaged at byte {offset} (step 1)")),
        "{said}"
    );
    let missing = replay_file(&directory.path().join("none"), |_, _, _, _| {});
    assert!(matches!(missing, Err(RecordingError::Unreadable { .. })));
}

#[test]
fn bounds_are_checked() {
    let mut recording = Recording::new("recordings");
    assert!(recording.problems().is_empty());
    recording.bytes_max = 65_535;
    recording.lives_max = 0;
    let keys: Vec<_> = recording.problems().iter().map(|p| p.key).collect();
    assert_eq!(keys, ["recorder.bytes_max", "recorder.lives_max"]);
}
