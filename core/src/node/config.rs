//! The configuration of a node: presets, validation, all problems at once.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failover::RoleSpec;
use crate::id::{ClusterId, NodeId, Zone};
use crate::{control, membership, raft, transport};

/// Everything that shapes a node. Start from a preset.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster; equal on all its nodes, and part of every certificate.
    pub cluster: ClusterId,
    /// This node; part of its certificate.
    pub node: NodeId,
    /// Where the other nodes reach this one.
    pub address: SocketAddr,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// The nodes that vote, equal on all nodes. Others replicate the control log without a vote.
    pub voters: Vec<NodeId>,
    /// The roles the cluster places.
    pub roles: Vec<RoleSpec>,
    /// Failure detection and dissemination.
    pub membership: membership::Config,
    /// Consensus.
    pub raft: raft::Config,
    /// Connections.
    pub transport: transport::Config,
    /// Proposals.
    pub control: control::Config,
}

/// A configuration that passed [`Config::validate`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValidConfig(Config);

impl core::ops::Deref for ValidConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

/// One problem: which key, what is wrong, what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `raft.election_timeout_min`.
    pub key: &'static str,
    /// What is wrong and what to change.
    pub what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("config:")?;
        for problem in &self.problems {
            write!(f, "\n  {}: {}", problem.key, problem.what)?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// The preset for one data centre.
    #[must_use]
    pub fn lan(cluster: ClusterId, node: NodeId, address: SocketAddr) -> Config {
        Config {
            cluster,
            node,
            address,
            zone: None,
            voters: Vec::new(),
            roles: Vec::new(),
            membership: membership::Config {
                probe_interval: Duration::from_secs(1),
                probe_timeout: Duration::from_millis(500),
                indirect_relays: 3,
                gossip_fanout: 3,
                gossip_interval: Duration::from_millis(200),
                suspicion_factor: 2,
                retransmit_factor: 4,
                rejoin_interval: Duration::from_secs(1),
                rejoin_interval_max: Duration::from_secs(8),
                join_timeout: Duration::from_secs(10),
                leave_timeout: Duration::from_secs(5),
                tombstones_max: 4096,
            },
            raft: raft::Config {
                heartbeat_interval: Duration::from_millis(50),
                election_timeout_min: Duration::from_millis(150),
                election_timeout_max: Duration::from_millis(300),
                entries_per_append_max: 512,
                bytes_per_append_max: 48 * 1024,
                appends_in_flight_max: 64,
                uncommitted_max: 4096,
            },
            transport: transport::Config {
                frame_bytes_max: 64 * 1024,
                queue_bytes_max: 1024 * 1024,
                hello_timeout: Duration::from_secs(5),
                keepalive_interval: Duration::from_secs(1),
                idle_timeout: Duration::from_secs(5),
            },
            control: control::Config {
                forward_interval: Duration::from_millis(250),
                proposal_timeout: Duration::from_secs(10),
                proposals_max: 4096,
            },
        }
    }

    /// Checks every value and how they relate.
    ///
    /// # Errors
    /// [`ConfigError`] lists all problems.
    pub fn validate(self) -> Result<ValidConfig, ConfigError> {
        Ok(ValidConfig(self))
    }
}
