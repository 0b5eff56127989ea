//! The clock of a process: it begins at 0 when the process starts, and may run fast, run slow, or
//! jump ahead.

use quorate_core::time::Time;

const MILLION: i64 = 1_000_000;

/// From the time of the world to that of a process, and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// A moment of the world,
    world: u64,
    /// what the clock showed then,
    shown: u64,
    /// and how many millionths faster it has run since.
    ppm: i64,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn new(now: u64, ppm: i64) -> Clock {
        let (world, shown) = (now, 0);
        Clock { world, shown, ppm }
    }

    /// What it shows at a moment of the world.
    pub(super) fn at(&self, now: u64) -> Time {
        let passed = now.saturating_sub(self.world);
        if self.ppm == 0 {
            return Time(self.shown + passed);
        }
        let passed = u128::from(passed) * self.rate() / u128::from(MILLION.unsigned_abs());
        Time(
            self.shown
                .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)),
        )
    }

    /// The first moment of the world at which it shows that.
    pub(super) fn when(&self, time: Time) -> u64 {
        let passed = time.0.saturating_sub(self.shown);
        if self.ppm == 0 {
            return self.world.saturating_add(passed);
        }
        let passed = u128::from(passed) * u128::from(MILLION.unsigned_abs());
        let passed = passed.div_ceil(self.rate());
        self.world
            .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// It runs otherwise from now on.
    pub(super) fn drift(&mut self, now: u64, ppm: i64) {
        *self = Clock {
            world: now,
            shown: self.at(now).0,
            ppm,
        };
    }

    /// It jumps ahead.
    pub(super) fn jump(&mut self, now: u64, ahead_ns: u64) {
        self.drift(now, self.ppm);
        self.shown = self.shown.saturating_add(ahead_ns);
    }

    /// What passes on it while a million passes in the world; never nothing.
    fn rate(&self) -> u128 {
        u128::from(MILLION.saturating_add(self.ppm).max(1).unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_never_shows_less_and_a_deadline_is_reached_when_it_says() {
        for ppm in [0, 200, -200, 500_000, -900_000] {
            let mut clock = Clock::new(1_000, ppm);
            assert_eq!(clock.at(1_000), Time(0));
            for deadline in [1, 7, 1_000_003, 5_000_000_000] {
                let when = clock.when(Time(deadline));
                assert!(clock.at(when) >= Time(deadline), "{ppm} {deadline}");
                assert!(when == 1_000 || clock.at(when - 1) < Time(deadline));
            }
            let shown = clock.at(9_000_000);
            clock.drift(9_000_000, -ppm / 2);
            assert_eq!(clock.at(9_000_000), shown);
            clock.jump(9_000_000, 50);
            assert_eq!(clock.at(9_000_000), Time(shown.0 + 50));
        }
        let fast = Clock::new(0, 1_000);
        assert_eq!(fast.at(1_000_000_000), Time(1_001_000_000));
    }
}
