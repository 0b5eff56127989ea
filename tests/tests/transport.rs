//! What hosts may rely on when they talk, on tokio, on smol, and between the two.

use std::net::SocketAddr;
use std::time::Duration;

use futures_lite::future::zip;
use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterNetworkManager, Error, MessagePriority, NodeId, OutgoingStream, StreamAborted,
};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, members, soon};
use quorate_tests::proxy::Proxy;
use quorate_tokio::seam::TokioSeam;

type Manager<S> = ClusterNetworkManager<S>;

/// Two nodes, each a cluster of its own: only their hosts talk.
struct Two<A: Seam, B: Seam> {
    a: Manager<A>,
    b: Manager<B>,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

const B: NodeId = NodeId(2);

impl<A: Seam, C: Seam> Two<A, C> {
    async fn new() -> Two<A, C> {
        let directory = tempfile::tempdir().expect("a directory");
        let site = Site::new(directory.path());
        // Only the one dials: its own address leads nowhere.
        let a = site.node::<A>(1, 1).advertise(([127, 0, 0, 1], 1).into());
        let a = a.build().await.expect("a node");
        a.start().await.expect("it starts");
        let b = site.started(2, 1).await;
        Two {
            address: b.local_addr().expect("it listens"),
            a,
            b,
            _directory: directory,
        }
    }

    async fn send(&self, priority: MessagePriority, body: Vec<u8>) -> Result<(), Error> {
        let sent = self.a.send_message_as(B, self.address, priority, body);
        soon(&A::default(), "send", sent).await
    }

    async fn open(&self) -> Result<OutgoingStream, Error> {
        let opened = self.a.open_stream(B, self.address, MessagePriority::Low);
        soon(&A::default(), "open", opened).await
    }

    async fn next(&self) -> Vec<u8> {
        let messages = self.b.messages();
        let next = soon(&C::default(), "message", messages.next()).await;
        next.expect("it runs").payload.to_vec()
    }

    async fn end(self) {
        self.a.shutdown().await;
        self.b.shutdown().await;
    }
}

/// The bytes at a place of a long text.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

async fn messages_arrive_in_order_whatever_their_length<A: Seam, C: Seam>() {
    let two = Two::<A, C>::new().await;
    let batch: Vec<Vec<u8>> = (0..5000).map(|at| text(at % 700)).collect();
    let class = MessagePriority::High;
    let sent = two.a.send_messages(B, two.address, class, &batch);
    assert_eq!(soon(&A::default(), "send", sent).await, Ok(()));
    for expected in &batch {
        assert!(two.next().await == *expected);
    }
    for len in [0, 1, 16_368, 16_369, 1 << 20, (1 << 20) + 1, 20 << 20] {
        assert_eq!(two.send(MessagePriority::Normal, text(len)).await, Ok(()));
        assert!(two.next().await == text(len), "{len} bytes");
    }
    let refused = two
        .send(MessagePriority::Normal, text((64 << 20) + 1))
        .await;
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    let metrics = two.a.get_all_metrics();
    assert!(metrics.messages_sent > 5000 && metrics.bytes_sent > 21 << 20);
    assert_eq!(
        (metrics.retries, metrics.dropped, metrics.connections),
        (0, 0, 1)
    );
    assert!(metrics.queue_delay[class as usize].count() >= 5000);
    assert!(two.b.get_all_metrics().messages_received > 5000);
    two.end().await;
}

async fn streams_flow_at_their_readers_pace<A: Seam, C: Seam>() {
    let two = Two::<A, C>::new().await;
    let (mut slow, mut quick) = (
        two.open().await.expect("open"),
        two.open().await.expect("open"),
    );
    let messages = two.b.messages();
    let incoming = soon(&C::default(), "stream", messages.next_stream()).await;
    let _unread = incoming.expect("it runs");
    let mut read = soon(&C::default(), "stream", messages.next_stream())
        .await
        .expect("it runs");
    assert_eq!(
        (read.from, read.priority),
        (NodeId(1), MessagePriority::Low)
    );
    // Nobody reads the one: its writer waits, and only it.
    let patience = Duration::from_millis(300);
    let stuck = A::default()
        .within(patience, slow.write(&text(20 << 20)))
        .await;
    assert_eq!(stuck, None);
    let seam = C::default();
    let (counted, count) = async_channel::bounded(1);
    seam.spawn(async move {
        let mut bytes = Vec::new();
        while let Some(piece) = read.next().await {
            bytes.extend_from_slice(&piece.expect("complete"));
        }
        counted.send(bytes).await.expect("the test goes on");
    });
    let written = async {
        quick.write(&text(30 << 20)).await?;
        quick.finish().await
    };
    assert_eq!(soon(&A::default(), "write", written).await, Ok(()));
    let bytes = soon(&C::default(), "read", count.recv()).await;
    assert!(bytes.expect("read to the end") == text(30 << 20));
    two.end().await;
}

async fn either_side_ends_a_stream_early<A: Seam, C: Seam>() {
    let two = Two::<A, C>::new().await;
    let messages = two.b.messages();
    let mut given_up = two.open().await.expect("open");
    given_up.write(b"half").await.expect("room");
    let mut incoming = soon(&C::default(), "stream", messages.next_stream())
        .await
        .expect("it runs");
    let half = soon(&C::default(), "half", incoming.next()).await;
    assert_eq!(half.expect("bytes").expect("bytes").to_vec(), b"half");
    drop(given_up);
    let end = soon(&C::default(), "its end", incoming.next()).await;
    assert_eq!(end, Some(Err(StreamAborted { from: NodeId(1) })));
    let mut unwanted = two.open().await.expect("open");
    let incoming = soon(&C::default(), "stream", messages.next_stream()).await;
    drop(incoming);
    let refused = async {
        loop {
            if let Err(error) = unwanted.write(&text(1 << 20)).await {
                return error;
            }
        }
    };
    let refused = soon(&A::default(), "a refusal", refused).await;
    assert_eq!(refused, Error::StreamRefused { target: B });
    // So many and no more; ended ones make room.
    let mut open = Vec::new();
    let too_many = loop {
        match two.open().await {
            Ok(stream) => open.push(stream),
            Err(error) => break error,
        }
        assert!(open.len() <= 100);
    };
    assert_eq!(
        too_many,
        Error::TooManyStreams {
            target: B,
            max: 100
        }
    );
    two.end().await;
}

async fn a_lost_connection_loses_nothing<A: Seam, C: Seam>() {
    let mut two = Two::<A, C>::new().await;
    let proxy = Proxy::to(two.address);
    two.address = proxy.address();
    // More than may be under way, so that there is always something to lose.
    let all: Vec<Vec<u8>> = (0..1000_u32)
        .map(|at| at.to_le_bytes().repeat(5000))
        .collect();
    let class = MessagePriority::Normal;
    let sending = two.a.send_messages(B, two.address, class, &all);
    let (mut cuts, mut last) = (0, 0);
    let receiving = async {
        for (at, expected) in all.iter().enumerate() {
            if at >= last + 100 && proxy.cut() > 0 {
                (cuts, last) = (cuts + 1, at);
            }
            assert!(two.next().await == *expected, "message {at}");
        }
    };
    let (sent, ()) = soon(&A::default(), "all of them", zip(sending, receiving)).await;
    assert_eq!(sent, Ok(()));
    assert!(cuts > 0, "no connection was lost");
    let surplus = two.b.messages().try_next();
    assert!(surplus.is_none(), "delivered twice");
    assert_eq!(two.a.get_all_metrics().dropped, 0);
    two.end().await;
}

/// Runs a test on tokio, on smol, and from each to the other.
macro_rules! conforms {
    ($($test:ident => $tokio:ident, $smol:ident, $to_smol:ident, $to_tokio:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $tokio() {
                $test::<TokioSeam, TokioSeam>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn $smol() {
                $test::<SmolSeam, SmolSeam>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn $to_smol() {
                $test::<TokioSeam, SmolSeam>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn $to_tokio() {
                $test::<SmolSeam, TokioSeam>().await;
            }
        )+
    };
}

conforms! {
    messages_arrive_in_order_whatever_their_length =>
        order_on_tokio, order_on_smol, order_tokio_to_smol, order_smol_to_tokio;
    streams_flow_at_their_readers_pace =>
        pace_on_tokio, pace_on_smol, pace_tokio_to_smol, pace_smol_to_tokio;
    either_side_ends_a_stream_early =>
        ends_on_tokio, ends_on_smol, ends_tokio_to_smol, ends_smol_to_tokio;
    a_lost_connection_loses_nothing =>
        loss_on_tokio, loss_on_smol, loss_tokio_to_smol, loss_smol_to_tokio;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_says_what_became_of_each() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let first = site.started::<TokioSeam>(1, 1).await;
    let seeds = vec![first.local_addr().expect("it listens")];
    let second = site.started::<SmolSeam>(2, 1).await;
    let third = site.started::<TokioSeam>(3, 1).await;
    let joined = soon(
        &SmolSeam::default(),
        "join",
        second.join_cluster(seeds.clone()),
    )
    .await;
    joined.expect("a member answered");
    let joined = soon(&TokioSeam::default(), "join", third.join_cluster(seeds)).await;
    joined.expect("a member answered");
    members(&first, 3).await;
    let told = first.broadcast_message("all hands");
    let told = soon(&TokioSeam::default(), "broadcast", told).await;
    assert_eq!(told, Ok(vec![(NodeId(2), Ok(())), (NodeId(3), Ok(()))]));
    for messages in [second.messages(), third.messages()] {
        let message = soon(&TokioSeam::default(), "message", messages.next()).await;
        assert_eq!(message.expect("it runs").payload.to_vec(), b"all hands");
    }
    for manager in [&first, &third] {
        manager.shutdown().await;
    }
    second.shutdown().await;
}
