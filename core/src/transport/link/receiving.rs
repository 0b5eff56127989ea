//! What arrives: frames cut out of the stream, each to whom it concerns.

use core::time::Duration;

use super::super::assembly::assemble;
use super::super::frame::{Frame, HELLO_VERSION, Header, Kind};
use super::super::resume::Resume;
use super::super::{CloseReason, Hello, LinkFault, Output, Priority, Session, VersionRange};
use super::{Joined, Link, Phase, Time};

/// What the other end asks for beyond this is not granted.
const LONGER_MAX: Duration = Duration::from_secs(600);

impl Link {
    /// Takes bytes from the socket, in any pieces.
    pub fn receive(
        &mut self,
        now: Time,
        bytes: &[u8],
        session: &mut Session,
        sink: &mut impl FnMut(Output<'_>),
    ) {
        if self.phase == Phase::Closed || bytes.is_empty() {
            return;
        }
        self.stats.bytes_received += bytes.len() as u64;
        if self.idle_timer.is_set() {
            self.idle_timer.set(now + self.config.idle_timeout);
        }
        // Frames borrow from the cutter, so it stands aside while they are handled.
        let mut cutter = core::mem::take(&mut self.cutter);
        let mut rest = bytes;
        while self.phase != Phase::Closed {
            let handled = match cutter.next(&mut rest, self.rules()) {
                Ok(None) => break,
                Ok(Some(ref frame)) => self.on_frame(now, frame, session, sink),
                Err(fault) => Err(CloseReason::Fault(fault)),
            };
            if let Err(reason) = handled {
                self.become_closed(reason, sink);
            }
        }
        if self.phase != Phase::Closed {
            self.cutter = cutter;
        }
    }

    fn on_frame(
        &mut self,
        now: Time,
        frame: &Frame<'_>,
        session: &mut Session,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), CloseReason> {
        self.stats.frames_received += 1;
        let &Frame { ref header, body } = frame;
        let heard = match header.kind {
            Kind::Hello => return self.on_hello(now, frame, session, sink),
            Kind::Goodbye => return Err(CloseReason::Goodbye),
            Kind::Keepalive => {
                let longer = Duration::from_millis(header.number).min(LONGER_MAX);
                let silence = self.config.idle_timeout.saturating_add(longer);
                self.idle_timer.set(now + silence);
                Ok(())
            }
            Kind::Node => self.on_node(frame, sink),
            Kind::Datagram => {
                let priority = header.class;
                sink(Output::Datagram { priority, body });
                Ok(())
            }
            Kind::Resume => self.on_resume(now, body, session, sink),
            Kind::Ack
            | Kind::Probe
            | Kind::Message
            | Kind::Request
            | Kind::Reply
            | Kind::Data
            | Kind::Credit => self.on_session(now, frame, session, sink),
        };
        heard.map_err(CloseReason::Fault)
    }

    fn on_hello(
        &mut self,
        now: Time,
        frame: &Frame<'_>,
        session: &mut Session,
        sink: &mut impl FnMut(Output<'_>),
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
        let is_lost = session.meet(theirs.peer.boot, version);
        sink(Output::Established(theirs));
        if is_lost {
            sink(Output::Lost);
        }
        Ok(())
    }

    fn on_node(
        &mut self,
        frame: &Frame<'_>,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let &Frame { ref header, body } = frame;
        let partial = &mut self.partials[header.class.index()];
        let max = self.config.message_bytes_max;
        assemble(partial, header, body, max, |whole| {
            let (code, body) = (whole.code, whole.bytes);
            sink(Output::Node { code, body });
            Ok(())
        })
    }

    fn on_resume(
        &mut self,
        now: Time,
        body: &[u8],
        session: &mut Session,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        let resume = Resume::decode(body).ok_or(LinkFault::Malformed)?;
        self.is_resumed = true;
        if !self.is_with(session) {
            // An earlier life of the peer has nothing to say to the session of a later one.
            return Ok(());
        }
        let accord = session.on_resume(now, &resume)?;
        if accord.is_lost {
            sink(Output::Lost);
        }
        for priority in Priority::ALL {
            let number = resume.received[priority.index()];
            if accord.is_news[priority.index()] {
                sink(Output::Acked { priority, number });
            }
        }
        let is_known = self.joined.is_some_and(|joined| session.is_joined(joined));
        if !accord.is_joined {
            // What follows is for a session of ours that is over.
            self.joined = None;
        } else if !is_known {
            self.joined = Some(session.attach());
            sink(Output::Resumed);
        }
        Ok(())
    }

    /// A frame of a session: of the one that goes on here, or of one that is over.
    fn on_session(
        &mut self,
        now: Time,
        frame: &Frame<'_>,
        session: &mut Session,
        sink: &mut impl FnMut(Output<'_>),
    ) -> Result<(), LinkFault> {
        if !self.is_resumed {
            return Err(LinkFault::OutOfOrder);
        }
        let is_current = |joined: &Joined| session.is_joined(*joined);
        let Some(joined) = self.joined.filter(is_current) else {
            return Ok(());
        };
        if !self.is_with(session) {
            return Ok(());
        }
        let Header {
            kind,
            class: priority,
            number,
            ..
        } = frame.header;
        if kind == Kind::Probe {
            session.on_probe();
        } else if kind == Kind::Ack {
            let is_carrier = session.is_carried_by(joined);
            let window = &mut self.window;
            let landed = |flight, len| {
                if is_carrier {
                    window.on_acked(now, flight, len);
                }
            };
            if session.on_ack(now, priority, number, landed)? {
                sink(Output::Acked { priority, number });
            }
        } else {
            session.on_numbered(now, frame, sink)?;
        }
        Ok(())
    }
}
