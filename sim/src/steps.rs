//! Steps by what happened to the node: how many, and, when somebody wants to know, how long they
//! took.

use std::time::Duration;

use quorate_core::node::Event;
use quorate_core::wire::Message;
use serde::{Serialize, Serializer};

macro_rules! kinds {
    ($($kind:ident => $name:literal,)+) => {
        /// What a step was about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $(#[doc = $name] $kind,)+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Kind] = &[$(Kind::$kind,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    Tick => "tick",
    Membership => "membership message",
    Raft => "consensus message",
    Control => "control message",
    Gossip => "state message",
    Persisted => "records durable",
    Command => "command",
    Connection => "connection up or down",
}

const KINDS: usize = Kind::ALL.len();

impl Kind {
    /// What a step with this event is about.
    #[must_use]
    pub fn of(event: &Event) -> Kind {
        match event {
            Event::Tick => Kind::Tick,
            Event::Received { message, .. } => match message {
                Message::Membership(_) => Kind::Membership,
                Message::Raft(_) => Kind::Raft,
                Message::Control(_) => Kind::Control,
                Message::Gossip(_) => Kind::Gossip,
            },
            Event::Persisted(_) | Event::DiskStalled => Kind::Persisted,
            Event::Command { .. } => Kind::Command,
            Event::LinkUp { .. } | Event::LinkDown { .. } | Event::DialFailed { .. } => {
                Kind::Connection
            }
        }
    }
}

/// How many steps of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps([u64; KINDS]);

impl Steps {
    /// One more.
    pub fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    /// Those of another run as well.
    pub fn add(&mut self, others: &Steps) {
        self.0.iter_mut().zip(others.0).for_each(|(a, b)| *a += b);
    }

    /// How many of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// How many of all kinds.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Kind::ALL.iter().map(|kind| (kind.name(), self.of(*kind))))
    }
}

/// How long steps took, by the wall clock; never part of what a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopwatch {
    steps: Steps,
    took: [Duration; KINDS],
}

impl Stopwatch {
    /// A step took so long.
    pub fn add(&mut self, kind: Kind, took: Duration) {
        self.steps.count(kind);
        self.took[kind as usize] += took;
    }

    /// Those of another run as well.
    pub fn merge(&mut self, others: &Stopwatch) {
        self.steps.add(&others.steps);
        let both = self.took.iter_mut().zip(others.took);
        both.for_each(|(took, more)| *took += more);
    }

    /// The mean of one kind, or of all, in nanoseconds; the cost of looking at the clock included.
    #[must_use]
    pub fn mean_ns(&self, kind: Option<Kind>) -> u64 {
        let (steps, took) = match kind {
            Some(kind) => (self.steps.of(kind), self.took[kind as usize]),
            None => (self.steps.all(), self.took.iter().sum()),
        };
        let nanos = took.as_nanos() / u128::from(steps.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_and_timed_by_kind() {
        let mut watch = Stopwatch::default();
        watch.add(Kind::Tick, Duration::from_nanos(100));
        watch.add(Kind::Tick, Duration::from_nanos(300));
        watch.add(Kind::Raft, Duration::from_nanos(800));
        assert_eq!(watch.mean_ns(Some(Kind::Tick)), 200);
        assert_eq!(watch.mean_ns(Some(Kind::Control)), 0);
        assert_eq!(watch.mean_ns(None), 400);
        let mut steps = watch.steps;
        steps.add(&watch.steps);
        assert_eq!((steps.all(), steps.of(Kind::of(&Event::Tick))), (6, 4));
    }
}
