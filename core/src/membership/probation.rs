//! Coming back from the dead, again and again: a node that is declared dead, hears of it and
//! refutes would flap for as long as its illness comes and goes (Rapid §2.1 shows that for deaf
//! nodes). From its third death within five minutes on, it comes back only after it has heard
//! others for a while without a break, and each time that while is longer.
//!
//! Invariants: I1 only this node's own return waits; nobody's verdict about another is touched, so
//! tables converge as ever. I2 the first two deaths cost nothing: a partition heals at once. I3 the
//! wait is bounded by [`WAIT_MAX`] periods of unbroken hearing.

use core::time::Duration;

use crate::id::Incarnation;
use crate::time::{Deadline, Time, Timer, Wake};

/// Deaths that are refuted at once.
const DEATHS_FREE: u32 = 2;
/// The first wait, in probe periods; doubles with each death.
const WAIT_FIRST: u32 = 5;
/// The longest wait, in probe periods.
const WAIT_MAX: u32 = 60;
/// Silence of so many probe periods breaks the hearing.
const SILENCE: u32 = 10;
/// After so many probe periods without a death all is forgiven.
const FORGIVEN: u32 = 300;

/// How often this node died lately, and whether it may come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Probation {
    deaths: u32,
    last_death: Time,
    last_heard: Time,
    /// The highest accusation to rise above.
    accusation: Option<Incarnation>,
    until: Timer,
}

impl Probation {
    /// Told that it is dead, at `accusation`. True when it may refute at once.
    pub(super) fn on_death(
        &mut self,
        now: Time,
        period: Duration,
        accusation: Incarnation,
    ) -> bool {
        if let Some(known) = self.accusation {
            self.accusation = Some(known.max(accusation));
            return false;
        }
        if now.since(self.last_death) >= period * FORGIVEN {
            self.deaths = 0;
        }
        self.deaths = self.deaths.saturating_add(1);
        self.last_death = now;
        if self.deaths <= DEATHS_FREE {
            return true;
        }
        self.accusation = Some(accusation);
        self.until.set(now + self.wait(period));
        false
    }

    /// Someone was heard; a long silence before it starts the wait again.
    pub(super) fn on_heard(&mut self, now: Time, period: Duration) {
        let silent = now.since(self.last_heard) > period * SILENCE;
        self.last_heard = now;
        if silent && self.accusation.is_some() {
            self.until.set(now + self.wait(period));
        }
    }

    /// The wait is over: what to rise above. Not while nobody is heard.
    pub(super) fn fire(&mut self, now: Time, period: Duration) -> Option<Incarnation> {
        if !self.until.fire(now) {
            return None;
        }
        let silence = (self.wait(period) / 2).min(period * SILENCE);
        if now.since(self.last_heard) > silence {
            self.until.set(now + self.wait(period));
            return None;
        }
        self.accusation.take()
    }

    /// True while it lets itself be held dead.
    pub(super) fn is_waiting(&self) -> bool {
        self.accusation.is_some()
    }

    /// Begins anew, after a leave.
    pub(super) fn clear(&mut self) {
        self.accusation = None;
        self.until.stop();
    }

    /// When it may come back.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.until.deadline(Wake::Membership)
    }

    fn wait(&self, period: Duration) -> Duration {
        let doublings = self.deaths.saturating_sub(DEATHS_FREE + 1).min(8);
        period * (WAIT_FIRST << doublings).min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn the_third_death_waits_and_hears_for_longer_each_time() {
        let mut probation = Probation::default();
        let one = Incarnation::of_boot(1);
        assert!(probation.on_death(at(10), SECOND, one));
        assert!(probation.on_death(at(40), SECOND, one));
        assert!(!probation.on_death(at(70), SECOND, one));
        assert!(
            !probation.on_death(at(71), SECOND, one.above(one)),
            "the same"
        );
        probation.on_heard(at(72), SECOND);
        assert_eq!(probation.fire(at(74), SECOND), None);
        assert_eq!(
            probation.fire(at(75), SECOND),
            None,
            "a break begins it again"
        );
        probation.on_heard(at(76), SECOND);
        assert_eq!(probation.fire(at(77), SECOND), Some(one.above(one)));
        assert!(!probation.is_waiting());
        assert!(!probation.on_death(at(80), SECOND, one));
        probation.on_heard(at(85), SECOND);
        assert_eq!(probation.fire(at(89), SECOND), None);
        assert_eq!(probation.fire(at(90), SECOND), Some(one));
        assert!(probation.on_death(at(390), SECOND, one), "forgiven");
    }

    #[test]
    fn the_deaf_do_not_come_back() {
        let mut probation = Probation::default();
        let one = Incarnation::of_boot(1);
        (0..3).for_each(|n| {
            probation.on_death(at(n), SECOND, one);
        });
        for second in 3..200 {
            assert_eq!(probation.fire(at(second), SECOND), None);
        }
        assert!(probation.is_waiting());
    }
}
