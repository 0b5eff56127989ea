//! The scenario language: what a person writes, and what a seed expands to.
//!
//! ```text
//! text ── lex ── parse ──► Draft ── check ──► Plan ── print ──► text
//! ```
//!
//! A text may leave things to chance: a window of time, a random node. Reading it under a seed
//! draws them, and gives a plan, which leaves nothing to chance and has a text of its own.
//! `docs/scenarios.md` is the manual.
//!
//! * I1: reading is total: any bytes give a plan or problems, in bounded memory.
//! * I2: all problems of a text are reported at once, each with its line and column.
//! * I3: reading a plan's text gives the plan.

mod actions;
mod check;
mod clause;
mod draft;
mod expectations;
mod lex;
mod network;
mod nodes;
mod parse;
mod print;
mod problem;
mod questions;
mod senders;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;

use self::draft::Draft;
pub use self::problem::{Place, Problem, Problems, nearest};
pub use self::settings::{NET, address, config};
use crate::expect::Expectation;
use crate::plan::{Fault, Plan};

/// A larger file is not read.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// A text has no more events.
pub const FAULTS_MAX: usize = 10_000;

/// The seeds a text is for, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Seeds {
    /// A single one.
    #[must_use]
    pub fn one(seed: u64) -> Seeds {
        Seeds {
            first: seed,
            last: seed,
        }
    }
}

/// What an engine cannot do: each function says why, where it cannot.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its name.
    pub engine: &'static str,
    /// Faults.
    pub fault: fn(&Fault) -> Option<&'static str>,
    /// Expectations.
    pub claim: fn(&Expectation) -> Option<&'static str>,
    /// What a plan says beside them, by the words it is said with.
    pub head: fn(&Plan) -> Vec<(&'static str, &'static str)>,
}

/// A text that can be read under any seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    file: String,
    text: String,
    /// The seeds it names; 1 if it names none.
    pub seeds: Seeds,
    /// What it is called.
    pub name: String,
    /// What it tells.
    pub about: String,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("{path}: {bytes} bytes; a scenario has at most {FILE_BYTES_MAX}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// The file is no text.
    #[error("{path}:{line}: this is not UTF-8 text")]
    NotText {
        /// The file.
        path: String,
        /// The first line that is none.
        line: usize,
    },
    /// There is no scenario of that name, and no such file.
    #[error("no scenario `{what}`, and no such file{}", near.map_or(String::new(), |near| {
        format!("; did you mean `{near}`?")
    }))]
    Unknown {
        /// The name.
        what: String,
        /// A scenario with nearly that name.
        near: Option<&'static str>,
    },
    /// The text is no scenario.
    #[error("{0}")]
    Malformed(Problems),
}

impl Scenario {
    /// Reads a text; `file` is named in problems.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, Problems> {
        let read = parse::parse(text, None).finish();
        let (plan, seeds) = read.map_err(|found| Problems::new(file, text, found))?;
        Ok(Scenario {
            file: file.to_string(),
            text: text.to_string(),
            seeds,
            name: plan.name,
            about: plan.about,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError`] says which file and why.
    pub fn read(path: &Path) -> Result<Scenario, ScenarioError> {
        let name = path.display().to_string();
        let failed = |source| ScenarioError::File {
            path: name.clone(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > FILE_BYTES_MAX as u64 {
            let path = name;
            return Err(ScenarioError::TooLarge { path, bytes });
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            ScenarioError::NotText {
                path: name.clone(),
                line: 1 + good.iter().filter(|byte| **byte == b'\n').count(),
            }
        })?;
        Scenario::parse(&name, &text).map_err(ScenarioError::Malformed)
    }

    /// Its plan under a seed.
    ///
    /// # Errors
    /// What was drawn contradicts something.
    pub fn plan(&self, seed: u64) -> Result<Plan, Problems> {
        self.finish(parse::parse(&self.text, Some(seed)))
    }

    /// Its plan under a seed, for an engine that cannot do everything.
    ///
    /// # Errors
    /// What the engine cannot do, all of it, each with its place.
    pub fn plan_within(&self, seed: u64, limits: &Limits) -> Result<Plan, Problems> {
        let mut draft = parse::parse(&self.text, Some(seed));
        draft.check_limits(limits);
        self.finish(draft)
    }

    fn finish(&self, draft: Draft) -> Result<Plan, Problems> {
        match draft.finish() {
            Ok((plan, _)) => Ok(plan),
            Err(found) => Err(Problems::new(&self.file, &self.text, found)),
        }
    }
}

impl Plan {
    /// Reads a plan's text, or a scenario's under its first seed; `file` is named in problems.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn from_text(file: &str, text: &str) -> Result<Plan, Problems> {
        match parse::parse(text, None).finish() {
            Ok((plan, _)) => Ok(plan),
            Err(found) => Err(Problems::new(file, text, found)),
        }
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// [`ScenarioError`] says which file and why.
    pub fn read(path: &Path) -> Result<Plan, ScenarioError> {
        let scenario = Scenario::read(path)?;
        let plan = scenario.plan(scenario.seeds.first);
        plan.map_err(ScenarioError::Malformed)
    }

    /// Writes a plan file.
    ///
    /// # Errors
    /// [`ScenarioError::File`].
    pub fn write(&self, path: &Path) -> Result<(), ScenarioError> {
        let name = path.display().to_string();
        let done = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        done.and_then(|()| std::fs::write(path, self.to_text()))
            .map_err(|source| ScenarioError::File { path: name, source })
    }
}
