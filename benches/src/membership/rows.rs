//! The rows of the benchmark, one kind per file.

pub mod crash;
pub mod idle;
pub mod joins;
pub mod lifeguard;
pub mod loss;
pub mod memory;
pub mod partition;
pub mod views;

/// How much is asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Everything, however long it takes.
    pub full: bool,
}

impl Effort {
    /// The short form, or the full one.
    pub fn choose<T>(&self, short: T, full: T) -> T {
        if self.full { full } else { short }
    }
}
