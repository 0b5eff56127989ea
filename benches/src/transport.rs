//! Two ends of one connection over loopback, mutual TLS 1.3 with the same cipher everywhere, each
//! end on a thread of its own: what leaves one host until the other has it.
//!
//! `link` is the connection machine with TLS over one socket and one task; `api` is the whole way,
//! from a handle of one node to the queue of another's host.

mod api;
mod bare;
mod end;
mod link;
mod papers;

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use quorate_smol::SmolSeam;
use quorate_tokio::TokioSeam;

use self::papers::Papers;
use crate::contest::{Contender, Figure, Measure, tournament};

const RATE: Measure = Measure {
    what: "",
    unit: "1/s",
    is_more_better: true,
};
const CPU: Measure = Measure {
    what: ", CPU of both ends",
    unit: "ns",
    is_more_better: false,
};
const P50: Measure = Measure {
    what: ", p50",
    unit: "ns",
    is_more_better: false,
};
const P99: Measure = Measure {
    what: ", p99",
    unit: "ns",
    is_more_better: false,
};
const BYTES: Measure = Measure {
    what: ", bytes",
    unit: "B/s",
    is_more_better: true,
};

/// How long the parts with latencies run.
const SPAN: Duration = Duration::from_millis(400);
/// Between two urgent messages.
const URGENT_EVERY: Duration = Duration::from_micros(250);

/// A case: its name and how to run it.
type Case<'a> = (&'static str, Box<dyn Fn(u32) -> Vec<Figure> + 'a>);

/// The cases whose names contain `only`.
pub fn run(rounds: u32, only: &str) -> Vec<Figure> {
    let papers = Papers::new();
    let cases: Vec<Case<'_>> = vec![
        (
            "one way 64 B",
            Box::new(|rounds| one_way(&papers, 64, rounds)),
        ),
        (
            "one way 256 B",
            Box::new(|rounds| one_way(&papers, 256, rounds)),
        ),
        (
            "64 requests at once, 256 B",
            Box::new(|rounds| requests(&papers, rounds)),
        ),
        (
            "1 request at a time, 64 B",
            Box::new(|rounds| ping_pong(&papers, rounds)),
        ),
        (
            "urgent beside bulk",
            Box::new(|rounds| urgent(&papers, rounds)),
        ),
        ("bulk", Box::new(|rounds| bulk(&papers, rounds))),
    ];
    let mut figures = Vec::new();
    for (name, case) in cases {
        if name.contains(only) {
            figures.extend(case(rounds));
        }
    }
    figures
}

fn contender<'a>(name: &'static str, play: impl FnMut() -> Vec<f64> + 'a) -> Contender<'a> {
    let play = Box::new(play);
    Contender { name, play }
}

fn one_way(papers: &Papers, len: usize, rounds: u32) -> Vec<Figure> {
    let count = if len == 64 { 2_000_000 } else { 1_000_000 };
    let case = format!("one way {len} B");
    let play = |count: u64, work: &dyn Fn(u64)| timed(count, || work(count));
    let api_tokio = || api::one_way::<TokioSeam>(papers, len, count);
    let api_smol = || api::one_way::<SmolSeam>(papers, len, count);
    let mut figures = tournament(
        "transport",
        &case,
        &[RATE, CPU],
        rounds,
        vec![
            contender("link", || {
                play(count, &|count| link::one_way(papers, len, count))
            }),
            contender("rustls, framed", || {
                play(count, &|count| bare::one_way(papers, len, count))
            }),
            contender("api on tokio", api_tokio),
        ],
    );
    figures.extend(tournament(
        "transport",
        &format!("{case}, api"),
        &[RATE, CPU],
        rounds,
        vec![
            contender("api on tokio", api_tokio),
            contender("link", || {
                play(count, &|count| link::one_way(papers, len, count))
            }),
            contender("api on smol", api_smol),
        ],
    ));
    figures
}

fn requests(papers: &Papers, rounds: u32) -> Vec<Figure> {
    const COUNT: u64 = 100_000;
    const LEN: usize = 256;
    let play = |count: u64, work: &dyn Fn(u64)| timed(count, || work(count));
    tournament(
        "transport",
        "64 requests at once, 256 B, api",
        &[RATE, CPU],
        rounds,
        vec![
            contender("api on tokio", || {
                api::requests::<TokioSeam>(papers, LEN, COUNT, 64)
            }),
            contender("link", || {
                play(COUNT, &|count| link::requests(papers, LEN, count, 64))
            }),
            contender("api on smol", || {
                api::requests::<SmolSeam>(papers, LEN, COUNT, 64)
            }),
        ],
    )
}

fn ping_pong(papers: &Papers, rounds: u32) -> Vec<Figure> {
    const COUNT: u64 = 5_000;
    let play = |spans: Vec<u64>| percentiles(spans, &[500, 990]);
    tournament(
        "transport",
        "1 request at a time, 64 B",
        &[P50, P99],
        rounds,
        vec![
            contender("link", || play(link::ping_pong(papers, 64, COUNT))),
            contender("raw TCP", || play(bare::ping_pong(64, COUNT))),
            contender("api on tokio", || {
                play(api::ping_pong::<TokioSeam>(papers, 64, COUNT))
            }),
            contender("api on smol", || {
                play(api::ping_pong::<SmolSeam>(papers, 64, COUNT))
            }),
        ],
    )
}

fn urgent(papers: &Papers, rounds: u32) -> Vec<Figure> {
    let play = |(spans, rate): (Vec<u64>, f64)| {
        let mut values = percentiles(spans, &[500, 990]);
        values.push(rate);
        values
    };
    tournament(
        "transport",
        "64 B Critical while Low saturates",
        &[P50, P99, BYTES],
        rounds,
        vec![
            contender("link", || play(link::urgent(papers, SPAN, true))),
            contender("link without bulk", || {
                play(link::urgent(papers, SPAN, false))
            }),
            contender("one queue of 1 MiB", || play(bare::urgent(papers, SPAN))),
        ],
    )
}

fn bulk(papers: &Papers, rounds: u32) -> Vec<Figure> {
    const LEN: usize = 64 * 1024;
    const COUNT: u64 = 16_000;
    let play = |work: &dyn Fn(u64)| vec![timed(COUNT, || work(COUNT))[0] * LEN as f64];
    tournament(
        "transport",
        "bulk, messages of 64 KiB",
        &[BYTES],
        rounds,
        vec![
            contender("link", || play(&|count| link::one_way(papers, LEN, count))),
            contender("rustls, framed", || {
                play(&|count| bare::one_way(papers, LEN, count))
            }),
            contender("api on tokio", || {
                vec![api::one_way::<TokioSeam>(papers, LEN, COUNT)[0] * LEN as f64]
            }),
            contender("api on smol", || {
                vec![api::one_way::<SmolSeam>(papers, LEN, COUNT)[0] * LEN as f64]
            }),
        ],
    )
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

/// The rate and the processor time of some work. Making the connection counts too.
fn timed(count: u64, work: impl FnOnce()) -> Vec<f64> {
    let watch = Watch::start();
    work();
    watch.read(count)
}

/// Nanoseconds since some moment, the same for all threads.
fn clock() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn percentiles(mut spans: Vec<u64>, permille: &[usize]) -> Vec<f64> {
    assert!(spans.len() > 100, "only {} measured", spans.len());
    spans.sort_unstable();
    let at = |permille: &usize| spans[(spans.len() * permille / 1000).min(spans.len() - 1)] as f64;
    permille.iter().map(at).collect()
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
