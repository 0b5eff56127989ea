//! gRPC by `tonic`: raw bytes as messages, so that no codec is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_lite::{Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{ClientStreamingService, NamedService, StreamingService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tower_service::Service;

use super::super::heard::{BULK_BYTES, Heard, Schedule};
use super::super::papers::{Paper, Papers, name};
use super::super::{clock, pacing, runtime};
use super::side_by_side;

const ECHO: &str = "/bench.Host/Echo";
const ECHO_ALL: &str = "/bench.Host/EchoAll";
const TAKE: &str = "/bench.Host/Take";

/// Messages are bytes.
#[derive(Clone, Copy)]
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

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}

/// Echoes requests and takes streams.
#[derive(Clone)]
struct Host {
    heard: Option<Arc<Mutex<Heard>>>,
}

type Replies = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Soon<T> = Pin<Box<dyn Future<Output = Result<T, Infallible>> + Send>>;

impl UnaryService<Bytes> for Host {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl StreamingService<Bytes> for Host {
    type Response = Bytes;
    type ResponseStream = Replies;
    type Future = Ready<Result<Response<Replies>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner().boxed())))
    }
}

impl ClientStreamingService<Bytes> for Host {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let heard = self.heard.clone();
        Box::pin(async move {
            let mut messages = request.into_inner();
            while let Some(message) = messages.message().await? {
                if let Some(heard) = &heard {
                    heard.lock().expect("unpoisoned").hear(&message);
                }
            }
            Ok(Response::new(Bytes::new()))
        })
    }
}

impl NamedService for Host {
    const NAME: &'static str = "bench.Host";
}

impl Service<http::Request<Body>> for Host {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Soon<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let host = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(match request.uri().path() {
                ECHO => grpc.unary(host, request).await,
                ECHO_ALL => grpc.streaming(host, request).await,
                _ => grpc.client_streaming(host, request).await,
            })
        })
    }
}

type Client = tonic::client::Grpc<Channel>;

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

async fn serve(paper: &Paper, host: Host, told: oneshot::Sender<SocketAddr>) {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let incoming = incoming.with_nodelay(Some(true));
    let address = incoming.local_addr().expect("an address");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&paper.certificate, &paper.key))
        .client_ca_root(Certificate::from_pem(&paper.ca));
    let server = Server::builder().tls_config(tls).expect("in order");
    told.send(address).expect("the other end waits");
    let served = { server }.add_service(host).serve_with_incoming(incoming);
    served.await.expect("it serves");
}

async fn dial(paper: &Paper, address: SocketAddr, rate: Option<u32>) -> Client {
    let tls = ClientTlsConfig::new()
        .identity(Identity::from_pem(&paper.certificate, &paper.key))
        .ca_certificate(Certificate::from_pem(&paper.ca))
        .domain_name(name(2));
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("an address");
    let endpoint = endpoint.tls_config(tls).expect("in order");
    let connector = pacing::Connector {
        bytes_per_second: rate,
    };
    let channel = endpoint.connect_with_connector(connector).await;
    tonic::client::Grpc::new(channel.expect("it listens"))
}

/// Both ends, each on its own thread and its own runtime.
fn both<T: Send>(
    papers: &Papers,
    heard: Option<Arc<Mutex<Heard>>>,
    rate: Option<u32>,
    work: impl AsyncFnOnce(Client) -> T + Send,
) -> T {
    let (told, address) = oneshot::channel();
    let (over, is_over) = oneshot::channel::<()>();
    let host = Host { heard };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            runtime().block_on(async {
                tokio::select! {
                    () = serve(&papers.nodes[1], host, told) => {}
                    _ = is_over => {}
                }
            });
        });
        let result = runtime().block_on(async {
            let address = address.await.expect("told");
            work(dial(&papers.nodes[0], address, rate).await).await
        });
        over.send(()).expect("the other end waits");
        result
    })
}

/// One stream of messages.
pub fn one_way(papers: &Papers, len: usize, count: u64) {
    both(papers, None, None, async |mut client| {
        let body = Bytes::from(vec![7; len]);
        let messages = stream::repeat(body).take(usize::try_from(count).expect("few"));
        client.ready().await.expect("it is up");
        let taken = client.client_streaming(Request::new(messages), path(TAKE), Raw);
        taken.await.expect("all arrived");
    });
}

/// A call each.
pub fn unary(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let calls = async |client: Client| {
        let body = Bytes::from(vec![7; len]);
        let asking = || {
            let (mut client, body) = (client.clone(), body.clone());
            async move {
                let mut spans = Vec::new();
                for _ in 0..count / at_once {
                    let since = clock();
                    client.ready().await.expect("it is up");
                    let reply = client.unary(Request::new(body.clone()), path(ECHO), Raw);
                    assert_eq!(reply.await.expect("a reply").into_inner().len(), len);
                    spans.push(clock() - since);
                }
                spans
            }
        };
        side_by_side(at_once, asking).await
    };
    both(papers, None, None, calls)
}

/// One stream there and one back, so many messages under way.
pub fn streamed(papers: &Papers, len: usize, count: u64, at_once: u64) {
    both(papers, None, None, async |mut client| {
        let body = Bytes::from(vec![7; len]);
        let (asking, asked) = async_channel::unbounded();
        for _ in 0..at_once {
            asking.try_send(body.clone()).expect("open");
        }
        client.ready().await.expect("it is up");
        let replies = client.streaming(Request::new(asked), path(ECHO_ALL), Raw);
        let mut replies = replies.await.expect("a stream").into_inner();
        for _ in 0..count {
            let reply = replies.message().await.expect("a stream");
            assert_eq!(reply.expect("a reply").len(), len);
            asking.try_send(body.clone()).expect("open");
        }
    });
}

/// Urgent messages on a stream of their own, beside a stream of bulk on the same connection.
pub fn urgent(papers: &Papers, span: Duration, rate: Option<u32>) -> (Vec<u64>, f64) {
    let sending = async |mut client: Client| {
        let mut schedule = Schedule::new(span);
        let (urgent, urgents) = async_channel::unbounded();
        let (bulk, bulks) = async_channel::bounded(2);
        client.ready().await.expect("it is up");
        let mut other = client.clone();
        let few = tokio::spawn(async move {
            let taken = client.client_streaming(Request::new(urgents), path(TAKE), Raw);
            taken.await.map(drop)
        });
        let many = tokio::spawn(async move {
            other.ready().await.expect("it is up");
            let taken = other.client_streaming(Request::new(bulks), path(TAKE), Raw);
            taken.await.map(drop)
        });
        let body = Bytes::from(vec![7; BULK_BYTES]);
        while schedule.goes_on() {
            if let Some(body) = schedule.due() {
                let body = Bytes::copy_from_slice(&body);
                urgent.try_send(body).expect("open");
            }
            while bulk.try_send(body.clone()).is_ok() {}
            tokio::task::yield_now().await;
        }
        drop((urgent, bulk));
        few.await.expect("it ran").expect("all arrived");
        many.await.expect("it ran").expect("all arrived");
    };
    let heard = Arc::new(Mutex::new(Heard::new()));
    both(papers, Some(heard.clone()), rate, sending);
    let heard = Arc::into_inner(heard).expect("the server is gone");
    heard.into_inner().expect("unpoisoned").account()
}
