//! A sample of every message type.

use std::net::SocketAddr;

use quorate_core::control::{self, Answer, Command, Effect, Envelope, Forward, Outcome, Refused};
use quorate_core::gossip;
use quorate_core::id::{
    ClientId, Epoch, Incarnation, LogIndex, NodeId, Peer, RequestId, RoleName, Term, Zone,
};
use quorate_core::level::{Level, LevelRange, RaiseRefused, Unfit};
use quorate_core::membership::{
    self, Ack, Differ, Evidence, Gossip, Join, Nack, PARTS, Ping, PingReq, Reason, State, Sync,
    TurnedAway, Update, Welcome,
};
use quorate_core::payload::Payload;
use quorate_core::raft::{
    self, Append, AppendOutcome, AppendReply, Entry, InstallSnapshot, PreVote, PreVoteReply,
    ReadIndex, ReadIndexReply, Resigned, Snapshot, SnapshotReply, TimeoutNow, Vote, VoteReply,
};
use quorate_core::voters::{ChangeRefused, VoterChange, Voters};
use quorate_core::wire::Message;

fn updates() -> Vec<Update> {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    vec![
        Update {
            node: NodeId(1),
            incarnation: Incarnation::of_boot(2),
            state: State::Alive,
            address: address("10.0.0.1:7000"),
            zone: Some(Zone::new("eu-1a").unwrap()),
            is_witness: false,
            levels: LevelRange::FIRST,
            evidence: None,
        },
        Update {
            node: NodeId(2),
            incarnation: Incarnation(0x0102_0304_0506_0708),
            state: State::Suspect,
            address: address("[2001:db8::2]:65535"),
            zone: None,
            is_witness: false,
            levels: LevelRange::FIRST,
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
        ("gossip-witness", 0x16, M::Gossip(of_witness())),
        ("sync", 0x17, M::Sync(sync)),
        ("differ", 0x18, M::Differ(differ)),
        ("turned-away-taken", 0x19, M::TurnedAway(taken)),
        ("turned-away-removed", 0x19, M::TurnedAway(removed)),
        ("turned-away-level", 0x19, M::TurnedAway(of_level())),
        ("gossip-levels", 0x16, M::Gossip(of_levels())),
    ]
}

fn levels() -> LevelRange {
    LevelRange {
        min: Level(1),
        max: Level(2),
    }
}

fn of_level() -> TurnedAway {
    let (level, knows) = (Level(3), levels());
    let reason = Reason::Level(Unfit { level, knows });
    TurnedAway { reason }
}

/// With a zone and without.
fn of_levels() -> Gossip {
    let knowing = |update: Update| Update {
        levels: levels(),
        ..update
    };
    let updates = updates().into_iter().map(knowing).collect();
    Gossip { updates }
}

fn of_witness() -> Gossip {
    let witness = Update {
        is_witness: true,
        ..updates().remove(0)
    };
    let updates = vec![witness];
    Gossip { updates }
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
        ("resigned", 0x2b, M::Resigned(Resigned { term, place: 1 })),
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
    let (life, number) = (0x0102_0304_0506_0708, 9);
    let ask = raft::Message::ReadIndex(ReadIndex { life, number });
    let told = |index| {
        raft::Message::ReadIndexReply(ReadIndexReply {
            life,
            number,
            index,
        })
    };
    let matched = AppendOutcome::Matched { index };
    let conflict = AppendOutcome::Conflict { index: lower, term };
    vec![
        ("append-heartbeat", 0x24, append(Vec::new())),
        ("append-entries", 0x24, append(entries)),
        ("append-reply-matched", 0x25, reply(matched)),
        ("append-reply-conflict", 0x25, reply(conflict)),
        ("install-snapshot", 0x27, install),
        ("snapshot-reply", 0x28, held),
        ("read-index", 0x29, ask),
        ("read-index-reply", 0x2a, told(Some(index))),
        ("read-index-reply-refused", 0x2a, told(None)),
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
        ("change-voters", Command::ChangeVoters(change.clone())),
        ("force-voters", Command::ForceVoters(change)),
        ("remove-node", Command::RemoveNode { node }),
        ("admit-node", Command::AdmitNode { node }),
        ("take-vote", Command::TakeVote { node }),
        ("raise-level", Command::RaiseLevel { to: Level(2) }),
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
        ("vote-taken", Ok(Effect::VoteTaken)),
        ("removes-voter", Err(Refused::RemovesVoter)),
        ("backlog", Err(Refused::Backlog)),
        ("level-raised", Ok(Effect::LevelRaised)),
        (
            "level-unsupported",
            Err(Refused::Level(RaiseRefused::Unsupported {
                node: NodeId(4),
                knows: LevelRange::FIRST,
            })),
        ),
        (
            "adds-removed",
            Err(Refused::AddsRemoved { node: NodeId(4) }),
        ),
        (
            "voters-behind",
            Err(Refused::Voters(ChangeRefused::Behind(NodeId(4)))),
        ),
        (
            "voters-no-majority",
            Err(Refused::Voters(ChangeRefused::NoMajority)),
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

/// All of them, with their name and their code.
pub(crate) fn messages() -> Vec<(String, u8, Message)> {
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
