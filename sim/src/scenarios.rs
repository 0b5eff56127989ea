//! Stories with a name: the texts in `sim/scenarios`, which are examples too.

use crate::plan::Plan;
use crate::scenario::{Problems, Scenario};

/// A story that this program knows by name.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! stories {
    ($($name:literal,)+) => {
        /// All stories.
        pub const ALL: &[Story] = &[$(Story {
            name: $name,
            text: include_str!(concat!("../scenarios/", $name, ".scenario")),
        },)+];
    };
}

stories! {
    "split-brain",
    "leader-crash",
    "one-way-cut",
    "rolling-crashes",
    "quiet",
    "long-absence",
    "bridge",
    "rebuilt-voter",
    "upgrade",
}

/// The story of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Story> {
    ALL.iter().find(|story| story.name == name)
}

impl Story {
    /// Its text, read.
    ///
    /// # Errors
    /// None; a test reads them all.
    pub fn read(&self) -> Result<Scenario, Problems> {
        Scenario::parse(&format!("{}.scenario", self.name), self.text)
    }

    /// Its plan under a seed.
    ///
    /// # Panics
    /// Never; a test reads them all under many seeds.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        match self.read().and_then(|scenario| scenario.plan(seed)) {
            Ok(plan) => plan,
            Err(problems) => panic!("a story of this program: {problems}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_seeds_move_only_the_timing() {
        for story in ALL {
            let scenario = story.read().unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(scenario.name, story.name);
            assert!(!scenario.about.is_empty());
            let (one, two) = (story.plan(1), story.plan(2));
            assert_eq!(one.nodes, two.nodes);
            assert_eq!(one.faults.len(), two.faults.len());
            assert!(one.faults.is_empty() || one.faults != two.faults);
            let heal = one.heal.expect("a heal");
            assert!(one.faults.iter().all(|strike| strike.at < heal));
            for seed in 0..200 {
                assert_eq!(story.plan(seed).seed, seed);
            }
        }
    }
}
