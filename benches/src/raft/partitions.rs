//! Partial partitions: in how many windows of 100 ms something is committed, and how many terms
//! pass, for 30 s from the cut on.
//!
//! A client proposes every 10 ms to every node that believes it leads.

use std::time::Duration;

use quorate_core::time::Time;

use super::arena::Arena;
use super::elections::LAN;
use super::machine::{Machine, Node, Setup};
use super::ours::Ours;
use super::theirs::Theirs;
use super::{Effort, PEER};
use crate::contest::{Figure, Goal, Paired, mean};

const SEEDS: u64 = 20;
const WINDOW: Duration = Duration::from_millis(100);
const WINDOWS: u32 = 300;
const INTERVAL: Duration = Duration::from_millis(10);

/// A cut. Parts are numbered from 0; the first one is played by the leader.
struct Case {
    name: &'static str,
    nodes: usize,
    /// Pairs that still hear each other.
    linked: &'static [(Node, Node)],
    /// From, to: of these pairs only this direction is left. Others hear nothing of each other.
    one_way: &'static [(Node, Node)],
    /// This part hears nothing for a second before the cut.
    is_stale: Option<Node>,
    goal: Option<(f64, f64)>,
}

const GOAL: Option<(f64, f64)> = Some((99.0, 2.0));

const CASES: [Case; 7] = [
    Case {
        // Each of the two beside the leader has one more node behind it.
        name: "A clique",
        nodes: 5,
        linked: &[(0, 1), (0, 2), (1, 2), (1, 3), (2, 4)],
        one_way: &[],
        is_stale: None,
        goal: GOAL,
    },
    Case {
        // The leader is at its end.
        name: "B chain",
        nodes: 3,
        linked: &[(0, 1), (1, 2)],
        one_way: &[],
        is_stale: None,
        goal: GOAL,
    },
    Case {
        // The hub does not lead, and nobody hears anybody else.
        name: "C hub",
        nodes: 5,
        linked: &[(1, 0), (1, 2), (1, 3), (1, 4)],
        one_way: &[],
        is_stale: None,
        goal: GOAL,
    },
    Case {
        // The leader is gone, and the hub lacks what is committed, so that no vote can be won.
        name: "D stale hub",
        nodes: 5,
        linked: &[(1, 2), (1, 3), (1, 4)],
        one_way: &[],
        is_stale: Some(1),
        goal: None,
    },
    Case {
        name: "E deaf leader",
        nodes: 3,
        linked: &[(1, 2)],
        one_way: &[(0, 1), (0, 2)],
        is_stale: None,
        goal: GOAL,
    },
    Case {
        name: "F mute leader",
        nodes: 3,
        linked: &[(1, 2)],
        one_way: &[(1, 0), (2, 0)],
        is_stale: None,
        goal: GOAL,
    },
    Case {
        name: "G deaf follower",
        nodes: 3,
        linked: &[(0, 1)],
        one_way: &[(2, 0), (2, 1)],
        is_stale: None,
        goal: GOAL,
    },
];

/// Two figures per cut: the share of windows, and terms.
pub fn run(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    let seeds = effort.seeds.min(SEEDS);
    for case in &CASES {
        let ours: Vec<_> = (1..=seeds).map(|seed| case.play::<Ours>(seed)).collect();
        let theirs: Vec<_> = (1..=seeds).map(|seed| case.play::<Theirs>(seed)).collect();
        let pairs = |of: fn(&(f64, f64)) -> f64| {
            let pairs = ours.iter().zip(&theirs);
            pairs
                .map(|(us, them)| (of(us), of(them)))
                .collect::<Vec<_>>()
        };
        let name = |what: &str| format!("{}, {what}", case.name);
        let (share, terms) = (pairs(|it| it.0), pairs(|it| it.1));
        let commits = Paired::new("raft", name("windows that commit"), "%", PEER);
        let commits = averaged(commits.more_is_better(&share), &share);
        let passed = Paired::new("raft", name("terms"), "terms", PEER);
        let passed = averaged(passed.fewer_is_better(&terms), &terms);
        match case.goal {
            Some((least, most)) => {
                show(commits.with_goal(Goal::AtLeast(least)));
                show(passed.with_goal(Goal::AtMost(most)));
            }
            None => [commits, passed].into_iter().for_each(&mut *show),
        }
    }
}

/// Shares are averaged over the seeds, not halved.
fn averaged(figure: Figure, pairs: &[(f64, f64)]) -> Figure {
    let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    Figure {
        ours: mean(&ours),
        theirs: mean(&theirs),
        ..figure
    }
}

impl Case {
    /// The percentage of windows in which something was committed, and the terms.
    fn play<M: Machine>(&self, seed: u64) -> (f64, f64) {
        let mut arena = Arena::<M>::new(&Setup::lan(self.nodes, seed), LAN);
        let settled = |arena: &Arena<M>| arena.alive().all(|(_, it)| it.commit() > 0);
        assert!(arena.run(Time::ZERO + Duration::from_secs(60), settled));
        let (leader, _) = arena.leader().expect("somebody committed something");
        let player = |part: Node| (leader + part) % self.nodes;
        if let Some(stale) = self.is_stale {
            self.parts().for_each(|other| {
                arena.cut(player(other), player(stale));
                arena.cut(player(stale), player(other));
            });
            load(&mut arena, Duration::from_secs(1));
            self.parts().for_each(|other| {
                arena.mend(player(other), player(stale));
                arena.mend(player(stale), player(other));
            });
        }
        for (from, to) in self.parts().flat_map(|a| self.parts().map(move |b| (a, b))) {
            let is_linked = self.linked.contains(&(from, to)) || self.linked.contains(&(to, from));
            if from != to && !is_linked && !self.one_way.contains(&(from, to)) {
                arena.cut(player(from), player(to));
            }
        }
        let term = arena.term();
        let mut busy = 0;
        for _ in 0..WINDOWS {
            let before = arena.commit();
            load(&mut arena, WINDOW);
            busy += u32::from(arena.commit() > before);
        }
        let share = f64::from(busy) * 100.0 / f64::from(WINDOWS);
        (share, (arena.term() - term) as f64)
    }

    fn parts(&self) -> impl Iterator<Item = Node> + use<> {
        0..self.nodes
    }
}

fn load<M: Machine>(arena: &mut Arena<M>, span: Duration) {
    let end = arena.now + span;
    while arena.now < end {
        arena.propose(&[7; 16]);
        arena.run(end.min(arena.now + INTERVAL), |_| false);
    }
}
