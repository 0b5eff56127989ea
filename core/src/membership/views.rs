//! Stable views: bursts of changes told as one (the idea of Rapid's cut detection, §4 of its paper,
//! on top of SWIM's suspicions).
//!
//! Every change is a fact at once. Beside the facts, a *view* says in one numbered piece what came
//! of the changes since the last one. It waits until nothing has changed for one probe period and
//! nobody is suspected, because where one suspicion has become a death and others still run, more
//! deaths are to come. So the crash of one member in a calm cluster is told one probe period after
//! its death, and ten crashes at a moment are told together.
//!
//! Invariants: I1 the views of a node, added up, are its live members at the moment of the last
//! one. I2 numbers rise by one, and no view is empty. I3 no change waits longer than
//! [`HELD_PERIODS_MAX`] probe periods, whatever flaps meanwhile. I4 a burst costs memory in
//! proportion to itself.
//!
//! Deliberately absent: agreement. A number counts the views of one node. What two nodes can
//! compare is the fingerprint: equal ones stand for equal live members.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Fact, Member, Membership, Output};
use crate::id::{NodeId, Peer};
use crate::mutant::Mutant;
use crate::time::{Deadline, Time, Wake};

/// The longest that a change waits for others to settle, in probe periods.
const HELD_PERIODS_MAX: u32 = 10;

/// What changed between two moments, as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// Counts the views of this life of the node, from 1.
    pub number: u64,
    /// Live members now, this node included.
    pub size: u64,
    /// Stands for who they are: nodes with equal fingerprints have equal live members.
    pub fingerprint: u64,
    /// Lives that are members now and were not.
    pub joined: Vec<Member>,
    /// Lives that were members and have left, or were followed by another life.
    pub left: Vec<Peer>,
    /// Lives that were members and are declared dead.
    pub died: Vec<Peer>,
}

/// What a node was in the last view; what it is now, the table knows. Small, because every member
/// is a change to whoever joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Change {
    /// Its life that was a member.
    was: Option<u64>,
    has_died: bool,
}

/// The changes that no view tells yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Views {
    number: u64,
    changes: BTreeMap<NodeId, Change>,
    /// When the first and the last of them happened.
    span: Option<(Time, Time)>,
}

impl Views {
    /// Takes a fact.
    fn note(&mut self, now: Time, fact: &Fact) {
        match fact {
            Fact::Joined(member) => {
                self.change(now, member.node, None);
            }
            Fact::Died { peer, evidence: _ } => {
                let change = self.change(now, peer.node, Some(peer.boot));
                change.has_died |= change.was == Some(peer.boot);
            }
            Fact::Left { peer } => {
                self.change(now, peer.node, Some(peer.boot));
            }
            Fact::Moved { .. } | Fact::Suspected { .. } | Fact::Refuted { .. } => {}
        }
    }

    fn change(&mut self, now: Time, node: NodeId, was: Option<u64>) -> &mut Change {
        let first = self.span.map_or(now, |(first, _)| first);
        self.span = Some((first, now));
        let has_died = false;
        self.changes.entry(node).or_insert(Change { was, has_died })
    }

    /// When the changes are told: once they are old enough, and early enough for the oldest.
    fn due(&self, is_calm: bool, period: Duration) -> Option<Time> {
        let (first, last) = self.span?;
        let latest = first + period.saturating_mul(HELD_PERIODS_MAX);
        Some(if is_calm {
            (last + period).min(latest)
        } else {
            latest
        })
    }

    /// What came of the changes, given who lives now; `None` if everything is as it was.
    fn take(&mut self, live: impl Fn(NodeId) -> Option<Member>) -> Option<View> {
        let mut view = View::default();
        self.span = None;
        for (node, Change { was, has_died }) in core::mem::take(&mut self.changes) {
            let now = live(node);
            if now.as_ref().map(|member| member.peer().boot) == was {
                continue;
            }
            let was = was.map(|boot| Peer { node, boot });
            match has_died {
                true => view.died.extend(was),
                false => view.left.extend(was),
            }
            view.joined.extend(now);
        }
        if view.joined.is_empty() && view.left.is_empty() && view.died.is_empty() {
            return None;
        }
        self.number += 1;
        view.number = self.number;
        Some(view)
    }
}

impl Membership {
    /// Takes the facts of this step, and tells a view when it is due.
    pub(super) fn settle_views(&mut self, now: Time, since: usize, out: &mut Vec<Output>) {
        for output in &out[since..] {
            if let Output::Fact(fact) = output {
                self.views.note(now, fact);
            }
        }
        if self.view_due().is_none_or(|due| due > now) {
            return;
        }
        let (table, views) = (&self.table, &mut self.views);
        let live = |node| table.member(node).filter(|member| member.state.is_live());
        let Some(mut view) = views.take(live) else {
            return;
        };
        if self.planted.is(Mutant::ViewForgetsAChange) {
            view.joined.pop();
        }
        view.size = self.table.size();
        view.fingerprint = self.table.fingerprints().all();
        out.push(Output::View(view));
    }

    /// When the next view is told, if nothing more happens.
    pub(super) fn view_deadline(&self) -> Option<Deadline> {
        let at = self.view_due()?;
        let why = Wake::View;
        Some(Deadline { at, why })
    }

    fn view_due(&self) -> Option<Time> {
        let is_calm = self.suspicions.is_empty();
        self.views.due(is_calm, self.config.probe_interval)
    }
}
