//! A length of simulated time, or a moment counted from the start of a run, to the nanosecond.
//!
//! As text it has a unit: `200us`, `150ms`, `1.5s`. Each value has one text, in the largest of the
//! three units in which it is at least 1 and needs no more than three decimals.

use std::fmt;

use serde::{Serialize, Serializer};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

/// A length of simulated time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Span {
    /// No time.
    pub const ZERO: Span = Span(0);

    /// So many nanoseconds.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Span {
        Span(ns)
    }

    /// So many microseconds.
    #[must_use]
    pub const fn from_us(us: u64) -> Span {
        Span(us.saturating_mul(US))
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Span {
        Span(ms.saturating_mul(MS))
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn ns(self) -> u64 {
        self.0
    }

    /// In whole milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 / MS
    }

    /// Both, one after the other.
    #[must_use]
    pub const fn plus(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }

    /// What is left of this after the other; nothing if it is longer.
    #[must_use]
    pub const fn minus(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }

    /// Half of it.
    #[must_use]
    pub const fn half(self) -> Span {
        Span(self.0 / 2)
    }

    /// Reads a text such as `1.5s`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Span> {
        let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = text.split_at(unit);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => US,
            "ms" => MS,
            "s" | "sec" => S,
            "m" | "min" => 60 * S,
            "h" => 3_600 * S,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || part.is_empty() || part.len() > 9 {
            return None;
        }
        let (whole, digits) = (whole.parse::<u64>().ok()?, part.parse::<u64>().ok()?);
        let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
        let part = u128::from(digits) * u128::from(unit) / u128::from(scale);
        let whole = whole.checked_mul(unit)?;
        Some(Span(whole.checked_add(u64::try_from(part).ok()?)?))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, name) = match self.0 {
            0 => return f.write_str("0s"),
            ns if ns >= S && ns.is_multiple_of(MS) => (S, "s"),
            ns if ns >= MS && ns.is_multiple_of(US) => (MS, "ms"),
            _ => (US, "us"),
        };
        let (whole, part) = (self.0 / unit, self.0 % unit * 1_000 / unit);
        match part {
            0 => write!(f, "{whole}{name}"),
            part => {
                let digits = format!("{part:03}");
                write!(f, "{whole}.{}{name}", digits.trim_end_matches('0'))
            }
        }
    }
}

impl Serialize for Span {
    fn serialize<T: Serializer>(&self, to: T) -> Result<T::Ok, T::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_one_text_and_the_text_gives_it_back() {
        let rows = [
            (0, "0s"),
            (200_000, "200us"),
            (1_500_000_000, "1.5s"),
            (150_000_000, "150ms"),
            (12_400_000_000, "12.4s"),
            (1_000_500_000, "1000.5ms"),
            (7, "0.007us"),
            (60_000_000_000, "60s"),
        ];
        for (ns, text) in rows {
            assert_eq!(Span(ns).to_string(), text);
            assert_eq!(Span::parse(text), Some(Span(ns)));
        }
        assert_eq!(Span::parse("2min"), Some(Span::from_ms(120_000)));
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in [
            "",
            "5",
            "s",
            "1.s",
            ".5s",
            "1.2.3s",
            "-1s",
            "5 s",
            "99999999999s",
        ] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
