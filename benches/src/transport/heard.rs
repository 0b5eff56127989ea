//! What urgent messages beside bulk went through: the same schedule and the same account for all.

use std::time::Duration;

use super::clock;

/// Between two urgent messages.
const URGENT_EVERY: Duration = Duration::from_micros(250);

/// Bytes of an urgent message.
pub const URGENT_BYTES: usize = 64;
/// Bytes of a message of the bulk.
pub const BULK_BYTES: usize = 16_000;

/// What has arrived.
pub struct Heard {
    spans: Vec<u64>,
    bytes: usize,
    since: u64,
}

impl Heard {
    /// Nothing, from now on.
    pub fn new() -> Heard {
        Heard {
            spans: Vec::new(),
            bytes: 0,
            since: clock(),
        }
    }

    /// A message has arrived; an urgent one says when it left.
    pub fn hear(&mut self, body: &[u8]) {
        self.bytes += body.len();
        if body.len() == URGENT_BYTES {
            let (since, _) = body.split_first_chunk().expect("a moment");
            self.spans.push(clock() - u64::from_le_bytes(*since));
        }
    }

    /// How long each urgent message took, and the rate of all bytes.
    pub fn account(self) -> (Vec<u64>, f64) {
        let took = (clock() - self.since) as f64 / 1e9;
        (self.spans, self.bytes as f64 / took)
    }
}

/// When urgent messages are due.
pub struct Schedule {
    next: u64,
    end: u64,
}

impl Schedule {
    /// From now on, for so long.
    pub fn new(span: Duration) -> Schedule {
        let now = clock();
        Schedule {
            next: now,
            end: now + span.as_nanos() as u64,
        }
    }

    /// Whether it goes on.
    pub fn goes_on(&self) -> bool {
        clock() < self.end
    }

    /// The urgent message that is due, if one is; it says when it leaves.
    pub fn due(&mut self) -> Option<[u8; URGENT_BYTES]> {
        let now = clock();
        if now < self.next {
            return None;
        }
        self.next += URGENT_EVERY.as_nanos() as u64;
        let mut body = [0; URGENT_BYTES];
        body[..8].copy_from_slice(&now.to_le_bytes());
        Some(body)
    }
}
