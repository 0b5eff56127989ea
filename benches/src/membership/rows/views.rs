//! Bursts: how often a member is told of ten crashes at a moment, and of fifty joins. Ours tells
//! both single changes and views; a host that acts on views acts that often.

use std::time::Duration;

use super::Effort;
use crate::contest::Figure;
use crate::membership::foca;
use crate::membership::machine::{Detector, Event, Machine, Setup};
use crate::membership::net::Net;
use crate::membership::ours::Ours;
use crate::membership::score::{fewer_is_better, less_is_better};

const BURST: usize = 10;
const JOINS: usize = 50;

struct Told {
    /// Announcements to a survivor, on average: views of ours, single deaths of theirs.
    times: f64,
    /// Seconds after the crashes until the last survivor was told of the last death.
    last: f64,
}

/// Three figures.
pub fn run(effort: &Effort) -> Vec<Figure> {
    let size = 1000;
    let seeds = effort.choose(1..=1, 1..=5);
    let of_ours = |event: &Event| matches!(event, Event::View);
    let of_theirs = |event: &Event| matches!(event, Event::Died(_));
    let pairs: Vec<(Told, Told)> = seeds
        .clone()
        .map(|seed| {
            let ours = crashes::<Ours>(size, seed, of_ours);
            (ours, crashes::<foca::Peer>(size, seed, of_theirs))
        })
        .collect();
    let of = |part: fn(&Told) -> f64| {
        let parts = pairs.iter().map(|(us, them)| (part(us), part(them)));
        parts.collect::<Vec<_>>()
    };
    let peer = foca::Peer::NAME;
    let times = format!("{BURST} crashes at a moment, announcements per member, N={size}");
    let last = format!("{BURST} crashes at a moment, everyone was told, N={size}");
    let joins: Vec<(f64, f64)> = seeds
        .map(|seed| (joins(size, seed), JOINS as f64))
        .collect();
    let case = format!("{JOINS} joins within a second, views per member, N={size}");
    vec![
        less_is_better(times, "1", peer, &of(|told| told.times)),
        less_is_better(last, "s", peer, &of(|told| told.last)),
        fewer_is_better(case, "1", "one by one", &joins),
    ]
}

fn setup(size: usize, seed: u64) -> Setup {
    Setup {
        size,
        seed,
        detector: Detector::Lan,
    }
}

fn crashes<M: Machine>(size: usize, seed: u64, counts: fn(&Event) -> bool) -> Told {
    let mut net = Net::<M>::settled(&setup(size, seed));
    net.events.clear();
    (0..BURST).for_each(|node| net.crash(node * size / BURST));
    let start = net.now;
    net.run(Duration::from_secs(40));
    let told = net.events.iter().filter(|(_, _, event)| counts(event));
    let last = told.clone().map(|(at, _, _)| at.since(start)).max();
    Told {
        times: told.count() as f64 / (size - BURST) as f64,
        last: last.unwrap_or_default().as_secs_f64(),
    }
}

fn joins(size: usize, seed: u64) -> f64 {
    let mut net = Net::<Ours>::new(&setup(size + JOINS, seed));
    for node in 0..size {
        net.preload(node, size);
    }
    net.run(Duration::from_secs(20));
    net.events.clear();
    for node in size..size + JOINS {
        net.run(Duration::from_millis(20));
        net.start(node, Some(0));
    }
    net.run(Duration::from_secs(30));
    let views = net
        .events
        .iter()
        .filter(|(_, node, event)| *node < size && matches!(event, Event::View));
    views.count() as f64 / size as f64
}
