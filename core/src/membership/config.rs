//! The knobs of the failure detector and of dissemination.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// The knobs of the failure detector. Presets live in `node::config`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Time between two probes of this node. Shorter detects sooner and costs two messages per
    /// period.
    pub probe_interval: Duration,
    /// How long a direct probe may take before relays are asked; below `probe_interval`.
    pub probe_timeout: Duration,
    /// Relays asked when a direct probe fails (SWIM's k).
    pub indirect_relays: usize,
    /// Members each gossip tick tells.
    pub gossip_fanout: usize,
    /// Time between two gossip ticks, while there is something to tell.
    pub gossip_interval: Duration,
    /// The shortest suspicion is this many thousandths of `log10(cluster size)` probe intervals,
    /// and at least one interval (Lifeguard's α). Shorter declares sooner, and a node that stops
    /// for longer is declared dead.
    pub suspicion_permille: u32,
    /// How many times longer a suspicion lasts that rests on one member's word (Lifeguard's β).
    pub suspicion_stretch: u32,
    /// Which of Lifeguard's extensions are in force; all of them, except to measure what each does.
    pub lifeguard: Lifeguard,
    /// Each update is told `retransmit_factor` × digits(cluster size) times.
    pub retransmit_factor: u32,
    /// Time between two attempts to reach a seed or a dead member again; doubles up to
    /// `rejoin_interval_max`.
    pub rejoin_interval: Duration,
    /// The longest pause between two such attempts: bounds how late a healed partition re-merges.
    pub rejoin_interval_max: Duration,
    /// How long `join` may take before it is answered with a refusal (dialling goes on).
    pub join_timeout: Duration,
    /// How long `leave` may take to spread.
    pub leave_timeout: Duration,
    /// Dead and left members remembered; the oldest are forgotten beyond that.
    pub tombstones_max: usize,
}

/// The extensions of Lifeguard (Dadgar, Phillips, Currey 2018), one switch each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifeguard {
    /// The worst score of a node's own health; probes and suspicions take up to `health_max` + 1
    /// times as long (§IV-A). 0 switches it off.
    pub health_max: u32,
    /// Suspicions begin long and shrink with each independent witness; a death needs two of them to
    /// be believed (§IV-B). Off, every suspicion is short and every death believed.
    pub dogpile: bool,
    /// A suspect hears of it with every message to it, and is asked again and again (§IV-C).
    pub buddy: bool,
    /// Relays say when they have heard nothing (§IV-A).
    pub nacks: bool,
}

impl Default for Lifeguard {
    /// All of it.
    fn default() -> Lifeguard {
        Lifeguard {
            health_max: 8,
            dogpile: true,
            buddy: true,
            nacks: true,
        }
    }
}
