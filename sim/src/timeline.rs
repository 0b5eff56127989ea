//! The story of a run, one line a change of state, with its cause:
//!
//! ```text
//! t=12.431s n3  term 4 Follower→PreCandidate         (no heartbeat 287 ms)
//! ```

use quorate_core::id::NodeId;
use quorate_core::node::Event;

use crate::record::{Happening, Record, What};
use crate::wording::{self, Change};

/// One line.
#[must_use]
pub fn line(at_ns: u64, node: Option<NodeId>, change: &Change) -> String {
    let moment = wording::moment(at_ns);
    let node = node.map_or("--".to_string(), |node| node.to_string());
    match change.why.as_str() {
        "" => format!("{moment} {node:<3} {}", change.what),
        why => format!("{moment} {node:<3} {:<34} ({why})", change.what),
    }
}

/// The lines of one happening: each change of state it brought.
#[must_use]
pub fn lines(this: &Happening) -> Vec<String> {
    let told_by = match this.event() {
        Some(Event::Received { .. }) => this.peer,
        Some(_) | None => None,
    };
    match &this.what {
        What::Step { .. } => this
            .notices()
            .map(|notice| line(this.at_ns, this.node, &wording::notice(notice, told_by)))
            .collect(),
        What::Struck { .. }
        | What::Started { .. }
        | What::Crashed { .. }
        | What::Ended(_)
        | What::WentOn
        | What::Healed
        | What::Violated(_) => {
            let (what, why) = (wording::happening(this), String::new());
            vec![line(this.at_ns, this.node, &Change { what, why })]
        }
    }
}

/// The whole story.
#[must_use]
pub fn story(record: &Record) -> Vec<String> {
    record.all.iter().flat_map(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_moment_node_and_cause_in_columns() {
        let change = Change {
            what: "term 4 Follower→PreCandidate".to_string(),
            why: "no heartbeat 287 ms".to_string(),
        };
        let told = line(12_431_900_000, Some(NodeId(3)), &change);
        let expected = "t=12.431s n3  term 4 Follower→PreCandidate       (no heartbeat 287 ms)";
        assert_eq!(told, expected);
        let early = line(31_000_000, None, &change);
        assert_eq!(early.find('('), told.find('('), "columns");
    }
}
