//! Our connection machine.

use std::net::SocketAddr;
use std::time::Duration;

use quorate_core::time::Time;
use quorate_core::transport::{Outgoing, Output, Priority};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::end::End;
use super::heard::{BULK_BYTES, Heard, Schedule};
use super::papers::Papers;
use super::{both, clock};

fn message(body: &[u8]) -> Outgoing<'_> {
    let deadline = None;
    Outgoing::Message { body, deadline }
}

/// Listens, and tells where.
pub async fn listen(told: oneshot::Sender<SocketAddr>) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    told.send(address).expect("the other end waits");
    listener
}

/// Messages from one end to the other until the last is acknowledged.
pub fn one_way(papers: &Papers, len: usize, count: u64) {
    let (told, address) = oneshot::channel();
    let sending = async {
        let mut end = End::dial(address.await.expect("told"), &papers.nodes[0], None).await;
        let body = vec![7; len];
        let (mut sent, mut last, mut acked) = (0, u64::MAX, 0);
        while acked < last {
            let now = Time(clock());
            while sent < count {
                match end.session.submit(now, Priority::Normal, message(&body)) {
                    Ok(number) if sent + 1 == count => last = number,
                    Ok(_) => {}
                    Err(_) => break,
                }
                sent += 1;
            }
            let moved = end.turn(&mut |output, _| {
                if let Output::Acked { number, .. } = output {
                    acked = number;
                }
            });
            if !moved && acked < last {
                end.wait().await;
            }
        }
    };
    let receiving = async {
        let listener = listen(told).await;
        let mut end = End::accept(listener, &papers.nodes[1]).await;
        let mut received = 0;
        while received < count {
            let moved = end.turn(&mut |output, _| {
                if let Output::Message { body, .. } = output {
                    assert_eq!(body.len(), len);
                    received += 1;
                }
            });
            if !moved {
                end.wait().await;
            }
        }
        // The last acknowledgement.
        end.turn(&mut |_, _| {});
    };
    both(sending, receiving);
}

/// Answers requests until `count` are answered and the answers have left.
async fn answer(listener: TcpListener, papers: &Papers, count: u64) {
    let mut end = End::accept(listener, &papers.nodes[1]).await;
    let (mut answered, mut arrived) = (0, 0);
    let mut asked: Vec<(u64, Vec<u8>)> = Vec::new();
    while arrived < count {
        let moved = end.turn(&mut |output, _| match output {
            Output::Request { id, body, .. } => asked.push((id, body.to_vec())),
            Output::Acked { .. } => arrived = answered,
            _ => {}
        });
        let now = Time(clock());
        let is_asked = !asked.is_empty();
        for (id, body) in asked.drain(..) {
            let reply = Outgoing::Reply { id, body: &body };
            end.session
                .submit(now, Priority::High, reply)
                .expect("room");
            answered += 1;
        }
        if !moved && !is_asked {
            end.wait().await;
        }
    }
}

/// Requests, so many at once; each span from question to answer.
fn ask(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let (told, address) = oneshot::channel();
    let asking = async {
        let mut end = End::dial(address.await.expect("told"), &papers.nodes[0], None).await;
        let body = vec![7; len];
        let (mut asked, mut answered) = (0, 0);
        let mut spans = Vec::new();
        let mut since = vec![0; usize::try_from(count).expect("few")];
        while answered < count {
            let is_room = asked < count && asked - answered < at_once;
            while asked < count && asked - answered < at_once {
                let now = clock();
                since[asked as usize] = now;
                let (id, body, deadline) = (asked, &body[..], None);
                let request = Outgoing::Request { id, body, deadline };
                end.session
                    .submit(Time(now), Priority::High, request)
                    .expect("room");
                asked += 1;
            }
            let moved = end.turn(&mut |output, _| {
                if let Output::Reply { id, .. } = output {
                    spans.push(clock() - since[id as usize]);
                    answered += 1;
                }
            });
            if !moved && !is_room {
                end.wait().await;
            }
        }
        // The last acknowledgement.
        end.turn(&mut |_, _| {});
        spans
    };
    both(asking, async {
        let listener = listen(told).await;
        answer(listener, papers, count).await;
    })
}

pub fn requests(papers: &Papers, len: usize, count: u64, at_once: u64) {
    let spans = ask(papers, len, count, at_once);
    assert_eq!(spans.len() as u64, count);
}

pub fn ping_pong(papers: &Papers, len: usize, count: u64) -> Vec<u64> {
    ask(papers, len, count, 1)
}

/// Urgent messages, with or without bulk beside them: how long each took, and the rate of all.
pub fn urgent(
    papers: &Papers,
    span: Duration,
    rate: Option<u32>,
    with_bulk: bool,
) -> (Vec<u64>, f64) {
    let (told, address) = oneshot::channel();
    let (report, reported) = std::sync::mpsc::channel();
    let sending = async {
        let address = address.await.expect("told");
        let mut end = End::dial(address, &papers.nodes[0], rate).await;
        let bulk = vec![7; BULK_BYTES];
        let mut schedule = Schedule::new(span);
        while schedule.goes_on() {
            let now = Time(clock());
            if let Some(body) = schedule.due() {
                end.session
                    .submit(now, Priority::Critical, message(&body))
                    .expect("room");
            }
            if with_bulk {
                let low = || message(&bulk);
                while end.session.submit(now, Priority::Low, low()).is_ok() {}
            }
            end.turn(&mut |_, _| {});
            // Waiting would take the clock's millisecond; the other ends do not wait either.
            tokio::task::yield_now().await;
        }
        let over = message(b"over");
        end.session
            .submit(Time(clock()), Priority::Low, over)
            .or_else(|_| {
                end.session
                    .submit(Time(clock()), Priority::Normal, message(b"over"))
            })
            .expect("room");
        while end.session.owed() > 0 {
            if !end.turn(&mut |_, _| {}) {
                end.wait().await;
            }
        }
    };
    let receiving = async {
        let listener = listen(told).await;
        let mut end = End::accept(listener, &papers.nodes[1]).await;
        let (mut heard, mut is_over) = (Heard::new(), false);
        while !is_over {
            let moved = end.turn(&mut |output, _| {
                if let Output::Message { body, .. } = output {
                    heard.hear(body);
                    is_over = body == b"over";
                }
            });
            if !moved {
                end.wait().await;
            }
        }
        end.turn(&mut |_, _| {});
        report.send(heard.account()).expect("awaited");
    };
    both(sending, receiving);
    reported.recv().expect("reported")
}
