//! What is counted: of one connection, and of a session over all its connections.

use core::time::Duration;

use super::priority::PerClass;

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stats {
    /// Frames received.
    pub frames_received: u64,
    /// Bytes handed to the socket.
    pub bytes_sent: u64,
    /// Bytes taken from the socket.
    pub bytes_received: u64,
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionStats {
    /// Frames of messages, requests, replies and streams that left for the first time.
    pub frames_sent: u64,
    /// Such frames that arrived for the first time.
    pub frames_received: u64,
    /// Frames sent again over another connection.
    pub retries: u64,
    /// Frames that arrived again and were not delivered again.
    pub duplicates: u64,
    /// Frames given up: it is unknown whether they arrived.
    pub dropped: u64,
    /// How long frames waited before they left, per class.
    pub queue_delay: PerClass<Histogram>,
}

/// Spans, counted by their magnitude: bucket `n` holds those below 2ⁿ µs and not below half of
/// that; the last one all that are longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Histogram {
    /// The counts.
    pub buckets: [u64; Histogram::BUCKETS],
}

impl Histogram {
    /// Up to 4 s apart, and what is longer.
    pub const BUCKETS: usize = 24;

    /// Counts `times` spans of the same length.
    pub fn add(&mut self, span: Duration, times: u64) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let magnitude = (u64::BITS - micros.leading_zeros()) as usize;
        self.buckets[magnitude.min(Self::BUCKETS - 1)] += times;
    }

    /// The sum of two.
    #[must_use]
    pub fn plus(mut self, other: &Histogram) -> Histogram {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self
    }

    /// How many spans were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound below which so many of a thousand spans lie; zero when there is none.
    #[must_use]
    pub fn below(&self, permille: u64) -> Duration {
        let wanted = self.count().saturating_mul(permille).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(1 << bucket);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_counted_by_magnitude() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.below(999), Duration::ZERO);
        histogram.add(Duration::from_nanos(900), 98);
        histogram.add(Duration::from_micros(1500), 1);
        histogram.add(Duration::MAX, 1);
        assert_eq!(histogram.count(), 100);
        assert_eq!(histogram.below(500), Duration::from_micros(1));
        assert_eq!(histogram.below(990), Duration::from_micros(2048));
        assert_eq!(histogram.below(1000), Duration::from_micros(1 << 23));
        assert_eq!(histogram.plus(&histogram).count(), 200);
    }
}
