//! Figures from runs over several seeds.

use std::time::Duration;

use crate::contest::{Figure, Paired};

/// A figure of which less is better, from pairs (ours, theirs) of one seed each.
pub fn less_is_better(
    case: String,
    unit: &'static str,
    peer: &'static str,
    pairs: &[(f64, f64)],
) -> Figure {
    Paired::new("membership", case, unit, peer).less_is_better(pairs)
}

/// The same for counts, which may be 0.
pub fn fewer_is_better(
    case: String,
    unit: &'static str,
    peer: &'static str,
    pairs: &[(f64, f64)],
) -> Figure {
    Paired::new("membership", case, unit, peer).fewer_is_better(pairs)
}

/// Seconds of a span; the limit when it never came to pass.
pub fn seconds(span: Option<Duration>, limit: Duration) -> f64 {
    span.unwrap_or(limit).as_secs_f64()
}
