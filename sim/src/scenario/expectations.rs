//! `expect leader within 2s`.

use super::clause::{Clause, Parsed};
use super::draft::Draft;
use super::nodes::is_name;
use super::problem::{Place, Problem};
use super::values;
use crate::expect::{Belief, Claim, Count, Expectation, Observers, Process, When};
use crate::span::Span;

/// The words an expectation may begin with.
const CLAIMS: [&str; 24] = [
    "leader",
    "no",
    "same",
    "new",
    "terms",
    "leaders",
    "acknowledged",
    "stale",
    "lost",
    "suspicions",
    "deaths",
    "gap",
    "alive",
    "suspected",
    "dead",
    "left",
    "converged",
    "running",
    "down",
    "halted",
    "corrupt",
    "refused",
    "answered",
    "gone",
];
/// The words behind a claim.
const TAIL: [&str; 9] = [
    "within",
    "by",
    "until",
    "for",
    "since",
    "of",
    "everywhere",
    "somewhere",
    "on",
];

impl Draft {
    /// Reads one expectation; its `within` counts from the event before it in the text.
    pub(super) fn expectation(&mut self, place: Place, clause: &mut Clause<'_>) -> Parsed<()> {
        let claim = self.claim(clause)?;
        let (mut when, mut since) = (None, self.last.value);
        let mut word = clause.place();
        while clause.peek().is_some() {
            word = clause.place();
            if clause.eat("within") {
                when = Some(When::Within(values::span(clause)?));
            } else if clause.eat("by") {
                when = Some(When::By(values::span(clause)?));
            } else if clause.eat("until") {
                when = Some(When::Until(values::span(clause)?));
            } else if clause.eat("for") {
                when = Some(When::Until(since.plus(values::span(clause)?)));
            } else if clause.eat("since") {
                since = values::span(clause)?;
            } else {
                clause.end(&TAIL)?;
            }
        }
        let when = when.unwrap_or_else(|| Expectation::unsaid(&claim, Span::from_ns(u64::MAX)));
        let expectation = Expectation { claim, since, when };
        if expectation.deadline() < since {
            let what = format!("this is over before the event it follows, at {since}");
            return Err(Problem { place: word, what });
        }
        self.expect(place, expectation);
        Ok(())
    }

    /// `at 9s expect leader`: what must hold at that moment.
    pub(super) fn expectation_at(
        &mut self,
        at: Span,
        place: Place,
        clause: &mut Clause<'_>,
    ) -> Parsed<()> {
        let claim = self.claim(clause)?;
        clause.end(&["everywhere", "somewhere", "on", "of"])?;
        let (since, when) = (self.last.value.min(at), When::By(at));
        self.expect(place, Expectation { claim, since, when });
        Ok(())
    }

    fn expect(&mut self, place: Place, expectation: Expectation) {
        let deadline = expectation.deadline();
        if deadline.ns() < u64::MAX {
            self.reach(deadline);
        }
        self.expects.push(place);
        self.plan.expect.push(expectation);
    }

    fn claim(&mut self, clause: &mut Clause<'_>) -> Parsed<Claim> {
        let word = clause.one_of("an expectation", &CLAIMS)?;
        Ok(match word {
            "leader" if clause.word().is_some_and(is_name) => {
                Claim::Leader(Some(self.who(clause)?))
            }
            "leader" => Claim::Leader(None),
            "no" => return self.denial(clause),
            "same" => {
                clause.must("leader")?;
                Claim::SameLeader
            }
            "new" => {
                clause.must("leader")?;
                Claim::NewLeader
            }
            "acknowledged" if clause.eat("lost") => counted(Count::Lost, clause)?,
            "lost" => counted(Count::Lost, clause)?,
            "acknowledged" => {
                let _ = clause.eat("writes");
                counted(Count::Acknowledged, clause)?
            }
            "stale" => {
                let _ = clause.eat("refused");
                counted(Count::Stale, clause)?
            }
            "refused" if clause.eat("stale") => counted(Count::Stale, clause)?,
            "refused" => {
                let is_why =
                    clause.peek().is_some() && !TAIL.contains(&clause.word().unwrap_or(""));
                let _ = clause.eat("as") || clause.eat("because");
                let why = is_why
                    .then(|| values::name(clause, "a reason", 80))
                    .transpose()?;
                Claim::Refused(why)
            }
            "answered" => Claim::Answered,
            "gone" => Claim::Process(Process::Gone, self.who(clause)?),
            "terms" if clause.eat("led") => counted(Count::Leaders, clause)?,
            "terms" => counted(Count::Terms, clause)?,
            "leaders" => counted(Count::Leaders, clause)?,
            "suspicions" => counted(Count::Suspicions, clause)?,
            "deaths" => counted(Count::Deaths, clause)?,
            "gap" => Claim::Gap(values::compare(clause), values::span(clause)?),
            "converged" => Claim::Converged,
            "running" => Claim::Process(Process::Running, self.who(clause)?),
            "down" => Claim::Process(Process::Down, self.who(clause)?),
            "halted" => Claim::Process(Process::Halted, self.who(clause)?),
            "corrupt" => Claim::Process(Process::Corrupt, self.who(clause)?),
            "alive" => self.belief(Belief::Alive, clause)?,
            "suspected" => self.belief(Belief::Suspected, clause)?,
            "dead" => self.belief(Belief::Dead, clause)?,
            _ => self.belief(Belief::Left, clause)?,
        })
    }

    fn belief(&mut self, belief: Belief, clause: &mut Clause<'_>) -> Parsed<Claim> {
        let of = self.who(clause)?;
        let by = if clause.eat("somewhere") {
            Observers::Somewhere
        } else if clause.eat("on") {
            Observers::On(self.who(clause)?)
        } else {
            let _ = clause.eat("everywhere");
            Observers::Everywhere
        };
        Ok(Claim::Belief(belief, of, by))
    }

    fn denial(&mut self, clause: &mut Clause<'_>) -> Parsed<Claim> {
        let known = ["leader", "suspicion", "suspicions", "death", "deaths"];
        let belief = match clause.one_of("what shall not be", &known)? {
            "leader" => return Ok(Claim::NoLeader),
            "death" | "deaths" => Belief::Dead,
            _ => Belief::Suspected,
        };
        let of = if clause.eat("of") {
            Some(self.who(clause)?)
        } else {
            None
        };
        Ok(Claim::Never(belief, of))
    }
}

fn counted(what: Count, clause: &mut Clause<'_>) -> Parsed<Claim> {
    let compare = values::compare(clause);
    let number = values::number(clause, "a number", 0, u64::MAX)?;
    Ok(Claim::Count(what, compare, number))
}
