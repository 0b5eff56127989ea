//! Numbers, lengths of time, shares, rates: what stands between the words.
//!
//! Where a length of time may stand, a window `2s..5s` may stand too; one value of it is drawn.

use quorate_core::seed::Random;

use super::clause::{Clause, Parsed, shown};
use super::lex::Kind;
use super::problem::Problem;
use crate::expect::Compare;
use crate::span::Span;

/// A value drawn from a window, and the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// The least it might have been.
    pub(super) low: Span,
    /// The most.
    pub(super) high: Span,
    /// What it is.
    pub(super) value: Span,
}

impl Drawn {
    /// Nothing was drawn.
    #[must_use]
    pub(super) fn fixed(value: Span) -> Drawn {
        let (low, high) = (value, value);
        Drawn { low, high, value }
    }

    /// One of the window.
    pub(super) fn from(low: Span, high: Span, random: &mut Random) -> Drawn {
        // A round window has round values, which are easier to read.
        let steps = [1_000_000, 1_000, 1];
        let fits = |step: &u64| low.ns().is_multiple_of(*step) && high.ns().is_multiple_of(*step);
        let step = steps.into_iter().find(fits).unwrap_or(1);
        let value = random.within(low.ns() / step..=high.ns() / step) * step;
        let value = Span::from_ns(value);
        Drawn { low, high, value }
    }

    /// So much after that.
    #[must_use]
    pub(super) fn plus(self, other: Drawn) -> Drawn {
        Drawn {
            low: self.low.plus(other.low),
            high: self.high.plus(other.high),
            value: self.value.plus(other.value),
        }
    }
}

/// Whether the next token is a length of time.
#[must_use]
pub(super) fn is_span(clause: &Clause<'_>) -> bool {
    clause
        .word()
        .is_some_and(|word| Span::parse(word).is_some())
}

/// A length of time.
///
/// # Errors
/// The next token is none.
pub(super) fn span(clause: &mut Clause<'_>) -> Parsed<Span> {
    let what = "expected a time with its unit, such as 1.5s, 200ms or 50us";
    match clause.word().and_then(Span::parse) {
        Some(span) => {
            clause.next();
            Ok(span)
        }
        None => Err(clause.problem(what)),
    }
}

/// A length of time, or a window of it.
///
/// # Errors
/// It is none, or the window is reversed.
pub(super) fn drawn(clause: &mut Clause<'_>, random: &mut Random) -> Parsed<Drawn> {
    let low = span(clause)?;
    let place = clause.before();
    if !clause.eat("..") {
        return Ok(Drawn::fixed(low));
    }
    let high = span(clause)?;
    if high < low {
        let what = format!("the window {low}..{high} is reversed");
        return Err(Problem { place, what });
    }
    Ok(Drawn::from(low, high, random))
}

/// A whole number.
///
/// # Errors
/// The next token is none, or lies outside.
pub(super) fn number(clause: &mut Clause<'_>, what: &str, low: u64, high: u64) -> Parsed<u64> {
    let found = clause.word().and_then(|word| word.parse::<u64>().ok());
    match found.filter(|number| (low..=high).contains(number)) {
        Some(number) => {
            clause.next();
            Ok(number)
        }
        None if high == u64::MAX => Err(clause.problem(&format!("expected {what}"))),
        None => Err(clause.problem(&format!("expected {what}, {low} to {high}"))),
    }
}

/// A number that may be left out; `3rd` is one too.
pub(super) fn ordinal(clause: &mut Clause<'_>) -> Option<u32> {
    let word = clause.word()?;
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_ordinal = ["", "st", "nd", "rd", "th"].contains(&&word[digits.len()..]);
    let number = digits
        .parse::<u32>()
        .ok()
        .filter(|number| *number > 0 && is_ordinal)?;
    clause.next();
    Some(number)
}

/// A share in thousandths: `5%`, `0.5%`.
///
/// # Errors
/// It is none.
pub(super) fn permille(clause: &mut Clause<'_>) -> Parsed<u16> {
    let read = |word: &str| {
        let number = word.strip_suffix('%')?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u16 = whole.parse().ok()?;
        let part: u16 = part.parse().ok().filter(|_| part.len() == 1)?;
        whole.checked_mul(10)?.checked_add(part)
    };
    match clause
        .word()
        .and_then(read)
        .filter(|permille| *permille <= 1_000)
    {
        Some(permille) => {
            clause.next();
            Ok(permille)
        }
        None => Err(clause.problem("expected a share from 0% to 100% in steps of 0.1%")),
    }
}

/// How much faster a clock runs, in millionths: `200ppm`, `+200ppm`, `-50ppm`, `1%`.
pub(super) fn ppm(clause: &mut Clause<'_>) -> Parsed<i64> {
    let _ = clause.eat("+");
    let read = |word: &str| match word.strip_suffix("ppm") {
        Some(number) => number.parse::<i64>().ok(),
        None => word
            .strip_suffix('%')?
            .parse::<i64>()
            .ok()?
            .checked_mul(10_000),
    };
    let found = clause.word().and_then(read);
    match found.filter(|ppm| (-900_000..=9_000_000).contains(ppm)) {
        Some(ppm) => {
            clause.next();
            Ok(ppm)
        }
        None => Err(clause.problem("expected a drift such as 200ppm, -50ppm or 1%")),
    }
}

/// Units of a rate, in bits per second.
const RATES: [(&str, u64); 17] = [
    ("GB/s", 8_000_000_000),
    ("MB/s", 8_000_000),
    ("kB/s", 8_000),
    ("KB/s", 8_000),
    ("B/s", 8),
    ("GiB/s", 8 << 30),
    ("MiB/s", 8 << 20),
    ("KiB/s", 8 << 10),
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
    ("bit/s", 1),
    ("Gbps", 1_000_000_000),
    ("Mbps", 1_000_000),
    ("kbps", 1_000),
    ("gbit/s", 1_000_000_000),
    ("mbit/s", 1_000_000),
];

/// Bytes in a second: `1MB/s`, `10Mbit/s`, or `unlimited`, which is 0.
///
/// # Errors
/// It is none.
pub(super) fn rate(clause: &mut Clause<'_>) -> Parsed<u64> {
    if clause.eat("unlimited") {
        return Ok(0);
    }
    let read = |word: &str| {
        let digits = word.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = word.split_at(digits);
        let (_, bits) = RATES.into_iter().find(|(name, _)| *name == unit)?;
        Some(number.parse::<u64>().ok()?.checked_mul(bits)? / 8)
    };
    match clause.word().and_then(read).filter(|rate| *rate > 0) {
        Some(rate) => {
            clause.next();
            Ok(rate)
        }
        None => Err(clause.problem("expected a rate such as 1MB/s, 200kB/s or 10Mbit/s")),
    }
}

/// `<= 2`, `at most 2` and the like; a bare number must be met exactly.
pub(super) fn compare(clause: &mut Clause<'_>) -> Compare {
    let rows: [(&[&str], Compare); 10] = [
        (&["<="], Compare::AtMost),
        (&[">="], Compare::AtLeast),
        (&["<"], Compare::Below),
        (&[">"], Compare::Above),
        (&["=="], Compare::Equal),
        (&["="], Compare::Equal),
        (&["at", "most"], Compare::AtMost),
        (&["at", "least"], Compare::AtLeast),
        (&["below"], Compare::Below),
        (&["above"], Compare::Above),
    ];
    let found = rows.into_iter().find(|(words, _)| clause.eat_all(words));
    found.map_or(Compare::Equal, |(_, compare)| compare)
}

/// A name: a word or a text of printable characters without quotes.
///
/// # Errors
/// There is none, or it is too long.
pub(super) fn name(clause: &mut Clause<'_>, what: &str, chars_max: usize) -> Parsed<String> {
    let Some(token) = clause.peek().filter(|token| token.kind != Kind::Sign) else {
        return Err(clause.problem(&format!("expected {what}")));
    };
    let fits = token.text.chars().count() <= chars_max && !token.text.trim().is_empty();
    if !fits || token.text.chars().any(char::is_control) {
        let what = format!(
            "expected {what} of 1 to {chars_max} printable characters, found `{}`",
            shown(token.text)
        );
        let place = token.place;
        return Err(Problem { place, what });
    }
    clause.next();
    Ok(token.text.to_string())
}
