//! The first event in which two runs differ.
//!
//! A run is compared as rows, one per happening. Rows can be written to a file, so that the runs of
//! two versions of the code can be compared:
//!
//! ```text
//! number  nanoseconds  node  cause  event-hash  actions-hash  words
//! ```
//!
//! The columns are separated by tabs. A row's hashes cover its event and its actions completely;
//! its words are for the reader and are not compared.

use std::fmt::Write;

use serde::Serialize;

use crate::record::{Happening, Record, What};
use crate::trace::digest;
use crate::wording;

/// How many alike rows are shown before the first difference.
pub const BEFORE: usize = 8;

/// One happening, as compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When.
    pub at_ns: u64,
    /// The node's number, 0 for the world.
    pub node: u64,
    /// The row that brought it about.
    pub cause: Option<usize>,
    /// The hash of what happened.
    pub event: u64,
    /// The hash of what the node wanted done.
    pub actions: u64,
    /// It in words.
    pub words: String,
}

/// In what two rows at one place differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The same event of the same node at the same time, answered differently: the code or a node's
    /// own randomness differs.
    Answer,
    /// Another event, node or time: the world differs.
    Event,
    /// One run ended, the other went on.
    End,
}

/// The first difference of two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The number of the first differing row.
    pub number: usize,
    /// In what it differs.
    pub kind: Kind,
    /// The last alike rows before it.
    pub before: Vec<(usize, Row)>,
    /// The row in either run.
    pub rows: [Option<Row>; 2],
    /// What brought the row about in either run, nearest first.
    pub causes: [Vec<(usize, Row)>; 2],
}

/// The rows of a record.
#[must_use]
pub fn rows(record: &Record) -> Vec<Row> {
    record.all.iter().map(row).collect()
}

fn row(this: &Happening) -> Row {
    let event = match &this.what {
        What::Step { event, .. } => digest(event),
        What::Struck { .. }
        | What::Started { .. }
        | What::Crashed { .. }
        | What::Ended(_)
        | What::WentOn
        | What::Healed
        | What::Violated(_) => digest(&wording::happening(this)),
    };
    let mut words = wording::happening(this);
    let told: Vec<String> = this.actions().iter().filter_map(wording::action).collect();
    if !told.is_empty() {
        words = format!("{words}; {}", told.join("; "));
    }
    Row {
        at_ns: this.at_ns,
        node: this.node.map_or(0, |node| node.0),
        cause: this.cause,
        event,
        actions: digest(&this.actions()),
        words,
    }
}

/// Rows as the text of a trace file.
#[must_use]
pub fn to_text(rows: &[Row]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cause = row.cause.map_or("-".to_string(), |cause| cause.to_string());
        let words = row.words.replace(['\t', '\n'], " ");
        let _ = writeln!(
            text,
            "{number}\t{}\t{}\t{cause}\t{:016x}\t{:016x}\t{words}",
            row.at_ns, row.node, row.event, row.actions,
        );
    }
    text
}

/// Reads a trace file.
///
/// # Errors
/// Which line is none of a trace.
pub fn from_text(text: &str) -> Result<Vec<Row>, String> {
    let parse = |(number, line): (usize, &str)| {
        let mut parts = line.splitn(7, '\t');
        let mut next = || parts.next();
        let is_next = next().and_then(|own| own.parse().ok()) == Some(number);
        let row = (|| {
            Some(Row {
                at_ns: next()?.parse().ok()?,
                node: next()?.parse().ok()?,
                cause: next()?.parse().ok(),
                event: u64::from_str_radix(next()?, 16).ok()?,
                actions: u64::from_str_radix(next()?, 16).ok()?,
                words: next()?.to_string(),
            })
        })();
        let row = row.filter(|row| is_next && row.cause.is_none_or(|cause| cause < number));
        row.ok_or_else(|| format!("line {} is no line of a trace", number + 1))
    };
    text.lines().enumerate().map(parse).collect()
}

/// The first difference of two runs, if there is one.
#[must_use]
pub fn compare(one: &[Row], two: &[Row]) -> Option<Difference> {
    let place = |row: &Row| (row.at_ns, row.node, row.event);
    let alike = |one: &Row, two: &Row| place(one) == place(two) && one.actions == two.actions;
    let number = one
        .iter()
        .zip(two)
        .take_while(|(one, two)| alike(one, two))
        .count();
    let rows = [one.get(number).cloned(), two.get(number).cloned()];
    let kind = match &rows {
        [None, None] => return None,
        [Some(one), Some(two)] if place(one) == place(two) => Kind::Answer,
        [Some(_), Some(_)] => Kind::Event,
        [None, Some(_)] | [Some(_), None] => Kind::End,
    };
    let before = (number.saturating_sub(BEFORE)..number).map(|at| (at, one[at].clone()));
    Some(Difference {
        number,
        kind,
        before: before.collect(),
        rows,
        causes: [causes(one, number), causes(two, number)],
    })
}

fn causes(rows: &[Row], number: usize) -> Vec<(usize, Row)> {
    let cause = |at: &usize| rows.get(*at).and_then(|row| row.cause);
    let chain = std::iter::successors(rows.get(number).and_then(|row| row.cause), cause);
    let chain = chain.take(BEFORE);
    chain
        .filter_map(|at| Some((at, rows.get(at)?.clone())))
        .collect()
}

/// The difference in words.
#[must_use]
pub fn tell(difference: &Difference) -> Vec<String> {
    let mut lines: Vec<String> = difference
        .before
        .iter()
        .map(|(number, row)| format!("    {}", line(*number, row)))
        .collect();
    for (name, row) in ["a", "b"].iter().zip(&difference.rows) {
        let text = row.as_ref().map_or("the run has ended".to_string(), |row| {
            line(difference.number, row)
        });
        lines.push(format!("  {name} {text}"));
    }
    lines.push(match difference.kind {
        Kind::Answer => "the same event was answered differently".to_string(),
        Kind::Event => format!("another event: {}", columns(&difference.rows)),
        Kind::End => "one run ended, the other went on".to_string(),
    });
    for (name, chain) in ["a", "b"].iter().zip(&difference.causes) {
        for (number, row) in chain {
            lines.push(format!("  {name} caused by {}", line(*number, row)));
        }
    }
    lines
}

/// In which columns two rows differ: words may hide it.
fn columns(rows: &[Option<Row>; 2]) -> String {
    let [Some(one), Some(two)] = rows else {
        return String::new();
    };
    let mut differ = Vec::new();
    if one.at_ns != two.at_ns {
        differ.push(format!("at {} ns and at {} ns", one.at_ns, two.at_ns));
    }
    if one.node != two.node {
        differ.push("of different nodes".to_string());
    }
    if one.event != two.event {
        differ.push("of different content".to_string());
    }
    differ.join(", ")
}

fn line(number: usize, row: &Row) -> String {
    let node = match row.node {
        0 => "--".to_string(),
        node => format!("n{node}"),
    };
    format!(
        "#{number:<6} {} {node:<3} {}",
        wording::moment(row.at_ns),
        row.words
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::des;
    use crate::scenarios;

    fn run(seed: u64) -> Vec<Row> {
        rows(&des::record(&scenarios::find("split-brain").unwrap().plan(seed)).1)
    }

    #[test]
    fn a_run_equals_itself_and_its_own_file() {
        let one = run(1);
        assert_eq!(compare(&one, &run(1)), None);
        let read = from_text(&to_text(&one)).unwrap();
        assert_eq!(read, one);
    }

    #[test]
    fn the_first_difference_is_found_and_named() {
        let one = run(1);
        let mut two = one.clone();
        two[700].actions ^= 1;
        two[900].event ^= 1;
        let found = compare(&one, &two).unwrap();
        assert_eq!((found.number, found.kind), (700, Kind::Answer));
        assert_eq!(found.before.len(), BEFORE);
        two[700].actions ^= 1;
        assert_eq!(
            compare(&one, &two).map(|d| (d.number, d.kind)),
            Some((900, Kind::Event))
        );
        let found = compare(&one, &one[..500]).unwrap();
        assert_eq!((found.number, found.kind), (500, Kind::End));
        assert!(
            tell(&found)
                .iter()
                .any(|line| line.contains("the run has ended"))
        );
        let mut two = one.clone();
        two[600].at_ns += 1;
        let told = tell(&compare(&one, &two).unwrap());
        assert!(
            told.iter()
                .any(|line| line.starts_with("another event: at ")),
            "{told:?}"
        );
        assert!(compare(&one, &run(2)).is_some());
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        let text = to_text(&run(1)[..3]);
        assert!(
            from_text(&format!("{text}nonsense\n"))
                .unwrap_err()
                .contains("line 4")
        );
        assert!(from_text("1\t0\t1\t-\t0\t0\tskipped a row\n").is_err());
    }
}
