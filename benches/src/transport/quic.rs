//! quinn: a stream of framed messages, a stream per request, two streams of different priority.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, ServerConfig};
use tokio::sync::oneshot;

use super::grpc::summed_up;
use super::papers::{Papers, name};
use super::{URGENT_EVERY, both, clock};

const PROTOCOL: &[u8] = b"bench";

fn listen(papers: &Papers, told: oneshot::Sender<SocketAddr>) -> Endpoint {
    let config = QuicServerConfig::try_from(papers.nodes[1].server(PROTOCOL)).expect("TLS 1.3");
    let config = ServerConfig::with_crypto(Arc::new(config));
    let endpoint = Endpoint::server(config, ([127, 0, 0, 1], 0).into()).expect("a port");
    told.send(endpoint.local_addr().expect("an address"))
        .expect("the other end waits");
    endpoint
}

async fn connect(papers: &Papers, address: SocketAddr) -> (Endpoint, Connection) {
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a port");
    let config = QuicClientConfig::try_from(papers.nodes[0].client(PROTOCOL)).expect("TLS 1.3");
    let config = ClientConfig::new(Arc::new(config));
    let connecting = endpoint.connect_with(config, address, &name(2));
    let connection = connecting.expect("in order").await.expect("it listens");
    (endpoint, connection)
}

/// Reads messages of one length to the end of a stream, and says when each was there.
async fn read(mut stream: RecvStream, mut each: impl FnMut(&[u8])) {
    let (mut buffer, mut len) = (vec![0; 256 * 1024], 0);
    while let Ok(Some(count)) = stream.read(&mut buffer[len..]).await {
        len += count;
        let mut rest = &buffer[..len];
        while let Some((head, behind)) = rest.split_first_chunk() {
            let body = u64::from_le_bytes(*head) as usize;
            let Some((body, behind)) = behind.split_at_checked(body) else {
                break;
            };
            each(body);
            rest = behind;
        }
        let kept = rest.len();
        buffer.copy_within(len - kept..len, 0);
        len = kept;
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u64).to_le_bytes(), body].concat()
}

pub fn one_way(papers: &Papers, len: usize, count: u64) {
    let (told, address) = oneshot::channel();
    let sending = async {
        let (endpoint, connection) = connect(papers, address.await.expect("told")).await;
        let mut stream = connection.open_uni().await.expect("a stream");
        let frame = framed(&vec![7; len]);
        for _ in 0..count {
            stream.write_all(&frame).await.expect("it reads");
        }
        stream.finish().expect("open");
        connection.closed().await;
        endpoint.wait_idle().await;
    };
    both(sending, async {
        let endpoint = listen(papers, told);
        let incoming = endpoint.accept().await.expect("a connection");
        let connection = incoming.await.expect("a connection");
        let stream = connection.accept_uni().await.expect("a stream");
        let mut received = 0;
        read(stream, |_| received += 1).await;
        assert_eq!(received, count);
        connection.close(0u8.into(), b"");
        endpoint.wait_idle().await;
    });
}

async fn ask(connection: Connection, len: usize, count: u64) -> Vec<u64> {
    let (body, mut spans) = (vec![7; len], Vec::new());
    for _ in 0..count {
        let since = clock();
        let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
        send.write_all(&body).await.expect("it reads");
        send.finish().expect("open");
        let answer = receive.read_to_end(1 << 20).await.expect("an answer");
        assert_eq!(answer.len(), len);
        spans.push(clock() - since);
    }
    spans
}

fn requests(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let (told, address) = oneshot::channel();
    let asking = async {
        let (endpoint, connection) = connect(papers, address.await.expect("told")).await;
        let tasks: Vec<_> = (0..at_once)
            .map(|_| tokio::spawn(ask(connection.clone(), len, count / at_once)))
            .collect();
        let mut spans = Vec::new();
        for task in tasks {
            spans.extend(task.await.expect("done"));
        }
        connection.close(0u8.into(), b"");
        endpoint.wait_idle().await;
        spans
    };
    both(asking, async {
        let endpoint = listen(papers, told);
        let incoming = endpoint.accept().await.expect("a connection");
        let connection = incoming.await.expect("a connection");
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            tokio::spawn(async move {
                let asked = receive.read_to_end(1 << 20).await.expect("a question");
                send.write_all(&asked).await.expect("it reads");
                send.finish().expect("open");
            });
        }
        endpoint.wait_idle().await;
    })
}

pub fn unary(papers: &Papers, len: usize, count: u64, at_once: u64) {
    requests(papers, len, count, at_once);
}

pub fn ping_pong(papers: &Papers, len: usize, count: u64) -> Vec<u64> {
    requests(papers, len, count, 1)
}

pub fn urgent(papers: &Papers, span: Duration) -> (Vec<u64>, f64) {
    let (told, address) = oneshot::channel();
    let sending = async {
        let (endpoint, connection) = connect(papers, address.await.expect("told")).await;
        let mut low = connection.open_uni().await.expect("a stream");
        let mut high = connection.open_uni().await.expect("a stream");
        low.set_priority(0).expect("open");
        high.set_priority(1).expect("open");
        let end = clock() + span.as_nanos() as u64;
        let bulk = tokio::spawn(async move {
            let frame = framed(&[7; 16_000]);
            while clock() < end {
                low.write_all(&frame).await.expect("it reads");
            }
            low.finish().expect("open");
        });
        let (sender, mut moments) = tokio::sync::mpsc::channel(64);
        std::thread::spawn(move || {
            while clock() < end && sender.blocking_send(clock()).is_ok() {
                std::thread::sleep(URGENT_EVERY);
            }
        });
        while let Some(since) = moments.recv().await {
            let mut body = [0; 64];
            body[..8].copy_from_slice(&since.to_le_bytes());
            high.write_all(&framed(&body)).await.expect("it reads");
        }
        high.finish().expect("open");
        bulk.await.expect("done");
        connection.closed().await;
        endpoint.wait_idle().await;
    };
    let arrived = Arc::new(Mutex::new(Vec::new()));
    both(sending, async {
        let endpoint = listen(papers, told);
        let incoming = endpoint.accept().await.expect("a connection");
        let connection = incoming.await.expect("a connection");
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let stream = connection.accept_uni().await.expect("a stream");
            let arrived = arrived.clone();
            tasks.push(tokio::spawn(async move {
                let mut all = Vec::new();
                read(stream, |body| {
                    let (word, _) = body.split_first_chunk().expect("long enough");
                    all.push((clock(), body.len(), u64::from_le_bytes(*word)));
                })
                .await;
                arrived.lock().expect("nobody panicked").push(all);
            }));
        }
        for task in tasks {
            task.await.expect("done");
        }
        connection.close(0u8.into(), b"");
        endpoint.wait_idle().await;
    });
    let arrived = arrived.lock().expect("nobody panicked");
    summed_up(&arrived, span)
}
