//! tonic over mutual TLS, with a codec that hands bytes through.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Bytes, Service, http};
use tonic::server::NamedService;
use tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig,
};
use tonic::{Request, Response, Status, Streaming};

use super::papers::{Papers, name};
use super::{URGENT_EVERY, both, clock};

#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put(dst, item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let len = bytes::Buf::remaining(src);
        Ok(Some(bytes::Buf::copy_to_bytes(src, len)))
    }
}

/// What came in on a stream: when, how long, and its first eight bytes.
type Arrived = (u64, usize, u64);

/// Answers what it is asked; tells what arrives on a one-way stream.
#[derive(Clone)]
struct Host {
    arrived: mpsc::UnboundedSender<Vec<Arrived>>,
}

impl NamedService for Host {
    const NAME: &'static str = "bench";
}

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<http::Request<Body>> for Host {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Work<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let host = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/bench/unary" => grpc.unary(Echo, request).await,
                "/bench/both" => grpc.streaming(Echo, request).await,
                _ => grpc.client_streaming(host, request).await,
            })
        })
    }
}

/// Says back what it hears.
struct Echo;

impl Service<Request<Bytes>> for Echo {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Work<Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl Service<Request<Streaming<Bytes>>> for Echo {
    type Response = Response<Streaming<Bytes>>;
    type Error = Status;
    type Future = Work<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl Service<Request<Streaming<Bytes>>> for Host {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Work<Result<Response<Bytes>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let arrived = self.arrived.clone();
        Box::pin(async move {
            let mut stream = request.into_inner();
            let mut all = Vec::new();
            while let Some(body) = stream.message().await? {
                let word = body
                    .first_chunk()
                    .map_or(0, |word| u64::from_le_bytes(*word));
                all.push((clock(), body.len(), word));
            }
            let _report_unwanted = arrived.send(all);
            Ok(Response::new(Bytes::new()))
        })
    }
}

async fn serve(
    papers: &Papers,
    told: oneshot::Sender<std::net::SocketAddr>,
    arrived: mpsc::UnboundedSender<Vec<Arrived>>,
    over: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    told.send(listener.local_addr().expect("an address"))
        .expect("the other end waits");
    let paper = &papers.nodes[1];
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&paper.certificate, &paper.key))
        .client_ca_root(Certificate::from_pem(&paper.ca));
    let served = Server::builder()
        .tcp_nodelay(true)
        .tls_config(tls)
        .expect("in order")
        .add_service(Host { arrived })
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _closed = over.await;
        });
    served.await.expect("served");
}

async fn connect(papers: &Papers, address: std::net::SocketAddr) -> Channel {
    let paper = &papers.nodes[0];
    let tls = ClientTlsConfig::new()
        .identity(Identity::from_pem(&paper.certificate, &paper.key))
        .ca_certificate(Certificate::from_pem(&paper.ca))
        .domain_name(name(2));
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
    let endpoint = endpoint.tcp_nodelay(true).tls_config(tls);
    endpoint
        .expect("in order")
        .connect()
        .await
        .expect("it listens")
}

/// A client's work against a fresh server; what arrived on its one-way streams comes out behind it.
fn run<T: Send, F: Future<Output = T> + Send>(
    papers: &Papers,
    work: impl FnOnce(Channel) -> F + Send,
) -> (T, Vec<Vec<Arrived>>) {
    let (told, address) = oneshot::channel();
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (end, over) = oneshot::channel();
    let client = async move {
        let channel = connect(papers, address.await.expect("told")).await;
        let result = work(channel).await;
        end.send(()).expect("it serves");
        result
    };
    let result = both(client, serve(papers, told, arrived, over));
    let mut all = Vec::new();
    while let Ok(one) = arrivals.try_recv() {
        all.push(one);
    }
    (result, all)
}

fn path(text: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(text)
}

async fn stream_in(channel: Channel, bodies: impl Stream<Item = Bytes> + Send + 'static) {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.expect("ready");
    grpc.client_streaming(Request::new(bodies), path("/bench/in"), Raw)
        .await
        .expect("served");
}

pub fn one_way(papers: &Papers, len: usize, count: u64) {
    let body = Bytes::from(vec![7; len]);
    let bodies = tokio_stream::iter((0..count).map(move |_| body.clone()));
    let ((), arrived) = run(papers, |channel| stream_in(channel, bodies));
    assert_eq!(arrived[0].len() as u64, count);
}

async fn ask(channel: Channel, body: Bytes, count: u64) -> Vec<u64> {
    let mut grpc = tonic::client::Grpc::new(channel);
    let mut spans = Vec::new();
    for _ in 0..count {
        let since = clock();
        grpc.ready().await.expect("ready");
        let request = Request::new(body.clone());
        grpc.unary(request, path("/bench/unary"), Raw)
            .await
            .expect("served");
        spans.push(clock() - since);
    }
    spans
}

pub fn unary(papers: &Papers, len: usize, count: u64, at_once: u64) {
    let body = Bytes::from(vec![7; len]);
    run(papers, |channel| async move {
        let tasks: Vec<_> = (0..at_once)
            .map(|_| tokio::spawn(ask(channel.clone(), body.clone(), count / at_once)))
            .collect();
        for task in tasks {
            task.await.expect("done");
        }
    });
}

pub fn ping_pong(papers: &Papers, len: usize, count: u64) -> Vec<u64> {
    let body = Bytes::from(vec![7; len]);
    run(papers, |channel| ask(channel, body, count)).0
}

/// One stream in each direction, so many without an answer at once.
pub fn both_ways(papers: &Papers, len: usize, count: u64, at_once: usize) {
    let body = Bytes::from(vec![7; len]);
    run(papers, |channel| async move {
        let (sender, bodies) = mpsc::channel(at_once);
        for _ in 0..at_once {
            sender.send(body.clone()).await.expect("room");
        }
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.expect("ready");
        let request = Request::new(ReceiverStream::new(bodies));
        let answers = grpc.streaming(request, path("/bench/both"), Raw).await;
        let mut answers = answers.expect("served").into_inner();
        for answered in 1..=count {
            let _answer: Bytes = answers.message().await.expect("served").expect("an answer");
            if answered + at_once as u64 <= count {
                sender.send(body.clone()).await.expect("room");
            }
        }
    });
}

pub fn urgent(papers: &Papers, span: Duration) -> (Vec<u64>, f64) {
    let (_, arrived) = run(papers, |channel| async move {
        let end = clock() + span.as_nanos() as u64;
        let bulk = Bytes::from(vec![7; 16_000]);
        let bulk = tokio_stream::iter(std::iter::from_fn(move || {
            (clock() < end).then(|| bulk.clone())
        }));
        let (sender, urgent) = mpsc::channel(64);
        // A thread of its own keeps the time; a runtime's clock knows milliseconds only.
        std::thread::spawn(move || {
            while clock() < end {
                let mut body = vec![0; 64];
                body[..8].copy_from_slice(&clock().to_le_bytes());
                if sender.blocking_send(Bytes::from(body)).is_err() {
                    return;
                }
                std::thread::sleep(URGENT_EVERY);
            }
        });
        let low = tokio::spawn(stream_in(channel.clone(), bulk));
        stream_in(channel, ReceiverStream::new(urgent).map(|body| body)).await;
        low.await.expect("done");
    });
    summed_up(&arrived, span)
}

/// How long urgent bodies took, and the rate of all bytes.
pub fn summed_up(arrived: &[Vec<Arrived>], span: Duration) -> (Vec<u64>, f64) {
    let all = || arrived.iter().flatten();
    let urgent = all().filter(|(_, len, _)| *len == 64);
    let spans = urgent.map(|(at, _, since)| at - since).collect();
    let bytes: usize = all().map(|(_, len, _)| len).sum();
    (spans, bytes as f64 / span.as_secs_f64())
}
