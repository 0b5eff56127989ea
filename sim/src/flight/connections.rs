//! Which connection of one node is which of another's, and which message is which.
//!
//! Each node numbers its connections for itself. Two ends belong together when one was dialled by
//! the life that the other came from, and what the one received is what the other sent. Most
//! messages carry a number of a probe or a round that no other message has, so the content tells
//! even connections apart that followed each other closely.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use quorate_core::id::{LinkId, Peer};
use quorate_core::node::{Action, Event};

use super::life::Life;
use crate::record::End;
use crate::trace::digest;

/// The connection and end of each link of each life.
pub(super) struct Connections {
    ends: Vec<BTreeMap<LinkId, End>>,
}

impl Connections {
    /// The end that a link of a life is.
    pub(super) fn end(&self, life: usize, link: LinkId) -> Option<End> {
        self.ends.get(life)?.get(&link).copied()
    }

    /// All ends of a life.
    pub(super) fn of(&self, life: usize) -> Vec<End> {
        self.ends[life].values().copied().collect()
    }
}

/// Which step of which life sent what a step received: from the receiver's place to the sender's.
pub(super) type Matches = BTreeMap<(usize, usize), (usize, usize)>;

/// One end of a connection, as its life saw it.
struct Seen {
    life: usize,
    link: LinkId,
    from: Peer,
    to: Peer,
    is_dialed: bool,
    sent: BTreeSet<u64>,
    received: BTreeSet<u64>,
}

/// Finds the two ends of each connection.
pub(super) fn pair(lives: &[Life]) -> Connections {
    let mut seen: Vec<Seen> = Vec::new();
    for (life, this) in lives.iter().enumerate() {
        seen.extend(ends_of(life, this));
    }
    let mut open: BTreeMap<(Peer, Peer), Vec<usize>> = BTreeMap::new();
    for (index, end) in seen.iter().enumerate().filter(|(_, end)| !end.is_dialed) {
        open.entry((end.to, end.from)).or_default().push(index);
    }
    let mut ends: Vec<BTreeMap<LinkId, End>> = vec![BTreeMap::new(); lives.len()];
    let mut next = 0;
    for dialed in seen.iter().filter(|end| end.is_dialed) {
        ends[dialed.life].insert(dialed.link, (next, 0));
        let candidates = open.entry((dialed.from, dialed.to)).or_default();
        let alike = |index: &usize| {
            let other = &seen[*index];
            dialed.sent.intersection(&other.received).count()
                + other.sent.intersection(&dialed.received).count()
        };
        let scores = candidates.iter().map(alike).enumerate();
        // The first of equals: connections of a pair come up in one order at both ends.
        let best = scores.rev().max_by_key(|(_, score)| *score);
        if let Some((place, _)) = best.filter(|(_, score)| *score > 0) {
            let other = &seen[candidates.remove(place)];
            ends[other.life].insert(other.link, (next, 1));
        }
        next += 1;
    }
    for end in &seen {
        ends[end.life].entry(end.link).or_insert_with(|| {
            next += 1;
            (next - 1, 1)
        });
    }
    Connections { ends }
}

fn ends_of(life: usize, this: &Life) -> Vec<Seen> {
    let mut places: BTreeMap<LinkId, usize> = BTreeMap::new();
    let mut seen: Vec<Seen> = Vec::new();
    for step in &this.steps {
        match &step.event {
            Event::LinkUp {
                link, peer, dialed, ..
            } => {
                places.insert(*link, seen.len());
                seen.push(Seen {
                    life,
                    link: *link,
                    from: this.peer,
                    to: *peer,
                    is_dialed: *dialed,
                    sent: BTreeSet::new(),
                    received: BTreeSet::new(),
                });
            }
            Event::Received { link, message } => {
                if let Some(place) = places.get(link) {
                    seen[*place].received.insert(digest(message));
                }
            }
            Event::Tick
            | Event::LinkDown { .. }
            | Event::DialFailed { .. }
            | Event::Persisted(_)
            | Event::DiskStalled
            | Event::Command { .. } => {}
        }
        for action in &step.actions {
            if let Action::Send { link, message, .. } = action
                && let Some(place) = places.get(link)
            {
                seen[*place].sent.insert(digest(message));
            }
        }
    }
    seen
}

/// Matches what was received to what was sent: equal messages of a connection in their order.
pub(super) fn matches(lives: &[Life], connections: &Connections) -> Matches {
    let mut sent: BTreeMap<(End, u64), VecDeque<(usize, usize)>> = BTreeMap::new();
    for (life, this) in lives.iter().enumerate() {
        for (number, step) in this.steps.iter().enumerate() {
            for action in &step.actions {
                if let Action::Send { link, message, .. } = action
                    && let Some(end) = connections.end(life, *link)
                {
                    let key = (end, digest(message));
                    sent.entry(key).or_default().push_back((life, number));
                }
            }
        }
    }
    let mut matches = Matches::new();
    for (life, this) in lives.iter().enumerate() {
        for (number, step) in this.steps.iter().enumerate() {
            if let Event::Received { link, message } = &step.event
                && let Some((conn, end)) = connections.end(life, *link)
                && let Some(open) = sent.get_mut(&((conn, 1 - end), digest(message)))
                && let Some(sender) = open.pop_front()
            {
                matches.insert((life, number), sender);
            }
        }
    }
    matches
}
