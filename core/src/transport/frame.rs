//! Frames: a fixed header of 16 bytes and a body, cut out of a stream of bytes that arrives in any
//! pieces.
//!
//! ```text
//! version u8   of the protocol, as negotiated; 1 in the hello, whose layout never changes
//! kind    u8   hello 1, node 2, message 3, request 4, reply 5, ack 6, keep-alive 7, goodbye 8
//! class   u8   0 critical to 3 low; 0 where a kind has no class
//! code    u8   the type of a node message; 0 elsewhere
//! length  u32  of the body, little-endian
//! number  u64  of a message in its class, or up to which they are acknowledged, or the id of a
//!              request; 0 elsewhere
//! ```
//!
//! * I1: a header is judged as soon as it is whole; a body that is not admitted is never buffered.
//! * I2: at most one incomplete frame is buffered. Whole frames are read where they lie.
//! * I3: a field without a meaning is 0, so that a later version can give it one and an old one
//!   notices.

use alloc::vec::Vec;

use super::hello::HELLO_BYTES_MAX;
use super::{LinkFault, Priority};

/// Bytes before each body.
pub(super) const HEADER_LEN: usize = 16;
/// The version in the header of a hello.
pub(super) const HELLO_VERSION: u8 = 1;

/// What a frame is. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Hello = 1,
    Node = 2,
    Message = 3,
    Request = 4,
    Reply = 5,
    Ack = 6,
    Keepalive = 7,
    Goodbye = 8,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Hello,
            2 => Kind::Node,
            3 => Kind::Message,
            4 => Kind::Request,
            5 => Kind::Reply,
            6 => Kind::Ack,
            7 => Kind::Keepalive,
            8 => Kind::Goodbye,
            _ => return None,
        })
    }

    /// Whether the fields class, code and number mean something.
    const fn meanings(self) -> (bool, bool, bool) {
        match self {
            Kind::Hello | Kind::Keepalive | Kind::Goodbye => (false, false, false),
            Kind::Node => (true, true, false),
            Kind::Message | Kind::Request | Kind::Reply | Kind::Ack => (true, false, true),
        }
    }
}

/// The first 16 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Header {
    pub(super) version: u8,
    pub(super) kind: Kind,
    pub(super) class: Priority,
    pub(super) code: u8,
    pub(super) len: u32,
    pub(super) number: u64,
}

impl Header {
    /// A header with every field that need not mean something at 0.
    pub(super) const fn bare(version: u8, kind: Kind) -> Header {
        Header {
            version,
            kind,
            class: Priority::Critical,
            code: 0,
            len: 0,
            number: 0,
        }
    }

    pub(super) fn encode(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&[self.version, self.kind as u8, self.class as u8, self.code]);
        bytes[4..8].copy_from_slice(&self.len.to_le_bytes());
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, LinkFault> {
        let [version, kind, class, code, l0, l1, l2, l3, number @ ..] = *bytes;
        let header = Header {
            version,
            kind: Kind::from_byte(kind).ok_or(LinkFault::UnknownFrame)?,
            class: *Priority::ALL
                .get(usize::from(class))
                .ok_or(LinkFault::UnknownFrame)?,
            code,
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            number: u64::from_le_bytes(number),
        };
        let (has_class, has_code, has_number) = header.kind.meanings();
        let strange = (!has_class && class != 0)
            || (!has_code && code != 0)
            || (!has_number && header.number != 0);
        if strange {
            return Err(LinkFault::UnknownFrame);
        }
        Ok(header)
    }

    fn body_len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }
}

/// What a connection admits at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// The negotiated version; none before the hello.
    pub(super) version: Option<u8>,
    /// The longest body.
    pub(super) body_bytes_max: usize,
}

impl Rules {
    fn admit(self, header: &Header) -> Result<(), LinkFault> {
        let is_hello = header.kind == Kind::Hello;
        if is_hello != self.version.is_none() {
            return Err(LinkFault::OutOfOrder);
        }
        if self
            .version
            .is_some_and(|version| version != header.version)
        {
            return Err(LinkFault::UnknownFrame);
        }
        let max = match header.kind {
            Kind::Hello => HELLO_BYTES_MAX,
            Kind::Node | Kind::Message | Kind::Request | Kind::Reply => self.body_bytes_max,
            Kind::Ack | Kind::Keepalive | Kind::Goodbye => 0,
        };
        if header.body_len() > max {
            return Err(LinkFault::Oversized);
        }
        Ok(())
    }
}

/// A whole frame, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) header: Header,
    pub(super) body: &'a [u8],
}

/// Cuts a stream into frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Cutter {
    /// The beginning of a frame whose rest has not arrived.
    partial: Vec<u8>,
    /// `partial` is whole and was handed out.
    is_spent: bool,
}

impl Cutter {
    /// The next whole frame; `None` when `input` is used up.
    pub(super) fn next<'frame, 'input: 'frame>(
        &'frame mut self,
        input: &mut &'input [u8],
        rules: Rules,
    ) -> Result<Option<Frame<'frame>>, LinkFault> {
        if self.is_spent {
            self.partial.clear();
            self.is_spent = false;
        }
        if self.partial.is_empty() {
            let frame = whole(input, rules)?;
            if frame.is_none() {
                self.partial.extend_from_slice(input);
                *input = &[];
            }
            return Ok(frame);
        }
        self.fill(HEADER_LEN, input);
        let Some((head, _)) = self.partial.split_first_chunk() else {
            return Ok(None);
        };
        let header = Header::decode(head)?;
        rules.admit(&header)?;
        let len = HEADER_LEN + header.body_len();
        self.fill(len, input);
        if self.partial.len() < len {
            return Ok(None);
        }
        self.is_spent = true;
        let body = &self.partial[HEADER_LEN..];
        Ok(Some(Frame { header, body }))
    }

    /// Bytes kept for later.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> usize {
        self.partial.capacity()
    }

    /// Moves bytes from `input` until `len` are here.
    fn fill(&mut self, len: usize, input: &mut &[u8]) {
        let missing = len.saturating_sub(self.partial.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        self.partial.extend_from_slice(taken);
        *input = rest;
    }
}

/// The frame at the start of `input`, if all of it is there.
fn whole<'a>(input: &mut &'a [u8], rules: Rules) -> Result<Option<Frame<'a>>, LinkFault> {
    let Some((head, rest)) = input.split_first_chunk() else {
        return Ok(None);
    };
    let header = Header::decode(head)?;
    rules.admit(&header)?;
    let Some((body, rest)) = rest.split_at_checked(header.body_len()) else {
        return Ok(None);
    };
    *input = rest;
    Ok(Some(Frame { header, body }))
}
