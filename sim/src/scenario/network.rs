//! How segments fare: `latency 40ms jitter 10ms loss 1%`.

use quorate_core::seed::Random;

use super::clause::{Clause, Parsed};
use super::problem::Problem;
use super::values;
use crate::plan::Change;
use crate::span::Span;

/// The properties of a way.
pub(super) const PROPERTIES: [&str; 9] = [
    "latency",
    "delay",
    "loss",
    "duplication",
    "duplicate",
    "reordering",
    "reorder",
    "spikes",
    "bandwidth",
];

/// One or more properties with their values.
pub(super) fn change(clause: &mut Clause<'_>, random: &mut Random) -> Parsed<Change> {
    let mut change = Change::default();
    loop {
        let property = clause.one_of("a property of the network", &PROPERTIES)?;
        read(property, clause, random, &mut change)?;
        if !clause.word().is_some_and(|word| PROPERTIES.contains(&word)) {
            return Ok(change);
        }
    }
}

/// The value of one property.
pub(super) fn one(
    property: &'static str,
    clause: &mut Clause<'_>,
    random: &mut Random,
) -> Parsed<Change> {
    let mut change = Change::default();
    read(property, clause, random, &mut change)?;
    Ok(change)
}

fn read(
    property: &str,
    clause: &mut Clause<'_>,
    random: &mut Random,
    change: &mut Change,
) -> Parsed<()> {
    match property {
        "latency" => change.latency = Some(latency(clause)?),
        "delay" => change.delay = Some(values::drawn(clause, random)?.value),
        "loss" => change.loss_permille = Some(values::permille(clause)?),
        "duplication" | "duplicate" => {
            change.duplication_permille = Some(values::permille(clause)?);
        }
        "reordering" | "reorder" => change.reordering_permille = Some(values::permille(clause)?),
        "spikes" => {
            let permille = values::permille(clause)?;
            clause.must("of")?;
            change.spikes = Some((permille, values::span(clause)?));
        }
        _ => change.bandwidth = Some(values::rate(clause)?),
    }
    Ok(())
}

/// `200us..1ms`, or `40ms jitter 10ms`, which is `30ms..50ms`. Here the window is not drawn from:
/// each segment takes its own time within it.
fn latency(clause: &mut Clause<'_>) -> Parsed<(Span, Span)> {
    let low = values::span(clause)?;
    let place = clause.before();
    if clause.eat("..") {
        let high = values::span(clause)?;
        let what = format!("the latency {low}..{high} is reversed");
        return if low <= high {
            Ok((low, high))
        } else {
            Err(Problem { place, what })
        };
    }
    if !clause.eat("jitter") {
        return Ok((low, low));
    }
    let jitter = values::span(clause)?;
    if jitter > low {
        let what = format!("a jitter of {jitter} exceeds the latency of {low}");
        let place = clause.before();
        return Err(Problem { place, what });
    }
    Ok((low.minus(jitter), low.plus(jitter)))
}
