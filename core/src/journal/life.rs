//! A life of a node, in memory: for tests and the simulator. Deliberately absent: any bound.

use alloc::vec::Vec;

use super::recording::{End, TooLong, Writer, encode_end, encode_start};
use super::{Fingerprint, Start};
use crate::node::{Action, Event, Node};
use crate::time::Time;

/// A life of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Where it began.
    pub start: Start,
    /// What happened to it.
    pub events: Vec<(Time, Event)>,
}

impl Journal {
    /// Lives it again; the fingerprint of all actions.
    #[must_use]
    pub fn replay(&self) -> Fingerprint {
        let mut node = self.start.node();
        let (mut fingerprint, mut scratch) = (Fingerprint::default(), Vec::new());
        let mut actions = Vec::new();
        for (now, event) in &self.events {
            node.step(*now, event.clone(), &mut actions);
            fingerprint.fold(&actions, &mut scratch);
            actions.clear();
        }
        fingerprint
    }

    /// The life as a recording, as a [`Writer`] beside a running node would have made it; lives it
    /// again for the fingerprints.
    ///
    /// # Errors
    /// [`TooLong`] when an event or an entry is longer than a frame may be.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TooLong> {
        let (mut bytes, mut writer) = (Vec::new(), Writer::new());
        encode_start(&self.start, None, &mut bytes)?;
        let (mut node, mut actions) = (self.start.node(), Vec::new());
        for (now, event) in &self.events {
            writer.before(*now, event)?;
            node.step(*now, event.clone(), &mut actions);
            writer.after(&actions);
            actions.clear();
        }
        bytes.extend(writer.take());
        encode_end(writer.next(), End::Stopped, &mut bytes);
        Ok(bytes)
    }
}

/// A node whose life is kept in memory.
#[derive(Clone, Debug)]
pub struct Recorder {
    node: Node,
    journal: Journal,
    fingerprint: Fingerprint,
    scratch: Vec<u8>,
}

impl Recorder {
    /// Starts a node and its journal.
    #[must_use]
    pub fn new(start: Start) -> Recorder {
        let node = start.node();
        let journal = Journal {
            start,
            events: Vec::new(),
        };
        Recorder {
            node,
            journal,
            fingerprint: Fingerprint::default(),
            scratch: Vec::new(),
        }
    }

    /// Steps the node, and remembers.
    pub fn step(&mut self, now: Time, event: Event, actions: &mut Vec<Action>) {
        let before = actions.len();
        self.journal.events.push((now, event.clone()));
        self.node.step(now, event, actions);
        self.fingerprint.fold(&actions[before..], &mut self.scratch);
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its life so far.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The fingerprint of all its actions so far.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
