//! What a word on the command line stands for: a story of this program, a file, or the swarm.

use std::io::ErrorKind;
use std::path::Path;

use crate::plan::Plan;
use crate::scenario::{Limits, Scenario, ScenarioError, Seeds, nearest};
use crate::{scenarios, swarm};

/// The word for what a seed draws from everything.
pub const SWARM: &str = "swarm";

/// Something that has a plan under every seed.
#[derive(Clone, Debug)]
pub enum Named {
    /// What the seed draws.
    Swarm,
    /// A story of this program, or a file.
    Text(Scenario),
}

impl Named {
    /// What a word stands for.
    ///
    /// # Errors
    /// It is neither a scenario nor a readable file of one.
    pub fn find(what: &str) -> Result<Named, ScenarioError> {
        if what == SWARM {
            return Ok(Named::Swarm);
        }
        if let Some(story) = scenarios::find(what) {
            let scenario = story.read().map_err(ScenarioError::Malformed)?;
            return Ok(Named::Text(scenario));
        }
        match Scenario::read(Path::new(what)) {
            Err(ScenarioError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let names = scenarios::ALL.iter().map(|story| story.name);
                Err(ScenarioError::Unknown {
                    what: what.to_string(),
                    near: nearest(what, names),
                })
            }
            read => read.map(Named::Text),
        }
    }

    /// The seeds it is for.
    #[must_use]
    pub fn seeds(&self) -> Seeds {
        match self {
            Named::Swarm => Seeds::one(1),
            Named::Text(scenario) => scenario.seeds,
        }
    }

    /// Its plan under a seed.
    ///
    /// # Errors
    /// What was drawn contradicts something.
    pub fn plan(&self, seed: u64) -> Result<Plan, ScenarioError> {
        match self {
            Named::Swarm => Ok(swarm::expand(seed)),
            Named::Text(scenario) => scenario.plan(seed).map_err(ScenarioError::Malformed),
        }
    }

    /// Its plan under a seed, or under its first, for an engine that cannot do everything.
    ///
    /// # Errors
    /// What the engine cannot do, all of it, each with its place.
    pub fn plan_within(&self, seed: Option<u64>, limits: &Limits) -> Result<Plan, ScenarioError> {
        let seed = seed.unwrap_or(self.seeds().first);
        let plan = match self {
            Named::Swarm => {
                let text = swarm::expand(seed).to_text();
                Scenario::parse(SWARM, &text).and_then(|drawn| drawn.plan_within(seed, limits))
            }
            Named::Text(scenario) => scenario.plan_within(seed, limits),
        };
        plan.map_err(ScenarioError::Malformed)
    }
}

/// The plan a word names, under a seed, or under the first that its text names.
///
/// # Errors
/// It is neither a scenario nor a readable file of one.
pub fn find(what: &str, seed: Option<u64>) -> Result<Plan, ScenarioError> {
    let named = Named::find(what)?;
    named.plan(seed.unwrap_or(named.seeds().first))
}
