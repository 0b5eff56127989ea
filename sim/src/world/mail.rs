//! The hosts' messages under load: on every process senders send messages, broadcasts, requests and
//! streams to others, and readers take what comes, some of them slowly.
//!
//! * I1: a host does here what the adapters do: it waits for room, writes streams as they are read,
//!   and tells every sender how its send ended.
//! * I2: nothing here knows whether the other end lives; the checkers do.

mod desk;
mod sending;
mod taking;

use std::collections::BTreeSet;

use quorate_core::id::Peer;
use quorate_core::seed::Random;
use quorate_core::time::Time;
use quorate_core::transport::{Config, Priority, Session};

use self::desk::{Desk, Parcel, Sender};
pub(super) use self::desk::{Letters, Mail};
use super::host::Process;
use super::sessions::Letter;
use super::{Direction, World};
use crate::checkers::arrives_once::{Flow, Way};
use crate::checkers::sends_end::Outcome;
use crate::checkers::slow_reader_alone::SETTLED_NS;
use crate::checkers::{Checkers, Verdict, link_memory_bounded};
use crate::engine::des::Due;
use crate::marks::{Mark, Marks};
use crate::plan::Senders;
use crate::sends::{self, Choice, Kind};
use crate::trace::Trace;

/// A host without a connection dials again after so long.
const DIAL_AGAIN_NS: u64 = 2_000_000_000;
/// Larger sends take their time.
const LARGE_BYTES: usize = 64 * 1024;
/// None is larger than so many times what may be under way of it.
const LARGE_CREDITS: usize = 32;
/// ... each of which takes so long at most where segments are lost and a reader is slow.
const ROUND_NS: u64 = 2_000_000_000;
/// On a slower network nothing is promised by the clock.
const LATENCY_NS_MAX: u64 = 60_000_000;

/// One process at its desk for one other host.
struct Post<'a> {
    now: u64,
    local: Time,
    me: Peer,
    /// From here to there.
    way: Way,
    config: &'a Config,
    spec: Senders,
    desk: &'a mut Desk,
    senders: &'a mut [Sender],
    large: &'a mut BTreeSet<u64>,
    session: &'a mut Session,
    random: &'a mut Random,
    checkers: &'a mut Checkers,
    trace: &'a mut Trace,
    marks: &'a mut Marks,
    serial: &'a mut u64,
    wrong: &'a mut Vec<(&'static str, String)>,
}

impl Post<'_> {
    fn demand(&mut self, checker: &'static str, verdict: Verdict) {
        self.wrong.extend(verdict.err().map(|what| (checker, what)));
    }

    /// The number of a new send; its last bits say the class.
    fn number(&mut self, class: Priority) -> u64 {
        *self.serial += 1;
        (*self.serial << 2) | class.index() as u64
    }

    /// The host is told how a send ended.
    fn end(&mut self, id: u64, outcome: Outcome) {
        self.trace.note(self.now, &(id, outcome));
        match outcome {
            Outcome::Unknown => self.marks.hit(Mark::SendUnknown),
            Outcome::Full => self.marks.hit(Mark::SendFoundNoRoom),
            Outcome::Late => self.marks.hit(Mark::RequestLate),
            Outcome::Delivered
            | Outcome::Answered
            | Outcome::Cancelled
            | Outcome::TooManyStreams
            | Outcome::Refused
            | Outcome::Unreachable => {}
        }
        self.large.remove(&id);
        self.checkers.arrives_once.settled(id);
        let verdict = self.checkers.sends_end.ended(id, outcome);
        self.demand("sends_end", verdict);
        let verdict = self.checkers.slow_reader_alone.settled(id, outcome);
        self.demand("slow_reader_alone", verdict);
    }
}

/// The class of a send.
fn class_of(id: u64) -> Priority {
    Priority::ALL[(id & 3) as usize]
}

impl World {
    fn post(&mut self, host: usize, to: usize) -> Option<Post<'_>> {
        let spec = self.plan.workload.senders?;
        let state = &mut self.hosts[host];
        let process = state.process.as_mut()?;
        let me = process.node.view().me();
        let Process {
            clock,
            sessions,
            mail,
            ..
        } = process;
        Some(Post {
            now: self.now,
            local: clock.at(self.now),
            me,
            way: (host, me.boot, to),
            config: &state.config.transport,
            spec,
            desk: mail.desks.entry(to).or_default(),
            senders: &mut mail.senders,
            large: &mut mail.large,
            session: sessions.get_mut(to)?,
            random: &mut self.letters.random,
            checkers: &mut self.checkers,
            trace: &mut self.trace,
            marks: &mut self.marks,
            serial: &mut self.letters.serial,
            wrong: &mut self.letters.wrong,
        })
    }

    /// The turn of all senders and readers of a process.
    pub(super) fn on_mail(&mut self, host: usize, life: u64) {
        let Some(spec) = self
            .plan
            .workload
            .senders
            .filter(|_| self.is_life(host, life))
        else {
            return;
        };
        let usual = spec.interval.ns();
        let pause = self.letters.random.within(usual / 2..=usual * 3 / 2).max(1);
        self.queue.push(self.now + pause, Due::Mail { host, life });
        let senders = usize::try_from(spec.per_node).unwrap_or(1);
        if let Some(process) = self.hosts[host].process.as_mut() {
            process.mail.senders.resize(senders, Sender::default());
        }
        for sender in 0..senders {
            self.send_next(&spec, host, sender);
        }
        let desks = self.hosts[host].process.as_ref();
        let desks = desks.map(|it| it.mail.desks.keys().copied().collect::<Vec<_>>());
        for to in desks.unwrap_or_default() {
            if let Some(mut post) = self.post(host, to) {
                post.expire();
                post.read();
                post.work();
            }
            self.flush_to(host, to);
        }
        self.demand_mail();
    }

    fn send_next(&mut self, spec: &Senders, host: usize, sender: usize) {
        let hosts = self.hosts.len();
        let Some(process) = self.hosts[host].process.as_mut() else {
            return;
        };
        let own = &mut process.mail.senders[sender];
        let is_done = spec.sends > 0 && own.sends >= spec.sends;
        if own.waiting > 0 || is_done || hosts < 2 {
            return;
        }
        own.sends += 1;
        // One large send at a time is enough to fill a connection.
        let spec = Senders {
            large_permille: match process.mail.large.is_empty() {
                true => spec.large_permille,
                false => 0,
            },
            ..*spec
        };
        let choice = sends::choose(&spec, &mut self.letters.random);
        let other = (host + 1 + self.letters.random.index(hosts - 1)) % hosts;
        if choice.kind != Kind::Broadcast {
            return self.begin(choice, host, other, sender);
        }
        for to in (0..hosts).filter(|to| *to != host) {
            self.begin(choice, host, to, sender);
        }
    }

    /// A host sends something to another; what is done with it at once is done later in the turn.
    fn begin(&mut self, choice: Choice, host: usize, to: usize, sender: usize) {
        let has_session = self.hosts[host].process.as_ref();
        let has_session = has_session.is_some_and(|it| it.sessions.get(to).is_some());
        self.totals.sends += 1;
        if !has_session {
            return;
        }
        self.dial_for(host, to);
        let credit = self.hosts[host].config.transport.credit_bytes;
        let choice = Choice {
            len: choice.len.min(LARGE_CREDITS * credit),
            ..choice
        };
        let is_large = choice.len > LARGE_BYTES;
        let is_judged =
            self.is_smooth() && !is_large && !self.is_slow_reader(host, to, choice.class);
        let Some(mut post) = self.post(host, to) else {
            return;
        };
        let id = post.number(choice.class);
        let (now, me, way) = (post.now, post.me, post.way);
        let longer = is_large.then_some((choice.len / credit) as u64 * ROUND_NS);
        if is_large {
            post.large.insert(id);
        }
        let checker = &mut post.checkers.sends_end;
        checker.begun(id, me, now, longer.unwrap_or(0));
        post.checkers.arrives_once.sent(id);
        if is_judged {
            let is_stream = matches!(choice.kind, Kind::Stream | Kind::Long);
            let flow = (!is_stream).then_some(Flow::Plain(choice.class));
            post.checkers.slow_reader_alone.begun(id, now, way, flow);
        }
        post.senders[sender].waiting += 1;
        let since = now;
        post.desk.waiting.push_back(Parcel {
            id,
            choice,
            since,
            sender,
        });
    }

    /// Without a connection one is dialled.
    fn dial_for(&mut self, host: usize, to: usize) {
        if self.carrier(host, to).is_some() {
            return;
        }
        let now = self.now;
        let Some(post) = self.post(host, to) else {
            return;
        };
        if now >= post.desk.dialed + DIAL_AGAIN_NS {
            post.desk.dialed = now;
            self.redial(host, to);
        }
    }

    /// Whether nothing has been wrong for a while, nor slow by nature.
    fn is_smooth(&self) -> bool {
        let (plan, network) = (&self.plan, &self.plan.network);
        let is_healed = |heal: crate::span::Span| self.now >= heal.ns() + SETTLED_NS;
        plan.heal.is_some_and(is_healed)
            && plan.terrain.is_empty()
            && network.bandwidth == 0
            && network.latency_max.ns() <= LATENCY_NS_MAX
    }

    /// Whether the other host is slow to read what this one sends of a class.
    fn is_slow_reader(&self, host: usize, to: usize, class: Priority) -> bool {
        let process = self.hosts[to].process.as_ref();
        let desk = process.and_then(|process| process.mail.desks.get(&host));
        desk.is_some_and(|desk| desk.inboxes[class.index()].is_slow(self.now))
    }

    /// What a session brings is taken by the host. One that has no part in this takes it at once.
    pub(super) fn on_letter(&mut self, directions: [Direction; 2], letter: Letter) {
        let [(host, _, to, _), inward] = directions;
        if let Letter::Message {
            priority,
            number: Some(number),
            ..
        } = letter
        {
            self.on_message(inward, priority, number);
        }
        if let Letter::Acked { priority, number } = letter {
            self.on_acked(directions[0], priority, number);
        }
        if let Some(mut post) = self.post(host, to) {
            post.take(inward, letter);
            return self.demand_mail();
        }
        let Letter::Message { priority, cost, .. } = letter else {
            return;
        };
        let Some(process) = self.hosts[host].process.as_mut() else {
            return;
        };
        if let Some(session) = process.sessions.get_mut(to) {
            session.consume(process.clock.at(self.now), priority, cost);
        }
    }

    /// All that came at once is taken. Not before is more handed over: of two streams of one number
    /// the end of the first is among it.
    pub(super) fn on_letters_taken(&mut self, host: usize, to: usize) {
        let post = self.post(host, to);
        if let Some(mut post) = post.filter(|post| post.desk.is_work_due) {
            post.work();
            self.demand_mail();
        }
    }

    /// The session of a host with another one is lost, and what was under way in it.
    pub(super) fn on_mail_lost(&mut self, host: usize, to: usize) {
        if let Some(mut post) = self.post(host, to) {
            post.lose();
            self.demand_mail();
        }
    }

    /// A process has started, or ended.
    pub(super) fn note_mail_life(&mut self, host: usize, has_started: bool) {
        let checker = &mut self.checkers.slow_reader_alone;
        if has_started {
            checker.started(host, self.now);
        } else {
            checker.ended(host);
        }
    }

    /// What a checker has seen is said.
    pub(super) fn demand_mail(&mut self) {
        for (checker, what) in std::mem::take(&mut self.letters.wrong) {
            self.demand(checker, Err(what));
        }
    }

    /// The checkers of mail look at the whole.
    pub(super) fn look_at_mail(&mut self) {
        if self.plan.workload.senders.is_none() {
            return;
        }
        if let Some(heal) = self.plan.heal.filter(|heal| self.now >= heal.ns()) {
            let verdict = self.checkers.sends_end.look(self.now, heal.ns());
            self.demand("sends_end", verdict);
        }
        let verdict = self.checkers.slow_reader_alone.look(self.now);
        self.demand("slow_reader_alone", verdict);
        let verdict = self.memory_verdict();
        self.demand("link_memory_bounded", verdict);
    }

    fn memory_verdict(&self) -> Verdict {
        for host in &self.hosts {
            let Some(process) = host.process.as_ref() else {
                continue;
            };
            let config = &host.config.transport;
            let max = link_memory_bounded::session_bytes_max(config);
            for (_, session) in process.sessions.iter() {
                link_memory_bounded::check("a session", session.held_bytes(), max)?;
            }
        }
        for end in self.conns.iter().flatten().flat_map(|conn| &conn.ends) {
            let config = &self.hosts[end.host].config.transport;
            let max = link_memory_bounded::link_bytes_max(config);
            link_memory_bounded::check("a connection", end.link.held_bytes(), max)?;
        }
        Ok(())
    }

    /// Sends what a host has for another one, over the connection that carries their session.
    pub(super) fn flush_to(&mut self, host: usize, to: usize) {
        if let Some((conn, end)) = self.carrier(host, to) {
            self.flush(conn, end);
        }
    }
}
