//! The configuration of a node: presets, validation, all problems at once.

mod connections;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
#[cfg(test)]
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::problems::Problems;
use crate::failover::RoleSpec;
use crate::id::{ClusterId, NodeId, Zone};
use crate::level::LevelRange;
use crate::quorum::Policy;
use crate::{control, electorate, gossip, health, membership, raft, transport};

pub use crate::voters::VOTERS_MAX;
const ROLES_MAX: usize = 256;

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
    /// It keeps the control log and votes, and holds no data of the application: no role and no
    /// request goes there, and it leads only where nobody else could, until somebody can. For a
    /// third vote in a third zone; fewer copies of the data stand behind a majority then.
    pub witness: bool,
    /// The feature levels this node works with: those its build knows. Fewer make it act as an
    /// older build would, in tests and simulations.
    pub levels: LevelRange,
    /// The nodes that vote while the control log says nothing else, equal on all nodes. Others
    /// replicate the log without a vote.
    pub voters: Vec<NodeId>,
    /// The roles the cluster places.
    pub roles: Vec<RoleSpec>,
    /// Which nodes shall vote, as time goes on.
    pub electorate: electorate::Config,
    /// Failure detection and dissemination.
    pub membership: membership::Config,
    /// State that nodes write about themselves.
    pub gossip: gossip::Config,
    /// Who hears whom.
    pub health: health::Config,
    /// When the cluster counts as able to serve, beside a majority of its voters.
    pub quorum: Policy,
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
            witness: false,
            levels: LevelRange::OURS,
            voters: Vec::new(),
            roles: Vec::new(),
            electorate: electorate::Config {
                target: 5,
                replace_after: Duration::from_secs(30),
            },
            membership: membership::Config {
                probe_interval: Duration::from_secs(1),
                probe_timeout: Duration::from_millis(500),
                indirect_relays: 3,
                gossip_fanout: 3,
                gossip_interval: Duration::from_millis(200),
                suspicion_permille: 550,
                suspicion_stretch: 6,
                lifeguard: membership::Lifeguard::default(),
                retransmit_factor: 4,
                rejoin_interval: Duration::from_secs(1),
                rejoin_interval_max: Duration::from_secs(8),
                join_timeout: Duration::from_secs(10),
                leave_timeout: Duration::from_secs(5),
                tombstones_max: 4096,
            },
            gossip: gossip::Config {
                digest_interval: Duration::from_secs(5),
                news_interval: Duration::from_millis(200),
                news_fanout: 3,
                departed_retention: Duration::from_secs(60),
            },
            health: health::Config {
                unheard_after: Duration::from_secs(4),
                settle: Duration::from_secs(2),
            },
            quorum: Policy::default(),
            raft: raft::Config {
                heartbeat_interval: Duration::from_millis(50),
                learner_beats: 20,
                election_timeout_min: Duration::from_millis(150),
                election_timeout_max: Duration::from_millis(300),
                election_handicap: Duration::ZERO,
                lease_drift_ppm: 0,
                entries_per_append_max: 512,
                bytes_per_append_max: 48 * 1024,
                appends_in_flight_max: 64,
                uncommitted_max: 4096,
                uncommitted_bytes_max: 8 << 20,
                snapshot_bytes: 4 << 20,
            },
            transport: connections::lan(),
            control: control::Config {
                forward_interval: Duration::from_millis(250),
                proposal_timeout: Duration::from_secs(10),
                proposals_max: 4096,
            },
        }
    }

    /// The preset for links with tens of milliseconds: slower probes and elections.
    #[must_use]
    pub fn wan(cluster: ClusterId, node: NodeId, address: SocketAddr) -> Config {
        let mut config = Config::lan(cluster, node, address);
        config.membership.probe_interval = Duration::from_secs(5);
        config.membership.probe_timeout = Duration::from_secs(3);
        config.membership.gossip_interval = Duration::from_millis(500);
        config.membership.leave_timeout = Duration::from_secs(15);
        config.membership.rejoin_interval_max = Duration::from_secs(30);
        config.electorate.replace_after = Duration::from_secs(120);
        config.gossip.digest_interval = Duration::from_secs(15);
        config.gossip.news_interval = Duration::from_millis(500);
        config.health.unheard_after = Duration::from_secs(15);
        config.health.settle = Duration::from_secs(5);
        config.raft.heartbeat_interval = Duration::from_millis(250);
        config.raft.election_timeout_min = Duration::from_millis(1000);
        config.raft.election_timeout_max = Duration::from_millis(2000);
        config.transport.idle_timeout = Duration::from_secs(15);
        config.control.forward_interval = Duration::from_secs(1);
        config.control.proposal_timeout = Duration::from_secs(30);
        config
    }

    /// The preset for several nodes on one machine, where probes are cheap: faster detection.
    #[must_use]
    pub fn local(cluster: ClusterId, node: NodeId, address: SocketAddr) -> Config {
        let mut config = Config::lan(cluster, node, address);
        config.membership.probe_timeout = Duration::from_millis(200);
        config.membership.gossip_interval = Duration::from_millis(100);
        config.membership.indirect_relays = 1;
        config.membership.rejoin_interval = Duration::from_millis(500);
        config.membership.rejoin_interval_max = Duration::from_secs(4);
        config.gossip.digest_interval = Duration::from_secs(2);
        config.gossip.news_interval = Duration::from_millis(100);
        config
    }

    /// Checks every value and how they relate.
    ///
    /// # Errors
    /// [`ConfigError`] lists all problems.
    pub fn validate(self) -> Result<ValidConfig, ConfigError> {
        let mut problems = Problems::default();
        self.check_identity(&mut problems);
        self.check_membership(&mut problems);
        self.check_gossip(&mut problems);
        self.check_raft(&mut problems);
        self.check_transport(&mut problems);
        self.check_control(&mut problems);
        if problems.0.is_empty() {
            Ok(ValidConfig(self))
        } else {
            Err(ConfigError {
                problems: problems.0,
            })
        }
    }

    fn check_identity(&self, problems: &mut Problems) {
        problems.unless(self.node.0 > 0, "node", || {
            "0 names nobody; number nodes from 1".into()
        });
        problems.unless(self.address.port() != 0, "address", || {
            "port 0 cannot be reached by others; name the port".into()
        });
        problems.unless(!self.address.ip().is_unspecified(), "address", || {
            format!(
                "{} is no address others can reach; name this host's own",
                self.address.ip()
            )
        });
        problems.unless(
            self.voters.iter().all(|voter| voter.0 > 0),
            "voters",
            || "0 names nobody; number nodes from 1".into(),
        );
        let distinct: BTreeSet<_> = self.voters.iter().collect();
        problems.unless(distinct.len() == self.voters.len(), "voters", || {
            "a node is named twice; name each voter once".into()
        });
        problems.unless(self.voters.len() <= VOTERS_MAX, "voters", || {
            format!(
                "{} voters; at most {VOTERS_MAX} keep elections fast",
                self.voters.len()
            )
        });
        let (levels, ours) = (self.levels, LevelRange::OURS);
        let is_known = ours.contains(levels.min) && ours.contains(levels.max);
        problems.unless(is_known && levels.min <= levels.max, "levels", || {
            format!("{levels} are not within what this build knows, {ours}; leave them out")
        });
        let target = self.electorate.target;
        let is_good = target == 0 || target % 2 == 1 && target <= VOTERS_MAX;
        problems.unless(is_good, "electorate.target", || {
            format!(
                "{target} voters; an odd number up to {VOTERS_MAX} (an even one stands no more \
                 failures than the odd one below it), or 0 to change them by hand only"
            )
        });
        let wait = self.electorate.replace_after;
        problems.span("electorate.replace_after", wait, 1000, 86_400_000);
        let roles: BTreeSet<_> = self.roles.iter().map(|role| &role.name).collect();
        problems.unless(roles.len() == self.roles.len(), "roles", || {
            "a role is named twice; name each role once".into()
        });
        problems.unless(self.roles.len() <= ROLES_MAX, "roles", || {
            format!("{} roles; at most {ROLES_MAX} are placed", self.roles.len())
        });
    }

    fn check_membership(&self, problems: &mut Problems) {
        let m = &self.membership;
        problems.span("membership.probe_interval", m.probe_interval, 10, 60_000);
        problems.span("membership.probe_timeout", m.probe_timeout, 1, 30_000);
        problems.unless(m.probe_timeout < m.probe_interval, "membership.probe_timeout", || {
            format!(
                "{:?} leaves no time for relays within a probe_interval of {:?}; make it shorter",
                m.probe_timeout, m.probe_interval
            )
        });
        problems.count("membership.indirect_relays", m.indirect_relays, 0, 16);
        problems.count("membership.gossip_fanout", m.gossip_fanout, 1, 16);
        problems.span("membership.gossip_interval", m.gossip_interval, 10, 60_000);
        problems.count(
            "membership.suspicion_permille",
            m.suspicion_permille as usize,
            1,
            100_000,
        );
        problems.count(
            "membership.suspicion_stretch",
            m.suspicion_stretch as usize,
            1,
            100,
        );
        problems.count(
            "membership.lifeguard.health_max",
            m.lifeguard.health_max as usize,
            0,
            64,
        );
        problems.count(
            "membership.retransmit_factor",
            m.retransmit_factor as usize,
            1,
            100,
        );
        problems.span(
            "membership.rejoin_interval",
            m.rejoin_interval,
            100,
            600_000,
        );
        problems.span(
            "membership.rejoin_interval_max",
            m.rejoin_interval_max,
            100,
            3_600_000,
        );
        problems.unless(
            m.rejoin_interval <= m.rejoin_interval_max,
            "membership.rejoin_interval_max",
            || {
                format!(
                    "is below rejoin_interval ({:?}); raise it",
                    m.rejoin_interval
                )
            },
        );
        problems.span("membership.join_timeout", m.join_timeout, 100, 600_000);
        problems.span("membership.leave_timeout", m.leave_timeout, 100, 600_000);
        problems.count("membership.tombstones_max", m.tombstones_max, 16, 65_536);
    }

    fn check_gossip(&self, problems: &mut Problems) {
        let g = &self.gossip;
        problems.span("gossip.digest_interval", g.digest_interval, 100, 600_000);
        problems.span("gossip.news_interval", g.news_interval, 10, 60_000);
        problems.count("gossip.news_fanout", g.news_fanout, 1, 16);
        let retention = g.departed_retention;
        problems.span("gossip.departed_retention", retention, 0, 86_400_000);
        let h = &self.health;
        problems.span("health.unheard_after", h.unheard_after, 10, 600_000);
        problems.span("health.settle", h.settle, 10, 600_000);
        let nodes_max = membership::MEMBERS_MAX;
        problems.count("quorum.nodes_min", self.quorum.nodes_min, 0, nodes_max);
        problems.count("quorum.zones_min", self.quorum.zones_min, 0, nodes_max);
    }

    fn check_raft(&self, problems: &mut Problems) {
        let r = &self.raft;
        problems.span("raft.heartbeat_interval", r.heartbeat_interval, 1, 60_000);
        problems.count("raft.learner_beats", r.learner_beats as usize, 1, 1_000);
        problems.span(
            "raft.election_timeout_min",
            r.election_timeout_min,
            3,
            600_000,
        );
        problems.span(
            "raft.election_timeout_max",
            r.election_timeout_max,
            4,
            600_000,
        );
        problems.span("raft.election_handicap", r.election_handicap, 0, 600_000);
        let drift = r.lease_drift_ppm as usize;
        problems.count("raft.lease_drift_ppm", drift, 0, 200_000);
        let heartbeats = r.heartbeat_interval.saturating_mul(3);
        problems.unless(r.election_timeout_min >= heartbeats, "raft.election_timeout_min", || {
            format!(
                "{:?} is below 3 heartbeats ({heartbeats:?}); raise it or lower heartbeat_interval",
                r.election_timeout_min
            )
        });
        let spread = r.election_timeout_min.saturating_mul(5) / 4;
        problems.unless(
            r.election_timeout_max >= spread,
            "raft.election_timeout_max",
            || {
                format!(
                    "must exceed election_timeout_min by a quarter ({spread:?}), or votes split"
                )
            },
        );
        problems.count(
            "raft.entries_per_append_max",
            r.entries_per_append_max,
            1,
            65_536,
        );
        problems.count(
            "raft.bytes_per_append_max",
            r.bytes_per_append_max,
            1024,
            4 << 20,
        );
        problems.count(
            "raft.appends_in_flight_max",
            r.appends_in_flight_max,
            1,
            4096,
        );
        problems.count("raft.uncommitted_max", r.uncommitted_max, 1, 1 << 20);
        let bytes = r.uncommitted_bytes_max;
        problems.count("raft.uncommitted_bytes_max", bytes, 256, 1 << 30);
        problems.count("raft.snapshot_bytes", r.snapshot_bytes, 256, 1 << 30);
    }

    fn check_control(&self, problems: &mut Problems) {
        let c = &self.control;
        problems.span("control.forward_interval", c.forward_interval, 10, 60_000);
        problems.span(
            "control.proposal_timeout",
            c.proposal_timeout,
            10,
            3_600_000,
        );
        problems.unless(
            c.proposal_timeout >= c.forward_interval,
            "control.proposal_timeout",
            || {
                format!(
                    "is below forward_interval ({:?}); raise it",
                    c.forward_interval
                )
            },
        );
        problems.count("control.proposals_max", c.proposals_max, 1, 65_535);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::Placement;
    use crate::id::RoleName;

    type Preset = fn(ClusterId, NodeId, SocketAddr) -> Config;

    fn preset(make: Preset) -> Config {
        let address = SocketAddr::from(([127, 0, 0, 1], 7000));
        let mut config = make(ClusterId::new("test").unwrap(), NodeId(1), address);
        config.voters = (1..=3).map(NodeId).collect();
        config
    }

    #[test]
    fn presets_are_valid() {
        for make in [Config::lan as Preset, Config::wan, Config::local] {
            assert_eq!(preset(make).validate().map(|_| ()), Ok(()));
        }
    }

    /// Every number wrong: each key is named, all at once.
    #[test]
    fn all_problems_are_reported_together() {
        let mut config = preset(Config::lan);
        let zero = Duration::ZERO;
        config.node = NodeId(0);
        config.address = SocketAddr::from(([0, 0, 0, 0], 0));
        config.voters = alloc::vec![NodeId(0); 2];
        let role = RoleSpec {
            name: RoleName::new("r").unwrap(),
            placement: Placement::Leader,
        };
        config.roles = alloc::vec![role.clone(), role];
        config.membership = membership::Config {
            probe_interval: zero,
            probe_timeout: zero,
            indirect_relays: 99,
            gossip_fanout: 0,
            gossip_interval: zero,
            suspicion_permille: 0,
            suspicion_stretch: 0,
            lifeguard: membership::Lifeguard {
                health_max: 65,
                ..membership::Lifeguard::default()
            },
            retransmit_factor: 0,
            rejoin_interval: Duration::MAX,
            rejoin_interval_max: zero,
            join_timeout: zero,
            leave_timeout: zero,
            tombstones_max: 0,
        };
        config.electorate = electorate::Config {
            target: 4,
            replace_after: zero,
        };
        config.gossip = gossip::Config {
            digest_interval: zero,
            news_interval: zero,
            news_fanout: 0,
            departed_retention: Duration::MAX,
        };
        config.health = health::Config {
            unheard_after: zero,
            settle: zero,
        };
        config.quorum = Policy {
            nodes_min: usize::MAX,
            zones_min: usize::MAX,
        };
        config.raft = raft::Config {
            heartbeat_interval: Duration::MAX,
            learner_beats: 0,
            election_timeout_min: zero,
            election_timeout_max: zero,
            election_handicap: Duration::MAX,
            lease_drift_ppm: u32::MAX,
            entries_per_append_max: 0,
            bytes_per_append_max: usize::MAX,
            appends_in_flight_max: 0,
            uncommitted_max: 0,
            uncommitted_bytes_max: 0,
            snapshot_bytes: 0,
        };
        config.transport = transport::Config {
            message_bytes_max: 1,
            queue_bytes_max: 0,
            credit_bytes: 0,
            streams_max: 0,
            retry_interval: zero,
            attempts: 0,
            hello_timeout: zero,
            keepalive_interval: Duration::MAX,
            keepalive_interval_max: zero,
            idle_timeout: zero,
            handshakes_max: 0,
            handshakes_per_address_max: 0,
            connections_per_address_max: 0,
        };
        config.control = control::Config {
            forward_interval: zero,
            proposal_timeout: zero,
            proposals_max: 0,
        };
        let error = config.validate().unwrap_err();
        let keys: BTreeSet<&str> = error.problems.iter().map(|problem| problem.key).collect();
        let expected = BTreeSet::from([
            "node",
            "address",
            "voters",
            "roles",
            "membership.probe_interval",
            "membership.probe_timeout",
            "membership.indirect_relays",
            "membership.gossip_fanout",
            "membership.gossip_interval",
            "membership.suspicion_permille",
            "membership.suspicion_stretch",
            "membership.lifeguard.health_max",
            "membership.retransmit_factor",
            "membership.rejoin_interval",
            "membership.rejoin_interval_max",
            "membership.join_timeout",
            "membership.leave_timeout",
            "membership.tombstones_max",
            "gossip.digest_interval",
            "gossip.news_interval",
            "gossip.news_fanout",
            "gossip.departed_retention",
            "health.unheard_after",
            "health.settle",
            "quorum.nodes_min",
            "quorum.zones_min",
            "raft.heartbeat_interval",
            "raft.election_timeout_min",
            "raft.election_timeout_max",
            "raft.entries_per_append_max",
            "raft.bytes_per_append_max",
            "raft.appends_in_flight_max",
            "raft.uncommitted_max",
            "raft.uncommitted_bytes_max",
            "raft.snapshot_bytes",
            "raft.election_handicap",
            "raft.learner_beats",
            "raft.lease_drift_ppm",
            "electorate.target",
            "electorate.replace_after",
            "transport.message_bytes_max",
            "transport.credit_bytes",
            "transport.streams_max",
            "transport.retry_interval",
            "transport.attempts",
            "transport.queue_bytes_max",
            "transport.hello_timeout",
            "transport.keepalive_interval",
            "transport.keepalive_interval_max",
            "transport.idle_timeout",
            "transport.handshakes_max",
            "transport.handshakes_per_address_max",
            "transport.connections_per_address_max",
            "control.forward_interval",
            "control.proposal_timeout",
            "control.proposals_max",
        ]);
        assert_eq!(keys, expected);
        assert!(
            error.to_string().contains("raft.election_timeout_min: "),
            "{error}"
        );
    }
}
