//! The counters of all subsystems in one value, under the names an operator knows them by.
//!
//! They only grow, within one life of the node; what is no counter (members, bytes) is a gauge and
//! says so. Adapters render them.

use alloc::vec::Vec;

use crate::{gossip, health, membership};

/// What a number means over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// Its name, stable over versions.
    pub name: &'static str,
    /// What it means over time.
    pub kind: Kind,
    /// Its value.
    pub value: u64,
}

/// All numbers of a node at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metrics {
    /// Of membership.
    pub membership: membership::Stats,
    /// Of gossip.
    pub gossip: gossip::Stats,
    /// Of reachability.
    pub health: health::Stats,
    /// Other live members, suspects among them.
    pub members_live: u64,
    /// Live members that this node does not hear.
    pub members_unheard: u64,
    /// The feature level in force, as far as the log is applied.
    pub feature_level: u64,
    /// Bytes of keys and values that nodes wrote about themselves.
    pub state_bytes: u64,
}

impl Metrics {
    /// Every number with its name.
    #[must_use]
    pub fn all(&self) -> Vec<Metric> {
        let (m, g, h) = (&self.membership, &self.gossip, &self.health);
        let counters = [
            ("ping_count", m.pings),
            ("ack_count", m.acks),
            ("suspect_count", m.suspicions),
            ("failed_ping_count", m.failed_pings),
            ("gossip_messages_sent", m.gossip_sent + g.sent),
            ("gossip_messages_received", m.gossip_received + g.received),
            ("topology_changes", m.changes),
            ("partition_detections", h.partition_detections),
            ("partition_heals", h.partition_heals),
            ("reachability_rows_told", h.rows_told),
            ("reachability_rows_malformed", h.rows_malformed),
            ("state_digests_sent", g.digests_sent),
            ("state_digests_equal", g.digests_equal),
            ("state_deltas_sent", g.deltas_sent),
            ("state_deltas_received", g.deltas_received),
            ("state_news_sent", g.news_sent),
            ("state_entries_taken", g.entries_taken),
            ("state_entries_known", g.entries_known),
            ("state_entries_untimely", g.entries_untimely),
            ("state_writes", g.writes),
            ("state_resets", g.resets),
            ("state_peer_faults", g.faults),
        ];
        let gauges = [
            ("members_live", self.members_live),
            ("members_unheard", self.members_unheard),
            ("state_bytes", self.state_bytes),
            ("feature_level", self.feature_level),
        ];
        let metric = |kind| move |(name, value)| Metric { name, kind, value };
        let counters = counters.into_iter().map(metric(Kind::Counter));
        counters
            .chain(gauges.into_iter().map(metric(Kind::Gauge)))
            .collect()
    }

    /// The number of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.all()
            .into_iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.value)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_fit_for_export() {
        let all = Metrics::default().all();
        let names: BTreeSet<&str> = all.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all.len());
        let fits = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(names.iter().all(fits));
    }

    #[test]
    fn numbers_are_found_by_name() {
        let mut metrics = Metrics::default();
        metrics.membership.gossip_sent = 2;
        metrics.gossip.sent = 3;
        assert_eq!(metrics.get("gossip_messages_sent"), Some(5));
        assert_eq!(metrics.get("no_such_number"), None);
    }
}
