//! Collects what is wrong with a configuration, so that all of it is reported together.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::config::Problem;

/// The problems found so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn unless(&mut self, holds: bool, key: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Problem { key, what: what() });
        }
    }

    pub(super) fn span(&mut self, key: &'static str, value: Duration, min_ms: u64, max_ms: u64) {
        let range = Duration::from_millis(min_ms)..=Duration::from_millis(max_ms);
        self.unless(range.contains(&value), key, || {
            format!(
                "{value:?} is outside {:?} to {:?}",
                range.start(),
                range.end()
            )
        });
    }

    pub(super) fn count(&mut self, key: &'static str, value: usize, min: usize, max: usize) {
        self.unless((min..=max).contains(&value), key, || {
            format!("{value} is outside {min} to {max}")
        });
    }
}
