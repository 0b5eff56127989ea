//! From tokens to a plan: what is said once first, in any order, then the events in theirs.
//!
//! A problem ends the clause it stands in, not the reading: all problems are found at once.

use quorate_core::id::Zone;
use quorate_core::node::VOTERS_MAX;

use super::clause::{Clause, Parsed};
use super::draft::Draft;
use super::lex::{self, Token};
use super::problem::{Place, Problem, nearest};
use super::values::{self, Drawn};
use super::{Seeds, actions, network, senders};
use crate::plan::{NODES_MAX, Preset, Ways};
use crate::span::Span;

/// The words that may begin a line and are no events.
const HEAD: [&str; 24] = [
    "scenario",
    "about",
    "nodes",
    "voters",
    "zones",
    "preset",
    "config",
    "seed",
    "seeds",
    "network",
    "disk",
    "clients",
    "zombies",
    "readers",
    "messages",
    "senders",
    "sessions",
    "transactions",
    "queries",
    "workload",
    "mutant",
    "fingerprint",
    "heal",
    "end",
];
/// The words that begin an event.
const EVENTS: [&str; 5] = ["at", "between", "after", "every", "expect"];
/// The hosts' messages keep to the beat of the checkers' looks.
const TURN: Span = Span::from_ms(100);
/// These decide what other lines mean, so they are read first, in this order.
const FIRST: [&str; 3] = ["nodes", "voters", "zones"];

/// What a text came to: the plan under one seed, the seeds it is for, and what is wrong.
pub(super) fn parse(text: &str, seed: Option<u64>) -> Draft {
    let mut problems = Vec::new();
    let mut lines: Vec<Vec<Token<'_>>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match lex::line(number + 1, line) {
            Ok(tokens) if tokens.is_empty() => {}
            Ok(tokens) => lines.push(tokens),
            Err(problem) => problems.push(problem),
        }
    }
    let (seeds, said) = seeds(&lines, &mut problems);
    let mut draft = Draft::new(seeds, seed.unwrap_or(seeds.first));
    draft.problems = problems;
    draft.said.extend(said.map(|place| ("seed", place)));
    let first = |word: &str| FIRST.iter().position(|it| *it == word);
    let begins = |line: &[Token<'_>]| first(line[0].text).unwrap_or(FIRST.len());
    let mut head: Vec<&Vec<Token<'_>>> = lines.iter().filter(|line| is_head(line)).collect();
    head.sort_by_key(|line| begins(line));
    for line in head {
        draft.read(line, Draft::head);
    }
    draft.default_voters();
    for line in &lines {
        draft.read(line, Draft::event);
    }
    draft.check();
    draft
}

fn is_head(line: &[Token<'_>]) -> bool {
    HEAD.contains(&line[0].text)
}

/// The seeds are needed before anything is drawn.
fn seeds(lines: &[Vec<Token<'_>>], problems: &mut Vec<Problem>) -> (Seeds, Option<Place>) {
    let mut found: (Seeds, Option<Place>) = (Seeds::one(1), None);
    for line in lines
        .iter()
        .filter(|line| matches!(line[0].text, "seed" | "seeds"))
    {
        let mut clause = Clause::new(line);
        clause.next();
        let place = line[0].place;
        let read = (|| {
            if let Some(Place { line, .. }) = found.1 {
                let what = format!("`seed` was given in line {line} already");
                return Err(Problem { place, what });
            }
            let first = values::number(&mut clause, "a seed, a whole number", 0, u64::MAX)?;
            let at = clause.before();
            let is_range = clause.eat("..") || clause.eat("to");
            let last = if is_range {
                values::number(&mut clause, "a seed, a whole number", 0, u64::MAX)?
            } else {
                first
            };
            clause.end(&["to"])?;
            if last < first {
                let what = format!("the seeds {first}..{last} are reversed");
                return Err(Problem { place: at, what });
            }
            Ok(Seeds { first, last })
        })();
        match read {
            Ok(seeds) => found = (seeds, Some(place)),
            Err(problem) => problems.push(problem),
        }
    }
    found
}

impl Draft {
    fn read<'t>(
        &mut self,
        line: &'t [Token<'t>],
        read: impl Fn(&mut Draft, &'t [Token<'t>]) -> Parsed<()>,
    ) {
        if let Err(problem) = read(self, line) {
            self.problems.push(problem);
        }
    }

    /// A line that is no event.
    fn head(&mut self, line: &[Token<'_>]) -> Parsed<()> {
        let mut clause = Clause::new(line);
        let word = clause.one_of("a line", &HEAD)?;
        let place = line[0].place;
        if matches!(word, "seed" | "seeds") {
            return Ok(());
        }
        if word != "config" && !(word == "network" && is_terrain(line)) {
            self.say_once(word, place)?;
        }
        match word {
            "scenario" => self.plan.name = values::name(&mut clause, "a name", 80)?,
            "about" => self.plan.about = values::name(&mut clause, "a sentence", 200)?,
            "nodes" => {
                let what = "a number of nodes";
                self.plan.nodes = values::number(&mut clause, what, 1, NODES_MAX)?;
            }
            "voters" => self.voters(&mut clause)?,
            "zones" => self.zones(&mut clause, place)?,
            "preset" => {
                self.plan.preset = match clause.one_of("a preset", &["lan", "wan", "local"])? {
                    "lan" => Preset::Lan,
                    "wan" => Preset::Wan,
                    _ => Preset::Local,
                }
            }
            "config" => self.setting(place, &mut clause)?,
            "network" => self.network(&mut clause)?,
            "disk" => self.disk_sync(&mut clause)?,
            "clients" => self.clients(&mut clause)?,
            "zombies" => self.plan.workload.zombies = clients(&mut clause)?,
            "readers" => self.readers(&mut clause)?,
            "messages" => self.messages(&mut clause)?,
            "senders" => self.plan.workload.senders = senders::read(&mut clause)?,
            "sessions" | "transactions" | "queries" => {
                let what = format!("this build has no workload of {word}");
                return Err(Problem { place, what });
            }
            "workload" => {
                let what =
                    "say `clients`, `zombies`, `readers`, `messages` or `senders`".to_string();
                return Err(Problem { place, what });
            }
            "mutant" => self.plan.mutant = Some(values::name(&mut clause, "a bug's name", 80)?),
            "fingerprint" => {
                self.plan.fingerprint = Some(values::name(&mut clause, "a fingerprint", 80)?);
            }
            "heal" => {
                let at = self.moment(&mut clause)?;
                self.reach(at.high);
                self.plan.heal = Some(at.value);
            }
            _ => self.plan.end = self.moment(&mut clause)?.value,
        }
        clause.end(&["every", "requests", "on"])
    }

    /// `at 20s`, or `20s`.
    fn moment(&mut self, clause: &mut Clause<'_>) -> Parsed<Drawn> {
        let _ = clause.eat("at");
        values::drawn(clause, &mut self.random)
    }

    /// `disk sync 1ms..4ms`.
    fn disk_sync(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        clause.must("sync")?;
        let low = values::span(clause)?;
        let place = clause.before();
        let high = if clause.eat("..") {
            values::span(clause)?
        } else {
            low
        };
        if high < low {
            let what = format!("the window {low}..{high} is reversed");
            return Err(Problem { place, what });
        }
        (self.plan.disk.sync_min, self.plan.disk.sync_max) = (low, high);
        Ok(())
    }

    /// `messages every 200ms`, `messages none`.
    fn messages(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        if clause.eat("none") {
            self.plan.workload.messages = None;
            return Ok(());
        }
        clause.must("every")?;
        let every = values::drawn(clause, &mut self.random)?.value;
        let place = clause.before();
        if every < TURN || !every.ns().is_multiple_of(TURN.ns()) {
            let what = format!("messages are sent at multiples of {TURN}, or `none`");
            return Err(Problem { place, what });
        }
        self.plan.workload.messages = Some(every);
        Ok(())
    }

    fn voters(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        let voters = values::number(clause, "a number of voters", 1, VOTERS_MAX as u64)?;
        if voters > self.plan.nodes {
            let what = format!("{voters} voters, but only {} nodes", self.plan.nodes);
            let place = clause.before();
            return Err(Problem { place, what });
        }
        self.plan.voters = voters;
        Ok(())
    }

    fn default_voters(&mut self) {
        if !self.said.contains_key("voters") {
            self.plan.voters = self.plan.nodes.min(5);
        }
        self.plan.voters = self.plan.voters.min(self.plan.nodes);
    }

    fn zones(&mut self, clause: &mut Clause<'_>, place: Place) -> Parsed<()> {
        let mut zones = Vec::new();
        while clause.peek().is_some() {
            let name = values::name(clause, "a zone", 64)?;
            if let Err(error) = Zone::new(&name) {
                let (place, what) = (clause.before(), error.to_string());
                return Err(Problem { place, what });
            }
            zones.push(name);
        }
        let (named, nodes) = (zones.len() as u64, self.plan.nodes);
        if named != nodes {
            let what = format!("{named} zones for {nodes} nodes; name one for each node");
            return Err(Problem { place, what });
        }
        self.plan.zones = zones;
        Ok(())
    }

    /// `network latency 1ms..2ms`, or of some ways only.
    fn network(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        let is_everywhere = clause
            .word()
            .is_some_and(|word| network::PROPERTIES.contains(&word));
        let ways = if is_everywhere {
            Ways::default()
        } else {
            self.ways(clause)?
        };
        let change = network::change(clause, &mut self.random)?;
        if is_everywhere {
            self.plan.network = self.plan.network.with(&change);
        } else {
            self.plan.terrain.push((ways, change));
        }
        Ok(())
    }

    /// `clients 2 every 150ms, 100 requests`.
    fn clients(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        self.plan.workload.clients = clients(clause)?;
        while clause.peek().is_some() {
            if clause.eat("every") {
                self.plan.workload.interval = values::drawn(clause, &mut self.random)?.value;
            } else {
                let what = "`every` and a time, or a number of `requests`";
                self.plan.workload.requests = values::number(clause, what, 1, 1_000_000)?;
                clause.must("requests")?;
            }
        }
        Ok(())
    }

    /// `readers 2 every 50ms`.
    fn readers(&mut self, clause: &mut Clause<'_>) -> Parsed<()> {
        self.plan.readers.readers = clients(clause)?;
        if clause.eat("every") {
            self.plan.readers.interval = values::drawn(clause, &mut self.random)?.value;
        }
        Ok(())
    }

    /// A line that is an event, or none at all.
    fn event<'t>(&mut self, line: &'t [Token<'t>]) -> Parsed<()> {
        let mut clause = Clause::new(line);
        let place = line[0].place;
        let word = line[0].text;
        if is_head(line) {
            // A heal is an event for the expectations behind it.
            if let ("heal", Some(heal)) = (word, self.plan.heal) {
                self.last = Drawn::fixed(heal);
            }
            return Ok(());
        }
        let Some(word) = EVENTS.into_iter().find(|it| *it == word) else {
            return Err(unknown_line(line));
        };
        clause.next();
        match word {
            "expect" => self.expectation(place, &mut clause),
            "every" => self.repeated(line),
            _ => {
                let (at, len) = self.when(word, line)?;
                self.actions(at, &line[len..], clause.place())
            }
        }
    }

    /// The moment an event begins with, and how many tokens say it.
    fn when(&mut self, word: &str, line: &[Token<'_>]) -> Parsed<(Drawn, usize)> {
        let mut clause = Clause::new(line);
        clause.next();
        let place = clause.place();
        let mut at = values::drawn(&mut clause, &mut self.random)?;
        if word == "after" {
            at = self.last.plus(at);
        }
        if word == "between" {
            clause.must("and")?;
            let high = values::span(&mut clause)?;
            if high < at.low {
                let what = format!("the window {} to {high} is reversed", at.low);
                return Err(Problem { place, what });
            }
            at = Drawn::from(at.low, high, &mut self.random);
        }
        let rest = line.len() - line.iter().skip_while(|t| t.place < clause.place()).count();
        let len = if clause.peek().is_some() {
            rest
        } else {
            line.len()
        };
        Ok((at, len))
    }

    /// `every 2s from 5s to 20s crash leader, restart after 500ms`.
    fn repeated(&mut self, line: &[Token<'_>]) -> Parsed<()> {
        let mut clause = Clause::new(line);
        clause.next();
        let step = values::span(&mut clause)?;
        let place = clause.before();
        clause.must("from")?;
        let from = values::span(&mut clause)?;
        clause.must("to")?;
        let to = values::span(&mut clause)?;
        if step == Span::ZERO || to < from {
            let what = "nothing is repeated so".to_string();
            return Err(Problem { place, what });
        }
        let len = line
            .iter()
            .filter(|token| token.place < clause.place())
            .count();
        let mut at = from;
        while at <= to {
            let strikes = self.strikes.len();
            self.actions(Drawn::fixed(at), &line[len..], clause.place())?;
            if self.strikes.len() == strikes {
                return Ok(());
            }
            at = at.plus(step);
        }
        Ok(())
    }

    /// The actions of one moment, parted by `;`; one without a verb repeats the verb before.
    fn actions(&mut self, at: Drawn, tokens: &[Token<'_>], place: Place) -> Parsed<()> {
        if tokens.is_empty() {
            let what = "expected what happens then, found the end of the line".to_string();
            return Err(Problem { place, what });
        }
        let mut verb = None;
        for tokens in tokens.split(|token| token.text == ";") {
            let Some(first) = tokens.first() else {
                continue;
            };
            let mut clause = Clause::new(tokens);
            let read = (|| {
                let known = actions::VERBS.into_iter().find(|it| *it == first.text);
                let is_name = super::nodes::is_name(first.text);
                let this = match (known, verb) {
                    (None, Some(verb)) if is_name => verb,
                    _ => clause.one_of("an action", &actions::VERBS)?,
                };
                verb = Some(this);
                match this {
                    "expect" => self.expectation_at(at.value, first.place, &mut clause),
                    verb => self.action(verb, at, first.place, &mut clause),
                }
            })();
            if let Err(problem) = read {
                self.problems.push(problem);
            }
        }
        Ok(())
    }
}

fn clients(clause: &mut Clause<'_>) -> Parsed<u32> {
    let number = values::number(clause, "a number of clients", 0, 1_000)?;
    Ok(u32::try_from(number).unwrap_or(0))
}

/// Whether a line describes some ways and not the whole network.
fn is_terrain(line: &[Token<'_>]) -> bool {
    line.get(1)
        .is_some_and(|token| !network::PROPERTIES.contains(&token.text))
}

/// A line that begins with no known word.
fn unknown_line(line: &[Token<'_>]) -> Problem {
    let first = &line[0];
    let known = HEAD.into_iter().chain(EVENTS);
    let word = super::clause::shown(first.text);
    let what = if actions::VERBS.contains(&first.text) {
        format!("`{word}` needs a moment; write `at 5s {word} …`")
    } else {
        match nearest(first.text, known) {
            Some(near) => format!("no line begins with `{word}`; did you mean `{near}`?"),
            None => {
                let known: Vec<&str> = EVENTS.into_iter().chain(HEAD).collect();
                format!(
                    "no line begins with `{word}`; known are {}",
                    known.join(", ")
                )
            }
        }
    };
    let place = first.place;
    Problem { place, what }
}
