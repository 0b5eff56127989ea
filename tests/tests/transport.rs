//! What hosts may rely on when they talk, on tokio, on smol, and between the two.

use std::time::Duration;

use futures_lite::future::zip;
use quorate_runtime::seam::Seam;
use quorate_runtime::{Error, MessagePriority, NodeId, StreamAborted};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, members, soon};
use quorate_tests::pair::{A, B, Pair};
use quorate_tests::proxy::Proxy;
use quorate_tokio::seam::TokioSeam;

/// The bytes at a place of a long text.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

async fn messages_arrive_in_order_whatever_their_length<S: Seam, T: Seam>() {
    let pair = Pair::<S, T>::new().await;
    let batch: Vec<Vec<u8>> = (0..5000).map(|at| text(at % 700)).collect();
    let class = MessagePriority::High;
    let sent = pair.a.send_messages(B, pair.address, class, &batch);
    assert_eq!(soon(&S::default(), "send", sent).await, Ok(()));
    for expected in &batch {
        assert!(pair.next().await == *expected);
    }
    for len in [0, 1, 16_368, 16_369, 1 << 20, (1 << 20) + 1, 20 << 20] {
        assert_eq!(pair.send(MessagePriority::Normal, text(len)).await, Ok(()));
        assert!(pair.next().await == text(len), "{len} bytes");
    }
    let refused = pair
        .send(MessagePriority::Normal, text((64 << 20) + 1))
        .await;
    assert!(
        matches!(refused, Err(Error::TooLarge { .. })),
        "{refused:?}"
    );
    let metrics = pair.a.get_all_metrics();
    assert!(metrics.messages_sent > 5000 && metrics.bytes_sent > 21 << 20);
    assert_eq!(
        (metrics.retries, metrics.dropped, metrics.connections),
        (0, 0, 1)
    );
    assert!(metrics.queue_delay[class as usize].count() >= 5000);
    assert!(pair.b.get_all_metrics().messages_received > 5000);
    pair.end().await;
}

async fn streams_flow_at_their_readers_pace<S: Seam, T: Seam>() {
    let pair = Pair::<S, T>::new().await;
    let (mut slow, mut quick) = (
        pair.open().await.expect("open"),
        pair.open().await.expect("open"),
    );
    let messages = pair.b.messages();
    let incoming = soon(&T::default(), "stream", messages.next_stream()).await;
    let _unread = incoming.expect("it runs");
    let mut read = soon(&T::default(), "stream", messages.next_stream())
        .await
        .expect("it runs");
    assert_eq!((read.from, read.priority), (A, MessagePriority::Low));
    // Nobody reads the one: its writer waits, and only it.
    let patience = Duration::from_millis(300);
    let stuck = S::default()
        .within(patience, slow.write(&text(20 << 20)))
        .await;
    assert_eq!(stuck, None);
    let seam = T::default();
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
    assert_eq!(soon(&S::default(), "write", written).await, Ok(()));
    let bytes = soon(&T::default(), "read", count.recv()).await;
    assert!(bytes.expect("read to the end") == text(30 << 20));
    pair.end().await;
}

async fn either_side_ends_a_stream_early<S: Seam, T: Seam>() {
    let pair = Pair::<S, T>::new().await;
    let messages = pair.b.messages();
    let mut given_up = pair.open().await.expect("open");
    given_up.write(b"half").await.expect("room");
    let mut incoming = soon(&T::default(), "stream", messages.next_stream())
        .await
        .expect("it runs");
    let half = soon(&T::default(), "half", incoming.next()).await;
    assert_eq!(half.expect("bytes").expect("bytes").to_vec(), b"half");
    drop(given_up);
    let end = soon(&T::default(), "its end", incoming.next()).await;
    assert_eq!(end, Some(Err(StreamAborted { from: A })));
    let mut unwanted = pair.open().await.expect("open");
    let incoming = soon(&T::default(), "stream", messages.next_stream()).await;
    drop(incoming);
    let refused = async {
        loop {
            if let Err(error) = unwanted.write(&text(1 << 20)).await {
                return error;
            }
        }
    };
    let refused = soon(&S::default(), "a refusal", refused).await;
    assert_eq!(refused, Error::StreamRefused { target: B });
    // So many and no more; ended ones make room.
    let mut open = Vec::new();
    let too_many = loop {
        match pair.open().await {
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
    pair.end().await;
}

async fn a_lost_connection_loses_nothing<S: Seam, T: Seam>() {
    let mut pair = Pair::<S, T>::new().await;
    let proxy = Proxy::to(pair.address);
    pair.address = proxy.address();
    // More than may be under way, so that there is always something to lose.
    let all: Vec<Vec<u8>> = (0..1000_u32)
        .map(|at| at.to_le_bytes().repeat(5000))
        .collect();
    let class = MessagePriority::Normal;
    let sending = pair.a.send_messages(B, pair.address, class, &all);
    let (mut cuts, mut last) = (0, 0);
    let receiving = async {
        for (at, expected) in all.iter().enumerate() {
            if at >= last + 100 && proxy.cut() > 0 {
                (cuts, last) = (cuts + 1, at);
            }
            assert!(pair.next().await == *expected, "message {at}");
        }
    };
    let (sent, ()) = soon(&S::default(), "all of them", zip(sending, receiving)).await;
    assert_eq!(sent, Ok(()));
    assert!(cuts > 0, "no connection was lost");
    let surplus = pair.b.messages().try_next();
    assert!(surplus.is_none(), "delivered twice");
    assert_eq!(pair.a.get_all_metrics().dropped, 0);
    pair.end().await;
}

quorate_tests::conforms! {
    messages_arrive_in_order_whatever_their_length,
    streams_flow_at_their_readers_pace,
    either_side_ends_a_stream_early,
    a_lost_connection_loses_nothing,
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
