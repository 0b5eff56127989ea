//! What happens at a moment: `crash leader torn, restart after 3s`.

use super::clause::{Clause, Parsed};
use super::draft::Draft;
use super::network;
use super::problem::{Place, Problem};
use super::values::{self, Drawn};
use crate::plan::{Fate, Fault, Lasting, Moment, Who};

/// The words that begin an action.
pub(super) const VERBS: [&str; 25] = [
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
    "expect",
];

/// What a crash may be followed by.
const CRASH: [&str; 12] = [
    "torn", "wiped", "keeping", "losing", "maybe", "at", "after", "between", "restart", "for",
    "and", "then",
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
                let is_all = clause.peek().is_none();
                let ways = if is_all {
                    Default::default()
                } else {
                    self.ways(clause)?
                };
                Ok(vec![(Fault::Heal(ways), None)])
            }
            "disk" => self.disk(clause),
            "mend" => {
                let core = self.each(clause)?;
                Ok(vec![(Fault::Mend(core), None)])
            }
            "calm" => {
                let is_all = clause.peek().is_none();
                let ways = if is_all {
                    Default::default()
                } else {
                    self.ways(clause)?
                };
                Ok(vec![(Fault::Calm(ways), None)])
            }
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

    fn of_each(&mut self, clause: &mut Clause<'_>, fault: impl Fn(Who) -> Fault) -> Parsed<Faults> {
        let all = self.each(clause)?;
        self.lasting(clause, all.into_iter().map(fault).collect())
    }

    /// All ways to a node, from it, or both.
    fn one_sided(&mut self, clause: &mut Clause<'_>, to: bool, from: bool) -> Parsed<Faults> {
        let all = self.each(clause)?;
        let cut = |who: Who| {
            let mut ways = crate::plan::Ways {
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
        Ok(faults.into_iter().map(|fault| (fault, lasts)).collect())
    }

    /// `crash n1 at persist 3 torn, restart after 2s`.
    fn crash(&mut self, fate: Fate, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let all = self.each(clause)?;
        let (mut moment, mut fate, mut restart) = (Moment::Now, fate, None);
        while clause.peek().is_some() {
            if let Some(found) = self.fate(clause)? {
                fate = found;
            } else if clause.eat("for") || clause.eat_all(&["restart", "after"]) {
                restart = Some(values::drawn(clause, &mut self.random)?);
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
            restart,
        };
        Ok(all.into_iter().map(|who| (crash(who), None)).collect())
    }

    /// What becomes of the disk, if the next words say so.
    fn fate(&mut self, clause: &mut Clause<'_>) -> Parsed<Option<Fate>> {
        let rows: [(&[&str], Fate); 10] = [
            (&["torn", "record"], Fate::Torn),
            (&["torn"], Fate::Torn),
            (&["wiped"], Fate::Wiped),
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

    fn restart(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        if clause.peek().is_none() || clause.eat("all") || clause.eat("everyone") {
            return Ok(vec![(Fault::Restart(None), None)]);
        }
        let all = self.each(clause)?.into_iter();
        Ok(all.map(|who| (Fault::Restart(Some(who)), None)).collect())
    }

    /// `disk n1 slow 100ms for 3s`.
    fn disk(&mut self, clause: &mut Clause<'_>) -> Parsed<Faults> {
        let all = self.each(clause)?;
        clause.one_of("what is wrong with the disk", &["slow"])?;
        let sync = values::drawn(clause, &mut self.random)?.value;
        let slow = |who| Fault::SlowDisk(who, sync);
        self.lasting(clause, all.into_iter().map(slow).collect())
    }
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
