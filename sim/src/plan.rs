//! A plan: everything that shall happen in a run, expanded and readable.
//!
//! * I1: a plan and the code determine the run; nothing else does.
//! * I2: a plan survives the way through its file unchanged.
//!
//! Deliberately absent: loops and conditions. What depends on the run is named, not computed:
//! `leader` is whoever leads when the fault strikes.

use std::path::Path;

use quorate_core::node::VOTERS_MAX;
use serde::{Deserialize, Serialize};

/// The most nodes of a plan.
pub const NODES_MAX: u64 = 10_000;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is called.
    pub name: String,
    /// What the world's and the nodes' random streams are derived from.
    pub seed: u64,
    /// Nodes, numbered from 1.
    pub nodes: u64,
    /// The first so many of them vote.
    pub voters: u64,
    /// From here on everything is healed and running, and the cluster must come back; in simulated
    /// milliseconds.
    pub heal_ms: u64,
    /// The end of the run.
    pub end_ms: u64,
    /// A bug to plant in every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// What `sim replay` must find as the run's fingerprint; a statement about this plan and one
    /// version of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The network between the nodes.
    pub network: Network,
    /// Every node's disk.
    pub disk: Disk,
    /// The clients.
    pub workload: Workload,
    /// What the run must have come to.
    #[serde(default)]
    pub expect: Expect,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Vec<Strike>,
}

/// The network while nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The shortest way, in microseconds.
    pub latency_us_min: u64,
    /// The longest way.
    pub latency_us_max: u64,
    /// So many of a thousand segments are lost and come after a retransmission.
    pub loss_permille: u16,
}

/// The disk of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The fastest sync, in microseconds.
    pub sync_us_min: u64,
    /// The slowest.
    pub sync_us_max: u64,
}

/// The clients of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Clients that write under the newest epoch they can see, one request at a time.
    pub clients: u32,
    /// Clients that hold on to an old epoch.
    pub zombies: u32,
    /// The pause of a client between two requests.
    pub interval_ms: u64,
}

/// What a run must have come to, beside what no run may ever do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// At least so many terms had a leader.
    pub leaders_min: u64,
    /// At least so many writes were acknowledged.
    pub acknowledged_min: u64,
    /// At least so many writes were refused for their epoch.
    pub stale_refused_min: u64,
}

/// One fault and its moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Whom a fault concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Who {
    /// The node of this number.
    Node(u64),
    /// A part played at the moment of the fault.
    Part(Part),
}

/// A part that some node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Leads the highest term that has a leader.
    Leader,
    /// Votes and does not lead.
    Follower,
}

/// The moment within a node's work at which it crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// At once.
    Now,
    /// After it wrote its `n`-th record from now and sent what it sends at once, before the record
    /// is durable.
    Persist(u32),
    /// The same, counting only records of a vote.
    Vote(u32),
    /// After its `n`-th vote from now has left.
    VoteSent(u32),
    /// When its `n`-th sync from now is complete, before anything that waited for it is sent.
    Synced(u32),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing gets from one node to another any more; the way back stays open.
    Cut {
        /// The sender.
        from: Who,
        /// The receiver.
        to: Who,
    },
    /// One node can no longer hear, or no longer be heard, by anyone.
    CutAll {
        /// The node.
        who: Who,
        /// True: it hears nobody. False: nobody hears it.
        inbound: bool,
    },
    /// One way opens again.
    Heal {
        /// The sender.
        from: Who,
        /// The receiver.
        to: Who,
    },
    /// Groups that hear only themselves; a node in no group hears nobody.
    Partition {
        /// The groups.
        groups: Vec<Vec<u64>>,
    },
    /// The leader and so many others against the rest.
    PartitionLeader {
        /// How many others share its side.
        with: usize,
    },
    /// Every way opens.
    HealAll,
    /// A process ends without a word. What its disk had not synced is lost.
    Crash {
        /// Which.
        who: Who,
        /// When exactly.
        moment: Moment,
        /// A part of what was not synced survives.
        torn: bool,
        /// Started again so long after it crashed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restart_after_ms: Option<u64>,
    },
    /// A crashed process is started again.
    Restart {
        /// Which.
        node: u64,
    },
    /// Every crashed process is started again.
    RestartAll,
    /// A process stands still, then catches up with everything that came meanwhile.
    Pause {
        /// Which.
        who: Who,
        /// How long.
        for_ms: u64,
    },
    /// Every way takes longer.
    LatencySpike {
        /// By how much.
        extra_ms: u64,
        /// How long.
        for_ms: u64,
    },
    /// A node's syncs take longer.
    SlowDisk {
        /// Whose.
        who: Who,
        /// How long each sync takes.
        sync_ms: u64,
        /// For how long.
        for_ms: u64,
    },
}

/// Why a plan cannot be read or is none.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read or written.
    #[error("plan {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no plan.
    #[error("plan {path}: {message}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
}

impl Plan {
    /// A quiet run, to which faults are added.
    #[must_use]
    pub fn quiet(name: &str, seed: u64, nodes: u64) -> Plan {
        Plan {
            name: name.to_string(),
            seed,
            nodes,
            voters: nodes.min(5),
            heal_ms: 20_000,
            end_ms: 45_000,
            mutant: None,
            fingerprint: None,
            network: Network {
                latency_us_min: 200,
                latency_us_max: 1_000,
                loss_permille: 0,
            },
            disk: Disk {
                sync_us_min: 100,
                sync_us_max: 2_000,
            },
            workload: Workload {
                clients: 2,
                zombies: 1,
                interval_ms: 150,
            },
            expect: Expect::default(),
            faults: Vec::new(),
        }
    }

    /// Adds a fault.
    pub fn strike(&mut self, at_ms: u64, fault: Fault) {
        self.faults.push(Strike { at_ms, fault });
    }

    /// The plan as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# not a plan: {error}\n"))
    }

    /// Reads a plan's text; `path` is named in errors.
    ///
    /// # Errors
    /// [`PlanError::Malformed`] says what is wrong.
    pub fn from_text(path: &str, text: &str) -> Result<Plan, PlanError> {
        let malformed = |message: String| PlanError::Malformed {
            path: path.to_string(),
            message,
        };
        let plan: Plan = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let voters_max = plan.nodes.min(VOTERS_MAX as u64);
        if !(1..=NODES_MAX).contains(&plan.nodes) || !(1..=voters_max).contains(&plan.voters) {
            return Err(malformed(format!(
                "needs 1 to {NODES_MAX} nodes, and 1 to `nodes` voters, at most {VOTERS_MAX}"
            )));
        }
        if plan.heal_ms > plan.end_ms {
            return Err(malformed("heal_ms lies behind end_ms".to_string()));
        }
        Ok(plan)
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// [`PlanError`] says which file and why.
    pub fn read(path: &Path) -> Result<Plan, PlanError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::File {
            path: name.clone(),
            source,
        })?;
        Plan::from_text(&name, &text)
    }

    /// Writes a plan file.
    ///
    /// # Errors
    /// [`PlanError::File`].
    pub fn write(&self, path: &Path) -> Result<(), PlanError> {
        let name = path.display().to_string();
        let done = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        done.and_then(|()| std::fs::write(path, self.to_text()))
            .map_err(|source| PlanError::File { path: name, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_file() {
        for seed in 0..200 {
            let plan = crate::swarm::expand(seed);
            assert_eq!(
                Plan::from_text("x", &plan.to_text()).unwrap(),
                plan,
                "{}",
                plan.to_text()
            );
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_name_of_the_file() {
        let mut plan = Plan::quiet("q", 1, 3);
        plan.voters = 4;
        let error = Plan::from_text("some.plan.toml", &plan.to_text()).unwrap_err();
        assert!(error.to_string().contains("some.plan.toml"), "{error}");
        assert!(Plan::from_text("x", "nodes = 'many'").is_err());
    }
}
