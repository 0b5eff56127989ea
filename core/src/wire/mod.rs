//! Everything nodes say to each other, in one union, and its bytes.
//!
//! The union itself never passes through the codec: a frame's header names the type of its message
//! by a [`code`], and each code stands for one plain struct. So an unknown type is refused before a
//! byte of it is read, and a new message is a new number, not a changed union. `tests/wire/` holds
//! the frozen bytes of each.
//!
//! Deliberately absent: bounds on the contents of a message. The machine that receives it knows
//! them and judges them.

pub mod codec;

use alloc::vec::Vec;

pub use codec::DecodeError;

use crate::transport::Priority;
use crate::{control, gossip, membership, raft};

/// A message of the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Liveness and dissemination.
    Membership(membership::Message),
    /// Consensus.
    Raft(raft::Message),
    /// Proposals.
    Control(control::Message),
    /// State that nodes write about themselves.
    Gossip(gossip::Message),
}

/// The type codes of messages. The numbers are frozen; a retired one is never given out again.
pub mod code {
    /// [`membership::Ping`](crate::membership::Ping)
    pub const PING: u8 = 0x10;
    /// [`membership::Ack`](crate::membership::Ack)
    pub const ACK: u8 = 0x11;
    /// [`membership::PingReq`](crate::membership::PingReq)
    pub const PING_REQ: u8 = 0x12;
    /// [`membership::Nack`](crate::membership::Nack)
    pub const NACK: u8 = 0x13;
    /// [`membership::Join`](crate::membership::Join)
    pub const JOIN: u8 = 0x14;
    /// [`membership::Welcome`](crate::membership::Welcome)
    pub const WELCOME: u8 = 0x15;
    /// [`membership::Gossip`](crate::membership::Gossip)
    pub const GOSSIP: u8 = 0x16;
    /// [`membership::Sync`](crate::membership::Sync)
    pub const SYNC: u8 = 0x17;
    /// [`membership::Differ`](crate::membership::Differ)
    pub const DIFFER: u8 = 0x18;
    /// [`membership::TurnedAway`](crate::membership::TurnedAway)
    pub const TURNED_AWAY: u8 = 0x19;
    /// [`raft::PreVote`](crate::raft::PreVote)
    pub const PRE_VOTE: u8 = 0x20;
    /// [`raft::PreVoteReply`](crate::raft::PreVoteReply)
    pub const PRE_VOTE_REPLY: u8 = 0x21;
    /// [`raft::Vote`](crate::raft::Vote)
    pub const VOTE: u8 = 0x22;
    /// [`raft::VoteReply`](crate::raft::VoteReply)
    pub const VOTE_REPLY: u8 = 0x23;
    /// [`raft::Append`](crate::raft::Append)
    pub const APPEND: u8 = 0x24;
    /// [`raft::AppendReply`](crate::raft::AppendReply)
    pub const APPEND_REPLY: u8 = 0x25;
    /// [`raft::TimeoutNow`](crate::raft::TimeoutNow)
    pub const TIMEOUT_NOW: u8 = 0x26;
    /// [`raft::InstallSnapshot`](crate::raft::InstallSnapshot)
    pub const INSTALL_SNAPSHOT: u8 = 0x27;
    /// [`raft::SnapshotReply`](crate::raft::SnapshotReply)
    pub const SNAPSHOT_REPLY: u8 = 0x28;
    /// [`raft::ReadIndex`](crate::raft::ReadIndex)
    pub const READ_INDEX: u8 = 0x29;
    /// [`raft::ReadIndexReply`](crate::raft::ReadIndexReply)
    pub const READ_INDEX_REPLY: u8 = 0x2a;
    /// [`raft::Resigned`](crate::raft::Resigned)
    pub const RESIGNED: u8 = 0x2b;
    /// [`control::Forward`](crate::control::Forward)
    pub const FORWARD: u8 = 0x30;
    /// [`control::Answer`](crate::control::Answer)
    pub const ANSWER: u8 = 0x31;
    /// [`gossip::Digest`](crate::gossip::Digest)
    pub const DIGEST: u8 = 0x40;
    /// [`gossip::Branches`](crate::gossip::Branches)
    pub const BRANCHES: u8 = 0x41;
    /// [`gossip::Holdings`](crate::gossip::Holdings)
    pub const HOLDINGS: u8 = 0x42;
    /// [`gossip::Wants`](crate::gossip::Wants)
    pub const WANTS: u8 = 0x43;
    /// [`gossip::Delta`](crate::gossip::Delta)
    pub const DELTA: u8 = 0x44;
    /// [`gossip::News`](crate::gossip::News)
    pub const NEWS: u8 = 0x45;
}

impl Message {
    /// The class it travels in. All of Raft is critical, entries too: the order of its messages is
    /// worth more than the few kilobytes an append may hold.
    #[must_use]
    pub fn priority(&self) -> Priority {
        match self {
            Message::Membership(message) => match message {
                membership::Message::Ping(_)
                | membership::Message::Ack(_)
                | membership::Message::PingReq(_)
                | membership::Message::Nack(_) => Priority::Critical,
                membership::Message::Gossip(_) | membership::Message::TurnedAway(_) => {
                    Priority::High
                }
                membership::Message::Join(_)
                | membership::Message::Welcome(_)
                | membership::Message::Sync(_)
                | membership::Message::Differ(_) => Priority::Normal,
            },
            Message::Raft(_) => Priority::Critical,
            Message::Control(_) => Priority::High,
            Message::Gossip(message) => match message {
                gossip::Message::News(_) => Priority::High,
                gossip::Message::Digest(_)
                | gossip::Message::Branches(_)
                | gossip::Message::Holdings(_)
                | gossip::Message::Wants(_)
                | gossip::Message::Delta(_) => Priority::Normal,
            },
        }
    }

    /// Appends the encoded message to `body` and returns its type code.
    pub fn encode(&self, body: &mut Vec<u8>) -> u8 {
        match self {
            Message::Membership(message) => encode_membership(message, body),
            Message::Raft(message) => encode_raft(message, body),
            Message::Control(message) => encode_control(message, body),
            Message::Gossip(message) => encode_gossip(message, body),
        }
    }

    /// Decodes a message of the given type.
    ///
    /// # Errors
    /// [`DecodeError`] when the type is unknown or the bytes are not exactly one such message.
    pub fn decode(code: u8, body: &[u8]) -> Result<Message, DecodeError> {
        use {
            control::Message as C, gossip::Message as G, membership::Message as M,
            raft::Message as R,
        };
        let message = match code {
            code::PING => Message::Membership(M::Ping(codec::decode(body)?)),
            code::ACK => Message::Membership(M::Ack(codec::decode(body)?)),
            code::PING_REQ => Message::Membership(M::PingReq(codec::decode(body)?)),
            code::NACK => Message::Membership(M::Nack(codec::decode(body)?)),
            code::JOIN => Message::Membership(M::Join(codec::decode(body)?)),
            code::WELCOME => Message::Membership(M::Welcome(codec::decode(body)?)),
            code::GOSSIP => Message::Membership(M::Gossip(codec::decode(body)?)),
            code::SYNC => Message::Membership(M::Sync(codec::decode(body)?)),
            code::DIFFER => Message::Membership(M::Differ(codec::decode(body)?)),
            code::TURNED_AWAY => Message::Membership(M::TurnedAway(codec::decode(body)?)),
            code::PRE_VOTE => Message::Raft(R::PreVote(codec::decode(body)?)),
            code::PRE_VOTE_REPLY => Message::Raft(R::PreVoteReply(codec::decode(body)?)),
            code::VOTE => Message::Raft(R::Vote(codec::decode(body)?)),
            code::VOTE_REPLY => Message::Raft(R::VoteReply(codec::decode(body)?)),
            code::APPEND => Message::Raft(R::Append(codec::decode(body)?)),
            code::APPEND_REPLY => Message::Raft(R::AppendReply(codec::decode(body)?)),
            code::TIMEOUT_NOW => Message::Raft(R::TimeoutNow(codec::decode(body)?)),
            code::INSTALL_SNAPSHOT => Message::Raft(R::InstallSnapshot(codec::decode(body)?)),
            code::SNAPSHOT_REPLY => Message::Raft(R::SnapshotReply(codec::decode(body)?)),
            code::READ_INDEX => Message::Raft(R::ReadIndex(codec::decode(body)?)),
            code::READ_INDEX_REPLY => Message::Raft(R::ReadIndexReply(codec::decode(body)?)),
            code::RESIGNED => Message::Raft(R::Resigned(codec::decode(body)?)),
            code::FORWARD => Message::Control(C::Forward(codec::decode(body)?)),
            code::ANSWER => Message::Control(C::Answer(codec::decode(body)?)),
            code::DIGEST => Message::Gossip(G::Digest(codec::decode(body)?)),
            code::BRANCHES => Message::Gossip(G::Branches(codec::decode(body)?)),
            code::HOLDINGS => Message::Gossip(G::Holdings(codec::decode(body)?)),
            code::WANTS => Message::Gossip(G::Wants(codec::decode(body)?)),
            code::DELTA => Message::Gossip(G::Delta(codec::decode(body)?)),
            code::NEWS => Message::Gossip(G::News(codec::decode(body)?)),
            code => return Err(DecodeError::UnknownType { code }),
        };
        Ok(message)
    }
}

fn encode_membership(message: &membership::Message, body: &mut Vec<u8>) -> u8 {
    use membership::Message;
    match message {
        Message::Ping(ping) => tagged(code::PING, ping, body),
        Message::Ack(ack) => tagged(code::ACK, ack, body),
        Message::PingReq(request) => tagged(code::PING_REQ, request, body),
        Message::Nack(nack) => tagged(code::NACK, nack, body),
        Message::Join(join) => tagged(code::JOIN, join, body),
        Message::Welcome(welcome) => tagged(code::WELCOME, welcome, body),
        Message::Gossip(gossip) => tagged(code::GOSSIP, gossip, body),
        Message::Sync(sync) => tagged(code::SYNC, sync, body),
        Message::Differ(differ) => tagged(code::DIFFER, differ, body),
        Message::TurnedAway(refusal) => tagged(code::TURNED_AWAY, refusal, body),
    }
}

fn encode_raft(message: &raft::Message, body: &mut Vec<u8>) -> u8 {
    use raft::Message;
    match message {
        Message::PreVote(question) => tagged(code::PRE_VOTE, question, body),
        Message::PreVoteReply(reply) => tagged(code::PRE_VOTE_REPLY, reply, body),
        Message::Vote(request) => tagged(code::VOTE, request, body),
        Message::VoteReply(reply) => tagged(code::VOTE_REPLY, reply, body),
        Message::Append(append) => tagged(code::APPEND, append, body),
        Message::AppendReply(reply) => tagged(code::APPEND_REPLY, reply, body),
        Message::TimeoutNow(call) => tagged(code::TIMEOUT_NOW, call, body),
        Message::InstallSnapshot(part) => tagged(code::INSTALL_SNAPSHOT, part, body),
        Message::SnapshotReply(reply) => tagged(code::SNAPSHOT_REPLY, reply, body),
        Message::ReadIndex(question) => tagged(code::READ_INDEX, question, body),
        Message::ReadIndexReply(reply) => tagged(code::READ_INDEX_REPLY, reply, body),
        Message::Resigned(word) => tagged(code::RESIGNED, word, body),
    }
}

fn encode_control(message: &control::Message, body: &mut Vec<u8>) -> u8 {
    use control::Message;
    match message {
        Message::Forward(forward) => tagged(code::FORWARD, forward, body),
        Message::Answer(answer) => tagged(code::ANSWER, answer, body),
    }
}

fn encode_gossip(message: &gossip::Message, body: &mut Vec<u8>) -> u8 {
    use gossip::Message;
    match message {
        Message::Digest(digest) => tagged(code::DIGEST, digest, body),
        Message::Branches(branches) => tagged(code::BRANCHES, branches, body),
        Message::Holdings(holdings) => tagged(code::HOLDINGS, holdings, body),
        Message::Wants(wants) => tagged(code::WANTS, wants, body),
        Message::Delta(delta) => tagged(code::DELTA, delta, body),
        Message::News(news) => tagged(code::NEWS, news, body),
    }
}

fn tagged<T: serde::Serialize>(code: u8, value: &T, body: &mut Vec<u8>) -> u8 {
    codec::encode(value, body);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_is_refused_unread() {
        let known = (0..=u8::MAX).filter(|code| {
            Message::decode(*code, &[]) != Err(DecodeError::UnknownType { code: *code })
        });
        assert_eq!(known.count(), 30);
        assert_eq!(
            Message::decode(0x1f, &[0; 64]),
            Err(DecodeError::UnknownType { code: 0x1f })
        );
    }
}
