//! What a session brings, on its way to the host: messages into the inbox, bytes to their streams,
//! answers to whoever waits for them. All of it happens under the peer's lock; none of it waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_channel::Sender;
use quorate_core::payload::Payload;
use quorate_core::transport::{Output, Priority, SubmitError};
use quorate_core::wire::Message;

use super::peer::Peer;
use super::peer::streams::StreamId;
use super::pending::Pending;
use super::{News, over};
use crate::inbox::Reserved;
use crate::message::{Answered, Incoming, Reply};
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
        room: Reserved,
        bytes: Vec<u8>,
    },
}

impl Arrivals {
    /// The host wants no more of a stream.
    pub(super) fn forget(&mut self, stream: u16) {
        self.streams.remove(&stream);
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
    pub(super) pending: &'a mut Pending,
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
                cost,
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
                reply: Some(Reply::to_peer(
                    self.peer.clone(),
                    self.pending.era,
                    priority,
                    id,
                )),
                cost,
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
                self.pending.requests.answer(id, Answered::from_body(body));
            }
            Output::Acked { priority, number } => self.pending.acknowledge(priority, number),
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
            // That there is room then is told, too.
            Output::StreamRefused { stream } => {
                self.pending.settle(stream, Err(SubmitError::NoStream));
            }
            Output::StreamClosed { stream } => self.pending.settle(stream, Ok(())),
            Output::Room | Output::Resumed => *self.has_room = true,
            Output::Lost => {
                self.pending.lose();
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
            cost: 0,
        }
    }

    fn deliver(&mut self, incoming: Incoming) {
        self.delivered.push(incoming);
    }

    fn open(&mut self, number: u16, priority: Priority, total: u64) {
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let arrival = if total > 0 {
            self.open_message(priority, total)
        } else {
            self.open_stream(number, priority)
        };
        match arrival {
            Some(arrival) => drop(self.pending.arrivals.streams.insert(number, arrival)),
            None => self.pending.arrivals.refused.push(number),
        }
    }

    /// Accepted before any of it is kept, or not at all.
    fn open_message(&self, priority: Priority, total: usize) -> Option<Arrival> {
        let room = self.peer.inbox().reserve(total)?;
        Some(Arrival::Message {
            priority,
            room,
            bytes: Vec::new(),
        })
    }

    fn open_stream(&self, number: u16, priority: Priority) -> Option<Arrival> {
        let era = self.pending.era;
        let id = StreamId { era, number };
        let (sender, receiver) = async_channel::unbounded();
        let incoming = IncomingStream::new(self.peer.clone(), id, priority, receiver);
        let is_kept = self.peer.inbox().put_stream(incoming);
        is_kept.then_some(Arrival::Stream(sender))
    }

    fn on_data(&mut self, stream: u16, body: &[u8], cost: usize) {
        let arrivals = &mut self.pending.arrivals;
        match arrivals.streams.get_mut(&stream) {
            Some(Arrival::Stream(sender)) => {
                let bytes = Payload::copy_from(body);
                if sender.try_send(Piece::Bytes { bytes, cost }).is_ok() {
                    return;
                }
            }
            Some(Arrival::Message { room, bytes, .. }) => {
                if bytes.len() + body.len() <= room.len() {
                    bytes.extend_from_slice(body);
                } else {
                    arrivals.forget(stream);
                    arrivals.refused.push(stream);
                }
            }
            None => {}
        }
        arrivals.consumed.push((stream, cost));
    }

    fn end(&mut self, stream: u16, is_complete: bool) {
        match self.pending.arrivals.streams.remove(&stream) {
            Some(Arrival::Stream(sender)) => {
                let _reader_gone = sender.try_send(Piece::End { is_complete });
            }
            Some(Arrival::Message {
                priority,
                room,
                bytes,
            }) if is_complete && bytes.len() == room.len() => self.deliver(Incoming {
                payload: Payload::from(bytes),
                ..self.incoming(priority, &[])
            }),
            Some(Arrival::Message { .. }) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::{ClusterId, NodeId};
    use quorate_core::node::Config;
    use quorate_core::time::Time;

    use super::*;
    use crate::inbox::inbox;

    #[test]
    fn a_message_that_will_not_come_gives_its_room_back() {
        let (inbox, _messages) = inbox();
        let cluster = ClusterId::new("test").expect("a name");
        let config = Config::lan(cluster, NodeId(1), ([127, 0, 0, 1], 1).into()).transport;
        let peer = Peer::new(NodeId(2), &config, Arc::new(|| Time::ZERO), inbox.clone());
        let (mut state, mut news) = (peer.lock(), Vec::new());
        let (_, mut desk) = state.split(&peer, &mut news);
        let len = 200 << 20;
        for over in [
            Output::Lost,
            Output::StreamEnded {
                stream: 1,
                is_complete: false,
            },
        ] {
            desk.take(Output::StreamOpened {
                stream: 1,
                priority: Priority::Low,
                total: len as u64,
            });
            assert!(!inbox.has_room(len));
            desk.take(over);
            assert!(inbox.has_room(len));
        }
    }
}
