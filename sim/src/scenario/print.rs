//! A plan as text: the one way in which everything in it is said.
//!
//! * I1: reading the text gives the plan again.

use std::fmt::{self, Write};

use super::questions;
use crate::expect::{Belief, Claim, Count, Expectation, Observers, When};
use crate::plan::{
    Change, Fate, Fault, Moment, Part, Plan, Preset, Quality, Question, Seat, Setting, Strike,
    Ways, Who,
};

impl Plan {
    /// The plan as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write_head(&mut text);
        let _ = self.write_body(&mut text);
        text
    }

    fn write_head(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "scenario \"{}\"", self.name)?;
        if !self.about.is_empty() {
            writeln!(text, "about \"{}\"", self.about)?;
        }
        writeln!(text, "nodes {}\nvoters {}", self.nodes, self.voters)?;
        if !self.zones.is_empty() {
            writeln!(text, "zones {}", self.zones.join(" "))?;
        }
        writeln!(text, "preset {}", preset(self.preset))?;
        for Setting { key, value, node } in &self.settings {
            write!(text, "config {key} {value}")?;
            writeln!(
                text,
                "{}",
                node.map_or(String::new(), |node| format!(" on n{node}"))
            )?;
        }
        writeln!(text, "seed {}", self.seed)?;
        writeln!(text, "network {}", quality(&self.network))?;
        for (way, change) in &self.terrain {
            writeln!(text, "network {} {}", ways(way), properties(change))?;
        }
        writeln!(
            text,
            "disk sync {}..{}",
            self.disk.sync_min, self.disk.sync_max
        )?;
        let clients = &self.workload;
        write!(
            text,
            "clients {} every {}",
            clients.clients, clients.interval
        )?;
        match clients.requests {
            0 => writeln!(text)?,
            requests => writeln!(text, ", {requests} requests")?,
        }
        writeln!(text, "zombies {}", clients.zombies)?;
        let readers = &self.readers;
        writeln!(
            text,
            "readers {} every {}",
            readers.readers, readers.interval
        )?;
        match clients.messages {
            Some(every) => writeln!(text, "messages every {every}")?,
            None => writeln!(text, "messages none")?,
        }
        if let Some(senders) = &clients.senders {
            writeln!(text, "{senders}")?;
        }
        if let Some(mutant) = &self.mutant {
            writeln!(text, "mutant {mutant}")?;
        }
        if let Some(fingerprint) = &self.fingerprint {
            writeln!(text, "fingerprint {fingerprint}")?;
        }
        Ok(())
    }

    fn write_body(&self, text: &mut String) -> fmt::Result {
        if !self.faults.is_empty() {
            writeln!(text)?;
        }
        for strike in &self.faults {
            writeln!(text, "at {} {strike}", strike.at)?;
        }
        writeln!(text)?;
        for expectation in &self.expect {
            let is_unsaid = expectation.when == Expectation::unsaid(&expectation.claim, self.end);
            writeln!(text, "expect {}", Told(expectation, is_unsaid))?;
        }
        if let Some(heal) = self.heal {
            writeln!(text, "heal at {heal}")?;
        }
        writeln!(text, "end at {}", self.end)
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasts = self.lasts.map(|lasts| format!(" for {lasts}"));
        write!(f, "{}{}", self.fault, lasts.unwrap_or_default())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Cut(way) => write!(f, "cut {}", ways(way)),
            Fault::Heal(way) if *way == Ways::default() => f.write_str("heal"),
            Fault::Heal(way) => write!(f, "heal {}", ways(way)),
            Fault::Partition(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| seats(group)).collect();
                write!(f, "partition {}", groups.join(" | "))
            }
            Fault::Network(way, change) => {
                write!(f, "network {} {}", ways(way), properties(change))
            }
            Fault::Calm(way) if *way == Ways::default() => f.write_str("calm"),
            Fault::Calm(way) => write!(f, "calm {}", ways(way)),
            Fault::Crash {
                who: one,
                moment: at,
                fate: left,
                silent,
                restart,
            } => {
                let silent = if *silent { " silently" } else { "" };
                let (at, left) = (moment(*at), fate(*left));
                write!(f, "crash {}{at}{left}{silent}", who(*one))?;
                match restart {
                    Some(after) => write!(f, ", restart after {after}"),
                    None => Ok(()),
                }
            }
            Fault::Restart(one, back) => {
                write!(f, "restart {}", one.map_or("all".to_string(), who))?;
                if let Some(left) = back.fate {
                    f.write_str(match left {
                        Fate::Lost => " losing unsynced",
                        Fate::Kept | Fate::Torn | Fate::Wiped | Fate::Rebuilt => fate(left),
                    })?;
                }
                f.write_str(if back.older { " older" } else { "" })?;
                f.write_str(if back.moved { " at new address" } else { "" })
            }
            Fault::HalfOpen(way) => write!(f, "half-open {}", ways(way)),
            Fault::Reset(way) => write!(f, "reset {}", ways(way)),
            Fault::Stall(way) => write!(f, "stall {}", ways(way)),
            Fault::SlowCpu(one, step) => write!(f, "cpu {} slow {step}", who(*one)),
            Fault::Drift(one, ppm) => write!(f, "clock {} drift {ppm}ppm", who(*one)),
            Fault::Jump(one, span) => write!(f, "clock {} jump {span}", who(*one)),
            Fault::StallDisk(one) => write!(f, "disk {} stall", who(*one)),
            Fault::FailDisk(one) => write!(f, "disk {} error", who(*one)),
            Fault::FlipBit(one) => write!(f, "disk {} bit flip", who(*one)),
            Fault::Join(one) => write!(f, "join {}", who(*one)),
            Fault::Ask(one, Question::Leave) => write!(f, "leave {}", who(*one)),
            Fault::Ask(one, question) => {
                write!(f, "ask {} {}", who(*one), questions::asked(question))
            }
            Fault::Pause(one) => write!(f, "pause {}", who(*one)),
            Fault::Resume(one) => write!(f, "resume {}", who(*one)),
            Fault::SlowDisk(one, sync) => write!(f, "disk {} slow {sync}", who(*one)),
            Fault::Mend(core) => {
                let names: Vec<String> = core.iter().map(|one| who(*one).to_string()).collect();
                write!(f, "mend {}", names.join(" "))
            }
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Told(self, false).fmt(f)
    }
}

/// An expectation, perhaps without the moment that needs not be said.
struct Told<'a>(&'a Expectation, bool);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(it, is_unsaid) = self;
        match &it.claim {
            Claim::Count(what, compare, number) => {
                write!(f, "{} {} {number}", count(*what), compare.sign())
            }
            Claim::Gap(compare, span) => write!(f, "gap {} {span}", compare.sign()),
            Claim::Leader(None) => f.write_str("leader"),
            Claim::Leader(Some(one)) => write!(f, "leader {}", who(*one)),
            Claim::NoLeader => f.write_str("no leader"),
            Claim::SameLeader => f.write_str("same leader"),
            Claim::NewLeader => f.write_str("new leader"),
            Claim::Belief(what, of, by) => {
                write!(f, "{} {}{}", belief(*what), who(*of), observers(*by))
            }
            Claim::Never(what, of) => {
                let of = of.map(|of| format!(" of {}", who(of)));
                write!(f, "no {}{}", never(*what), of.unwrap_or_default())
            }
            Claim::Converged => f.write_str("converged"),
            Claim::Answered => f.write_str("answered"),
            Claim::Refused(None) => f.write_str("refused"),
            Claim::Refused(Some(why)) => write!(f, "refused \"{why}\""),
            Claim::Process(state, of) => write!(f, "{} {}", state.word(), who(*of)),
        }?;
        match it.when {
            _ if *is_unsaid => Ok(()),
            When::Within(span) => write!(f, " within {span}"),
            When::By(at) => write!(f, " by {at}"),
            When::Until(at) => write!(f, " until {at}"),
        }?;
        if it.since.ns() == 0 {
            return Ok(());
        }
        write!(f, " since {}", it.since)
    }
}

/// One node.
pub(super) fn who(who: Who) -> String {
    match who {
        Who::Node(number) => format!("n{number}"),
        Who::Part(Part::Leader) => "leader".to_string(),
        Who::Part(Part::Follower) => "follower".to_string(),
    }
}

fn ways(ways: &Ways) -> String {
    let side = |side: &[Who]| match side {
        [] => "all".to_string(),
        side => side.iter().copied().map(who).collect::<Vec<_>>().join(" "),
    };
    if *ways == Ways::default() {
        return "all".to_string();
    }
    let sign = if ways.both { "<->" } else { "->" };
    format!("{} {sign} {}", side(&ways.from), side(&ways.to))
}

fn seats(group: &[Seat]) -> String {
    let seat = |seat: &Seat| match seat {
        Seat::One(one) => who(*one),
        Seat::Others(count) => format!("+ {count}"),
        Seat::Rest => "rest".to_string(),
    };
    match group {
        [] => "nobody".to_string(),
        group => group.iter().map(seat).collect::<Vec<_>>().join(" "),
    }
}

/// A whole quality, without what is not there.
fn quality(all: &Quality) -> String {
    let some = |permille: u16| (permille > 0).then_some(permille);
    properties(&Change {
        latency: Some((all.latency_min, all.latency_max)),
        delay: (all.delay.ns() > 0).then_some(all.delay),
        loss_permille: some(all.loss_permille),
        duplication_permille: some(all.duplication_permille),
        reordering_permille: some(all.reordering_permille),
        spikes: some(all.spike_permille).map(|permille| (permille, all.spike)),
        bandwidth: (all.bandwidth > 0).then_some(all.bandwidth),
    })
}

/// The properties that a change names.
fn properties(change: &Change) -> String {
    let mut said: Vec<String> = Vec::new();
    match change.latency {
        Some((low, high)) if low == high => said.push(format!("latency {low}")),
        Some((low, high)) => said.push(format!("latency {low}..{high}")),
        None => {}
    }
    said.extend(change.delay.map(|delay| format!("delay {delay}")));
    said.extend(change.loss_permille.map(|it| format!("loss {}", share(it))));
    let duplication = change.duplication_permille;
    said.extend(duplication.map(|it| format!("duplication {}", share(it))));
    let reordering = change.reordering_permille;
    said.extend(reordering.map(|it| format!("reordering {}", share(it))));
    let spikes = change.spikes;
    said.extend(spikes.map(|(it, of)| format!("spikes {} of {of}", share(it))));
    said.extend(change.bandwidth.map(|it| format!("bandwidth {}", rate(it))));
    said.join(" ")
}

pub(super) fn share(permille: u16) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        part => format!("{}.{part}%", permille / 10),
    }
}

fn rate(bytes: u64) -> String {
    match bytes {
        0 => "unlimited".to_string(),
        bytes if bytes.is_multiple_of(1_000_000) => format!("{}MB/s", bytes / 1_000_000),
        bytes if bytes.is_multiple_of(1_000) => format!("{}kB/s", bytes / 1_000),
        bytes => format!("{bytes}B/s"),
    }
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::Now => String::new(),
        Moment::Persist(nth) => format!(" at persist {nth}"),
        Moment::Vote(nth) => format!(" at vote {nth}"),
        Moment::VoteSent(nth) => format!(" after vote {nth}"),
        Moment::Synced(nth) => format!(" at sync {nth}"),
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Lost => "",
        Fate::Torn => " torn",
        Fate::Kept => " keeping disk",
        Fate::Wiped => " wiped",
        Fate::Rebuilt => " rebuilt",
    }
}

/// A preset's name.
pub(super) fn preset(preset: Preset) -> &'static str {
    match preset {
        Preset::Lan => "lan",
        Preset::Wan => "wan",
        Preset::Local => "local",
    }
}

fn count(count: Count) -> &'static str {
    match count {
        Count::Terms => "terms",
        Count::Leaders => "leaders",
        Count::Acknowledged => "acknowledged",
        Count::Lost => "acknowledged lost",
        Count::Stale => "stale refused",
        Count::Suspicions => "suspicions",
        Count::Deaths => "deaths",
    }
}

fn belief(belief: Belief) -> &'static str {
    match belief {
        Belief::Alive => "alive",
        Belief::Suspected => "suspected",
        Belief::Dead => "dead",
        Belief::Left => "left",
    }
}

fn never(belief: Belief) -> &'static str {
    match belief {
        Belief::Alive => "joining",
        Belief::Suspected => "suspicion",
        Belief::Dead => "death",
        Belief::Left => "leaving",
    }
}

fn observers(observers: Observers) -> String {
    match observers {
        Observers::Everywhere => " everywhere".to_string(),
        Observers::Somewhere => " somewhere".to_string(),
        Observers::On(one) => format!(" on {}", who(one)),
    }
}
