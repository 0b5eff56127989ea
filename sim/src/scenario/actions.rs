//! What happens at a moment: `crash leader torn, restart after 3s`.

use super::clause::{Clause, Parsed};
use super::draft::Draft;
use super::network;
use super::problem::{Place, Problem};
use super::values::{self, Drawn};
use crate::plan::{Fate, Fault, Lasting, Moment, Part, Question, Return, Ways, Who};

/// The words that begin an action.
pub(super) const VERBS: [&str; 45] = [
    "crash",
    "kill",
    "restart",
    "pause",
    "resume",
    "partition",
    "cut",
    "isolate",
    "deafen",
    "mute",
    "heal",
    "mend",
    "latency",
    "delay",
    "loss",
    "duplication",
    "duplicate",
    "reordering",
    "reorder",
    "spikes",
    "bandwidth",
    "network",
    "calm",
    "disk",
    "half-open",
    "reset",
    "stall",
    "cpu",
    "slow",
    "clock",
    "drift",
    "flip",
    "join",
    "leave",
    "ask",
    "transfer",
    "add",
    "remove",
    "promote",
    "demote",
    "drain",
    "undrain",
    "rolling",
    "burst",
    "expect",
];
/// Verbs for what this version cannot do yet, and what that is.
const BEYOND: [(&str, &str); 3] = [
    ("drain", "drain a node"),
    ("undrain", "drain a node"),
    (
        "rolling",
        "restart a cluster node by node; say `restart` for each",
    ),
];

/// What a crash may be followed by.
const CRASH: [&str; 14] = [
    "silently", "torn", "wiped", "rebuilt", "keeping", "losing", "maybe", "at", "after", "between",
    "restart", "for", "and", "then",
];

/// Faults, each of which ends by itself after so long, if it does.
type Faults = Vec<(Fault, Option<Drawn>)>;

impl Draft {
    /// Reads one action that happens at a moment.
    pub(super) fn action(
        &mut self,
        verb: &'static str,
        at: Drawn,
        place: Place,
        clause: &mut Clause<'_>,
    ) -> Parsed<()> {
        let faults = self.faults(verb, clause)?;
        let known = if verb == "crash" {
            &CRASH[..]
        } else {
            &["for"]
        };
        clause.end(known)?;
        for (fault, lasts) in faults {
            self.strike(place, at, fault, lasts)?;
        }
        self.last = at;
        Ok(())
    }

    fn faults(&mut self, verb: &'static str, clause: &mut Clause<'_>) -> Parsed<Faults> {
        match verb {
            "crash" => self.crash(Fate::Lost, clause),
            "kill" => self.crash(Fate::Kept, clause),
            "restart" => self.restart(clause),
            "pause" => self.of_each(clause, Fault::Pause),
            "resume" => self.of_each(clause, Fault::Resume),
            "partition" => {
                let groups = self.groups(clause)?;
                self.lasting(clause, vec![Fault::Partition(groups)])
            }
            "cut" => {
                let ways = self.ways(clause)?;
                self.lasting(clause, vec![Fault::Cut(ways)])
            }
            "isolate" => self.one_sided(clause, true, true),
            "deafen" => self.one_sided(clause, true, false),
            "mute" => self.one_sided(clause, false, true),
            "heal" => {
                let _ = clause.eat("partition");
                Ok(vec![(Fault::Heal(self.ways_or_all(clause)?), None)])
            }
            "disk" => self.disk(clause),
            "mend" => Ok(vec![(Fault::Mend(self.each(clause)?), None)]),
            "half-open" => Ok(vec![(Fault::HalfOpen(self.ways(clause)?), None)]),
            "reset" => Ok(vec![(Fault::Reset(self.ways(clause)?), None)]),
            "stall" | "burst" => {
                let ways = self.ways(clause)?;
                self.lasting(clause, vec![Fault::Stall(ways)])
            }
            "cpu" | "slow" => self.slow_cpu(clause),
            "clock" => self.clock(clause),
            "drift" => self.drift(clause),
            "flip" => {
                let _ = clause.eat("a");
                clause.must("bit")?;
                clause.must("on")?;
                self.of_each(clause, Fault::FlipBit)
            }
            "join" => self.of_each(clause, Fault::Join),
            "leave" => self.of_each(clause, |who| Fault::Ask(who, Question::Leave)),
            "ask" => {
                let who = self.who(clause)?;
                let question = self.question(clause)?;
                Ok(vec![(Fault::Ask(who, question), None)])
            }
            "add" | "promote" => self.change_voters(clause, Question::AddVoter),
            "remove" | "demote" => self.change_voters(clause, Question::RemoveVoter),
            "transfer" => self.transfer(clause),
            verb if BEYOND.iter().any(|(it, _)| *it == verb) => {
                let what = BEYOND.iter().find(|(it, _)| *it == verb);
                let what = what.map_or(verb, |(_, what)| what);
                let (place, what) = (clause.before(), format!("this build cannot {what}"));
                Err(Problem { place, what })
            }
            "calm" => Ok(vec![(Fault::Calm(self.ways_or_all(clause)?), None)]),
            "network" => {
                let ways = self.ways(clause)?;
                let change = network::change(clause, &mut self.random)?;
                self.lasting(clause, vec![Fault::Network(ways, change)])
            }
            property => {
                let ways = self.ways(clause)?;
                let change = network::one(property, clause, &mut self.random)?;
                self.lasting(clause, vec![Fault::Network(ways, change)])
            }
        }
    }

    /// The ways that are named, or all of them.
    fn ways_or_all(&mut self, clause: &mut Clause<'_>) -> Parsed<Ways> {
        match clause.peek() {
            None => Ok(Ways::default()),
            Some(_) => self.ways(clause),
        }
    }

    /// `add voters n4 and n5`, `demote n1`: the leader is asked, once for each.
    fn change_voters(
        &mut self,
        clause: &mut Clause<'_>,
        question: fn(u64) -> Question,
    ) -> Parsed<Faults> {
        let _ = clause.eat("voter") || clause.eat("voters");
        let whom = self.each(clause)?.into_iter();
        let asked = whom.map(|who| match who {
            Who::Node(node) => Ok((Fault::Ask(Who::Part(Part::Leader), question(node)), None)),
            Who::Part(_) => Err(played_later(clause)),
        });
        asked.collect()
    }

    /// `transfer leadership from n1 to n2`.
    fn transfer(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let _ = clause.eat("leadership") || clause.eat("leader");
        let who = match clause.eat("from") {
            true => self.who(clause)?,
            false => Who::Part(Part::Leader),
        };
        let question = Question::Transfer(self.heir(clause)?);
        Ok(vec![(Fault::Ask(who, question), None)])
    }

    fn of_each(&mut self, clause: &mut Clause<'_>, fault: impl Fn(Who) -> Fault) -> Parsed<Faults> {
        let all = self.each(clause)?;
        self.lasting(clause, all.into_iter().map(fault).collect())
    }

    /// All ways to a node, from it, or both.
    fn one_sided(&mut self, clause: &mut Clause<'_>, to: bool, from: bool) -> Parsed<Faults> {
        let all = self.each(clause)?;
        let cut = |who: Who| {
            let mut ways = Ways {
                from: vec![who],
                to: Vec::new(),
                both: to && from,
            };
            if to && !from {
                std::mem::swap(&mut ways.from, &mut ways.to);
            }
            Fault::Cut(ways)
        };
        self.lasting(clause, all.into_iter().map(cut).collect())
    }

    /// `for 4s` behind faults that can end by themselves.
    fn lasting(&mut self, clause: &mut Clause<'_>, faults: Vec<Fault>) -> Parsed<Faults> {
        let place = clause.place();
        let lasts = if clause.eat("for") {
            Some(values::drawn(clause, &mut self.random)?)
        } else {
            None
        };
        let is_short = |fault: &Fault| fault.lasting() == Lasting::Never;
        if lasts.is_some() && faults.iter().any(is_short) {
            let what = "this is over at once and cannot last `for` a time".to_string();
            return Err(Problem { place, what });
        }
        let is_long = |fault: &Fault| fault.lasting() == Lasting::Always;
        if lasts.is_none() && faults.iter().any(is_long) {
            return Err(clause.problem("expected `for` and how long it lasts"));
        }
        Ok(faults.into_iter().map(|fault| (fault, lasts)).collect())
    }

    /// `crash n1 at persist 3 torn, restart after 2s`.
    fn crash(&mut self, fate: Fate, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let all = self.each(clause)?;
        let (mut moment, mut fate, mut restart) = (Moment::Now, fate, None);
        let mut silent = false;
        while clause.peek().is_some() {
            if let Some(found) = self.fate(clause)? {
                fate = found;
            } else if clause.eat("for") || clause.eat_all(&["restart", "after"]) {
                restart = Some(values::drawn(clause, &mut self.random)?);
            } else if clause.eat("silently") || clause.eat("silent") {
                silent = true;
            } else if clause.eat_all(&["between", "persist", "and", "send"]) {
                moment = Moment::Synced(1);
            } else if matches!(clause.word(), Some("at" | "after")) {
                moment = moment_of(clause)?;
            } else if !clause.eat("and") && !clause.eat("then") && !clause.eat("disk") {
                clause.end(&CRASH)?;
            }
        }
        if let Some(restart) = restart {
            self.reach(restart.high);
        }
        let restart = restart.map(|restart| restart.value);
        let crash = |who| Fault::Crash {
            who,
            moment,
            fate,
            silent,
            restart,
        };
        Ok(all.into_iter().map(|who| (crash(who), None)).collect())
    }

    /// What becomes of the disk, if the next words say so.
    fn fate(&mut self, clause: &mut Clause<'_>) -> Parsed<Option<Fate>> {
        let rows: [(&[&str], Fate); 11] = [
            (&["torn", "record"], Fate::Torn),
            (&["torn"], Fate::Torn),
            (&["wiped"], Fate::Wiped),
            (&["rebuilt"], Fate::Rebuilt),
            (&["disk", "kept"], Fate::Kept),
            (&["keeping", "disk"], Fate::Kept),
            (&["kept"], Fate::Kept),
            (&["losing", "unsynced"], Fate::Lost),
            (&["unsynced", "tail", "lost"], Fate::Lost),
            (&["unsynced", "lost"], Fate::Lost),
            (&["disk", "wiped"], Fate::Wiped),
        ];
        if clause.eat_all(&["maybe", "torn"]) {
            let is_torn = self.random.chance(500);
            return Ok(Some(if is_torn { Fate::Torn } else { Fate::Lost }));
        }
        let found = rows.into_iter().find(|(words, _)| clause.eat_all(words));
        Ok(found.map(|(_, fate)| fate))
    }

    /// `restart n3 wiped at new address`.
    fn restart(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let is_all = clause.peek().is_none() || clause.eat("all") || clause.eat("everyone");
        let named = if is_all {
            Vec::new()
        } else {
            self.each(clause)?
        };
        let mut back = Return::default();
        while clause.peek().is_some() {
            if clause.eat_all(&["at", "new", "address"])
                || clause.eat_all(&["at", "a", "new", "address"])
                || clause.eat_all(&["with", "new", "address"])
            {
                back.moved = true;
            } else if clause.eat("older") {
                back.older = true;
            } else if let Some(fate) = self.fate(clause)? {
                back.fate = Some(fate);
            } else if !clause.eat("and") {
                clause.end(&[
                    "torn", "wiped", "rebuilt", "older", "at", "new", "address", "keeping",
                    "losing",
                ])?;
            }
        }
        if named.is_empty() {
            return Ok(vec![(Fault::Restart(None, back), None)]);
        }
        let all = named.into_iter();
        Ok(all
            .map(|who| (Fault::Restart(Some(who), back), None))
            .collect())
    }

    /// `disk n1 slow 100ms for 3s`, `disk n1 stall for 2s`, `disk n1 error`, `disk n1 bit flip`.
    fn disk(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let all = self.each(clause)?.into_iter();
        let known = ["slow", "stall", "stalls", "error", "fails", "bit", "flip"];
        let faults: Vec<Fault> = match clause.one_of("what is wrong with the disk", &known)? {
            "slow" => {
                let _ = clause.eat("by");
                let sync = values::drawn(clause, &mut self.random)?.value;
                all.map(|who| Fault::SlowDisk(who, sync)).collect()
            }
            "stall" | "stalls" => all.map(Fault::StallDisk).collect(),
            "error" | "fails" => all.map(Fault::FailDisk).collect(),
            _ => {
                let _ = clause.eat("flip");
                all.map(Fault::FlipBit).collect()
            }
        };
        self.lasting(clause, faults)
    }

    /// `cpu n1 slow 5ms for 10s`, `slow cpu n1 5ms`, `slow n1 by 5ms`.
    fn slow_cpu(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let _ = clause.eat("cpu");
        let all = self.each(clause)?.into_iter();
        while clause.eat("slow") || clause.eat("by") {}
        let step = values::drawn(clause, &mut self.random)?.value;
        self.lasting(clause, all.map(|who| Fault::SlowCpu(who, step)).collect())
    }

    /// `clock n3 drift +200ppm for 10s`, `clock n3 jump 2s`.
    fn clock(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let all = self.each(clause)?;
        match clause.one_of("what a clock does", &["drift", "drifts", "jump", "jumps"])? {
            "jump" | "jumps" => {
                let span = values::drawn(clause, &mut self.random)?.value;
                Ok(all
                    .into_iter()
                    .map(|who| (Fault::Jump(who, span), None))
                    .collect())
            }
            _ => self.drifting(all, clause),
        }
    }

    fn drift(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let _ = clause.eat("clock");
        let all = self.each(clause)?;
        self.drifting(all, clause)
    }

    fn drifting(&mut self, all: Vec<Who>, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let _ = clause.eat("by");
        let ppm = values::ppm(clause)?;
        let all = all.into_iter();
        self.lasting(clause, all.map(|who| Fault::Drift(who, ppm)).collect())
    }

    /// `to n2`, or nobody in particular.
    pub(super) fn heir(&mut self, clause: &mut Clause<'_>) -> Parsed<Option<u64>> {
        if !clause.eat("to") {
            return Ok(None);
        }
        self.numbered(clause).map(Some)
    }

    pub(super) fn numbered(&mut self, clause: &mut Clause<'_>) -> Parsed<u64> {
        match self.who(clause)? {
            Who::Node(node) => Ok(node),
            Who::Part(_) => Err(played_later(clause)),
        }
    }
}

fn played_later(clause: &Clause<'_>) -> Problem {
    let (place, what) = (
        clause.before(),
        "a part is played later; name a node".to_string(),
    );
    Problem { place, what }
}

/// `at persist 3`, `at 2nd vote`, `after vote`, `at sync`.
fn moment_of(clause: &mut Clause<'_>) -> Parsed<Moment> {
    let is_after = clause.eat("after");
    let _ = is_after || clause.eat("at");
    let _ = clause.eat("its") || clause.eat("the");
    let before = values::ordinal(clause);
    let known = if is_after {
        &["vote"][..]
    } else {
        &["persist", "vote", "sync"]
    };
    let word = clause.one_of("a moment of its work", known)?;
    let nth = before.or_else(|| values::ordinal(clause)).unwrap_or(1);
    Ok(match word {
        "persist" => Moment::Persist(nth),
        "sync" => Moment::Synced(nth),
        _ if is_after => Moment::VoteSent(nth),
        _ => Moment::Vote(nth),
    })
}
