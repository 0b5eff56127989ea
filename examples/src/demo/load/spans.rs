//! How long messages took: a sample whose memory is bounded, however long the load lasts.

/// Spans kept at most.
const KEPT_MAX: usize = 1 << 18;

/// Every n-th span; n doubles when there are too many.
#[derive(Debug)]
pub(super) struct Spans {
    /// In microseconds.
    kept: Vec<u32>,
    every: u64,
    seen: u64,
}

impl Default for Spans {
    fn default() -> Spans {
        Spans {
            kept: Vec::with_capacity(KEPT_MAX),
            every: 1,
            seen: 0,
        }
    }
}

impl Spans {
    /// One more.
    pub(super) fn add(&mut self, micros: u64) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == KEPT_MAX {
                let mut is_kept = false;
                self.kept.retain(|_| {
                    is_kept = !is_kept;
                    is_kept
                });
                self.every *= 2;
            }
            self.kept.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        self.seen += 1;
    }

    /// How many there were.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        (self.every, self.seen) = (1, 0);
    }

    /// The bound that so many of a thousand do not exceed; nothing if there are none.
    pub(super) fn permille(&mut self, permille: usize) -> f64 {
        self.kept.sort_unstable();
        let at = self.kept.len() * permille / 1000;
        self.kept.get(at).map_or(f64::NAN, |span| f64::from(*span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_load_keeps_a_fair_sample() {
        let mut spans = Spans::default();
        for micros in 0..2_000_000 {
            spans.add(micros % 1000);
        }
        assert!(spans.kept.len() <= KEPT_MAX);
        assert_eq!(spans.seen(), 2_000_000);
        let median = spans.permille(500);
        assert!((450.0..550.0).contains(&median), "{median}");
        spans.clear();
        assert!(spans.permille(500).is_nan());
    }
}
