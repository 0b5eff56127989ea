//! From a record to what the page shows.
//!
//! The lives of the record are lived again, so that every state can be looked at. A message is
//! matched to its sending as the record did it: by its cause and its content.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_core::control::{Command as Controlled, Effect, Refused};
use quorate_core::id::{NodeId, Ticket};
use quorate_core::journal::Tail;
use quorate_core::membership;
use quorate_core::node::{Action, Answer, Command, Event as Given, Refusal};
use quorate_core::raft::Role;
use quorate_core::wire::Message;

use super::scene::{Cut, Event, Fate, Lane, Scene, Sent, State, Up};
use super::words;
use crate::record::{Happening, Life, Lives, Record, Spell, Turn, What};
use crate::trace::digest;
use crate::wording;

/// So many messages are kept at most; the page keeps fewer.
const MESSAGES_MAX: usize = 400_000;
/// So many events.
const EVENTS_MAX: usize = 60_000;

/// What a page of a record shows.
#[must_use]
pub fn stage(record: &Record) -> Scene {
    let mut staging = Staging::new(record);
    let mut lives = Lives::new(record);
    let mut turns = record.turns.iter().peekable();
    while let Some((number, this)) = lives.advance() {
        while let Some(turn) = turns.next_if(|turn| turn.before <= number) {
            staging.turn(turn, &lives);
        }
        staging.happened(number, this, &lives);
    }
    turns.for_each(|turn| staging.turn(turn, &lives));
    staging.finish(record)
}

#[derive(Default)]
struct Staging {
    scene: Scene,
    lane_of: BTreeMap<NodeId, usize>,
    /// Messages that have not been delivered: by the happening that sent them, to whom, and their
    /// content.
    under_way: BTreeMap<(usize, NodeId, u64), VecDeque<usize>>,
    /// What lies on the machines.
    spells: BTreeSet<(NodeId, Spell)>,
    /// Writes that wait for an answer, in words.
    asked: BTreeMap<(NodeId, Ticket), String>,
}

impl Staging {
    fn new(record: &Record) -> Staging {
        let nodes = record.nodes();
        let lane_of: BTreeMap<_, _> = nodes.iter().copied().zip(0..).collect();
        let lane = |node| lane_of.get(&node).map_or(0, |index| number(*index));
        let cuts = record.ways.iter().map(|way| Cut {
            at: way.at_ns / 1_000,
            from: lane(way.from),
            to: lane(way.to),
            is_cut: way.is_cut,
        });
        let scene = Scene {
            lanes: vec![Lane::default(); nodes.len()],
            nodes,
            cuts: cuts.collect(),
            end: record.end_ns / 1_000,
            ..Scene::default()
        };
        Staging {
            scene,
            lane_of,
            ..Staging::default()
        }
    }

    fn happened(&mut self, at: usize, this: &Happening, lives: &Lives<'_>) {
        let Some((node, lane)) = this
            .node
            .and_then(|node| Some((node, *self.lane_of.get(&node)?)))
        else {
            return self.of_the_world(this);
        };
        match &this.what {
            What::Step { event, actions, .. } => {
                self.heard(this, event);
                for action in actions {
                    self.acted(at, this, (node, lane), action);
                }
                self.asks(node, event);
            }
            What::Started { start, .. } => {
                self.scene.voters.extend(start.config.voters.iter());
                self.event(this, number(lane), "start", wording::happening(this));
            }
            What::Crashed { .. } => {
                self.event(this, number(lane), "crash", wording::happening(this));
            }
            What::Ended(tail) => {
                let kind = match tail {
                    Tail::Cut { .. } => "crash",
                    Tail::Ended(_) => "stop",
                };
                self.event(this, number(lane), kind, wording::happening(this));
            }
            What::WentOn => self.event(this, number(lane), "resume", wording::happening(this)),
            What::Struck { .. } | What::Healed | What::Violated(_) => {}
        }
        self.look(this.at_ns, node, lives);
    }

    fn of_the_world(&mut self, this: &Happening) {
        match &this.what {
            What::Struck { strike, hits, .. } => {
                let kind = if strike.fault.mends() {
                    "heal"
                } else {
                    "fault"
                };
                self.event(this, 0, kind, wording::fault(strike, hits));
            }
            What::Healed => self.event(this, 0, "heal", wording::happening(this)),
            // A violation stands in the caption.
            What::Violated(_)
            | What::Step { .. }
            | What::Started { .. }
            | What::Crashed { .. }
            | What::Ended(_)
            | What::WentOn => {}
        }
    }

    fn acted(&mut self, at: usize, this: &Happening, who: (NodeId, usize), action: &Action) {
        let (node, lane) = who;
        match action {
            Action::Send { to, message, .. } => self.sent(at, this, lane, *to, message),
            Action::Notify(notice) => {
                let told = wording::notice(notice, None);
                let text = match told.why.as_str() {
                    "" => told.what,
                    why => format!("{} ({why})", told.what),
                };
                self.event(this, number(lane), notice.name(), text);
            }
            Action::Reply { ticket, answer } => self.answered(this, node, *ticket, answer),
            Action::Dial { .. }
            | Action::Hangup { .. }
            | Action::Persist { .. }
            | Action::PublishRoutes(_)
            | Action::Halt(_) => {}
        }
    }

    fn sent(&mut self, at: usize, this: &Happening, lane: usize, to: NodeId, message: &Message) {
        let Some(lane_to) = self.lane_of.get(&to) else {
            self.scene.messages_uncounted += 1;
            return;
        };
        if self.scene.messages.len() >= MESSAGES_MAX {
            self.scene.messages_uncounted += 1;
            return;
        }
        let open = self.under_way.entry((at, to, digest(message))).or_default();
        open.push_back(self.scene.messages.len());
        let spoken = words::message(message);
        self.scene.messages.push(Sent {
            at: this.at_ns / 1_000,
            from: number(lane),
            to: number(*lane_to),
            kind: spoken.kind,
            is_folded: spoken.is_folded,
            text: spoken.text,
            fate: Fate::Lost,
        });
    }

    fn heard(&mut self, this: &Happening, event: &Given) {
        let (Given::Received { message, .. }, Some(cause), Some(node)) =
            (event, this.cause, this.node)
        else {
            return;
        };
        let open = self.under_way.get_mut(&(cause, node, digest(message)));
        let index = open.and_then(VecDeque::pop_front);
        if let Some(sent) = index.and_then(|index| self.scene.messages.get_mut(index)) {
            sent.fate = Fate::Took((this.at_ns / 1_000).saturating_sub(sent.at));
        }
    }

    fn asks(&mut self, node: NodeId, event: &Given) {
        let Given::Command { ticket, command } = event else {
            return;
        };
        if let Command::Propose { request, command } = command
            && matches!(command, Controlled::Write { .. })
        {
            let name = request.map_or("a write".to_string(), |(client, request)| {
                format!("{client} {request}")
            });
            self.asked.insert((node, *ticket), name);
        }
    }

    fn answered(
        &mut self,
        this: &Happening,
        node: NodeId,
        ticket: Ticket,
        answer: &Result<Answer, Refusal>,
    ) {
        let (Some(name), Ok(Answer::Applied { index, outcome })) =
            (self.asked.remove(&(node, ticket)), answer)
        else {
            return;
        };
        let (kind, became) = match outcome {
            Ok(Effect::Written { .. }) => ("acked", format!("written at {index}")),
            Err(Refused::StaleEpoch { .. }) => ("stale", "refused: its epoch is stale".into()),
            Ok(_) | Err(_) => return,
        };
        self.event(this, 0, kind, format!("{name} {became}, says {node}"));
    }

    fn turn(&mut self, turn: &Turn, lives: &Lives<'_>) {
        let Some(lane) = self.lane_of.get(&turn.node).copied() else {
            return;
        };
        match turn.begins {
            true => self.spells.insert((turn.node, turn.spell)),
            false => self.spells.remove(&(turn.node, turn.spell)),
        };
        if turn.spell == Spell::Pause && turn.begins && self.scene.events.len() < EVENTS_MAX {
            self.scene.events.push(Event {
                at: turn.at_ns / 1_000,
                lane: number(lane),
                kind: "pause",
                text: "process stands still".to_string(),
            });
        }
        self.look(turn.at_ns, turn.node, lives);
    }

    /// Keeps what changed of a node.
    fn look(&mut self, at_ns: u64, node: NodeId, lives: &Lives<'_>) {
        let Some(lane) = self.lane_of.get(&node).copied() else {
            return;
        };
        let lane = &mut self.scene.lanes[lane];
        let base = State {
            life: lane.state.life,
            paused: self.spells.contains(&(node, Spell::Pause)),
            is_disk_slow: self.spells.contains(&(node, Spell::SlowDisk)),
            ..State::default()
        };
        let state = lives
            .get(node)
            .map_or(base.clone(), |life| state(base, life));
        if state != lane.state || lane.changes.is_empty() {
            let changes = state.changes_since(&lane.state);
            lane.changes.push((at_ns / 1_000, changes));
            lane.state = state;
        }
    }

    fn event(&mut self, this: &Happening, lane: u64, kind: &'static str, text: String) {
        if self.scene.events.len() < EVENTS_MAX {
            let at = this.at_ns / 1_000;
            self.scene.events.push(Event {
                at,
                lane,
                kind,
                text,
            });
        }
    }

    fn finish(mut self, record: &Record) -> Scene {
        for key in record.under_way() {
            let open = self.under_way.get_mut(&key).and_then(VecDeque::pop_front);
            if let Some(sent) = open.and_then(|index| self.scene.messages.get_mut(index)) {
                sent.fate = Fate::UnderWay;
            }
        }
        self.scene
    }
}

fn number(lane: usize) -> u64 {
    lane as u64 + 1
}

fn state(mut state: State, life: &Life) -> State {
    let view = life.node.view();
    let (raft, standing) = (view.raft(), view.raft().standing());
    state.life = life.number;
    state.up = if view.is_started() {
        Up::Running
    } else {
        Up::Starting
    };
    state.term = standing.term.0;
    state.role = role(standing.role);
    state.leader = standing.leader.map(|leader| leader.0);
    state.has_quorum = standing.role == Role::Leader && raft.has_quorum(life.now);
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
    use quorate_core::id::{ClusterId, LinkId, Lsn, Peer};
    use quorate_core::journal::Start;
    use quorate_core::membership::{Message as M, Nack};
    use quorate_core::node::Config;
    use quorate_core::seed::Seed;
    use quorate_core::time::Time;
    use quorate_core::transport::Priority;

    use crate::record::{Step, Way};

    fn nack(probe: u64) -> Message {
        Message::Membership(M::Nack(Nack { probe }))
    }

    /// Two nodes with two connections: link 0 is connection 0, link 1 is connection 1.
    fn pair() -> Record {
        let mut record = Record::new(None);
        for node in [1, 2].map(NodeId) {
            let cluster = ClusterId::new("test").expect("a name");
            let config = Config::lan(cluster, node, ([10, 0, 0, 1], 1).into());
            let start = Box::new(Start {
                config: config.validate().expect("valid"),
                durable: Default::default(),
                last: Lsn(0),
                seed: Seed::from_number(node.0),
                now: Time::ZERO,
            });
            record.noted(0, Some(node), What::Started { life: 1, start });
            let (peer, address) = (NodeId(3 - node.0), ([10, 0, 0, 1], 1).into());
            for link in [0, 1].map(LinkId) {
                let peer = Peer {
                    node: peer,
                    boot: 1,
                };
                let up = Given::LinkUp {
                    link,
                    peer,
                    address,
                    dialed: node == NodeId(1),
                };
                step(&mut record, 0, node.0, up, &[]);
            }
        }
        record
    }

    fn step(record: &mut Record, at_us: u64, node: u64, event: Given, sends: &[(u64, Message)]) {
        let end = usize::from(node == 2);
        let actions: Vec<Action> = sends
            .iter()
            .map(|(link, message)| Action::Send {
                link: LinkId(*link),
                to: NodeId(3 - node),
                priority: Priority::Normal,
                message: message.clone(),
            })
            .collect();
        record.stepped(Step {
            at_ns: at_us * 1_000,
            node: NodeId(node),
            now: Time(at_us * 1_000),
            event,
            due: None,
            actions: &actions,
            ends: &|link| Some((link.0 as usize, end)),
        });
    }

    #[test]
    fn equal_messages_of_a_connection_are_told_apart_by_their_order() {
        let mut record = pair();
        let tick = || Given::Tick;
        step(&mut record, 1, 1, tick(), &[(0, nack(7))]);
        step(&mut record, 2, 1, tick(), &[(0, nack(7))]);
        step(&mut record, 3, 1, tick(), &[(0, nack(8))]);
        step(&mut record, 4, 1, tick(), &[(1, nack(8))]);
        step(&mut record, 5, 1, tick(), &[(0, nack(7))]);
        record.refused((0, 0), &nack(7));
        let (link, message) = (LinkId(0), nack(7));
        step(&mut record, 9, 2, Given::Received { link, message }, &[]);
        let (link, message) = (LinkId(1), nack(9));
        step(&mut record, 10, 2, Given::Received { link, message }, &[]);
        let link = LinkId(1);
        step(&mut record, 11, 1, Given::LinkDown { link }, &[]);
        let fates: Vec<Fate> = stage(&record).messages.iter().map(|m| m.fate).collect();
        let (held, lost) = (Fate::UnderWay, Fate::Lost);
        assert_eq!(fates, [Fate::Took(8), held, held, lost, lost]);
    }

    #[test]
    fn spells_and_cuts_are_kept_with_their_lane() {
        let mut record = pair();
        let (at_ns, from, to) = (5_000, NodeId(2), NodeId(1));
        record.way(Way {
            at_ns,
            from,
            to,
            is_cut: true,
        });
        record.spell(6_000, NodeId(2), Spell::Pause, true);
        record.spell(7_000, NodeId(2), Spell::Pause, true);
        record.noted(8_000, Some(NodeId(2)), What::WentOn);
        record.spell(8_000, NodeId(2), Spell::Pause, false);
        let scene = stage(&record);
        assert_eq!((scene.cuts[0].from, scene.cuts[0].to), (2, 1));
        let kinds: Vec<_> = scene.events.iter().map(|e| (e.lane, e.kind)).collect();
        let expected = [(1, "start"), (2, "start"), (2, "pause"), (2, "resume")];
        assert_eq!(kinds, expected);
        let paused = scene.lanes[1].changes.iter();
        let paused: Vec<_> = paused
            .filter_map(|(at, c)| Some((*at, c.get("paused")?)))
            .collect();
        assert_eq!(paused, [(6, &true.into()), (8, &false.into())]);
    }
}
