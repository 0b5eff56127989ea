//! Whom a scenario means: single nodes, parts, zones, and nodes left to chance.

use super::clause::{Clause, Parsed, shown};
use super::draft::Draft;
use super::problem::{Problem, nearest};
use crate::plan::{Part, Seat, Ways, Who};

/// The words for nodes, beside `n1`, `n2` and so on.
pub(super) const NODES: [&str; 11] = [
    "leader", "follower", "random", "all", "everyone", "zone", "voters", "learners", "minority",
    "majority", "rest",
];

/// Whether a word begins to name nodes.
pub(super) fn is_name(word: &str) -> bool {
    numbered(word).is_some() || NODES.contains(&word)
}

fn numbered(word: &str) -> Option<u64> {
    let digits = word.strip_prefix('n')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl Draft {
    /// The node of that number, which must be in the cluster.
    fn node(&self, clause: &mut Clause<'_>, number: u64) -> Parsed<Who> {
        let place = clause.place();
        clause.next();
        if (1..=self.plan.nodes).contains(&number) {
            return Ok(Who::Node(number));
        }
        let what = match self.plan.nodes {
            1 => format!("n{number} is not in the cluster, which has only n1"),
            nodes => format!("n{number} is not in the cluster, which has n1 to n{nodes}"),
        };
        Err(Problem { place, what })
    }

    /// Exactly one node.
    pub(super) fn who(&mut self, clause: &mut Clause<'_>) -> Parsed<Who> {
        let place = clause.place();
        let found = self.some(clause)?;
        match found[..] {
            [who] => Ok(who),
            _ => {
                let what = "expected one node, such as n1 or leader".to_string();
                Err(Problem { place, what })
            }
        }
    }

    /// One or more nodes, each by itself.
    pub(super) fn each(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Who>> {
        let mut all = self.some(clause)?;
        while clause
            .word()
            .is_some_and(|word| is_name(word) && word != "rest")
        {
            for who in self.some(clause)? {
                if !all.contains(&who) {
                    all.push(who);
                }
            }
        }
        Ok(all)
    }

    /// The nodes that one name stands for.
    fn some(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Who>> {
        let Some(word) = clause.word() else {
            return Err(clause.unknown("a node, such as n1", &NODES));
        };
        if let Some(number) = numbered(word) {
            return Ok(vec![self.node(clause, number)?]);
        }
        let nodes = self.plan.nodes;
        let numbers = |all: std::ops::RangeInclusive<u64>| all.map(Who::Node).collect();
        let place = clause.place();
        match clause.one_of("a node, such as n1", &NODES)? {
            "leader" => Ok(vec![Who::Part(Part::Leader)]),
            "follower" => Ok(vec![Who::Part(Part::Follower)]),
            "random" => self.random_nodes(clause),
            "voters" => Ok(numbers(1..=self.plan.voters)),
            "learners" if self.plan.voters == nodes => {
                let what = "there are no learners: every node votes".to_string();
                Err(Problem { place, what })
            }
            "learners" => Ok(numbers(self.plan.voters + 1..=nodes)),
            "minority" => Ok(self.side_of_the_voters(true)),
            "majority" => Ok(self.side_of_the_voters(false)),
            "zone" => self.zone(clause),
            "rest" => {
                let what = "`rest` stands only in a partition".to_string();
                Err(Problem { place, what })
            }
            _ => Ok(numbers(1..=nodes)),
        }
    }

    /// `random`, `random 2`, `random voter`, `random 2 voters`, `random learner`.
    fn random_nodes(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Who>> {
        let count = super::values::ordinal(clause).map_or(1, u64::from);
        let (voters, nodes) = (self.plan.voters, self.plan.nodes);
        let place = clause.before();
        let among = if clause.eat("voter") || clause.eat("voters") {
            1..=voters
        } else if clause.eat("learner") || clause.eat("learners") {
            voters + 1..=nodes
        } else {
            let _ = clause.eat("node") || clause.eat("nodes");
            1..=nodes
        };
        let mut all: Vec<u64> = among.collect();
        let Some(count) = usize::try_from(count)
            .ok()
            .filter(|count| *count <= all.len())
        else {
            let what = format!("there are only {} of them", all.len());
            return Err(Problem { place, what });
        };
        self.random.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        Ok(all.into_iter().map(Who::Node).collect())
    }

    /// The same draw gives both sides, so that `minority | majority` are disjoint.
    fn side_of_the_voters(&mut self, minority: bool) -> Vec<Who> {
        let mut all: Vec<u64> = (1..=self.plan.voters).collect();
        let mut random = self.random.clone();
        random.shuffle(&mut all);
        let few = (all.len().saturating_sub(1)) / 2;
        let mut side = if minority {
            all[..few].to_vec()
        } else {
            all[few..].to_vec()
        };
        side.sort_unstable();
        side.into_iter().map(Who::Node).collect()
    }

    fn zone(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Who>> {
        let zones = &self.plan.zones;
        let word = clause.word().unwrap_or_default();
        let members = zones.iter().zip(1..).filter(|(zone, _)| *zone == word);
        let members: Vec<Who> = members.map(|(_, node)| Who::Node(node)).collect();
        if members.is_empty() {
            let what = match nearest(word, zones.iter().map(String::as_str)) {
                _ if zones.is_empty() => "there are no zones; name them: `zones a a b`".to_string(),
                Some(near) => format!("no zone `{}`; did you mean `{near}`?", shown(word)),
                None => format!("no zone `{}`", shown(word)),
            };
            let place = clause.place();
            return Err(Problem { place, what });
        }
        clause.next();
        Ok(members)
    }

    /// `n1 n2 -> n3`, `zone a <-> zone b`, `leader`: one node alone stands for all its ways.
    pub(super) fn ways(&mut self, clause: &mut Clause<'_>) -> Parsed<Ways> {
        let place = clause.place();
        let from = self.side(clause)?;
        let both = match clause.word() {
            Some("<->") => true,
            Some("->") => false,
            _ => {
                // One side alone: all its ways, there and back.
                let both = !from.is_empty();
                let to = Vec::new();
                return Ok(Ways { from, to, both });
            }
        };
        clause.next();
        let to = self.side(clause)?;
        if from.len() == 1 && from == to {
            let what = "a node always reaches itself".to_string();
            return Err(Problem { place, what });
        }
        Ok(Ways { from, to, both })
    }

    /// Nodes at one end; none named stands for all.
    fn side(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Who>> {
        let is_all = clause.eat("all") || clause.eat("everyone") || clause.eat("*");
        if is_all {
            Ok(Vec::new())
        } else {
            self.each(clause)
        }
    }

    /// `leader + 1 | rest`, `n1 n2 | n3 n4`, `zone a`: one group alone stands against the rest.
    pub(super) fn groups(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Vec<Seat>>> {
        let place = clause.place();
        let mut groups = vec![self.group(clause)?];
        while clause.eat("|") || clause.eat("vs") {
            groups.push(self.group(clause)?);
        }
        if groups.len() == 1 {
            groups.push(vec![Seat::Rest]);
        }
        let seats: Vec<&Seat> = groups.iter().flatten().collect();
        let is_twice = |(at, seat): (usize, &&Seat)| {
            !matches!(seat, Seat::Others(_)) && seats[..at].contains(seat)
        };
        if let Some((_, seat)) = seats.iter().enumerate().find(|found| is_twice(*found)) {
            let what = match seat {
                Seat::One(who) => format!("{} is in two places", super::print::who(*who)),
                Seat::Others(_) | Seat::Rest => "`rest` is in two places".to_string(),
            };
            return Err(Problem { place, what });
        }
        Ok(groups)
    }

    fn group(&mut self, clause: &mut Clause<'_>) -> Parsed<Vec<Seat>> {
        let mut seats = Vec::new();
        loop {
            match clause.word() {
                Some("nobody") if seats.is_empty() => {
                    clause.next();
                    return Ok(seats);
                }
                Some("rest") => {
                    clause.next();
                    seats.push(Seat::Rest);
                }
                Some("+" | "with") => {
                    clause.next();
                    let count = super::values::number(clause, "a number of nodes", 0, 1_000)?;
                    let _ = clause.eat("other") || clause.eat("others");
                    seats.push(Seat::Others(usize::try_from(count).unwrap_or(0)));
                }
                Some(word) if is_name(word) => {
                    seats.extend(self.some(clause)?.into_iter().map(Seat::One));
                }
                Some("|" | "vs" | "for") | None if !seats.is_empty() => return Ok(seats),
                Some(_) | None => return Err(clause.unknown("nodes of a group", &NODES)),
            }
        }
    }
}
