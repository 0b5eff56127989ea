//! The rows of the table, and who plays in each.

use std::cell::Cell;
use std::time::{Duration, Instant};

use quorate_smol::SmolSeam;
use quorate_tokio::TokioSeam;

use super::papers::Papers;
use super::theirs::{calls, grpc, quic};
use super::{Watch, api, bare, link};
use crate::contest::{Board, Contender, Figure, Measure, play_in_turns};

const fn less(what: &'static str) -> Measure {
    let is_more_better = false;
    let unit = "ns";
    Measure {
        what,
        unit,
        is_more_better,
    }
}

const fn more(what: &'static str, unit: &'static str) -> Measure {
    let is_more_better = true;
    Measure {
        what,
        unit,
        is_more_better,
    }
}

const RATE: [Measure; 2] = [more("", "1/s"), less(", CPU of both ends")];
const SPANS: [Measure; 3] = [less(", p50"), less(", p99"), less(", p99.9")];
const URGENT: [Measure; 4] = [
    less(", p50"),
    less(", p99"),
    less(", p99.9"),
    more(", bytes", "B/s"),
];
const BYTES: [Measure; 1] = [more("", "B/s")];

/// One gigabit.
const GIGABIT: u32 = 125_000_000;
/// Requests under way at once.
const AT_ONCE: u64 = 64;

/// One row of the table.
#[derive(Clone, Copy)]
pub enum Row {
    /// Messages of so many bytes, from one end to the other.
    OneWay(usize),
    /// Requests and replies, many under way.
    Requests,
    /// One request at a time.
    PingPong,
    /// Urgent messages beside bulk, as fast as the machine goes or over a slower wire.
    Urgent(Option<u32>),
    /// Messages of so many bytes.
    Bulk(usize),
}

impl Row {
    pub const ALL: [Row; 8] = [
        Row::OneWay(64),
        Row::OneWay(256),
        Row::Requests,
        Row::PingPong,
        Row::Urgent(None),
        Row::Urgent(Some(GIGABIT)),
        Row::Bulk(64 * 1024),
        Row::Bulk(1024 * 1024),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Row::OneWay(64) => "one way 64 B",
            Row::OneWay(_) => "one way 256 B",
            Row::Requests => "64 requests at once, 256 B",
            Row::PingPong => "1 request at a time, 64 B",
            Row::Urgent(None) => "64 B Critical while Low saturates",
            Row::Urgent(Some(_)) => "64 B Critical while Low saturates 1 Gbit/s",
            Row::Bulk(65_536) => "bulk of 64 KiB",
            Row::Bulk(_) => "bulk of 1 MiB",
        }
    }
}

/// How the rows are played.
pub struct Turns<'a> {
    pub papers: &'a Papers,
    pub rounds: u32,
    /// How long a contender plays at each turn.
    pub span: Duration,
}

impl Turns<'_> {
    /// Plays a row.
    pub fn play(&self, row: Row) -> Vec<Figure> {
        match row {
            Row::OneWay(len) => self.one_way(row, len),
            Row::Requests => self.requests(row),
            Row::PingPong => self.ping_pong(row),
            Row::Urgent(rate) => self.urgent(row, rate),
            Row::Bulk(len) => self.bulk(row, len),
        }
    }

    fn board(&self, contenders: Vec<Contender<'_>>) -> Board {
        play_in_turns(self.rounds, contenders)
    }

    /// A contender that does as much per turn as the span allows; `work` says its values, the rate
    /// first.
    fn paced<'a>(
        &self,
        name: &'static str,
        first: u64,
        work: impl Fn(u64) -> Vec<f64> + 'a,
    ) -> Contender<'a> {
        let (span, count) = (self.span.as_secs_f64(), Cell::new(first));
        contender(name, move || {
            let values = work(count.get());
            count.set((values[0] * span).max(64.0) as u64);
            values
        })
    }

    /// The same, for work of which only the time counts. Making the connection counts too.
    fn timed<'a>(&self, name: &'static str, first: u64, work: impl Fn(u64) + 'a) -> Contender<'a> {
        self.paced(name, first, move |count| {
            let watch = Watch::start();
            work(count);
            watch.read(count)
        })
    }

    /// The same, for work that tells its spans: their percentiles.
    fn spans<'a>(&self, name: &'static str, work: impl Fn(u64) -> Vec<u64> + 'a) -> Contender<'a> {
        let (span, count) = (self.span.as_secs_f64(), Cell::new(1000));
        contender(name, move || {
            let since = Instant::now();
            let spans = work(count.get());
            let rate = spans.len() as f64 / since.elapsed().as_secs_f64();
            count.set((rate * span).max(1000.0) as u64);
            percentiles(spans)
        })
    }

    fn one_way(&self, row: Row, len: usize) -> Vec<Figure> {
        let (papers, first) = (self.papers, 200_000);
        let board = self.board(vec![
            self.timed("link", first, |n| link::one_way(papers, len, n)),
            self.timed("rustls, framed", first, |n| bare::one_way(papers, len, n)),
            self.timed("tonic, stream", first, |n| grpc::one_way(papers, len, n)),
            self.timed("quinn, stream", first, |n| quic::one_way(papers, len, n)),
            self.paced("api on tokio", first, |n| {
                api::one_way::<TokioSeam>(papers, len, n)
            }),
            self.paced("api on smol", first, |n| {
                api::one_way::<SmolSeam>(papers, len, n)
            }),
        ]);
        with_api(&board, row, &RATE, (4, 5))
    }

    fn requests(&self, row: Row) -> Vec<Figure> {
        const LEN: usize = 256;
        let (papers, first) = (self.papers, 6400);
        let board = self.board(vec![
            self.timed("link", first, |n| {
                link::requests(papers, LEN, n, AT_ONCE);
            }),
            self.timed("tonic, call each", first, |n| {
                grpc::unary(papers, LEN, n, AT_ONCE);
            }),
            self.timed("tonic, stream", first, |n| {
                grpc::streamed(papers, LEN, n, AT_ONCE);
            }),
            self.timed("tarpc", first, |n| {
                calls::requests(papers, LEN, n, AT_ONCE);
            }),
            self.timed("quinn, stream each", first, |n| {
                quic::requests(papers, LEN, n, AT_ONCE);
            }),
            self.timed("quinn, one stream", first, |n| {
                quic::streamed(papers, LEN, n, AT_ONCE);
            }),
            self.paced("api on tokio", first, |n| {
                api::requests::<TokioSeam>(papers, LEN, n, AT_ONCE)
            }),
            self.paced("api on smol", first, |n| {
                api::requests::<SmolSeam>(papers, LEN, n, AT_ONCE)
            }),
        ]);
        with_api(&board, row, &RATE, (6, 7))
    }

    fn ping_pong(&self, row: Row) -> Vec<Figure> {
        const LEN: usize = 64;
        let papers = self.papers;
        let board = self.board(vec![
            self.spans("link", |n| link::ping_pong(papers, LEN, n)),
            self.spans("raw TCP", |n| bare::ping_pong(LEN, n)),
            self.spans("tonic, call each", |n| grpc::unary(papers, LEN, n, 1)),
            self.spans("tarpc", |n| calls::requests(papers, LEN, n, 1)),
            self.spans("quinn, stream each", |n| quic::requests(papers, LEN, n, 1)),
            self.spans("api on tokio", |n| {
                api::ping_pong::<TokioSeam>(papers, LEN, n)
            }),
            self.spans("api on smol", |n| {
                api::ping_pong::<SmolSeam>(papers, LEN, n)
            }),
        ]);
        let mut figures = with_api(&board, row, &SPANS, (5, 6));
        let case = format!("{}, api on tokio", row.name());
        figures.extend(board.compare("transport", &case, &SPANS, (5, 1)));
        figures
    }

    fn urgent(&self, row: Row, rate: Option<u32>) -> Vec<Figure> {
        let (papers, span) = (self.papers, self.span);
        let told = |(spans, rate): (Vec<u64>, f64)| {
            let mut values = percentiles(spans);
            values.push(rate);
            values
        };
        let mut contenders = vec![
            contender("link", || told(link::urgent(papers, span, rate, true))),
            contender("link without bulk", || {
                told(link::urgent(papers, span, rate, false))
            }),
            contender("one queue of 1 MiB", || {
                told(bare::urgent(papers, span, rate))
            }),
            contender("tonic, two streams", || {
                told(grpc::urgent(papers, span, rate))
            }),
        ];
        // The kernel paces no datagrams on loopback.
        if rate.is_none() {
            contenders.push(contender("quinn, two streams", || {
                told(quic::urgent(papers, span))
            }));
        }
        let board = self.board(contenders);
        board.first_with_all("transport", row.name(), &URGENT)
    }

    fn bulk(&self, row: Row, len: usize) -> Vec<Figure> {
        let (papers, first) = (self.papers, (64 << 20) / len as u64);
        let contenders = vec![
            self.timed("link", first, |n| link::one_way(papers, len, n)),
            self.timed("rustls, framed", first, |n| bare::one_way(papers, len, n)),
            self.paced("api on tokio", first, |n| {
                api::one_way::<TokioSeam>(papers, len, n)
            }),
            self.paced("api on smol", first, |n| {
                api::one_way::<SmolSeam>(papers, len, n)
            }),
        ];
        let contenders = contenders.into_iter().map(|one| in_bytes(one, len));
        let board = self.board(contenders.collect());
        with_api(&board, row, &BYTES, (2, 3))
    }
}

fn contender<'a>(name: &'static str, play: impl FnMut() -> Vec<f64> + 'a) -> Contender<'a> {
    let play = Box::new(play);
    Contender { name, play }
}

/// What counts messages of a length, counting bytes.
fn in_bytes(contender: Contender<'_>, len: usize) -> Contender<'_> {
    let Contender { name, mut play } = contender;
    self::contender(name, move || vec![play()[0] * len as f64])
}

/// The link with all, the public API with the link, and the second runtime with the first.
fn with_api(board: &Board, row: Row, by: &[Measure], (tokio, smol): (usize, usize)) -> Vec<Figure> {
    let mut figures = board.first_with_all("transport", row.name(), by);
    let case = format!("{}, api on tokio", row.name());
    figures.extend(board.compare("transport", &case, by, (tokio, 0)));
    let case = format!("{}, api on smol", row.name());
    figures.extend(board.compare("transport", &case, by, (smol, tokio)));
    figures
}

/// The median, and what one in a hundred and one in a thousand exceed.
fn percentiles(mut spans: Vec<u64>) -> Vec<f64> {
    assert!(spans.len() > 100, "only {} measured", spans.len());
    spans.sort_unstable();
    let at = |permille: usize| spans[(spans.len() * permille / 1000).min(spans.len() - 1)] as f64;
    vec![at(500), at(990), at(999)]
}
