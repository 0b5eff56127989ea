//! A scenario being read: the plan so far, and what must be remembered to judge it.

use std::collections::BTreeMap;

use quorate_core::seed::{Random, Seed, Stream};

use super::clause::Parsed;
use super::problem::{Place, Problem};
use super::values::Drawn;
use super::{FAULTS_MAX, Seeds};
use crate::plan::{Fault, Plan, Strike};
use crate::span::Span;

/// What is known beside the plan.
pub(super) struct Draft {
    pub(super) plan: Plan,
    /// What windows are drawn from.
    pub(super) random: Random,
    pub(super) problems: Vec<Problem>,
    /// Where each word that may be said once was said.
    pub(super) said: BTreeMap<&'static str, Place>,
    pub(super) seeds: Seeds,
    /// The event that came last in the text.
    pub(super) last: Drawn,
    /// Where each fault stands, and when it may strike.
    pub(super) strikes: Vec<(Place, Drawn)>,
    /// Where each expectation stands.
    pub(super) expects: Vec<Place>,
    /// Where each setting stands.
    pub(super) settings: Vec<Place>,
    /// The latest moment that anything names.
    pub(super) latest: Span,
}

impl Draft {
    pub(super) fn new(seeds: Seeds, seed: u64) -> Draft {
        let mut plan = Plan::quiet("scenario", seed, 5);
        (plan.heal, plan.end) = (None, Span::ZERO);
        Draft {
            plan,
            random: Seed::from_number(seed).part(1).stream(Stream::Plan),
            problems: Vec::new(),
            said: BTreeMap::new(),
            seeds,
            last: Drawn::default(),
            strikes: Vec::new(),
            expects: Vec::new(),
            settings: Vec::new(),
            latest: Span::ZERO,
        }
    }

    /// The plan, if nothing is wrong with it.
    pub(super) fn finish(self) -> Result<(Plan, Seeds), Vec<Problem>> {
        if self.problems.is_empty() {
            Ok((self.plan, self.seeds))
        } else {
            Err(self.problems)
        }
    }

    pub(super) fn object(&mut self, place: Place, what: impl Into<String>) {
        let what = what.into();
        self.problems.push(Problem { place, what });
    }

    /// A word that may stand once.
    pub(super) fn say_once(&mut self, word: &'static str, place: Place) -> Parsed<()> {
        match self.said.get(word) {
            Some(first) => {
                let what = format!("`{word}` was given in line {} already", first.line);
                Err(Problem { place, what })
            }
            None => {
                self.said.insert(word, place);
                Ok(())
            }
        }
    }

    /// Something is said about this moment.
    pub(super) fn reach(&mut self, at: Span) {
        self.latest = self.latest.max(at);
    }

    pub(super) fn strike(
        &mut self,
        place: Place,
        at: Drawn,
        fault: Fault,
        lasts: Option<Drawn>,
    ) -> Parsed<()> {
        if self.strikes.len() >= FAULTS_MAX {
            let what = format!("more than {FAULTS_MAX} events");
            return Err(Problem { place, what });
        }
        let over = lasts.map_or(at, |lasts| at.plus(lasts));
        self.reach(over.high);
        self.strikes.push((place, at));
        self.plan.faults.push(Strike {
            at: at.value,
            fault,
            lasts: lasts.map(|lasts| lasts.value),
        });
        Ok(())
    }
}
