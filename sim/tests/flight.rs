//! Recordings under the simulator: the lives of a simulated run, written as real nodes write
//! theirs, come back as that run.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use quorate_core::id::{NodeId, Peer};
use quorate_core::journal::{End, Tail, Writer, encode_end, encode_start};
use quorate_core::node::{Action, Event};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role};
use quorate_sim::engine::des;
use quorate_sim::flight::{self, Flight, FlightError};
use quorate_sim::record::{Record, What};
use quorate_sim::scenarios;
use quorate_sim::why::{Fact, why};

/// The wall clock of a machine that is right, when the run begins.
const UNIX_NS: u64 = 1_700_000_000_000_000_000;

struct Tape {
    bytes: Vec<u8>,
    writer: Writer,
    from_ns: u64,
}

/// The recordings of all lives; the wall clock of a machine is wrong by what `skew` says.
fn tapes(record: &Record, skew: impl Fn(NodeId) -> i64) -> BTreeMap<Peer, Tape> {
    let mut tapes = BTreeMap::new();
    let mut running: BTreeMap<NodeId, Peer> = BTreeMap::new();
    for this in &record.all {
        let Some(node) = this.node else { continue };
        match &this.what {
            What::Started { life, start } => {
                let peer = Peer { node, boot: *life };
                let zero = UNIX_NS + this.at_ns - start.now.as_nanos();
                let mut bytes = Vec::new();
                let unix_ns = zero.checked_add_signed(skew(node)).expect("in range");
                encode_start(start, Some(unix_ns), &mut bytes).expect("short");
                running.insert(node, peer);
                let (writer, from_ns) = (Writer::new(), this.at_ns);
                tapes.insert(
                    peer,
                    Tape {
                        bytes,
                        writer,
                        from_ns,
                    },
                );
            }
            What::Step {
                now,
                event,
                actions,
                ..
            } => {
                let tape = tapes.get_mut(&running[&node]).expect("it runs");
                tape.writer.before(*now, event).expect("short");
                tape.writer.after(actions);
                if tape.writer.next().is_multiple_of(100) {
                    tape.bytes.extend(tape.writer.take());
                }
            }
            What::Crashed { .. } => {
                let tape = tapes.get_mut(&running[&node]).expect("it ran");
                tape.bytes.extend(tape.writer.take());
                running.remove(&node);
            }
            What::Ended(_)
            | What::Struck { .. }
            | What::WentOn
            | What::Healed
            | What::Violated(_) => {}
        }
    }
    for peer in running.values() {
        let tape = tapes.get_mut(peer).expect("it runs");
        tape.bytes.extend(tape.writer.take());
        encode_end(tape.writer.next(), End::Stopped, &mut tape.bytes);
    }
    tapes
}

fn file(directory: &Path, peer: Peer) -> PathBuf {
    directory.join(format!("n{}-{:06}.recording", peer.node.0, peer.boot))
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("flight")
        .join(name);
    let _nothing_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn recorded(name: &str, skew: impl Fn(NodeId) -> i64) -> (Record, BTreeMap<Peer, Tape>, PathBuf) {
    let (_, record) = des::record(&scenarios::find("leader-crash").expect("known").plan(3));
    let (tapes, directory) = (tapes(&record, skew), folder(name));
    for (peer, tape) in &tapes {
        std::fs::write(file(&directory, *peer), &tape.bytes).expect("written");
    }
    (record, tapes, directory)
}

type Steps = BTreeMap<NodeId, Vec<(u64, Event, Vec<Action>)>>;

fn steps(record: &Record) -> Steps {
    let mut steps = Steps::new();
    for this in &record.all {
        if let (
            Some(node),
            What::Step {
                now,
                event,
                actions,
                ..
            },
        ) = (this.node, &this.what)
        {
            let step = (now.as_nanos(), event.clone(), actions.clone());
            steps.entry(node).or_default().push(step);
        }
    }
    steps
}

/// Received messages, and of those, the ones whose sending is known.
fn explained(record: &Record) -> (usize, usize) {
    let received = record
        .all
        .iter()
        .filter(|this| matches!(this.event(), Some(Event::Received { .. })));
    let known = received.clone().filter(|this| this.cause.is_some());
    (received.count(), known.count())
}

#[test]
fn a_run_comes_back_from_its_recordings_whatever_the_wall_clocks_say() {
    // One machine is right, one is 80 ms ahead, one 250 ms behind, and so on.
    let skew = |node: NodeId| [0, 0, 80, -250, 3, -7][node.0 as usize % 6] * 1_000_000;
    let (record, tapes, directory) = recorded("skewed", skew);
    let flight: Flight = flight::read(&[directory]).expect("lived again");
    assert_eq!(flight.tapes.len(), tapes.len());
    assert_eq!(steps(&flight.record), steps(&record), "the same lives");
    let (before, after) = (explained(&record), explained(&flight.record));
    assert_eq!(after, before, "each message has its sending");
    assert!(after.0 > 1_000 && after.0 == after.1);
    for (number, this) in flight.record.all.iter().enumerate() {
        let cause = this.cause.map(|cause| &flight.record.all[cause]);
        assert!(this.cause.is_none_or(|cause| cause < number));
        assert!(cause.is_none_or(|cause| cause.at_ns <= this.at_ns));
    }
    assert_eq!(flight.drift_ns, 0);
    assert!(flight.tapes.iter().any(|tape| tape.place.moved_ns > 0));
    // The truth lies within what was said to be sure.
    let first = &flight.tapes[0];
    for tape in &flight.tapes {
        let (place, truth) = (&tape.place, tapes[&tape.life].from_ns);
        let said = place.from_ns as i64 - first.place.from_ns as i64;
        let true_distance = truth as i64 - tapes[&first.life].from_ns as i64;
        let error = said - true_distance;
        let (earlier, later) = (
            place.earlier_ns.expect("known"),
            place.later_ns.expect("known"),
        );
        assert!(
            error <= earlier as i64 && -error <= later as i64,
            "{tape:?}"
        );
        assert!(earlier + later < 3_000_000, "a few ways long: {tape:?}");
    }
}

fn leader_after(record: &Record, at_ns: u64) -> NodeId {
    let leads = |notice: &Notice| {
        matches!(
            notice,
            Notice::Raft(raft::Notice::RoleChanged {
                to: Role::Leader,
                ..
            })
        )
    };
    let found = record
        .all
        .iter()
        .find(|this| this.at_ns >= at_ns && this.notices().any(leads));
    found.and_then(|this| this.node).expect("somebody leads")
}

#[test]
fn why_names_the_end_of_the_old_leader() {
    let (_, _, directory) = recorded("why", |_| 0);
    let record = flight::read(&[directory]).expect("lived again").record;
    let ended = record
        .all
        .iter()
        .find(|this| matches!(this.what, What::Ended(Tail::Cut { .. })))
        .expect("the leader crashed");
    let old = ended.node.expect("a node");
    let new = leader_after(&record, ended.at_ns);
    let evidence = why(&record, new, Fact::Leader, Some(ended.at_ns));
    let says = |part: &str, node: NodeId, words: &str| {
        let fits = |piece: &&quorate_sim::why::Evidence| {
            piece.part == part && piece.node == node.0 && piece.words.contains(words)
        };
        assert!(
            evidence.iter().any(|piece| fits(&piece)),
            "{part}: {evidence:#?}"
        );
    };
    says("process", old, "breaks off");
    says("connection", new, &format!("connection down with {old}"));
    says("role", new, "the leader's connection broke");
    let parts: Vec<_> = evidence.iter().map(|piece| piece.part).collect();
    assert!(parts.contains(&"vote given") && parts.contains(&"last heartbeat"));
    let evidence = why(&record, old, Fact::Dead, None);
    let parts: Vec<_> = evidence.iter().map(|piece| piece.part).collect();
    for part in ["suspicion", "relay asked", "nack", "process"] {
        assert!(parts.contains(&part), "{part}: {evidence:#?}");
    }
}

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn recordings_are_replayed_by_the_verbs_for_plans() {
    let (_, tapes, directory) = recorded("verbs", |_| 0);
    let all = directory.display().to_string();
    let whole = sim(&["replay", &all]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let told = text(&whole);
    assert!(told.contains("→PreCandidate"), "{told}");
    assert!(told.contains("every step agrees"), "{told}");
    let print = told
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint "));
    let print = print.expect("a fingerprint").to_string();
    let expect = |print: &str| {
        sim(&["replay", &all, "--quiet", "--expect", print])
            .status
            .code()
    };
    assert_eq!((expect(&print), expect("00")), (Some(0), Some(3)));
    let window = [
        "replay", &all, "--from", "3s", "--for", "2s", "--node", "n2",
    ];
    let part = text(&sim(&window));
    let mut lines = part
        .lines()
        .filter(|line| line.starts_with("t=") && line.contains("  "));
    assert!(part.len() < told.len() && lines.all(|l| l.contains(" n2 ") || l.contains("Unix")));
    let files: Vec<String> = tapes
        .keys()
        .map(|p| file(&directory, *p).display().to_string())
        .collect();
    let args: Vec<&str> = ["replay", "--json"]
        .into_iter()
        .chain(files[..2].iter().map(String::as_str))
        .collect();
    let json: serde_json::Value = serde_json::from_slice(&sim(&args).stdout).expect("JSON");
    assert_eq!(json["recordings"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["recordings"][0]["life"], "n1#1");
    let one = sim(&["replay", &files[0], "--quiet"]);
    assert_eq!(one.status.code(), Some(0), "{one:?}");
    let page = directory.join("page.html").display().to_string();
    assert_eq!(sim(&["view", &all, "-o", &page]).status.code(), Some(0));
    assert!(
        std::fs::read_to_string(&page)
            .expect("a page")
            .contains("recording of n1 n2")
    );
    assert_eq!(
        sim(&["why", &all, "n2", "dead", "--at", "99s"])
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn a_recording_is_stepped_through_forth_and_back() {
    let (_, _, directory) = recorded("step", |_| 0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim"))
        .arg("replay")
        .arg(&directory)
        .args(["--step", "--from", "3s", "--node", "n2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut keys = child.stdin.take().expect("a pipe");
    keys.write_all(b"\nn\nb\ns\nq\n").expect("keys");
    drop(keys);
    let output = child.wait_with_output().expect("it ends");
    let out = text(&output);
    let events: Vec<&str> = out.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!((events.len(), events[0]), (3, events[2]), "{out}");
    assert!(
        out.contains("n2#1 ") && out.contains("member n1#1"),
        "{out}"
    );
}

#[test]
fn what_does_not_replay_is_named_with_its_file_and_place() {
    let (record, tapes, directory) = recorded("broken", |_| 0);
    let one = |name: &str, bytes: &[u8]| {
        let path = folder("broken-one").join(name);
        std::fs::write(&path, bytes).expect("written");
        sim(&["replay", &path.display().to_string(), "--quiet"])
    };
    let (peer, tape) = tapes.first_key_value().expect("one");
    let bytes = &tape.bytes;
    let cut = one("cut.recording", &bytes[..bytes.len() - 30]);
    assert_eq!(cut.status.code(), Some(0), "{cut:?}");
    assert!(text(&cut).contains("breaks off in "), "{cut:?}");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    let flipped = one("flipped.recording", &flipped);
    assert_eq!(flipped.status.code(), Some(2), "{flipped:?}");
    let said = complaint(&flipped);
    assert!(
        said.contains("flipped.recording: damaged at byte "),
        "{said}"
    );
    let foreign = one("foreign.recording", b"something else entirely");
    assert_eq!(foreign.status.code(), Some(2));
    assert!(complaint(&foreign).contains("foreign.recording: not a recording"));
    let missing = sim(&["replay", "no-such.recording"]);
    assert_eq!(missing.status.code(), Some(2));
    let nothing = sim(&["replay", &folder("nothing").display().to_string()]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(complaint(&nothing).contains("no recording in "));

    // A node that did something else when it was recorded: one step claims no action at all.
    let (mut forged, mut writer) = (Vec::new(), Writer::new());
    let own = record
        .all
        .iter()
        .filter(|this| this.node == Some(peer.node));
    let mut wrong = 0;
    for this in own {
        match &this.what {
            What::Started { life: 1, start } => {
                encode_start(start, None, &mut forged).expect("short");
            }
            What::Step {
                now,
                event,
                actions,
                ..
            } => {
                writer.before(*now, event).expect("short");
                let is_forged = wrong == 0 && writer.next() > 50 && !actions.is_empty();
                if is_forged {
                    wrong = writer.next() - 1;
                }
                writer.after(if is_forged { &[] } else { actions });
            }
            What::Crashed { .. } => break,
            What::Started { .. }
            | What::Ended(_)
            | What::Struck { .. }
            | What::WentOn
            | What::Healed
            | What::Violated(_) => {}
        }
    }
    forged.extend(writer.take());
    let forged = one("forged.recording", &forged);
    assert_eq!(forged.status.code(), Some(3), "{forged:?}");
    let said = complaint(&forged);
    assert!(
        said.contains("forged.recording: diverged at step"),
        "{said}"
    );
    assert!(
        said.contains(&format!("step {wrong} ")) && said.contains("did now: "),
        "{said}"
    );

    let copy = directory.join("n9-000009.recording");
    std::fs::write(&copy, bytes).expect("written");
    let twice = flight::read(std::slice::from_ref(&directory));
    assert!(matches!(twice, Err(FlightError::Twice { .. })), "{twice:?}");
}
