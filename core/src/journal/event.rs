//! The bytes of an event: a tag, then what the event holds.
//!
//! Addresses have an encoding of their own, since serde's forgets the scope of a link-local IPv6
//! address, and a replayed dial would lead elsewhere. Inside messages they keep the codec's form:
//! these came over the wire in it.

use alloc::vec::Vec;
use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{LinkId, Lsn, NodeId, Peer, Ticket};
use crate::node::{Command, Event};
use crate::wire::Message;
use crate::wire::codec::{self, DecodeError};

// The numbers are frozen; a retired one is never given out again.
const TICK: u8 = 0;
const LINK_UP: u8 = 1;
const LINK_DOWN: u8 = 2;
const DIAL_FAILED: u8 = 3;
const RECEIVED: u8 = 4;
const PERSISTED: u8 = 5;
const DISK_STALLED: u8 = 6;
const COMMAND: u8 = 7;
const JOIN: u8 = 8;
const ADD_NODE: u8 = 9;
const DISCOVERED: u8 = 10;

/// An address with all that it holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Address {
    V4([u8; 4], u16),
    /// The address, the port, the flow and the scope.
    V6([u8; 16], u16, u32, u32),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        match address {
            SocketAddr::V4(v4) => Address::V4(v4.ip().octets(), v4.port()),
            SocketAddr::V6(v6) => {
                Address::V6(v6.ip().octets(), v6.port(), v6.flowinfo(), v6.scope_id())
            }
        }
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> SocketAddr {
        match address {
            Address::V4(ip, port) => SocketAddrV4::new(ip.into(), port).into(),
            Address::V6(ip, port, flow, scope) => {
                SocketAddrV6::new(ip.into(), port, flow, scope).into()
            }
        }
    }
}

/// Appends the bytes of an event.
pub(super) fn encode(event: &Event, bytes: &mut Vec<u8>) {
    match event {
        Event::Tick => bytes.push(TICK),
        Event::LinkUp {
            link,
            peer,
            address,
            dialed,
        } => tagged(
            LINK_UP,
            &(*link, *peer, Address::from(*address), *dialed),
            bytes,
        ),
        Event::LinkDown { link } => tagged(LINK_DOWN, link, bytes),
        Event::DialFailed { address } => tagged(DIAL_FAILED, &Address::from(*address), bytes),
        Event::Received { link, message } => {
            tagged(RECEIVED, link, bytes);
            // The code is known once the message is encoded.
            let at = bytes.len();
            bytes.push(0);
            bytes[at] = message.encode(bytes);
        }
        Event::Persisted(lsn) => tagged(PERSISTED, lsn, bytes),
        Event::DiskStalled => bytes.push(DISK_STALLED),
        Event::Command {
            ticket,
            command: Command::Join { seeds },
        } => {
            let seeds: Vec<Address> = seeds.iter().copied().map(Address::from).collect();
            tagged(JOIN, &(*ticket, seeds), bytes);
        }
        Event::Command {
            ticket,
            command: Command::Discovered { source, addresses },
        } => {
            let addresses: Vec<Address> = addresses.iter().copied().map(Address::from).collect();
            tagged(DISCOVERED, &(*ticket, *source, addresses), bytes);
        }
        Event::Command {
            ticket,
            command: Command::AddNode { node, address },
        } => tagged(ADD_NODE, &(*ticket, *node, Address::from(*address)), bytes),
        Event::Command { ticket, command } => tagged(COMMAND, &(*ticket, command), bytes),
    }
}

/// Reads exactly one event.
pub(super) fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    let Some((tag, rest)) = bytes.split_first() else {
        return Err(DecodeError::Malformed);
    };
    let event = match *tag {
        TICK => alone(Event::Tick, rest)?,
        LINK_UP => {
            let (link, peer, address, dialed) = read::<(LinkId, Peer, Address, bool)>(rest)?;
            Event::LinkUp {
                link,
                peer,
                address: address.into(),
                dialed,
            }
        }
        LINK_DOWN => Event::LinkDown { link: read(rest)? },
        DIAL_FAILED => Event::DialFailed {
            address: read::<Address>(rest)?.into(),
        },
        RECEIVED => received(rest)?,
        PERSISTED => Event::Persisted(read::<Lsn>(rest)?),
        DISK_STALLED => alone(Event::DiskStalled, rest)?,
        COMMAND => {
            let (ticket, command) = read::<(Ticket, Command)>(rest)?;
            Event::Command { ticket, command }
        }
        JOIN => {
            let (ticket, seeds) = read::<(Ticket, Vec<Address>)>(rest)?;
            let seeds = seeds.into_iter().map(SocketAddr::from).collect();
            let command = Command::Join { seeds };
            Event::Command { ticket, command }
        }
        ADD_NODE => {
            let (ticket, node, address) = read::<(Ticket, NodeId, Address)>(rest)?;
            let address = address.into();
            let command = Command::AddNode { node, address };
            Event::Command { ticket, command }
        }
        DISCOVERED => {
            let (ticket, source, addresses) = read::<(Ticket, u32, Vec<Address>)>(rest)?;
            let addresses = addresses.into_iter().map(SocketAddr::from).collect();
            let command = Command::Discovered { source, addresses };
            Event::Command { ticket, command }
        }
        code => return Err(DecodeError::UnknownType { code }),
    };
    Ok(event)
}

fn tagged<T: Serialize>(tag: u8, value: &T, bytes: &mut Vec<u8>) {
    bytes.push(tag);
    codec::encode(value, bytes);
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes)
}

fn alone(event: Event, rest: &[u8]) -> Result<Event, DecodeError> {
    match rest.len() {
        0 => Ok(event),
        len => Err(DecodeError::Trailing { len }),
    }
}

fn received(bytes: &[u8]) -> Result<Event, DecodeError> {
    let (link, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or(DecodeError::Malformed)?;
    let (code, body) = rest.split_first().ok_or(DecodeError::Malformed)?;
    Ok(Event::Received {
        link: LinkId(u64::from_le_bytes(*link)),
        message: Message::decode(*code, body)?,
    })
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use super::*;
    use crate::id::{
        ClientId, Epoch, Incarnation, LogIndex, NodeId, RequestId, RoleName, Term, Zone,
    };
    use crate::level::LevelRange;
    use crate::membership::{self, State, Update};
    use crate::payload::Payload;
    use crate::raft::{self, Entry};
    use crate::seed::{Seed, Stream};
    use crate::{control, gossip};

    const VARIANTS: usize = 8;

    /// A new event breaks the build here, and fails the test below until a sample has it.
    fn variant(event: &Event) -> usize {
        match event {
            Event::Tick => 0,
            Event::LinkUp { .. } => 1,
            Event::LinkDown { .. } => 2,
            Event::DialFailed { .. } => 3,
            Event::Received { .. } => 4,
            Event::Persisted(_) => 5,
            Event::DiskStalled => 6,
            Event::Command { .. } => 7,
        }
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn received(message: Message) -> Event {
        let link = LinkId(u64::MAX);
        Event::Received { link, message }
    }

    fn messages() -> Vec<Event> {
        let update = Update {
            node: NodeId(7),
            incarnation: Incarnation::of_boot(3),
            state: State::Suspect,
            address: address("[2001:db8::7]:7000"),
            zone: Some(Zone::new("eu-1a").unwrap()),
            is_witness: true,
            levels: LevelRange::FIRST,
            evidence: Some(membership::Evidence::of(NodeId(2))),
        };
        let entry = Entry {
            term: Term(4),
            index: LogIndex(9),
            data: Payload::copy_from(b"entry"),
            voters: None,
        };
        let append = raft::Append {
            term: Term(5),
            round: 6,
            prev_index: LogIndex(8),
            prev_term: Term(4),
            commit: LogIndex(7),
            entries: vec![entry],
        };
        let answer = control::Answer {
            client: ClientId(1),
            request: RequestId(2),
            index: LogIndex(3),
            outcome: Ok(control::Effect::Passed),
        };
        let spread = membership::Gossip {
            updates: vec![update],
        };
        vec![
            received(Message::Membership(membership::Message::Gossip(spread))),
            received(Message::Raft(raft::Message::Append(append))),
            received(Message::Control(control::Message::Answer(answer))),
            received(Message::Gossip(gossip::Message::Digest(gossip::Digest {
                root: 9,
            }))),
        ]
    }

    fn commands() -> Vec<Event> {
        let write = control::Command::Write {
            role: RoleName::new("primary").unwrap(),
            epoch: Epoch(3),
            key: "k".into(),
            value: Payload::copy_from(&[0, 255]),
        };
        let seeds = vec![address("10.0.0.1:1"), address("[fe80::1%3]:2")];
        [
            Command::Join {
                seeds: seeds.clone(),
            },
            Command::Leave,
            Command::Propose {
                request: Some((ClientId(1), RequestId(2))),
                command: write,
            },
            Command::Propose {
                request: None,
                command: control::Command::Barrier,
            },
            Command::Members,
            Command::Status,
            Command::Role {
                role: RoleName::new("primary").unwrap(),
            },
            Command::Read { key: String::new() },
            Command::SetState {
                key: "load".into(),
                value: Payload::copy_from(b"high"),
            },
            Command::DeleteState { key: "load".into() },
            Command::Partition,
            Command::Quorum,
            Command::Discovered {
                source: 3,
                addresses: seeds.clone(),
            },
            Command::AddNode {
                node: NodeId(9),
                address: address("[fe80::1%3]:2"),
            },
            Command::ReadState {
                of: Some(NodeId(3)),
                prefix: "tables/".into(),
            },
        ]
        .into_iter()
        .map(|command| Event::Command {
            ticket: Ticket(11),
            command,
        })
        .collect()
    }

    fn samples() -> Vec<Event> {
        let peer = Peer {
            node: NodeId(2),
            boot: 5,
        };
        let up = |address, dialed| Event::LinkUp {
            link: LinkId(3),
            peer,
            address,
            dialed,
        };
        let mut samples = vec![
            Event::Tick,
            up(address("127.0.0.1:7000"), true),
            up(address("[fe80::1%7]:65535"), false),
            Event::LinkDown { link: LinkId(3) },
            Event::DialFailed {
                address: address("[::1]:1"),
            },
            Event::Persisted(Lsn(9)),
            Event::DiskStalled,
        ];
        samples.extend(messages());
        samples.extend(commands());
        samples
    }

    #[test]
    fn every_event_is_read_from_exactly_its_bytes() {
        let mut seen = [false; VARIANTS];
        for event in samples() {
            seen[variant(&event)] = true;
            let mut bytes = Vec::new();
            encode(&event, &mut bytes);
            assert_eq!(decode(&bytes), Ok(event.clone()));
            for len in 0..bytes.len() {
                assert!(decode(&bytes[..len]).is_err(), "{event:?} cut to {len}");
            }
            bytes.push(0);
            assert!(decode(&bytes).is_err(), "{event:?} with one byte more");
        }
        assert_eq!(seen, [true; VARIANTS], "a sample for each");
    }

    #[test]
    fn the_scope_of_an_address_is_kept() {
        let v6 = SocketAddrV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 7, 5, 3);
        let mut bytes = Vec::new();
        let failed = Event::DialFailed { address: v6.into() };
        encode(&failed, &mut bytes);
        let Ok(Event::DialFailed { address: read }) = decode(&bytes) else {
            panic!("not what was written");
        };
        let SocketAddr::V6(read) = read else {
            panic!("not what was written");
        };
        assert_eq!((read.flowinfo(), read.scope_id()), (5, 3));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = Seed::from_number(12).stream(Stream::Plan);
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut bytes = vec![0; random.index(64)];
            for byte in &mut bytes {
                let bound = if random.chance(800) { 9 } else { 256 };
                *byte = u8::try_from(random.below(bound)).unwrap();
            }
            accepted += usize::from(decode(&bytes).is_ok());
        }
        assert!(accepted > 0, "some random bytes are events");
    }
}
