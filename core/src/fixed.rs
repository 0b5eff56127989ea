//! Fixed-point numbers: the core knows no floats, so that every platform computes the same scores.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A share of one thousand, 0..=1000; 1000 is the whole.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Permille(u16);

impl Permille {
    /// Nothing.
    pub const ZERO: Permille = Permille(0);
    /// The whole.
    pub const ONE: Permille = Permille(1000);

    /// Clamps to the whole.
    #[must_use]
    pub const fn new(value: u16) -> Permille {
        Permille(if value > 1000 { 1000 } else { value })
    }

    /// `part` of `whole`, rounded down and clamped; the whole when `whole` is 0.
    #[must_use]
    pub fn ratio(part: u64, whole: u64) -> Permille {
        if whole == 0 {
            return Permille::ONE;
        }
        let share = u128::from(part) * 1000 / u128::from(whole);
        Permille(u16::try_from(share.min(1000)).unwrap_or(1000))
    }

    /// The number, 0..=1000.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This share of `value`, rounded down.
    #[must_use]
    pub fn of(self, value: u64) -> u64 {
        let part = u128::from(value) * u128::from(self.0) / 1000;
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Permille {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}%", self.0 / 10, self.0 % 10)
    }
}

/// The decimal digits of `n`: `1 + floor(log10(n))`, 1 for 0. SWIM's spreading factors grow with
/// it.
#[must_use]
pub const fn digits(n: u64) -> u32 {
    match n.checked_ilog10() {
        Some(log) => log + 1,
        None => 1,
    }
}

/// The decimal logarithm of `n` in thousandths, rounded down; 0 for 0 and 1. Read off between
/// powers of two along the chord, so at most 26 thousandths too small.
#[must_use]
pub const fn log10_permille(n: u64) -> u32 {
    /// `log10(2)` in millionths.
    const LOG10_OF_2: u128 = 301_030;
    if n < 2 {
        return 0;
    }
    let whole = n.ilog2();
    let above = (n - (1 << whole)) as u128;
    let millionths = (whole as u128 * LOG10_OF_2) + ((above * LOG10_OF_2) >> whole);
    (millionths / 1000) as u32
}

/// The bits needed to write `n`: `ceil(log2(n + 1))`.
#[must_use]
pub const fn bits(n: u64) -> u32 {
    u64::BITS - n.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_clamp_and_round_down() {
        assert_eq!(Permille::ratio(1, 3).get(), 333);
        assert_eq!(Permille::ratio(7, 3), Permille::ONE);
        assert_eq!(Permille::ratio(u64::MAX, u64::MAX), Permille::ONE);
        assert_eq!(Permille::ratio(0, 0), Permille::ONE);
        assert_eq!(Permille::new(250).of(u64::MAX), u64::MAX / 4);
        assert_eq!(alloc::format!("{}", Permille::new(125)), "12.5%");
    }

    #[test]
    fn logarithms_are_exact_at_their_steps() {
        assert_eq!([0, 1, 9, 10, 99, 100].map(digits), [1, 1, 1, 2, 2, 3]);
        assert_eq!([0, 1, 2, 3, 4, 7, 8].map(bits), [0, 1, 2, 2, 3, 3, 4]);
        let sizes = [0, 1, 2, 10, 100, 128, 1000, 10_000, u64::MAX];
        let logs = [0, 0, 301, 978, 1975, 2107, 2996, 3979, 19265];
        assert_eq!(sizes.map(log10_permille), logs);
    }
}
