//! Proposals on a real disk: a whole node, a single voter, beside a plain file to which each is
//! written and synced by itself.
//!
//! The log is the runtime's own, in the system's temporary directory (`TMPDIR` names another, which
//! must be on a disk). Each write to it is one `write` and one `fdatasync`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quorate_tokio::{Disk, FileDisk, Pending, Segment, TokioSeam, Write};

use super::Effort;
use crate::contest::{Contender, Figure, Goal, Measure, play_in_turns, quantile};
use crate::solo::{self, Work};

const VALUE_BYTES: usize = 256;
/// Proposals of one turn per client, and at most.
const PROPOSALS: (u64, u64) = (400, 6_400);
/// Appends of the plain file in one turn.
const APPENDS: u64 = 400;

const MEASURES: [Measure; 4] = [
    Measure {
        what: ", fdatasyncs per proposal",
        unit: "",
        is_more_better: false,
    },
    Measure {
        what: ", proposals",
        unit: "1/s",
        is_more_better: true,
    },
    Measure {
        what: ", p50",
        unit: "us",
        is_more_better: false,
    },
    Measure {
        what: ", p99",
        unit: "us",
        is_more_better: false,
    },
];

/// The runtime's disk, and how often it was written to.
struct Counted {
    inner: FileDisk<TokioSeam>,
    writes: Arc<AtomicU64>,
}

impl Disk for Counted {
    fn name(&self) -> PathBuf {
        self.inner.name()
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        self.inner.load()
    }

    fn resume(&mut self, len: u64) -> Pending<'_, ()> {
        self.inner.resume(len)
    }

    fn write(&mut self, write: Write) -> Pending<'_, ()> {
        match &write {
            // The first also syncs the directory, once per segment.
            Write::Begin { .. } | Write::Append(_) => {
                self.writes.fetch_add(1, Ordering::Relaxed);
            }
            Write::Forget { .. } => {}
        }
        self.inner.write(write)
    }
}

/// Four figures for 1, 16 and 64 clients.
pub fn run(effort: &Effort, show: &mut dyn FnMut(Figure)) {
    for clients in [1, 16, 64] {
        let ours = Contender {
            name: "quorate",
            play: Box::new(move || node(clients)),
        };
        let theirs = Contender {
            name: "plain file",
            play: Box::new(plain_file),
        };
        let board = play_in_turns(effort.rounds, vec![ours, theirs]);
        let case = format!("disk, {clients} clients");
        let mut figures = board.first_with_all("raft", &case, &MEASURES).into_iter();
        // One client waits for each; of more, at least two share a sync.
        let most = if clients == 1 { 1.0 } else { 0.5 };
        if let Some(syncs) = figures.next() {
            show(syncs.with_goal(Goal::AtMost(most)));
        }
        figures.for_each(&mut *show);
    }
}

fn node(clients: u64) -> Vec<f64> {
    let (each, most) = PROPOSALS;
    let work = Work {
        proposals: (each * clients).min(most),
        clients,
        value_bytes: VALUE_BYTES,
        is_recorded: false,
    };
    let home = tempfile::tempdir().expect("a directory");
    let writes = Arc::new(AtomicU64::new(0));
    let disk = Counted {
        inner: FileDisk::new(TokioSeam::default(), home.path().join("log")),
        writes: writes.clone(),
    };
    let before = writes.clone();
    let begun = move || before.store(0, Ordering::Relaxed);
    let took = solo::run(&work, home.path(), Box::new(disk), begun);
    let syncs = writes.load(Ordering::Relaxed);
    values(syncs, took.wall, &took.each)
}

fn plain_file() -> Vec<f64> {
    let home = tempfile::tempdir().expect("a directory");
    let mut file = allocated(&home.path().join("log"));
    let start = Instant::now();
    let append = |_| {
        let begun = Instant::now();
        file.write_all(&[7; VALUE_BYTES]).expect("written");
        file.sync_data().expect("durable");
        begun.elapsed()
    };
    let each: Vec<Duration> = (0..APPENDS).map(append).collect();
    values(APPENDS, start.elapsed(), &each)
}

/// Its blocks are there already, so that a sync has nothing but bytes to make durable.
fn allocated(path: &Path) -> File {
    let bytes = vec![0; VALUE_BYTES * usize::try_from(APPENDS).expect("a small number")];
    std::fs::write(path, bytes).expect("written");
    let file = File::options().write(true).open(path).expect("a file");
    file.sync_all().expect("durable");
    file
}

fn values(syncs: u64, wall: Duration, each: &[Duration]) -> Vec<f64> {
    let count = each.len() as f64;
    let mut micros: Vec<f64> = each.iter().map(|it| it.as_secs_f64() * 1e6).collect();
    vec![
        syncs as f64 / count,
        count / wall.as_secs_f64(),
        quantile(&mut micros, 500),
        quantile(&mut micros, 990),
    ]
}
