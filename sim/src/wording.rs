//! Happenings in words: events, actions, messages, faults and notices, each in one short phrase.

mod notices;

use std::fmt::Write;

use quorate_core::durable::Record as Durable;
use quorate_core::id::NodeId;
use quorate_core::journal::Tail;
use quorate_core::membership::{self, Update};
use quorate_core::node::{Action, Command, Event};
use quorate_core::raft;
use quorate_core::time::Wake;
use quorate_core::wire::Message;
use quorate_core::{control, gossip};

use crate::plan::{Moment, Strike, Who};
use crate::record::{Happening, What};

pub use notices::{Change, notice};

/// The most updates of one message that are spelled out.
const UPDATES_TOLD: usize = 3;

/// A moment of a run.
#[must_use]
pub fn moment(at_ns: u64) -> String {
    let millis = at_ns / 1_000_000;
    let time = format!("{}.{:03}s", millis / 1_000, millis % 1_000);
    let stamp = format!("t={time}");
    format!("{stamp:<9}")
}

/// A happening in one phrase.
#[must_use]
pub fn happening(this: &Happening) -> String {
    match &this.what {
        What::Step {
            event: told, due, ..
        } => event(told, *due, this.peer),
        What::Struck { strike, hits, .. } => format!("fault: {}", fault(strike, hits)),
        What::Started { life, .. } => format!("process starts, life {life}"),
        What::Crashed { moment } => format!("process crashes ({})", reached(*moment)),
        What::Ended(tail) => format!("recording {}", tail_of(*tail)),
        What::WentOn => "process goes on after its pause".to_string(),
        What::Healed => "everything heals".to_string(),
        What::Violated(violation) => {
            format!("VIOLATION {}: {}", violation.checker, violation.what)
        }
    }
}

/// How a recording ends.
#[must_use]
pub fn tail_of(tail: Tail) -> String {
    match tail {
        Tail::Ended(end) => format!("ends: {end}"),
        Tail::Cut { torn: 0 } => "breaks off: the process died, or still ran".to_string(),
        Tail::Cut { torn } => {
            format!("breaks off in {torn} bytes half written: the process died, or still ran")
        }
    }
}

/// An event in one phrase.
#[must_use]
pub fn event(event: &Event, due: Option<Wake>, peer: Option<NodeId>) -> String {
    let other = peer.map_or("?".to_string(), |peer| peer.to_string());
    match event {
        Event::Tick => match due {
            Some(due) => format!("timer {due:?}"),
            None => "tick".to_string(),
        },
        Event::LinkUp { peer, dialed, .. } => {
            let who = if *dialed {
                "which it dialled"
            } else {
                "which dialled"
            };
            format!("connection up with {peer}, {who}")
        }
        Event::LinkDown { .. } => format!("connection down with {other}"),
        Event::DialFailed { address } => format!("nobody answers at {address}"),
        Event::Received { message: told, .. } => format!("{other} says {}", message(told)),
        Event::Persisted(lsn) => format!("durable up to record {}", lsn.0),
        Event::DiskStalled => "disk stalled".to_string(),
        Event::Command { command, .. } => format!("is asked to {}", asked(command)),
    }
}

fn asked(command: &Command) -> String {
    match command {
        Command::Join { seeds } => format!("join through {} addresses", seeds.len()),
        Command::Leave => "leave".to_string(),
        Command::Propose {
            request: Some((client, request)),
            ..
        } => format!("propose request {request} of {client}"),
        Command::Propose { request: None, .. } => "propose".to_string(),
        Command::TransferLeadership { to: Some(to) } => format!("hand over to {to}"),
        Command::TransferLeadership { to: None } => "hand over".to_string(),
        Command::Members => "list its members".to_string(),
        Command::Status => "tell its standing".to_string(),
        Command::Role { role } => format!("tell who holds {role}"),
        Command::ReadLatest { key } => format!("read {key} as of now"),
        Command::Read { key } => format!("read {key}"),
        Command::Partition => "tell how the cluster hangs together".to_string(),
        Command::Quorum => "tell whether there is a quorum".to_string(),
        Command::SetState { key, .. } => format!("write {key} of its state"),
        Command::DeleteState { key } => format!("delete {key} of its state"),
        Command::ReadState { of: Some(node), .. } => format!("read the state of {node}"),
        Command::ReadState { of: None, .. } => "read everyone's state".to_string(),
        Command::Discovered { addresses, .. } => format!("try {} addresses", addresses.len()),
        Command::AddNode { node, address } => format!("add {node} at {address}"),
    }
}

/// What a node wants done, in one phrase; none for what only the host sees.
#[must_use]
pub fn action(action: &Action) -> Option<String> {
    Some(match action {
        Action::Send {
            to, message: told, ..
        } => format!("tells {to} {}", message(told)),
        Action::Dial { address, .. } => format!("dials {address}"),
        Action::Hangup { .. } => "hangs up".to_string(),
        Action::Persist { lsn, record } => format!("writes record {}: {}", lsn.0, written(record)),
        Action::Reply { ticket, answer } => match answer {
            Ok(_) => format!("answers {ticket}"),
            Err(refusal) => format!("refuses {ticket}: {refusal}"),
        },
        Action::PublishRoutes(_) => return None,
        Action::Halt(unfit) => format!("halts: {unfit}"),
        Action::Notify(told) => {
            let told = notice(told, None);
            match told.why.as_str() {
                "" => format!("notes: {}", told.what),
                why => format!("notes: {} ({why})", told.what),
            }
        }
    })
}

fn written(record: &Durable) -> String {
    match record {
        Durable::Boot { boot } => format!("boot {boot}"),
        Durable::Raft(raft::Record::HardState { term, vote }) => match vote {
            Some(vote) => format!("term {term}, vote for {vote}"),
            None => format!("term {term}, no vote"),
        },
        Durable::Raft(raft::Record::Append { entries }) => {
            let first = entries.first().map_or(0, |entry| entry.index.0);
            format!("{} entries from {first}", entries.len())
        }
        Durable::Raft(raft::Record::Snapshot(part)) => {
            let (of, from) = (&part.of, part.offset);
            let to = from + part.bytes.len() as u64;
            format!("snapshot of {}, bytes {from}-{to} of {}", of.index, of.len)
        }
        Durable::Raft(raft::Record::Kept { entries, .. }) => {
            format!("{} entries behind the snapshot", entries.len())
        }
        Durable::Raft(raft::Record::Rebuild { .. }) => "it must be rebuilt".to_string(),
        Durable::Raft(raft::Record::Rebuilt) => "it is rebuilt".to_string(),
    }
}

/// A message in one phrase.
#[must_use]
pub fn message(message: &Message) -> String {
    match message {
        Message::Membership(message) => of_membership(message),
        Message::Raft(message) => of_raft(message),
        Message::Control(control::Message::Forward(_)) => "Forward".to_string(),
        Message::Control(control::Message::Answer(answer)) => {
            format!("Answer to request {} of {}", answer.request, answer.client)
        }
        Message::Gossip(message) => of_gossip(message),
    }
}

fn of_gossip(message: &gossip::Message) -> String {
    use gossip::Message as M;
    let entries = |changes: &[gossip::Change]| {
        let count: usize = changes.iter().map(|change| change.entries.len()).sum();
        format!("{count} entries of {} owners", changes.len())
    };
    match message {
        M::Digest(digest) => format!("Digest {:016x}", digest.root),
        M::Branches(branches) => format!("Branches, {} that differ", branches.branches.len()),
        M::Holdings(holdings) => format!("Holdings of {} owners", holdings.owners.len()),
        M::Wants(wants) => format!("Wants of {} owners", wants.owners.len()),
        M::Delta(delta) => format!("Delta, {}", entries(&delta.changes)),
        M::News(news) => format!("News, {}", entries(&news.changes)),
    }
}

fn of_membership(message: &membership::Message) -> String {
    use membership::Message as M;
    let (head, updates): (String, &[Update]) = match message {
        M::Ping(ping) => (format!("Ping {}", ping.probe), &ping.updates),
        M::Ack(ack) => (format!("Ack {} of {}", ack.probe, ack.alive), &ack.updates),
        M::PingReq(ask) => {
            let head = format!("PingReq {} for {}", ask.probe, ask.target);
            (head, &ask.updates)
        }
        M::Nack(nack) => (format!("Nack {}", nack.probe), &[]),
        M::Join(join) => ("Join".to_string(), &join.updates),
        M::Welcome(welcome) => ("Welcome".to_string(), &welcome.updates),
        M::Gossip(gossip) => ("Gossip".to_string(), &gossip.updates),
        M::Sync(sync) => ("Sync".to_string(), &sync.updates),
        M::TurnedAway(told) => (format!("TurnedAway: {}", told.reason), &[]),
        M::Differ(differ) => {
            let head = format!("Differ in {} parts", differ.parts.count_ones());
            (head, &differ.updates)
        }
    };
    if updates.is_empty() {
        return head;
    }
    let told: Vec<String> = updates.iter().take(UPDATES_TOLD).map(update).collect();
    let more = updates.len().saturating_sub(UPDATES_TOLD);
    let more = if more > 0 {
        format!(", {more} more")
    } else {
        String::new()
    };
    format!("{head} [{}{more}]", told.join(", "))
}

fn update(update: &Update) -> String {
    let Update {
        node,
        incarnation,
        state,
        ..
    } = update;
    let by = update
        .evidence
        .as_ref()
        .map_or(String::new(), |by| format!(" by {}", by.accuser));
    format!("{node} {incarnation} {state:?}{by}")
}

fn of_raft(message: &raft::Message) -> String {
    use raft::Message as M;
    let answer = |granted: bool| if granted { "granted" } else { "refused" };
    match message {
        M::PreVote(ask) => format!("PreVote for term {}", ask.term),
        M::PreVoteReply(reply) => {
            format!(
                "PreVoteReply {} in term {}",
                answer(reply.granted),
                reply.term
            )
        }
        M::Vote(ask) => format!("Vote for term {}", ask.term),
        M::VoteReply(reply) => {
            format!("VoteReply {} in term {}", answer(reply.granted), reply.term)
        }
        M::Append(append) => {
            let mut text = format!("Append of term {}, commit {}", append.term, append.commit.0);
            if !append.entries.is_empty() {
                let after = append.prev_index.0;
                let _ = write!(text, ", {} entries after {after}", append.entries.len());
            }
            text
        }
        M::AppendReply(reply) => match reply.outcome {
            raft::AppendOutcome::Matched { index } => format!("AppendReply matched {}", index.0),
            raft::AppendOutcome::Conflict { index, .. } => {
                format!("AppendReply conflict at {}", index.0)
            }
        },
        M::TimeoutNow(call) => format!("TimeoutNow, out of term {}", call.term),
        M::InstallSnapshot(install) => {
            let (part, of) = (&install.part, &install.part.of);
            match part.bytes.len() {
                0 => format!("InstallSnapshot of {}: how much is there?", of.index),
                len => format!(
                    "InstallSnapshot of {}, {len} bytes from {} of {}",
                    of.index, part.offset, of.len
                ),
            }
        }
        M::SnapshotReply(reply) => {
            format!("SnapshotReply of {}: {} bytes", reply.index, reply.held)
        }
        M::ReadIndex(ask) => format!("ReadIndex {}", ask.number),
        M::ReadIndexReply(reply) => match reply.index {
            Some(index) => format!("ReadIndexReply {}: {index}", reply.number),
            None => format!("ReadIndexReply {} refused", reply.number),
        },
        M::Resigned(word) => format!("Resigned, led term {}", word.term),
    }
}

/// The moment of a crash that has come, its count used up.
fn reached(moment: Moment) -> &'static str {
    match moment {
        Moment::Now => "at once",
        Moment::Persist(_) => "record written, not durable",
        Moment::Vote(_) => "vote written, not durable",
        Moment::VoteSent(_) => "vote sent",
        Moment::Synced(_) => "sync complete",
    }
}

/// A fault as a scenario says it, with the nodes that its parts turned out to be.
#[must_use]
pub fn fault(strike: &Strike, hits: &[NodeId]) -> String {
    let is_part = |who: &Who| matches!(who, Who::Part(_));
    if hits.is_empty() || !strike.fault.names().iter().any(is_part) {
        return strike.to_string();
    }
    let names: Vec<String> = hits.iter().map(NodeId::to_string).collect();
    format!("{strike} = {}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Fault, Part};
    use crate::span::Span;
    use quorate_core::id::{Peer, Term};
    use quorate_core::membership::Fact;
    use quorate_core::notice::Notice;
    use quorate_core::raft::Cause;
    use std::time::Duration;

    #[test]
    fn causes_and_accusers_are_named() {
        let silent = Notice::Raft(raft::Notice::RoleChanged {
            from: raft::Role::Follower,
            to: raft::Role::PreCandidate,
            term: Term(4),
            cause: Cause::Silence(Duration::from_millis(287)),
        });
        let told = notice(&silent, None);
        assert_eq!(told.what, "term 4 Follower→PreCandidate");
        assert_eq!(told.why, "no heartbeat 287 ms");
        let peer = Peer {
            node: NodeId(3),
            boot: 1,
        };
        let evidence = membership::Evidence::of(NodeId(2));
        let accused = Notice::Member(Fact::Suspected { peer, evidence });
        let told = notice(&accused, Some(NodeId(5)));
        assert_eq!(told.what, "suspects n3#1");
        assert_eq!(told.why, "accused by n2, heard from n5");
    }

    #[test]
    fn a_fault_of_a_part_names_the_node_that_played_it() {
        let pause = Strike {
            at: Span::ZERO,
            fault: Fault::Pause(Who::Part(Part::Leader)),
            lasts: Some(Span::from_ms(900)),
        };
        assert_eq!(fault(&pause, &[NodeId(4)]), "pause leader for 900ms = n4");
        assert_eq!(moment(1_031_900_000), "t=1.031s ");
    }
}
