//! What can be said only of the whole: impossible times, contradictions, a configuration that the
//! nodes would refuse.

use super::Limits;
use super::draft::Draft;
use super::problem::Place;
use super::values::Drawn;
use crate::expect::When;
use crate::plan::{Fault, Question, Who};
use crate::span::Span;

/// Without `end`, a run ends so long after its heal, which leaves time to converge and to say so,
const AFTER_HEAL: Span = Span::from_ms(30_000);
/// or so long after the last moment that the text names.
const AFTER_ALL: Span = Span::from_ms(10_000);
/// The longest run: a simulated day.
const END_MAX: Span = Span::from_ms(24 * 3_600_000);

impl Draft {
    /// Looks at the whole.
    pub(super) fn check(&mut self) {
        self.settle_end();
        self.check_times();
        self.check_restarts();
        self.check_settings();
    }

    /// What an engine cannot do, with its place.
    pub(super) fn check_limits(&mut self, limits: &Limits) {
        let mut found: Vec<(Place, String)> = Vec::new();
        let engine = limits.engine;
        for ((place, _), strike) in self.strikes.iter().zip(&self.plan.faults) {
            if let Some(why) = (limits.fault)(&strike.fault) {
                let fault = &strike.fault;
                found.push((*place, format!("{engine} cannot do `{fault}`: {why}")));
            }
        }
        for (place, expectation) in self.expects.iter().zip(&self.plan.expect) {
            if let Some(why) = (limits.claim)(expectation) {
                let what = format!("{engine} cannot judge `expect {expectation}`: {why}");
                found.push((*place, what));
            }
        }
        for (word, why) in (limits.head)(&self.plan) {
            let place = match word {
                "config" => self.settings.first().copied(),
                word => self.said.get(word).copied(),
            };
            let place = place.unwrap_or(Place::START);
            found.push((place, format!("{engine} cannot do `{word}`: {why}")));
        }
        for (place, what) in found {
            self.object(place, what);
        }
    }

    fn place_of(&self, word: &str) -> Place {
        self.said.get(word).copied().unwrap_or(Place::START)
    }

    fn settle_end(&mut self) {
        if !self.said.contains_key("end") {
            let healed = self
                .plan
                .heal
                .map_or(Span::ZERO, |heal| heal.plus(AFTER_HEAL));
            self.plan.end = healed.max(self.latest.plus(AFTER_ALL));
        }
        let (end, at) = (self.plan.end, self.place_of("end"));
        if end == Span::ZERO || end > END_MAX {
            self.object(
                at,
                format!("a run ends between 0s and {END_MAX}, not at {end}"),
            );
        }
        let unsaid = |it: &mut crate::expect::Expectation| match &mut it.when {
            When::By(at) | When::Until(at) if at.ns() == u64::MAX => *at = end,
            When::Within(_) | When::By(_) | When::Until(_) => {}
        };
        self.plan.expect.iter_mut().for_each(unsaid);
    }

    fn check_times(&mut self) {
        let (heal, end) = (self.plan.heal, self.plan.end);
        let mut found: Vec<(Place, String)> = Vec::new();
        if let Some(heal) = heal.filter(|heal| *heal > end) {
            let what = format!("the heal at {heal} lies after the end at {end}");
            found.push((self.place_of("heal"), what));
        }
        for ((place, at), strike) in self.strikes.iter().zip(&self.plan.faults) {
            let at = at.high;
            if at > end {
                found.push((*place, format!("{at} lies after the end at {end}")));
            } else if let Some(heal) = heal.filter(|heal| at > *heal && !strike.fault.mends()) {
                let what = format!("{at} lies after the heal at {heal}, when nothing may be wrong");
                found.push((*place, what));
            }
        }
        for (place, expectation) in self.expects.iter().zip(&self.plan.expect) {
            let at = expectation.deadline();
            if at > end {
                found.push((*place, format!("{at} lies after the end at {end}")));
            }
        }
        for (place, what) in found {
            self.object(place, what);
        }
    }

    /// What is mended must have been broken before.
    fn check_restarts(&mut self) {
        let struck = |wanted: fn(&Fault) -> Option<Who>, who: Who, before: Drawn| {
            let earlier = self.strikes.iter().zip(&self.plan.faults);
            let mut hit = earlier.filter(|((_, at), _)| at.low <= before.high);
            hit.any(|(_, strike)| match wanted(&strike.fault) {
                // A part may have been played by anyone.
                Some(Who::Part(_)) => true,
                Some(other) => other == who,
                None => false,
            })
        };
        let mut found: Vec<(Place, String)> = Vec::new();
        for ((place, at), strike) in self.strikes.iter().zip(&self.plan.faults) {
            if let Fault::Restart(Some(who @ Who::Node(n)), _) = &strike.fault
                && !struck(crashed, *who, *at)
            {
                found.push((*place, format!("n{n} never crashed before {}", at.high)));
            }
            if let Fault::Resume(who @ Who::Node(n)) = &strike.fault
                && !struck(paused, *who, *at)
            {
                found.push((*place, format!("n{n} was never paused before {}", at.high)));
            }
        }
        for ((place, at), strike) in self.strikes.iter().zip(&self.plan.faults) {
            let Fault::Join(who @ Who::Node(n)) = &strike.fault else {
                continue;
            };
            if self.plan.is_there(*n) && !struck(left, *who, *at) {
                found.push((
                    *place,
                    format!("n{n} is in the cluster already and never left"),
                ));
            }
        }
        for (place, what) in found {
            self.object(place, what);
        }
    }

    /// The nodes' own validation, with the places of the settings.
    fn check_settings(&mut self) {
        let mut found: Vec<(Place, String)> = Vec::new();
        for node in 1..=self.plan.nodes {
            let of_node = |it: &crate::plan::Setting| it.node == Some(node);
            if node > 1 && !self.plan.settings.iter().any(of_node) {
                continue;
            }
            let Err(error) = super::settings::config(&self.plan, node, 0) else {
                continue;
            };
            for problem in error.problems {
                let said = self.plan.settings.iter().zip(&self.settings);
                let mut said = said.filter(|(it, _)| it.key == problem.key);
                let section = problem.key.split('.').next().unwrap_or_default();
                let near = self.plan.settings.iter().zip(&self.settings);
                let mut near = near.filter(|(it, _)| it.key.starts_with(section));
                let place = match said.next_back().or_else(|| near.next_back()) {
                    Some((_, place)) => *place,
                    None if problem.key == "voters" => self.place_of("voters"),
                    None => self.place_of("preset"),
                };
                found.push((place, format!("{}: {}", problem.key, problem.what)));
            }
        }
        for (place, what) in found {
            self.object(place, what);
        }
    }
}

fn crashed(fault: &Fault) -> Option<Who> {
    if let Fault::Crash { who, .. } = fault {
        Some(*who)
    } else {
        None
    }
}

fn paused(fault: &Fault) -> Option<Who> {
    if let Fault::Pause(who) = fault {
        Some(*who)
    } else {
        None
    }
}

fn left(fault: &Fault) -> Option<Who> {
    if let Fault::Ask(who, Question::Leave) = fault {
        Some(*who)
    } else {
        None
    }
}
