//! The bytes of version 1, frozen: one file of hex digits per message type and per kind of frame.
//!
//! A mismatch means that nodes of two builds would not understand each other. If that is intended,
//! it needs a new protocol version; only a new sample is written with `QUORATE_BLESS=1`.

#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_core::control::{self, Answer, Command, Effect, Envelope, Forward, Outcome, Refused};
use quorate_core::gossip;
use quorate_core::id::{
    ClientId, ClusterId, Epoch, Incarnation, LogIndex, NodeId, Peer, RequestId, RoleName, Term,
    Zone,
};
use quorate_core::membership::{
    self, Ack, Differ, Evidence, Gossip, Join, Nack, PARTS, Ping, PingReq, Reason, State, Sync,
    TurnedAway, Update, Welcome,
};
use quorate_core::node;
use quorate_core::payload::Payload;
use quorate_core::raft::{
    self, Append, AppendOutcome, AppendReply, Entry, InstallSnapshot, PreVote, PreVoteReply,
    Snapshot, SnapshotReply, TimeoutNow, Vote, VoteReply,
};
use quorate_core::time::Time;
use quorate_core::transport::{
    Hello, Link, Outgoing, Priority, Session, Unacknowledged, VersionRange,
};
use quorate_core::voters::{ChangeRefused, VoterChange, Voters};
use quorate_core::wire::{DecodeError, Message, codec};

/// Compares `bytes` with the file of that name, or writes the file when blessing.
fn check_golden(name: &str, bytes: &[u8]) {
    let mut hex = String::new();
    for line in bytes.chunks(16) {
        for byte in line {
            write!(hex, "{byte:02x}").unwrap();
        }
        hex.push('\n');
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/wire/v1/{name}.hex"));
    if std::env::var_os("QUORATE_BLESS").is_some() {
        std::fs::write(&file, &hex).unwrap();
    }
    let frozen = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{name}: {error}; the bytes are now\n{hex}"));
    assert_eq!(frozen, hex, "{name}: the bytes are now\n{hex}");
}

fn updates() -> Vec<Update> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    vec![
        Update {
            node: NodeId(1),
            incarnation: Incarnation::of_boot(2),
            state: State::Alive,
            address: address("10.0.0.1:7000"),
            zone: Some(Zone::new("eu-1a").unwrap()),
            evidence: None,
        },
        Update {
            node: NodeId(2),
            incarnation: Incarnation(0x0102_0304_0506_0708),
            state: State::Suspect,
            address: address("[2001:db8::2]:65535"),
            zone: None,
            evidence: Some(Evidence {
                accuser: NodeId(3),
                witnesses: vec![NodeId(4)],
                health: 1,
            }),
        },
    ]
}

fn membership_messages() -> Vec<(&'static str, u8, membership::Message)> {
    use membership::Message as M;
    let probe = 0x1122_3344_5566_7788;
    let ack = Ack {
        probe,
        alive: NodeId(2),
        incarnation: Incarnation::of_boot(1),
        fingerprint: 0x0f0e_0d0c_0b0a_0908,
        updates: Vec::new(),
    };
    let target = NodeId(4);
    let join = Join {
        updates: updates(),
        more: true,
    };
    let welcome = Welcome {
        updates: Vec::new(),
        more: false,
    };
    let sync = Sync {
        parts: vec![7; PARTS],
        updates: updates(),
    };
    let differ = Differ {
        parts: 1 << 63 | 5,
        asks: true,
        updates: updates(),
        more: false,
    };
    let gossip = Gossip {
        updates: updates_of_all_states(),
    };
    let by = "[2001:db8::2]:7000".parse().unwrap();
    let taken = TurnedAway {
        reason: Reason::NameTaken { by },
    };
    let removed = TurnedAway {
        reason: Reason::Removed { at: LogIndex(300) },
    };
    vec![
        (
            "ping",
            0x10,
            M::Ping(Ping {
                probe,
                updates: updates(),
            }),
        ),
        ("ack", 0x11, M::Ack(ack)),
        (
            "ping-req",
            0x12,
            M::PingReq(PingReq {
                probe,
                target,
                updates: Vec::new(),
            }),
        ),
        ("nack", 0x13, M::Nack(Nack { probe })),
        ("join", 0x14, M::Join(join)),
        ("welcome", 0x15, M::Welcome(welcome)),
        ("gossip", 0x16, M::Gossip(gossip)),
        ("sync", 0x17, M::Sync(sync)),
        ("differ", 0x18, M::Differ(differ)),
        ("turned-away-taken", 0x19, M::TurnedAway(taken)),
        ("turned-away-removed", 0x19, M::TurnedAway(removed)),
    ]
}

fn updates_of_all_states() -> Vec<Update> {
    let states = [State::Alive, State::Suspect, State::Dead, State::Left];
    let of = |state| Update {
        state,
        ..updates().remove(0)
    };
    states.into_iter().map(of).collect()
}

fn election_messages() -> Vec<(&'static str, u8, raft::Message)> {
    use raft::Message as M;
    let (term, last_index, last_term) = (Term(7), LogIndex(300), Term(6));
    let question = PreVote {
        term,
        last_index,
        last_term,
    };
    let request = Vote {
        term,
        last_index,
        last_term,
        called: true,
    };
    let (yes, no) = (true, false);
    let maybe = PreVoteReply { term, granted: yes };
    let refusal = VoteReply { term, granted: no };
    vec![
        ("pre-vote", 0x20, M::PreVote(question)),
        ("pre-vote-reply", 0x21, M::PreVoteReply(maybe)),
        ("vote", 0x22, M::Vote(request)),
        ("vote-reply", 0x23, M::VoteReply(refusal)),
        ("timeout-now", 0x26, M::TimeoutNow(TimeoutNow { term })),
    ]
}

fn replication_messages() -> Vec<(&'static str, u8, raft::Message)> {
    let (term, round) = (Term(7), 9);
    let entry = |index, data: &[u8]| Entry {
        term,
        index: LogIndex(index),
        data: Payload::copy_from(data),
        voters: None,
    };
    let append = |entries| {
        let (prev_index, prev_term, commit) = (LogIndex(41), Term(6), LogIndex(40));
        raft::Message::Append(Append {
            term,
            round,
            prev_index,
            prev_term,
            commit,
            entries,
        })
    };
    let reply = |outcome| {
        raft::Message::AppendReply(AppendReply {
            term,
            round,
            outcome,
        })
    };
    let mut entries = vec![entry(42, b""), entry(43, b"data")];
    let old = Voters::of([NodeId(1), NodeId(2)].into());
    entries[0].voters = Some(old.changing_to([NodeId(2), NodeId(3)].into()));
    let (index, lower, term) = (LogIndex(43), LogIndex(12), Term(3));
    let voters = [NodeId(1), NodeId(2)].into();
    let snapshot = Snapshot::new(LogIndex(40), Term(6), voters, Payload::copy_from(b"state"));
    let part = snapshot.part(2, 2);
    let install = raft::Message::InstallSnapshot(InstallSnapshot { term, round, part });
    let held = raft::Message::SnapshotReply(SnapshotReply {
        term,
        round,
        index: LogIndex(40),
        held: 4,
    });
    let matched = AppendOutcome::Matched { index };
    let conflict = AppendOutcome::Conflict { index: lower, term };
    vec![
        ("append-heartbeat", 0x24, append(Vec::new())),
        ("append-entries", 0x24, append(entries)),
        ("append-reply-matched", 0x25, reply(matched)),
        ("append-reply-conflict", 0x25, reply(conflict)),
        ("install-snapshot", 0x27, install),
        ("snapshot-reply", 0x28, held),
    ]
}

fn commands() -> Vec<(&'static str, Command)> {
    let role = RoleName::new("primary").unwrap();
    let (node, boot) = (NodeId(3), 2);
    let grant = Command::GrantRole {
        role: role.clone(),
        holder: Peer { node, boot },
        expected: Epoch(0),
    };
    let release = Command::ReleaseRole {
        role: role.clone(),
        expected: Epoch(17),
    };
    let write = Command::Write {
        role,
        epoch: Epoch(17),
        key: "k\u{e9}y".into(),
        value: Payload::copy_from(b"value"),
    };
    let change = VoterChange::replace(NodeId(3), NodeId(4));
    vec![
        ("grant-role", grant),
        ("release-role", release),
        ("write", write),
        ("barrier", Command::Barrier),
        ("change-voters", Command::ChangeVoters(change)),
        ("remove-node", Command::RemoveNode { node }),
        ("admit-node", Command::AdmitNode { node }),
    ]
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let stale = Refused::StaleEpoch {
        current: Epoch(18),
        holder: Some(NodeId(1)),
    };
    vec![
        ("granted", Ok(Effect::Granted { epoch: Epoch(18) })),
        ("released", Ok(Effect::Released { epoch: Epoch(19) })),
        ("written", Ok(Effect::Written { version: 4 })),
        ("passed", Ok(Effect::Passed)),
        ("stale-epoch", Err(stale)),
        ("unknown-role", Err(Refused::UnknownRole)),
        ("out-of-bounds", Err(Refused::OutOfBounds)),
        ("full", Err(Refused::Full)),
        ("superseded", Err(Refused::Superseded)),
        ("voters-changed", Ok(Effect::VotersChanged)),
        ("removed", Ok(Effect::Removed { at: LogIndex(20) })),
        ("admitted", Ok(Effect::Admitted)),
        ("removes-voter", Err(Refused::RemovesVoter)),
        (
            "adds-removed",
            Err(Refused::AddsRemoved { node: NodeId(4) }),
        ),
        (
            "voters-behind",
            Err(Refused::Voters(ChangeRefused::Behind(NodeId(4)))),
        ),
    ]
}

fn control_messages() -> Vec<(String, u8, control::Message)> {
    let (client, request, index) = (ClientId(5), RequestId(6), LogIndex(18));
    let forward = |(name, command)| {
        let envelope = Envelope {
            client,
            request,
            command,
        };
        let message = control::Message::Forward(Forward { envelope });
        (format!("forward-{name}"), 0x30, message)
    };
    let answer = |(name, outcome)| {
        let message = control::Message::Answer(Answer {
            client,
            request,
            index,
            outcome,
        });
        (format!("answer-{name}"), 0x31, message)
    };
    let forwards = commands().into_iter().map(forward);
    forwards.chain(outcomes().into_iter().map(answer)).collect()
}

fn gossip_messages() -> Vec<(&'static str, u8, gossip::Message)> {
    use gossip::{Branch, Branches, Change, Children, Delta, Digest, Entry, Holding, Holdings};
    use gossip::{Message, News, Wants};
    let owner = Peer {
        node: NodeId(7),
        boot: 3,
    };
    let of = Branch { depth: 1, index: 9 };
    let sums = (100..116).collect();
    let words = vec![0x1122_3344_5566_7788, 1];
    let floor = 5;
    let holding = Holding {
        owner,
        floor,
        words,
    };
    let entry = |version, value: Option<&[u8]>| Entry {
        key: "load".into(),
        version,
        value: value.map(Payload::copy_from),
    };
    let entries = vec![entry(6, Some(b"high")), entry(7, None)];
    let changes = vec![Change {
        owner,
        floor,
        entries,
    }];
    let branches = vec![Children { of, sums }];
    let holdings = Holdings {
        branches: vec![of],
        owners: vec![holding.clone()],
    };
    let wants = Wants {
        owners: vec![holding],
    };
    let delta = Delta {
        changes: changes.clone(),
        more: true,
    };
    let digest = Digest {
        root: 0x0102_0304_0506_0708,
    };
    vec![
        ("digest", 0x40, Message::Digest(digest)),
        ("branches", 0x41, Message::Branches(Branches { branches })),
        ("holdings", 0x42, Message::Holdings(holdings)),
        ("wants", 0x43, Message::Wants(wants)),
        ("delta", 0x44, Message::Delta(delta)),
        ("news", 0x45, Message::News(News { changes })),
    ]
}

fn messages() -> Vec<(String, u8, Message)> {
    let mut all = Vec::new();
    for (name, code, message) in membership_messages() {
        all.push((name.to_string(), code, Message::Membership(message)));
    }
    let raft = election_messages()
        .into_iter()
        .chain(replication_messages());
    for (name, code, message) in raft {
        all.push((name.to_string(), code, Message::Raft(message)));
    }
    for (name, code, message) in control_messages() {
        all.push((name, code, Message::Control(message)));
    }
    for (name, code, message) in gossip_messages() {
        all.push((name.to_string(), code, Message::Gossip(message)));
    }
    all
}

#[test]
fn messages_keep_their_bytes() {
    for (name, code, message) in messages() {
        let mut body = Vec::new();
        assert_eq!(message.encode(&mut body), code, "{name}");
        check_golden(&name, &body);
    }
}

#[test]
fn messages_survive_the_wire() {
    for (name, code, message) in messages() {
        let mut body = Vec::new();
        message.encode(&mut body);
        assert_eq!(Message::decode(code, &body), Ok(message), "{name}");
        for len in 0..body.len() {
            let cut = Message::decode(code, &body[..len]);
            assert_eq!(cut, Err(DecodeError::Malformed), "{name} cut to {len}");
        }
        body.push(0);
        let trailing = DecodeError::Trailing { len: 1 };
        assert_eq!(Message::decode(code, &body), Err(trailing), "{name}");
    }
}

fn hello(node: u64, address: &str) -> Hello {
    Hello {
        versions: VersionRange { min: 1, max: 1 },
        cluster: ClusterId::new("prod-a").unwrap(),
        peer: Peer {
            node: NodeId(node),
            boot: 0x0102_0304,
        },
        address: address.parse().unwrap(),
    }
}

/// One end of a connection.
struct End {
    link: Link,
    session: Session,
}

impl End {
    fn new(ours: Hello) -> End {
        let cluster = ours.cluster.clone();
        let config = node::Config::lan(cluster, ours.peer.node, ours.address).transport;
        End {
            link: Link::new(config.clone(), ours, None, Time::ZERO),
            session: Session::new(config),
        }
    }

    fn transmitted(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        let record = |record: &[u8]| wire.extend_from_slice(record);
        self.link.transmit(Time::ZERO, &mut self.session, record);
        wire
    }

    /// How many outputs the bytes made.
    fn delivered(&mut self, bytes: &[u8]) -> usize {
        let (mut count, now) = (0, Time::ZERO);
        self.link
            .receive(now, bytes, &mut self.session, &mut |_| count += 1);
        count
    }
}

fn established_pair() -> (End, End) {
    let (mut a, mut b) = (
        End::new(hello(1, "10.0.0.1:7000")),
        End::new(hello(2, "10.0.0.2:7000")),
    );
    let (from_a, from_b) = (a.transmitted(), b.transmitted());
    a.delivered(&from_b);
    b.delivered(&from_a);
    let resume = b.transmitted();
    check_golden("frame-resume", &resume);
    b.delivered(&a.transmitted());
    a.delivered(&resume);
    (a, b)
}

#[test]
fn hellos_keep_their_bytes_and_are_what_the_codec_would_write() {
    for (name, address) in [("v4", "10.0.0.1:7000"), ("v6", "[2001:db8::1]:65535")] {
        let ours = hello(3, address);
        let frame = End::new(ours.clone()).transmitted();
        check_golden(&format!("frame-hello-{name}"), &frame);
        assert_eq!(codec::decode(&frame[16..]), Ok(ours.clone()));
        let mut other = End::new(hello(4, "10.0.0.4:1"));
        assert_eq!(other.delivered(&frame), 1);
        assert_eq!(other.link.peer(), Some(&ours));
    }
}

#[test]
fn frames_keep_their_bytes() {
    let (mut a, mut b) = established_pair();
    let (body, id) = (&b"body"[..], 0x1122_3344_5566_7788);
    let (none, deadline) = (None, Some(Time::from_millis(1500)));
    let unacknowledged = [
        (
            "node",
            Priority::Critical,
            Unacknowledged::Node {
                code: 0x22,
                body: Payload::copy_from(body),
            },
        ),
        (
            "datagram",
            Priority::High,
            Unacknowledged::Datagram {
                body: Payload::copy_from(body),
            },
        ),
    ];
    for (name, priority, frame) in unacknowledged {
        a.link.submit(priority, frame).unwrap();
        check_sample(name, &mut a, &mut b);
    }
    let message = |deadline| Outgoing::Message { body, deadline };
    let request = |deadline| Outgoing::Request { id, body, deadline };
    let numbered = [
        ("message", Priority::Low, message(none)),
        ("message-deadline", Priority::Low, message(deadline)),
        ("request", Priority::Normal, request(none)),
        ("request-deadline", Priority::Normal, request(deadline)),
        ("reply", Priority::High, Outgoing::Reply { id, body }),
    ];
    for (name, priority, outgoing) in numbered {
        a.session.submit(Time::ZERO, priority, outgoing).unwrap();
        check_sample(name, &mut a, &mut b);
        let acknowledgement = b.transmitted();
        if name == "message" {
            check_golden("frame-ack", &acknowledgement);
        }
        a.delivered(&acknowledgement);
    }
    b.link.tick(Time::from_millis(1000), &mut |_| {});
    check_golden("frame-keepalive", &b.transmitted());
    b.link.close();
    check_golden("frame-goodbye", &b.transmitted());
}

#[test]
fn frames_of_streams_keep_their_bytes() {
    let (mut a, mut b) = established_pair();
    let now = Time::ZERO;
    let stream = a.session.open_stream(now, Priority::Low, 4).unwrap();
    check_sample("data-open", &mut a, &mut b);
    assert_eq!(a.session.write_stream(now, stream, b"body"), Ok(4));
    check_sample("data", &mut a, &mut b);
    a.session.end_stream(now, stream, true).unwrap();
    check_sample("data-end", &mut a, &mut b);
    b.transmitted();
    b.session.consume_stream(now, stream, 20);
    check_golden("frame-credit-closed", &b.transmitted());
    let (body, deadline) = (&[7; 200_000][..], None);
    for _ in 0..11 {
        let long = Outgoing::Message { body, deadline };
        a.session.submit(now, Priority::Low, long).unwrap();
        while exchange(&mut a, &mut b) {}
    }
    b.session.consume(now, Priority::Low, 4 << 20);
    check_golden("frame-credit", &b.transmitted());
    a.session.tick(Time::from_millis(2000));
    a.session
        .submit(now, Priority::Low, Outgoing::Reply { id: 1, body })
        .unwrap();
    a.transmitted();
    a.session.tick(Time::from_millis(4000));
    let probe = a.transmitted();
    check_golden("frame-probe", &probe[..16]);
}

/// One record each way; false when neither had anything to say.
fn exchange(a: &mut End, b: &mut End) -> bool {
    let (from_a, from_b) = (a.transmitted(), b.transmitted());
    a.delivered(&from_b);
    b.delivered(&from_a);
    !from_a.is_empty() || !from_b.is_empty()
}

fn check_sample(name: &str, a: &mut End, b: &mut End) {
    let frame = a.transmitted();
    check_golden(&format!("frame-{name}"), &frame);
    b.delivered(&frame);
}

#[test]
fn every_golden_file_is_checked() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wire/v1");
    let frames = [
        "hello-v4",
        "hello-v6",
        "resume",
        "node",
        "datagram",
        "message",
        "message-deadline",
        "request",
        "request-deadline",
        "reply",
        "data-open",
        "data",
        "data-end",
        "credit",
        "credit-closed",
        "probe",
        "ack",
        "keepalive",
        "goodbye",
    ];
    let mut checked: Vec<String> = messages().into_iter().map(|sample| sample.0).collect();
    checked.extend(frames.iter().map(|frame| format!("frame-{frame}")));
    checked.sort();
    let entries = std::fs::read_dir(dir).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut found: Vec<String> = entries.map(|entry| name(entry.unwrap().path())).collect();
    found.sort();
    assert_eq!(found, checked);
}
