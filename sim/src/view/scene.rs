//! What a page shows: the states, events, cuts and messages of a run, in order of time.
//!
//! All moments are in microseconds since the start of the run. Nodes are named by their lane, which
//! counts from 1; 0 is the world.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::id::NodeId;

use serde_json::{Map, Value};

/// Whether a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Up {
    /// There is no process.
    #[default]
    Down,
    /// It runs and may not speak yet: its start is not durable.
    Starting,
    /// It runs.
    Running,
}

/// A node at one moment, as far as the page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether its process runs.
    pub up: Up,
    /// Which life of the process this is, from 1.
    pub life: u64,
    /// The process stands still.
    pub paused: bool,
    /// Its disk is slowed down.
    pub is_disk_slow: bool,
    /// Its term.
    pub term: u64,
    /// The part it plays in consensus, in one word.
    pub role: &'static str,
    /// Whom it takes for the leader.
    pub leader: Option<u64>,
    /// A leader that hears a majority.
    pub has_quorum: bool,
    /// How far it knows the log to be committed.
    pub commit: u64,
    /// Its last entry.
    pub last: u64,
    /// The incarnation it speaks under.
    pub incarnation: String,
    /// What it believes of each member: `a`live, `s`uspect, `d`ead or `l`eft.
    pub members: BTreeMap<u64, char>,
    /// Holder and epoch of each role.
    pub roles: BTreeMap<String, (Option<String>, u64)>,
    /// The other nodes it has a connection in use to.
    pub links: Vec<u64>,
}

impl State {
    /// The state as flat fields: one for each member (`m3`) and role (`r:primary`).
    fn fields(&self) -> Map<String, Value> {
        let up = match self.up {
            Up::Down => 0,
            Up::Starting => 1,
            Up::Running => 2,
        };
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| fields.insert(key.to_string(), value);
        put("up", up.into());
        put("life", self.life.into());
        put("paused", self.paused.into());
        put("slow", self.is_disk_slow.into());
        put("term", self.term.into());
        put("role", self.role.into());
        put("leader", self.leader.into());
        put("quorum", self.has_quorum.into());
        put("commit", self.commit.into());
        put("last", self.last.into());
        put("inc", self.incarnation.as_str().into());
        put("links", self.links.clone().into());
        for (member, belief) in &self.members {
            put(&format!("m{member}"), belief.to_string().into());
        }
        for (role, (holder, epoch)) in &self.roles {
            put(&format!("r:{role}"), serde_json::json!([holder, epoch]));
        }
        fields
    }

    /// The fields that differ from an earlier state; null for one that is gone.
    #[must_use]
    pub fn changes_since(&self, earlier: &State) -> Map<String, Value> {
        let (new, old) = (self.fields(), earlier.fields());
        let gone = old.keys().filter(|key| !new.contains_key(*key));
        let mut changes: Map<String, Value> = gone.map(|k| (k.clone(), Value::Null)).collect();
        let changed = new
            .into_iter()
            .filter(|(key, value)| old.get(key) != Some(value));
        changes.extend(changed);
        changes
    }
}

/// The life of one node through the run.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// The state it is in now.
    pub state: State,
    /// Each change: when, and the fields that changed. The first is against an empty state.
    pub changes: Vec<(u64, Map<String, Value>)>,
}

/// Something that happened at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: u64,
    /// To which lane.
    pub lane: u64,
    /// A short stable name.
    pub kind: &'static str,
    /// What it was, for people.
    pub text: String,
}

/// A way from one lane to another was cut or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When.
    pub at: u64,
    /// The sender.
    pub from: u64,
    /// The receiver.
    pub to: u64,
    /// Cut, or open again.
    pub is_cut: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reached the other node after so many microseconds.
    Took(u64),
    /// Its connection ended, or took no more messages, before it was read.
    Lost,
    /// Its connection still held it when the run ended.
    UnderWay,
}

/// A message between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it was handed to the connection.
    pub at: u64,
    /// The sender.
    pub from: u64,
    /// The receiver.
    pub to: u64,
    /// Its kind: an index into the kinds of the page.
    pub kind: u8,
    /// Routine: a heartbeat, a probe, or an acknowledgement of one.
    pub is_folded: bool,
    /// What it says.
    pub text: String,
    /// What became of it.
    pub fate: Fate,
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The nodes, a lane for each.
    pub nodes: Vec<NodeId>,
    /// Those of them that vote.
    pub voters: BTreeSet<NodeId>,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// The events.
    pub events: Vec<Event>,
    /// The cuts.
    pub cuts: Vec<Cut>,
    /// The messages, by the time of sending.
    pub messages: Vec<Sent>,
    /// Messages beyond the bound, which were only counted.
    pub messages_uncounted: u64,
    /// When the run ended.
    pub end: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_what_differs_and_what_is_gone() {
        let mut earlier = State {
            role: "follower",
            ..State::default()
        };
        earlier.members.insert(2, 'a');
        let mut later = State {
            term: 4,
            ..earlier.clone()
        };
        assert!(later.changes_since(&later).is_empty());
        later.members.clear();
        later
            .roles
            .insert("primary".into(), (Some("n1#1".into()), 7));
        let changes = Value::Object(later.changes_since(&earlier));
        let expected = serde_json::json!({ "term": 4, "m2": null, "r:primary": ["n1#1", 7] });
        assert_eq!(changes, expected);
    }
}
