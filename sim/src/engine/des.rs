//! The loop of a run.
//!
//! * I1: a run is a function of its plan.

use quorate_core::id::LinkId;

use super::memory;
use crate::plan::Plan;
use crate::record::Record;
use crate::report::Report;
use crate::span::Span;
use crate::steps::Stopwatch;
use crate::world::World;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A node's deadline.
    Wake {
        /// The index of the host.
        host: usize,
        /// The life it was armed in.
        life: u64,
    },
    /// A node's sync is complete.
    Synced {
        /// The index of the host.
        host: usize,
        /// The life it was started in.
        life: u64,
    },
    /// A node's sync takes so long that its driver says so.
    Stalled {
        /// The index of the host.
        host: usize,
        /// The life it was started in.
        life: u64,
    },
    /// A slow process comes to what waits for it.
    Turn {
        /// The index of the host.
        host: usize,
    },
    /// A segment has arrived at an end.
    Arrived {
        /// The connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// A socket that was full takes bytes again.
    Writable {
        /// The connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// The senders and readers of a process act.
    Mail {
        /// The index of the host.
        host: usize,
        /// Its life.
        life: u64,
    },
    /// A link's deadline.
    LinkTick {
        /// The connection.
        conn: usize,
        /// The end.
        end: usize,
    },
    /// A connection's opening has reached whom it was for.
    Opened {
        /// The dialling host.
        from: usize,
        /// Its life.
        life: u64,
        /// Which of its pending dials.
        dial: usize,
    },
    /// A dial came to nothing.
    DialFailed {
        /// The dialling host.
        host: usize,
        /// Its life.
        life: u64,
        /// Which of its pending dials.
        dial: usize,
    },
    /// A node must be told that a connection it hung up is down.
    HungUp {
        /// The index of the host.
        host: usize,
        /// Its life.
        life: u64,
        /// The connection, as the node calls it.
        link: LinkId,
    },
    /// A process that may speak joins the others.
    Join {
        /// The index of the host.
        host: usize,
        /// Its life.
        life: u64,
    },
    /// A fault of the plan strikes.
    Fault(usize),
    /// A crashed process is started.
    Restart {
        /// The index of the host.
        host: usize,
        /// The life that crashed.
        life: u64,
    },
    /// A fault that lasts a while is over.
    Over(usize),
    /// A client acts.
    Client {
        /// Which.
        client: usize,
        /// Which of its turns.
        turn: u64,
    },
    /// A reader acts.
    Reader {
        /// Which.
        reader: usize,
        /// Which of its turns.
        turn: u64,
    },
    /// Everything heals.
    HealAll,
    /// The checkers look at the whole.
    Look,
}

/// How a run is watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep the lines of a timeline.
    pub timeline: bool,
}

/// Carries out a plan.
#[must_use]
pub fn run(plan: &Plan, options: Options) -> Report {
    let mut world = World::new(plan);
    if options.timeline {
        world.keep_record();
    }
    carry_out(plan, &mut world);
    world.finish()
}

/// Carries out a plan and keeps the record of everything that happened.
#[must_use]
pub fn record(plan: &Plan) -> (Report, Record) {
    let mut world = World::new(plan);
    world.keep_record();
    carry_out(plan, &mut world);
    // The last checks may add a violation, which belongs to the record as well.
    world.check_last();
    let record = world.take_record().unwrap_or_default();
    (world.finish(), record)
}

/// Carries out a plan and times every step.
#[must_use]
pub fn time(plan: &Plan) -> (Report, Stopwatch) {
    let mut world = World::new(plan);
    world.stopwatch = Some(Stopwatch::default());
    carry_out(plan, &mut world);
    let stopwatch = world.stopwatch.take().unwrap_or_default();
    (world.finish(), stopwatch)
}

/// Carries out a plan, and tells every so often how many bytes the nodes hold.
#[must_use]
pub fn watch(plan: &Plan, every: Span, mut look: impl FnMut(Span, u64)) -> Report {
    let (mut world, mut next) = (World::new(plan), every);
    carry_on(plan, &mut world, |world, at| {
        if at >= next.ns() {
            look(next, world.held_bytes());
            next = next.plus(every);
        }
    });
    world.finish()
}

fn carry_out(plan: &Plan, world: &mut World) {
    carry_on(plan, world, |_, _| {});
}

/// Each moment is shown before anything happens in it.
fn carry_on(plan: &Plan, world: &mut World, mut show: impl FnMut(&World, u64)) {
    memory::prepare(plan.nodes);
    let end = plan.end.ns();
    while let Some((at, due)) = world.queue.pop() {
        if at > end || world.is_over() {
            break;
        }
        show(world, at);
        world.judge_until(at);
        world.now = at;
        world.on_due(due);
        world.note_conditions();
    }
    if !world.is_over() {
        world.judge_until(end);
    }
}
