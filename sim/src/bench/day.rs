//! Whether a day leaves anything behind: what the nodes, sessions and connections of a cluster hold
//! must not grow with its age.
//!
//! It is counted as the bytes of all they hold, read as their equality reads it. So the count is
//! the same on every machine, and neither the allocator nor the checkers are in it.

use super::{Goal, Outcome, Row, ratio, usage};
use crate::engine::des;
use crate::meter::Meter;
use crate::plan::Plan;
use crate::span::Span;

const CASE: &str = "a day of five nodes";
const HOURS: usize = 24;
/// The nodes are counted so often.
const LOOK: Span = Span::from_ms(60_000);
/// Something goes wrong so often, in seconds.
const TROUBLE_S: usize = 600;
/// The fullest hour of the later half may hold so many hundredths of what that of the earlier did.
const GROWTH_MAX: f64 = 105.0;

/// Clients, readers and senders of everything for 24 simulated hours, with a fault every ten
/// minutes. A large message comes and goes, so an hour is told by the least that all nodes together
/// held at any look in it: what was left behind would be in that.
#[must_use]
pub fn day() -> Outcome {
    let mut outcome = Outcome::default();
    let plan = match Plan::from_text("a day", &text()) {
        Ok(plan) => plan,
        Err(problems) => {
            outcome.problems.push(problems.to_string());
            return outcome;
        }
    };
    let (mut hours, mut most) = ([u64::MAX; HOURS], 0);
    let meter = Meter::start();
    let report = des::watch(&plan, LOOK, |at, bytes| {
        let hour = usize::try_from(at.ms() / 3_600_000).unwrap_or(HOURS);
        let least = &mut hours[hour.min(HOURS - 1)];
        (*least, most) = (bytes.min(*least), bytes.max(most));
    });
    let used = meter.stop();
    let totals = report.totals.clone();
    outcome.judge(&[report]);
    let kib = |bytes| ratio(bytes, 1 << 10);
    let highest = |hours: &[u64]| hours.iter().copied().max().unwrap_or(0);
    let (early, late) = hours.split_at(HOURS / 2);
    let growth = ratio(highest(late) * 100, highest(early));
    let lived = ratio(totals.simulated_ns, 3_600_000_000_000);
    let row = |figure, value, unit| Row::new(CASE, figure, value, unit);
    outcome.rows.extend([
        row("held in the first hour", kib(hours[0]), "KiB"),
        row("held in the last hour", kib(hours[HOURS - 1]), "KiB"),
        row("the second half against the first", growth, "%").with_goal(Goal::AtMost(GROWTH_MAX)),
        row("held at most", kib(most), "KiB"),
        row("simulated time", lived, "h").with_goal(Goal::AtLeast(24.0)),
        row("steps", ratio(totals.events, 1_000_000), "million"),
    ]);
    outcome.rows.extend(usage(CASE, &used));
    outcome
}

fn text() -> String {
    let mut text = String::from(
        r#"
        scenario "a day"
        nodes 5
        config raft.snapshot_bytes 65536
        clients 4 every 1s
        readers 2 every 2s
        senders 1 every 2s, large 1%, slow 5%, cancelled 5%
        "#,
    );
    let troubles = [
        "crash leader, restart after 5s",
        "partition n1 n2 | n3 n4 n5 for 20s",
        "pause leader for 2s",
        "reset n1 <-> n2",
        "network all loss 5% for 30s",
        "crash n5 silently, restart after 40s",
    ];
    for (count, at) in (TROUBLE_S / 2..HOURS * 3_600 - TROUBLE_S)
        .step_by(TROUBLE_S)
        .enumerate()
    {
        let trouble = troubles[count % troubles.len()];
        text.push_str(&format!("at {at}s {trouble}\n"));
    }
    let (heal, end) = (HOURS * 3_600 - TROUBLE_S, HOURS * 3_600);
    text.push_str(&format!("heal at {heal}s\nend at {end}s\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_a_scenario_with_trouble_in_every_hour() {
        let plan = Plan::from_text("the test", &text()).expect("a scenario");
        assert_eq!(plan.end.ms(), 24 * 3_600_000);
        for hour in 0..23 {
            let within = |at: u64| (hour * 3_600_000..(hour + 1) * 3_600_000).contains(&at);
            assert!(plan.faults.iter().any(|it| within(it.at.ms())), "{hour}");
        }
    }
}
