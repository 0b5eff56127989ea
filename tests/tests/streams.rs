//! How streams and long messages end: what their writers are told is what became of them, and what
//! is left of a session that is over touches nothing of the next.

use std::time::Duration;

use futures_lite::future::zip;
use quorate_runtime::seam::Seam;
use quorate_runtime::{
    Config, Error, Incoming, IncomingStream, MessagePriority, OutgoingStream, StreamAborted,
};
use quorate_tests::cluster::soon;
use quorate_tests::pair::{A, B, Pair};

/// The least that goes over a stream, so little that it leaves before a refusal can come.
const LONG_BYTES: usize = (1 << 20) + 1;
/// What an inbox holds of long messages and of what a node sends to itself.
const INBOX_BYTES: usize = 256 << 20;
const REFUSED: Error = Error::StreamRefused { target: B };
const DISCONNECTED: Error = Error::Disconnected { target: B };

/// The next stream at `b`.
async fn incoming<S: Seam, T: Seam>(pair: &Pair<S, T>) -> IncomingStream {
    let messages = pair.b.messages();
    let next = soon(&T::default(), "stream", messages.next_stream()).await;
    next.expect("it runs")
}

/// All bytes of a stream, and whether it was complete.
async fn read(mut stream: IncomingStream) -> (Vec<u8>, Result<(), StreamAborted>) {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => bytes.extend_from_slice(&piece),
            Err(aborted) => return (bytes, Err(aborted)),
        }
    }
    (bytes, Ok(()))
}

async fn a_long_message_that_found_no_room_has_not_arrived<S: Seam, T: Seam>() {
    let pair = Pair::<S, T>::new().await;
    let filled = pair
        .b
        .send_message(B, pair.address, vec![0; INBOX_BYTES])
        .await;
    assert_eq!(filled, Ok(()));
    let long = vec![7; LONG_BYTES];
    for priority in [MessagePriority::Critical, MessagePriority::Low] {
        let refused = pair.send(priority, long.clone()).await;
        assert_eq!(refused, Err(Error::PeerBusy { target: B }));
    }
    assert_eq!(pair.next().await.len(), INBOX_BYTES);
    assert!(pair.b.messages().try_next().is_none(), "it was refused");
    assert_eq!(pair.send(MessagePriority::Low, long.clone()).await, Ok(()));
    assert!(pair.next().await == long);
    pair.end().await;
}

async fn a_stream_is_finished_when_it_is_read<S: Seam, T: Seam>() {
    let pair = Pair::<S, T>::new().await;
    let mut writing = pair.open().await.expect("open");
    writing.write(b"all of it").await.expect("room");
    let stream = incoming(&pair).await;
    let whole = zip(writing.finish(), read(stream));
    let (finished, (bytes, complete)) = soon(&S::default(), "the end", whole).await;
    assert_eq!(
        (finished, &*bytes, complete),
        (Ok(()), &b"all of it"[..], Ok(()))
    );
    // Whether the end has arrived by then or not: nobody has read what was written.
    for has_arrived in [false, true] {
        let mut writing = pair.open().await.expect("open");
        writing.write(b"unwanted").await.expect("room");
        let stream = incoming(&pair).await;
        let dropped = async {
            if has_arrived {
                // Behind it in its class.
                assert_eq!(pair.send(MessagePriority::Low, vec![1]).await, Ok(()));
            }
            drop(stream);
        };
        let ended = zip(writing.finish(), dropped);
        let (finished, ()) = soon(&S::default(), "the end", ended).await;
        assert_eq!(finished, Err(REFUSED), "the end had arrived: {has_arrived}");
    }
    pair.end().await;
}

async fn whoever_finishes_learns_that_the_reader_is_gone<S: Seam, T: Seam>() {
    let soon_given_up =
        |config: &mut Config| config.transport.retry_interval = Duration::from_millis(500);
    let pair = Pair::<S, T>::adjusted(soon_given_up).await;
    let mut writing = pair.open().await.expect("open");
    writing.write(b"unread").await.expect("room");
    let _unread = incoming(&pair).await;
    let gone = async {
        // Behind the end in its class: nothing is owed any more.
        assert_eq!(pair.send(MessagePriority::Low, vec![1]).await, Ok(()));
        pair.b.shutdown().await;
    };
    let (finished, ()) = soon(&S::default(), "the end", zip(writing.finish(), gone)).await;
    assert_eq!(finished, Err(DISCONNECTED));
    pair.a.shutdown().await;
}

async fn a_stale_writer_writes_to_no_other_stream<S: Seam, T: Seam>() {
    let mut pair = Pair::<S, T>::new().await;
    let mut stale = Vec::new();
    for _ in 0..3 {
        stale.push(pair.open().await.expect("open"));
    }
    pair.restart_b().await;
    assert_eq!(pair.send(MessagePriority::Low, vec![1]).await, Ok(()));
    let mut fresh = Vec::new();
    for _ in 0..3 {
        fresh.push(pair.open().await.expect("open"));
    }
    assert_eq!(stale[0].write(b"stale").await, Err(DISCONNECTED));
    let finished = stale.pop().expect("three").finish();
    assert_eq!(
        soon(&S::default(), "an answer", finished).await,
        Err(DISCONNECTED)
    );
    drop(stale);
    for mut writing in fresh {
        writing.write(b"fresh").await.expect("it is open");
        let stream = incoming(&pair).await;
        let whole = zip(writing.finish(), read(stream));
        let (finished, (bytes, complete)) = soon(&S::default(), "the end", whole).await;
        assert_eq!(
            (finished, &*bytes, complete),
            (Ok(()), &b"fresh"[..], Ok(()))
        );
    }
    pair.end().await;
}

/// Both ends of a stream from `b`, with some bytes in it.
async fn written_to_a<S: Seam, T: Seam>(pair: &Pair<S, T>) -> (OutgoingStream, IncomingStream) {
    assert_eq!(pair.send(MessagePriority::Low, vec![1]).await, Ok(()));
    let open = pair.b.open_stream(A, pair.address, MessagePriority::Low);
    let mut writing = soon(&T::default(), "open", open).await.expect("open");
    writing.write(b"bytes").await.expect("room");
    let messages = pair.a.messages();
    let stream = soon(&S::default(), "stream", messages.next_stream()).await;
    (writing, stream.expect("it runs"))
}

async fn a_stale_reader_refuses_no_other_stream<S: Seam, T: Seam>() {
    let mut pair = Pair::<S, T>::new().await;
    let (stale, unread) = (written_to_a(&pair).await, written_to_a(&pair).await);
    pair.restart_b().await;
    let fresh = [written_to_a(&pair).await, written_to_a(&pair).await];
    drop(unread);
    let (bytes, complete) = soon(&S::default(), "its end", read(stale.1)).await;
    assert!(bytes.is_empty() || bytes == b"bytes");
    assert_eq!(complete, Err(StreamAborted { from: B }));
    for (writing, stream) in fresh {
        let whole = zip(writing.finish(), read(stream));
        let (finished, (bytes, complete)) = soon(&T::default(), "the end", whole).await;
        assert_eq!(
            (finished, &*bytes, complete),
            (Ok(()), &b"bytes"[..], Ok(()))
        );
    }
    pair.end().await;
}

async fn a_stale_reply_answers_no_other_request<S: Seam, T: Seam>() {
    let mut pair = Pair::<S, T>::new().await;
    let mut asked: Vec<Incoming> = Vec::new();
    let at_b = pair.b.messages();
    for life in 1..=2 {
        assert_eq!(pair.send(MessagePriority::Low, vec![life]).await, Ok(()));
        assert_eq!(pair.next().await, [life]);
        let (manager, patience) = (pair.a.clone(), Duration::from_secs(20));
        let (answered, answer) = async_channel::bounded(1);
        S::default().spawn(async move {
            let asking = manager.request(B, [life], MessagePriority::Normal, patience);
            answered.send(asking.await).await.expect("the test goes on");
        });
        let request = soon(&T::default(), "a request", at_b.next()).await;
        asked.push(request.expect("it runs"));
        if life == 1 {
            pair.restart_a().await;
            let lost = soon(&S::default(), "an answer", answer.recv()).await;
            assert_eq!(lost, Ok(Err(DISCONNECTED)));
            continue;
        }
        let replies = asked.drain(..).filter_map(|incoming| incoming.reply);
        let sent: Vec<_> = replies
            .zip([b"stale", b"fresh"])
            .map(|(reply, body)| reply.send(body))
            .collect();
        assert_eq!(sent, [Err(Error::Disconnected { target: A }), Ok(())]);
        let answer = soon(&S::default(), "an answer", answer.recv()).await;
        let answer = answer.expect("it was asked").expect("it was answered");
        assert_eq!(&*answer, b"fresh");
    }
    pair.end().await;
}

quorate_tests::conforms! {
    a_long_message_that_found_no_room_has_not_arrived,
    a_stream_is_finished_when_it_is_read,
    whoever_finishes_learns_that_the_reader_is_gone,
    a_stale_writer_writes_to_no_other_stream,
    a_stale_reader_refuses_no_other_stream,
    a_stale_reply_answers_no_other_request,
}
