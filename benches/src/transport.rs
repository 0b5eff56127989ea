//! Two ends of one connection over loopback, mutual TLS 1.3 with the same cipher everywhere, each
//! end on a thread of its own: what leaves one host until the other has it.
//!
//! `link` is the connection machine with TLS over one socket and one task; `api` is the whole way,
//! from a handle of one node to the queue of another's host.
//!
//! Each contender plays a turn of about the same length: how much it does in a turn follows the
//! rate of its turn before.

mod api;
mod bare;
mod end;
mod heard;
mod link;
mod pacing;
mod papers;
mod rows;
mod theirs;

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use self::papers::Papers;
use self::rows::{Row, Turns};
use crate::contest::Figure;

/// The rows whose names contain `only`, each shown when it is played.
pub fn run(rounds: u32, seconds: f64, only: &str, show: impl FnMut(Figure)) {
    let papers = Papers::new();
    let turns = Turns {
        papers: &papers,
        rounds,
        span: Duration::from_secs_f64(seconds.clamp(0.05, 60.0)),
    };
    let rows = Row::ALL.into_iter().filter(|row| row.name().contains(only));
    rows.flat_map(|row| turns.play(row)).for_each(show);
}

/// Time, and the processor's time of the whole process.
struct Watch {
    start: Instant,
    cpu: ProcessTime,
}

impl Watch {
    fn start() -> Watch {
        Watch {
            start: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    /// The rate, and the processor time per unit in nanoseconds.
    fn read(&self, count: u64) -> Vec<f64> {
        let (took, burnt) = (self.start.elapsed(), self.cpu.elapsed());
        let count = count as f64;
        vec![count / took.as_secs_f64(), burnt.as_nanos() as f64 / count]
    }
}

/// Nanoseconds since some moment, the same for all threads.
fn clock() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Runs both ends, each on its own thread and its own runtime.
fn both<T: Send>(one: impl Future<Output = T> + Send, other: impl Future<Output = ()> + Send) -> T {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| runtime().block_on(other));
        let result = runtime().block_on(one);
        other.join().expect("the other end");
        result
    })
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
}
