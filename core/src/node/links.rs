//! Which connection leads to whom: settles duplicates, dials on demand, keeps a short outbox while
//! a dial is under way.
//!
//! * I1: at most one connection per node is in use. Of two to the same life, dialled by different
//!   ends, both ends keep the one the lower id dialled. Of two dialled by the same end, the dialler
//!   keeps its older; the other end uses the newer and keeps the older as a spare, because it
//!   cannot know which of them the dialler has lost.
//! * I2: at most one dial per address is under way.
//! * I3: what waits is bounded: [`OUTBOX_MAX`] messages per node, none older than [`OUTBOX_AGE`].
//!
//! Deliberately absent: timers. A dial is repeated when there is something to send and the backoff
//! has passed; whoever wants to be sure (probes, heartbeats, rejoin) keeps sending.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::id::{LinkId, NodeId, Peer};
use crate::mutant::{Mutant, Planted};
use crate::seed::Random;
use crate::time::Time;
use crate::wire::Message;

/// Messages waiting for one node's connection; the oldest are dropped first.
pub const OUTBOX_MAX: usize = 32;
/// What has waited longer is stale: whoever sent it has sent something newer, or given up.
pub const OUTBOX_AGE: Duration = Duration::from_secs(1);
/// Up to this many others, connections are dialled as members appear; beyond it, those with the
/// voters only, and the rest when first needed.
pub(super) const MESH_MAX: usize = 64;
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What the composer tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Input {
    /// A connection is authenticated.
    Up {
        link: LinkId,
        peer: Peer,
        address: SocketAddr,
        dialed: bool,
    },
    /// A connection is gone.
    Down { link: LinkId },
    /// Nobody answered.
    DialFailed { address: SocketAddr },
    /// A node listens here.
    Known { node: NodeId, address: SocketAddr },
    /// A node is no member any more.
    Gone { node: NodeId },
    /// The nodes to stay connected with are now these.
    Keep(BTreeSet<NodeId>),
    /// Someone wants this address dialled, whoever is there.
    Dial { address: SocketAddr },
    /// A message for a node.
    Send { to: NodeId, message: Message },
}

/// What the composer does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Output {
    /// A node became reachable, or is now another life.
    Up {
        peer: Peer,
        address: SocketAddr,
        dialed: bool,
    },
    /// A node has no connection any more.
    Down { peer: Peer },
    /// Connect.
    Dial {
        address: SocketAddr,
        expected: Option<NodeId>,
    },
    /// Close.
    Hangup { link: LinkId },
    /// Send over this connection.
    Send {
        link: LinkId,
        to: NodeId,
        message: Message,
    },
    /// Messages were given up.
    Dropped { to: NodeId, messages: usize },
}

/// A connection in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Active {
    link: LinkId,
    peer: Peer,
    dialer: NodeId,
}

/// What is known of the way to one node. In a large cluster most have never been taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Way {
    address: Option<SocketAddr>,
    traffic: Option<Box<Traffic>>,
}

/// Connections to one node, and what waits for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Traffic {
    active: Option<Active>,
    spare: Option<Active>,
    outbox: VecDeque<(Time, Message)>,
    backoff: Duration,
    dial_after: Time,
}

impl Way {
    fn active(&self) -> Option<Active> {
        self.traffic.as_ref()?.active
    }

    fn waiting(&self) -> usize {
        (self.traffic.as_ref()).map_or(0, |traffic| traffic.outbox.len())
    }

    fn traffic(&mut self) -> &mut Traffic {
        self.traffic.get_or_insert_default()
    }
}

/// The table of connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Links {
    me: NodeId,
    my_address: SocketAddr,
    keep: BTreeSet<NodeId>,
    ways: BTreeMap<NodeId, Way>,
    nodes: BTreeMap<LinkId, NodeId>,
    dialing: BTreeSet<SocketAddr>,
    random: Random,
    pub(super) planted: Planted,
}

impl Links {
    /// No connections yet. The addresses of the nodes in `keep` are remembered even when they are
    /// no members.
    pub(super) fn new(
        me: NodeId,
        my_address: SocketAddr,
        keep: BTreeSet<NodeId>,
        random: Random,
    ) -> Links {
        let (ways, nodes, dialing) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Links {
            me,
            my_address,
            keep,
            ways,
            nodes,
            dialing,
            random,
            planted: Planted::default(),
        }
    }

    /// The one verb.
    pub(super) fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Up {
                link,
                peer,
                address,
                dialed,
            } => {
                self.on_up(now, link, peer, address, dialed, out);
            }
            Input::Keep(keep) => self.on_keep(now, keep, out),
            Input::Down { link } => self.on_down(link, out),
            Input::DialFailed { address } => self.on_dial_failed(now, address, out),
            Input::Known { node, address } => {
                self.way(node).address = Some(address);
                self.dial_if_meant(now, node, out);
            }
            Input::Gone { node } => self.on_gone(node),
            Input::Dial { address } => {
                if address != self.my_address && self.dialing.insert(address) {
                    out.push(Output::Dial {
                        address,
                        expected: None,
                    });
                }
            }
            Input::Send { to, message } => self.on_send(now, to, message, out),
        }
    }

    /// Whose connection this is.
    pub(super) fn node(&self, link: LinkId) -> Option<NodeId> {
        self.nodes.get(&link).copied()
    }

    /// The connection in use to a node, and where that node is.
    pub(super) fn active(&self, node: NodeId) -> Option<LinkId> {
        self.ways.get(&node)?.active().map(|active| active.link)
    }

    /// Who is at the other end of the connection in use to a node.
    pub(super) fn active_peer(&self, node: NodeId) -> Option<Peer> {
        self.ways.get(&node)?.active().map(|active| active.peer)
    }

    /// The connections in use, by node.
    pub(super) fn all_active(&self) -> impl Iterator<Item = (NodeId, LinkId)> {
        let ways = self.ways.iter();
        ways.filter_map(|(node, way)| Some((*node, way.active()?.link)))
    }

    /// The nodes for whom messages wait, and how many.
    pub(super) fn outboxes(&self) -> impl Iterator<Item = (NodeId, usize)> {
        let waiting = self.ways.iter().map(|(node, way)| (*node, way.waiting()));
        waiting.filter(|(_, messages)| *messages > 0)
    }

    fn way(&mut self, node: NodeId) -> &mut Way {
        self.ways.entry(node).or_default()
    }

    fn on_up(
        &mut self,
        now: Time,
        link: LinkId,
        peer: Peer,
        address: SocketAddr,
        dialed: bool,
        out: &mut Vec<Output>,
    ) {
        if dialed {
            self.dialing.remove(&address);
        }
        self.nodes.insert(link, peer.node);
        let dialer = if dialed { self.me } else { peer.node };
        let new = Active { link, peer, dialer };
        let (me, is_selfish) = (self.me, self.planted.is(Mutant::KeepsWrongDuplicate));
        let way = self.way(peer.node).traffic();
        let old = way.active;
        match old.map_or(Settled::First, |old| settle(me, new, old)) {
            Settled::KeepNew if is_selfish && old.is_some_and(|old| old.peer == peer) => {
                out.push(Output::Hangup { link });
                return;
            }
            Settled::First => {}
            Settled::KeepOld => {
                out.push(Output::Hangup { link });
                return;
            }
            Settled::KeepNew => hang_up(old, out),
            Settled::KeepBoth => hang_up(core::mem::replace(&mut way.spare, old), out),
        }
        way.active = Some(new);
        way.backoff = Duration::ZERO;
        way.dial_after = now;
        if old.map(|old| old.peer) != Some(peer) {
            if let Some(old) = old {
                out.push(Output::Down { peer: old.peer });
            }
            out.push(Output::Up {
                peer,
                address,
                dialed,
            });
        } else if dialed {
            // Of two crossing dials each end may have seen the other's first, as the one who was
            // called. One of them must still act as the caller, on the connection that stays.
            out.push(Output::Up {
                peer,
                address,
                dialed,
            });
        }
        let outbox = core::mem::take(&mut way.outbox);
        self.way(peer.node).address = Some(address);
        let fresh = outbox
            .into_iter()
            .filter(|(since, _)| now.since(*since) < OUTBOX_AGE);
        let sends = fresh.map(|(_, message)| Output::Send {
            link,
            to: peer.node,
            message,
        });
        out.extend(sends);
    }

    fn on_down(&mut self, link: LinkId, out: &mut Vec<Output>) {
        let Some(node) = self.nodes.remove(&link) else {
            return;
        };
        let way = self.way(node).traffic();
        if way.spare.is_some_and(|spare| spare.link == link) {
            way.spare = None;
        }
        let Some(active) = way.active.filter(|active| active.link == link) else {
            return;
        };
        way.active = way.spare.take();
        if way.active.map(|spare| spare.peer) != Some(active.peer) {
            out.push(Output::Down { peer: active.peer });
        }
    }

    fn on_dial_failed(&mut self, now: Time, address: SocketAddr, out: &mut Vec<Output>) {
        self.dialing.remove(&address);
        let random = &mut self.random;
        for (node, way) in &mut self.ways {
            if way.address != Some(address) || way.active().is_some() {
                continue;
            }
            let way = way.traffic();
            way.backoff = (way.backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
            way.dial_after = now + random.span(way.backoff / 2, way.backoff);
            let before = way.outbox.len();
            way.outbox
                .retain(|(since, _)| now.since(*since) < OUTBOX_AGE);
            let messages = before - way.outbox.len();
            if messages > 0 {
                out.push(Output::Dropped {
                    to: *node,
                    messages,
                });
            }
        }
    }

    fn on_keep(&mut self, now: Time, keep: BTreeSet<NodeId>, out: &mut Vec<Output>) {
        let before = core::mem::replace(&mut self.keep, keep);
        let new: Vec<NodeId> = self.keep.difference(&before).copied().collect();
        for node in new {
            self.dial_if_meant(now, node, out);
        }
    }

    /// Dials whom this node is to be connected with before there is anything to send: in a small
    /// cluster everyone, in a large one those to keep, since what they send travels over
    /// connections that others have opened.
    fn dial_if_meant(&mut self, now: Time, node: NodeId, out: &mut Vec<Output>) {
        let (is_kept, am_kept) = (self.keep.contains(&node), self.keep.contains(&self.me));
        let is_meant = match self.ways.len() <= MESH_MAX {
            true => self.me < node,
            false => is_kept && (self.me < node || !am_kept),
        };
        if is_meant {
            self.dial(now, node, out);
        }
    }

    fn on_gone(&mut self, node: NodeId) {
        let idle = self
            .ways
            .get(&node)
            .is_some_and(|way| way.active().is_none());
        if idle && !self.keep.contains(&node) {
            self.ways.remove(&node);
        } else if let Some(traffic) = self.ways.get_mut(&node).and_then(|it| it.traffic.as_mut()) {
            traffic.outbox.clear();
        }
    }

    fn on_send(&mut self, now: Time, to: NodeId, message: Message, out: &mut Vec<Output>) {
        let Some(way) = self.ways.get_mut(&to) else {
            return;
        };
        let way = way.traffic();
        if let Some(active) = way.active {
            out.push(Output::Send {
                link: active.link,
                to,
                message,
            });
            return;
        }
        if way.outbox.len() >= OUTBOX_MAX && !self.planted.is(Mutant::OutboxUnbounded) {
            way.outbox.pop_front();
        }
        way.outbox.push_back((now, message));
        self.dial(now, to, out);
    }

    fn dial(&mut self, now: Time, node: NodeId, out: &mut Vec<Output>) {
        let Some(way) = self.ways.get(&node) else {
            return;
        };
        let Some(address) = way.address else { return };
        let traffic = way.traffic.as_ref();
        let may = traffic.is_none_or(|it| it.active.is_none() && now >= it.dial_after);
        let wanted = may && address != self.my_address;
        if wanted && self.dialing.insert(address) {
            out.push(Output::Dial {
                address,
                expected: Some(node),
            });
        }
    }
}

/// What becomes of a connection beside one in use (I1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    First,
    KeepOld,
    KeepNew,
    KeepBoth,
}

fn settle(me: NodeId, new: Active, old: Active) -> Settled {
    if new.peer.boot != old.peer.boot {
        return if new.peer.boot > old.peer.boot {
            Settled::KeepNew
        } else {
            Settled::KeepOld
        };
    }
    if new.dialer != old.dialer {
        return if new.dialer < old.dialer {
            Settled::KeepNew
        } else {
            Settled::KeepOld
        };
    }
    if new.dialer == me {
        Settled::KeepOld
    } else {
        Settled::KeepBoth
    }
}

fn hang_up(loser: Option<Active>, out: &mut Vec<Output>) {
    out.extend(loser.map(|loser| Output::Hangup { link: loser.link }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::{self, Nack};
    use crate::seed::{Seed, Stream};

    fn links(me: u64) -> Links {
        let random = Seed::from_number(me).stream(Stream::Links);
        Links::new(NodeId(me), address(me), BTreeSet::from([NodeId(3)]), random)
    }

    fn address(node: u64) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7000 + u16::try_from(node).unwrap()))
    }

    fn step(links: &mut Links, millis: u64, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        links.step(Time::from_millis(millis), input, &mut out);
        out
    }

    fn up(link: u64, node: u64, boot: u64, dialed: bool) -> Input {
        let peer = Peer {
            node: NodeId(node),
            boot,
        };
        Input::Up {
            link: LinkId(link),
            peer,
            address: address(node),
            dialed,
        }
    }

    fn message(probe: u64) -> Message {
        Message::Membership(membership::Message::Nack(Nack { probe }))
    }

    fn send(to: u64, probe: u64) -> Input {
        Input::Send {
            to: NodeId(to),
            message: message(probe),
        }
    }

    fn is_up(out: &[Output]) -> bool {
        out.iter().any(|output| matches!(output, Output::Up { .. }))
    }

    fn hung_up(out: &[Output]) -> Vec<u64> {
        let link = |output: &Output| match output {
            Output::Hangup { link } => Some(link.0),
            Output::Up { .. }
            | Output::Down { .. }
            | Output::Dial { .. }
            | Output::Send { .. }
            | Output::Dropped { .. } => None,
        };
        out.iter().filter_map(link).collect()
    }

    #[test]
    fn both_ends_keep_the_connection_that_the_lower_id_dialled() {
        for theirs_first in [false, true] {
            let (mut one, mut two) = (links(1), links(2));
            let mut order = [(1, true), (2, false)];
            if theirs_first {
                order.reverse();
            }
            // Link 1 was dialled by node 1, link 2 by node 2.
            let at_one: Vec<u64> = order
                .iter()
                .flat_map(|(l, d)| hung_up(&step(&mut one, 0, up(*l, 2, 1, *d))))
                .collect();
            let at_two: Vec<u64> = order
                .iter()
                .flat_map(|(l, d)| hung_up(&step(&mut two, 0, up(*l, 1, 1, !*d))))
                .collect();
            assert_eq!((at_one, at_two), (alloc::vec![2], alloc::vec![2]));
            assert_eq!(one.active(NodeId(2)), Some(LinkId(1)));
        }
    }

    /// Whoever dialled opens the exchange of member lists; it must be exactly one of the two, and
    /// over the connection that stays, however two dials cross.
    #[test]
    fn crossing_dials_have_one_caller_on_the_connection_that_stays() {
        for order in [[1, 1], [1, 2], [2, 1], [2, 2]] {
            let mut calls = Vec::new();
            for (me, first) in [(1, order[0]), (2, order[1])] {
                let mut links = links(me);
                for link in [first, 3 - first] {
                    let dialed = link == me;
                    let out = step(&mut links, 0, up(link, 3 - me, 1, dialed));
                    let called =
                        |output: &Output| matches!(output, Output::Up { dialed: true, .. });
                    if out.iter().any(called) && link == 1 {
                        calls.push((me, link));
                    }
                }
            }
            assert_eq!(calls, [(1, 1)], "arrivals {order:?}");
        }
    }

    #[test]
    fn a_dialler_that_lost_its_connection_is_heard_over_the_new_one() {
        let mut links = links(2);
        assert!(is_up(&step(&mut links, 0, up(1, 1, 1, false))));
        assert_eq!(
            step(&mut links, 1, up(2, 1, 1, false)),
            [],
            "no new fact, nothing hung up"
        );
        assert_eq!(links.active(NodeId(1)), Some(LinkId(2)));
        assert_eq!(step(&mut links, 2, Input::Down { link: LinkId(2) }), []);
        assert_eq!(
            links.active(NodeId(1)),
            Some(LinkId(1)),
            "the spare was the live one"
        );
        let down = Output::Down {
            peer: Peer {
                node: NodeId(1),
                boot: 1,
            },
        };
        assert_eq!(step(&mut links, 3, Input::Down { link: LinkId(1) }), [down]);
    }

    #[test]
    fn a_new_life_takes_over_and_an_old_one_is_turned_away() {
        let mut links = links(2);
        step(&mut links, 0, up(1, 1, 4, false));
        assert_eq!(hung_up(&step(&mut links, 0, up(2, 1, 3, false))), [2]);
        let out = step(&mut links, 0, up(3, 1, 5, false));
        assert!(is_up(&out) && hung_up(&out) == [1]);
    }

    #[test]
    fn sending_dials_once_and_the_outbox_is_bounded_in_number_and_age() {
        let mut links = links(5);
        assert_eq!(
            step(&mut links, 0, send(3, 0)),
            [],
            "nobody knows where it is"
        );
        step(
            &mut links,
            0,
            Input::Known {
                node: NodeId(3),
                address: address(3),
            },
        );
        let dial = Output::Dial {
            address: address(3),
            expected: Some(NodeId(3)),
        };
        assert_eq!(step(&mut links, 0, send(3, 1)), [dial]);
        for probe in 2..100 {
            assert_eq!(step(&mut links, 900, send(3, probe)), []);
        }
        let out = step(&mut links, 1100, up(1, 3, 1, true));
        assert_eq!(
            out.len(),
            1 + OUTBOX_MAX,
            "the fact and the newest messages"
        );
        let link = LinkId(1);
        let last = Output::Send {
            link,
            to: NodeId(3),
            message: message(99),
        };
        assert_eq!(out.last(), Some(&last));
    }

    #[test]
    fn in_a_large_cluster_whoever_has_no_vote_dials_the_voters() {
        let known = |node| Input::Known {
            node: NodeId(node),
            address: address(node),
        };
        let dialed = |out: &[Output]| {
            let is_dial = |it: &&Output| matches!(it, Output::Dial { .. });
            out.iter().filter(is_dial).count()
        };
        let (mut learner, mut voter) = (links(500), links(3));
        for node in 600..700 {
            step(&mut learner, 0, known(node));
            step(&mut voter, 0, known(node));
        }
        assert_eq!(
            dialed(&step(&mut learner, 0, known(3))),
            1,
            "links() keeps node 3"
        );
        assert_eq!(dialed(&step(&mut learner, 0, known(4))), 0);
        assert_eq!(dialed(&step(&mut voter, 0, known(500))), 0);
        let keep = [3, 4].map(NodeId).into_iter().collect();
        assert_eq!(dialed(&step(&mut learner, 0, Input::Keep(keep))), 1);
    }

    #[test]
    fn failed_dials_back_off() {
        let mut links = links(5);
        step(
            &mut links,
            0,
            Input::Known {
                node: NodeId(3),
                address: address(3),
            },
        );
        let mut dials = 0;
        for millis in 0..10_000 {
            let out = step(&mut links, millis, send(3, millis));
            if !out.is_empty() {
                dials += 1;
                step(
                    &mut links,
                    millis,
                    Input::DialFailed {
                        address: address(3),
                    },
                );
            }
        }
        assert!((5..=20).contains(&dials), "{dials} dials in 10 s");
    }
}
