//! The feature level: what the cluster may use of what its builds know.
//!
//! While a cluster is upgraded node by node, builds of two versions work together, and the newer
//! ones must not say what the older ones do not understand. So the control state holds a *level*,
//! equal on all nodes. Whatever a version brings that others must understand is used only while the
//! level that brings it is in force. An operator raises the level when every node is upgraded and
//! nobody wants back.
//!
//! Each build knows a range of levels, and each node tells its own with all else that members tell
//! of themselves. It is not the version of the wire: that one is agreed on anew by the two ends of
//! each connection, and says how bytes are laid out; the level is one for the whole cluster, and
//! says what may be asked for.
//!
//! * I1: the level in force only rises, and to exactly what was asked.
//! * I2: a node acts on a log only while it knows the level in force: it halts rather than skip
//!   what it would misread.
//!
//! Deliberately absent: a way back. What was written under a level may need it to be read.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::NodeId;

/// A feature level. What each one brings stands at its constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Level(pub u8);

impl Level {
    /// What every build knows. A control log that says nothing of levels is at this one.
    pub const FIRST: Level = Level(1);
    /// Nodes that do not lead ask the leader what a linearizable read must see.
    pub const FORWARDED_READS: Level = Level(2);
}

impl Default for Level {
    fn default() -> Level {
        Level::FIRST
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {}", self.0)
    }
}

/// The levels that a build knows, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelRange {
    /// The oldest.
    pub min: Level,
    /// The newest.
    pub max: Level,
}

impl LevelRange {
    /// What this build knows.
    pub const OURS: LevelRange = LevelRange {
        min: Level::FIRST,
        max: Level::FORWARDED_READS,
    };
    /// What the builds knew that tell no range.
    pub const FIRST: LevelRange = LevelRange {
        min: Level::FIRST,
        max: Level::FIRST,
    };

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(self, level: Level) -> bool {
        (self.min..=self.max).contains(&level)
    }

    /// Why whoever knows these levels cannot work under this one, if it cannot.
    #[must_use]
    pub fn unfit_for(self, level: Level) -> Option<Unfit> {
        let knows = self;
        (!self.contains(level)).then_some(Unfit { level, knows })
    }
}

impl fmt::Display for LevelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.min == self.max {
            true => write!(f, "{}", self.min),
            false => write!(f, "levels {} to {}", self.min.0, self.max.0),
        }
    }
}

/// A build cannot work in a cluster, because it does not know the level in force there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Unfit {
    /// The level in force.
    pub level: Level,
    /// What the build knows.
    pub knows: LevelRange,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is in force in the cluster, and the node's build knows {}: start a build that \
             knows it",
            self.level, self.knows
        )
    }
}

/// Why the level is not raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RaiseRefused {
    /// This one or a later one is in force. There is no way back.
    InForce(Level),
    /// The leader's own build does not know it.
    Unknown(LevelRange),
    /// A voter has not been met yet, so nobody knows what its build knows.
    Untold(NodeId),
    /// A voter or a live member does not know it.
    Unsupported {
        /// Which.
        node: NodeId,
        /// What its build knows.
        knows: LevelRange,
    },
}

impl fmt::Display for RaiseRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RaiseRefused::InForce(level) => write!(f, "{level} is in force, and never lowered"),
            RaiseRefused::Unknown(ours) => write!(f, "the leader's build knows {ours}"),
            RaiseRefused::Untold(node) => write!(
                f,
                "{node} votes and was not met yet: start it, or take its vote"
            ),
            RaiseRefused::Unsupported { node, knows } => write!(
                f,
                "the build of {node} knows {knows}: upgrade it, or remove it from the cluster"
            ),
        }
    }
}
