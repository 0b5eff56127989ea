//! Frames: a fixed header of 16 bytes and a body, cut out of a stream of bytes that arrives in any
//! pieces.
//!
//! ```text
//! version u8   of the protocol, as negotiated; 1 in the hello, whose layout never changes
//! kind    u8   of the frame, see [`Kind`]
//! class   u8   0 critical to 3 low, 0 where a kind has no class; 128 more: the message goes on
//! code    u8   the type of a node message, or flags; 0 elsewhere
//! length  u16  of the body, little-endian
//! stream  u16  0 elsewhere
//! number  u64  of a frame in its class, or up to which they are acknowledged; 0 elsewhere
//! ```
//!
//! * I1: a header is judged as soon as it is whole; a body that is not admitted is never buffered.
//! * I2: at most one incomplete frame is buffered. Whole frames are read where they lie.
//! * I3: a field without a meaning is 0, so that a later version can give it one and an old one
//!   notices.
//! * I4: a frame fits into a segment, and a segment into one TLS record.

use alloc::vec::Vec;
use core::mem;

use super::hello::HELLO_BYTES_MAX;
use super::resume::RESUME_BYTES;
use super::{LinkFault, Priority};

/// Bytes before each body.
pub(super) const HEADER_LEN: usize = 16;
/// The plain text of a full TLS record: whole frames, at most this many bytes.
pub const SEGMENT_BYTES: usize = 16 * 1024;
/// The longest body.
pub(super) const BODY_BYTES_MAX: usize = SEGMENT_BYTES - HEADER_LEN;
/// The version in the header of a hello.
pub(super) const HELLO_VERSION: u8 = 1;
/// In the class: the message goes on in the next frame of its kind and class.
const MORE: u8 = 0x80;
/// The bits of the class itself.
const CLASS: u8 = 0b11;

/// What a frame is. The numbers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Who is there.
    Hello = 1,
    /// A message of the state machine.
    Node = 2,
    /// The host's message.
    Message = 3,
    /// The host's question.
    Request = 4,
    /// Its answer.
    Reply = 5,
    /// Everything of the class up to `number` has arrived.
    Ack = 6,
    /// Nothing, but alive.
    Keepalive = 7,
    /// Nothing follows.
    Goodbye = 8,
    /// Which session goes on, and from where.
    Resume = 9,
    /// Please acknowledge again.
    Probe = 10,
    /// Bytes of a stream.
    Data = 11,
    /// So much may be sent.
    Credit = 12,
    /// The host's message that nobody acknowledges.
    Datagram = 13,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::Hello,
        Kind::Node,
        Kind::Message,
        Kind::Request,
        Kind::Reply,
        Kind::Ack,
        Kind::Keepalive,
        Kind::Goodbye,
        Kind::Resume,
        Kind::Probe,
        Kind::Data,
        Kind::Credit,
        Kind::Datagram,
    ];

    fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte).wrapping_sub(1)).copied()
    }

    /// Numbered in its class, acknowledged, and sent again over the next connection.
    pub(super) const fn is_numbered(self) -> bool {
        matches!(
            self,
            Kind::Message | Kind::Request | Kind::Reply | Kind::Data | Kind::Credit
        )
    }

    /// The bits of a header that mean something, as a little-endian number.
    const fn meanings(self) -> u128 {
        const ALWAYS: u128 = 0xffff_0000_ffff;
        let class = self.is_numbered() || matches!(self, Kind::Node | Kind::Ack | Kind::Datagram);
        let code = matches!(
            self,
            Kind::Node | Kind::Message | Kind::Request | Kind::Data | Kind::Credit
        );
        let stream = matches!(self, Kind::Data | Kind::Credit);
        let number = self.is_numbered() || matches!(self, Kind::Ack | Kind::Keepalive);
        let more = matches!(
            self,
            Kind::Node | Kind::Message | Kind::Request | Kind::Reply
        );
        ALWAYS
            | if class { CLASS as u128 } else { 0 } << 16
            | if more { MORE as u128 } else { 0 } << 16
            | if code { 0xff } else { 0 } << 24
            | if stream { 0xffff } else { 0 } << 48
            | if number { u64::MAX as u128 } else { 0 } << 64
    }

    const fn body_bytes_max(self) -> usize {
        match self {
            Kind::Hello => HELLO_BYTES_MAX,
            Kind::Resume => RESUME_BYTES,
            Kind::Credit => 8,
            Kind::Node
            | Kind::Message
            | Kind::Request
            | Kind::Reply
            | Kind::Data
            | Kind::Datagram => BODY_BYTES_MAX,
            Kind::Ack | Kind::Keepalive | Kind::Goodbye | Kind::Probe => 0,
        }
    }
}

/// Per kind, what [`Kind::meanings`] says.
const MEANINGS: [u128; Kind::ALL.len() + 1] = {
    let (mut table, mut at) = ([0; Kind::ALL.len() + 1], 0);
    while at < Kind::ALL.len() {
        table[Kind::ALL[at] as usize] = Kind::ALL[at].meanings();
        at += 1;
    }
    table
};

/// The first 16 bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Header {
    pub(super) version: u8,
    pub(super) kind: Kind,
    pub(super) class: Priority,
    /// The message goes on in the next frame.
    pub(super) more: bool,
    pub(super) code: u8,
    pub(super) len: u16,
    pub(super) stream: u16,
    pub(super) number: u64,
}

impl Header {
    /// A header with every field that need not mean something at 0.
    pub(super) const fn bare(version: u8, kind: Kind) -> Header {
        Header {
            version,
            kind,
            class: Priority::Critical,
            more: false,
            code: 0,
            len: 0,
            stream: 0,
            number: 0,
        }
    }

    pub(super) fn encode(self) -> [u8; HEADER_LEN] {
        let class = self.class as u8 | if self.more { MORE } else { 0 };
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&[self.version, self.kind as u8, class, self.code]);
        bytes[4..6].copy_from_slice(&self.len.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.stream.to_le_bytes());
        bytes[8..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    #[inline]
    fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Header, LinkFault> {
        let [version, kind, class, code, l0, l1, s0, s1, number @ ..] = *bytes;
        let kind = Kind::from_byte(kind).ok_or(LinkFault::UnknownFrame)?;
        if u128::from_le_bytes(*bytes) & !MEANINGS[kind as usize] != 0 {
            return Err(LinkFault::UnknownFrame);
        }
        Ok(Header {
            version,
            kind,
            class: Priority::ALL[usize::from(class & CLASS)],
            more: class & MORE != 0,
            code,
            len: u16::from_le_bytes([l0, l1]),
            stream: u16::from_le_bytes([s0, s1]),
            number: u64::from_le_bytes(number),
        })
    }

    fn body_len(&self) -> usize {
        usize::from(self.len)
    }
}

/// What a connection admits at this moment: the frames of the negotiated version, or a hello when
/// there is none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    pub(super) version: Option<u8>,
}

impl Rules {
    #[inline]
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
        if header.body_len() > header.kind.body_bytes_max() {
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
    #[inline]
    pub(super) fn next<'frame, 'input: 'frame>(
        &'frame mut self,
        input: &mut &'input [u8],
        rules: Rules,
    ) -> Result<Option<Frame<'frame>>, LinkFault> {
        if self.partial.is_empty()
            && let Some(frame) = whole(input, rules)?
        {
            return Ok(Some(frame));
        }
        self.next_in_parts(input, rules)
    }

    /// The same for a frame of which a part came before, or will come later.
    fn next_in_parts<'frame, 'input: 'frame>(
        &'frame mut self,
        input: &mut &'input [u8],
        rules: Rules,
    ) -> Result<Option<Frame<'frame>>, LinkFault> {
        if mem::take(&mut self.is_spent) {
            self.partial.clear();
            if let Some(frame) = whole(input, rules)? {
                return Ok(Some(frame));
            }
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
#[inline]
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
