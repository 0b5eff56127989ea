//! Looking at a run again: a window of its story, or one event after the other.
//!
//! A state is not kept but lived again: a life is a function of its events, and costs less than
//! keeping what it was.

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};

use quorate_core::id::{LogIndex, NodeId};

use crate::record::{Happening, Record};
use crate::{timeline, wording};

/// The entries at the end of a log that are shown.
const TAIL: u64 = 5;

/// Which happenings are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub from_ns: u64,
    /// Up to here.
    pub until_ns: u64,
    /// Of this node, with the faults of the plan; of all without it.
    pub node: Option<NodeId>,
}

impl Window {
    /// Whether a happening is wanted.
    #[must_use]
    pub fn holds(&self, this: &Happening) -> bool {
        let is_node = self.node.is_none() || this.node.is_none() || this.node == self.node;
        is_node && (self.from_ns..=self.until_ns).contains(&this.at_ns)
    }
}

/// A span as people write it: `12.4s`, `900ms`, or seconds without a unit; in nanoseconds.
///
/// # Errors
/// What was written instead.
pub fn span(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time; write 12.4s or 900ms");
    let (number, digits) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 6),
        (None, Some(number)) => (number, 9),
        (None, None) => (text, 9),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > digits {
        return Err(wrong());
    }
    format!("{whole}{part:0<digits$}")
        .parse()
        .map_err(|_| wrong())
}

/// A node as people write it: `n3` or `3`.
///
/// # Errors
/// What was written instead.
pub fn node(text: &str) -> Result<NodeId, String> {
    let number = text.strip_prefix('n').unwrap_or(text).parse();
    number
        .map(NodeId)
        .map_err(|_| format!("`{text}` is no node; write n3"))
}

/// The lines of the story within a window.
#[must_use]
pub fn story(record: &Record, window: Window) -> Vec<String> {
    let wanted = record.all.iter().filter(|this| window.holds(this));
    wanted.flat_map(timeline::lines).collect()
}

/// Steps through the events of a window as the lines of `input` say.
///
/// # Errors
/// Whatever reading or writing fails with.
pub fn step(
    record: &Record,
    window: Window,
    input: impl BufRead,
    mut out: impl Write,
) -> io::Result<()> {
    let all = record.all.iter().enumerate();
    let stops: Vec<usize> = all
        .filter(|(_, h)| window.holds(h))
        .map(|(n, _)| n)
        .collect();
    writeln!(
        out,
        "{} events; n or enter next, b back, s [node] state, q quit",
        stops.len()
    )?;
    let mut place: Option<usize> = None;
    for line in input.lines() {
        let line = line?;
        let mut words = line.split_whitespace();
        match words.next() {
            None | Some("n") => {
                let next = place.map_or(0, |place| place + 1);
                if next >= stops.len() {
                    writeln!(out, "that was the last event")?;
                    continue;
                }
                place = Some(next);
                tell(record, stops[next], &mut out)?;
            }
            Some("b") => {
                place = place.and_then(|place| place.checked_sub(1));
                match place {
                    Some(place) => tell(record, stops[place], &mut out)?,
                    None => writeln!(out, "before the first event")?,
                }
            }
            Some("s") => {
                let happenings = place.map_or(stops.first().copied(), |p| Some(stops[p] + 1));
                let happenings = happenings.unwrap_or(0);
                let shown = place.and_then(|place| record.all[stops[place]].node);
                match words.next().map(node).transpose() {
                    Ok(named) => match named.or(shown).or(window.node) {
                        Some(node) => write!(out, "{}", state(record, happenings, node))?,
                        None => writeln!(out, "of which node? s n3")?,
                    },
                    Err(problem) => writeln!(out, "{problem}")?,
                }
            }
            Some("q") => break,
            Some(_) => writeln!(out, "n or enter next, b back, s [node] state, q quit")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn tell(record: &Record, number: usize, out: &mut impl Write) -> io::Result<()> {
    let this = &record.all[number];
    let node = this.node.map_or("--".to_string(), |node| node.to_string());
    let moment = wording::moment(this.at_ns);
    writeln!(
        out,
        "#{number} {moment} {node} {}",
        wording::happening(this)
    )?;
    if let Some(cause) = this.cause.map(|cause| (cause, &record.all[cause])) {
        let (number, cause) = cause;
        let node = cause.node.map_or("--".to_string(), |node| node.to_string());
        let (moment, what) = (wording::moment(cause.at_ns), wording::happening(cause));
        writeln!(out, "    caused by #{number} {moment} {node} {what}")?;
    }
    for action in this.actions().iter().filter_map(wording::action) {
        writeln!(out, "    {action}")?;
    }
    Ok(())
}

/// A node's state after the first so many happenings of a run.
#[must_use]
pub fn state(record: &Record, happenings: usize, node: NodeId) -> String {
    let Some(life) = record.node_after(happenings, node) else {
        return format!("{node} has no running process\n");
    };
    let view = life.node.view();
    let status = view.status();
    let leader = status
        .leader
        .map_or("nobody".to_string(), |leader| leader.to_string());
    let (written, durable) = view.records();
    let mut text = format!(
        "{} {:?} in term {}, leader {leader}, quorum {}, commit {}, applied {}, \
         records {} of {} durable\n",
        status.me,
        status.role,
        status.term,
        if status.has_quorum { "yes" } else { "no" },
        status.commit.0,
        status.applied.0,
        durable.0,
        written.0,
    );
    for member in view.membership().members() {
        let link = if view.link(member.node).is_some() {
            "connected"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  member {:<5} {:<8} incarnation {:<5} {link}",
            member.peer().to_string(),
            format!("{:?}", member.state),
            member.incarnation.to_string(),
        );
    }
    let last = view.raft().last_index().0;
    for index in last.saturating_sub(TAIL - 1).max(1)..=last {
        if let Some(entry) = view.raft().entry(LogIndex(index)) {
            let is_committed = index <= status.commit.0;
            let _ = writeln!(
                text,
                "  entry {index} of term {}, {} bytes{}",
                entry.term,
                entry.data.len(),
                if is_committed { ", committed" } else { "" },
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::des;
    use crate::plan::Plan;
    use crate::scenarios;

    fn plan() -> Plan {
        scenarios::find("leader-crash").unwrap().plan(3)
    }

    fn typed(input: &str, window: Window) -> String {
        let (_, record) = des::record(&plan());
        let mut out = Vec::new();
        step(&record, window, input.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn spans_and_nodes_are_read_as_people_write_them() {
        assert_eq!(span("12.4s"), Ok(12_400_000_000));
        assert_eq!(span("900ms"), Ok(900_000_000));
        assert_eq!(span("2"), Ok(2_000_000_000));
        assert_eq!(span("0.5ms"), Ok(500_000));
        for wrong in ["", "s", "-1s", "1.2.3s", "soon", "99999999999s"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert_eq!((node("n3"), node("3")), (Ok(NodeId(3)), Ok(NodeId(3))));
        assert!(node("leader").is_err());
    }

    #[test]
    fn a_stepper_goes_on_and_back_and_shows_states() {
        let window = Window {
            from_ns: 3_000_000_000,
            until_ns: 4_000_000_000,
            node: Some(NodeId(2)),
        };
        let out = typed("\nn\nb\ns\nwalk\ns n99\nb\nb\nq\nn\n", window);
        let events: Vec<&str> = out.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(events.len(), 3, "{out}");
        assert_eq!(events[0], events[2], "back is where it was");
        assert_ne!(events[0], events[1]);
        assert!(events.iter().all(|line| line.contains(" n2 ")), "{out}");
        assert!(
            out.contains("n2#1 ") && out.contains("member n1#1"),
            "{out}"
        );
        assert!(out.contains("  entry "), "{out}");
        assert!(out.contains("n99 has no running process"));
        assert!(
            out.ends_with("before the first event\nbefore the first event\n"),
            "{out}"
        );
    }

    #[test]
    fn a_window_of_the_story_is_a_part_of_it() {
        let (_, record) = des::record(&plan());
        let all = timeline::story(&record);
        let window = Window {
            from_ns: 0,
            until_ns: 2_000_000_000,
            node: Some(NodeId(1)),
        };
        let some = story(&record, window);
        assert!(some.len() > 3 && some.len() < all.len());
        assert!(some.iter().all(|line| all.contains(line)));
        assert!(
            some.iter()
                .all(|line| line.contains(" n1  ") || line.contains(" --  "))
        );
    }
}
