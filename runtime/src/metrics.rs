//! What a node has counted since it started: its machines, and its connections summed over all
//! peers.

use std::time::Duration;

use quorate_core::metrics::Metrics as NodeMetrics;
use quorate_core::transport::{Histogram, Priority};

/// Counters of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Of the machines, each under its name.
    pub node: NodeMetrics,
    /// Messages, requests, replies and pieces of streams that left.
    pub messages_sent: u64,
    /// Such that arrived.
    pub messages_received: u64,
    /// Bytes that left, before encryption.
    pub bytes_sent: u64,
    /// Bytes that arrived, after decryption.
    pub bytes_received: u64,
    /// Sent again over another connection.
    pub retries: u64,
    /// Given up: it is unknown whether they arrived.
    pub dropped: u64,
    /// Streams open now, in both directions.
    pub active_streams: u64,
    /// Open connections.
    pub connections: u64,
    /// Accepted connections that were dropped because there were too many.
    pub turned_away: u64,
    /// How long this node's own certificate is valid still.
    pub certificate_left: Option<Duration>,
    /// Per class, from Critical to Low: how long messages waited here before they left.
    pub queue_delay: [Histogram; Priority::ALL.len()],
}
