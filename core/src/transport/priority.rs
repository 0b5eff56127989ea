//! The classes of messages.

use serde::{Deserialize, Serialize};

/// The class of a message. A higher class never waits for a lower one beyond the segment being
/// written; only `Low` is promised a share when all are busy.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Priority {
    /// Elections, heartbeats, probes.
    Critical = 0,
    /// Control commands.
    High = 1,
    /// The host's ordinary traffic.
    #[default]
    Normal = 2,
    /// Bulk.
    Low = 3,
}

impl Priority {
    /// From the most to the least urgent.
    pub const ALL: [Priority; 4] = [
        Priority::Critical,
        Priority::High,
        Priority::Normal,
        Priority::Low,
    ];

    /// The place in [`Priority::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One value per class.
pub(super) type PerClass<T> = [T; Priority::ALL.len()];
