//! What a belief of another member changes here (SWIM §4.2): the one place that judges updates and
//! announces facts.
//!
//! Invariants: I1 the belief about a node only rises in the lattice (incarnation first, then alive
//! < suspect < dead < left), so replayed and reordered updates are harmless and all tables
//! converge. I2 the facts about one node alternate: `Joined`, then `Left` or `Died`, then `Joined`
//! again; `Suspected` and `Refuted` alternate between them. I3 nobody but this node raises its own
//! incarnation, and it does so above every accusation.
//!
//! An address, a zone, being a witness and the levels known are a life's own, given at its start:
//! they are taken from a higher incarnation only, so that no two tables can disagree about them for
//! good.

use alloc::vec::Vec;

use super::health::WRONGLY_ACCUSED;
use super::message::{Evidence, State, Update};
use super::table::Known;
use super::{Fact, Member, Membership, Notice, Output, PeerFault};
use crate::id::{Incarnation, NodeId};
use crate::mutant::Mutant;
use crate::time::Time;

/// Members that must have found a death independently before a third one believes it.
const DEATH_NEEDS: usize = 2;

/// True when the belief `new` overrides `old`.
fn supersedes(new: (Incarnation, State), old: (Incarnation, State)) -> bool {
    new > old
}

/// Full exchanges repeat old verdicts of a side that could not hear the other: a death in one is an
/// accusation here, which the accused can still refute. Another life of it may well be over.
fn weakened(mut update: Update, known: Option<Known>) -> Update {
    let same_life = known.is_some_and(|member| {
        member.state.is_live() && member.incarnation.boot() == update.incarnation.boot()
    });
    if same_life && update.state == State::Dead {
        update.state = State::Suspect;
    }
    update
}

impl Membership {
    /// Takes piggybacked and gossiped updates. True when the sender holds a belief about us that it
    /// must correct.
    pub(super) fn merge(
        &mut self,
        now: Time,
        from: NodeId,
        updates: Vec<Update>,
        out: &mut Vec<Output>,
    ) -> bool {
        let mut about_me = false;
        let mut full = false;
        for update in updates {
            if update.node == self.me.node {
                about_me |= self.on_belief_about_me(now, &update, out);
            } else {
                full |= !self.learn(now, from, update, out);
            }
        }
        if full {
            self.report(from, PeerFault::TooManyMembers, out);
        }
        about_me
    }

    /// Takes a page of a full exchange.
    pub(super) fn merge_exchange(
        &mut self,
        now: Time,
        from: NodeId,
        updates: Vec<Update>,
        out: &mut Vec<Output>,
    ) -> bool {
        let soften = |update: Update| {
            // What others hold of us is heard as they hold it.
            let known = self
                .table
                .known(update.node)
                .filter(|m| m.node != self.me.node);
            weakened(update, known)
        };
        let softened = updates.into_iter().map(soften).collect();
        self.merge(now, from, softened, out)
    }

    /// Judges one update about another node; false when there is no room for it.
    pub(super) fn learn(
        &mut self,
        now: Time,
        from: NodeId,
        update: Update,
        out: &mut Vec<Output>,
    ) -> bool {
        // The last incarnation could never be refuted, so nobody may be accused of it.
        let refutable = update.incarnation < Incarnation(u64::MAX);
        if !refutable && update.state != State::Alive || self.is_barred(&update) {
            return true;
        }
        let update = self.accused_only(from, update);
        let told = (update.incarnation, update.state);
        let Some(known) = self.table.known(update.node) else {
            let room = self.table.has_room(update.node);
            if room {
                self.adopt(now, from, None, update, out);
            }
            return room;
        };
        let held = (known.incarnation, known.state);
        let is_lenient = self.planted.is(Mutant::OldAliveResurrects)
            && (told.0, told.1) == (held.0, State::Alive)
            && held != told;
        if supersedes(told, held) || is_lenient {
            self.adopt(now, from, Some(known), update, out);
        } else if told == held && update.state == State::Suspect {
            self.confirm(update.node, update.evidence);
        } else if told == held {
            self.queue.heard(update.node);
        }
        true
    }

    /// One member's word for a death is an accusation here, which the accused can still refute: the
    /// accuser may be the sick one (Lifeguard §IV-B).
    fn accused_only(&self, from: NodeId, mut update: Update) -> Update {
        let believes = !self.config.lifeguard.dogpile;
        if update.state != State::Dead || from == self.me.node || believes {
            return update;
        }
        let known = self.table.known(update.node);
        let is_same_life = known.is_some_and(|member| {
            member.state.is_live() && member.incarnation.boot() == update.incarnation.boot()
        });
        let names = update.evidence.iter().flat_map(Evidence::names);
        let witnesses = names.filter(|name| *name != update.node).count();
        let more = self
            .suspicions
            .witnesses_beside(update.node, update.evidence.as_ref());
        if is_same_life && witnesses + more < DEATH_NEEDS {
            update.state = State::Suspect;
        }
        update
    }

    /// Believes `update`, which supersedes `known`, and says what it changed.
    fn adopt(
        &mut self,
        now: Time,
        from: NodeId,
        known: Option<Known>,
        update: Update,
        out: &mut Vec<Output>,
    ) {
        // A node is never its own accuser, whatever a table made of it on the way.
        let evidence = update.evidence.filter(|it| it.accuser != update.node);
        let mut evidence = evidence.unwrap_or_else(|| Evidence::of(from));
        evidence.witnesses = evidence.names().skip(1).collect();
        let same = known.filter(|old| old.incarnation == update.incarnation);
        let same = same.and_then(|old| self.table.member(old.node));
        let (address, zone, is_witness, levels) = match same {
            Some(old) => (old.address, old.zone, old.is_witness, old.levels),
            None => (
                update.address,
                update.zone,
                update.is_witness,
                update.levels,
            ),
        };
        let member = Member {
            node: update.node,
            incarnation: update.incarnation,
            state: update.state,
            address,
            zone,
            is_witness,
            levels,
        };
        let accused = matches!(member.state, State::Suspect | State::Dead);
        let is_refuted = member.state == State::Alive;
        if is_refuted && self.suspicions.is_witness(member.node, self.me.node) {
            self.health.worsen(WRONGLY_ACCUSED);
        }
        self.suspicions.stop(member.node);
        self.table
            .set(member.clone(), accused.then(|| evidence.clone()));
        if self.newcomer_of != Some(from) {
            self.queue.push(member.node);
        }
        if let Some(old) = known.filter(|old| old.state.is_live()) {
            self.announce_change(&old, &member, &evidence, out);
        } else if member.state.is_live() {
            self.announce_joined(&member, out);
        }
        if member.state == State::Suspect {
            let peer = member.peer();
            self.suspect(now, member.node, &evidence, out);
            self.announce(Fact::Suspected { peer, evidence }, out);
        }
    }

    /// The facts between a live `old` and whatever became of it, except a suspicion of `new`.
    fn announce_change(
        &mut self,
        old: &Known,
        new: &Member,
        evidence: &Evidence,
        out: &mut Vec<Output>,
    ) {
        let peer = old.peer();
        let same_life = peer == new.peer();
        match (same_life, new.state) {
            (true, State::Alive | State::Suspect) => {
                if old.state == State::Suspect {
                    self.announce(Fact::Refuted { peer }, out);
                }
                if old.address != new.address {
                    let address = new.address;
                    self.announce(Fact::Moved { peer, address }, out);
                }
            }
            (true, State::Dead) => {
                let evidence = evidence.clone();
                self.announce(Fact::Died { peer, evidence }, out);
            }
            (true, State::Left) | (false, State::Dead | State::Left) => {
                self.announce(Fact::Left { peer }, out);
            }
            (false, State::Alive | State::Suspect) => {
                self.announce(Fact::Left { peer }, out);
                self.announce_joined(new, out);
            }
        }
    }

    fn announce_joined(&mut self, member: &Member, out: &mut Vec<Output>) {
        let mut joined = member.clone();
        joined.state = State::Alive;
        self.announce(Fact::Joined(joined), out);
    }

    fn announce(&mut self, fact: Fact, out: &mut Vec<Output>) {
        self.stats.changes += 1;
        out.push(Output::Fact(fact));
    }

    /// More witnesses of a suspicion that is known already are worth telling, too.
    fn confirm(&mut self, node: NodeId, evidence: Option<Evidence>) {
        let mut is_news = false;
        for name in evidence.iter().flat_map(Evidence::names) {
            is_news |= self.suspicions.confirm(node, name);
        }
        if let Some(known) = self.suspicions.evidence(node).filter(|_| is_news) {
            self.table.set_evidence(node, known);
            self.queue.push(node);
        }
    }

    /// What others believe of this node. True when the one who told it should hear the truth.
    fn on_belief_about_me(&mut self, now: Time, update: &Update, out: &mut Vec<Output>) -> bool {
        let outdated = update.incarnation < self.incarnation;
        let refutable = update.incarnation < Incarnation(u64::MAX);
        match update.state {
            State::Alive => {
                // A life of ours that we do not remember: without rising above it we would not be
                // heard.
                if update.incarnation > self.incarnation && refutable {
                    self.refute(update, out);
                }
                false
            }
            State::Suspect | State::Dead | State::Left => {
                if update.state == State::Dead && self.planted.is(Mutant::BelievesOwnDeath) {
                    self.set_own_state(State::Dead);
                } else if !outdated && refutable && !self.planted.is(Mutant::NeverRefutes) {
                    self.on_accused(now, update, out);
                }
                // Whoever waits has nothing to say that would be believed.
                refutable && !self.probation.is_waiting()
            }
        }
    }

    /// A standing accusation against this life: refuted at once, except by a node that was declared
    /// dead again and again.
    fn on_accused(&mut self, now: Time, accusation: &Update, out: &mut Vec<Output>) {
        let period = self.config.probe_interval;
        let is_dead = accusation.state == State::Dead;
        let waited = self.probation.is_waiting();
        let may_refute = match is_dead {
            true => self.probation.on_death(now, period, accusation.incarnation),
            false => !waited,
        };
        if may_refute {
            self.refute(accusation, out);
        } else if !waited {
            let accuser = accusation.evidence.as_ref().map(|it| it.accuser);
            out.push(Output::Note(Notice::OnProbation { accuser }));
        }
    }

    /// Back from the dead, at last.
    pub(super) fn on_probation_timer(&mut self, now: Time) {
        if let Some(accusation) = self.probation.fire(now, self.config.probe_interval) {
            self.become_alive_above(accusation);
        }
    }

    fn refute(&mut self, accusation: &Update, out: &mut Vec<Output>) {
        self.stats.refutations += 1;
        self.health.worsen(1);
        self.become_alive_above(accusation.incarnation);
        out.push(Output::Note(Notice::Refuting {
            accuser: accusation.evidence.as_ref().map(|it| it.accuser),
            incarnation: self.incarnation,
        }));
    }

    /// Rises above an incarnation of its own and tells everyone.
    pub(super) fn become_alive_above(&mut self, accusation: Incarnation) {
        if !self.planted.is(Mutant::RefutesWithoutRising) {
            self.incarnation = self.incarnation.above(accusation);
        }
        self.set_own_state(State::Alive);
        self.queue.push(self.me.node);
    }

    /// Writes this node's own entry.
    pub(super) fn set_own_state(&mut self, state: State) {
        self.table
            .set(self.me.member(self.incarnation, state), None);
    }

    /// A peer broke a rule.
    pub(super) fn report(&mut self, from: NodeId, fault: PeerFault, out: &mut Vec<Output>) {
        out.push(Output::Note(Notice::PeerFault { from, fault }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 4] = [State::Alive, State::Suspect, State::Dead, State::Left];

    /// One row per state told, one column per state held: is the belief replaced at an equal
    /// incarnation?
    #[test]
    fn the_lattice_of_state_by_state_by_incarnation() {
        const AT_EQUAL: [[bool; 4]; 4] = [
            [false, false, false, false],
            [true, false, false, false],
            [true, true, false, false],
            [true, true, true, false],
        ];
        for (row, told) in STATES.into_iter().enumerate() {
            for (column, held) in STATES.into_iter().enumerate() {
                let at = |new, old| supersedes((Incarnation(new), told), (Incarnation(old), held));
                assert!(
                    at(2, 1),
                    "{told:?} of a higher incarnation replaces {held:?}"
                );
                assert!(
                    !at(1, 2),
                    "{told:?} of a lower incarnation never replaces {held:?}"
                );
                assert_eq!(at(1, 1), AT_EQUAL[row][column], "{told:?} over {held:?}");
            }
        }
    }
}
