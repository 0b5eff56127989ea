//! How well this node itself is (Lifeguard §IV-A, "local health multiplier"): a node that is slow
//! or deaf finds all others dead, so whoever sees signs of its own illness gives them more time.
//!
//! The score rises when relays do not even say that they heard nothing, when it has to refute, when
//! someone it accused refutes, and when a member whom it could not reach itself answers a relay:
//! then packets are lost near here. It falls with every direct answer. Probes and suspicions take
//! score + 1 times as long.

use core::time::Duration;

/// What the refutation of an accusation says against those who witnessed it.
pub(super) const WRONGLY_ACCUSED: u32 = 2;

/// The score of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Health {
    score: u32,
    score_max: u32,
}

/// What a relayed answer, without one of its own, says against this node.
pub(super) const HEARD_BY_RELAYS_ONLY: u32 = 2;

impl Health {
    /// Well. With `score_max` 0 it always is.
    pub(super) fn new(score_max: u32) -> Health {
        Health {
            score: 0,
            score_max,
        }
    }

    /// From 0, which is well.
    pub(super) fn score(self) -> u32 {
        self.score
    }

    /// This health, or another's if that is worse.
    pub(super) fn or_worse(self, score: u32) -> Health {
        Health {
            score: self.score.max(score).min(self.score_max),
            ..self
        }
    }

    /// A sign of illness.
    pub(super) fn worsen(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.score_max);
    }

    /// A sign of health.
    pub(super) fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// How long something takes that takes `span` in health.
    pub(super) fn stretch(self, span: Duration) -> Duration {
        span.saturating_mul(self.score.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_bounded_and_stretches_time() {
        let mut health = Health::new(7);
        let second = Duration::from_secs(1);
        health.improve();
        assert_eq!((health.score(), health.stretch(second)), (0, second));
        health.worsen(3);
        assert_eq!(health.stretch(second), second * 4);
        health.worsen(u32::MAX);
        assert_eq!((health.score(), health.stretch(second)), (7, second * 8));
        health.improve();
        assert_eq!(health.score(), 6);
        let mut off = Health::new(0);
        off.worsen(9);
        assert_eq!(off.stretch(second), second);
    }
}
