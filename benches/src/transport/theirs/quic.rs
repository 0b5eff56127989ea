//! QUIC by `quinn`, with its defaults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, ServerConfig};
use tokio::sync::oneshot;

use super::super::heard::{BULK_BYTES, Heard, Schedule, URGENT_BYTES};
use super::super::papers::{Papers, name};
use super::super::{clock, runtime};
use super::side_by_side;

const HEADER: usize = 16;

fn local() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Both ends, each on its own thread and its own runtime; the connection ends with `work`.
fn both<T: Send, U: Send>(
    papers: &Papers,
    work: impl AsyncFnOnce(Connection) -> T + Send,
    other: impl AsyncFnOnce(Connection) -> U + Send,
) -> (T, U) {
    let (told, address) = oneshot::channel();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            runtime().block_on(async {
                let tls = QuicServerConfig::try_from(papers.nodes[1].server()).expect("TLS 1.3");
                let config = ServerConfig::with_crypto(Arc::new(tls));
                let endpoint = Endpoint::server(config, local()).expect("a port");
                let address = endpoint.local_addr().expect("an address");
                told.send(address).expect("the other end waits");
                let incoming = endpoint.accept().await.expect("a connection");
                let result = other(incoming.await.expect("a connection")).await;
                endpoint.wait_idle().await;
                result
            })
        });
        let result = runtime().block_on(async {
            let address = address.await.expect("told");
            let tls = QuicClientConfig::try_from(papers.nodes[0].client()).expect("TLS 1.3");
            let endpoint = Endpoint::client(local()).expect("a port");
            let config = ClientConfig::new(Arc::new(tls));
            let connecting = endpoint.connect_with(config, address, &name(2));
            let connection = connecting.expect("in order").await.expect("it listens");
            let result = work(connection.clone()).await;
            connection.close(0_u32.into(), b"over");
            endpoint.wait_idle().await;
            result
        });
        (result, other.join().expect("the other end"))
    })
}

/// Takes frames of one length off a stream until it ends.
async fn take(stream: &mut RecvStream, len: usize, mut each: impl FnMut(&[u8])) {
    let mut body = vec![0; HEADER + len];
    while stream.read_exact(&mut body).await.is_ok() {
        each(&body[HEADER..]);
    }
}

/// One stream of framed messages.
pub fn one_way(papers: &Papers, len: usize, count: u64) {
    let sending = async |connection: Connection| {
        let mut stream = connection.open_uni().await.expect("a stream");
        let frame = vec![7; HEADER + len];
        for _ in 0..count {
            stream.write_all(&frame).await.expect("it goes");
        }
        stream.finish().expect("it ends");
        stream.stopped().await.expect("all arrived");
    };
    let taking = async |connection: Connection| {
        let mut stream = connection.accept_uni().await.expect("a stream");
        let mut bytes = 0;
        while let Ok(Some(chunk)) = stream.read_chunk(usize::MAX, true).await {
            bytes += chunk.bytes.len() as u64;
        }
        assert_eq!(bytes, (HEADER + len) as u64 * count);
    };
    both(papers, sending, taking);
}

/// A stream for each request.
pub fn requests(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let asking = async |connection: Connection| {
        let asking = || {
            let connection = connection.clone();
            async move {
                let (body, mut spans) = (vec![7; len], Vec::new());
                for _ in 0..count / at_once {
                    let since = clock();
                    let (mut asking, mut answer) = connection.open_bi().await.expect("a stream");
                    asking.write_all(&body).await.expect("it goes");
                    asking.finish().expect("it ends");
                    let reply = answer.read_to_end(len).await.expect("a reply");
                    assert_eq!(reply.len(), len);
                    spans.push(clock() - since);
                }
                spans
            }
        };
        side_by_side(at_once, asking).await
    };
    let answering = async |connection: Connection| {
        while let Ok((mut answer, mut asked)) = connection.accept_bi().await {
            tokio::spawn(async move {
                let request = asked.read_to_end(len).await.expect("a request");
                answer.write_all(&request).await.expect("it goes");
                answer.finish().expect("it ends");
            });
        }
    };
    both(papers, asking, answering).0
}

/// One stream there and one back, framed, so many messages under way.
pub fn streamed(papers: &Papers, len: usize, count: u64, at_once: u64) {
    let asking = async |connection: Connection| {
        let (mut asking, mut answer) = connection.open_bi().await.expect("a stream");
        let (frame, mut reply) = (vec![7; HEADER + len], vec![0; HEADER + len]);
        for _ in 0..at_once {
            asking.write_all(&frame).await.expect("it goes");
        }
        for _ in 0..count {
            answer.read_exact(&mut reply).await.expect("a reply");
            asking.write_all(&frame).await.expect("it goes");
        }
    };
    let answering = async |connection: Connection| {
        let (mut answer, mut asked) = connection.accept_bi().await.expect("a stream");
        let mut frame = vec![0; HEADER + len];
        while asked.read_exact(&mut frame).await.is_ok() {
            if answer.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    both(papers, asking, answering);
}

/// Urgent messages on a stream of the highest priority, beside a stream of bulk.
pub fn urgent(papers: &Papers, span: Duration) -> (Vec<u64>, f64) {
    let sending = async |connection: Connection| {
        let mut schedule = Schedule::new(span);
        let mut urgent = connection.open_uni().await.expect("a stream");
        urgent.set_priority(100).expect("open");
        // Both streams are announced by their first bytes, the urgent one first.
        let mut bulk = connection.open_uni().await.expect("a stream");
        let (over, is_over) = async_channel::bounded::<()>(1);
        let few = async {
            while schedule.goes_on() {
                if let Some(body) = schedule.due() {
                    let frame = [&[0; HEADER][..], &body].concat();
                    urgent.write_all(&frame).await.expect("it goes");
                }
                tokio::task::yield_now().await;
            }
            urgent.finish().expect("it ends");
            drop(over);
            urgent.stopped().await.expect("all arrived");
        };
        let many = async {
            let frame = vec![7; HEADER + BULK_BYTES];
            tokio::task::yield_now().await;
            while !is_over.is_closed() {
                bulk.write_all(&frame).await.expect("it goes");
            }
            bulk.finish().expect("it ends");
            bulk.stopped().await.expect("all arrived");
        };
        tokio::join!(few, many);
    };
    let taking = async |connection: Connection| {
        let heard = std::cell::RefCell::new(Heard::new());
        let mut first = connection.accept_uni().await.expect("a stream");
        let mut second = connection.accept_uni().await.expect("a stream");
        let few = take(&mut first, URGENT_BYTES, |body| {
            heard.borrow_mut().hear(body);
        });
        let many = take(&mut second, BULK_BYTES, |body| {
            heard.borrow_mut().hear(body);
        });
        tokio::join!(few, many);
        heard.into_inner().account()
    };
    both(papers, sending, taking).1
}
