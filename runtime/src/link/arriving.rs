//! What a session brings, on its way to the host: messages into the inbox, bytes to their streams,
//! answers to whoever waits for them. All of it happens under the peer's lock; none of it waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_channel::Sender;
use futures_channel::oneshot;
use quorate_core::payload::Payload;
use quorate_core::transport::{Output, Priority};
use quorate_core::wire::Message;

use super::peer::Peer;
use super::requests::Requests;
use super::{News, over};
use crate::message::{Answered, Incoming, Receipt, Reply};
use crate::stream::{IncomingStream, Piece};

/// Streams of the other end.
#[derive(Default)]
pub(super) struct Arrivals {
    streams: BTreeMap<u16, Arrival>,
    consumed: Vec<(u16, usize)>,
    refused: Vec<u16>,
}

/// One of them.
enum Arrival {
    /// The host reads it.
    Stream(Sender<Piece>),
    /// A message too long for one piece: it is put together here.
    Message {
        priority: Priority,
        total: usize,
        bytes: Vec<u8>,
    },
}

impl Arrivals {
    /// The host wants no more of a stream.
    pub(super) fn forget(&mut self, stream: u16) {
        self.streams.remove(&stream);
    }

    /// All streams are gone; their readers learn it.
    pub(super) fn lose(&mut self) {
        *self = Arrivals::default();
    }

    /// Bytes of streams that nobody has to take any more.
    pub(super) fn take_consumed(&mut self) -> Vec<(u16, usize)> {
        std::mem::take(&mut self.consumed)
    }

    /// Streams that there is no room for.
    pub(super) fn take_refused(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.refused)
    }
}

/// Takes what a session brings.
pub(super) struct Desk<'a> {
    pub(super) peer: &'a Arc<Peer>,
    pub(super) news: &'a mut Vec<News>,
    pub(super) arrivals: &'a mut Arrivals,
    pub(super) unacknowledged: &'a mut [VecDeque<(u64, oneshot::Sender<()>)>; Priority::ALL.len()],
    pub(super) requests: &'a mut Requests,
    /// Messages for the inbox.
    pub(super) delivered: &'a mut Vec<Incoming>,
    pub(super) has_room: &'a mut bool,
}

impl Desk<'_> {
    pub(super) fn take(&mut self, output: Output<'_>) {
        match output {
            Output::Established(hello) => self.news.push(News::Established(hello)),
            Output::Node { code, body } => {
                self.news.push(News::Node(Message::decode(code, body)));
            }
            Output::Message {
                priority,
                deadline,
                body,
                cost,
                ..
            } => self.deliver(Incoming {
                deadline,
                receipt: Some(Receipt::new(self.peer.clone(), priority, cost)),
                ..self.incoming(priority, body)
            }),
            Output::Request {
                priority,
                id,
                deadline,
                body,
                cost,
            } => self.deliver(Incoming {
                deadline,
                reply: Some(Reply::to_peer(self.peer.clone(), priority, id)),
                receipt: Some(Receipt::new(self.peer.clone(), priority, cost)),
                ..self.incoming(priority, body)
            }),
            Output::Datagram { priority, body } => {
                let datagram = self.incoming(priority, body);
                // Nobody waits for it; what finds no room is gone.
                if self.peer.inbox().has_room(body.len()) {
                    self.deliver(datagram);
                }
            }
            Output::Reply { id, body } => {
                self.requests.answer(id, Answered::from_body(body));
            }
            Output::Acked { priority, number } => self.acknowledge(priority, number),
            Output::StreamOpened {
                stream,
                priority,
                total,
            } => self.open(stream, priority, total),
            Output::StreamData { stream, body, cost } => self.on_data(stream, body, cost),
            Output::StreamEnded {
                stream,
                is_complete,
            } => self.end(stream, is_complete),
            Output::Room
            | Output::Resumed
            | Output::StreamRefused { .. }
            | Output::StreamClosed { .. } => *self.has_room = true,
            Output::Lost => {
                *self.unacknowledged = Default::default();
                self.requests.lose();
                self.arrivals.lose();
                *self.has_room = true;
            }
            Output::Closed(reason) => self.news.push(News::Over(over(reason))),
        }
    }

    fn incoming(&self, priority: Priority, body: &[u8]) -> Incoming {
        Incoming {
            from: self.peer.node(),
            priority,
            payload: Payload::copy_from(body),
            deadline: None,
            reply: None,
            receipt: None,
        }
    }

    fn deliver(&mut self, incoming: Incoming) {
        self.delivered.push(incoming);
    }

    fn acknowledge(&mut self, priority: Priority, number: u64) {
        let waiting = &mut self.unacknowledged[priority.index()];
        while waiting.front().is_some_and(|(last, _)| *last <= number) {
            if let Some((_, sender)) = waiting.pop_front() {
                let _caller_gone = sender.send(());
            }
        }
    }

    fn open(&mut self, stream: u16, priority: Priority, total: u64) {
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        if total > 0 {
            // Accepted before any of it is kept, or not at all.
            if !self.peer.inbox().reserve(total) {
                self.arrivals.refused.push(stream);
                return;
            }
            let bytes = Vec::new();
            let message = Arrival::Message {
                priority,
                total,
                bytes,
            };
            self.arrivals.streams.insert(stream, message);
            return;
        }
        let (sender, receiver) = async_channel::unbounded();
        let incoming = IncomingStream::new(self.peer.clone(), stream, priority, receiver);
        if self.peer.inbox().put_stream(incoming) {
            let arrival = Arrival::Stream(sender);
            self.arrivals.streams.insert(stream, arrival);
        } else {
            self.arrivals.refused.push(stream);
        }
    }

    fn on_data(&mut self, stream: u16, body: &[u8], cost: usize) {
        match self.arrivals.streams.get_mut(&stream) {
            Some(Arrival::Stream(sender)) => {
                let bytes = Payload::copy_from(body);
                if sender.try_send(Piece::Bytes { bytes, cost }).is_ok() {
                    return;
                }
            }
            Some(Arrival::Message { total, bytes, .. }) => {
                if bytes.len() + body.len() <= *total {
                    bytes.extend_from_slice(body);
                } else {
                    self.give_up_message(stream);
                    self.arrivals.refused.push(stream);
                }
            }
            None => {}
        }
        self.arrivals.consumed.push((stream, cost));
    }

    fn end(&mut self, stream: u16, is_complete: bool) {
        match self.arrivals.streams.remove(&stream) {
            Some(Arrival::Stream(sender)) => {
                let _reader_gone = sender.try_send(Piece::End { is_complete });
            }
            Some(Arrival::Message {
                priority,
                total,
                bytes,
            }) => {
                self.peer.inbox().release(total);
                if is_complete && bytes.len() == total {
                    let payload = Payload::from(bytes);
                    let incoming = Incoming {
                        payload,
                        ..self.incoming(priority, &[])
                    };
                    self.deliver(incoming);
                }
            }
            None => {}
        }
    }

    fn give_up_message(&mut self, stream: u16) {
        if let Some(Arrival::Message { total, .. }) = self.arrivals.streams.remove(&stream) {
            self.peer.inbox().release(total);
        }
    }
}
