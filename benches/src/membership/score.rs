//! Figures from runs over several seeds.

use std::time::Duration;

use crate::contest::Figure;

/// A figure of which less is better, from pairs (ours, theirs) of one seed each.
pub fn less_is_better(
    case: String,
    unit: &'static str,
    peer: &'static str,
    pairs: &[(f64, f64)],
) -> Figure {
    let ratio = |(ours, theirs): &(f64, f64)| theirs / ours;
    figure(case, unit, peer, pairs, ratio)
}

/// The same for counts, which may be 0: one is added to both before they are divided.
pub fn fewer_is_better(
    case: String,
    unit: &'static str,
    peer: &'static str,
    pairs: &[(f64, f64)],
) -> Figure {
    let ratio = |(ours, theirs): &(f64, f64)| (theirs + 1.0) / (ours + 1.0);
    figure(case, unit, peer, pairs, ratio)
}

fn figure(
    case: String,
    unit: &'static str,
    peer: &'static str,
    pairs: &[(f64, f64)],
    ratio: impl Fn(&(f64, f64)) -> f64,
) -> Figure {
    let mut ours: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let mut theirs: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let mut ratios: Vec<f64> = pairs.iter().map(ratio).collect();
    let (ours, theirs, ratio) = (median(&mut ours), median(&mut theirs), median(&mut ratios));
    Figure {
        bench: "membership",
        case,
        unit,
        ours,
        peer,
        theirs,
        ratio,
        spread: (ratios[0], ratios[ratios.len() - 1]),
    }
}

/// Sorts, and takes the middle.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds of a span; the limit when it never came to pass.
pub fn seconds(span: Option<Duration>, limit: Duration) -> f64 {
    span.unwrap_or(limit).as_secs_f64()
}
