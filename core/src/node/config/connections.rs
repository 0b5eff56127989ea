//! The knobs of connections: what they are, and what they may be.

use alloc::format;
use core::time::Duration;

use super::super::problems::Problems;
use super::Config;
use crate::transport;

/// What an append needs in a frame beside its entries' payloads, and an entry may exceed its bound
/// by.
const FRAME_MARGIN: usize = 8 * 1024;

/// Connections in one data centre.
pub(super) fn lan() -> transport::Config {
    transport::Config {
        message_bytes_max: 64 << 20,
        queue_bytes_max: 4 << 20,
        credit_bytes: 4 << 20,
        streams_max: 100,
        retry_interval: Duration::from_secs(2),
        attempts: 3,
        hello_timeout: Duration::from_secs(5),
        keepalive_interval: Duration::from_secs(1),
        keepalive_interval_max: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(5),
        handshakes_max: 64,
        handshakes_per_address_max: 32,
        connections_per_address_max: 1024,
    }
}

impl Config {
    pub(super) fn check_transport(&self, problems: &mut Problems) {
        let t = &self.transport;
        problems.count(
            "transport.message_bytes_max",
            t.message_bytes_max,
            32 * 1024,
            1 << 30,
        );
        problems.unless(
            t.message_bytes_max >= self.raft.bytes_per_append_max.saturating_add(FRAME_MARGIN),
            "transport.message_bytes_max",
            || {
                format!(
                    "{} B cannot hold an append of raft.bytes_per_append_max ({} B) and its header \
                     ({FRAME_MARGIN} B); raise it or lower that",
                    t.message_bytes_max, self.raft.bytes_per_append_max
                )
            },
        );
        problems.count(
            "transport.queue_bytes_max",
            t.queue_bytes_max,
            64 * 1024,
            1 << 30,
        );
        problems.count(
            "transport.credit_bytes",
            t.credit_bytes,
            64 * 1024,
            256 << 20,
        );
        let streams_max = usize::from(t.streams_max);
        problems.count("transport.streams_max", streams_max, 1, 4096);
        problems.span("transport.retry_interval", t.retry_interval, 10, 600_000);
        let attempts = usize::try_from(t.attempts).unwrap_or(usize::MAX);
        problems.count("transport.attempts", attempts, 1, 100);
        problems.span("transport.hello_timeout", t.hello_timeout, 10, 600_000);
        problems.span(
            "transport.keepalive_interval",
            t.keepalive_interval,
            10,
            600_000,
        );
        let (least, most) = (t.keepalive_interval, t.keepalive_interval_max);
        problems.span("transport.keepalive_interval_max", most, 10, 600_000);
        problems.unless(most >= least, "transport.keepalive_interval_max", || {
            format!("{most:?} is below keepalive_interval ({least:?}); raise it")
        });
        problems.span("transport.idle_timeout", t.idle_timeout, 20, 3_600_000);
        let silence = t.keepalive_interval.saturating_mul(2);
        problems.unless(t.idle_timeout >= silence, "transport.idle_timeout", || {
            format!(
                "{:?} is below 2 keepalive_intervals ({silence:?}); raise it",
                t.idle_timeout
            )
        });
        self.check_door(problems);
    }

    /// How many may come in.
    fn check_door(&self, problems: &mut Problems) {
        let t = &self.transport;
        problems.count("transport.handshakes_max", t.handshakes_max, 1, 65_536);
        let per_address = [
            (
                "transport.handshakes_per_address_max",
                t.handshakes_per_address_max,
            ),
            (
                "transport.connections_per_address_max",
                t.connections_per_address_max,
            ),
        ];
        for (key, max) in per_address {
            problems.count(key, max, 1, 65_536);
        }
    }
}
