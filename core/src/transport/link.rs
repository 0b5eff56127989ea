//! One connection's framing, priorities, acknowledgements and keep-alive, as a pure machine.
//!
//! * I1: our hello is the first frame out; nothing else leaves before the peer's hello is received
//!   and checked. So a frame to a stranger is never sent, and every later frame carries a version
//!   both ends speak.
//! * I2: a frame of a class leaves only when no higher class has one; within a class the order is
//!   that of submission.
//! * I3: memory is bounded: one incoming frame, `queue_bytes_max` per class outgoing.
//! * I4: whatever the peer sends, the answer is outputs and at most one [`Output::Closed`], the
//!   last. After it the machine is inert.
//! * I5: a goodbye follows everything that was accepted before [`Link::close`].
//!
//! Deliberately absent: resending (the socket is reliable while it lives) and encryption (the owner
//! seals the bytes).

use alloc::vec::Vec;
use core::mem;

use super::frame::{Cutter, Frame, HEADER_LEN, HELLO_VERSION, Header, Kind, Rules};
use super::queue::Lane;
use super::{
    CloseReason, Config, Hello, LinkFault, Outgoing, Output, Priority, Stats, SubmitError,
    VersionRange,
};
use crate::id::NodeId;
use crate::mutant::{Mutant, Planted};
use crate::payload::Payload;
use crate::time::{Deadline, Time, Timer, Wake};

/// The machine of one connection. The side that owns it moves its bytes: what [`Link::transmit`]
/// appends goes to the socket, what the socket yields goes to [`Link::receive`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    config: Config,
    ours: Hello,
    theirs: Option<Hello>,
    expected: Option<NodeId>,
    phase: Phase,
    parting: Parting,
    /// By class.
    lanes: [Lane; 4],
    cutter: Cutter,
    is_hello_due: bool,
    is_keepalive_due: bool,
    hello_timer: Timer,
    keepalive_timer: Timer,
    idle_timer: Timer,
    stats: Stats,
    planted: Planted,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The peer's hello is awaited.
    Greeting,
    /// Frames flow, of this version.
    Established { version: u8 },
    /// It is over.
    Closed,
}

/// How far our own goodbye is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Parting {
    /// Not intended.
    Staying,
    /// To be sent after everything that waits.
    Wanted,
    /// Sent: nothing may follow.
    Said,
}

impl Link {
    /// A fresh connection; its hello is the first thing to transmit. `expected` is the node a
    /// certificate or a dial says the other end is.
    #[must_use]
    pub fn new(config: Config, ours: Hello, expected: Option<NodeId>, now: Time) -> Link {
        let mut hello_timer = Timer::stopped();
        hello_timer.set(now + config.hello_timeout);
        Link {
            config,
            ours,
            theirs: None,
            expected,
            phase: Phase::Greeting,
            parting: Parting::Staying,
            lanes: Default::default(),
            cutter: Cutter::default(),
            is_hello_due: true,
            is_keepalive_due: false,
            hello_timer,
            keepalive_timer: Timer::stopped(),
            idle_timer: Timer::stopped(),
            stats: Stats::default(),
            planted: Planted::default(),
        }
    }

    /// Plants a bug that the simulator must find.
    #[cfg(feature = "mutants")]
    pub fn plant(&mut self, mutant: Mutant) {
        self.planted = mutant.into();
        for lane in &mut self.lanes {
            lane.planted = self.planted;
        }
    }

    /// Queues a frame. For `Message`, the number that a later [`Output::Acked`] covers; 0 for the
    /// rest.
    ///
    /// # Errors
    /// [`SubmitError`]: nothing was queued.
    pub fn submit(
        &mut self,
        now: Time,
        priority: Priority,
        outgoing: Outgoing,
    ) -> Result<u64, SubmitError> {
        let _ = now;
        if self.phase == Phase::Closed || self.parting != Parting::Staying {
            return Err(SubmitError::Closed);
        }
        let (head, body) = match outgoing {
            Outgoing::Node { code, body } => ((Kind::Node, code, 0), body),
            Outgoing::Message { body } => ((Kind::Message, 0, 0), body),
            Outgoing::Request { id, body } => ((Kind::Request, 0, id), body),
            Outgoing::Reply { id, body } => ((Kind::Reply, 0, id), body),
        };
        let max = self.config.frame_bytes_max;
        if body.len() > max {
            let len = body.len();
            return Err(SubmitError::TooLarge { len, max });
        }
        let bytes_max = self.config.queue_bytes_max;
        let number = self.lane(priority).push(head, body, bytes_max)?;
        self.stats.frames_sent += 1;
        Ok(number)
    }

    /// Appends at most about `budget` bytes of whole frames to `wire`, most urgent first; true if
    /// more is waiting. At least one frame is appended when any waits, however small the budget.
    pub fn transmit(&mut self, now: Time, budget: usize, wire: &mut Vec<u8>) -> bool {
        let start = wire.len();
        match self.phase {
            Phase::Greeting => self.send_hello(wire),
            Phase::Established { version } => {
                self.send_hello(wire);
                self.send_lanes(version, start, budget, wire);
                self.send_signs(version, start, budget, wire);
            }
            Phase::Closed => return false,
        }
        let appended = wire.len() - start;
        if appended > 0 {
            self.stats.bytes_sent += appended as u64;
            self.is_keepalive_due = false;
            self.arm_keepalive(now);
        }
        self.wants_transmit()
    }

    /// Takes bytes from the socket, in any pieces.
    pub fn receive(&mut self, now: Time, bytes: &[u8], out: &mut Vec<Output>) {
        if self.phase == Phase::Closed || bytes.is_empty() {
            return;
        }
        self.stats.bytes_received += bytes.len() as u64;
        if self.idle_timer.is_set() {
            self.idle_timer.set(now + self.config.idle_timeout);
        }
        // The frames borrow from the cutter, so it stands aside while they are handled.
        let mut cutter = mem::take(&mut self.cutter);
        let mut rest = bytes;
        while self.phase != Phase::Closed {
            let handled = match cutter.next(&mut rest, self.rules()) {
                Ok(None) => break,
                Ok(Some(frame)) => self.on_frame(now, frame, out),
                Err(fault) => Err(CloseReason::Fault(fault)),
            };
            if let Err(reason) = handled {
                self.become_closed(reason, out);
            }
        }
        if self.phase != Phase::Closed {
            self.cutter = cutter;
        }
    }

    /// Lets time pass: keep-alive, hello timeout, half-open detection.
    pub fn tick(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.hello_timer.fire(now) {
            self.become_closed(CloseReason::HelloTimeout, out);
        }
        if self.idle_timer.fire(now) {
            self.become_closed(CloseReason::Idle, out);
        }
        // Armed again by the transmission that it asks for.
        if self.keepalive_timer.fire(now) {
            self.is_keepalive_due = true;
        }
    }

    /// Queues a goodbye behind everything that was accepted; once it is transmitted the socket may
    /// be closed. Before the connection is established there is nobody to say goodbye to: what was
    /// queued waits for the peer's hello.
    pub fn close(&mut self) {
        if self.parting == Parting::Staying {
            self.parting = Parting::Wanted;
        }
    }

    /// True when [`Link::transmit`] would append something.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        match self.phase {
            Phase::Greeting => self.is_hello_due,
            Phase::Established { .. } => match self.parting {
                Parting::Staying => {
                    self.is_hello_due || self.is_keepalive_due || self.has_waiting()
                }
                Parting::Wanted => true,
                Parting::Said => false,
            },
            Phase::Closed => false,
        }
    }

    /// When to call [`Link::tick`] next.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        let timers = [&self.hello_timer, &self.keepalive_timer, &self.idle_timer];
        let deadlines = timers.into_iter().map(|timer| timer.deadline(Wake::Link));
        deadlines.fold(None, Deadline::earliest)
    }

    /// The other end's hello, once established.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        self.theirs.as_ref()
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn on_frame(
        &mut self,
        now: Time,
        frame: Frame<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        self.stats.frames_received += 1;
        let Header {
            class: priority,
            code,
            number,
            ..
        } = frame.header;
        let body = || Payload::copy_from(frame.body);
        match frame.header.kind {
            Kind::Hello => return self.on_hello(now, frame, out),
            Kind::Node => out.push(Output::Node { code, body: body() }),
            Kind::Message => {
                self.lane(priority)
                    .on_message(number)
                    .map_err(CloseReason::Fault)?;
                let body = body();
                if self.planted.is(Mutant::DeliversTwice) {
                    let body = body.clone();
                    out.push(Output::Message {
                        priority,
                        number,
                        body,
                    });
                }
                out.push(Output::Message {
                    priority,
                    number,
                    body,
                });
            }
            Kind::Request => {
                let (id, body) = (number, body());
                out.push(Output::Request { priority, id, body });
            }
            Kind::Reply => out.push(Output::Reply {
                id: number,
                body: body(),
            }),
            Kind::Ack => {
                self.lane(priority)
                    .on_ack(number)
                    .map_err(CloseReason::Fault)?;
                out.push(Output::Acked { priority, number });
            }
            Kind::Keepalive => {}
            Kind::Goodbye => return Err(CloseReason::Goodbye),
        }
        Ok(())
    }

    fn on_hello(
        &mut self,
        now: Time,
        frame: Frame<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let spoken = frame.header.version;
        if spoken != HELLO_VERSION {
            return Err(CloseReason::WrongVersion {
                ours: self.ours.versions,
                theirs: VersionRange {
                    min: spoken,
                    max: spoken,
                },
            });
        }
        let Some(theirs) = Hello::decode(frame.body) else {
            return Err(CloseReason::Fault(LinkFault::Malformed));
        };
        let version = self.ours.accept(&theirs, self.expected)?;
        self.phase = Phase::Established { version };
        self.hello_timer.stop();
        self.idle_timer.set(now + self.config.idle_timeout);
        self.arm_keepalive(now);
        self.theirs = Some(theirs.clone());
        out.push(Output::Established(theirs));
        Ok(())
    }

    fn send_hello(&mut self, wire: &mut Vec<u8>) {
        if !mem::take(&mut self.is_hello_due) {
            return;
        }
        let start = wire.len();
        wire.extend_from_slice(&[0; HEADER_LEN]);
        self.ours.encode(wire);
        let len = wire.len() - start - HEADER_LEN;
        let header = Header {
            len: u32::try_from(len).unwrap_or(u32::MAX),
            ..Header::bare(HELLO_VERSION, Kind::Hello)
        };
        wire[start..start + HEADER_LEN].copy_from_slice(&header.encode());
    }

    fn send_lanes(&mut self, version: u8, start: usize, budget: usize, wire: &mut Vec<u8>) {
        if self.parting == Parting::Said {
            return;
        }
        let is_inverted = self.planted.is(Mutant::PriorityInverted);
        for at in 0..Priority::ALL.len() {
            let at = if is_inverted { 3 - at } else { at };
            let (class, lane) = (Priority::ALL[at], &mut self.lanes[at]);
            while let Some(len) = lane.next_len() {
                if !fits(len, start, budget, wire) {
                    return;
                }
                lane.write_next(version, class, wire);
            }
        }
    }

    /// A goodbye, or a keep-alive if nothing else shows that we live; both only behind everything
    /// else.
    fn send_signs(&mut self, version: u8, start: usize, budget: usize, wire: &mut Vec<u8>) {
        if self.has_waiting() || !fits(HEADER_LEN, start, budget, wire) {
            return;
        }
        match self.parting {
            Parting::Staying => {
                if self.is_keepalive_due && wire.len() == start {
                    wire.extend_from_slice(&Header::bare(version, Kind::Keepalive).encode());
                }
            }
            Parting::Wanted => {
                wire.extend_from_slice(&Header::bare(version, Kind::Goodbye).encode());
                self.parting = Parting::Said;
            }
            Parting::Said => {}
        }
    }

    fn become_closed(&mut self, reason: CloseReason, out: &mut Vec<Output>) {
        self.phase = Phase::Closed;
        self.cutter = Cutter::default();
        self.lanes.iter_mut().for_each(Lane::clear);
        self.hello_timer.stop();
        self.keepalive_timer.stop();
        self.idle_timer.stop();
        out.push(Output::Closed(reason));
    }

    fn arm_keepalive(&mut self, now: Time) {
        let is_talking =
            matches!(self.phase, Phase::Established { .. }) && self.parting != Parting::Said;
        if is_talking {
            self.keepalive_timer
                .set(now + self.config.keepalive_interval);
        } else {
            self.keepalive_timer.stop();
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            version: match self.phase {
                Phase::Established { version } => Some(version),
                Phase::Greeting | Phase::Closed => None,
            },
            body_bytes_max: self.config.frame_bytes_max,
        }
    }

    fn lane(&mut self, priority: Priority) -> &mut Lane {
        match priority {
            Priority::Critical => &mut self.lanes[0],
            Priority::High => &mut self.lanes[1],
            Priority::Normal => &mut self.lanes[2],
            Priority::Low => &mut self.lanes[3],
        }
    }

    fn has_waiting(&self) -> bool {
        self.lanes.iter().any(|lane| lane.next_len().is_some())
    }
}

/// Whether `len` more bytes stay in the budget; the first frame of a transmission always does.
fn fits(len: usize, start: usize, budget: usize, wire: &[u8]) -> bool {
    let appended = wire.len() - start;
    appended == 0 || appended + len <= budget
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::id::{ClusterId, Peer};
    use crate::seed::{Random, Seed, Stream};
    use crate::transport::queue::UNACKNOWLEDGED_MAX;

    const NOW: Time = Time::from_millis(1000);
    const ALL: usize = usize::MAX;

    fn config() -> Config {
        Config {
            frame_bytes_max: 1000,
            queue_bytes_max: 4000,
            hello_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(3),
        }
    }

    fn hello(node: u64) -> Hello {
        Hello {
            versions: VersionRange::OURS,
            cluster: ClusterId::new("prod-a").unwrap(),
            peer: Peer {
                node: NodeId(node),
                boot: 1,
            },
            address: "10.0.0.1:7000".parse().unwrap(),
        }
    }

    fn fresh(node: u64) -> Link {
        with_queue(node, config().queue_bytes_max)
    }

    fn with_queue(node: u64, queue_bytes_max: usize) -> Link {
        let config = Config {
            queue_bytes_max,
            ..config()
        };
        Link::new(config, hello(node), None, NOW)
    }

    fn wire_of(link: &mut Link) -> Vec<u8> {
        let mut wire = Vec::new();
        assert!(!link.transmit(NOW, ALL, &mut wire), "no budget, no rest");
        wire
    }

    fn told(link: &mut Link, bytes: &[u8]) -> Vec<Output> {
        let mut out = Vec::new();
        link.receive(NOW, bytes, &mut out);
        out
    }

    /// Two ends that have exchanged their hellos.
    fn pair() -> (Link, Link) {
        introduced(fresh(1), fresh(2))
    }

    fn introduced(mut a: Link, mut b: Link) -> (Link, Link) {
        let (from_a, from_b) = (wire_of(&mut a), wire_of(&mut b));
        assert_eq!(told(&mut b, &from_a), [Output::Established(hello(1))]);
        assert_eq!(told(&mut a, &from_b), [Output::Established(hello(2))]);
        assert_eq!((a.peer(), b.peer()), (Some(&hello(2)), Some(&hello(1))));
        (a, b)
    }

    fn message(len: usize) -> Outgoing {
        let body = Payload::from(vec![7; len]);
        Outgoing::Message { body }
    }

    fn node(code: u8) -> Outgoing {
        let body = Payload::copy_from(&[code]);
        Outgoing::Node { code, body }
    }

    fn node_told(code: u8) -> Output {
        let body = Payload::copy_from(&[code]);
        Output::Node { code, body }
    }

    fn closed(fault: LinkFault) -> Output {
        Output::Closed(CloseReason::Fault(fault))
    }

    fn bare(kind: Kind) -> Header {
        Header::bare(1, kind)
    }

    #[test]
    fn the_hello_is_checked() {
        let other = ClusterId::new("prod-b").unwrap();
        let (old, new) = (
            VersionRange { min: 1, max: 1 },
            VersionRange { min: 2, max: 9 },
        );
        let wrong_node = |expected, found| CloseReason::WrongNode {
            expected: NodeId(expected),
            found: NodeId(found),
        };
        let foreign = CloseReason::WrongCluster {
            ours: hello(1).cluster,
            theirs: other.clone(),
        };
        let futuristic = CloseReason::WrongVersion {
            ours: old,
            theirs: new,
        };
        let cases = [
            (
                None,
                Hello {
                    cluster: other,
                    ..hello(2)
                },
                foreign,
            ),
            (
                None,
                Hello {
                    versions: new,
                    ..hello(2)
                },
                futuristic,
            ),
            (Some(NodeId(3)), hello(2), wrong_node(3, 2)),
            (None, hello(1), wrong_node(1, 1)),
            (Some(NodeId(1)), hello(1), wrong_node(1, 1)),
        ];
        for (expected, theirs, reason) in cases {
            let mut link = Link::new(config(), hello(1), expected, NOW);
            let wire = wire_of(&mut Link::new(config(), theirs, None, NOW));
            assert_eq!(told(&mut link, &wire), [Output::Closed(reason)]);
            assert_eq!((link.peer(), link.deadline()), (None, None));
        }
        let mut link = Link::new(config(), hello(1), Some(NodeId(2)), NOW);
        let wire = wire_of(&mut fresh(2));
        assert_eq!(told(&mut link, &wire), [Output::Established(hello(2))]);
    }

    #[test]
    fn a_hello_that_is_none_is_a_fault() {
        let good = wire_of(&mut fresh(2));
        let mut link = fresh(1);
        let spoken = VersionRange { min: 7, max: 7 };
        let mut bytes = good.clone();
        bytes[0] = 7;
        let ours = VersionRange::OURS;
        let reason = CloseReason::WrongVersion {
            ours,
            theirs: spoken,
        };
        assert_eq!(told(&mut link, &bytes), [Output::Closed(reason)]);
        for len in 0..good.len() - HEADER_LEN {
            let mut bytes = good[..HEADER_LEN + len].to_vec();
            bytes[4] = u8::try_from(len).unwrap();
            assert_eq!(told(&mut fresh(1), &bytes), [closed(LinkFault::Malformed)]);
        }
        for (at, what) in [
            (18, "cluster length"),
            (26, "cluster"),
            (48, "address family"),
        ] {
            let mut bytes = good.clone();
            bytes[at] = 0xFF;
            let outputs = told(&mut fresh(1), &bytes);
            assert_eq!(outputs, [closed(LinkFault::Malformed)], "{what}");
        }
    }

    #[test]
    fn frames_wait_for_the_hello_and_flow_after_it() {
        let (mut a, mut b) = (fresh(1), fresh(2));
        assert_eq!(a.submit(NOW, Priority::Low, node(9)), Ok(0));
        assert_eq!(a.submit(NOW, Priority::Low, message(3)), Ok(1));
        let hello_only = wire_of(&mut a);
        assert_eq!(told(&mut b, &hello_only), [Output::Established(hello(1))]);
        assert!(!a.wants_transmit());
        assert_eq!(told(&mut a, &wire_of(&mut b)).len(), 1);
        assert!(a.wants_transmit());
        let message = Output::Message {
            priority: Priority::Low,
            number: 1,
            body: Payload::from(vec![7; 3]),
        };
        assert_eq!(told(&mut b, &wire_of(&mut a)), [node_told(9), message]);
    }

    /// A stream with every kind of frame, ending in a goodbye.
    fn stream() -> Vec<u8> {
        let (mut a, mut b) = pair();
        let mut stream = wire_of(&mut fresh(1));
        b.submit(NOW, Priority::High, message(1)).unwrap();
        told(&mut a, &wire_of(&mut b));
        a.submit(NOW, Priority::Low, message(1000)).unwrap();
        a.submit(NOW, Priority::Low, message(0)).unwrap();
        a.submit(NOW, Priority::Critical, node(4)).unwrap();
        let body = Payload::copy_from(b"ask");
        let (id, request) = (77, body.clone());
        a.submit(
            NOW,
            Priority::Normal,
            Outgoing::Request { id, body: request },
        )
        .unwrap();
        a.submit(NOW, Priority::High, Outgoing::Reply { id, body })
            .unwrap();
        stream.extend(wire_of(&mut a));
        stream.extend(bare(Kind::Keepalive).encode());
        a.close();
        stream.extend(wire_of(&mut a));
        stream
    }

    /// Feeds the stream in pieces to a link that sends a message as soon as it may, so that the
    /// acknowledgement in the stream is possible.
    fn listen(stream: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<Output>, Link) {
        let (mut link, mut out) = (fresh(2), Vec::new());
        link.submit(NOW, Priority::High, message(1)).unwrap();
        let greeting = wire_of(&mut fresh(1)).len();
        for mut rest in [&stream[..greeting], &stream[greeting..]] {
            while !rest.is_empty() {
                let (bytes, after) = rest.split_at(piece().min(rest.len()));
                link.receive(NOW, bytes, &mut out);
                rest = after;
            }
            wire_of(&mut link);
        }
        (out, link)
    }

    #[test]
    fn pieces_do_not_matter() {
        let stream = stream();
        let (outputs, whole) = listen(&stream, || ALL);
        assert_eq!(outputs.len(), 8);
        assert_eq!(outputs.last(), Some(&Output::Closed(CloseReason::Goodbye)));
        let mut random = Seed::from_number(2).stream(Stream::Network);
        for round in 0..300 {
            let longest = if round == 0 {
                1
            } else {
                1 + random.index(1200)
            };
            let (out, link) = listen(&stream, || 1 + random.index(longest));
            assert_eq!((&out, &link), (&outputs, &whole), "pieces up to {longest}");
        }
    }

    #[test]
    fn a_higher_class_never_waits_for_a_lower_one() {
        let (mut a, mut b) = introduced(with_queue(1, 2 << 20), fresh(2));
        for _ in 0..1100 {
            a.submit(NOW, Priority::Low, message(1000)).unwrap();
        }
        let mut wire = Vec::new();
        assert!(a.transmit(NOW, 16 * 1024, &mut wire));
        assert!(
            (15 * 1024..=16 * 1024).contains(&wire.len()),
            "{}",
            wire.len()
        );
        assert_eq!(told(&mut b, &wire).len(), 16);
        a.submit(NOW, Priority::High, node(2)).unwrap();
        a.submit(NOW, Priority::Critical, node(1)).unwrap();
        wire.clear();
        assert!(
            a.transmit(NOW, 0, &mut wire),
            "one frame, however small the budget"
        );
        assert_eq!(told(&mut b, &wire), [node_told(1)]);
        wire.clear();
        assert!(a.transmit(NOW, 20, &mut wire));
        assert_eq!(told(&mut b, &wire), [node_told(2)]);
        let rest = told(&mut b, &wire_of(&mut a));
        let is_last = |output: &Output| matches!(output, Output::Message { number: 1100, .. });
        assert!(rest.len() == 1084 && rest.last().is_some_and(is_last));
    }

    #[test]
    fn acknowledgements_are_cumulative_per_class() {
        let (mut a, mut b) = pair();
        for (class, number) in [(Priority::Low, 1), (Priority::Low, 2), (Priority::High, 1)] {
            assert_eq!(a.submit(NOW, class, message(5)), Ok(number));
        }
        assert_eq!(told(&mut b, &wire_of(&mut a)).len(), 3);
        b.submit(NOW, Priority::Normal, node(3)).unwrap();
        let acked = |priority, number| Output::Acked { priority, number };
        let expected = [
            acked(Priority::High, 1),
            node_told(3),
            acked(Priority::Low, 2),
        ];
        assert_eq!(told(&mut a, &wire_of(&mut b)), expected);
        assert!(!b.wants_transmit(), "said once");
        a.submit(NOW, Priority::Low, message(5)).unwrap();
        told(&mut b, &wire_of(&mut a));
        assert_eq!(told(&mut a, &wire_of(&mut b)), [acked(Priority::Low, 3)]);
    }

    #[test]
    fn what_cannot_be_queued_is_refused() {
        let (mut a, mut b) = pair();
        let too_large = SubmitError::TooLarge {
            len: 1001,
            max: 1000,
        };
        assert_eq!(a.submit(NOW, Priority::Low, message(1001)), Err(too_large));
        for _ in 0..3 {
            a.submit(NOW, Priority::Low, message(1000)).unwrap();
        }
        let full = Err(SubmitError::Full);
        assert_eq!(a.submit(NOW, Priority::Low, message(1000)), full);
        assert_eq!(
            a.submit(NOW, Priority::Normal, message(1000)),
            Ok(1),
            "each class its own"
        );
        wire_of(&mut a);
        assert_eq!(
            a.submit(NOW, Priority::Low, message(1000)),
            Ok(4),
            "refused ones have no number"
        );
        for number in 5..=6 {
            let submitted = a.submit(NOW, Priority::Low, message(1000));
            assert_eq!(submitted, Ok(number), "what left makes room");
        }
        assert_eq!(a.submit(NOW, Priority::Low, message(1000)), full);
        let (mut a, _) = introduced(with_queue(1, 0), fresh(2));
        assert_eq!(
            a.submit(NOW, Priority::High, message(9)),
            Ok(1),
            "an empty class takes one"
        );
        assert_eq!(a.submit(NOW, Priority::High, message(0)), full);
        for _ in 0..UNACKNOWLEDGED_MAX {
            b.submit(NOW, Priority::Low, message(0)).unwrap();
            b.transmit(NOW, ALL, &mut Vec::new());
        }
        assert_eq!(b.submit(NOW, Priority::Low, message(0)), full);
        assert_eq!(b.submit(NOW, Priority::Low, node(1)), Ok(0));
        b.close();
        assert_eq!(
            b.submit(NOW, Priority::Low, node(1)),
            Err(SubmitError::Closed)
        );
    }

    fn at(link: &mut Link, millis: u64) -> (Vec<Output>, Vec<u8>) {
        let (mut out, mut wire) = (Vec::new(), Vec::new());
        link.tick(Time::from_millis(millis), &mut out);
        link.transmit(Time::from_millis(millis), ALL, &mut wire);
        assert!(!link.wants_transmit(), "everything was said");
        (out, wire)
    }

    fn due(link: &Link) -> Option<u64> {
        link.deadline().map(|deadline| deadline.at.as_millis())
    }

    #[test]
    fn silence_is_broken_and_noticed() {
        let (mut a, _) = pair();
        let keepalive = bare(Kind::Keepalive).encode().to_vec();
        assert_eq!(due(&a), Some(2000));
        assert_eq!(at(&mut a, 1999), (vec![], vec![]));
        assert_eq!(at(&mut a, 2000), (vec![], keepalive.clone()));
        a.submit(Time::from_millis(2500), Priority::Low, node(1))
            .unwrap();
        assert_eq!(at(&mut a, 2500).1.len(), 17);
        assert_eq!(due(&a), Some(3500), "a frame is as good as a keep-alive");
        a.receive(Time::from_millis(3400), &keepalive[..3], &mut Vec::new());
        assert_eq!(at(&mut a, 3500), (vec![], keepalive.clone()));
        assert_eq!(at(&mut a, 4500), (vec![], keepalive.clone()));
        assert_eq!(at(&mut a, 5500), (vec![], keepalive));
        assert_eq!(due(&a), Some(6400));
        let idle = vec![Output::Closed(CloseReason::Idle)];
        assert_eq!(at(&mut a, 9000), (idle, vec![]));
        assert_eq!(due(&a), None);
    }

    #[test]
    fn a_keepalive_waits_for_the_socket_without_waking() {
        let (mut a, _) = pair();
        a.tick(Time::from_millis(2000), &mut Vec::new());
        assert!(a.wants_transmit());
        assert_eq!(due(&a), Some(4000), "only the idle timeout remains");
    }

    #[test]
    fn a_silent_stranger_is_hung_up() {
        let mut link = fresh(1);
        wire_of(&mut link);
        told(&mut link, &wire_of(&mut fresh(2))[..20]);
        assert_eq!(
            (due(&link), at(&mut link, 5999)),
            (Some(6000), (vec![], vec![]))
        );
        let late = vec![Output::Closed(CloseReason::HelloTimeout)];
        assert_eq!(at(&mut link, 6000), (late, vec![]));
        assert_eq!(at(&mut link, 7000), (vec![], vec![]));
    }

    #[test]
    fn a_goodbye_follows_what_was_accepted() {
        let (mut a, mut b) = pair();
        b.submit(NOW, Priority::High, message(1)).unwrap();
        told(&mut a, &wire_of(&mut b));
        a.submit(NOW, Priority::Low, node(6)).unwrap();
        let (code, body) = (8, Payload::from(vec![0; 99]));
        let long = body.clone();
        a.submit(NOW, Priority::Low, Outgoing::Node { code, body: long })
            .unwrap();
        a.close();
        a.close();
        assert_eq!(
            a.submit(NOW, Priority::Low, node(7)),
            Err(SubmitError::Closed)
        );
        let mut wire = Vec::new();
        // The goodbye would fit where the long frame does not, and still must not overtake it.
        while a.transmit(NOW, 60, &mut wire) {}
        assert!(!a.wants_transmit());
        let (priority, number) = (Priority::High, 1);
        let expected = [
            Output::Acked { priority, number },
            node_told(6),
            Output::Node { code, body },
            Output::Closed(CloseReason::Goodbye),
        ];
        b.submit(NOW, Priority::Low, message(8)).unwrap();
        let crossing = wire_of(&mut b);
        assert_eq!(told(&mut b, &wire), expected);
        assert_eq!(told(&mut a, &crossing).len(), 1, "we still listen");
        assert!(!a.wants_transmit(), "but nothing follows a goodbye");
        assert_eq!(due(&a), Some(4000), "no keep-alive either");
    }

    #[test]
    fn a_closed_link_is_inert() {
        let (mut a, mut b) = pair();
        a.submit(NOW, Priority::Low, node(6)).unwrap();
        let stray = wire_of(&mut a);
        told(&mut b, &bare(Kind::Goodbye).encode());
        let before = b.clone();
        assert_eq!(
            b.submit(NOW, Priority::Low, node(7)),
            Err(SubmitError::Closed)
        );
        assert_eq!(told(&mut b, &stray), []);
        assert_eq!(at(&mut b, 99_000), (vec![], vec![]));
        assert!(!b.wants_transmit() && b.deadline().is_none());
        assert_eq!(b, before);
    }

    /// A frame as a stranger might make it, with one byte of body.
    fn raw(head: [u8; 4], len: u32, number: u64) -> Vec<u8> {
        let (len, number) = (len.to_le_bytes(), number.to_le_bytes());
        [&head[..], &len, &number, &[0]].concat()
    }

    #[test]
    fn every_header_that_breaks_a_rule_has_its_fault() {
        use LinkFault::{BrokenSequence, ImpossibleAck, OutOfOrder, Oversized, UnknownFrame};
        let cases = [
            ([2, 2, 0, 1], 1, 0, UnknownFrame, "another version"),
            ([1, 0, 0, 0], 1, 0, UnknownFrame, "no such kind"),
            ([1, 9, 0, 0], 1, 0, UnknownFrame, "no such kind"),
            ([1, 2, 4, 1], 1, 0, UnknownFrame, "no such class"),
            ([1, 2, 0, 1], 1, 1, UnknownFrame, "a number without meaning"),
            ([1, 3, 0, 1], 1, 1, UnknownFrame, "a code without meaning"),
            ([1, 7, 1, 0], 0, 0, UnknownFrame, "a class without meaning"),
            ([1, 2, 0, 1], 1001, 0, Oversized, "a body beyond the limit"),
            ([1, 3, 0, 0], u32::MAX, 1, Oversized, "a body beyond reason"),
            ([1, 6, 0, 0], 1, 1, Oversized, "an acknowledgement's body"),
            ([1, 8, 0, 0], 1, 0, Oversized, "a goodbye's body"),
            ([1, 1, 0, 0], 1, 0, OutOfOrder, "a second hello"),
            ([1, 3, 0, 0], 1, 0, BrokenSequence, "no number"),
            ([1, 3, 0, 0], 1, 2, BrokenSequence, "a gap"),
            ([1, 6, 0, 0], 0, 0, BrokenSequence, "nothing acknowledged"),
            ([1, 6, 0, 0], 0, 1, ImpossibleAck, "what was never sent"),
        ];
        for (head, len, number, fault, what) in cases {
            let (_, mut b) = pair();
            let outputs = told(&mut b, &raw(head, len, number));
            assert_eq!(outputs, [closed(fault)], "{what}");
        }
        let cases = [
            ([1, 2, 0, 1], 1, OutOfOrder, "a frame before the hello"),
            ([1, 8, 0, 0], 0, OutOfOrder, "a goodbye before the hello"),
            ([1, 1, 0, 0], 129, Oversized, "a hello beyond its limit"),
            ([1, 1, 1, 0], 50, UnknownFrame, "a hello with a class"),
        ];
        for (head, len, fault, what) in cases {
            let outputs = told(&mut fresh(1), &raw(head, len, 0));
            assert_eq!(outputs, [closed(fault)], "{what}");
        }
    }

    #[test]
    fn numbers_neither_repeat_nor_run_ahead() {
        let (mut a, mut b) = pair();
        let message_1 = raw([1, 3, 0, 0], 1, 1);
        assert_eq!(told(&mut b, &message_1).len(), 1);
        let broken = [closed(LinkFault::BrokenSequence)];
        assert_eq!(told(&mut b, &message_1), broken, "a repetition");
        a.submit(NOW, Priority::Critical, message(1)).unwrap();
        let ack_1 = &raw([1, 6, 0, 0], 0, 1)[..HEADER_LEN];
        let impossible = [closed(LinkFault::ImpossibleAck)];
        assert_eq!(told(&mut a.clone(), ack_1), impossible, "still queued");
        a.submit(NOW, Priority::Critical, message(1)).unwrap();
        assert!(a.transmit(NOW, 0, &mut Vec::new()));
        let ack_2 = &raw([1, 6, 0, 0], 0, 2)[..HEADER_LEN];
        assert_eq!(told(&mut a.clone(), ack_2), impossible, "one is queued");
        assert_eq!(told(&mut a, ack_1).len(), 1);
        assert_eq!(told(&mut a, ack_1), broken, "acknowledged twice");
    }

    #[test]
    fn no_claim_is_buffered_for() {
        let (_, mut b) = pair();
        let header = Header {
            code: 1,
            len: 1000,
            ..bare(Kind::Node)
        };
        told(&mut b, &header.encode());
        assert!(b.cutter.buffered() < 100, "a claim alone reserves nothing");
        for _ in 0..999 {
            assert_eq!(told(&mut b, &[1]), []);
        }
        assert!(b.cutter.buffered() <= 2 * (HEADER_LEN + 1000));
        assert_eq!(told(&mut b, &[1]).len(), 1);
        let (_, mut b) = pair();
        let header = Header {
            len: 1001,
            ..header
        };
        assert_eq!(told(&mut b, &header.encode()[..15]), []);
        assert_eq!(
            told(&mut b, &header.encode()[15..]),
            [closed(LinkFault::Oversized)]
        );
        assert_eq!(b.cutter.buffered(), 0);
    }

    /// Bytes that often look like frames.
    fn noise(random: &mut Random) -> Vec<u8> {
        let mut bytes = vec![0; random.index(80)];
        for byte in &mut bytes {
            let bound = [2, 9, 256][random.index(3)];
            *byte = u8::try_from(random.below(bound)).unwrap();
        }
        bytes
    }

    #[test]
    fn noise_ends_in_at_most_one_closed() {
        let mut random = Seed::from_number(4).stream(Stream::Network);
        let greeting = wire_of(&mut fresh(1));
        let mut closings = 0;
        for _ in 0..20_000 {
            let (mut link, mut out) = (fresh(2), Vec::new());
            let mut bytes = greeting.clone();
            bytes.truncate(random.index(4 * greeting.len()));
            bytes.extend(noise(&mut random));
            bytes.extend(noise(&mut random));
            for piece in bytes.chunks(1 + random.index(64)) {
                link.receive(NOW, piece, &mut out);
            }
            assert!(link.cutter.buffered() <= 2 * (HEADER_LEN + 1000));
            let is_closed = |output: &Output| matches!(output, Output::Closed(_));
            let first = out.iter().position(is_closed);
            assert!(first.is_none_or(|first| first + 1 == out.len()), "{out:?}");
            closings += usize::from(first.is_some());
        }
        assert!((1..20_000).contains(&closings));
    }

    /// Two ends under random traffic, random budgets and random pieces, against a naive twin: one
    /// list per class.
    #[test]
    fn each_class_arrives_in_order_and_is_acknowledged() {
        let mut random = Seed::from_number(6).stream(Stream::Network);
        let (mut a, mut b) = pair();
        let (mut sent, mut arrived) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
        let (mut acked, mut flying) = ([0; 4], Vec::new());
        for step in 0..20_000u64 {
            let class = Priority::ALL[random.index(4)];
            let body = Payload::copy_from(&step.to_le_bytes()[..1 + random.index(7)]);
            let submitted = a.submit(NOW, class, Outgoing::Message { body: body.clone() });
            if let Ok(number) = submitted {
                sent[class as usize].push((number, body));
            }
            if random.chance(600) {
                a.transmit(NOW, random.index(200), &mut flying);
            }
            let landing: Vec<u8> = flying.drain(..random.index(flying.len() + 1)).collect();
            take(told(&mut b, &landing), &mut arrived);
            if random.chance(300) {
                note(told(&mut a, &wire_of(&mut b)), &mut acked);
            }
        }
        a.transmit(NOW, ALL, &mut flying);
        take(told(&mut b, &flying), &mut arrived);
        note(told(&mut a, &wire_of(&mut b)), &mut acked);
        assert!(acked.iter().all(|number| *number > 1000), "{acked:?}");
        assert_eq!(arrived, sent);
        assert_eq!(
            acked.map(Some),
            sent.map(|list| list.last().map(|last| last.0))
        );
        assert!(!a.has_waiting() && !b.has_waiting());
    }

    fn take(outputs: Vec<Output>, arrived: &mut [Vec<(u64, Payload)>; 4]) {
        for output in outputs {
            let Output::Message {
                priority,
                number,
                body,
            } = output
            else {
                panic!("{output:?}");
            };
            arrived[priority as usize].push((number, body));
        }
    }

    fn note(outputs: Vec<Output>, acked: &mut [u64; 4]) {
        for output in outputs {
            let Output::Acked { priority, number } = output else {
                panic!("{output:?}");
            };
            assert!(number > acked[priority as usize]);
            acked[priority as usize] = number;
        }
    }
}
