//! The statement `senders`: what it reads like, and back.

use std::fmt;

use super::clause::{Clause, Parsed};
use super::print::share;
use super::values;
use crate::plan::Senders;
use crate::span::Span;

/// What is not said of them.
const USUAL: Senders = Senders {
    per_node: 1,
    interval: Span::from_ms(100),
    sends: 0,
    large_permille: 10,
    slow_permille: 50,
    cancelled_permille: 50,
};
/// Senders act at most so often.
const INTERVAL_MIN: Span = Span::from_ms(1);

/// `2 every 50ms, 300 sends, large 2%, slow 20%, cancelled 5%`, or `none`.
pub(super) fn read(clause: &mut Clause<'_>) -> Parsed<Option<Senders>> {
    if clause.eat("none") {
        return Ok(None);
    }
    let per_node = values::number(clause, "a number of senders per node", 1, 100)?;
    let mut senders = Senders {
        per_node: u32::try_from(per_node).unwrap_or(1),
        ..USUAL
    };
    while clause.peek().is_some() {
        if clause.eat("every") {
            senders.interval = values::span(clause)?.max(INTERVAL_MIN);
        } else if clause.eat("large") {
            senders.large_permille = values::permille(clause)?;
        } else if clause.eat("slow") {
            senders.slow_permille = values::permille(clause)?;
        } else if clause.eat("cancelled") {
            senders.cancelled_permille = values::permille(clause)?;
        } else {
            let what = "`every`, `large`, `slow`, `cancelled`, or a number of `sends`";
            senders.sends = values::number(clause, what, 1, 1_000_000)?;
            clause.must("sends")?;
        }
    }
    Ok(Some(senders))
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "senders {} every {}", self.per_node, self.interval)?;
        if self.sends > 0 {
            write!(f, ", {} sends", self.sends)?;
        }
        let shares = [
            ("large", self.large_permille),
            ("slow", self.slow_permille),
            ("cancelled", self.cancelled_permille),
        ];
        shares
            .iter()
            .try_for_each(|(what, permille)| write!(f, ", {what} {}", share(*permille)))
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;

    fn said(line: &str) -> String {
        let text = format!("scenario \"a\"\nnodes 2\n{line}\n");
        let plan = Plan::from_text("the test", &text).expect("a plan");
        let again = Plan::from_text("the test", &plan.to_text()).expect("a plan");
        assert_eq!(plan, again);
        let senders = plan.workload.senders;
        senders.map_or_else(String::new, |senders| senders.to_string())
    }

    #[test]
    fn what_is_not_said_is_usual_and_what_is_written_is_read() {
        let usual = "senders 2 every 100ms, large 1%, slow 5%, cancelled 5%";
        assert_eq!(said("senders 2"), usual);
        let all = "senders 3 every 20ms, 300 sends, large 2.5%, slow 0%, cancelled 100%";
        assert_eq!(said(all), all);
        assert_eq!(said("senders none"), "");
        let wrong = Plan::from_text("the test", "nodes 2\nsenders 2 fast\n");
        assert!(wrong.is_err());
    }
}
