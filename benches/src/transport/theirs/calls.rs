//! Calls by `tarpc`, over its usual transport: length-delimited bincode.

use futures_lite::StreamExt;
use rustls::pki_types::ServerName;
use tarpc::context::Context;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::super::papers::{Papers, name};
use super::super::{clock, runtime};
use super::side_by_side;

#[tarpc::service]
pub trait Echo {
    async fn echo(body: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Host;

impl Echo for Host {
    async fn echo(self, _context: Context, body: Vec<u8>) -> Vec<u8> {
        body
    }
}

async fn serve(papers: &Papers, told: oneshot::Sender<std::net::SocketAddr>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    told.send(address).expect("the other end waits");
    let (socket, _) = listener.accept().await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    let acceptor = TlsAcceptor::from(papers.nodes[1].server());
    let socket = acceptor.accept(socket).await.expect("TLS");
    let framed = Framed::new(socket, LengthDelimitedCodec::new());
    let transport = serde_transport::new(framed, Bincode::default());
    let requests = BaseChannel::with_defaults(transport).execute(Host.serve());
    let mut requests = std::pin::pin!(requests);
    while let Some(request) = requests.next().await {
        tokio::spawn(request);
    }
}

/// Calls, so many at once; each span from question to answer.
pub fn requests(papers: &Papers, len: usize, count: u64, at_once: u64) -> Vec<u64> {
    let (told, address) = oneshot::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| runtime().block_on(serve(papers, told)));
        runtime().block_on(async {
            let address = address.await.expect("told");
            let socket = TcpStream::connect(address).await.expect("it listens");
            socket.set_nodelay(true).expect("a socket");
            let connector = TlsConnector::from(papers.nodes[0].client());
            let name = ServerName::try_from(name(2)).expect("a name");
            let socket = connector.connect(name, socket).await.expect("TLS");
            let framed = Framed::new(socket, LengthDelimitedCodec::new());
            let transport = serde_transport::new(framed, Bincode::default());
            let client = EchoClient::new(client::Config::default(), transport).spawn();
            let asking = || {
                let client = client.clone();
                async move {
                    let (body, mut spans) = (vec![7; len], Vec::new());
                    for _ in 0..count / at_once {
                        let since = clock();
                        let reply = client.echo(context::current(), body.clone()).await;
                        assert_eq!(reply.expect("a reply").len(), len);
                        spans.push(clock() - since);
                    }
                    spans
                }
            };
            side_by_side(at_once, asking).await
        })
    })
}
