//! How many bytes of the classes below Critical may be under way: a little more than the path
//! holds.
//!
//! Priority orders what waits here; it cannot order what waits in the kernel, in a switch or at the
//! other end. Only a bound on the bytes under way, acknowledged end to end, keeps those queues
//! short. The path holds its delivery rate times its shortest round trip (BBR, ACM Queue 14(5)
//! 2016, §"Characterizing the Bottleneck"); the window is half as much again and two segments.
//!
//! * I1: the window stays within [`WINDOW_MIN`] and [`WINDOW_MAX`].
//! * I2: a rate measured while the sender had nothing to send can raise the estimate, never lower
//!   it.
//! * I3: the shortest round trip is measured anew every [`ROUND_TRIP_AGE`], with half of what the
//!   path holds under way, so that a standing queue of our own is not mistaken for distance.

use core::time::Duration;

use super::frame::SEGMENT_BYTES;
use crate::time::Time;

const WINDOW_MIN: u64 = 2 * SEGMENT_BYTES as u64;
const WINDOW_MAX: u64 = 16 << 20;
/// Before anything is measured.
const WINDOW_START: u64 = 10 * SEGMENT_BYTES as u64;
/// How long a delivery rate counts, at least; and at least ten of the shortest round trips.
const RATE_AGE: Duration = Duration::from_millis(100);
/// The same at the beginning, when buffers of the path take a burst as fast as it comes; it doubles
/// with each period.
const RATE_AGE_START: Duration = Duration::from_micros(500);
const ROUND_TRIP_AGE: Duration = Duration::from_secs(10);
/// How long a new measurement of the round trip takes, at least; and at least two round trips.
const PROBE_SPAN: Duration = Duration::from_millis(5);
/// Above this rate, in bytes per second, a write of four segments passes in 160 µs: urgent frames
/// can wait for it.
const FAST: u64 = 400_000_000;

/// What is noted when a segment leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    at: Time,
    /// Bytes acknowledged until then.
    delivered: u64,
    /// The sender had nothing more to send.
    is_idle: bool,
}

/// The estimate for one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    bytes: u64,
    delivered: u64,
    /// The highest rates of this and of the last period, in bytes per second.
    rates: [u64; 2],
    period: Duration,
    period_ends: Time,
    round_trip: Option<u64>,
    measured_at: Time,
    probing_until: Option<Time>,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            bytes: WINDOW_START,
            delivered: 0,
            rates: [0; 2],
            period: RATE_AGE_START,
            period_ends: Time::ZERO,
            round_trip: None,
            measured_at: Time::ZERO,
            probing_until: None,
        }
    }
}

impl Window {
    /// Bytes that may be under way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the path is so fast that large writes delay nobody.
    pub(super) fn is_fast(&self) -> bool {
        self.rate() >= FAST
    }

    /// A segment leaves.
    pub(super) fn on_sent(&self, now: Time, is_idle: bool) -> Flight {
        Flight {
            at: now,
            delivered: self.delivered,
            is_idle,
        }
    }

    /// A segment of `len` bytes has arrived at the other end.
    pub(super) fn on_acked(&mut self, now: Time, flight: Flight, len: usize) {
        self.delivered += len as u64;
        let took = now.as_nanos().saturating_sub(flight.at.as_nanos()).max(1);
        self.note_round_trip(now, took);
        let delivered = self.delivered - flight.delivered;
        let rate = delivered.saturating_mul(1_000_000_000) / took;
        if now >= self.period_ends {
            let shortest = self.round_trip.unwrap_or(took);
            let ten = Duration::from_nanos(shortest.saturating_mul(10));
            self.period_ends = now + self.period.max(ten);
            // A period in which nothing pressed says nothing about the path.
            if !flight.is_idle {
                self.rates = [0, self.rates[0]];
                self.period = (self.period * 2).min(RATE_AGE);
            }
        }
        self.rates[0] = self.rates[0].max(rate);
        self.resize();
    }

    fn note_round_trip(&mut self, now: Time, took: u64) {
        if self.round_trip.is_none_or(|shortest| took <= shortest) {
            self.round_trip = Some(took);
            self.measured_at = now;
        }
        match self.probing_until {
            Some(until) if now >= until => self.probing_until = None,
            Some(_) => {}
            None if now.since(self.measured_at) >= ROUND_TRIP_AGE => {
                let span = PROBE_SPAN.max(Duration::from_nanos(took.saturating_mul(2)));
                self.probing_until = Some(now + span);
                self.round_trip = Some(took);
                self.measured_at = now;
            }
            None => {}
        }
    }

    fn rate(&self) -> u64 {
        self.rates[0].max(self.rates[1])
    }

    fn resize(&mut self) {
        let Some(round_trip) = self.round_trip else {
            return;
        };
        let path = u128::from(self.rate()) * u128::from(round_trip) / 1_000_000_000;
        let path = u64::try_from(path).unwrap_or(u64::MAX);
        let wanted = if self.probing_until.is_some() {
            path / 2
        } else {
            path.saturating_add(path / 2).saturating_add(WINDOW_MIN)
        };
        self.bytes = wanted.clamp(WINDOW_MIN, WINDOW_MAX);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;

    use super::*;

    const LEN: usize = SEGMENT_BYTES;

    /// A path: so many bytes per second behind so much distance, always with something to send.
    struct Path {
        rate: u64,
        one_way: u64,
        now: u64,
        busy_until: u64,
        /// Bytes that still pass at once.
        burst: u64,
        /// When each acknowledgement arrives.
        flying: VecDeque<(u64, Flight)>,
        window: Window,
    }

    impl Path {
        fn new(rate: u64, one_way: u64) -> Path {
            Path {
                rate,
                one_way,
                now: 1,
                busy_until: 0,
                burst: 0,
                flying: VecDeque::new(),
                window: Window::default(),
            }
        }

        /// Sends what the window allows until `until`; the longest queue at the bottleneck in
        /// nanoseconds, and the bytes that arrived.
        fn run(&mut self, until: u64) -> (u64, u64) {
            let (mut queue, mut arrived) = (0, 0);
            while self.now < until {
                while (self.flying.len() + 1) as u64 * LEN as u64 <= self.window.bytes() {
                    let start = self.busy_until.max(self.now + self.one_way);
                    queue = queue.max(start - self.now - self.one_way);
                    let paced = (LEN as u64).saturating_sub(self.burst);
                    self.burst = self.burst.saturating_sub(LEN as u64);
                    self.busy_until = start + paced * 1_000_000_000 / self.rate;
                    let flight = self.window.on_sent(Time(self.now), false);
                    self.flying
                        .push_back((self.busy_until + self.one_way, flight));
                }
                let (at, flight) = self.flying.pop_front().unwrap();
                self.now = at;
                arrived += LEN as u64;
                self.window.on_acked(Time(at), flight, LEN);
            }
            (queue, arrived)
        }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn it_fills_the_path_and_keeps_the_queue_short() {
        for (rate, one_way) in [
            (125_000_000, 50_000),
            (125_000_000, 20 * MS),
            (1_250_000_000, 25_000),
        ] {
            let mut path = Path::new(rate, one_way);
            path.run(2_000 * MS);
            let start = path.now;
            let (queue, arrived) = path.run(start + 1_000 * MS);
            let share = arrived * 100 / (rate * (path.now - start) / 1_000_000_000);
            assert!(share >= 98, "{rate} B/s, {one_way} ns: {share} %");
            let bytes_ahead = queue * (rate / 1_000_000) / 1000;
            let allowed = 4 * LEN as u64 + 2 * one_way * (rate / 1_000_000) / 1000;
            assert!(
                bytes_ahead <= allowed,
                "{rate} B/s: {bytes_ahead} B wait, {allowed} may"
            );
        }
    }

    #[test]
    fn a_first_burst_is_not_taken_for_the_path() {
        let mut path = Path::new(125_000_000, 25_000);
        path.burst = 1 << 20;
        path.run(10 * MS);
        let start = path.now;
        let (queue, _) = path.run(start + 100 * MS);
        assert!(queue <= 500_000, "{queue} ns wait");
    }

    #[test]
    fn it_follows_a_path_that_changes() {
        let mut path = Path::new(1_000_000_000, MS);
        path.run(1_000 * MS);
        assert!(path.window.is_fast());
        let wide = path.window.bytes();
        path.rate = 10_000_000;
        path.run(4_000 * MS);
        assert!(path.window.bytes() < wide / 10, "{}", path.window.bytes());
        assert!(!path.window.is_fast());
        // A longer way is learnt when the old measurement is too old.
        path.one_way = 5 * MS;
        path.rate = 1_000_000_000;
        path.run(40_000 * MS);
        let (_, arrived) = path.run(41_000 * MS);
        assert!(arrived > 900_000_000, "{arrived}");
    }

    #[test]
    fn silence_does_not_close_it() {
        let mut path = Path::new(1_000_000_000, MS);
        path.run(1_000 * MS);
        let wide = path.window.bytes();
        for at in 0..50 {
            let flight = path.window.on_sent(Time((2000 + at * 100) * MS), true);
            path.window
                .on_acked(Time((2002 + at * 100) * MS), flight, 100);
        }
        assert!(path.window.bytes() >= wide / 2, "{}", path.window.bytes());
    }
}
