//! Comparing tables: what dissemination missed is found by a fingerprint on every answer to a
//! probe, and repaired at the cost of what differs.
//!
//! SWIM tells each change a bounded number of times, so with some chance a member misses it, and in
//! a storm of joins many do. The fingerprint of a table is the exclusive or of a number per live
//! member and incarnation, kept for each of 64 parts. Two answers in a row from tables unlike ours
//! are more than news on its way: then the parts are compared and those that differ are exchanged,
//! both ways. A node that is not well probes seldom and may have missed much: it compares at once.
//!
//! Invariants: I1 one comparison per probe period is opened at most. I2 an idle, converged cluster
//! compares nothing. I3 a death in it is an accusation only, as in any exchange.
//!
//! The dead and the departed have no part in a fingerprint, because each node forgets them at its
//! own time; they travel with the part they belong to.

use alloc::vec::Vec;

use super::message::{Differ, Message, PARTS, State, Sync, UPDATES_MAX, Update};
use super::{Membership, Output, PeerFault};
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::Time;

/// Answers in a row from unlike tables that call for a comparison.
const UNLIKE_BEFORE_SYNC: u32 = 2;

/// The fingerprints of a table, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprints {
    parts: [u64; PARTS],
    all: u64,
}

impl Default for Fingerprints {
    fn default() -> Fingerprints {
        Fingerprints {
            parts: [0; PARTS],
            all: 0,
        }
    }
}

impl Fingerprints {
    /// Adds a live member's incarnation, or takes it out.
    pub(super) fn toggle(&mut self, node: NodeId, incarnation: Incarnation) {
        let word = scramble(scramble(node.0) ^ incarnation.0);
        self.parts[part_of(node)] ^= word;
        self.all ^= word;
    }

    /// Of the whole table.
    pub(super) fn all(&self) -> u64 {
        self.all
    }

    /// One bit per part that differs from the other's.
    fn differing(&self, others: &[u64]) -> u64 {
        let pairs = self.parts.iter().zip(others).enumerate();
        let unlike = pairs.filter(|(_, (ours, theirs))| ours != theirs);
        unlike.fold(0, |mask, (part, _)| mask | 1 << part)
    }
}

/// The part a node belongs to, the same everywhere.
fn part_of(node: NodeId) -> usize {
    usize::try_from(scramble(node.0) % PARTS as u64).unwrap_or(0)
}

/// Spreads the bits of a number over the whole word (the finalizer of SplitMix64).
fn scramble(word: u64) -> u64 {
    let mut mixed = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// When to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Comparison {
    unlike_in_a_row: u32,
    allowed_at: Time,
}

impl Membership {
    /// An answer to a probe shows whether its sender's table is like ours.
    pub(super) fn compare(
        &mut self,
        now: Time,
        with: NodeId,
        fingerprint: u64,
        out: &mut Vec<Output>,
    ) {
        let live = self.table.known(with).is_some_and(|m| m.state.is_live());
        if !live || fingerprint == self.table.fingerprints().all() {
            self.comparison.unlike_in_a_row = 0;
            return;
        }
        self.comparison.unlike_in_a_row = self.comparison.unlike_in_a_row.saturating_add(1);
        let is_well = self.health.score() == 0;
        let due = !is_well || self.comparison.unlike_in_a_row >= UNLIKE_BEFORE_SYNC;
        if due && now >= self.comparison.allowed_at {
            self.comparison.allowed_at = now + self.config.probe_interval;
            self.send_sync(with, out);
        }
    }

    /// Opens a comparison.
    pub(super) fn send_sync(&mut self, to: NodeId, out: &mut Vec<Output>) {
        let parts = self.table.fingerprints().parts.to_vec();
        let updates = self.personal(to, false);
        self.stats.syncs += 1;
        self.send(to, Message::Sync(Sync { parts, updates }), out);
    }

    /// "Our tables differ": tell what we believe in the parts that do, and ask for the same.
    pub(super) fn on_sync(&mut self, now: Time, from: NodeId, sync: Sync, out: &mut Vec<Output>) {
        if sync.parts.len() != PARTS {
            self.report(from, PeerFault::MalformedSync, out);
            return;
        }
        let about_me = self.merge_exchange(now, from, sync.updates, out);
        self.send_answer(now, from, about_me, true, out);
        self.become_joined(out);
        let parts = self.table.fingerprints().differing(&sync.parts);
        self.send_parts(from, parts, true, out);
    }

    /// The other's beliefs in the parts that differ.
    pub(super) fn on_differ(
        &mut self,
        now: Time,
        from: NodeId,
        differ: Differ,
        out: &mut Vec<Output>,
    ) {
        // What is answered is what was believed before: the rest came from there.
        let answer = (differ.asks && !differ.more).then(|| self.beliefs_in(differ.parts));
        let about_me = self.merge_exchange(now, from, differ.updates, out);
        self.become_joined(out);
        if let Some(updates) = answer {
            self.send_pages(from, differ.parts, false, updates, out);
        }
        self.send_answer(now, from, about_me, true, out);
    }

    fn send_parts(&mut self, to: NodeId, parts: u64, asks: bool, out: &mut Vec<Output>) {
        let updates = self.beliefs_in(parts);
        self.send_pages(to, parts, asks, updates, out);
    }

    fn send_pages(
        &mut self,
        to: NodeId,
        parts: u64,
        asks: bool,
        updates: Vec<Update>,
        out: &mut Vec<Output>,
    ) {
        let mut pages = updates.chunks(UPDATES_MAX).peekable();
        loop {
            let updates = pages.next().unwrap_or_default().to_vec();
            let more = pages.peek().is_some();
            let page = Differ {
                parts,
                asks,
                updates,
                more,
            };
            self.send(to, Message::Differ(page), out);
            if !more {
                return;
            }
        }
    }

    /// This node's beliefs about the members of some parts: the one place beside a full exchange
    /// that looks through the whole table, because a table that differs is rare.
    fn beliefs_in(&self, parts: u64) -> Vec<Update> {
        let omits_dead = self.planted.is(Mutant::ExchangeOmitsDead);
        let there = |update: &Update| parts >> part_of(update.node) & 1 == 1;
        let told = |update: &Update| !omits_dead || update.state != State::Dead;
        match parts {
            0 => Vec::new(),
            _ => self
                .table
                .updates()
                .filter(|u| there(u) && told(u))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{knowing, sent};
    use super::*;

    #[test]
    fn two_unlike_answers_call_for_a_comparison_and_one_does_for_whoever_is_not_well() {
        let mut machine = knowing(&[2, 3]);
        let compare = |machine: &mut Membership, millis, with| {
            let mut out = Vec::new();
            machine.compare(Time::from_millis(millis), NodeId(with), 0, &mut out);
            sent(&out).len()
        };
        assert_eq!(compare(&mut machine, 60_000, 2), 0);
        assert_eq!(compare(&mut machine, 60_500, 3), 1);
        let mut ill = knowing(&[2, 3]);
        ill.health.worsen(1);
        assert_eq!(compare(&mut ill, 60_000, 2), 1);
        assert_eq!(compare(&mut ill, 60_001, 3), 0, "one in a period");
    }

    #[test]
    fn fingerprints_agree_exactly_when_the_members_do() {
        let (mut one, mut two) = (Fingerprints::default(), Fingerprints::default());
        let first = Incarnation::of_boot(1);
        (1..=200).for_each(|node| one.toggle(NodeId(node), first));
        (1..=200)
            .rev()
            .for_each(|node| two.toggle(NodeId(node), first));
        assert_eq!(one, two);
        two.toggle(NodeId(7), first);
        two.toggle(NodeId(7), first.above(first));
        assert_ne!(one.all(), two.all());
        assert_eq!(one.differing(&two.parts), 1 << part_of(NodeId(7)));
        let used = one.parts.iter().filter(|part| **part != 0).count();
        assert!(used > PARTS / 2, "the parts are used alike: {used}");
    }
}
