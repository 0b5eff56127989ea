//! How a session goes on over a new connection, or begins anew.

use super::super::LinkFault;
use super::super::priority::PerClass;
use super::super::resume::Resume;
use super::{Lane, Mutant, Session, Theirs, Time};

/// Which pair of sessions a link speaks for, and whether it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Joined {
    ours: u64,
    theirs: u64,
    ticket: u64,
}

/// What became of the two ends' accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Accord {
    /// They agree.
    pub(in super::super) is_joined: bool,
    /// Something of ours was lost over it.
    pub(in super::super) is_lost: bool,
    /// Per class: something of ours had arrived that we did not know of.
    pub(in super::super) is_news: PerClass<bool>,
}

impl Session {
    /// A life of the peer introduces itself, which speaks `version` with us. True if that ended the
    /// session with an earlier life. An older life than the one we know changes nothing.
    pub(in super::super) fn meet(&mut self, boot: u64, version: u8) -> bool {
        let is_new = self.theirs.boot.is_none_or(|known| known < boot);
        if !is_new {
            return false;
        }
        let is_lost = self.theirs.boot.is_some();
        if is_lost {
            self.renew();
        }
        self.theirs = Theirs {
            boot: Some(boot),
            ..Theirs::default()
        };
        if version != self.version {
            self.version = version;
            for lane in &mut self.lanes {
                lane.set_version(version);
            }
        }
        is_lost
    }

    /// Whether this is the life that the session is with.
    pub(in super::super) fn is_with(&self, boot: u64) -> bool {
        self.theirs.boot == Some(boot)
    }

    /// Our session, and the other end's, 0 if it is not known.
    pub(in super::super) fn pair(&self) -> (u64, u64) {
        (self.id, self.theirs.session)
    }

    /// What to tell the other end at the beginning of a connection.
    pub(in super::super) fn resume(&self, now: Time) -> Resume {
        Resume {
            session: self.id,
            known: self.theirs.session,
            received: [0, 1, 2, 3].map(|class: usize| self.arrivals[class].received),
            clock: now,
        }
    }

    /// The other end says what it knows. Sessions of a life are numbered upward, so that what an
    /// old connection brings late is recognised.
    pub(in super::super) fn on_resume(
        &mut self,
        now: Time,
        resume: &Resume,
    ) -> Result<Accord, LinkFault> {
        let mut accord = Accord {
            is_joined: false,
            is_lost: false,
            is_news: PerClass::default(),
        };
        if self.theirs.session != 0 && resume.session != self.theirs.session {
            if resume.session < self.theirs.session {
                return Ok(accord);
            }
            // It has given up the session that we know, and everything in it.
            accord.is_lost = true;
            let id = self.id;
            self.renew();
            if resume.known == id {
                self.id = id;
            }
        }
        if resume.known != 0 && resume.known != self.id {
            // It will learn from our resumption that its knowledge is old.
            return Ok(accord);
        }
        accord.is_joined = true;
        self.theirs.session = resume.session;
        self.theirs.clocks = (resume.clock, now);
        if resume.known == self.id {
            for (class, received) in resume.received.into_iter().enumerate() {
                accord.is_news[class] = self.lanes[class].on_ack(received, |_, _| {})?;
            }
            self.watch_progress(now, accord.is_news.contains(&true));
        }
        Ok(accord)
    }

    /// From now on one link carries the session, from behind the last acknowledged frame on.
    pub(in super::super) fn attach(&mut self) -> Joined {
        self.ticket += 1;
        for lane in &mut self.lanes {
            if self.planted.is(Mutant::ForgetsOnReconnect) {
                lane.forget_flying();
            }
            lane.rewind();
        }
        Joined {
            ours: self.id,
            theirs: self.theirs.session,
            ticket: self.ticket,
        }
    }

    /// Whether a link's frames belong to this session.
    pub(in super::super) fn is_joined(&self, joined: Joined) -> bool {
        (joined.ours, joined.theirs) == (self.id, self.theirs.session)
    }

    /// Whether a link carries this session.
    pub(in super::super) fn is_carried_by(&self, joined: Joined) -> bool {
        self.is_joined(joined) && joined.ticket == self.ticket
    }

    /// Bytes under way that the window counts.
    pub(in super::super) fn flying_bytes(&self) -> u64 {
        let below_critical = self.lanes[1..].iter().map(Lane::flying_bytes);
        below_critical.map(|bytes| bytes as u64).sum()
    }
}
