//! Watches a run and keeps what the page shows.
//!
//! A message is recognised at its receiver by its content: connections carry several classes of
//! priority, so that order does not tell which message of a connection has arrived, but equal
//! messages of one connection arrive in the order of their sending.

use std::collections::{BTreeMap, VecDeque};

use quorate_core::membership;
use quorate_core::notice::Notice;
use quorate_core::raft::Role;
use quorate_core::time::Time;
use quorate_core::wire::Message;

use super::recording::{CutChange, Event, Fate, Lane, Recording, Sent, State, Up};
use super::words;
use crate::network::Ways;
use crate::trace::digest;
use crate::wording;

/// So many messages are kept at most; the page keeps fewer.
const MESSAGES_MAX: usize = 400_000;
/// So many events.
const EVENTS_MAX: usize = 60_000;

/// One direction of a connection, named by the end that sends.
pub type Way = (usize, usize);

/// What a process and its host look like to the recorder.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The node, if its process runs.
    pub node: Option<&'a quorate_core::node::Node>,
    /// When the process was started, in nanoseconds.
    pub born: u64,
    /// Which life it is.
    pub life: u64,
    /// It stands still.
    pub paused: bool,
    /// Its disk is slowed down.
    pub is_disk_slow: bool,
}

/// Watches a run.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    recording: Recording,
    cut: Vec<bool>,
    stepped: Vec<bool>,
    under_way: BTreeMap<(Way, u64), VecDeque<usize>>,
}

impl Recorder {
    /// For so many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Recorder {
        Recorder {
            recording: Recording {
                lanes: vec![Lane::default(); nodes],
                ..Recording::default()
            },
            cut: vec![false; nodes * nodes],
            stepped: vec![true; nodes],
            under_way: BTreeMap::new(),
        }
    }

    /// Something happened; `node` counts from 1, 0 is the world.
    pub fn event(&mut self, now: u64, node: u64, kind: &'static str, text: String) {
        if self.recording.events.len() < EVENTS_MAX {
            let at = now / 1_000;
            self.recording.events.push(Event {
                at,
                node,
                kind,
                text,
            });
        }
    }

    /// A fault of the plan strikes.
    pub fn fault(&mut self, now: u64, strike: &crate::plan::Strike) {
        let kind = if strike.fault.mends() {
            "heal"
        } else {
            "fault"
        };
        self.event(now, 0, kind, strike.to_string());
    }

    /// A node told something.
    pub fn notice(&mut self, now: u64, host: usize, notice: &Notice) {
        let told = wording::notice(notice, None);
        let text = match told.why.as_str() {
            "" => told.what,
            why => format!("{} ({why})", told.what),
        };
        self.event(now, number(host), notice.name(), text);
    }

    /// A node was stepped: its state may have changed.
    pub fn stepped(&mut self, host: usize) {
        self.stepped[host] = true;
    }

    /// A node handed a message to a connection, which took it or not.
    pub fn sent(&mut self, now: u64, way: Way, hosts: (usize, usize), message: &Message, ok: bool) {
        if self.recording.messages.len() >= MESSAGES_MAX {
            self.recording.messages_uncounted += 1;
            return;
        }
        let spoken = words::message(message);
        if ok {
            let open = self.under_way.entry((way, digest(message))).or_default();
            open.push_back(self.recording.messages.len());
        }
        self.recording.messages.push(Sent {
            at: now / 1_000,
            from: number(hosts.0),
            to: number(hosts.1),
            kind: spoken.kind,
            is_folded: spoken.is_folded,
            text: spoken.text,
            fate: Fate::Lost,
        });
    }

    /// A message has arrived over a connection.
    pub fn received(&mut self, now: u64, way: Way, message: &Message) {
        let key = (way, digest(message));
        let Some(open) = self.under_way.get_mut(&key) else {
            return;
        };
        if let Some(sent) = open
            .pop_front()
            .and_then(|i| self.recording.messages.get_mut(i))
        {
            sent.fate = Fate::Took((now / 1_000).saturating_sub(sent.at));
        }
        if open.is_empty() {
            self.under_way.remove(&key);
        }
    }

    /// Looks at a host after something happened; changes are kept.
    pub fn look(&mut self, now: u64, host: usize, look: Look<'_>) {
        let lane = &self.recording.lanes[host];
        let is_new = lane.changes.is_empty();
        let old = &lane.state;
        let is_still = look.node.is_some() == (old.up != Up::Down)
            && (look.life, look.paused, look.is_disk_slow)
                == (old.life, old.paused, old.is_disk_slow);
        if is_still && !is_new && !self.stepped[host] {
            return;
        }
        self.stepped[host] = false;
        let state = state(&look, now);
        if state == *old && !is_new {
            return;
        }
        let old = old.clone();
        for (kind, text) in words::process(&old, &state) {
            self.event(now, number(host), kind, text);
        }
        let since = if is_new { State::default() } else { old };
        let changes = state.changes_since(&since);
        let lane = &mut self.recording.lanes[host];
        lane.changes.push((now / 1_000, changes));
        lane.state = state;
    }

    /// Looks at the ways between the nodes.
    pub fn ways(&mut self, now: u64, ways: &Ways) {
        let nodes = self.recording.lanes.len();
        for pair in 0..self.cut.len() {
            let (from, to) = (pair / nodes, pair % nodes);
            let is_cut = ways.is_cut(from, to);
            if is_cut == self.cut[pair] {
                continue;
            }
            self.cut[pair] = is_cut;
            let (from, to, at) = (number(from), number(to), now / 1_000);
            self.recording.cuts.push(CutChange {
                at,
                from,
                to,
                is_cut,
            });
        }
    }

    /// The run is over; `is_open` says whether a way still carries anything.
    #[must_use]
    pub fn finish(mut self, now: u64, is_open: impl Fn(Way) -> bool) -> Recording {
        for ((way, _), open) in std::mem::take(&mut self.under_way) {
            let fate = if is_open(way) {
                Fate::UnderWay
            } else {
                Fate::Lost
            };
            for index in open {
                self.recording.messages[index].fate = fate;
            }
        }
        self.recording.end = now / 1_000;
        self.recording
    }
}

fn number(host: usize) -> u64 {
    host as u64 + 1
}

fn state(look: &Look<'_>, now: u64) -> State {
    let mut state = State {
        life: look.life,
        paused: look.paused,
        is_disk_slow: look.is_disk_slow,
        ..State::default()
    };
    let Some(node) = look.node else {
        return state;
    };
    let view = node.view();
    let (raft, standing) = (view.raft(), view.raft().standing());
    state.up = if view.is_started() {
        Up::Running
    } else {
        Up::Starting
    };
    state.term = standing.term.0;
    state.role = role(standing.role);
    state.leader = standing.leader.map(|leader| leader.0);
    let leads = standing.role == Role::Leader;
    state.has_quorum = leads && raft.has_quorum(Time(now.saturating_sub(look.born)));
    state.commit = raft.commit().0;
    state.last = raft.last_index().0;
    state.incarnation = view.membership().incarnation().to_string();
    let members = view.membership().members();
    state.members = members
        .map(|member| (member.node.0, belief(member.state)))
        .collect();
    let roles = view.control().state().roles().iter();
    state.roles = roles
        .map(|(name, role)| {
            let holder = role.holder.map(|peer| peer.to_string());
            (name.to_string(), (holder, role.epoch.0))
        })
        .collect();
    let known = view.membership().members().map(|member| member.node);
    let linked = known.filter(|node| view.link(*node).is_some());
    state.links = linked.map(|node| node.0).collect();
    state
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::PreCandidate => "pre-candidate",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}

fn belief(state: membership::State) -> char {
    match state {
        membership::State::Alive => 'a',
        membership::State::Suspect => 's',
        membership::State::Dead => 'd',
        membership::State::Left => 'l',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::membership::{Message as M, Nack};

    #[test]
    fn equal_messages_of_a_way_are_told_apart_by_their_order() {
        let message = Message::Membership(M::Nack(Nack { probe: 7 }));
        let other = Message::Membership(M::Nack(Nack { probe: 8 }));
        let mut recorder = Recorder::new(2);
        recorder.sent(1_000, (0, 0), (0, 1), &message, true);
        recorder.sent(2_000, (0, 0), (0, 1), &message, true);
        recorder.sent(3_000, (0, 0), (0, 1), &other, true);
        recorder.sent(4_000, (1, 0), (0, 1), &other, true);
        recorder.sent(5_000, (1, 0), (0, 1), &message, false);
        recorder.received(9_000, (0, 0), &message);
        recorder.received(9_500, (0, 1), &other);
        let recording = recorder.finish(10_000, |way| way == (0, 0));
        let fates: Vec<Fate> = recording.messages.iter().map(|sent| sent.fate).collect();
        let (held, lost) = (Fate::UnderWay, Fate::Lost);
        assert_eq!(fates, [Fate::Took(8), held, held, lost, lost]);
    }

    #[test]
    fn a_cut_is_kept_once() {
        let spec = crate::plan::Plan::quiet("q", 1, 3).network;
        let mut ways = Ways::new(3, spec);
        let mut recorder = Recorder::new(3);
        ways.close(0, 2, 1);
        recorder.ways(5_000, &ways);
        recorder.ways(6_000, &ways);
        ways.open_all();
        recorder.ways(7_000, &ways);
        let cuts = recorder.finish(8_000, |_| true).cuts;
        let seen: Vec<_> = cuts
            .iter()
            .map(|c| (c.at, c.from, c.to, c.is_cut))
            .collect();
        assert_eq!(seen, [(5, 1, 3, true), (7, 1, 3, false)]);
    }
}
