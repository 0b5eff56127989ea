//! Through the public API: two nodes, each a cluster of its own, whose hosts talk.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use quorate_runtime::seam::Seam;
use quorate_runtime::{ClusterNetworkManager, MessagePriority, NodeId};
use quorate_smol::SmolSeam;
use quorate_tokio::TokioSeam;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::papers::Papers;
use super::{Watch, clock, runtime};

const B: NodeId = NodeId(2);
/// Messages handed over at once.
const BATCH: u64 = 512;
const PATIENCE: Duration = Duration::from_secs(20);

/// A seam that runs here: each end has a thread of its own.
pub trait Runs: Seam {
    fn run<T>(work: impl Future<Output = T>) -> T;
}

impl Runs for TokioSeam {
    fn run<T>(work: impl Future<Output = T>) -> T {
        runtime().block_on(work)
    }
}

impl Runs for SmolSeam {
    fn run<T>(work: impl Future<Output = T>) -> T {
        smol::block_on(work)
    }
}

async fn start<S: Seam>(papers: &Papers, home: &TempDir, node: u64) -> ClusterNetworkManager<S> {
    let listen = ([127, 0, 0, 1], 0).into();
    let manager = ClusterNetworkManager::<S>::builder(listen)
        .home(home.path().join(format!("n{node}")))
        .identity(papers.nodes[node as usize - 1].identity())
        .voters([NodeId(node)])
        .build()
        .await
        .expect("a node");
    manager.start().await.expect("it starts");
    manager
}

/// The work as a task, as hosts do theirs: on smol, tasks and whoever blocks are on different
/// threads.
async fn task<S: Seam, T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, result) = oneshot::channel();
    S::default().spawn(async move {
        let _nobody_waits = done.send(work.await);
    });
    result.await.expect("it ran")
}

/// Two nodes, each on a thread and a runtime of its own; only the work between them is timed by
/// whoever asks `since`.
fn both<S: Runs, T, F, G>(
    papers: &Papers,
    one: impl FnOnce(ClusterNetworkManager<S>, SocketAddr) -> F + Send,
    other: impl FnOnce(ClusterNetworkManager<S>) -> G + Send,
) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    let home = tempfile::tempdir().expect("a directory");
    let (told, address) = oneshot::channel();
    std::thread::scope(|scope| {
        let home = &home;
        let other = scope.spawn(move || {
            S::run(async {
                let manager = start::<S>(papers, home, 2).await;
                told.send(manager.local_addr().expect("it listens"))
                    .expect("the other end waits");
                task::<S, _>(other(manager.clone())).await;
                manager.shutdown().await;
            });
        });
        let result = S::run(async {
            let manager = start::<S>(papers, home, 1).await;
            let address = address.await.expect("told");
            let result = task::<S, _>(one(manager.clone(), address)).await;
            manager.shutdown().await;
            result
        });
        other.join().expect("the other end");
        result
    })
}

pub fn one_way<S: Runs>(papers: &Papers, len: usize, count: u64) -> Vec<f64> {
    both::<S, _, _, _>(
        papers,
        |manager, address| async move {
            let batch = if len > 4096 { 16 } else { BATCH };
            let bodies = vec![vec![7; len]; batch as usize];
            // Several batches are under way at once.
            let send = |share: u64| {
                let (manager, bodies) = (&manager, &bodies);
                async move {
                    let class = MessagePriority::Normal;
                    let mut left = share;
                    while left > 0 {
                        let some = left.min(batch);
                        let bodies = &bodies[..some as usize];
                        let sent = manager.send_messages(B, address, class, bodies).await;
                        sent.expect("it arrives");
                        left -= some;
                    }
                }
            };
            let hello = manager.send_message(B, address, b"hello").await;
            hello.expect("it arrives");
            let watch = Watch::start();
            let share = count / 4;
            let (a, b) = (send(share), send(share));
            let (c, d) = (send(share), send(count - 3 * share));
            tokio::join!(a, b, c, d);
            watch.read(count)
        },
        |manager| async move {
            let messages = manager.messages();
            let (mut left, mut taken) = (count + 1, Vec::new());
            while left > 0 {
                left -= messages.next_many(&mut taken, BATCH as usize).await as u64;
                for message in taken.drain(..) {
                    assert!(message.payload.len() == len || &*message.payload == b"hello");
                }
            }
        },
    )
}

fn ask<S: Runs>(papers: &Papers, len: usize, count: u64, at_once: u64) -> (Vec<u64>, Vec<f64>) {
    both::<S, _, _, _>(
        papers,
        |manager, address| async move {
            let class = MessagePriority::High;
            let hello = manager.send_message_as(B, address, class, b"hello").await;
            hello.expect("it arrives");
            let watch = Watch::start();
            let (spans, all) = async_channel::unbounded();
            for _ in 0..at_once {
                let (manager, spans) = (manager.clone(), spans.clone());
                S::default().spawn(async move {
                    let body = vec![7; len];
                    for _ in 0..count / at_once {
                        let since = clock();
                        let reply = manager.request(B, &body, class, PATIENCE).await;
                        assert_eq!(reply.expect("a reply").len(), len);
                        let _counted = spans.try_send(clock() - since);
                    }
                });
            }
            drop(spans);
            let mut spans = Vec::new();
            while let Ok(span) = all.recv().await {
                spans.push(span);
            }
            let read = watch.read(count);
            manager
                .send_message_as(B, address, class, b"over")
                .await
                .expect("it arrives");
            (spans, read)
        },
        |manager| async move {
            let messages = manager.messages();
            let since = Instant::now();
            while let Some(message) = messages.next().await {
                match message.reply {
                    Some(reply) => reply.send(&message.payload).expect("queued"),
                    None if &*message.payload == b"over" => return,
                    None => {}
                }
                assert!(since.elapsed() < 10 * PATIENCE);
            }
        },
    )
}

pub fn requests<S: Runs>(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<f64> {
    ask::<S>(papers, len, count, at_once).1
}

pub fn ping_pong<S: Runs>(papers: &Papers, len: usize, count: u64) -> Vec<u64> {
    ask::<S>(papers, len, count, 1).0
}
