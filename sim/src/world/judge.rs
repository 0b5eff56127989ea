//! Whether a run comes to what its plan expects.
//!
//! * I1: judging changes nothing: it looks between two events, and puts none into the queue. A plan
//!   has the same trace with and without expectations.
//! * I2: a claim is looked at when its time begins and ends, and every [`STEP_NS`] between.

use std::collections::BTreeSet;

use quorate_core::id::{NodeId, Peer, Term};
use quorate_core::membership::{Member, State};
use quorate_core::raft::Role;

use super::World;
use super::asking::Told;
use super::host::{Condition, Host};
use crate::checkers::elected_by_majority::sides;
use crate::expect::{Belief, Claim, Count, Expectation, Observers, Process, When};
use crate::plan::{Fault, Part, Who};
use crate::report::Judged;
use crate::span::Span;

const NEVER: u64 = u64::MAX;
/// How long nobody looks.
const STEP_NS: u64 = 10_000_000;

/// An expectation under judgement.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    expectation: Expectation,
    /// The event it follows is due.
    begun: bool,
    /// Who led before that.
    leader: Option<NodeId>,
    /// Whom it names, if it names a part: who played it before the event.
    of: Option<usize>,
    verdict: Option<Judged>,
}

/// What members came to believe, and who came to lead, as far as it matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Sightings {
    beliefs: Vec<(u64, NodeId, NodeId, Belief)>,
    reigns: Vec<(u64, NodeId)>,
}

impl Sightings {
    /// A node came to believe so of another.
    pub(super) fn believes(&mut self, now: u64, by: NodeId, of: NodeId, belief: Belief) {
        self.beliefs.push((now, by, of, belief));
    }

    /// A node came to lead.
    pub(super) fn leads(&mut self, now: u64, who: NodeId) {
        self.reigns.push((now, who));
    }
}

/// A claim holds, or not; and what was found.
type Found = Result<String, String>;

impl World {
    /// The expectations of the plan, all open.
    pub(super) fn open_trials(&mut self) {
        let trial = |expectation: &Expectation| Trial {
            expectation: expectation.clone(),
            begun: false,
            leader: None,
            of: None,
            verdict: None,
        };
        self.trials = self.plan.expect.iter().map(trial).collect();
        self.next_judgement = self.trials.iter().map(next_of_new).min().unwrap_or(NEVER);
    }

    /// Judges all that is to be judged up to that moment, before what happens then.
    pub fn judge_until(&mut self, until: u64) {
        while self.next_judgement <= until {
            let now = self.next_judgement;
            self.judge(now);
        }
    }

    /// The verdicts; what was never decided, because the run ended early, was not met.
    pub(super) fn verdicts(&mut self) -> Vec<Judged> {
        let trials = std::mem::take(&mut self.trials);
        let judged = |trial: Trial| {
            let expected = trial.expectation.to_string();
            trial.verdict.unwrap_or_else(|| Judged {
                expected,
                found: "the run ended before".to_string(),
                met: false,
                at_ns: self.now,
            })
        };
        trials.into_iter().map(judged).collect()
    }

    fn judge(&mut self, now: u64) {
        let mut trials = std::mem::take(&mut self.trials);
        let mut next = NEVER;
        for trial in &mut trials {
            let since = trial.expectation.since.ns();
            if !trial.begun && since <= now {
                trial.begun = true;
                trial.leader = self.leading().map(|(leader, _)| leader);
                trial.of = self.named(&trial.expectation.claim);
            }
            if trial.verdict.is_none() {
                trial.verdict = self.decide(trial, now);
            }
            if trial.verdict.is_none() {
                next = next.min(next_of(trial, now));
            }
        }
        self.trials = trials;
        self.next_judgement = next;
    }

    fn decide(&self, trial: &Trial, now: u64) -> Option<Judged> {
        let expectation = &trial.expectation;
        let (since, deadline) = (expectation.since.ns(), expectation.deadline().ns());
        let is_last = now >= deadline;
        if !trial.begun || now <= since && !is_last {
            return None;
        }
        let found = match expectation.when {
            When::By(_) if !is_last => return None,
            When::By(_) => self.find(trial, now),
            When::Within(_) => match self.find(trial, now) {
                Err(_) if !is_last => return None,
                found => found,
            },
            When::Until(_) => match self.find(trial, now) {
                Ok(_) if !is_last => return None,
                found => found,
            },
        };
        let met = found.is_ok();
        Some(Judged {
            expected: expectation.to_string(),
            found: found.unwrap_or_else(|found| found),
            met,
            at_ns: now,
        })
    }

    /// Looks whether a claim holds now.
    fn find(&self, trial: &Trial, now: u64) -> Found {
        let since = trial.expectation.since.ns();
        match &trial.expectation.claim {
            Claim::Count(what, compare, number) => {
                let found = self.count(*what);
                said(compare.holds(found, *number), found.to_string())
            }
            Claim::Gap(compare, span) => {
                let gap = Span::from_ns(self.totals.longest_gap_ns);
                said(compare.holds(gap, *span), rounded(gap))
            }
            Claim::Leader(wanted) => {
                let leading = self.leading();
                let of = wanted.and_then(|who| self.id_of(trial, who));
                let is_so = leading.is_some_and(|(it, _)| wanted.is_none() || of == Some(it));
                said(is_so, told(leading))
            }
            Claim::NoLeader => said(self.leading().is_none(), told(self.leading())),
            Claim::NewLeader => {
                let leading = self.leading();
                let is_new = leading.is_some_and(|(it, _)| Some(it) != trial.leader);
                said(is_new, told(leading))
            }
            Claim::SameLeader => {
                let Some(leader) = trial.leader else {
                    return Err("nobody led before".to_string());
                };
                let reigns = self.sightings.reigns.iter();
                let mut others = reigns.filter(|(at, who)| *at > since && *who != leader);
                if let Some((at, other)) = others.next() {
                    return Err(format!("{other} came to lead at {}", moment(*at)));
                }
                let is_last = now >= trial.expectation.deadline().ns();
                let leads = self.leading().is_some_and(|(it, _)| it == leader);
                said(leads || !is_last, told(self.leading()))
            }
            Claim::Belief(belief, _, by) => self.find_belief(trial, *belief, *by),
            Claim::Never(belief, of) => {
                let of_id = of.and_then(|who| self.id_of(trial, who));
                let all = self.sightings.beliefs.iter();
                let mut seen = all.filter(|(at, _, it, what)| {
                    *at > since && what == belief && (of.is_none() || Some(*it) == of_id)
                });
                match seen.next() {
                    None => Ok("never".to_string()),
                    Some((at, by, it, _)) => Err(format!("{by} did of {it} at {}", moment(*at))),
                }
            }
            Claim::Converged => self.find_converged(),
            Claim::Answered => self.find_answers(since, None),
            Claim::Refused(why) => self.find_answers(since, Some(why)),
            Claim::Process(state, who) => {
                let Some(host) = trial.of.or_else(|| self.resolve(*who)) else {
                    return Err("nobody plays that part".to_string());
                };
                let runs = self.hosts[host].process.is_some();
                let is = match self.hosts[host].condition {
                    _ if runs => Process::Running,
                    Condition::Halted => Process::Halted,
                    Condition::Corrupt => Process::Corrupt,
                    Condition::Gone => Process::Gone,
                    Condition::Fine | Condition::Absent => Process::Down,
                };
                let is_so = is == *state || *state == Process::Down && !runs;
                said(is_so, is.word().to_string())
            }
        }
    }

    /// What became of everything that was asked at a moment.
    fn find_answers(&self, asked_at: u64, wanted: Option<&Option<String>>) -> Found {
        let told = self.answers.iter().filter(|told| told.asked_at == asked_at);
        let told: Vec<&Told> = told.collect();
        let asked =
            self.plan.faults.iter().filter(|strike| {
                strike.at.ns() == asked_at && matches!(strike.fault, Fault::Ask(..))
            });
        if asked.count() > told.len() {
            return Err("not answered yet".to_string());
        }
        let fits = |told: &&&Told| match (&told.answer, wanted) {
            (Ok(()), None) => true,
            (Err(why), Some(words)) => words
                .as_ref()
                .is_none_or(|words| why.to_lowercase().contains(&words.to_lowercase())),
            (Ok(()), Some(_)) | (Err(_), None) => false,
        };
        let said = |told: &Told| match &told.answer {
            Ok(()) => "done".to_string(),
            Err(why) => format!("refused: {why}"),
        };
        let holds = !told.is_empty() && told.iter().filter(fits).count() == told.len();
        let words: Vec<String> = told.into_iter().map(said).collect();
        match words.is_empty() {
            true => Err("nothing was asked".to_string()),
            false => self::said(holds, words.join(", ")),
        }
    }

    fn count(&self, what: Count) -> u64 {
        let seen = |belief: Belief| {
            let all = self.sightings.beliefs.iter();
            all.filter(|(.., it)| *it == belief).count() as u64
        };
        match what {
            Count::Terms => self.totals.terms,
            Count::Leaders => self.checkers.one_leader_per_term.terms(),
            Count::Acknowledged => self.checkers.acknowledged_survive.count(),
            Count::Lost => self.lost(),
            Count::Stale => self.totals.stale_refused,
            Count::Suspicions => seen(Belief::Suspected),
            Count::Deaths => seen(Belief::Dead),
        }
    }

    /// Who leads with a majority behind it, and since which term.
    fn leading(&self) -> Option<(NodeId, Term)> {
        let runs = |host: &Host| {
            host.process
                .as_ref()
                .filter(|_| !host.paused)
                .map(|p| p.standing)
        };
        let hosts = || self.hosts.iter().enumerate();
        hosts().find_map(|(index, host)| {
            let own = runs(host).filter(|standing| standing.role == Role::Leader)?;
            let follows = |node: &&NodeId| {
                let other = usize::try_from(node.0).unwrap_or(0).wrapping_sub(1);
                let Some(it) = self.hosts.get(other) else {
                    return false;
                };
                let is_cut = self.ways.is_cut(index, other) || self.ways.is_cut(other, index);
                let its = runs(it).filter(|_| !is_cut);
                its.is_some_and(|its| its.term == own.term && its.leader == Some(host.id))
            };
            let voters = &host.process.as_ref()?.voters;
            let leads =
                sides(voters).all(|side| 2 * side.iter().filter(follows).count() > side.len());
            leads.then_some((host.id, own.term))
        })
    }

    fn find_belief(&self, trial: &Trial, belief: Belief, by: Observers) -> Found {
        let Some(of) = trial.of else {
            return Err("nobody plays that part".to_string());
        };
        let id = self.hosts[of].id;
        let present = self.hosts[of]
            .process
            .as_ref()
            .map(|it| it.node.view().me());
        if belief == Belief::Alive && present.is_none() {
            return Err(format!("{id} does not run"));
        }
        let only = match by {
            Observers::Everywhere | Observers::Somewhere => None,
            Observers::On(who) => match self.resolve(who) {
                None => return Err("nobody plays that part".to_string()),
                found => found,
            },
        };
        let (mut agree, mut differ) = (Vec::new(), Vec::new());
        for (index, host) in self.hosts.iter().enumerate() {
            let Some(process) = host
                .process
                .as_ref()
                .filter(|it| it.started && !host.paused)
            else {
                continue;
            };
            if index == of || only.is_some_and(|only| only != index) {
                continue;
            }
            let view = process.node.view();
            let held = view.membership().member(id);
            let held = held.as_ref();
            match held.is_some_and(|held| is_held(held, belief, present)) {
                true => agree.push(host.id),
                false => differ.push(format!("{} {}", host.id, held_as(held))),
            }
        }
        let holds = match by {
            Observers::Somewhere => !agree.is_empty(),
            Observers::Everywhere | Observers::On(_) => differ.is_empty() && !agree.is_empty(),
        };
        match (holds, differ.is_empty()) {
            (true, _) => Ok(format!("on {} nodes", agree.len())),
            (false, true) => Err("no other node runs".to_string()),
            (false, false) => Err(format!("{id} is held {}", differ.join(", "))),
        }
    }

    fn find_converged(&self) -> Found {
        let live = || self.hosts.iter().filter_map(|host| host.process.as_ref());
        let truth: BTreeSet<Peer> = live().map(|process| process.node.view().me()).collect();
        for process in live() {
            let view = process.node.view();
            let members = view.membership().members();
            let alive = members.filter(|member| member.state == State::Alive);
            let alive: BTreeSet<Peer> = alive.map(|member| member.peer()).collect();
            if let Some(differs) = alive.symmetric_difference(&truth).next() {
                let holds = if alive.contains(differs) {
                    "holds"
                } else {
                    "does not hold"
                };
                return Err(format!("{} {holds} {differs} alive", view.me()));
            }
        }
        Ok(format!("{} nodes", truth.len()))
    }

    /// The node a claim is about.
    fn named(&self, claim: &Claim) -> Option<usize> {
        let who = match claim {
            Claim::Belief(_, who, _)
            | Claim::Process(_, who)
            | Claim::Leader(Some(who))
            | Claim::Never(_, Some(who)) => *who,
            Claim::Count(..)
            | Claim::Gap(..)
            | Claim::Leader(None)
            | Claim::NoLeader
            | Claim::SameLeader
            | Claim::NewLeader
            | Claim::Never(_, None)
            | Claim::Answered
            | Claim::Refused(_)
            | Claim::Converged => return None,
        };
        // Whoever would be the leader that a majority follows, rather than one that is cut off.
        match (who, self.leading()) {
            (Who::Part(Part::Leader), Some((leader, _))) => self.resolve(Who::Node(leader.0)),
            (who, _) => self.resolve(who),
        }
    }

    fn id_of(&self, trial: &Trial, who: Who) -> Option<NodeId> {
        let host = trial.of.or_else(|| self.resolve(who))?;
        Some(self.hosts[host].id)
    }
}

fn next_of_new(trial: &Trial) -> u64 {
    trial.expectation.since.ns()
}

/// When an open trial is looked at again.
fn next_of(trial: &Trial, now: u64) -> u64 {
    let deadline = trial.expectation.deadline().ns();
    if !trial.begun {
        return trial.expectation.since.ns();
    }
    match trial.expectation.when {
        When::By(_) => deadline,
        When::Within(_) | When::Until(_) => (now + STEP_NS).min(deadline),
    }
}

fn said(holds: bool, found: String) -> Found {
    if holds { Ok(found) } else { Err(found) }
}

/// Judged to the nanosecond, told to the millisecond.
fn rounded(span: Span) -> String {
    Span::from_ms(span.ms()).to_string()
}

fn told(leading: Option<(NodeId, Term)>) -> String {
    match leading {
        Some((leader, term)) => format!("{leader} leads term {term}"),
        None => "nobody leads with a majority behind it".to_string(),
    }
}

fn moment(ns: u64) -> String {
    crate::span::Span::from_ns(ns / 1_000_000 * 1_000_000).to_string()
}

/// Whether a member is held to be so.
fn is_held(held: &Member, belief: Belief, present: Option<Peer>) -> bool {
    match belief {
        Belief::Alive => held.state == State::Alive && Some(held.peer()) == present,
        Belief::Suspected => held.state == State::Suspect,
        Belief::Dead => held.state == State::Dead,
        Belief::Left => held.state == State::Left,
    }
}

fn held_as(held: Option<&Member>) -> &'static str {
    match held.map(|held| held.state) {
        Some(State::Alive) => "alive",
        Some(State::Suspect) => "suspected",
        Some(State::Dead) => "dead",
        Some(State::Left) => "left",
        None => "unknown",
    }
}
