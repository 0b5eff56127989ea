//! tarpc with bincode over mutual TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::LengthDelimitedCodec;
use tarpc::{client, context, serde_transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_stream::StreamExt;

use super::papers::{Papers, name};
use super::{both, clock};

#[tarpc::service]
trait Echo {
    async fn echo(body: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Host;

impl Echo for Host {
    async fn echo(self, _: context::Context, body: Vec<u8>) -> Vec<u8> {
        body
    }
}

async fn serve(papers: &Papers, told: oneshot::Sender<SocketAddr>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    told.send(listener.local_addr().expect("an address"))
        .expect("the other end waits");
    let (socket, _) = listener.accept().await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    let acceptor = TlsAcceptor::from(Arc::new(papers.nodes[1].server(b"rpc")));
    let socket = acceptor.accept(socket).await.expect("TLS");
    let framed = LengthDelimitedCodec::builder().new_framed(socket);
    let transport = serde_transport::new(framed, Bincode::default());
    let mut requests = std::pin::pin!(BaseChannel::with_defaults(transport).execute(Host.serve()));
    while let Some(work) = requests.next().await {
        tokio::spawn(work);
    }
}

async fn connect(papers: &Papers, address: SocketAddr) -> EchoClient {
    let socket = TcpStream::connect(address).await.expect("it listens");
    socket.set_nodelay(true).expect("a socket");
    let connector = TlsConnector::from(Arc::new(papers.nodes[0].client(b"rpc")));
    let server = ServerName::try_from(name(2)).expect("a name");
    let socket = connector.connect(server, socket).await.expect("TLS");
    let framed = LengthDelimitedCodec::builder().new_framed(socket);
    let transport = serde_transport::new(framed, Bincode::default());
    EchoClient::new(client::Config::default(), transport).spawn()
}

async fn ask(client: EchoClient, len: usize, count: u64) -> Vec<u64> {
    let (body, mut spans) = (vec![7; len], Vec::new());
    for _ in 0..count {
        let since = clock();
        let answer = client.echo(context::current(), body.clone()).await;
        assert_eq!(answer.expect("an answer").len(), len);
        spans.push(clock() - since);
    }
    spans
}

fn requests(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let (told, address) = oneshot::channel();
    let asking = async {
        let client = connect(papers, address.await.expect("told")).await;
        let tasks: Vec<_> = (0..at_once)
            .map(|_| tokio::spawn(ask(client.clone(), len, count / at_once)))
            .collect();
        let mut spans = Vec::new();
        for task in tasks {
            spans.extend(task.await.expect("done"));
        }
        spans
    };
    both(asking, serve(papers, told))
}

pub fn unary(papers: &Papers, len: usize, count: u64, at_once: u64) {
    requests(papers, len, count, at_once);
}

pub fn ping_pong(papers: &Papers, len: usize, count: u64) -> Vec<u64> {
    requests(papers, len, count, 1)
}
