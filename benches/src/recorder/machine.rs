//! The machine alone: a single voter in memory takes proposals in rounds, as the driver gives them
//! to it, with and without a recorder.

use std::time::{Duration, Instant};

use quorate_core::control;
use quorate_core::durable::Durable;
use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{ClusterId, Epoch, Lsn, NodeId, RoleName, Ticket};
use quorate_core::journal::{Start, Writer};
use quorate_core::node::{Action, Command, Config, Event, Node};
use quorate_core::payload::Payload;
use quorate_core::seed::Seed;
use quorate_core::time::Time;

/// Bytes of a value.
const VALUE_BYTES: usize = 100;
/// Proposals of a round.
const ROUND: u64 = 64;

struct Machine {
    node: Node,
    writer: Option<Writer>,
    now: Time,
    actions: Vec<Action>,
}

impl Machine {
    fn step(&mut self, event: Event) {
        let before = self.actions.len();
        if let Some(writer) = &mut self.writer {
            writer.before(self.now, &event).expect("short");
        }
        self.node.step(self.now, event, &mut self.actions);
        if let Some(writer) = &mut self.writer {
            writer.after(&self.actions[before..]);
        }
    }

    /// Ends a round: what was written becomes durable.
    fn settle(&mut self) {
        loop {
            let mut last = None;
            for action in self.actions.drain(..) {
                if let Action::Persist { lsn, .. } = action {
                    last = Some(lsn);
                }
            }
            if let Some(writer) = &mut self.writer {
                std::hint::black_box(writer.take());
            }
            let Some(last) = last else { return };
            self.step(Event::Persisted(last));
        }
    }
}

fn role() -> RoleName {
    RoleName::new("primary").expect("a name")
}

fn start() -> Start {
    let cluster = ClusterId::new("bench").expect("a name");
    let mut config = Config::lan(cluster, NodeId(1), ([127, 0, 0, 1], 1).into());
    config.voters = vec![NodeId(1)];
    config.roles = vec![RoleSpec {
        name: role(),
        placement: Placement::Leader,
    }];
    Start {
        config: config.validate().expect("valid"),
        durable: Durable::default(),
        last: Lsn(0),
        seed: Seed::from_number(1),
        now: Time::ZERO,
    }
}

/// The time for so many proposals.
pub fn run(proposals: u64, is_recorded: bool) -> Duration {
    let mut machine = Machine {
        node: start().node(),
        writer: is_recorded.then(Writer::new),
        now: Time::ZERO,
        actions: Vec::new(),
    };
    machine.step(Event::Tick);
    machine.settle();
    let epoch: Epoch = loop {
        machine.now = Time(machine.now.0 + 10_000_000);
        machine.step(Event::Tick);
        machine.settle();
        let state = machine.node.view().control().state().role(&role());
        if let Some(state) = state.filter(|state| state.holder.is_some()) {
            break state.epoch;
        }
    };
    let value = Payload::from(vec![7; VALUE_BYTES]);
    let begun = Instant::now();
    let mut ticket = Ticket(1);
    for _ in 0..proposals / ROUND {
        machine.now = Time(machine.now.0 + 1_000_000);
        for _ in 0..ROUND {
            ticket = ticket.next();
            let command = Command::Propose {
                request: None,
                command: control::Command::Write {
                    role: role(),
                    epoch,
                    key: "city".to_string(),
                    value: value.clone(),
                },
            };
            machine.step(Event::Command { ticket, command });
        }
        machine.settle();
    }
    begun.elapsed()
}
